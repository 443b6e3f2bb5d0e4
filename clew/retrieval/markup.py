"""Markdown, reStructuredText and plain text to visible text with headings."""

from __future__ import annotations

import re
from typing import Any

from .documents import Builder, Document, leading_symbol

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.S)
_YAML_TITLE = re.compile(r"^title:[ \t]*['\"]?(.+?)['\"]?[ \t]*$", re.M)


def read_markdown(text: str, title: str = "") -> Document:
    """CommonMark with tables; the title is the front matter's, else the first top heading, else `title`."""
    front = _FRONT_MATTER.match(text)
    named = _YAML_TITLE.search(front.group(1)) if front else None
    body = text[front.end() :] if front else text
    out = Builder()
    first, linked = write_markdown(out, body)
    return out.document((named.group(1) if named else "") or first or title, linked / out.length if out.length else 0)


def write_markdown(out: Builder, text: str) -> tuple[str, int]:
    """Writes CommonMark with tables to `out`; returns its first top heading and how many characters are in links."""
    from markdown_it import MarkdownIt

    first, linked, level = "", 0, 0
    cells: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "inline":
            shown, inside = _inline(token)
            linked += inside
            if level:
                first = first or (shown if level == 1 else "")
                out.heading(level, shown)
                level = 0
            elif cells:
                cells.append(shown)
            else:
                out.block(shown, "\n" if token.level > 2 else "\n\n")
        elif token.type == "tr_open":
            cells = [""]
        elif token.type == "tr_close":
            out.block(" | ".join(cells[1:]), "\n")
            cells = []
        elif token.type in ("fence", "code_block"):
            out.block(token.content.rstrip("\n"))
        elif token.type == "html_block":
            out.block(_html_text(token.content))
    return first, linked


def _inline(token: Any) -> tuple[str, int]:
    """The shown text of an inline token, and how many of its characters stand inside links."""
    parts: list[str] = []
    linked = depth = 0
    for child in token.children or ():
        if child.type == "link_open":
            depth += 1
        elif child.type == "link_close":
            depth -= 1
        piece = "\n" if child.type in ("softbreak", "hardbreak") else child.content
        if child.type == "html_inline":
            piece = ""
        parts.append(piece)
        linked += len(piece) if depth else 0
    return "".join(parts), linked


def _html_text(markup: str) -> str:
    from .documents import Unreadable
    from .html import read_html

    try:
        return read_html(markup).text
    except Unreadable:
        return ""


_ADORNMENT = re.compile(r"^([^\w\s])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"^(\s*)\.\. +([\w:+.-]+?)::(?: +(.*))?$")
_FIELD = re.compile(r"^\s+:[\w -]+:( |$)")
_EXPLICIT = re.compile(r"^\s*\.\.(?: |$)")
_DEFINING = re.compile(
    r"^(?:\w+:)?(?:auto)?(function|method|class|exception|attribute|data|module|decorator|option|envvar|program"
    r"|classmethod|staticmethod|property|macro|type|member|var|opcode|confval|setting|command|describe)$"
)
_ROLE = re.compile(r"(?::[\w:+.-]+:)?`([^`]+?)`_{0,2}")
_TARGET = re.compile(r"^(.*?)\s*<[^>]*>$", re.S)


def read_rst(text: str, title: str = "") -> Document:
    """reStructuredText: section titles, defining directives (`.. function::`) as sections, roles as their text.

    A light reader, not docutils: comments, targets and directive options are left out, everything else is kept.
    """
    out, order, first = Builder(), [], ""
    paragraph: list[str] = []
    lines = text.split("\n")
    indents: list[int] = []

    def flush() -> None:
        shown = _unmark("\n".join(paragraph))
        indent = len(paragraph[0]) - len(paragraph[0].lstrip()) if paragraph else 0
        paragraph.clear()
        if shown.strip():
            while indents and indent <= indents[-1]:
                indents.pop()
                out.close(10 + len(indents))
            out.block(shown)

    at = 0
    while at < len(lines):
        line = lines[at]
        following = lines[at + 1] if at + 1 < len(lines) else ""
        overlined = bool(_ADORNMENT.match(line)) and at + 2 < len(lines) and lines[at + 2].strip() == line.strip()
        underlined = bool(_ADORNMENT.match(following)) and len(following.strip()) >= len(line.strip()) > 0
        if (overlined and following.strip()) or (underlined and not paragraph and not line.startswith((" ", ".."))):
            flush()
            style = (line[0], True) if overlined else (following[0], False)
            heading = _unmark(following if overlined else line).strip()
            if style not in order:
                order.append(style)
            first = first or heading
            indents.clear()
            out.heading(order.index(style) + 1, heading)
            at += 3 if overlined else 2
            continue
        directive = _DIRECTIVE.match(line)
        if directive:
            flush()
            _open_directive(out, indents, directive)
            at += 1
            while at < len(lines) and _FIELD.match(lines[at]):
                at += 1
            continue
        if _EXPLICIT.match(line) and not paragraph:
            at = _after_comment(lines, at)
            continue
        if line.strip():
            paragraph.append(line)
        else:
            flush()
        at += 1
    flush()
    return out.document(first or title)


def _open_directive(out: Builder, indents: list[int], directive: re.Match[str]) -> None:
    indent, name, argument = len(directive.group(1)), directive.group(2), (directive.group(3) or "").strip()
    if _DEFINING.match(name) and argument:
        while indents and indent <= indents[-1]:
            indents.pop()
            out.close(10 + len(indents))
        symbol = leading_symbol(argument)
        out.heading(10 + len(indents), argument, (symbol,) if symbol else ())
        indents.append(indent)
    elif argument and name not in ("toctree", "image", "figure", "code-block", "highlight", "include", "index"):
        out.block(_unmark(argument))


def _after_comment(lines: list[str], at: int) -> int:
    """The line after a comment or target that starts at line `at` and goes on as far as it is indented."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    at += 1
    while at < len(lines) and lines[at].strip() and len(lines[at]) - len(lines[at].lstrip()) > indent:
        at += 1
    return at


def _unmark(text: str) -> str:
    def shown(found: re.Match[str]) -> str:
        inside = found.group(1)
        target = _TARGET.match(inside)
        return (target.group(1) if target and target.group(1) else inside).removeprefix("~").removeprefix("!")

    text = re.sub(r"``(.+?)``", lambda found: found.group(1), text)
    text = re.sub(r"::$", ":", _ROLE.sub(shown, text))
    # Both stars of a strong text in one group: an optional second one could be left behind at the end.
    return re.sub(r"(?<![\w*])(\*\*?)(?=\S)([^*\n]*[^*\s])\1(?![\w*])", r"\2", text)


def read_text(text: str, title: str = "") -> Document:
    """Plain text as it is; the title is the first line if it is short, else `title`."""
    head = text.strip().split("\n", 1)[0].strip()
    out = Builder()
    out.block(text.strip("\n"))
    return out.document(head if 0 < len(head) <= 100 else title)
