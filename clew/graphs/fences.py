"""Programs in a model's text: fenced blocks as the calls of a tool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import dedent

from clew.graphs.calls import MarkerTool, Parsed

OUTPUT = "output"
_PYTHON = re.compile(r"py(thon)?[\d.]*")

# A fence ends a line, with at most a word after it, or begins one. As in CommonMark it is made of three or more
# backticks or tildes, and what closes a block is of the same kind, no shorter, and not indented by four more spaces.
_FENCE = re.compile(
    r"^(?P<before>[^\n]*?)(?P<fence>(?<!`)`{3,}+|(?<!~)~{3,}+)[ \t]*(?P<info>[\w.+-]*)(?P<rest>[^`\n]*)$", re.MULTILINE
)
_INDENTED = 4


@dataclass(frozen=True)
class Block:
    """A fenced block of a text: `[start, end)` with its fences, `[inside, close)` without. `closed` is false for one
    that is open at the end of the text."""

    language: str
    start: int
    inside: int
    close: int
    end: int
    closed: bool
    fence: str = "```"
    indent: int = 0

    def content(self, text: str) -> str:
        return text[self.inside : self.close]

    def ending(self, text: str) -> str:
        """What closes the block of `text` where its content ends."""
        return f"{self.fence}\n" if text[: self.close].endswith("\n") else f"\n{self.fence}\n"

    @property
    def runs(self) -> bool:
        return is_python(self.language)

    def ended_by(self, fence: str, indent: int) -> bool:
        """Whether this is a fence of the text that the block stands in, and not one of its own lines."""
        same = fence[0] == self.fence[0] and len(fence) >= len(self.fence)
        return same and indent < self.indent + _INDENTED


def is_python(language: str) -> bool:
    return _PYTHON.fullmatch(language) is not None


def blocks(text: str) -> list[Block]:
    """The fenced blocks of `text`, in order. A bare fence closes a block. A program is also closed by a fence of
    another kind, as by the `output` that a model invents; a second fence of its own begins it anew, as when a model
    does not notice that a hint has opened one."""
    found: list[Block] = []
    opened: Block | None = None
    for match in _FENCE.finditer(text):
        language, inside = match["info"].lower(), min(match.end() + 1, len(text))
        before, fence, mark = match["before"], match["fence"], match.end("before")
        if match["rest"].strip() and (before.strip() or not is_python(language)):
            continue
        indent = len(before) if not before.strip() else 0
        if opened is not None and not opened.ended_by(fence, indent):
            continue
        if opened is not None:
            if opened.runs and is_python(language):
                opened = replace(opened, inside=inside)
                continue
            if language and not opened.runs:
                continue
            found.append(replace(opened, close=mark, end=mark if language else inside, closed=True))
            opened = None
            if not language:
                continue
        # A line of tildes alone is an ornament.
        if is_python(language) or language == OUTPUT or (fence[0] == "`" and not before.strip()):
            opened = Block(language, mark, inside, len(text), len(text), False, fence, indent)
    return [*found, opened] if opened is not None else found


@dataclass(frozen=True)
class FencedTool(MarkerTool):
    """A tool that a model calls with a fenced block of Python; what it reads is a block named `output`."""

    def read(self, text: str, repair: bool) -> Parsed | None:
        """The first program that is not empty. It ends with its block: what the model wrote after that, it wrote
        without the result."""
        found = blocks(text)
        programs = [block for block in found if block.runs and block.content(text).strip()]
        lies = [block for block in found if block.language == OUTPUT]
        if lies and (not programs or lies[0].start < programs[0].start):
            return Parsed(self, problem=True, invented=True, keep=lies[0].start)
        if not programs or not (programs[0].closed or repair):
            return None
        first = programs[0]
        missing = "" if text[first.close : first.end].endswith("\n") else "\n"
        if not text[first.close : first.end].strip():  # closed by another fence, or by nothing
            missing = first.ending(text)
        argument = dedent(first.content(text)).strip("\n").rstrip()
        return Parsed(self, argument, False, bool(lies), not first.closed, missing, first.start, first.end)

    def block(self, text: str) -> str:
        return f"{self.open_result}\n{without_fences(text)}\n{self.close_result}\n"

    def countdown(self, left: int) -> str:
        if left > 1:
            return ""
        return f"\n[{self.name} calls left: {left}]" if left else f"\n{self.over_quota}"


def without_fences(text: str) -> str:
    """Text of others, made unable to close or open a block."""
    return text.replace("```", "` ` `")


def outside(text: str, found: Sequence[Block]) -> str:
    """`text` without the `found` blocks."""
    parts, position = [], 0
    for block in found:
        parts.append(text[position : block.start])
        position = block.end
    return "".join([*parts, text[position:]])
