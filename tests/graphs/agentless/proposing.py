"""Proposers for tests of the graph: one hands over given changes in waves, one asks a model over real HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from clew.errors import EffectFailed, Refused
from clew.graphs.agentless.candidates import from_answer, from_changes
from clew.graphs.agentless.job import VALIDATE, Job, ReproductionTest, told
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.suites import Suite
from clew.graphs.agentless.types import Candidate, Change
from clew.graphs.base import Phase, State, side_by_side
from clew.graphs.final import stopped
from clew.journal import Transcript, scope
from clew.models import Capabilities, Model
from clew.sandbox import Box
from clew.testing import ScriptedServer
from tests.graphs.agentless.repositories import LIMITS, workspace

# Without the plugins of the environment that these tests run in, which take longer to load than the tests.
SUITE = Suite(limits=LIMITS, environment={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})

# A bug across two files: neither change is enough alone.
CART: dict[str, str | bytes] = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": "RATE = 2\n\n\ndef taxed(price):\n    return price + RATE\n\n\ndef free():\n    return 0\n",
    "src/shop/cart.py": "from shop.price import taxed\n\n\ndef total(prices):\n"
    "    return sum(taxed(price) for price in prices[1:])\n\n\ndef size(prices):\n    return len(prices)\n",
    "tests/test_cart.py": "from shop import cart\n\n\ndef test_total():\n    assert cart.total([1, 2]) == 6\n\n\n"
    "def test_empty():\n    assert cart.total([]) == 0\n\n\ndef test_size():\n    assert cart.size([5]) == 1\n",
    "tests/test_price.py": "from shop import price\n\n\ndef test_free():\n    assert price.free() == 0\n\n\n"
    "def test_nothing():\n    assert price.taxed(0) % 2 == 0\n",
    "tests/test_other.py": "def test_it():\n    assert 1 + 1 == 2\n",
}  # fmt: skip
ISSUE = "cart.total([1, 2]) gives 4, but both prices at a rate of 2 make 6."
RATE = ("src/shop/price.py", "    return price + RATE\n", "    return price * RATE\n")
ALL_PRICES = ("src/shop/cart.py", "prices[1:]", "prices")

Swap = tuple[str, str, str]


def job_of(folder: Path, box: Box | None, files: Mapping[str, str | bytes] = CART, **more: Any) -> Job:
    return Job(workspace(folder, files), box, SUITE if box else None, **more)


def change(tree: Workspace, *swaps: Swap) -> list[Change]:
    """The changes that replace one text by another in each file; an empty text to replace stands for the whole file."""
    texts: dict[str, str] = {}
    before: dict[str, str | None] = {}
    for path, old, new in swaps:
        before.setdefault(path, tree.read(path) if path in tree.entries else None)
        text = texts.get(path, before[path] or "")
        assert old in text
        texts[path] = text.replace(old, new, 1) if old else new
    return [Change(path=path, before=before[path], after=text) for path, text in texts.items()]


class Given:
    """Hands over changes, a wave at a time, with reproduction tests and a choice of regression tests if there are."""

    name = "given"
    mends_all = False

    def __init__(
        self,
        *waves: Sequence[Sequence[Swap]],
        reproduction: Sequence[ReproductionTest] = (),
        regression: Sequence[str] | None = None,
    ) -> None:
        self.waves, self.reproduction, self.regression = waves, reproduction, regression

    def fingerprint(self) -> dict[str, Any]:
        return {"proposer": self.name}

    def phases(self, job: Job) -> Mapping[str, Phase]:
        async def propose(state: State) -> State:
            done = len(state["candidates"])
            sizes = [len(wave) for wave in self.waves]
            ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
            wave = next(i for i, end in enumerate(ends) if end > done)
            made = [
                from_changes(change(job.workspace, *swaps), job.workspace, set=n, sample=wave)
                for n, swaps in enumerate(self.waves[wave])
            ]
            return {
                **state,
                "candidates": [*state["candidates"], *(one.model_dump(mode="json") for one in made)],
                "pending": sum(sizes) - ends[wave],
                "again": "propose",
                "reproduction": [each.model_dump(mode="json") for each in self.reproduction],
                "regression": None if self.regression is None else list(self.regression),
                "phase": VALIDATE,
            }

        return {"propose": propose}


class Asking:
    """Asks a model for a repair, with all the files: `sets` times `samples`, a wave for every sample. What a limit or a
    failed call leaves is handed over."""

    name = "asking"
    mends_all = False

    def __init__(self, model: Model, sets: int = 1, samples: int = 1) -> None:
        self.model, self.sets, self.samples = model, sets, samples

    def fingerprint(self) -> dict[str, Any]:
        return {"proposer": self.name, "model": self.model.fingerprint(), "sets": self.sets, "samples": self.samples}

    def phases(self, job: Job) -> Mapping[str, Phase]:
        async def one(task: str, set: int, sample: int) -> Candidate | tuple[str, str]:
            files = "\n".join(f"### {path}\n{job.texts[path]}" for path in job.texts if not job.leave_out(path))
            asked = Transcript().add("user", f"Repair this.\n{task}\n{files}\nSet {set}.", "prompt")
            try:
                with scope("repair", f"{set}.{sample}"):
                    reply = await self.model.chat(asked)
            except (Refused, EffectFailed) as error:
                return stopped(error)
            made = from_answer(reply.text, job.workspace, job.texts, (), set=set, sample=sample)
            told("candidate", **made.model_dump(mode="json"))
            return made

        async def repair(state: State) -> State:
            sample = len(state["candidates"]) // self.sets
            asked = [partial(one, state["task"]["prompt"], set, sample) for set in range(self.sets)]
            found = await side_by_side(asked, 2)
            made = [each.model_dump(mode="json") for each in found if isinstance(each, Candidate)]
            ended = next((list(each) for each in found if isinstance(each, tuple)), None)
            return {
                **state,
                "candidates": [*state["candidates"], *made],
                "pending": 0 if ended else self.sets * (self.samples - sample - 1),
                "again": "repair",
                "ended": ended,
                "phase": VALIDATE,
            }

        return {"repair": repair}


def model(server: ScriptedServer, **options: Any) -> Model:
    known = Capabilities("completion", stop_kept=True, tools=False)
    return Model(
        "hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789", capabilities=known, **options
    )


def words(*swaps: Swap, say: str = "The cause is here.") -> str:
    """What a model writes to make these changes."""
    blocks = [
        f"```python\n### {path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n```"
        for path, old, new in swaps
    ]
    return "\n\n".join([say, *blocks])


# The two changes of CART as whole lines, as a model has to write them.
FIX = (
    ("src/shop/price.py", "    return price + RATE", "    return price * RATE"),
    (
        "src/shop/cart.py",
        "    return sum(taxed(price) for price in prices[1:])",
        "    return sum(taxed(price) for price in prices)",
    ),
)
