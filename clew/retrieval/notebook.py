"""Jupyter notebooks to text: Markdown and code in order, without outputs."""

from __future__ import annotations

from typing import Any

from .documents import Builder, Document, Unreadable, clean
from .markup import write_markdown


def read_notebook(text: str, title: str = "") -> Document:
    """The cells of a notebook of format 1 to 4. Outputs are left out: they are made from the cells, and often large.

    The title is the first top heading, else the metadata's, else `title`. Raises `Unreadable` for a broken notebook.
    """
    notebook = _notebook(text)
    out, first, linked = Builder(), "", 0
    for cell in notebook.cells:
        source = clean(cell.source if isinstance(cell.source, str) else "".join(cell.source)).strip("\n")
        if cell.cell_type == "markdown":
            heading, inside = write_markdown(out, source)
            first, linked = first or heading, linked + inside
        else:
            out.block(source)
    named = str(notebook.metadata.get("title") or "")
    return out.document(first or named or title, linked / out.length if out.length else 0)


def _notebook(text: str) -> Any:
    import logging

    # Complaints about harmless details of a notebook are no concern of who indexes it.
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    from importlib import import_module

    # Without stubs: as a module of any type.
    nbformat: Any = import_module("nbformat")
    try:
        notebook = nbformat.convert(nbformat.reader.reads(text), 4)
        # Reading what is missing raises too.
        for cell in notebook.cells:
            _ = cell.cell_type, cell.source
        _ = notebook.metadata.get
    except Exception as error:
        raise Unreadable("broken notebook") from error
    return notebook
