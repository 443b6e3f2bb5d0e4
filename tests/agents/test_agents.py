"""The functions behind the commands: recipes without secrets, doors from settings, sums of what was spent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.agents import ask, doors, history
from clew.config import Settings, load
from clew.errors import ConfigError, JournalError
from clew.journal import Journal, Recipe, RunRow

pytestmark = pytest.mark.anyio


def recorded(settings: Settings) -> Recipe:
    recipe = ask.graph_of(settings).recipe
    assert recipe is not None
    return recipe


def test_a_recipe_rebuilds_the_graph_without_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLEW_API_KEY", "something-secret")
    given = {"model": "openai/m", "api_base": "http://localhost:1/v1", "store": tmp_path / "s", "max_searches": 2}
    settings = load({name: str(v) if isinstance(v, Path) else v for name, v in given.items()})
    graph = ask.graph_of(settings)
    recipe = recorded(settings)
    text = json.dumps(recipe.to_json())
    assert "something-secret" not in text and "api_key" not in text
    again = recipe.build()
    assert again.fingerprint == graph.fingerprint and again.fingerprint["limits"]["max_searches"] == 2
    assert again.recipe == graph.recipe


def test_a_recipe_keeps_the_store_wherever_it_is_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert recorded(load({"model": "m"})).args["store"] == str(tmp_path / ".clew" / "store")
    assert "store" not in recorded(load({"model": "m", "method": "cot"})).args


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"model": "m", "tool": "x"}, "unknown arguments ['tool']"),
        ({"model": 3}, "the run's recipe: model = 3 is not a text"),
        ({"model": "m", "method": "magic"}, "'magic' is unknown"),
        ({}, "no model is configured"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(args: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ask.build(**args)
    assert message in str(caught.value)


def test_doors_need_what_they_need() -> None:
    with pytest.raises(ConfigError, match="no model is configured"):
        doors.model(load({}))
    with pytest.raises(ConfigError, match="price_in and price_out"):
        doors.model(load({"model": "m", "price_in": 1.0}))


def test_a_store_is_a_folder_or_an_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEW_STORE_KEY", "something-secret")
    settings = load({"model": "openai/m", "store": "https://qdrant.example:6333/papers", "rerank": "some/encoder"})
    assert doors.library(settings).name == "corpus:papers rerank=some/encoder"
    assert doors.place(load()) == tmp_path / ".clew" / "store"
    recipe = recorded(settings)
    assert recipe.args["store"] == settings.store and recipe.args["rerank"] == "some/encoder"
    assert "something-secret" not in json.dumps(recipe.to_json()) + repr(settings)
    assert recipe.build().fingerprint == ask.graph_of(settings).fingerprint


def test_a_price_belongs_to_the_model_it_was_given_for() -> None:
    settings = load({"model": "openai/unheard-of", "price_in": 2.0, "price_out": 4.0})
    price = doors.model(settings).price
    assert price is not None and price.usd(1_000_000, 500_000) == pytest.approx(4.0)
    assert doors.model(settings, "openai/another").price is None


async def test_what_a_store_holds_is_known_without_opening_it(tmp_path: Path) -> None:
    from clew.agents import corpus

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nOne thing.\n")
    settings = load({"store": str(tmp_path / "store")})
    assert doors.library(settings).contents().pages == {}
    await corpus.index([tmp_path / "docs"], settings)
    first = doors.library(settings).contents()
    assert list(first.pages) == ["a.md"] and set(first.built) == {"schema", "embedding", "chunking"}
    (tmp_path / "docs" / "a.md").write_text("# A\n\nAnother thing.\n")
    await corpus.index([tmp_path / "docs"], settings)
    assert doors.library(settings).contents() != first


async def test_a_library_opens_itself_only_when_asked(tmp_path: Path) -> None:
    library = doors.Library(tmp_path / "store")
    assert library.name == "corpus:store" and not (tmp_path / "store").exists()
    with pytest.raises(ConfigError, match="there is no store"):
        await library.search("anything", 3)
    library.close()


def test_a_missing_journal_is_not_made_by_looking(tmp_path: Path) -> None:
    settings = load({"journal": str(tmp_path / "typo.db")})
    with pytest.raises(JournalError, match=r"typo\.db"):
        history.open_journal(settings, must_exist=True)
    assert not (tmp_path / "typo.db").exists()


async def test_what_is_spent_counts_unknowns_apart(tmp_path: Path) -> None:
    from clew.journal import Cost
    from clew.journal.runs import Run

    with Journal(tmp_path / "j.db") as journal:
        journal.create_run(RunRow(id="r"))
        run = Run(journal, "r", lease=journal.acquire("r"))

        async def reply() -> dict[str, int]:
            return {"n": 1}

        async def lost() -> dict[str, int]:
            raise KeyboardInterrupt

        await run.effect(
            "model", {"q": 1}, reply, reserve=Cost(tokens=9, usd=0.9), cost=lambda o: Cost(tokens=4, usd=0.5)
        )
        with pytest.raises(KeyboardInterrupt):
            await run.effect("model", {"q": 2}, lost, reserve=Cost(tokens=7, usd=0.7))
        spent = history.spent(journal, "r")
        assert (spent.cost.tokens, spent.cost.usd, spent.effects) == (4, 0.5, 1)
        assert (spent.possibly.tokens, spent.possibly.usd, spent.unknowns) == (7, 0.7, 1)
        row = journal.find_run("r")
        assert history.status(journal, row) == "running"
        states = [(step.state, step.kind) for step in history.steps(journal, "r")]
        assert states == [("finished", "model"), ("started", "model")]


def test_a_setting_that_a_method_does_not_take_is_refused() -> None:
    settings = load({"model": "openai/m", "method": "rag", "max_searches": 2})
    with pytest.raises(ConfigError, match="--max-searches means nothing to rag"):
        ask.graph_of(settings)
