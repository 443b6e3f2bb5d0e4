"""`clew bugs`: tasks made out of a repository, repaired by templates, and graded."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.agents.instances import prediction, read_rows, write_rows

from .conftest import Clew
from .repairing import RIGHT, WRONG, shop

HERE = ("--sandbox", "process")


@pytest.fixture
def repo(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent / "cache"))
    text = "def total(prices, discount=0):\n    subtotal = sum(prices)\n"
    right = f'"""Prices."""\n\n\n{text}    return subtotal - subtotal * {RIGHT}\n\ndef cheapest(prices):\n'
    return shop(here / "shop", {"src/shop/price.py": right + "    return min(prices)\n"})


def test_bugs_are_made_repaired_and_graded(clew: Clew, here: Path, repo: Path) -> None:
    made = clew("bugs", "make", "--repo", repo, "-n", 1, "--kinds", "known", "--out", "bugs.jsonl", *HERE, "-j", 1)
    assert made.code == 0, made.err
    rows = read_rows(here / "bugs.jsonl")
    assert [row["family"] for row in rows] == ["known"] and "1 bug in bugs.jsonl" in made.err
    assert rows[0]["repo"] == "bugs.repos/shop.git" and (here / "bugs.repos/shop.git").is_dir()
    # The same command has nothing left to do.
    again = clew("bugs", "make", "--repo", repo, "-n", 1, "--kinds", "known", "--out", "bugs.jsonl", *HERE, "--json")
    assert again.code == 0 and [each["instance_id"] for each in again.objects] == [row["instance_id"] for row in rows]
    assert read_rows(here / "bugs.jsonl") == rows

    grade = ("bugs", "grade", "--instances", "bugs.jsonl")
    gold = clew(*grade, "--preds", "gold", *HERE, "--out", "grades.jsonl")
    assert gold.code == 0 and "1 of 1 resolved, 100%" in gold.out
    known = clew(*grade, "--preds", "gold", "--sandbox", "docker", "--image", "no/such:image", "--out", "grades.jsonl")
    assert known.code == 0 and "resolved" in known.out  # nothing was run again

    repair = ("repair", "--instances", "bugs.jsonl", "--proposer", "mutate", "--out", "preds.jsonl", *HERE)
    assert clew(*repair).code == 0
    done = clew(*grade, "--preds", "preds.jsonl", *HERE, "--json")
    assert done.code == 0 and [each["status"] for each in done.objects] == ["resolved"], done.objects


def test_what_repairs_nothing_is_not_resolved(clew: Clew, here: Path, repo: Path) -> None:
    made = clew("bugs", "make", "--repo", repo, "-n", 1, "--kinds", "other", "--out", "bugs.jsonl", *HERE, "-j", 1)
    rows = read_rows(here / "bugs.jsonl")
    assert made.code == 0, made.err
    write_rows(here / "preds.jsonl", [prediction(rows[0]["instance_id"], "nobody", "")])
    graded = clew("bugs", "grade", "--instances", "bugs.jsonl", "--preds", "preds.jsonl", *HERE)
    assert graded.code == 1 and "0 of 1 resolved, 0%" in graded.out and "there is no patch" in graded.err
    write_rows(here / "preds.jsonl", [prediction(rows[0]["instance_id"], "nobody", "no patch at all")])
    graded = clew("bugs", "grade", "--instances", "bugs.jsonl", "--preds", "preds.jsonl", *HERE, "--json")
    assert graded.code == 5 and graded.objects[0]["status"] == "error"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["make", "--repo", "shop", "--out", "docs"], "no place for a file"),
        (["make", "--repo", "shop", "--out", "b.jsonl", "--kinds", "known,odd"], "'odd' is unknown"),
        (["make", "--repo", "docs", "--out", "b.jsonl"], "is not a git repository"),
        (["make", "--repo", "shop", "--out", "b.jsonl", "--test-cmd", "python3 check.py", *HERE], "only pytest"),
        (["make", "--repo", "shop", "--out", "b.jsonl", "--sandbox", "podman"], "sandbox='podman' is unknown"),
        (["make", "--repo", "shop", "--out", "b.jsonl", "--requirement", "none.txt"], "'none.txt' is no file"),
        (["grade", "--instances", "none.jsonl", "--preds", "gold"], "cannot be read"),
        (["grade", "--instances", "one.jsonl", "--preds", "gold", "--out", "no/g.jsonl"], "no place for a file"),
        (["grade", "--instances", "one.jsonl", "--preds", "gold", "--repos", "nowhere"], "'nowhere' is no folder"),
        (["grade", "--instances", "one.jsonl", "--preds", "one.jsonl"], "row 1 is no prediction"),
        (
            ["grade", "--instances", "one.jsonl", "--preds", "other.jsonl"],
            "about none of these instances, but",
        ),
    ],
)
def test_bad_input_is_named(arguments: list[str], said: str, clew: Clew, here: Path) -> None:
    shop(here / "shop", {"src/shop/price.py": f"x = 1 # {WRONG}"})
    write_rows(here / "one.jsonl", [{"instance_id": "a", "repo": "shop", "base_commit": "HEAD"}])
    write_rows(here / "other.jsonl", [prediction("b", "nobody", "")])
    result = clew("bugs", *arguments)
    assert result.code == 2 or result.code == 1, result
    assert said in result.err and "Traceback" not in result.err
