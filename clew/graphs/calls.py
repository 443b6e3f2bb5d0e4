"""Calls that stand in a model's text: tools with their markers, and the reading of what a model wrote."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clew.journal import Transcript
from clew.task import Evidence, Status, Task
from clew.tools.output import neutralise

MISUSED = (
    "The text between {begin} and {end} was empty or the markers did not match. To use the tool, write {begin}, then "
    "the {argument}, then {end}. Otherwise go on and give the final answer."
)

MISCALLED = "[Nothing was done. {wrong} The functions are: {known}. Otherwise go on and give the final answer.]"

# An open call longer than this is prose after a stray marker.
LONGEST_OPEN_CALL = 1_000


@dataclass(frozen=True)
class Result:
    """What a handler returns.

    `text` is what the model gets to read, `evidence` what stands behind it. `failed`: nothing new was done, so the call
    may be repeated and does not count. `memory` (JSON) is given to the handler's next call. `then` is put into the
    model's mouth after the result. `withdraw`: there are no further calls of this tool.
    """

    text: str
    evidence: tuple[Evidence, ...] = ()
    failed: bool = False
    memory: Any = None
    then: str = ""
    withdraw: bool = False


@dataclass(frozen=True)
class Call:
    """One use of a tool: `argument` is stripped; `transcript` is the model's text up to the call; `memory` is what the
    handler returned last time, None at first."""

    argument: str
    transcript: Transcript
    task: Task
    tools: Sequence[MarkerTool]
    memory: Any = None

    @property
    def reasoning(self) -> str:
        """The `digest` of the transcript."""
        return digest(self.transcript, self.tools)


@dataclass(frozen=True)
class Parsed:
    """What a segment asks for. `problem` is set when a marker was used wrongly, `invented` when the model began to
    write a result itself, `open` when the call has no end yet; `missing` is what must be added to close the call,
    `begins` where it begins, and `keep` the length of the segment that stays in the transcript."""

    tool: MarkerTool | None = None
    argument: str = ""
    problem: bool = False
    invented: bool = False
    open: bool = False
    missing: str = ""
    begins: int = 0
    keep: int = 0


@dataclass(frozen=True)
class MarkerTool:
    """A tool that a model calls by writing `begin` argument `end`.

    `quota` limits the calls that count; then the model reads `over_quota`. An argument that `repeats` an earlier one
    gets `repeated`, a wrong use `misused` (with `{begin}`, `{end}` and `{argument}`). `open_result` and `close_result`
    enclose what the model reads; a model that writes `open_result` itself is inventing results and is stopped there.
    An argument of a `verbatim` tool may hold the markers of others. `behind` (JSON) names what answers the calls, for
    the fingerprint of a graph.
    """

    name: str
    description: str
    argument: str
    begin: str
    end: str
    open_result: str
    close_result: str
    handle: Callable[[Call], Awaitable[Result]]
    quota: int
    over_quota: str
    repeated: str
    quota_status: Status = "tool_quota"
    repeats: Callable[[str, list[str]], bool] = lambda argument, earlier: argument in earlier
    count_failed: bool = False
    misused: str = MISUSED
    verbatim: bool = False
    behind: Mapping[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> dict[str, Any]:
        """The tool as an OpenAI function."""
        properties = {self.argument: {"type": "string", "description": f"The {self.argument}."}}
        parameters = {"type": "object", "properties": properties, "required": [self.argument]}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}

    def read(self, text: str, repair: bool) -> Parsed | None:
        """The call in `text`, None without one. The last one counts, and the text must end with it. One that is open
        at the end is closed (`repair`); an end marker without a beginning and an empty call are problems."""
        ended = text.rstrip()
        if ended.endswith(self.end):
            before, found, argument = ended[: -len(self.end)].rpartition(self.begin)
            argument = argument.strip() if found and self.end not in argument else ""
            return Parsed(self, argument, problem=not argument, begins=len(before), keep=len(text))
        before, found, rest = text.rpartition(self.begin)
        if not found or self.end in rest:
            return None
        argument = rest.strip() if repair and len(rest.strip()) <= LONGEST_OPEN_CALL else ""
        return Parsed(
            self, argument, problem=not argument, open=True, missing=self.end, begins=len(before), keep=len(text)
        )

    def block(self, text: str) -> str:
        """A result as it stands in the model's text."""
        return f"\n\n{self.open_result}{text}{self.close_result}\n\n"

    def countdown(self, left: int) -> str:
        """What a result says of the calls that are left."""
        return f" [{self.name} calls left: {left}]" if left <= 1 else ""

    def correction(self) -> str:
        """What a model reads that used the tool wrongly."""
        usage = {"begin": self.begin, "end": self.end, "argument": self.argument}
        return self.misused.format_map(usage)


def explained(name: str, tools: Iterable[MarkerTool]) -> str:
    """What a model reads that called a function `name` which there is not, or with arguments that cannot be used."""
    arguments = {tool.name: tool.argument for tool in tools}
    if name in arguments:
        wrong = f"{name} takes one argument, {arguments[name]!r}: a string that is not empty."
    else:
        wrong = f"There is no function {neutralise(name[:60])!r}."
    known = ", ".join(f"{one}({argument})" for one, argument in arguments.items())
    return MISCALLED.replace("{known}", known).replace("{wrong}", wrong)


def parse(segment: str, tools: Sequence[MarkerTool], *, repair: bool = True) -> Parsed:
    """Reads what a model wrote since the last result, up to where it stopped. Never raises.

    A result that the model began to invent is cut away; without a call before it that is a problem. Complete calls go
    before open ones, but what stands inside an open call of a `verbatim` tool is its argument.
    """
    text = segment.rstrip()
    invented = next((tool for tool in tools if text.endswith(tool.open_result)), None)
    kept = text.removesuffix(invented.open_result) if invented else segment
    found = [one for tool in tools if (one := tool.read(kept, repair)) is not None]
    if not found:
        return Parsed(invented, problem=invented is not None, invented=invented is not None, keep=len(kept))
    holds = min((one.begins for one in found if one.open and one.tool and one.tool.verbatim), default=len(text))
    first = min((one for one in found if one.begins <= holds), key=lambda one: (one.problem, one.open))
    return replace(first, invented=first.invented or invented is not None)


_STEP_BREAK = re.compile(r"\n\s*\n")


def digest(transcript: Transcript, tools: Sequence[MarkerTool], *, head: int = 1, tail: int = 4) -> str:
    """The model's reasoning so far as numbered steps, for a reader that knows nothing of markers: the first, the last
    four and all that hold a call; skipped ones become an ellipsis (Search-o1, section 2: previous-reasoning digest).
    Results stand under the step that asked for them."""
    steps: list[str] = []
    calls: set[int] = set()
    for segment in transcript.segments:
        if segment.role not in ("assistant", "tool"):
            continue
        text = segment.text
        if segment.origin == "model":
            for tool in tools:
                call = re.escape(tool.begin) + r"\s*(.*?)\s*(?:" + re.escape(tool.end) + r"|\Z)"
                text = re.sub(call, rf"[{tool.name}: \1]", text, flags=re.DOTALL)
            new = [step.strip() for step in _STEP_BREAK.split(text) if step.strip()]
            for made in (segment.extra or {}).get("tool_calls", ()):
                new.append(f"[{made['function']['name']}: {made['function']['arguments']}]")
            steps += new
        elif segment.origin == "injected":
            for tool in tools:
                text = text.replace(tool.open_result, "").replace(tool.close_result, "")
            steps = steps or ["(no words)"]
            steps[-1] += f"\n[result: {text.strip()}]"
            calls.add(len(steps) - 1)
    return _numbered(steps, calls, head, tail)


def _numbered(steps: Sequence[str], calls: set[int], head: int, tail: int) -> str:
    wanted = {*range(head), *range(max(len(steps) - tail, 0), len(steps)), *calls}
    lines: list[str] = []
    for i, step in enumerate(steps):
        if i in wanted:
            lines.append(f"Step {i + 1}: {step}")
        elif lines and lines[-1] != "...":
            lines.append("...")
    return neutralise("\n\n".join(lines))
