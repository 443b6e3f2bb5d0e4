"""Reproduction tests (8a to 8d): scripts from the issue alone, kept when they find the issue at the base commit.

As in the released code samples are normalised and counted, and a script that prints two phrases, or anything but
"reproduced" at the base, is thrown away. Differs: each script runs once, however many samples wrote it; several are
kept, and a patch is judged by the weight of their votes; sampling stops when enough samples found the issue; the model
is told what the repository's packages are called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, Literal

from clew.errors import EffectFailed, Refused
from clew.graphs.base import Phase, State, side_by_side
from clew.journal import Cost, Hold, current, scope
from clew.task import Task

from .asking import Asker, Prompt, prompt_of
from .job import Job, ReproductionTest, flagged, told
from .repository import Workspace
from .sampling import Sampled, learned, sampled
from .scripts import OTHER, REPRODUCED, RESOLVED, run_script, script_in, script_key
from .suites import Suite

REPRODUCTION = "reproduction"

Outcome = Literal["passed", "failed", "error"]

STEP = f"""\
Your step: write a Python script that tells whether the issue is there.

It runs by itself, from the root of the repository, as `python script.py`, before and after the fix; without network, \
arguments or input. What the repository holds can be imported as it is, wherever it lies; where the issue is about \
another system or version, `unittest.mock` can put it in place of this one. The script prints one line \
that begins with exactly one of these three phrases, and the other two nowhere:

{REPRODUCED}
    for every result that is not what the issue expects, as long as the code in question ran: also for another wrong \
result than the issue tells of, and for an exception where none is right;
{RESOLVED}
    only when all holds that the issue expects;
{OTHER}
    when the check itself could not be made: an import or a preparation fails, for reasons that are none of the issue's.

Issues are often wrong in detail about what happens today. So take from the issue what is right, compare with that \
alone, and do not guess at the code. Write files only into a temporary folder. Keep it short; helpers are fine, and \
the last line calls the function that checks.

An example, for the issue "slug('a  b') gives 'a--b', it should be 'a-b'":

```python
def check():
    try:
        from textkit import slug
    except Exception as error:
        print("{OTHER}", repr(error))
        return
    try:
        result = slug("a  b")
    except Exception as error:
        result = error
    if result == "a-b":
        print("{RESOLVED}")
    else:
        print("{REPRODUCED}", repr(result))


check()
```

Answer with one script for the issue above, whole, in one such block."""

_WAVE, _AT_ONCE = 10, 4
_MOST_NAMES = 20
_NO_PACKAGES = ("setup", "noxfile", "fabfile", "tasks", "docs", "doc", "examples", "scripts")


async def reproduced(job: Job, workspace: Workspace, tests: Sequence[ReproductionTest]) -> Outcome | None:
    """How the tests end in a workspace, by the majority of their votes: "passed" where more than half of the weight
    finds the issue resolved, "failed" where at least half of it finds it still there, "error" else; None without tests
    or without a sandbox. Stops when the outcome is sure. One effect of kind `program` for each test that runs, in
    `scope("reproduction", n)`. Raises `Refused`, `SandboxFailed`."""
    if not tests or job.sandbox is None:
        return None
    total = sum(test.votes for test in tests)
    weights = {"resolved": 0, "reproduced": 0}
    left = total
    for number, test in enumerate(tests):
        with scope(REPRODUCTION, number):
            said = await run_script(job.sandbox, job.suite or Suite(), workspace, test.script)
        left -= test.votes
        if said in weights:
            weights[said] += test.votes
        if 2 * weights["resolved"] > total or 2 * weights["reproduced"] >= total:
            break
    if 2 * weights["resolved"] > total:
        return "passed"
    return "failed" if 2 * weights["reproduced"] >= total else "error"


@dataclass
class _Found:
    """What was written so far: the outcome of each script by key, the kept ones with their votes, a row a sample."""

    said: dict[str, str] = field(default_factory=dict)
    tests: dict[str, ReproductionTest] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def votes(self) -> int:
        return sum(test.votes for test in self.tests.values())


@dataclass(frozen=True)
class ReproductionStage:
    """The phase `reproduction`: `state["reproduction"]`, the tests by their votes, the first seen first among equal
    ones. [] when none is verified, which is no failure of anything.

    Args:
        then: the phase after it.
        samples: most answers, the first of them greedy; default 40; 0 switches the stage off.
        enough: sampling stops, after every tenth sample, once so many of them wrote a script that finds the issue;
            default 10. With the number of `samples` it never stops early, as in the released code.
        keep: how many tests at most; default 3.
        temperature: of all answers but the first; default 0.8.
        max_tokens: of an answer; default 1,024.
        reserve: what the stages after this one need; where the run has a budget, this much is left to them.
    """

    asker: Asker
    then: str
    samples: int = 40
    enough: int = 10
    keep: int = 3
    temperature: float = 0.8
    max_tokens: int = 1024
    reserve: Callable[[Job, State], Cost] | None = None

    def phases(self, job: Job) -> dict[str, Phase]:
        return {REPRODUCTION: partial(self.run, job)}

    async def run(self, job: Job, state: State) -> State:
        """Nothing that calls or scripts end with is raised: what is verified by then is kept. Flags:
        `reproduction_no_python`, `reproduction_cut` (a limit), `reproduction_none` (no script finds the issue)."""
        state = {**state, "reproduction": [], "phase": self.then}
        if not self.samples or job.sandbox is None:
            return state
        await job.ready()
        if not any(outline.language == "python" for outline in job.structure.outlines.values()):
            return flagged(state, "reproduction_no_python")
        found = _Found()
        try:
            hold = self._hold(job, state)
        except Refused:
            return flagged(state, "reproduction_cut")
        # The greedy sample goes first, so that the others find its prompt in the server's cache, and its reply limit.
        starts = [start for start in (0, 1, *range(_WAVE, self.samples, _WAVE)) if start < self.samples]
        for numbers in (range(*ends) for ends in pairwise([*starts, self.samples])):
            state, go_on = await self._wave(job, state, numbers, found)
            if not go_on or found.votes >= self.enough:
                break
        if hold is not None:
            hold.release()
        kept = sorted(found.tests.values(), key=lambda test: -test.votes)[: self.keep]
        told(
            REPRODUCTION,
            samples=found.rows,
            verified=found.votes,
            asked=len(found.rows),
            tests=[test.model_dump(mode="json") for test in kept],
        )
        state = state if kept else flagged(state, "reproduction_none")
        return {**state, "reproduction": [test.model_dump(mode="json") for test in kept]}

    def _hold(self, job: Job, state: State) -> Hold | None:
        run = current()
        return run.hold(self.reserve(job, state)) if self.reserve and run.budget.to_json() else None

    async def _wave(self, job: Job, state: State, numbers: range, found: _Found) -> tuple[State, bool]:
        """Some samples more, and whether it makes sense to go on."""
        task = Task.model_validate(state["task"])
        extra = _packages(job)

        def build(room: int) -> Prompt:
            return prompt_of(task, f"{extra}{STEP}", room)

        async def one(number: int) -> Sampled:
            with scope(REPRODUCTION, number):
                return await sampled(
                    self.asker,
                    state,
                    REPRODUCTION,
                    number,
                    build,
                    max_tokens=self.max_tokens,
                    usable=lambda reply: bool(script_in(reply.text)),
                    temperature=self.temperature,
                )

        samples = await side_by_side([partial(one, number) for number in numbers])
        scripts = [script_in(sample.reply.text) if sample.reply else "" for sample in samples]
        refused = await _verify(job, scripts, found)
        for number, sample, script in zip(numbers, samples, scripts, strict=True):
            found.rows.append(_row(number, sample, script, found))
        state = learned(self.asker, state, REPRODUCTION, samples)
        if refused or any(isinstance(sample.error, Refused) for sample in samples):
            return flagged(state, "reproduction_cut"), False
        return state, len(samples) == 1 or any(sample.reply is not None for sample in samples)


async def _verify(job: Job, scripts: Sequence[str], found: _Found) -> bool:
    """Runs what is new at the base commit, each script once, and counts votes. Whether a limit refused a run."""
    sandbox, suite = job.sandbox, job.suite or Suite()
    assert sandbox is not None, "there is a sandbox"
    keys = [(script_key(script), script) for script in scripts if script]
    new: dict[str, str] = {}
    for key, script in keys:
        if key not in found.said:
            new.setdefault(key, script)

    async def one(key: str, script: str) -> tuple[str, bool]:
        with scope("script", key):
            try:
                return await run_script(sandbox, suite, job.workspace, script), False
            except (Refused, EffectFailed) as error:
                return f"{type(error).__name__}: {error}", isinstance(error, Refused)

    ends = await side_by_side([partial(one, key, script) for key, script in new.items()], _AT_ONCE)
    for (key, script), (said, _) in zip(new.items(), ends, strict=True):
        found.said[key] = said
        if said == "reproduced":
            found.tests[key] = ReproductionTest(script=script, key=key, votes=0)
    for key in (key for key, _ in keys if key in found.tests):
        found.tests[key] = found.tests[key].model_copy(update={"votes": found.tests[key].votes + 1})
    return any(refused for _, refused in ends)


def _row(number: int, sample: Sampled, script: str, found: _Found) -> dict[str, Any]:
    """What became of one sample, for reports and training rows."""
    if sample.reply is None:
        return {"sample": number, "outcome": f"{type(sample.error).__name__}: {sample.error}"}
    row = {"sample": number, "effect": sample.reply.key}
    key = script_key(script)
    return {**row, "key": key, "outcome": found.said[key]} if script else {**row, "outcome": "no_script"}


def _packages(job: Job) -> str:
    """A line of a prompt with the names that a script can import. Names of files are somebody else's words, so only
    plain identifiers are told."""
    paths = [path for path, outline in job.structure.outlines.items() if outline.language == "python"]
    roots = ("", *(f"{folder}/" for folder in (job.suite or Suite()).python_path))
    names: dict[str, None] = {}
    for root in roots:
        for path in (path.removeprefix(root) for path in paths if path.startswith(root)):
            folder, inside, rest = path.partition("/")
            name = folder if inside and rest == "__init__.py" else "" if inside else folder.removesuffix(".py")
            if name.isidentifier() and name not in _NO_PACKAGES:
                names[name] = None
    return f"Packages and modules of the repository: {', '.join(list(names)[:_MOST_NAMES])}.\n\n" if names else ""
