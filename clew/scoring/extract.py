"""Finding the final answer in a model's own text. Nothing that was retrieved or executed may be passed in."""

from __future__ import annotations

import ast
import re

from clew.task import TaskKind

_BOXED = re.compile(r"\\f?boxed\s*\{")
_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
# Weak models state the answer without a box; a whole line that says so is taken, prose that mentions answers is not.
_SAID = re.compile(
    r"^[\s>*_#-]*(?:(?:so|thus|therefore),? )?(?:the |my )?"
    r"(?:(?:final |correct )?answer(?: is)?\s*[:：]|final answer is\b)[\s*_]*(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_OPENED = re.compile(r"^[ \t]*```[ \t]*(?:python3?|py)?[ \t]*\n", re.IGNORECASE | re.MULTILINE)
_DEFINES = r"^\s*(?:(?:async\s+)?def|class)\s+{0}\b|^{0}\s*="
# Lines that prose does not hold: code that does not parse is still code.
_CODE_LINE = re.compile(
    r"^[ \t]*(?:(?:async )?def \w+\(.*|class \w+.*:|from \w[\w.]* import \S.*|import \w[\w.]*)[ \t]*$", re.MULTILINE
)
_WRAPPED = re.compile(r"^\\(?:text|mathrm|textbf|mathbf)\s*\{(.*)\}$", re.DOTALL)
_CHOICE = re.compile(r"^\W*(?:option |choice )?\(?([A-Z])\)?(?:\W|$)", re.IGNORECASE)


def boxed(text: str) -> str | None:
    r"""The content of the last complete `\boxed{...}` with balanced braces, None without one.

    Escaped braces are text; a box that never closes is skipped, and an earlier complete one counts.
    """
    for match in reversed(list(_BOXED.finditer(text))):
        content = _balanced(text, match.end())
        if content is not None:
            return content.strip()
    return None


def _balanced(text: str, start: int) -> str | None:
    depth, position = 1, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[start:position]
        position += 1
    return None


def extract_answer(text: str, kind: TaskKind = "qa") -> str:
    r"""The final answer in `text` by the kind of task; empty when there is none.

    `code`: the last fenced block, Python before others. `choice`: the letter. Otherwise the last `\boxed{...}`, else
    the last line that reads "answer: ...".
    """
    if kind == "code":
        return _fenced(text)
    answer = boxed(text)
    if answer is None:
        said = _SAID.findall(text)
        answer = said[-1].strip().strip("*_ ").rstrip(".").strip() if said else ""
    wrapped = _WRAPPED.match(answer)
    if wrapped and _balanced(answer, answer.index("{") + 1) == wrapped.group(1):
        answer = wrapped.group(1).strip()
    if kind == "choice":
        letter = _CHOICE.match(answer)
        return letter.group(1).upper() if letter else answer
    return answer


def _fenced(text: str, entry: str = "") -> str:
    blocks = _FENCE.findall(text)
    python = [body for language, body in blocks if language.lower() in ("python", "py", "python3")]
    chosen = python or [body for _, body in blocks]
    if entry:
        defining = re.compile(_DEFINES.format(re.escape(entry)), re.MULTILINE)
        chosen = [body for _, body in blocks if defining.search(body)] or chosen
    return chosen[-1].strip("\n") if chosen else ""


def code_in(text: str, entry: str = "") -> str:
    """The program in `text`, which may be one itself; empty when there is none.

    Of fenced blocks the last that defines `entry`, else the last, Python before others. A block that was never closed
    goes to the end. Without blocks all of it, if it is Python that does something or has lines
    that only Python begins with.
    """
    if fenced := _fenced(text, entry):
        return fenced
    opened = _OPENED.search(text)
    program = text[opened.end() :] if opened else text
    return program.strip("\n") if _is_code(program) else ""


def _is_code(text: str) -> bool:
    try:
        return any(not _is_word(node) for node in ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _CODE_LINE.search(text) is not None


def _is_word(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call | ast.Await)
