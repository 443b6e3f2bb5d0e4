"""PDFs and notebooks to text; what cannot be read is skipped with a reason and hurts nobody."""

from __future__ import annotations

import io
import json
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.retrieval import Corpus, index_folders
from clew.retrieval.documents import Document, Unreadable, read_document
from tests.retrieval.words_embedder import WordsEmbedder


def read(name: str, content: bytes | str) -> Document:
    return read_document(Path(name), content.encode() if isinstance(content, str) else content)


def pdf(
    *pages: list[str], title: str = "", outline: tuple[tuple[str, int, int], ...] = (), password: str = ""
) -> bytes:
    """A PDF with these lines on its pages; `outline` holds (heading, page, level 0 or 1)."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    font = DictionaryObject(
        {NameObject(f"/{key}"): NameObject(f"/{value}") for key, value in
         {"Type": "Font", "Subtype": "Type1", "BaseFont": "Helvetica"}.items()}
    )  # fmt: skip
    reference = writer._add_object(font)
    for lines in pages:
        page = writer.add_blank_page(612, 792)
        fonts = DictionaryObject({NameObject("/F1"): reference})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        shown = "".join(f"({line}) Tj T* " for line in lines)
        stream.set_data(f"BT /F1 12 Tf 14 TL 72 720 Td {shown}ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    if title:
        writer.add_metadata({"/Title": title})
    parent = None
    for heading, at, level in outline:
        item = writer.add_outline_item(heading, at, parent=parent if level else None)
        parent = item if not level else parent
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


MANUAL = pdf(
    ["Crane manual", "1. Lifting", "The crane lifts ninety tonnes."],
    ["A page be-", "tween. 2. Lamps", "Lamps burn until six."],
    outline=(("1. Lifting", 0, 0), ("2. Lamps", 1, 0), ("Not in the text", 1, 1)),
)


def test_a_pdf_is_read_page_by_page_under_the_headings_of_its_outline() -> None:
    document = read("crane.pdf", MANUAL)
    assert document.title == "Crane manual"
    assert document.text.index("ninety tonnes") < document.text.index("A page between.") < document.text.index("six.")
    paths = {section.path: document.text[section.start :] for section in document.sections}
    assert paths[("1. Lifting",)].startswith("1. Lifting")
    assert paths[("2. Lamps",)].startswith("2. Lamps")
    assert paths[("2. Lamps", "Not in the text")].strip().startswith("Lamps burn until six.")


def test_the_title_of_a_pdf() -> None:
    assert read("a.pdf", pdf(["First line"], title="The real title")).title == "The real title"
    assert read("a.pdf", pdf(["First line"], title="Microsoft Word - draft.doc")).title == "First line"
    assert read("a.pdf", pdf(["long " * 60], title="untitled")).title == "a"


def bomb() -> bytes:
    """A page whose content unpacks to 200 MB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"(x) Tj " * 150_000) for _ in range(200)) + packer.flush()
    start = pdf(["start"])
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import EncodedStreamObject, NameObject

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(start)))
    stream = EncodedStreamObject()
    stream._data = packed
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pdf(["secret"], password="open sesame"), "encrypted PDF"),
        (pdf([]), "PDF without text"),
        (MANUAL[:200], "broken PDF"),
        (b"", "broken PDF"),
        (b"%PDF-1.7\nnothing of the kind", "broken PDF"),
        (b"\0" * 100, "broken PDF"),
    ],
)
def test_a_pdf_that_cannot_be_read_gives_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read("a.pdf", content)


def test_a_pdf_that_unpacks_without_end_is_left_out() -> None:
    content = bomb()
    assert len(content) < 1_000_000
    with pytest.raises(Unreadable, match="PDF"):
        read("a.pdf", content)


def test_a_pdf_that_takes_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.retrieval.pdf.MAX_SECONDS", 0.001)
    with pytest.raises(Unreadable, match=r"takes more than 0\.001 seconds"):
        read("a.pdf", MANUAL)


def notebook(*cells: dict[str, object], **metadata: object) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": list(cells)})


def markdown(*lines: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": list(lines)}


CODE: dict[str, object] = {
    "cell_type": "code",
    "metadata": {},
    "execution_count": 1,
    "source": ["def lift(x):\n", "    return x"],
    "outputs": [{"output_type": "stream", "name": "stdout", "text": ["printed noise"]}],
}


def test_a_notebook_is_its_markdown_and_code_in_order_without_outputs() -> None:
    document = read("n.ipynb", notebook(markdown("# Cranes\n", "Some *text*."), CODE, markdown("## Lamps\n", "Burn.")))
    assert document.title == "Cranes"
    assert document.text == "Cranes\n\nSome text.\n\ndef lift(x):\n    return x\n\nLamps\n\nBurn."
    assert [section.path for section in document.sections][-2:] == [("Cranes",), ("Cranes", "Lamps")]


def test_titles_of_notebooks() -> None:
    assert read("n.ipynb", notebook(CODE, title="Named")).title == "Named"
    assert read("n.ipynb", notebook(CODE)).title == "n"


def test_a_notebook_of_format_3() -> None:
    cells = [
        {"cell_type": "heading", "level": 1, "metadata": {}, "source": ["Old"]},
        {"cell_type": "code", "language": "python", "metadata": {}, "input": ["x = 1"], "outputs": []},
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    document = read("n.ipynb", json.dumps(old))
    assert (document.title, document.text) == ("Old", "Old\n\nx = 1")


@pytest.mark.parametrize(
    "content", ["{", "[]", "3", '"x"', "{}", '{"nbformat": 4}', '{"nbformat": 4, "cells": [{}]}', '{"nbformat": 99}']
)
def test_a_broken_notebook(content: str) -> None:
    with pytest.raises(Unreadable, match="broken notebook"):
        read("n.ipynb", content)
    with pytest.raises(Unreadable, match="no visible text"):
        read("n.ipynb", notebook())


JSON = st.recursive(
    st.none() | st.integers(0, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["nbformat", "nbformat_minor", "cells", "worksheets", "cell_type", "source", "metadata"]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(JSON, st.sampled_from([3, 4]))
def test_any_json_is_a_document_or_unreadable(content: object, version: int) -> None:
    if isinstance(content, dict):
        content["nbformat"] = version
    with suppress(Unreadable):
        assert read("n.ipynb", json.dumps(content)).text


@pytest.mark.anyio
async def test_both_are_indexed_and_found(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "crane.pdf").write_bytes(MANUAL)
    (docs / "locked.pdf").write_bytes(pdf(["x"], password="y"))
    (docs / "lamps.ipynb").write_text(notebook(markdown("# Lanterns\n", "Oil and wick."), CODE))
    (docs / "broken.ipynb").write_text("{")
    report = await index_folders([docs], tmp_path / "store", embedder=WordsEmbedder())
    assert report.skipped == {"broken notebook": ["broken.ipynb"], "encrypted PDF": ["locked.pdf"]}
    with Corpus.open(tmp_path / "store", embedder=WordsEmbedder()) as corpus:
        assert corpus.find("ninety tonnes")[0].source == "crane.pdf"
        assert corpus.find("def lift")[0].source == "lamps.ipynb"
