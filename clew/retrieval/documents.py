"""A file becomes a `Document`: its visible text, its title, and where each heading starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .tokens import words

MAX_BYTES = 32_000_000
MINIFIED_LINE = 2_000

MARKUP = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".md", ".markdown", ".mdx"), "markdown"),
    **dict.fromkeys((".rst", ".rest"), "rst"),
    ".ipynb": "notebook",
    **dict.fromkeys((".txt", ".text", ".adoc", ".org", ".tex", ".log", ""), "text"),
}
CODE = words("""
.py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .go .rs .c .h .cc .cpp .cxx .hpp .hh .cs .swift .m
.rb .php .pl .pm .lua .r .jl .hs .ml .ex .exs .erl .clj .sh .bash .zsh .ps1 .sql .proto .graphql .vue .svelte
.css .toml .yaml .yml .ini .cfg .cmake .mk .dockerfile .tf
""")


@dataclass(frozen=True, slots=True)
class Section:
    """From character `start` of the text on, the headings above it are `path`; `names` are symbols it defines."""

    start: int
    path: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A page's visible text. Its `sections` are sorted and partition the text; the first starts at 0.

    `links` is the share (0 to 1) of the text that stands inside links; a table of contents is close to 1.
    """

    title: str
    text: str
    sections: tuple[Section, ...] = (Section(0),)
    links: float = 0.0


class Unreadable(Exception):
    """The file holds no text that can be indexed; the message is the reason that a report shows."""


def kind_of(path: Path) -> str:
    """The reader in charge of `path`: html, markdown, rst, text, notebook, code or pdf. Raises `Unreadable`."""
    suffix = path.suffix.lower()
    if suffix == ".txt" and path.stem.lower().endswith((".rst", ".md")):
        suffix = Path(path.stem).suffix.lower()
    if suffix in CODE:
        return "code"
    if suffix == ".pdf":
        return "pdf"
    if suffix in MARKUP:
        return MARKUP[suffix]
    raise Unreadable(f"unknown file type {suffix}")


def decode(data: bytes) -> str:
    """`data` as text: UTF-8, UTF-16 with a byte-order mark, else Windows-1252; raises `Unreadable` for binary data."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise Unreadable("binary data") from None
    if b"\0" in data:
        raise Unreadable("binary data")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    control = sum(data.count(bytes([code])) for code in range(32) if code not in (9, 10, 12, 13, 27))
    if control > len(data) / 100:
        raise Unreadable("binary data")
    # Python leaves five bytes of Windows-1252 undefined; Latin-1 has a meaning for each.
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def clean(text: str) -> str:
    """`text` with one kind of line end and without characters that a database or a tokenizer chokes on."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def read_document(path: Path, data: bytes) -> Document:
    """The document in `data`, the content of the file `path` (whose name chooses the reader).

    Raises `Unreadable` with a reason for binary, empty, oversized, minified, broken, encrypted or unknown files.
    """
    kind = kind_of(path)
    if len(data) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 1_000_000} MB")
    if kind == "pdf":
        from . import pdf

        document = pdf.read_pdf(data, title=path.stem)
    else:
        document = _readers()[kind](decode(data), path)
    if not document.text.strip():
        raise Unreadable("no visible text")
    return document


def _readers() -> dict[str, Callable[[str, Path], Document]]:
    from . import code, html, markup, notebook

    return {
        "html": lambda text, path: html.read_html(text, title=path.stem),
        "markdown": lambda text, path: markup.read_markdown(clean(text), title=path.stem),
        "rst": lambda text, path: markup.read_rst(clean(text), title=path.name.split(".")[0]),
        "text": lambda text, path: markup.read_text(clean(text), title=path.name),
        "notebook": lambda text, path: notebook.read_notebook(text, title=path.stem),
        "code": lambda text, path: code.read_code(clean(text), path),
    }


class Builder:
    """Collects visible text with heading paths. Readers feed it blocks; `document` closes it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.sections: list[Section] = [Section(0)]
        self._headings: list[tuple[int, str]] = []

    def block(self, text: str, gap: str = "\n\n") -> int:
        """Append one block of text after `gap`; returns the offset at which it starts."""
        if not text.strip():
            return self.length
        if self.length:
            self._write(gap)
        start = self.length
        self._write(text)
        return start

    def heading(self, level: int, text: str, names: tuple[str, ...] = (), show: str | None = None) -> None:
        """Open a section of `level` (smaller is higher); `show` is the text to print if it is not the heading."""
        text = one_line(text)
        if not text:
            return
        start = self.block(text if show is None else show)
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, text))
        self._mark(start, names)

    def close(self, level: int) -> None:
        """End all sections of `level` and below: what follows belongs to the section around them."""
        if not self._headings or self._headings[-1][0] < level:
            return
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._mark(self.length, ())

    def document(self, title: str, links: float = 0.0) -> Document:
        return Document(one_line(title)[:300], "".join(self.parts), tuple(self.sections), links)

    def _mark(self, start: int, names: tuple[str, ...]) -> None:
        section = Section(start, tuple(text for _, text in self._headings), names)
        if self.sections[-1].start == start:
            section = Section(start, section.path, (*self.sections[-1].names, *names))
            self.sections.pop()
        self.sections.append(section)

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def one_line(text: str) -> str:
    """`text` with every run of white space as one space."""
    return " ".join(text.split())


_SYMBOL = re.compile(r"--?[A-Za-z][\w-]*|[A-Za-z_$][\w$]*(?:(?:\.|::)[A-Za-z_$][\w$]*)*")


def leading_symbol(text: str) -> str:
    """The option, dotted name or word that `text` starts with, or an empty string: `os.fork()` gives `os.fork`."""
    found = _SYMBOL.match(text.strip())
    return found.group() if found else ""
