"""Source code as text, with a section for every top-level definition and every method."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .documents import MINIFIED_LINE, Document, Section, Unreadable

_DEFINITION = re.compile(
    r"^(?:export\s+|default\s+|public\s+|private\s+|protected\s+|internal\s+|static\s+|abstract\s+|final\s+|async\s+|"
    r"pub(?:\([^)]*\))?\s+|unsafe\s+|extern\s+)*"
    r"(?:def|class|function\*?|func|fn|struct|enum|trait|impl|interface|type|module|namespace|object|record|sub|macro|"
    r"const|CREATE\s+(?:TABLE|VIEW|FUNCTION))\s+(?:\([^)]*\)\s*)?([A-Za-z_$][\w$:.]*)",
    re.M,
)


def read_code(text: str, path: Path) -> Document:
    """The source as it is; the title is the file's name. Raises `Unreadable` for minified code."""
    longest = max(map(len, text.split("\n")), default=0)
    if longest > MINIFIED_LINE and longest > len(text) / 20:
        raise Unreadable("minified or generated code")
    sections = None
    if path.suffix in (".py", ".pyi"):
        sections = _python(text)
    return Document(path.name, text, sections or _generic(text))


def _python(text: str) -> tuple[Section, ...] | None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    marks: list[Section] = []

    def visit(body: list[ast.stmt], above: tuple[str, ...]) -> None:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            path = (*above, node.name)
            names = (node.name,) if not above else (".".join(path), node.name)
            marks.append(Section(starts[line - 1], path, names))
            if isinstance(node, ast.ClassDef):
                visit(node.body, path)
            marks.append(Section(min(starts[node.end_lineno or line], len(text)), above))

    visit(tree.body, ())
    return _partition(marks)


def _generic(text: str) -> tuple[Section, ...]:
    found = (Section(match.start(), (match.group(1),), (match.group(1),)) for match in _DEFINITION.finditer(text))
    return _partition(list(found))


def _partition(marks: list[Section]) -> tuple[Section, ...]:
    """Sections in order, one per start (the last one said about a place holds), beginning at 0."""
    by_start = {0: Section(0)}
    for mark in marks:
        by_start[mark.start] = mark
    return tuple(by_start[start] for start in sorted(by_start))
