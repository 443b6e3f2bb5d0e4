"""Rows of repairs from the journals of real runs: a model over real HTTP, real tests in a real sandbox."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError, RunNotFound
from clew.graphs import agentless, cot
from clew.graphs.agentless.job import Job
from clew.graphs.agentless.proposers import ModelProposer
from clew.journal import Event, Journal
from clew.task import Task
from clew.testing import Request, ScriptedServer
from clew.testing.kills import Aim, Killer, crash
from clew.training import RepairRow, masked, repair_rows, write_rows
from tests.graphs.agentless.proposing import CART, FIX, ISSUE, SUITE, Given, job_of, model, words
from tests.graphs.agentless.repositories import suite_box, workspace
from tests.graphs.agentless.speaking import REPAIRING, REPRODUCING, SCRIPT, step_of, talk
from tests.training.test_chains import small_tokenizer

pytestmark = pytest.mark.anyio

TASK = Task(prompt=ISSUE, id="cart-1", kind="repair")
GOLD = (
    "--- a/src/shop/price.py\n+++ b/src/shop/price.py\n@@ -5 +5 @@\n"
    "-    return price + RATE\n+    return price * RATE\n"
    "--- a/src/shop/cart.py\n+++ b/src/shop/cart.py\n@@ -5 +5 @@\n"
    "-    return sum(taxed(price) for price in prices[1:])\n+    return sum(taxed(price) for price in prices)\n"
    "--- a/tests/test_cart.py\n+++ b/tests/test_cart.py\n@@ -1 +1,2 @@\n from shop import cart\n+\n"
)
FILES = ["src/shop/price.py", "src/shop/cart.py"]
RIGHT, HALF = words(*FIX), words(FIX[0])
NOISE = words(("src/shop/cart.py", "from shop.price import taxed", "from shop.price import taxed  # of one price"))
BLIND = "```python\ndef check():\n    print('Issue resolved' if 1 else 'Issue reproduced')\n\n\ncheck()\n```"
NO_SCRIPT = "I cannot write one."


class Everything:
    """Retrieval that finds all."""

    name = "everything"
    mends_all = False

    async def rank(self, job: Job, paths: Sequence[str], query: str, top_chunks: int = 100) -> list[str]:
        return list(paths)


def in_turn(*texts: str) -> Any:
    numbers = count()
    return lambda request: texts[next(numbers) % len(texts)]


def proposer(server: ScriptedServer, **options: Any) -> ModelProposer:
    usual = {
        "candidates": 4,
        "location_samples": 1,
        "reproduction_samples": 4,
        "folders_from": 1,
        "search": Everything(),
    }
    return ModelProposer(model(server), **{**usual, **options})


def parts(rows: Sequence[RepairRow]) -> Counter[str]:
    return Counter(row.part for row in rows)


def answers(events: list[Event], place: str) -> list[str]:
    """What the model said at a place, in the order of the places."""
    found = [event for event in events if event.kind == "model" and place in event.place]
    return [event.outcome["text"] for event in sorted(found, key=lambda each: each.place.partition(place)[2])]


async def test_every_row_is_what_a_model_was_asked_and_wrote(tmp_path: Path) -> None:
    box = suite_box("process")
    repairs = in_turn(RIGHT, HALF, "I do not know.", RIGHT, NOISE)
    with (
        talk(
            repairing=repairs, reproducing=in_turn(SCRIPT, BLIND, NO_SCRIPT, SCRIPT), folders="```\nsrc/\n```"
        ) as server,
        Journal(tmp_path / "j.db") as journal,
    ):
        graph = agentless(proposer(server), job_of(tmp_path, box), early_stop=False)
        answer = await clew.run(graph, TASK, journal=journal, run_id="r")
        assert answer.status == "ok", answer
        events = list(journal.events("r"))
        found = repair_rows(journal, "r", gold=GOLD)
        rows = found.rows
        sent = [json.dumps(request.messages) for request in server.requests]
        for row in rows:
            assert (row.task, row.run) == ("cart-1", "r")
            if row.part != "selector":
                assert json.dumps(row.prompt) in sent and row.completion[0]["role"] == "assistant"
        # Localisation: against the gold patch alone, whose test is none of the files.
        places = {row.stage: (row.reward, row.about["named"]) for row in rows if row.part == "localisation"}
        assert places["files_named"] == (1.0, ["src/shop/cart.py", "src/shop/price.py"])
        assert places["folders"] == (0.0, ["src"]), "both files are in the folder that it would leave out"
        assert places["elements"] == (1.0, ["src/shop/cart.py:total", "src/shop/price.py:taxed"])
        assert places["locations"][0] == 1.0
        assert all(row.about["gold"] == FILES for row in rows if row.part == "localisation")
        # Reproduction: found at the base and gone after the chosen patch, blind, and none.
        judged = [
            (row.completion[0]["content"], row.reward, row.about["before"], row.about["after"], row.judged_by)
            for row in rows
            if row.part == "reproduction"
        ]
        known = {
            SCRIPT: (1.0, "reproduced", "resolved"),
            BLIND: (0.0, "resolved", None),
            NO_SCRIPT: (0.0, "no_script", None),
        }
        said = answers(events, "/reproduction:")
        assert Counter(said) == {SCRIPT: 2, BLIND: 1, NO_SCRIPT: 1}
        assert judged == [(text, *known[text], "chosen_patch") for text in said]
        # Repair: the greedy sample first; the third answer had no edit, and the retry is the row.
        repaired = [row for row in rows if row.part == "repair"]
        texts = [row.completion[0]["content"] for row in repaired]
        assert texts == [RIGHT, HALF, RIGHT, NOISE]
        assert [row.reward for row in repaired] == [1.0, 0.0, 1.0, 0.0]
        assert [row.about["outcome"] for row in repaired] == ["resolved", "failed", "resolved", "invalid"]
        assert [row.about["candidate"] for row in repaired] == ["0.0", "0.1", "0.2", "0.3"]
        assert repaired[0].about["tests"] == {"passed": 5, "failed": 0, "error": 0, "skipped": 0}
        roles = [[message["role"] for message in row.prompt] for row in repaired]
        assert roles == [["user"], ["user"], ["user", "assistant", "user"], ["user"]]
        # Preference: from the same prompt, so the retry is no winner.
        pairs = [row for row in rows if row.part == "preference"]
        assert [
            (row.completion[0]["content"], row.rejected[0]["content"], row.about["candidates"]) for row in pairs
        ] == [
            (RIGHT, HALF, ["0.0", "0.1"]),
            (RIGHT, NOISE, ["0.0", "0.3"]),
        ]
        assert all(row.prompt == repaired[0].prompt for row in pairs)
        # Selector: the changes that were tested, with their labels.
        (choice,) = (row for row in rows if row.part == "selector")
        assert choice.prompt == [{"role": "user", "content": ISSUE}] and choice.completion == []
        assert [(each["id"], each["votes"], each["failures"], each["fixed"], each["resolved"]) for each in
                choice.about["choices"]] == [("0.0", 2, 0, 1, True), ("0.1", 1, 0, 0, False)]  # fmt: skip
        assert choice.about["chosen"] == "0.0" and choice.about["choices"][0]["patch"] == answer.text
        assert found.dropped == {} and parts(rows) == {
            "localisation": 4, "reproduction": 4, "repair": 4, "preference": 2, "selector": 1,
        }  # fmt: skip
        # Written as they are, and masked but for what the model wrote.
        assert write_rows(tmp_path / "rows.jsonl", rows) == len(rows)
        written = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        assert [one["completion"] for one in written] == [row.completion for row in rows]
        tokenizer = small_tokenizer()
        for row in (*repaired, *pairs, rows[0]):
            tokens = masked(row, tokenizer)
            trained = [token for token in tokens["labels"] if token != -100]
            assert tokenizer.decode(trained) == row.completion[0]["content"] + "<|im_end|>"
        with pytest.raises(ConfigError, match="no text of a model"):
            masked(choice, tokenizer)
        # What only the caller knows.
        outside = repair_rows(journal, "r", resolved={"0.0": False, "0.1": True}, after_gold={}).rows
        by = {row.about["candidate"]: (row.reward, row.judged_by) for row in outside if row.part == "repair"}
        assert by["0.0"] == (0.0, "caller") and by["0.1"] == (1.0, "caller")
        assert by["0.2"] == (0.0, "caller"), "it is the change of 0.0"
        assert not any(row.part == "localisation" for row in outside)
        without = repair_rows(journal, "r", after_gold={}).dropped
        assert without == {
            "localisation: no gold patch, or none of a source file": 4,
            "reproduction: did not run after a patch that is right": 2,
        }
        with pytest.raises(ConfigError, match="is no patch"):
            repair_rows(journal, "r", gold="none")
        with pytest.raises(RunNotFound):
            repair_rows(journal, "s")
    assert GOLD not in json.dumps(sent)
    await box.close()


async def test_what_nobody_can_judge_makes_no_row_and_is_counted(tmp_path: Path) -> None:
    with talk(repairing=in_turn(RIGHT, RIGHT + "\nmore " * 3000)) as server, Journal.memory() as journal:
        asking = proposer(server, candidates=2, repair_tokens=400)
        asking.repairer.asker.model.max_tokens = 400
        await clew.run(agentless(asking, job_of(tmp_path, None), early_stop=False), TASK, journal=journal, run_id="r")
        found = repair_rows(journal, "r", gold=GOLD)
        assert parts(found.rows) == {"localisation": 4}
        assert found.dropped == {"repair: untested": 2}
        found = repair_rows(journal, "r", resolved={"0.0": True, "0.1": True})
        assert parts(found.rows) == {"repair": 1} and found.dropped["repair: cut by its limit"] == 1
        assert found.dropped["selector: nothing to choose between"] == 1
        await clew.run(cot(model(server)), "What is 1 + 1?", journal=journal, run_id="other")
        assert repair_rows(journal, "other", gold=GOLD).rows == ()


async def test_patches_that_no_model_wrote_are_for_the_selector_alone(tmp_path: Path) -> None:
    box = suite_box("process")
    with Journal.memory() as journal:
        waves = [[FIX[0], (FIX[1][0], "prices[1:]", "prices")], [FIX[0]]]
        graph = agentless(Told(waves), job_of(tmp_path, box), early_stop=False)
        await clew.run(graph, TASK, journal=journal, run_id="r")
        found = repair_rows(journal, "r", gold=GOLD)
        assert parts(found.rows) == {"selector": 1} and found.dropped == {"repair: no model wrote it": 2}
        assert [each["resolved"] for each in found.rows[0].about["choices"]] == [True, False]
    await box.close()


class Told(Given):
    """Hands over changes, and tells of them as proposers do."""

    def phases(self, job: Job) -> Any:
        from clew.graphs.agentless.job import told

        (name, phase), *_ = super().phases(job).items()

        async def run(state: dict[str, Any]) -> dict[str, Any]:
            after = await phase(state)
            for candidate in after["candidates"]:
                told("candidate", **candidate)
            return after

        return {name: run}


def test_a_run_that_was_killed_gives_the_same_rows(tmp_path: Path) -> None:
    killer = Killer()
    tree = workspace(tmp_path, CART)

    async def arrived(request: Request) -> None:
        killer.arrived()

    def repairs(request: Request) -> str:
        return (RIGHT, HALF)[int(request.digest[:8], 16) % 2]

    async def work(path: Path) -> None:
        box = suite_box("process")
        with Journal(path) as journal:
            asking = proposer(server, candidates=5, reproduction_samples=2)
            graph = agentless(asking, Job(tree, box, SUITE), early_stop=False)
            await clew.run(graph, TASK, journal=journal, run_id="r")
        await box.close()

    with talk(arrived, repairing=repairs) as server:
        asyncio.run(work(tmp_path / "whole.db"))
        steps = Counter(step_of(request) for request in server.requests)
        assert steps[REPAIRING] == 5 and steps[REPRODUCING] == 2
        aims = [Aim(arrivals=n) for n in (3, 5)]
        crashes = crash(lambda: asyncio.run(work(tmp_path / "j.db")), tmp_path / "j.db", killer, aims)
        assert crashes.kills == 2 and not crashes.changed
    with Journal(tmp_path / "whole.db") as whole, Journal(tmp_path / "j.db") as resumed:
        expected, found = (repair_rows(journal, "r", gold=GOLD) for journal in (whole, resumed))
    assert found == expected and len(found.rows) >= 12
