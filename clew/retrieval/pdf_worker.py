"""Reads one PDF from standard input and prints its text as JSON. Run as a script, in a process of its own.

A PDF is a program of a kind: a hostile or broken one can take all memory, or never end. Here that ends this process
alone. Prints `{"title", "pages": [text], "outline": [[level, heading, page]]}` or `{"unreadable": reason}`.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

MAX_PAGES = 5_000
MAX_CHARS = 20_000_000
MAX_MEMORY = 3 << 30


def main() -> None:
    _limit_memory()
    logging.disable(logging.CRITICAL)
    data = sys.stdin.buffer.read()
    try:
        answer = read(data)
    except MemoryError:
        answer = {"unreadable": "PDF that needs too much memory"}
    except Exception as error:
        answer = {"unreadable": "encrypted PDF" if type(error).__name__ == "DependencyError" else "broken PDF"}
    sys.stdout.write(json.dumps(answer))


def read(data: bytes) -> dict[str, Any]:
    import io

    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    # Many PDFs are encrypted with an empty password, against printing.
    if reader.is_encrypted and not reader.decrypt(""):
        return {"unreadable": "encrypted PDF"}
    if len(reader.pages) > MAX_PAGES:
        return {"unreadable": f"PDF of more than {MAX_PAGES:,} pages"}
    pages: list[str] = []
    room = MAX_CHARS
    for page in reader.pages:
        pages.append(_text(page))
        room -= len(pages[-1])
        if room < 0:
            return {"unreadable": f"PDF of more than {MAX_CHARS:,} characters"}
    if not any(text.strip() for text in pages):
        return {"unreadable": "PDF without text (scanned pages, or none)"}
    return {"title": _title(reader), "pages": pages, "outline": _outline(reader)}


def _text(page: Any) -> str:
    """The text of a page; empty if only this page is broken."""
    try:
        text = page.extract_text()
    except MemoryError:
        raise
    except Exception:
        return ""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _title(reader: Any) -> str:
    try:
        return str((reader.metadata or {}).get("/Title") or "")
    except Exception:
        return ""


def _outline(reader: Any) -> list[tuple[int, str, int]]:
    """(level from 1, heading, page from 0) of every entry that leads to a page."""
    found: list[tuple[int, str, int]] = []

    def visit(entries: list[Any], level: int) -> None:
        for entry in entries:
            if isinstance(entry, list):
                visit(entry, level + 1)
                continue
            page = reader.get_destination_page_number(entry)
            if page is not None and page >= 0 and entry.title:
                found.append((level, str(entry.title), page))

    try:
        visit(reader.outline, 1)
    except MemoryError:
        raise
    except Exception:
        return found
    return found


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    except (ImportError, ValueError, OSError):
        pass


if __name__ == "__main__":
    main()
