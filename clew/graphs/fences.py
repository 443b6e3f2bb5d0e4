"""Programs in a model's text: fenced blocks as the calls of a tool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import dedent

from clew.graphs.calls import MarkerTool, Parsed

PYTHON = ("python", "python3", "py", "py3")
OUTPUT = "output"

# Three backticks end a line, with at most a word after them; where they open a block of no language, they begin it too.
_FENCE = re.compile(r"^(?P<before>[^\n]*?)(?<!`)`{3,}+[ \t]*(?P<info>[\w+-]*)[ \t\r]*$", re.MULTILINE)


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

    def content(self, text: str) -> str:
        return text[self.inside : self.close]

    @property
    def runs(self) -> bool:
        return self.language in PYTHON


def blocks(text: str) -> list[Block]:
    """The fenced blocks of `text`, in order. A bare fence closes a block. A program is also closed by a fence of
    another kind, as by the `output` that a model invents; a second fence of its own begins it anew, as when a model
    does not notice that a hint has opened one."""
    found: list[Block] = []
    opened: Block | None = None
    for match in _FENCE.finditer(text):
        language, inside = match["info"].lower(), min(match.end() + 1, len(text))
        mark = match.end("before")
        if opened is not None:
            if opened.runs and language in PYTHON:
                opened = replace(opened, inside=inside)
                continue
            if language and not opened.runs:
                continue
            found.append(replace(opened, close=mark, end=mark if language else inside, closed=True))
            opened = None
            if not language:
                continue
        if language in (*PYTHON, OUTPUT) or not match["before"].strip():
            opened = Block(language, mark, inside, len(text), len(text), closed=False)
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
            missing = self.end if text[: first.close].endswith("\n") else f"\n{self.end}"
        argument = dedent(first.content(text)).strip("\n").rstrip()
        return Parsed(self, argument, invented=bool(lies), missing=missing, keep=first.end)

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
