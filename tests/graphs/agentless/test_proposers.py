"""The proposer that is a model, in the graph: an issue and a repository in, a tested patch out, over real HTTP and with
real tests in the sandbox of processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError
from clew.graphs import agentless
from clew.graphs.agentless.job import Job
from clew.graphs.agentless.proposers import ModelProposer
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.scripts import OTHER, REPRODUCED, RESOLVED
from clew.journal import Budget, Journal, replay
from clew.sandbox import Box
from clew.task import Answer, Note, Task
from clew.testing import Reply, Request, Rule, ScriptedServer
from tests.graphs.agentless.proposed import CHOOSING, REPAIRING, REPRODUCING, model, sent, serving
from tests.graphs.agentless.proposing import CART, FIX, ISSUE, SUITE, words
from tests.graphs.agentless.repositories import workspace

pytestmark = pytest.mark.anyio

TASK = Task(prompt=ISSUE, kind="repair")
PHASES = ["files", "elements", "locations", "regression", "reproduction", "repair"]
SCRIPT = f"""\
```python
def check():
    from shop import cart

    total = cart.total([1, 2])
    print("{REPRODUCED}" if total == 4 else "{RESOLVED}" if total == 6 else "{OTHER}")


check()
```"""
ANSWERS = {
    "Your step: name the files": "```\nsrc/shop/cart.py\nsrc/shop/price.py\n```",
    "Your step: name the elements": "```\nsrc/shop/cart.py\nfunction: total\n\nsrc/shop/price.py\nfunction: taxed\n```",
    "Your step: name the places": "```\nsrc/shop/cart.py\nfunction: total\n\nsrc/shop/price.py\nline: 5\n```",
    CHOOSING: "```\nnone\n```",
    REPRODUCING: SCRIPT,
    REPAIRING: words(*FIX),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("tree"), CART)


def saying(**instead: Any) -> ScriptedServer:
    """A server that answers every step, some of them otherwise: by a word of the step."""
    said = dict(ANSWERS)
    for word, answer in instead.items():
        said[next(step for step in said if word in step)] = answer
    return serving(*(Rule(step, answer) for step, answer in said.items()))


def proposer(server: ScriptedServer, **options: Any) -> ModelProposer:
    given = {"location_samples": 2, "candidates": 2, "reproduction_samples": 3, **options}
    return ModelProposer(model(server), **given)


async def repaired(
    folder: Path, server: ScriptedServer, job: Job, task: Task = TASK, *, budget: Budget | None = None, **options: Any
) -> tuple[Answer, dict[str, Any], list[Any]]:
    """The answer, its report and the events, after a strict replay without anything to perform."""
    early = {"early_stop": options.pop("early_stop", True)}
    with Journal(folder / "j.db") as journal:
        graph = agentless(proposer(server, **options), job, **early)
        answer = await clew.run(graph, task, journal=journal, run_id="r", budget=budget)
        again = await replay("r", journal=journal, graph=agentless(proposer(server, **options), job, **early))
        assert again.same and not again.unused
        return answer, answer.artifacts["repair"], list(journal.events("r"))


def requests(server: ScriptedServer, step: str) -> list[Request]:
    return [request for request in server.requests if step in sent(request)]


async def test_an_issue_becomes_a_tested_patch_across_two_files(box: Box, tree: Workspace, tmp_path: Path) -> None:
    with saying() as server:
        answer, report, events = await repaired(tmp_path, server, Job(tree, box, SUITE))
        assert not server.unexpected
    assert (answer.status, answer.stop_reason) == ("ok", ""), report["reasons"]
    after = tree.apply(answer.text)
    assert "price * RATE" in after.read("src/shop/price.py") and "prices[1:]" not in after.read("src/shop/cart.py")
    assert report["phases"][:8] == ["tests", *PHASES, "validate"]
    assert report["files"][:2] == ["src/shop/cart.py", "src/shop/price.py"]
    assert [test["votes"] for test in report["reproduction"]] == [3]
    assert report["tests"]["regression"] == report["tests"]["passing"]
    told = [event.request["stage"] for event in events if event.kind == "stage"]
    assert [
        stage for stage in ("regression", "reproduction", "candidate", "validate", "rank") if stage not in told
    ] == []
    # Both samples named the same places, which is one set; its greedy candidate cannot be beaten by one more.
    assert len(report["candidates"]) == len(requests(server, REPAIRING))


async def test_all_stages_begin_with_the_same_text(box: Box, tree: Workspace, tmp_path: Path) -> None:
    with saying() as server:
        await repaired(tmp_path, server, Job(tree, box, SUITE))
        texts = [sent(request) for request in server.requests]
    beginning = texts[0][: texts[0].index("--- END ISSUE")]
    assert all(text.startswith(beginning) for text in texts)
    showing = [text for text in texts if REPRODUCING not in text and CHOOSING not in text]
    assert all("assert 4 == 6" in text[: text.index("Your step")] for text in showing)
    assert not any("assert 4 == 6" in text for text in texts if REPRODUCING in text)


async def test_notes_stand_at_the_end_of_every_prompt(box: Box, tree: Workspace, tmp_path: Path) -> None:
    task = TASK.model_copy(update={"notes": (Note(kind="critique", text="The last patch forgot the rate."),)})
    with saying() as server:
        await repaired(tmp_path, server, Job(tree, box, SUITE), task)
        assert all(sent(request).endswith("The last patch forgot the rate.") for request in server.requests)


async def test_case_15_and_16_the_candidate_that_tests_speak_for_wins(
    box: Box, tree: Workspace, tmp_path: Path
) -> None:
    half = words(FIX[1])

    def repair(request: Request) -> str:
        return half if request.body["temperature"] == 0 else words(*FIX)

    with saying(fix=repair) as server:
        answer, report, _ = await repaired(tmp_path, server, Job(tree, box, SUITE), early_stop=False)
    assert answer.status == "ok" and "RATE" in answer.text
    by_id = {each["id"]: each for each in report["candidates"]}
    assert by_id[report["chosen"]]["sample"] == 1
    assert by_id["0.0"]["reproduction"] != "passed" == by_id[report["chosen"]]["reproduction"]


async def test_case_17_and_19_a_script_that_no_patch_satisfies_is_ignored_and_told(
    box: Box, tree: Workspace, tmp_path: Path
) -> None:
    stubborn = f'```python\nprint("{REPRODUCED}")  # never "{RESOLVED}"\n```'
    with saying(script=stubborn) as server:
        answer, report, _ = await repaired(tmp_path, server, Job(tree, box, SUITE))
    assert (answer.status, answer.stop_reason) == ("partial", "repro_ignored") and answer.text
    assert "repro_ignored" in report["flags"]


async def test_case_18_and_20_without_a_script_or_a_choice_of_tests_the_patch_is_judged_by_all_tests(
    box: Box, tree: Workspace, tmp_path: Path
) -> None:
    with saying(script="I cannot write one.", choose="") as server:
        answer, report, _ = await repaired(tmp_path, server, Job(tree, box, SUITE))
    assert answer.status == "ok" and {"reproduction_none", "repro_skipped"} <= set(report["flags"])
    assert report["tests"]["regression"] == report["tests"]["passing"]


async def test_case_24_a_budget_that_ends_in_repair_leaves_a_choice(box: Box, tree: Workspace, tmp_path: Path) -> None:
    lines = iter((4, 5))

    def places(request: Request) -> str:
        return f"```\nsrc/shop/cart.py\nline: {next(lines)}\n```"

    # One call for the files, one for the elements, two for the places, one for the tests; three candidates of four.
    with saying(places=places, fix=words(*FIX)) as server:
        answer, report, _ = await repaired(
            tmp_path,
            server,
            Job(tree, box, SUITE),
            reproduction_samples=0,
            early_stop=False,
            window=0,
            budget=Budget(model_calls=8),
        )
    assert (answer.status, answer.stop_reason) == ("budget", "model_calls")
    assert len(report["candidates"]) == 3 and answer.text
    assert report["candidates"][0]["fixed"] == 1


# The stage that a budget ends, and how many candidates there are, by the limit. Tests at the base are three runs,
# files, elements and places four calls; after those the stages that can be left out leave room for the first candidate.
ENDS = {
    ("code_runs", 2): ("tests", 0),
    ("model_calls", 0): ("files", 0),
    ("model_calls", 1): ("elements", 0),
    ("model_calls", 3): ("locations", 0),
    ("model_calls", 4): ("repair", 0),
    ("model_calls", 5): ("repair", 1),  # none is left for the choice of tests and the scripts
    ("model_calls", 7): ("repair", 1),  # the scripts get one of three
    ("code_runs", 3): ("validate", 1),
    ("code_runs", 6): ("validate", 1),
}


@pytest.mark.parametrize(("kind", "most"), ENDS)
async def test_case_24_a_budget_that_ends_in_any_stage_is_told_and_leaves_what_there_is(
    box: Box, tree: Workspace, tmp_path: Path, kind: str, most: int
) -> None:
    stage, made = ENDS[kind, most]
    with saying() as server:
        job, limit = Job(tree, box, SUITE), Budget(**{kind: most})
        answer, report, _ = await repaired(tmp_path, server, job, early_stop=False, budget=limit)
    assert (answer.status, answer.stop_reason, report["ended"]) == ("budget", kind, ["budget", kind])
    last = [phase for phase in report["phases"] if phase not in ("validate", "rank")][-1]
    assert last == ("repair" if stage == "validate" else stage)
    assert len(report["candidates"]) == made and bool(answer.text) == bool(made)
    assert [each["regression"] is None for each in report["candidates"]] == [stage == "validate"] * made


async def test_reproduction_leaves_the_budget_for_a_candidate_of_every_set(
    box: Box, tree: Workspace, tmp_path: Path
) -> None:
    # One call for the files, one for the elements, two for the places, one for the tests: four are left.
    with saying() as server:
        answer, report, _ = await repaired(
            tmp_path,
            server,
            Job(tree, box, SUITE),
            candidates=1,
            reproduction_samples=40,
            budget=Budget(model_calls=9),
        )
        assert len(requests(server, REPRODUCING)) == 3 and len(requests(server, REPAIRING)) == 1
    assert answer.status == "ok" and "reproduction_cut" in report["flags"]
    assert [test["votes"] for test in report["reproduction"]] == [3]


async def test_test_runs_that_are_enough_for_repair_alone_are_left_to_it(
    box: Box, tree: Workspace, tmp_path: Path
) -> None:
    with saying() as server:
        job = Job(tree, box, SUITE)
        answer, report, _ = await repaired(tmp_path, server, job, candidates=1, budget=Budget(code_runs=5))
        assert len(requests(server, REPRODUCING)) == 1
    assert answer.status == "ok" and "reproduction_cut" in report["flags"]


async def test_whatever_the_model_says_the_run_ends(tree: Workspace, tmp_path: Path) -> None:
    noise = "".join(chr(33 + (n * n) % 90) for n in range(30_000))
    for number, said in enumerate(
        ("", "I am sorry.", noise, "{}", "```\n```", "../../etc/passwd\nclass: \n<<<<<<< SEARCH")
    ):
        with serving(lambda request, said=said: Reply(said)) as server:
            folder = tmp_path / str(number)
            folder.mkdir()
            answer, report, _ = await repaired(folder, server, Job(tree), location_samples=1, candidates=1)
        assert (answer.status, answer.text) == ("no_answer", ""), (said[:20], report["ended"])


async def test_a_server_that_is_down_is_an_error_and_no_exception(box: Box, tree: Workspace, tmp_path: Path) -> None:
    with serving(lambda request: Reply(fault="auth")) as server:
        answer, report, _ = await repaired(tmp_path, server, Job(tree, box, SUITE))
    assert answer.status == "error" and report["ended"] is not None and not answer.text


async def test_a_repository_without_tests_gets_an_untested_patch(tree: Workspace, tmp_path: Path) -> None:
    with saying() as server:
        answer, report, _ = await repaired(tmp_path, server, Job(tree))
    assert (answer.status, answer.stop_reason) == ("partial", "untested") and answer.text
    assert report["reproduction"] == []


# Parameters --------------------------------------------------------------------------------------------------------


def test_every_parameter_of_the_specification_has_its_default() -> None:
    with serving() as server:
        said = ModelProposer(model(server)).fingerprint()
    assert said["limits"] == {
        "top_n": 3, "file_list": 5, "top_chunks": 100, "folders_from": 100, "element_tries": 5, "location_samples": 4,
        "candidates": 10, "temperature": 0.8, "window": 10, "regression_select": True, "reproduction_samples": 40,
        "reproduction_enough": 10, "reproduction_keep": 3, "file_tokens": 300, "folder_tokens": 2048,
        "element_tokens": 300, "location_tokens": 300, "regression_tokens": 1024, "reproduction_tokens": 1024,
        "repair_tokens": 1024, "context_limit": 128_000,
    }  # fmt: skip
    options = said["localiser"]["options"]
    assert (options["top_n"], options["location_temperature"], options["location_samples"]) == (3, 0.8, 4)
    json.dumps(said)


def test_what_decides_the_patches_is_in_the_fingerprint(tree: Workspace) -> None:
    with serving() as server:
        one = ModelProposer(model(server))
        assert list(one.phases(Job(tree))) == PHASES and one.name == "model"
        others = [
            ModelProposer(model(server), candidates=9),
            ModelProposer(model(server), temperature=0.7),
            ModelProposer(model(server, max_tokens=99)),
        ]
        assert ModelProposer(model(server)).fingerprint() == one.fingerprint()
        assert all(other.fingerprint() != one.fingerprint() for other in others)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": 0}, {"location_samples": 0}, {"window": -1}, {"reproduction_samples": -1}, {"top_n": 2.5},
        {"temperature": 3}, {"temperature": True}, {"temperature": "hot"}, {"context_limit": 10}, {"repair_tokens": 0},
    ],
)  # fmt: skip
def test_a_parameter_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    with serving() as server, pytest.raises(ConfigError, match=next(iter(wrong))):
        ModelProposer(model(server), **wrong)
