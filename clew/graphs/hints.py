"""Hints of START: sentences in the model's own voice that lead it to Python, and the places where they may stand."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clew.graphs.fences import blocks
from clew.task import Task

Position = Literal["end", "wait", "alternatively", "arithmetic"]
Placement = Literal["end", "last_wait", "all", "arithmetic"]

ANYWHERE: tuple[Position, ...] = ("end", "wait", "alternatively", "arithmetic")
# What stands between the model's text and a hint, which goes on with a lower-case word.
LEADS: dict[Position, str] = {"end": "\n\nWait, ", "wait": ", ", "alternatively": ", ", "arithmetic": "\n\nHmm, "}
OPEN_FENCE = "\n\n```python\n"
# So many signs between numbers, in neighbouring lines, are long arithmetic.
LONG_ARITHMETIC = 6


@dataclass(frozen=True)
class Hint:
    """A sentence that goes on after "Wait, ", as if the model thought it: no order from outside, no new fact about the
    problem. `function` says what it is for. One that `opens_fence` leaves a program as the only continuation. A
    `template` puts a debug program and the samples of the statement into the text, for `{template}` and `{samples}`;
    the form `class` is for tasks with starter code, `stdin` for others. `weight` is its share in the choice."""

    id: str
    domain: Literal["math", "code"]
    function: str
    text: str
    opens_fence: bool = False
    positions: tuple[Position, ...] = ANYWHERE
    template: Literal["none", "class", "stdin"] = "none"
    weight: float = 1.0

    def fits(self, task: Task, position: Position) -> bool:
        """Hints for mathematics serve every kind of task but code."""
        if self.domain != ("code" if task.kind == "code" else "math") or position not in self.positions:
            return False
        return self.template in ("none", "class" if starter_code(task) else "stdin")

    def render(self, task: Task, position: Position, fence: bool = True) -> str:
        """The text as it enters the chain; without the open fence where nobody continues it."""
        text = self.text
        if self.template != "none":
            template = class_template(starter_code(task)) if self.template == "class" else STDIN_TEMPLATE
            text = text.replace("{template}", template)
            # Samples last: they are the statement's, with whatever braces it has.
            text = text.replace("{samples}", samples(task))
        return LEADS[position] + text + (OPEN_FENCE if self.opens_fence and fence else "\n")


# The library: six functions for mathematics, one for code -----------------------------------------------------------

_MATH: dict[str, tuple[tuple[str, bool], ...]] = {
    "compute": (
        ("these numbers are large enough to slip by hand, so I will let Python compute them.", True),
        ("this calculation is long. A few lines of Python will do it without mistakes.", True),
    ),
    "reflect": (
        ("I should not trust this result yet. I will check it with a small Python program.", True),
        ("there may be a mistake somewhere above, and running a check in Python would show it.", False),
    ),
    "logic": (
        ("does every step really follow? I can write the conditions down in Python and test them.", True),
        ("one of these deductions may not hold in every case, so I will try many cases in Python.", True),
    ),
    "alternative": (
        ("there may be quite another way: trying all cases in Python gives the answer independently.", True),
        ("a second method should give the same answer. I will take one for Python, and compare.", False),
    ),
    "tool": (
        ("this is something that Python can help me with.", False),
        ("I can run Python here, so I may as well use it for this.", False),
    ),
    "deeper": (
        ("I went over this quickly. I will think it through with care, and use Python where it makes me surer.", False),
        ("there may be more to this question than I have seen. I will go deeper and try things out in Python.", False),
    ),
}  # fmt: skip

_DEBUG = """\
I should test this program before I hand it in: I will put the samples into the code, run it and look at what it \
prints. A debug program has this form (a template, not to be run as it stands):

```text
{template}
```

The samples of the statement are:

{samples}

Now I write the debug program. Once its output is right, I give the final program without the samples in it."""

CLASS_TEMPLATE = """\
{starter}
        ...  # my solution

print({class}().{method}(...))  # one call for each sample, with its input as arguments"""

STDIN_TEMPLATE = """\
import io, sys

def main():
    ...  # my solution, which reads sys.stdin

for sample in [...]:  # the sample inputs, as strings
    sys.stdin = io.TextIOWrapper(io.BytesIO(sample.encode()))
    main()"""


def class_template(starter: str) -> str:
    """The debug program around starter code, by the names of its class and its first public method."""
    name, method = re.search(r"class (\w+)", starter), re.search(r"def ([A-Za-z]\w*)", starter)
    filled = CLASS_TEMPLATE.replace("{class}", name[1] if name else "Solution")
    filled = filled.replace("{method}", method[1] if method else "solve")
    return filled.replace("{starter}", starter.rstrip())


HINTS: tuple[Hint, ...] = (
    *(
        Hint(f"{function}-{number}", "math", function, text, opens_fence=opens)
        for function, texts in _MATH.items()
        for number, (text, opens) in enumerate(texts, 1)
    ),
    Hint("debug-class", "code", "debug", _DEBUG, template="class"),
    Hint("debug-stdin", "code", "debug", _DEBUG, template="stdin"),
)

SELF_DEBUG = Hint(
    "self-debug",
    "math",
    "self-debug",
    "three programs in a row have failed. Before I write another one I will read the last error line by line, find "
    "what is really wrong, and make the next program as small as I can.",
)


def choose(hints: Sequence[Hint], task: Task, position: Position, given: Sequence[str], seed: int) -> Hint | None:
    """One of the hints that fit, by weight; those that were `given` already only when no other is left."""
    fitting = [hint for hint in hints if hint.weight > 0 and hint.fits(task, position)]
    fresh = [hint for hint in fitting if hint.id not in given] or fitting
    return random.Random(seed).choices(fresh, [hint.weight for hint in fresh])[0] if fresh else None


# What a code task says of itself ----------------------------------------------------------------------------------

_CLASS = re.compile(r"^class \w+[^\n]*:[ \t]*\n(?:[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)+", re.MULTILINE)
_SAMPLES = re.compile(r"^[#*\s]*(?:sample|example)s?\b[^\n]*$", re.IGNORECASE | re.MULTILINE)
_AFTER_SAMPLES = re.compile(
    r"^[#*\s]*(?:constraints?|notes?|starter code|follow[- ]up)\b", re.IGNORECASE | re.MULTILINE
)


def starter_code(task: Task) -> str:
    """The class to complete: `inputs["starter_code"]`, or one that stands in the statement; empty without one."""
    given = task.inputs.get("starter_code")
    if isinstance(given, str):
        return given
    found = _CLASS.search(task.prompt)
    return found.group() if found and "def " in found.group() else ""


def samples(task: Task) -> str:
    """The samples, unchanged: `inputs["samples"]` (a list of `{input, output}`), or that part of the statement."""
    given: Any = task.inputs.get("samples")
    if isinstance(given, list):
        pairs = [one for one in given if isinstance(one, dict)]
        return "\n\n".join(f"Input:\n{one.get('input', '')}\nOutput:\n{one.get('output', '')}" for one in pairs)
    found = _SAMPLES.search(task.prompt)
    if not found:
        return "(none: I make some up)"
    end = _AFTER_SAMPLES.search(task.prompt, found.end())
    return task.prompt[found.start() : end.start() if end else None].strip("\n")


# Where a hint may stand -------------------------------------------------------------------------------------------

_WORD = re.compile(
    r"(?<![\w-])(?:(?P<wait>(?:(?:But|Oh|Hmm|No),? )?[Ww]ait)|(?P<other>Alternatively))(?=[,.!;:\s…—]|$)"
)
_FORMULA = re.compile(
    r"\$\$.*?(?:\$\$|\Z)|\\\[.*?(?:\\\]|\Z)|\\\(.*?(?:\\\)|\Z)"
    r"|\\begin\{(\w+\*?)\}.*?(?:\\end\{\1\}|\Z)|\$[^$\n]+\$",
    re.DOTALL,
)
_SIGN = re.compile(r"\d\s*(?:[-+*/^=×·÷]|\\times|\\cdot|\\div|\*\*)\s*(?=[-(]?\d)")
_BOX = re.compile(r"\\f?boxed\s*\{")
_END_OF_THOUGHT = "</think>"


@dataclass(frozen=True)
class Point:
    """A place in a text: what comes after `offset` is taken off, and the hint begins there."""

    position: Position
    offset: int


def point(text: str, placement: Placement) -> Point | None:
    """Where the next hint stands in `text`, a stretch of the model's own words up to its end; None for nowhere.

    `end`: before the end, and before an answer that is separated from the thought. `last_wait`: after the last "Wait"
    or "Alternatively" that opens a thought. `all`: after the first of them, else at the end. `arithmetic`: after the
    first long calculation. Never in a block or a formula, and, the end apart, never after the last boxed answer.
    """
    words, calculations, end = _words(text), _calculations(text), _end(text)
    found = {"end": end, "last_wait": words[-1:], "all": [*words, *end], "arithmetic": calculations}[placement]
    return found[0] if found else None


def _end(text: str) -> list[Point]:
    thought, _, _ = text.partition(_END_OF_THOUGHT)
    return _allowed(text, [Point("end", len(thought.rstrip()))], boxes=False)


def _words(text: str) -> list[Point]:
    found = []
    for match in _WORD.finditer(text):
        # "wait" in the middle of a sentence is what somebody does at a bus stop.
        if match.group()[0].isupper():
            found.append(Point("wait" if match["wait"] else "alternatively", match.end()))
    return _allowed(text, found)


def _calculations(text: str) -> list[Point]:
    ends: list[int] = []
    signs, end, position = 0, 0, 0
    for line in [*text.splitlines(keepends=True), "."]:
        here = len(_SIGN.findall(line))
        if here:
            signs, end = signs + here, position + len(line.rstrip())
        elif line.strip():
            if signs >= LONG_ARITHMETIC:
                ends.append(end)
            signs = 0
        position += len(line)
    formulas = _formulas(text)
    return _allowed(text, [Point("arithmetic", next((b for a, b in formulas if a < end <= b), end)) for end in ends])


def _formulas(text: str) -> list[tuple[int, int]]:
    """From where to where formulas reach; one that is open at the end reaches beyond it."""
    found = []
    for match in _FORMULA.finditer(text):
        closed = match.group().endswith(("$", "\\]", "\\)", "}")) and len(match.group()) > 2
        found.append((match.start(), match.end() + (not closed)))
    return found


def _allowed(text: str, points: Sequence[Point], boxes: bool = True) -> list[Point]:
    formulas = _formulas(text)
    last_box = max((match.start() for match in _BOX.finditer(text)), default=len(text)) if boxes else len(text)
    points = [one for one in points if one.offset <= last_box]
    free = [one for one in points if not any(start < one.offset < end for start, end in formulas)]
    # A cut can make a fence of backticks that were none: what counts is the text that stays.
    return [one for one in free if all(block.closed for block in blocks(text[: one.offset]))]
