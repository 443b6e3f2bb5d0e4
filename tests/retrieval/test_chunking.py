"""Passages cover their page, fit the model, and have ids that depend on nothing but content."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.retrieval import SentenceEmbedder
from clew.retrieval.chunking import Chunk, ChunkSettings, chunk, passage_id
from clew.retrieval.documents import Document, Section, read_document
from tests.retrieval.conftest import package_file, real_documents

EMBEDDER = SentenceEmbedder()


def passages(document: Document, by: ChunkSettings = ChunkSettings()) -> list[Chunk]:  # noqa: B008
    return chunk(document, EMBEDDER.count, EMBEDDER.cut, by)


def check(document: Document, by: ChunkSettings = ChunkSettings()) -> list[Chunk]:  # noqa: B008
    """The laws: spans in order, nothing but white space between them, every passage within the limit."""
    found = passages(document, by)
    at = 0
    for each in found:
        assert at <= each.start < each.end
        assert not document.text[at : each.start].strip()
        at = each.end
    assert not document.text[at:].strip()
    texts = [f"{each.heading}\n{document.text[each.start : each.end]}" for each in found]
    assert all(size <= by.limit for size in EMBEDDER.count(texts))
    return found


def test_real_documents_obey_the_laws(tmp_path: Path) -> None:
    for file in sorted(real_documents(tmp_path / "d").rglob("*.*")):
        document = read_document(file, file.read_bytes())
        found = check(document)
        named = {name for each in found for name in each.names}
        assert named == {name for section in document.sections for name in section.names}


@settings(max_examples=60, deadline=None)
@given(
    blocks=st.lists(st.text(alphabet=st.sampled_from("ab\u00e9 .\n\t漢🙂_-<|>"), max_size=400), max_size=8),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
    limit=st.integers(24, 254),
)
def test_any_document_obeys_the_laws(blocks: list[str], cuts: list[int], limit: int) -> None:
    text = "\n\n".join(blocks)
    starts = sorted({0, *(min(cut, len(text)) for cut in cuts)})
    sections = tuple(Section(start, ("Top", f"H{place}")) for place, start in enumerate(starts))
    check(Document("Title", text, sections), ChunkSettings(limit=limit, join=limit // 2, heading=12))


def test_a_line_of_megabytes_is_cut_to_size() -> None:
    text = "ten letters here and " * 50_000 + "x" * 1_000_000 + "é" * 10_000
    assert len(check(Document("Long", text))) > 500


def test_a_heading_is_never_left_alone() -> None:
    page = "<h1>T</h1><h2>A</h2><h3>B</h3><dl><dt id='m.f'>m.f()</dt><dt id='m.g'>m.g()</dt><dd>" + "word " * 150
    document = read_document(Path("a.html"), page.encode())
    first = check(document)[0]
    assert first.names == ("m.f", "m.g")
    assert "word" in document.text[first.start : first.end]


def test_definitions_get_passages_of_their_own() -> None:
    source = package_file("textwrap", "textwrap.py")
    document = read_document(source, source.read_bytes())
    first = next(each for each in passages(document) if "dedent" in each.names)
    assert document.text[first.start : first.end].startswith("def dedent(")
    assert first.heading == "textwrap.py > dedent"


def test_ids_tell_equal_passages_apart() -> None:
    assert passage_id("a.md", "T", "same", 0) != passage_id("a.md", "T", "same", 1)
    assert passage_id("a.md", "T", "same", 0) != passage_id("b.md", "T", "same", 0)
    assert 0 <= passage_id("a.md", "T", "same", 0) < 2**63
