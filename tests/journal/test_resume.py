"""Resume, replay and fork; rules 4 to 6."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import clew
from clew.errors import ConfigError, Divergence, ReplayMiss, RunNotFound
from clew.journal import Cost, Journal, Recipe, Run, effect, fork, replay, resume, scope
from clew.task import Task
from tests.journal.graphs import Stopped, fan_out, single
from tests.journal.test_addresses import RandomServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def journal(tmp_path: Any) -> Any:
    with Journal(tmp_path / "j.db") as journal:
        yield journal


class Counter:
    """Answers with a new number each time; `setting` is part of every request, as a model's name is."""

    def __init__(self, setting: str = "a", stop_at: int | None = None) -> None:
        self.setting, self.stop_at, self.calls = setting, stop_at, 0

    async def ask(self, *request: Any) -> str:
        if self.calls == self.stop_at:
            raise Stopped

        async def perform() -> dict[str, Any]:
            self.calls += 1
            return {"text": f"{self.setting}{self.calls}"}

        done = await effect("model", {"setting": self.setting, "ask": list(request)}, perform, reserve=Cost(tokens=10))
        return str(done.outcome["text"])

    def chain(self, n: int = 4) -> Any:
        async def node(state: dict[str, Any]) -> dict[str, Any]:
            return {"text": " ".join([await self.ask(i) for i in range(n)])}

        return single(node)

    def trials(self, n: int = 3) -> Any:
        """One after the other in code, each in its scope."""

        async def node(state: dict[str, Any]) -> dict[str, Any]:
            texts = []
            for i in range(n):
                with scope("trial", i):
                    texts += [await self.ask("a"), await self.ask("b")]
            return {"text": " ".join(texts)}

        return single(node)


async def test_a_resume_performs_only_what_is_not_recorded(journal: Journal) -> None:
    with pytest.raises(Stopped):
        await clew.run(Counter(stop_at=2).chain(), "t", journal=journal, run_id="r")
    later = Counter("a")
    later.calls = 10
    answer = await clew.run(later.chain(), "t", journal=journal, run_id="r")
    assert answer.text == "a1 a2 a11 a12"
    assert journal.get_run("r").status == "done"
    assert (await clew.run(Counter().chain(), "t", journal=journal, run_id="r")) == answer


async def test_another_task_is_another_run(journal: Journal) -> None:
    with pytest.raises(Stopped):
        await clew.run(Counter(stop_at=2).chain(), "t", journal=journal, run_id="r")
    for anyway in (False, True):
        with pytest.raises(Divergence, match="another task"):
            await clew.run(Counter().chain(), "u", journal=journal, run_id="r", anyway=anyway)


async def test_a_changed_graph_or_setting_stops_a_resume_and_says_what_changed(journal: Journal) -> None:
    graph = Counter(stop_at=2).chain()
    graph.fingerprint = {"model": {"name": "small"}}
    with pytest.raises(Stopped):
        await clew.run(graph, "t", journal=journal, run_id="r")
    changed = Counter().chain()
    changed.fingerprint = {"model": {"name": "large"}}
    with pytest.raises(Divergence, match=r"model\.name was 'small', is 'large'.*anyway"):
        await clew.run(changed, "t", journal=journal, run_id="r")
    with pytest.raises(Divergence, match=r"graph\.nodes"):
        await clew.run(fan_out(RandomServer()), "t", journal=journal, run_id="r")
    seen: list[dict[str, Any]] = []
    changed_ask = Counter("b").chain()
    answer = await clew.run(changed_ask, "t", journal=journal, run_id="r", anyway=True, watch=seen.append)
    assert answer.text == "b1 b2 b3 b4"
    # What was recorded and not asked for again is reported.
    assert [event["kind"] for event in seen if event["event"] == "unused"] == ["model", "model"]


async def test_a_strict_replay_needs_the_same_settings_and_every_record(journal: Journal) -> None:
    await clew.run(Counter().chain(4), "t", journal=journal, run_id="r")
    longer, shorter, other = Counter().chain(5), Counter().chain(3), Counter("b").chain(4)
    with pytest.raises(ReplayMiss, match="no recorded outcome"):
        await replay("r", journal=journal, graph=longer)
    with pytest.raises(ReplayMiss, match="left 1 recorded effects unused, first event 4"):
        await replay("r", journal=journal, graph=shorter)
    with pytest.raises(ReplayMiss):
        await replay("r", journal=journal, graph=other)
    other.fingerprint = {"model": "b"}
    with pytest.raises(Divergence, match="strictly"):
        await replay("r", journal=journal, graph=other)


async def test_a_lenient_replay_finds_outcomes_by_address(journal: Journal) -> None:
    await clew.run(Counter().chain(4), "t", journal=journal, run_id="r")
    other = Counter("b").chain(3)
    other.fingerprint = {"model": "b"}
    seen = await replay("r", journal=journal, graph=other, strict=False)
    assert seen.answer.text == "a1 a2 a3" and not seen.same and seen.effects == 3
    assert [kind for _, _, kind in seen.unused] == ["model"] and "model was None, is 'b'" in seen.divergence
    with pytest.raises(ReplayMiss):
        await replay("r", journal=journal, graph=Counter().chain(5), strict=False)


async def test_a_replay_writes_nothing(tmp_path: Any) -> None:
    path = tmp_path / "j.db"
    with Journal(path) as journal:
        await clew.run(Counter().chain(), "t", journal=journal, run_id="r")
    before = path.read_bytes()
    with Journal(path) as journal:
        await replay("r", journal=journal, graph=Counter().chain())
    assert path.read_bytes() == before


async def test_a_fork_shares_the_past_and_pays_for_the_rest(journal: Journal) -> None:
    await clew.run(Counter().chain(), "t", journal=journal, run_id="r")
    third = list(journal.events("r"))[2]
    child = fork("r", third.seq, journal=journal)
    changed = Counter("b").chain()
    changed.fingerprint = {"model": "b"}
    assert (await clew.run(changed, "t", journal=journal, run_id=child)).text == "a1 a2 b1 b2"
    row = journal.get_run(child)
    assert row is not None and (row.parent, row.forked_at, row.fingerprint["model"]) == ("r", third.seq, "b")
    assert Run(journal, child).ledger.spent.tokens == 20 and Run(journal, "r").ledger.spent.tokens == 40
    assert (await replay(child, journal=journal, graph=changed)).same
    assert (await replay("r", journal=journal, graph=Counter().chain())).same


async def test_a_fork_that_was_stopped_is_resumed(journal: Journal) -> None:
    await clew.run(Counter().chain(), "t", journal=journal, run_id="r")
    child = fork("r", list(journal.events("r"))[1].seq, journal=journal)
    with pytest.raises(Stopped):
        await clew.run(Counter("b", stop_at=1).chain(), "t", journal=journal, run_id=child)
    assert (await clew.run(Counter("b").chain(), "t", journal=journal, run_id=child)).text == "a1 b1 b1 b2"


async def test_a_fork_of_failed_effects_retries_under_the_new_settings_once(journal: Journal) -> None:
    async def fails() -> dict[str, Any]:
        raise OSError("down")

    calls = 0

    async def works() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        return {"text": f"w{calls}"}

    def graph(setting: str, perform: Any, stop: bool = False) -> Any:
        async def node(state: dict[str, Any]) -> dict[str, Any]:
            try:
                text = (await effect("model", {"setting": setting}, perform)).outcome["text"]
            except clew.errors.EffectFailed:
                text = "failed"
            if stop:
                raise Stopped
            return {"text": text + (await effect("end", {"s": setting}, works)).outcome["text"]}

        return single(node)

    await clew.run(graph("a", fails), "t", journal=journal, run_id="r")
    child = fork("r", list(journal.events("r"))[1].seq, journal=journal)
    with pytest.raises(Stopped):
        await clew.run(graph("b", works, True), "t", journal=journal, run_id=child, retry=["failed"])
    assert calls == 2
    assert (await clew.run(graph("b", works), "t", journal=journal, run_id=child)).text == "w2w3"


@pytest.mark.parametrize("kind", ["judge", "think"])
async def test_a_fork_keeps_causes_and_not_siblings(journal: Journal, kind: str) -> None:
    await clew.run(fan_out(RandomServer(), width=3, samples=2), "t", journal=journal, run_id="r")
    target = next(
        event
        for event in journal.events("r")
        if "sample:1" in event.place and (kind == "judge") == ("judge" in event.place)
        and (kind == "judge" or ("branch:2" in event.place and "more@3" in event.place))
    )  # fmt: skip
    child = fork("r", target.seq, journal=journal)
    kept = {event.place for event in journal.events(child)}
    assert not any("sample:0" in place for place in kept)  # ran beside it
    if kind == "judge":
        assert {p.split("/")[-2] for p in kept} == {"branch:0", "branch:1", "branch:2"}
    else:  # two steps before it in its own branch, nothing of its Send siblings
        assert {tuple(p.split("/")[-2:]) for p in kept} == {("branch:2", "think@1"), ("branch:2", "stumble@2")}
    server = RandomServer()
    assert (await clew.run(fan_out(server, width=3, samples=2), "t", journal=journal, run_id=child)).status == "ok"
    assert len(server.requests) == 2 * 13 - len(list(e for e in journal.events(child) if e.inherited))


async def test_a_fork_of_trials_keeps_those_before_it(journal: Journal) -> None:
    await clew.run(Counter().trials(), "t", journal=journal, run_id="r")
    target = next(event for event in journal.events("r") if event.place.endswith("trial:1"))
    child = fork("r", target.seq, journal=journal)
    assert {event.place.rpartition("/")[2] for event in journal.events(child)} == {"trial:0"}
    assert (await clew.run(Counter("b").trials(), "t", journal=journal, run_id=child)).text == "a1 a2 b1 b2 b3 b4"


async def test_a_fork_at_an_event_of_another_run_is_refused(journal: Journal) -> None:
    await clew.run(Counter().chain(1), "t", journal=journal, run_id="r")
    await clew.run(Counter().chain(1), "t", journal=journal, run_id="s")
    with pytest.raises(ConfigError, match="belongs to run 's'"):
        fork("r", 2, journal=journal)
    with pytest.raises(RunNotFound, match="no event 99"):
        fork("r", 99, journal=journal)


def recipe_builder(n: int) -> Any:
    return Counter().chain(n)


async def test_a_recipe_rebuilds_the_graph(journal: Journal) -> None:
    recipe = Recipe("tests.journal.test_resume:recipe_builder", {"n": 3})
    with pytest.raises(Stopped):
        await clew.run(Counter(stop_at=2).chain(3), Task(prompt="t"), journal=journal, run_id="r", recipe=recipe)
    with pytest.raises(ConfigError, match=r"trusted=\(\.\.\.\)"):
        await resume("r", journal=journal)
    assert (await resume("r", journal=journal, trusted=["tests"])).text == "a1 a2 a1"
    assert (await replay("r", journal=journal, trusted=["tests"])).same


@pytest.mark.parametrize(
    ("builder", "problem"),
    [
        ("os:system", "none of the trusted"),
        ("clew.journal.lease:sqlite3", "none of the trusted"),
        ("clew.journal.store:contextmanager", "none of the trusted"),  # a trusted module's import is not its own
        ("clew.journal.nowhere:f", "cannot be imported"),
        ("clew.journal.lease:nothing", "cannot be imported"),
        ("clew..x:f", "cannot be imported"),
    ],
)
async def test_a_recipe_from_elsewhere_calls_nothing_foreign(journal: Journal, builder: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Recipe(builder, {}).build()


async def test_a_run_without_recipe_says_how_to_resume_it(journal: Journal) -> None:
    with pytest.raises(Stopped):
        await clew.run(Counter(stop_at=1).chain(), "t", journal=journal, run_id="r")
    with pytest.raises(ConfigError, match=r"clew\.run\(graph, task, run_id='r'\)"):
        await resume("r", journal=journal)
    assert (await resume("r", journal=journal, graph=Counter().chain())).text == "a1 a1 a2 a3"


async def test_runs_are_found_by_what_is_unambiguous(journal: Journal) -> None:
    for id in ("abc1", "abd2", "a%"):
        await clew.run(Counter().chain(1), "t", journal=journal, run_id=id)
    assert journal.find_run("abc").id == "abc1" and journal.find_run("a%").id == "a%"
    for prefix, said in (("ab", "ambiguous"), ("x", "clew runs"), ("", "no run"), ("a%1", "no run")):
        with pytest.raises(RunNotFound, match=said):
            journal.find_run(prefix)


async def test_a_run_inside_a_node_of_another_run_is_a_run_of_its_own(journal: Journal) -> None:
    inner = Counter()

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        with scope("around", 1):
            answer = await clew.run(inner.chain(2), "inner", journal=journal, run_id="inner")
        return {"text": answer.text}

    assert (await clew.run(single(node), "t", journal=journal, run_id="outer")).text == "a1 a2"
    assert {event.place for event in journal.events("inner")} == {"work@1"} and not list(journal.events("outer"))
    assert (await replay("inner", journal=journal, graph=Counter().chain(2))).same


async def test_concurrent_runs_in_one_file_do_not_mix(journal: Journal) -> None:
    counters = [Counter(f"{i}-") for i in range(20)]
    answers = await asyncio.gather(
        *[clew.run(c.chain(3), "t", journal=journal, run_id=f"r{i:02}") for i, c in enumerate(counters)]
    )
    assert [answer.text for answer in answers] == [f"{i}-1 {i}-2 {i}-3" for i in range(20)]
    assert len(journal.runs()) == 20
