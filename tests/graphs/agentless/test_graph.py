"""The graph of a repair, over real repositories, real tests in real sandboxes and a model over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError
from clew.graphs import agentless
from clew.graphs.agentless.job import Job, ReproductionTest
from clew.graphs.agentless.scripts import OTHER, REPRODUCED, RESOLVED
from clew.graphs.agentless.suites import Suite
from clew.journal import Budget, Journal, replay
from clew.sandbox import Box
from clew.task import Answer, Task
from clew.testing import Reply, ScriptedServer, vllm
from clew.testing.kills import Aim, Killer, die, run_killed
from tests.graphs.agentless.proposing import (
    ALL_PRICES,
    CART,
    FIX,
    ISSUE,
    RATE,
    SUITE,
    Asking,
    Given,
    job_of,
    model,
    words,
)
from tests.graphs.agentless.repositories import LIMITS, git, suite_box, workspace
from tests.sandbox.conftest import DOCKER

pytestmark = pytest.mark.anyio

TASK = Task(prompt=ISSUE, kind="repair")
TOTAL = "tests/test_cart.py::test_total"
BOTH = [RATE, ALL_PRICES]
ONE_LINE = {
    **CART,
    "src/shop/price.py": str(CART["src/shop/price.py"]).replace("price + RATE", "price * RATE"),
}
SWAP = ("src/shop/cart.py", "prices[1:]", "prices")


@pytest.fixture
def docker() -> Iterator[Box]:
    made = suite_box("docker")
    yield made
    asyncio.run(made.close())


async def repaired(folder: Path, proposer: Any, job: Job, **more: Any) -> tuple[Answer, dict[str, Any], list[Any]]:
    """The answer, its report and the events, after a strict replay without anything to perform."""
    options = {name: more.pop(name) for name in ("early_stop", "at_once") if name in more}
    graph = agentless(proposer, job, **options)
    with Journal(folder / "j.db") as journal:
        answer = await clew.run(graph, TASK, journal=journal, run_id="r", **more)
        again = await replay("r", journal=journal, graph=agentless(proposer, job, **options))
        assert again.same and not again.unused
        return answer, answer.artifacts["repair"], list(journal.events("r"))


def programs(events: list[Any], place: str = "validate") -> list[str]:
    """The places of recorded test runs."""
    return [event.place for event in events if event.kind == "program" and event.place.startswith(place)]


# Acceptance cases ------------------------------------------------------------------------------------------------


async def test_case_1_the_patch_is_the_expected_one_and_applies(box: Box, tmp_path: Path) -> None:
    job = job_of(tmp_path, box, ONE_LINE)
    with ScriptedServer([words(FIX[1])], features=vllm) as server:
        answer, report, _ = await repaired(tmp_path, Asking(model(server)), job)
    assert (answer.status, answer.stop_reason, answer.score) == ("ok", "", 1.0), report
    lines = answer.text.splitlines()
    assert lines[0] == "diff --git a/src/shop/cart.py b/src/shop/cart.py" and lines[1].startswith("index ")
    assert lines[2:] == [
        "--- a/src/shop/cart.py",
        "+++ b/src/shop/cart.py",
        "@@ -2,7 +2,7 @@ from shop.price import taxed",
        " ",
        " ",
        " def total(prices):",
        "-    return sum(taxed(price) for price in prices[1:])",
        "+    return sum(taxed(price) for price in prices)",
        " ",
        " ",
        " def size(prices):",
    ]
    git(tmp_path / "repo", "apply", "-", stdin=answer.text.encode())
    assert git(tmp_path / "repo", "diff") == answer.text.rstrip()
    assert answer.artifacts["patch"] == answer.text
    assert report["tests"] == {
        "passing": 5, "failing": 1, "flaky": 0, "targets": [TOTAL], "regression": 5, "why": "",
    }  # fmt: skip
    assert report["phases"] == ["tests", "repair", "validate", "rank"]


# The issue without a test in the repository that shows it.
UNTESTED = {
    **CART,
    "tests/test_cart.py": "from shop import cart\n\n\ndef test_empty():\n    assert cart.total([]) == 0\n\n\n"
    "def test_size():\n    assert cart.size([5]) == 1\n",
}
SCRIPT = ReproductionTest(
    script="import sys\nsys.path.insert(0, 'src')\nfrom shop import cart\nfound = cart.total([1, 2])\n"
    f"print({{4: {REPRODUCED!r}, 6: {RESOLVED!r}}}.get(found, {OTHER!r}))\n",
    key="script",
)
NOTHING = ("src/shop/price.py", "RATE = 2", "RATE = 1 + 1")
WORSE = [
    ("src/shop/price.py", "return 0", "return 1"),
    ("src/shop/cart.py", "return len(prices)", "return 0"),
    ("src/shop/cart.py", "for price in prices[1:])", "for price in prices) or None"),
]
CRASH = ("src/shop/cart.py", "from shop.price", "import ctypes\nctypes.string_at(0)\nfrom shop.price")


async def test_case_16_a_crash_is_never_preferred(box: Box, tmp_path: Path) -> None:
    waves = [[NOTHING], BOTH, [RATE, *WORSE], [*BOTH, CRASH], [*BOTH, CRASH]]
    given = Given(waves, reproduction=[SCRIPT])
    answer, report, _ = await repaired(tmp_path, given, job_of(tmp_path, box, UNTESTED))
    candidates = report["candidates"]
    assert [each["regression"] and each["regression"]["failed"] for each in candidates] == [0, 0, 3, None, None], report
    assert [each["reproduction"] for each in candidates] == ["failed", "passed", "passed", "error", "error"]
    assert (answer.status, answer.stop_reason, report["chosen"]) == ("ok", "", "1.0")
    assert "did not come to their end" in report["reasons"]["3.0"]


async def test_case_17_what_nobody_passes_is_ignored(box: Box, tmp_path: Path) -> None:
    given = Given([[RATE], [ALL_PRICES], [ALL_PRICES]], reproduction=[SCRIPT])
    answer, report, _ = await repaired(tmp_path, given, job_of(tmp_path, box, UNTESTED))
    assert [each["reproduction"] for each in report["candidates"]] == ["failed", "error", "error"]
    assert (report["chosen"], answer.score) == ("1.0", 2 / 3)
    assert (answer.status, answer.stop_reason) == ("partial", "repro_ignored") and "repro_ignored" in report["flags"]


async def test_case_18_without_a_reproduction_test_nothing_failed(box: Box, tmp_path: Path) -> None:
    answer, report, events = await repaired(tmp_path, Given([[NOTHING], BOTH, BOTH]), job_of(tmp_path, box, UNTESTED))
    assert (answer.status, report["chosen"], report["reproduction"]) == ("ok", "1.0", [])
    assert "repro_skipped" in report["flags"] and "repro_ignored" not in report["flags"]
    assert all(each["reproduction"] is None for each in report["candidates"])
    assert not any("reproduction" in place for place in programs(events))


async def test_case_21_tests_are_those_of_the_base_commit_alone(box: Box, tmp_path: Path) -> None:
    files = {"a.py": "def one():\n    return 2\n", "test_a.py": "import a\n\n\ndef test_two():\n    assert a\n"}
    tree = workspace(tmp_path / "bare", files)
    repo, known = tmp_path / "fixed" / "repo", workspace(tmp_path / "fixed", files)
    (repo / "a.py").write_text("def one():\n    return 1\n")
    (repo / "test_a.py").write_text("import a\n\n\ndef test_gold():\n    assert a.one() == 1\n")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "fix")
    again = type(tree).make(repo, known.commit, tmp_path / "again")
    found = []
    for place in (tree, known, again):
        _, report, events = await repaired(place.folder, Given([[("a.py", "2", "1")]]), Job(place, box, SUITE))
        looked = next(event for event in events if event.kind == "program")
        found.append((report["tests"], place.tree, looked.request))
        assert not any("gold" in str(event.request) + str(event.outcome) for event in events)
    assert found[0] == found[1] == found[2]


CHANGES = 40
KILLED_AT = 23


def test_case_22_what_was_tested_is_never_tested_again(tmp_path: Path) -> None:
    """Forty changes; the process is killed when 23 have their results. What is resumed tests the other 17, more of them
    at a time."""
    suite_box("process")  # skips where it cannot work
    files = {"a.py": "ONE = 1\n", "check.py": "import a\n\nassert a.ONE != 20\n"}
    job = Job(workspace(tmp_path, files), None, None)
    waves = [[[("a.py", "1", str(10 + 10 * wave + n))] for n in range(10)] for wave in range(CHANGES // 10)]

    async def work(journal: Path, at_once: int, kill_at: int = 0) -> tuple[Answer, int, bool]:
        box = suite_box("process")
        tested = 0

        def watch(event: dict[str, Any]) -> None:
            nonlocal tested
            if event["event"] == "finished" and event["kind"] == "program" and "validate" in event["place"]:
                tested += 1
                if tested == kill_at:
                    die()

        given = Job(job.workspace, box, Suite.of("python3 check.py", limits=LIMITS))
        graph = agentless(Given(*waves), given, at_once=at_once)
        with Journal(journal) as opened:
            answer = await clew.run(graph, TASK, journal=opened, run_id="r", watch=watch)
            same = await replay("r", journal=opened, graph=graph)
        await box.close()
        return answer, tested, same.same

    whole, tested, same = asyncio.run(work(tmp_path / "whole.db", 4))
    assert (tested, same) == (CHANGES, True)
    assert run_killed(lambda: asyncio.run(work(tmp_path / "killed.db", 1, KILLED_AT)) and None, Killer(), Aim())
    resumed, tested, same = asyncio.run(work(tmp_path / "killed.db", 3))
    assert (tested, same) == (CHANGES - KILLED_AT, True)
    assert resumed == whole and len(whole.artifacts["repair"]["candidates"]) == CHANGES
    assert whole.status == "ok" and "20" not in whole.text


async def test_case_24_a_budget_that_ends_leaves_a_choice(box: Box, tmp_path: Path) -> None:
    replies = [words(RATE, say="One."), words(*FIX), words(FIX[1]), words(*FIX)]
    with ScriptedServer(replies, features=vllm) as server:
        asking = Asking(model(server, max_tokens=600), samples=4)
        answer, report, _ = await repaired(tmp_path, asking, job_of(tmp_path, box), budget=Budget(tokens=1_300))
    made = len(report["candidates"])
    assert 1 < made < 4, report
    assert (answer.status, answer.stop_reason) == ("budget", "tokens")
    assert "price * RATE" in answer.text and "for price in prices)" in answer.text
    assert report["ended"] == ["budget", "tokens"] and report["chosen"] == "0.1"
    assert [each["regression"] is not None for each in report["candidates"]] == [True] * made


# End to end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DOCKER, "process"])
async def test_a_bug_across_two_files_is_fixed(kind: str, tmp_path: Path) -> None:
    own = suite_box(kind)
    replies = [words(FIX[0]), words(*FIX), words(FIX[1]), words(*FIX, say="Both files are wrong.")]
    with ScriptedServer(replies, features=vllm) as server:
        answer, report, events = await repaired(tmp_path, Asking(model(server), 2, 2), job_of(tmp_path, own))
    await own.close()
    assert answer.status == "ok" and answer.score == 1.0, report
    files = job_of(tmp_path / "again", None).workspace.changes_of(answer.text)
    assert {change.path: change.after for change in files} == {
        "src/shop/cart.py": str(CART["src/shop/cart.py"]).replace("prices[1:]", "prices"),
        "src/shop/price.py": str(CART["src/shop/price.py"]).replace("+ RATE", "* RATE"),
    }
    # Two of four are the same, and tested once; those that fix nothing do not run the other tests.
    assert [each["votes"] for each in report["candidates"]] == [1, 2, 1, 2] or len(programs(events)) == 4
    half = [each for each in report["trials"].values() if not each["fixed"]]
    assert len(half) == 2 and not any(each["whole"] for each in half)
    assert all(TOTAL in each["messages"] for each in half)


async def test_what_fails_in_the_model_leaves_a_choice(box: Box, tmp_path: Path) -> None:
    broken = Reply(text="no such key", status=401)
    with ScriptedServer([words(*FIX), broken], features=vllm) as server:
        answer, report, _ = await repaired(tmp_path / "1", Asking(model(server), 1, 3), job_of(tmp_path / "1", box))
    assert (answer.status, report["chosen"]) == ("partial", "0.0") and "ModelAuthError" in answer.stop_reason
    with ScriptedServer([broken], features=vllm) as server:
        job = job_of(tmp_path / "2", None)
        answer, report, _ = await repaired(tmp_path / "2", Asking(model(server)), job)
    assert (answer.status, answer.text, report["chosen"]) == ("error", "", None)
    assert "no_candidate" in report["flags"]


async def test_without_tests_votes_decide_and_it_is_said(tmp_path: Path) -> None:
    proposer = Given([[RATE], BOTH, BOTH, [ALL_PRICES]])
    answer, report, _ = await repaired(tmp_path, proposer, job_of(tmp_path, None))
    assert (answer.status, answer.stop_reason, answer.score) == ("partial", "untested", 0.5)
    assert report["chosen"] == "1.0" and {"no_tests", "regression_ignored"} <= set(report["flags"])
    assert report["tests"]["why"]


async def test_a_change_that_makes_tests_skip_does_not_win(box: Box, tmp_path: Path) -> None:
    skips = "import pytest\nfrom shop import price\n\npytestmark = pytest.mark.skipif(price.RATE != 2, reason='-')\n"
    files = {**CART, "tests/test_price.py": str(CART["tests/test_price.py"]).replace("from shop import price", skips)}
    rate = ("src/shop/price.py", "RATE = 2", "RATE = 4 - 2 * (2 > 1)")
    away = ("src/shop/price.py", "RATE = 2", "RATE = 2.0000001")
    answer, report, _ = await repaired(
        tmp_path, Given([[away], [*BOTH, away], [*BOTH, rate]]), job_of(tmp_path, box, files)
    )
    assert [each["regression"]["skipped"] for each in report["candidates"]] == [2, 2, 0], report["candidates"]
    assert (answer.status, report["chosen"]) == ("ok", "2.0")
    assert report["candidates"][1]["broken"] == ["tests/test_price.py::test_free", "tests/test_price.py::test_nothing"]


async def test_an_answer_without_an_edit_is_no_candidate(box: Box, tmp_path: Path) -> None:
    with ScriptedServer(["I would not know."], features=vllm) as server:
        answer, report, events = await repaired(tmp_path, Asking(model(server)), job_of(tmp_path, box))
    assert (answer.status, answer.stop_reason, answer.text) == ("no_answer", "no_candidate", "")
    assert report["candidates"][0]["reason"] and not programs(events)


# Stopping early --------------------------------------------------------------------------------------------------


async def test_no_more_is_asked_once_the_choice_cannot_change(box: Box, tmp_path: Path) -> None:
    with ScriptedServer([words(*FIX)] * 6, features=vllm) as server:
        answer, report, _ = await repaired(tmp_path, Asking(model(server), samples=6), job_of(tmp_path, box))
        asked = len(server.requests)
    assert answer.status == "ok" and len(report["candidates"]) == asked == 4
    assert report["events"] == [{"kind": "early_stop", "spared": 2}]


async def test_all_are_asked_where_targets_are_left_or_it_is_wished(box: Box, tmp_path: Path) -> None:
    waves = [[[RATE]]] * 3
    answer, report, _ = await repaired(tmp_path / "1", Given(*waves), job_of(tmp_path / "1", box))
    assert (answer.status, answer.stop_reason) == ("partial", "targets_failing")
    assert len(report["candidates"]) == 3
    waves = [[BOTH]] * 3
    job = job_of(tmp_path / "2", box)
    answer, report, _ = await repaired(tmp_path / "2", Given(*waves), job, early_stop=False)
    assert answer.status == "ok" and len(report["candidates"]) == 3


# Malformed use ---------------------------------------------------------------------------------------------------


async def test_phases_have_names_of_their_own(tmp_path: Path) -> None:
    job = job_of(tmp_path, None)

    class Odd(Given):
        def __init__(self, *names: str) -> None:
            super().__init__([[RATE]])
            self.names = names

        def phases(self, job: Job) -> Any:
            return dict.fromkeys(self.names, super().phases(job)["propose"])

    for names in ((), ("validate",), ("",), ("finish", "a")):
        with pytest.raises(ConfigError, match="phases"):
            agentless(Odd(*names), job)
    with pytest.raises(ConfigError, match="at_once=0"):
        agentless(Given([[RATE]]), job, at_once=0)


async def test_a_proposer_that_goes_nowhere_is_ended(tmp_path: Path) -> None:
    class Endless(Given):
        def phases(self, job: Job) -> Any:
            async def propose(state: Any) -> Any:
                return {**state, "pending": 5, "again": "propose", "phase": "validate"}

            return {"propose": propose}

    answer, _, _ = await repaired(tmp_path, Endless([[RATE]]), job_of(tmp_path, None))
    assert answer.status == "no_answer"
