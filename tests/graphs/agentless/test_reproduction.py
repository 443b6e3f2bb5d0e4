"""Reproduction tests: scripts in the words of a model, over real HTTP, run for real in the sandbox of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.graphs.agentless.asking import Asker
from clew.graphs.agentless.job import Job, ReproductionTest
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.reproduction import REPRODUCTION, STEP, ReproductionStage, reproduced
from clew.graphs.agentless.scripts import OTHER, REPRODUCED, RESOLVED, run_script, script_in, script_key
from clew.graphs.base import State
from clew.journal import Budget, Journal
from clew.sandbox import Box
from clew.testing import Reply, Request, ScriptedServer
from tests.graphs.agentless.proposed import Ran, model, running, sent, serving, state_of
from tests.graphs.agentless.proposing import ALL_PRICES, CART, RATE, SUITE, change, job_of
from tests.graphs.agentless.repositories import suite_box, workspace
from tests.sandbox.conftest import DOCKER

pytestmark = pytest.mark.anyio

FINDS = f"""\
def check():
    try:
        from shop import cart

        total = cart.total([1, 2])
    except Exception as error:
        print("{OTHER}", error)
        return
    print("{REPRODUCED}" if total == 4 else "{RESOLVED}" if total == 6 else "{OTHER}")


check()
"""
SAME = (
    FINDS.replace("check", "test_total")
    .replace('"', "'")
    .replace("    try", "    # adds up\n    try")
    .replace("def test_total():\n", "def test_total():\n    '''Of two.'''\n")
)
SIMPLE = f'from shop.cart import total\n\nprint("{REPRODUCED}" if total([3, 4]) == 6 else "{RESOLVED}")\n'
BOTH = f'print("{REPRODUCED}")\nprint("{RESOLVED}")\n'
RIGHT_NOW = f'print("{RESOLVED}")  # or "{REPRODUCED}"\n'
OTHERWISE = f'print("{OTHER}")  # "{REPRODUCED}" "{RESOLVED}"\n'
SILENT = f'text = "{REPRODUCED} {RESOLVED}"\n'
CRASHES = f'print("{REPRODUCED}")\nraise SystemExit("{RESOLVED}")\n'
KILLED = f'import os\nprint("{REPRODUCED}", flush=True)  # {RESOLVED}\nos.kill(os.getpid(), 9)\n'


@pytest.fixture(scope="module", params=[DOCKER, "process"])
def any_box(request: pytest.FixtureRequest) -> Iterator[Box]:
    made = suite_box(request.param)
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("tree"), CART)


def fenced(script: str) -> str:
    return f"It adds up wrongly.\n```python\n{script}```\n"


def weighed(*scripts: tuple[str, int]) -> list[ReproductionTest]:
    return [ReproductionTest(script=script, key=script_key(script), votes=votes) for script, votes in scripts]


async def written(
    server: ScriptedServer, job: Job, *, budget: Budget | None = None, journal: Journal | None = None, **options: Any
) -> tuple[State, Ran]:
    with running(budget, journal) as ran:
        asker = Asker(model(server, **options.pop("limits", {})))
        state = await ReproductionStage(asker, "next", **options).phases(job)[REPRODUCTION](state_of())
    assert state["phase"] == "next"
    return state, ran


def outcomes(ran: Ran) -> list[str]:
    return [row["outcome"] for row in ran.told(REPRODUCTION)[0]["samples"]]


# Scripts ---------------------------------------------------------------------------------------------------------


async def test_a_script_runs_where_the_tests_run(any_box: Box, tree: Workspace) -> None:
    with running():
        assert await run_script(any_box, SUITE, tree, FINDS) == "reproduced"
        fixed = tree.apply(tree.diff(change(tree, RATE, ALL_PRICES)))
        assert await run_script(any_box, SUITE, fixed, FINDS) == "resolved"
        broken = tree.apply(tree.diff(change(tree, ("src/shop/price.py", "RATE = 2", "RATE = None"))))
        assert await run_script(any_box, SUITE, broken, FINDS) == "other"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (BOTH, "invalid"), (RIGHT_NOW, "resolved"), (OTHERWISE, "other"), (SILENT, "invalid"), (KILLED, "invalid"),
        (CRASHES, "reproduced"), ("import os\nprint(open('/etc/hostname').read())\n", "invalid"),
    ],
)  # fmt: skip
async def test_case_19_one_phrase_is_an_outcome_and_nothing_else(
    box: Box, tree: Workspace, script: str, said: str
) -> None:
    with running():
        assert await run_script(box, SUITE, tree, script) == said


async def test_a_patch_cannot_print_the_phrase_itself(box: Box, tree: Workspace) -> None:
    evil = f'import os\nprint("{RESOLVED}", flush=True)\nos._exit(0)\n\n\ndef total(prices):\n'
    forged = tree.apply(tree.diff(change(tree, ("src/shop/cart.py", "def total(prices):\n", evil))))
    with running():
        assert await run_script(box, SUITE, forged, FINDS) == "invalid"
        assert await reproduced(Job(tree, box, SUITE), forged, weighed((FINDS, 1))) == "error"


async def test_a_script_leaves_no_trace_in_the_workspace(box: Box, tree: Workspace) -> None:
    evil = f'import os, shutil\nshutil.rmtree("src")\nprint("{REPRODUCED}")  # {RESOLVED}\n'
    with running():
        assert await run_script(box, SUITE, tree, evil) == "reproduced"
        assert await run_script(box, SUITE, tree, FINDS) == "reproduced"


def test_scripts_that_run_alike_have_one_key() -> None:
    assert script_key(FINDS) == script_key(SAME) != script_key(SIMPLE)
    assert script_key(FINDS) != script_key(FINDS.replace("[1, 2]", "[1, 3]"))
    guarded = FINDS.replace("\n\n\ncheck()", '\n\n\nif __name__ == "__main__":\n    check()')
    assert script_key(guarded) == script_key(guarded.replace("check", "main")) != script_key(FINDS)
    assert script_key("def (") == ""


@pytest.mark.parametrize(
    ("answer", "script"),
    [
        (fenced(FINDS), FINDS.strip("\n")),
        (FINDS, FINDS.strip("\n")),
        (f"```python\n{FINDS}", FINDS.strip("\n")),
        (f"```python\nprint(1)\n```\nBetter:\n```python\n{FINDS}```\nDone.", FINDS.strip("\n")),
        (fenced("print(1)\n"), ""),
        (fenced("def (\n" + FINDS), ""),
        (fenced(f'print("{REPRODUCED}")\n'), ""),
        ("I cannot.", ""),
        ("", ""),
        ('{"script": "..."}', ""),
        (fenced(FINDS + "#" * 60_000 + "\n"), ""),
        (fenced("(" * 500 + ")" * 500 + f'# "{REPRODUCED}" "{RESOLVED}"\n'), ""),
    ],
)
def test_the_script_of_an_answer(answer: str, script: str) -> None:
    assert script_in(answer) == script


# The stage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("def slug(text): return text.replace('  ', '--')", "reproduced"),
        ("def slug(text): return None", "reproduced"),
        ("def slug(text): raise ValueError(text)", "reproduced"),
        ("def slug(text): return '-'.join(text.split())", "resolved"),
        ("slugs = None", "other"),
    ],
    ids=["as told", "another wrong result", "an exception", "mended", "not there"],
)
async def test_the_example_of_the_prompt_keeps_what_the_prompt_asks(
    box: Box, tmp_path: Path, module: str, said: str
) -> None:
    script = script_in(STEP)
    assert "slug" in script
    assert await run_script(box, SUITE, workspace(tmp_path, {"textkit.py": f"{module}\n"}), script) == said


async def test_scripts_that_find_the_issue_are_kept_by_their_votes(box: Box, tree: Workspace) -> None:
    replies = [SIMPLE, FINDS, BOTH, SAME, RIGHT_NOW, "No.", FINDS]
    with serving(*map(fenced, replies)) as server:
        state, ran = await written(server, Job(tree, box, SUITE), samples=7, enough=99)
        asked = server.requests
    kept = [ReproductionTest.model_validate(test) for test in state["reproduction"]]
    assert sorted((test.votes, script_key(test.script)) for test in kept) == sorted(
        [(3, script_key(FINDS)), (1, script_key(SIMPLE))]
    )
    assert [test.votes for test in kept] == [3, 1]
    assert sorted(outcomes(ran)) == sorted(["reproduced"] * 4 + ["invalid", "resolved", "no_script"])
    assert len(ran.effects("program")) == 4
    told = ran.told(REPRODUCTION)[0]
    assert (told["verified"], told["asked"]) == (4, 7) and told["tests"] == state["reproduction"]
    keys = {effect.key for effect in ran.effects("model")}
    assert {row["effect"] for row in told["samples"]} == keys
    assert sorted(request.body["temperature"] for request in asked) == [0, *[0.8] * 6]
    assert {request.body["max_tokens"] for request in asked} == {1024}
    assert len({sent(request) for request in asked}) == 1
    text = sent(asked[0])
    assert (
        text.index("Packages and modules of the repository: shop.") < text.index("Your step")
        and "price + RATE" not in text
    )


async def test_one_sample_is_the_greedy_one(box: Box, tree: Workspace) -> None:
    with serving(fenced(FINDS)) as server:
        state, _ = await written(server, Job(tree, box, SUITE), samples=1)
        assert [request.body["temperature"] for request in server.requests] == [0]
    assert [test["votes"] for test in state["reproduction"]] == [1]


async def test_case_18_without_a_verified_script_there_is_no_test_and_no_failure(box: Box, tree: Workspace) -> None:
    with serving(fenced(RIGHT_NOW), fenced(BOTH), "", fenced(OTHERWISE)) as server:
        job = Job(tree, box, SUITE)
        state, ran = await written(server, job, samples=4)
        with running():
            assert await reproduced(job, tree, []) is None
    assert state["reproduction"] == [] and state["flags"] == ["reproduction_none"] and state["ended"] is None
    assert ran.told(REPRODUCTION)[0]["tests"] == []


async def test_case_19_two_phrases_and_resolved_at_the_base_are_thrown_away(box: Box, tree: Workspace) -> None:
    with serving(fenced(BOTH), fenced(RIGHT_NOW), fenced(FINDS)) as server:
        state, ran = await written(server, Job(tree, box, SUITE), samples=3)
    assert len(state["reproduction"]) == 1 and sorted(outcomes(ran)) == ["invalid", "reproduced", "resolved"]


async def test_sampling_stops_when_enough_samples_agree(box: Box, tree: Workspace) -> None:
    with serving(lambda request: fenced(FINDS)) as server:
        state, ran = await written(server, Job(tree, box, SUITE), enough=10)
        assert server.count == 10 and len(ran.effects("program")) == 1
        full, _ = await written(server, Job(tree, box, SUITE), samples=25, enough=25)
        assert server.count == 35
    assert [test["votes"] for test in state["reproduction"]] == [10]
    assert [test["votes"] for test in full["reproduction"]] == [25]


async def test_no_more_than_the_best_are_kept(box: Box, tree: Workspace) -> None:
    scripts = [FINDS.replace("[1, 2]", f"[{n}, 2]").replace("total == 4", "total != 6") for n in (3, 4, 5, 7)]
    with serving(*map(fenced, [*scripts, scripts[2]])) as server:
        state, _ = await written(server, Job(tree, box, SUITE), samples=5, keep=2)
    assert [test["votes"] for test in state["reproduction"]] == [2, 1]


async def test_the_stage_is_off_without_samples_sandbox_or_python(box: Box, tree: Workspace, tmp_path: Path) -> None:
    with serving() as server:
        none, _ = await written(server, Job(tree, box, SUITE), samples=0)
        unsafe, _ = await written(server, Job(tree))
        other, _ = await written(server, job_of(tmp_path, box, {"a.ts": "let x = 1;\n"}))
        assert server.count == 0
    assert [state["reproduction"] for state in (none, unsafe, other)] == [[], [], []]
    assert (none["flags"], unsafe["flags"], other["flags"]) == ([], [], ["reproduction_no_python"])


async def test_failed_calls_lose_no_others_and_a_wave_of_them_ends_the_stage(box: Box, tree: Workspace) -> None:
    with serving(Reply(fault="content_filter"), fenced(FINDS), Reply(fault="server_error")) as server:
        state, ran = await written(server, Job(tree, box, SUITE), samples=3)
        assert len(state["reproduction"]) == 1
        assert sum("ContentFiltered" in outcome or "ModelError" in outcome for outcome in outcomes(ran)) == 2
    with serving(lambda request: Reply(fault="auth")) as server:
        state, _ = await written(server, Job(tree, box, SUITE))
        assert server.count == 10 and state["reproduction"] == [] and state["ended"] is None


async def test_a_limit_keeps_what_is_verified(box: Box, tree: Workspace) -> None:
    with serving(lambda request: fenced(FINDS)) as server:
        calls, _ = await written(server, Job(tree, box, SUITE), enough=40, budget=Budget(model_calls=3))
        runs, _ = await written(server, Job(tree, box, SUITE), enough=40, budget=Budget(code_runs=0))
    assert [test["votes"] for test in calls["reproduction"]] == [3] and calls["flags"] == ["reproduction_cut"]
    assert runs["reproduction"] == [] and runs["flags"] == ["reproduction_cut", "reproduction_none"]


async def test_a_script_that_the_limit_cut_is_asked_for_with_the_models_own(box: Box, tree: Workspace) -> None:
    with serving(lambda request: fenced(FINDS)) as server:
        state, _ = await written(server, Job(tree, box, SUITE), samples=2, max_tokens=30, limits={"max_tokens": 500})
        assert [request.body["max_tokens"] for request in server.requests] == [30, 500, 500]
    assert len(state["reproduction"]) == 1 and state["reply_limits"] == {REPRODUCTION: 500}


async def test_a_resumed_stage_asks_and_runs_nothing_again(box: Box, tree: Workspace, tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        return fenced([FINDS, SIMPLE, BOTH][request.body["seed"] % 3])

    with Journal(tmp_path / "j.db") as journal, serving(reply) as server:
        first, _ = await written(server, Job(tree, box, SUITE), samples=12, enough=99, journal=journal)
        again, ran = await written(server, Job(tree, box, SUITE), samples=12, enough=99, journal=journal)
        assert first == again and ran.run.performed == 0 and server.count == 12


# Judging a patch ---------------------------------------------------------------------------------------------------

HERE = f'print("{REPRODUCED}")  # {RESOLVED}\n'


@pytest.mark.parametrize(
    ("scripts", "outcome", "runs"),
    [
        ([(RIGHT_NOW, 1)], "passed", 1),
        ([(HERE, 1)], "failed", 1),
        ([(OTHERWISE, 1)], "error", 1),
        ([(BOTH, 1)], "error", 1),
        ([(RIGHT_NOW, 3), (HERE, 1), (OTHERWISE, 1)], "passed", 1),
        ([(RIGHT_NOW, 2), (HERE, 1), (OTHERWISE, 1)], "error", 3),
        ([(HERE, 1), (RIGHT_NOW, 1)], "failed", 1),
        ([(RIGHT_NOW, 1), (HERE, 1)], "failed", 2),
        ([(RIGHT_NOW, 1), (OTHERWISE, 1), (RIGHT_NOW + "#", 1)], "passed", 3),
    ],
)
async def test_a_patch_is_judged_by_the_weight_of_the_votes(
    box: Box, tree: Workspace, scripts: list[tuple[str, int]], outcome: str, runs: int
) -> None:
    with running() as ran:
        assert await reproduced(Job(tree, box, SUITE), tree, weighed(*scripts)) == outcome
    assert [effect.place for effect in ran.effects("program")] == [f"reproduction:{n}" for n in range(runs)]


async def test_without_a_sandbox_there_is_no_judgement(tree: Workspace) -> None:
    with running():
        assert await reproduced(Job(tree), tree, weighed((HERE, 1))) is None
