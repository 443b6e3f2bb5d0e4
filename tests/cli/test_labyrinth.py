"""`clew labyrinth make`: a folder that `clew index` takes as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.evals.tasks import read_items

from .conftest import Clew

SMALL = ("--entities", 60, "--questions", 30)


def test_a_world_is_made_and_indexed_without_its_gold(clew: Clew, here: Path) -> None:
    made = clew("labyrinth", "make", "maze", "--seed", 11, *SMALL)
    assert made.code == 0 and made.out.startswith("65 documents, 30 questions in maze (") and "constant" in made.out
    (report,) = clew("index", "maze", "--json").objects
    assert report["pages"] == 65
    first = next(item for item in read_items(here / "maze" / "tasks.jsonl") if item.hops == 1 and item.gold.documents)
    hits = clew("search", first.task.prompt, "-k", 5, "--json").objects
    assert {hit["source"] for hit in hits} & {f"documents/{document}" for document in first.gold.documents}
    assert all(hit["source"].startswith("documents/") for hit in hits)


def test_json_is_the_report(clew: Clew, here: Path) -> None:
    (report,) = clew("labyrinth", "make", "maze", "--hops", "2", "--split", "dev", *SMALL, "--json").objects
    assert report == json.loads((here / "maze" / "labyrinth.json").read_text())
    assert report["split"] == "dev" and report["hops"] == [2, 2] and report["asked"] == 30


def test_too_many_questions_are_said(clew: Clew) -> None:
    made = clew("labyrinth", "make", "maze", "--entities", 50, "--questions", 2000, "--hops", "1-1")
    assert made.code == 0 and "fewer than asked for" in made.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["docs"], "is not empty"),
        (["docs/sluice.md"], "is a file"),
        (["maze", "--seed", "10000"], "the seed is 10000"),
        (["maze", "--entities", "3"], "a world of 3 entities"),
        (["maze", "--questions", "0"], "0 questions"),
        (["maze", "--split", "all"], "no split 'all'"),
        (["maze", "--hops", "many"], "--hops is 'many'"),
        (["maze", "--hops", "2-7"], "hops of 2-7"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(clew: Clew, here: Path, arguments: list[str], message: str) -> None:
    result = clew("labyrinth", "make", *arguments)
    assert result.code == 2 and result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("clew: ") and message in line
    assert not (here / "maze").exists()


def test_force_replaces_a_world(clew: Clew, here: Path) -> None:
    for seed, force in ((1, []), (2, ["--force"])):
        assert clew("labyrinth", "make", "maze", "--seed", seed, *SMALL, *force).code == 0
    assert json.loads((here / "maze" / "labyrinth.json").read_text())["seed"] == 2
    assert len(list((here / "maze" / "documents").iterdir())) == 65
