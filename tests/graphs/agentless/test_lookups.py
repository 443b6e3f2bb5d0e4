"""A run that looked its fix up is told from one that did not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import clew
from clew.agents import repair_report
from clew.agents.repair import Plan
from clew.errors import RunNotFound
from clew.graphs import agentless
from clew.graphs.agentless.job import told
from clew.graphs.agentless.lookups import Lookup, lookups
from clew.graphs.agentless.proposers import ModelProposer
from clew.journal import Journal, RunRow, effect
from clew.journal.runs import Run, enter
from clew.journal.transcript import Transcript
from clew.models import Model
from clew.retrieval import read, search
from clew.sandbox import Limits, run_command
from clew.sandbox.types import MiB
from clew.task import Task
from clew.testing import ScriptedSearcher, ScriptedServer
from tests.graphs.agentless.proposing import ISSUE, job_of, model
from tests.graphs.agentless.repositories import suite_box
from tests.graphs.agentless.speaking import talk
from tests.sandbox.conftest import new_box

pytestmark = pytest.mark.anyio

FIX = "    return sum(price * count for price, count in basket.items())"
GOLD = (
    "From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\n--- a/src/cart/price.py\n"
    f"+++ b/src/cart/price.py\n@@ -1,4 +1,4 @@\n def total(basket):\n-    return sum(basket)\n+{FIX}\n"
    " # the end of this file is here\n+# the end of this file is here\n+x = 1\n"
)
MARKS = ["0123456789abcdef0123456789abcdef01234567", "pull/1234", "v2.1"]
TASK = {"prompt": "Total is wrong, see https://github.com/shop/cart/issues/7 and v2.1", "id": "t", "kind": "repair"}


@contextmanager
def recorded(journal: Journal, task: dict[str, str] = TASK) -> Iterator[None]:
    journal.create_run(RunRow(id="r", task=dict(task)))
    lease = journal.acquire("r")
    enter(Run(journal, "r", lease=lease))
    yield
    journal.release("r", lease)


async def program(*argv: str) -> None:
    box = new_box("process", limits=Limits(seconds=20, memory=256 * MiB, disk=8 * MiB, processes=32))
    await run_command(box, argv)
    await box.close()


def found(journal: Journal) -> list[Lookup]:
    return lookups(journal, "r", project="shop/cart", gold=GOLD, tag="v2.0.1", marks=MARKS)


def rules(journal: Journal) -> list[tuple[str, str, str]]:
    return [(one.kind, one.side, one.rule) for one in found(journal)]


PAGES = {
    "fix": f"Fixed in pull/1234:\n+{FIX}",
    "https://github.com/shop/cart/pull/9": "A basket.",
    "clean": "Baskets hold prices. https://github.com/other/project and https://cart.example.org/docs",
}


async def test_searches_and_pages_are_scanned() -> None:
    with Journal.memory() as journal, recorded(journal):
        (hit,) = await search(ScriptedSearcher(PAGES, results={"price": ["fix"]}), "price", 1)
        assert rules(journal) == [("search", "outcome", "mark"), ("search", "outcome", "gold")]
        await read(ScriptedSearcher(PAGES, results={"price": ["fix"]}), hit)
        assert len(found(journal)) == 4
        first = found(journal)[0]
        assert journal.event(first.event).kind == "search" and first.found == "pull/1234"
        await search(ScriptedSearcher(PAGES, results={"clean": ["clean"]}), "clean", 1)
        assert len(found(journal)) == 4
        await search(ScriptedSearcher(PAGES, results={"x": ["https://github.com/shop/cart/pull/9"]}), "x", 1)
        assert [one.found for one in found(journal)[4:]] == ["https://github.com/shop/cart/pull/9"]


@pytest.mark.parametrize(
    ("argv", "rule"),
    [
        (["git", "log", "-p"], "command"),
        (["git", "-C", "/repo", "--no-pager", "show", "HEAD~1"], "command"),
        (["sh", "-c", "cd repo && git fetch --tags origin"], "command"),
        (["python3", "-c", "import subprocess; subprocess.run(['git', 'clone', 'x'])"], "command"),
        (["pip", "download", "--no-deps", "cart<3"], "command"),
        (["pip", "install", "x==1", "cart==2.1"], "command version"),
        (["python3", "-m", "pip", "install", "-U", "Cart"], "command"),
        (["npm", "view", "cart"], "command"),
        (["git", "cat-file", "-p", "v2.0"], "command"),
        (["cat", "/usr/lib/python3/dist-packages/cart/price.py"], "command"),
        (["cat", "/usr/lib/python3/dist-packages/cartography/price.py"], ""),
        (["curl", "-L", "https://codeload.github.com/shop/cart/zip/main"], "address"),
        (["python3", "-c", "print(open('/wheels/cart-2.1.0-py3-none-any.whl'))"], "version"),
        (["python3", "-c", "print('0123456')"], "mark"),
        (["python3", "-c", "print('0123456789ab')"], "mark"),
        (["pip", "install", "-e", "."], ""),
        (["pip", "install", "cartography", "go-cart", "cart.core"], ""),
        (["git", "apply", "log.patch"], ""),
        (["python3", "-c", "print('cart-2.0.1 cart-1.9 cart-2.1.dev0 0123456789ff')"], ""),
        (["python3", "-m", "pytest", "tests/test_cart.py"], ""),
    ],
)
async def test_programs_are_scanned(argv: list[str], rule: str) -> None:
    with Journal.memory() as journal, recorded(journal):

        async def perform() -> dict[str, str]:
            return {"stdout": "", "stderr": ""}

        await effect("program", {"argv": argv, "stdin": "", "files": {}}, perform)
        assert {one.rule for one in found(journal)} == set(rule.split())


async def test_a_real_program_that_prints_the_fix_is_found() -> None:
    with Journal.memory() as journal, recorded(journal):
        await program("python3", "-c", f"import json; print(json.dumps({{'text': 'a\\n{FIX}\\nb'}}))".replace(FIX, "'+'"
                      .join([FIX[:20], FIX[20:]])))  # fmt: skip
        assert rules(journal) == [("program", "outcome", "gold")]
        assert found(journal)[0].found == FIX.strip()


async def test_what_the_model_wrote_itself_is_no_look_up() -> None:
    with ScriptedServer([f"I write:\n{FIX}", "ok", "ok"]) as server, Journal.memory() as journal, recorded(journal):
        model = Model("hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789")
        asked = Transcript().add("user", "Mend https://github.com/shop/cart, git log shows pip install cart", "prompt")
        reply = await model.chat(asked)
        await model.chat(reply.transcript.add("user", f"Again, without\n{FIX}", "prompt"))
        await program("python3", "-c", f"print('''{FIX}''')")
        assert found(journal) == []


async def test_a_prompt_that_holds_the_fix_is_found_once() -> None:
    with ScriptedServer(["ok"] * 3) as server, Journal.memory() as journal, recorded(journal):
        model = Model("hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789")
        reply = await model.chat(Transcript().add("user", f"Lessons:\n{FIX}", "prompt"))
        await model.chat(reply.transcript.add("user", "Again", "prompt"))
        assert rules(journal) == [("model", "request", "gold")]


async def test_what_a_candidate_had_is_no_look_up() -> None:
    with Journal.memory() as journal, recorded(journal):
        told("candidate", id="0.0", diff=f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-y\n+{FIX}\n")
        await program("python3", "-c", f"print('''{FIX}''')")
        assert found(journal) == []


async def test_the_task_and_the_base_say_nothing() -> None:
    task = {**TASK, "prompt": f"{TASK['prompt']} I would write `{FIX.strip()}`, as cart==2.1 does in pull/1234"}
    with Journal.memory() as journal, recorded(journal, task):
        await search(ScriptedSearcher(PAGES, results={"price": ["fix"]}), "price", 1)
        assert found(journal) == []
    with Journal.memory() as journal, recorded(journal):
        await search(ScriptedSearcher(PAGES, results={"price": ["fix"]}), "price", 1)
        assert lookups(journal, "r", gold=GOLD, base=[f"x\n{FIX}\n"]) == []
        assert lookups(journal, "r", gold=GOLD, base=[f"  if 1:\n  {FIX} or 0\n"]) == [], "a part of a line"
        assert [one.rule for one in lookups(journal, "r", gold=GOLD)] == ["gold"]
        assert lookups(journal, "r") == []


async def test_failures_are_scanned_too_and_runs_must_exist(tmp_path: Path) -> None:
    async def fail() -> dict[str, str]:
        raise OSError("https://github.com/shop/cart/pull/9 is blocked")

    with Journal(tmp_path / "j.db") as journal:
        with recorded(journal), pytest.raises(Exception, match="blocked"):
            await effect("tool", {"tool": "fetch", "arguments": {"url": "x"}}, fail)
        assert rules(journal) == [("tool", "outcome", "address")]
        with pytest.raises(RunNotFound):
            lookups(journal, "none")


LOOKING = """\
```python
import subprocess


def check():
    {line}
    from shop import cart

    print("Issue reproduced" if cart.total([1, 2]) == 4 else "Issue resolved")


check()
```"""
LINES = [
    'subprocess.run(["git", "clone", "https://github.com/own/shop"])',
    'subprocess.run(["pip", "--version", "install", "shop==99.0"])',
    'subprocess.run("git log --all -p", shell=True)',
    """'As pip install shop==99.0 and git log show, https://github.com/own/shop'  # see git log""",
]


async def test_what_reproduction_scripts_look_up_is_in_the_report(tmp_path: Path) -> None:
    box = suite_box("process")
    job, lines = job_of(tmp_path, box), iter(LINES)
    with (
        talk(reproducing=lambda request: LOOKING.format(line=next(lines))) as server,
        Journal(tmp_path / "j.db") as journal,
    ):
        asking = ModelProposer(model(server), candidates=2, location_samples=1, reproduction_samples=len(LINES))
        answer = await clew.run(agentless(asking, job), Task(prompt=ISSUE, kind="repair"), journal=journal, run_id="r")
        await box.close()
        assert len(answer.artifacts["repair"]["reproduction"]) == 3, "scripts find the issue, and judge patches"
        plan = Plan(folder=str(tmp_path), repo="shop", commit="", proposer="model", project="own/shop")
        report = repair_report.report(journal, journal.find_run("r"), plan, answer)
        # A script runs again with each patch, and is told once.
        assert sorted((one["kind"], one["side"], one["rule"], one["found"]) for one in report["lookups"]) == [
            ("program", "request", "address", "https://github.com/own/shop"),
            ("program", "request", "command", "git log"),
            ("program", "request", "command", "git', 'clone"),
            ("program", "request", "command", "pip', '--version', 'install', 'shop"),
        ]
        assert "- Look: 4 places may be look-ups of the fix" in repair_report.markdown(report)
