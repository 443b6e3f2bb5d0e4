"""Whole repairs with the real proposers: a scripted model over real HTTP, and templates without one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.graphs import agentless
from clew.graphs.agentless.job import Job
from clew.graphs.agentless.mutants import MutationProposer
from clew.graphs.agentless.proposers import ModelProposer
from clew.journal import Budget, Journal, replay
from clew.sandbox import Box
from clew.task import Answer, Task
from clew.testing import ScriptedServer
from tests.graphs.agentless.proposing import CART, FIX, ISSUE, SUITE, job_of, model
from tests.graphs.agentless.repositories import git, suite_box, workspace
from tests.graphs.agentless.speaking import PLACES, REPAIRING, REPRODUCING, one_of, step_of, talk
from tests.sandbox.conftest import DOCKER

pytestmark = pytest.mark.anyio

FIXED = {
    "src/shop/cart.py": str(CART["src/shop/cart.py"]).replace("prices[1:]", "prices"),
    "src/shop/price.py": str(CART["src/shop/price.py"]).replace("+ RATE", "* RATE"),
}


def proposer(server: ScriptedServer, **options: Any) -> ModelProposer:
    return ModelProposer(model(server), **{"reproduction_enough": 2, "candidates": 3, **options})


async def run(folder: Path, graph: Any, **more: Any) -> tuple[Answer, dict[str, Any], list[Any]]:
    with Journal(folder / "j.db") as journal:
        task = Task(prompt=ISSUE, kind="repair")
        answer = await clew.run(graph, task, journal=journal, run_id="r", **more)
        return answer, answer.artifacts["repair"], list(journal.events("r"))


def after(job: Job, patch: str) -> dict[str, str | None]:
    return {change.path: change.after for change in job.workspace.changes_of(patch)}


@pytest.mark.parametrize("kind", [DOCKER, "process"])
async def test_a_model_fixes_a_bug_across_two_files(kind: str, tmp_path: Path) -> None:
    box: Box = suite_box(kind)
    job = job_of(tmp_path, box)
    with talk(repairing=one_of(FIX, FIX, FIX[:1])) as server:
        graph = agentless(proposer(server, candidates=4), job)
        answer, report, events = await run(tmp_path, graph)
        asked = Counter(step_of(request) for request in server.requests)
        assert not server.unexpected
    assert (answer.status, answer.stop_reason) == ("ok", ""), json.dumps(report, indent=1)
    assert after(job, answer.text) == FIXED
    git(tmp_path / "repo", "apply", "-", stdin=answer.text.encode())
    assert report["phases"][:7] == ["tests", "files", "elements", "locations", "regression", "reproduction", "repair"]
    assert report["files"][:2] == ["src/shop/cart.py", "src/shop/price.py"]
    chosen = next(each for each in report["candidates"] if each["id"] == report["chosen"])
    assert (chosen["fixed"], chosen["regression"]["passed"], chosen["reproduction"]) == (1, 5, "passed")
    assert len(report["reproduction"]) == 1 and asked[REPRODUCING] >= 2 and asked[PLACES] == 4
    # A change is tested once, whoever makes it, and only the best ones run all the tests.
    keys = {each["key"] for each in report["candidates"]}
    assert set(report["trials"]) == keys and len(keys) <= 2
    stages = Counter(event.request["stage"] for event in events if event.kind == "stage")
    assert stages["candidate"] == len(report["candidates"]) == asked[REPAIRING]
    assert stages["validate"] == len(keys) and stages["rank"] == stages["tests"] == 1
    # A strict replay needs neither the server nor the sandbox.
    await box.close()
    with Journal(tmp_path / "j.db") as journal:
        again = await replay("r", journal=journal, graph=graph)
    assert again.same and not again.unused


@pytest.mark.parametrize("kind", [DOCKER, "process"])
async def test_templates_fix_a_bug_without_a_model(kind: str, tmp_path: Path) -> None:
    box: Box = suite_box(kind)
    files = {**CART, "src/shop/price.py": FIXED["src/shop/price.py"], "src/shop/cart.py": CART["src/shop/cart.py"]}
    files["src/shop/cart.py"] = FIXED["src/shop/cart.py"].replace("return len(prices)", "return len(prices) + 1")
    job = Job(workspace(tmp_path, files), box, SUITE)
    graph = agentless(MutationProposer(batch=20), job)
    answer, report, _ = await run(tmp_path, graph)
    assert (answer.status, answer.stop_reason) == ("ok", ""), json.dumps(report, indent=1)
    assert after(job, answer.text).keys() == {"src/shop/cart.py"}
    chosen = next(each for each in report["candidates"] if each["id"] == report["chosen"])
    assert (chosen["fixed"], chosen["regression"]["passed"]) == (
        len(report["tests"]["targets"]),
        report["tests"]["passing"],
    )
    await box.close()
    with Journal(tmp_path / "j.db") as journal:
        assert (await replay("r", journal=journal, graph=graph)).same


async def test_case_24_a_limit_in_repair_is_a_choice_among_what_exists(tmp_path: Path) -> None:
    box: Box = suite_box("process")
    options: dict[str, Any] = {"reproduction_samples": 0, "regression_select": False, "candidates": 8}

    async def one(name: str, **more: Any) -> tuple[Answer, dict[str, Any], list[Any]]:
        with talk(repairing=one_of(FIX, FIX, FIX[:1])) as server:
            graph = agentless(proposer(server, **options), job_of(tmp_path / name, box), early_stop=False)
            return await run(tmp_path / name, graph, **more)

    _, report, events = await one("whole")
    costs = [event.cost.tokens for event in events if event.kind == "model" and event.place.startswith("repair")]
    before = sum(event.cost.tokens for event in events) - sum(costs)
    assert len(costs) == len(report["candidates"]) == 8
    # Enough for all the stages before and some of the candidates: a call is reserved with all that it might say.
    limit = before + 3 * max(costs) + max(costs) + 1_024
    answer, report, _ = await one("ended", budget=Budget(tokens=limit))
    await box.close()
    assert (answer.status, answer.stop_reason) == ("budget", "tokens"), json.dumps(report, indent=1)
    assert 3 <= len(report["candidates"]) < 8 and report["ended"] == ["budget", "tokens"]
    assert answer.text and report["chosen"] and all(each["regression"] for each in report["candidates"])


async def test_a_model_that_says_nothing_of_use_ends_without_a_patch(tmp_path: Path) -> None:
    box: Box = suite_box("process")
    nothing = {
        name: "I cannot tell." for name in ("files", "elements", "places", "choosing", "reproducing", "repairing")
    }
    with talk(**nothing) as server:
        graph = agentless(proposer(server, reproduction_samples=2), job_of(tmp_path, box))
        answer, report, _ = await run(tmp_path, graph)
    await box.close()
    assert (answer.status, answer.stop_reason, answer.text) == ("no_answer", "no_candidate", ""), report
    assert all(each["reason"] for each in report["candidates"])
