"""PDF to text, page by page, with the headings of its outline."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from .documents import Builder, Document, Unreadable, clean, one_line

MAX_SECONDS = 120.0
_NO_TITLE = re.compile(r"(?i)^(?:untitled.*|microsoft word - .*|.*\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?))?$")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-\n(?=[a-z])")


def read_pdf(data: bytes, title: str = "") -> Document:
    """The text of a PDF. Its outline gives the headings; each opens a section where its words stand on its page.

    The title is the metadata's, else the first line if it is short, else `title`. Raises `Unreadable` for encrypted,
    broken and scanned PDFs, and for those that take too many pages, characters, seconds or too much memory.
    """
    found = _parsed(data)
    if "unreadable" in found:
        raise Unreadable(found["unreadable"])
    headings: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for level, heading, page in found["outline"]:
        headings[page].append((level, clean(heading)))
    out = Builder()
    for number, text in enumerate(found["pages"]):
        _page(out, _HYPHEN.sub("", clean(text)), headings[number])
    first = next((line for line in "".join(out.parts).split("\n") if line.strip()), "")
    named = one_line(clean(found["title"]))
    return out.document(named if not _NO_TITLE.match(named) else first if 0 < len(first) <= 100 else title)


def _page(out: Builder, text: str, headings: list[tuple[int, str]]) -> None:
    """Writes a page; a heading whose words are not found stands above what is left of it."""
    for level, heading in headings:
        words = r"\s+".join(map(re.escape, heading.split()))
        place = re.search(rf"(?i)(?<!\w){words}(?!\w)", text) if words else None
        shown = ""
        if place:
            out.block(text[: place.start()].strip())
            shown, text = place.group(), text[place.end() :]
        out.heading(level, heading, show=shown)
    out.block(text.strip())


def _parsed(data: bytes) -> dict[str, Any]:
    worker = Path(__file__).with_name("pdf_worker.py")
    try:
        # -P: the modules beside the worker must not stand in for the standard library's of the same name.
        done = subprocess.run(
            [sys.executable, "-P", str(worker)], input=data, capture_output=True, timeout=MAX_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(f"PDF that takes more than {MAX_SECONDS:g} seconds to read") from None
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise Unreadable("PDF that ends its reader") from None
    return found
