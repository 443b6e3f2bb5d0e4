"""SELECT REGRESSION (7b): which of the passing tests may rightly break with the fix; the others guard the patch.

As in the released code the model sees the issue and the names of the tests. Differs: an empty or odd answer keeps all
tests (there it raises); names are matched without regard to bullets, quotes and parameters; of very many tests those
near the located files are shown, and what is not shown stays among the tests that must not break.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from clew.errors import EffectFailed, Refused
from clew.graphs.base import Phase, State
from clew.models import Reply
from clew.models.tokens import estimate
from clew.task import Task

from .asking import Asker, Event, Material, Prompt, keys, prompt_of
from .job import Job, Tests, flagged, told
from .suites import affected

REGRESSION = "regression"

STEP = """\
Your step: choose the tests that must not judge the fix.

Above stand the names of tests that pass now. After the issue is fixed they are run again, to see that nothing else \
was broken. A test that checks the very behaviour that the issue calls wrong will rightly fail then. Name these tests. \
Most fixes have none: name a test only if a right fix must make it fail.

Answer with the names alone, one a line, copied exactly, in a block as here, or with the word none in it:

```
tests/test_names.py::test_limit_is_exclusive
```"""

_BULLET = re.compile(r"^[\s>]*(?:[-*+•]|\(?\d{1,4}[.)])?\s*")
_AROUND = " \t\r`'\"*,;"
_LONGEST = 2_000


@dataclass(frozen=True)
class RegressionStage:
    """The phase `regression`: `state["regression"]`, the ids of the tests that a patch must not break.

    Args:
        then: the phase after it.
        select: False asks nothing and keeps all tests.
        max_tokens: of the answer; default 1,024.
        most: most names that the model is shown; default 1,000.
    """

    asker: Asker
    then: str
    select: bool = True
    max_tokens: int = 1024
    most: int = 1_000

    def phases(self, job: Job) -> dict[str, Phase]:
        return {REGRESSION: partial(self.run, job)}

    async def run(self, job: Job, state: State) -> State:
        """Never raises for an answer or a failed call: all tests are kept then, with the flag
        `regression_not_selected`; None where there is nothing to choose from."""
        passing = Tests.model_validate(state["base"]).passing
        state = {**state, "regression": None, "phase": self.then}
        if not self.select or not passing:
            return state
        task = Task.model_validate(state["task"])
        first = await asyncio.to_thread(affected, job.workspace, state["files"], passing)
        ordered = list(dict.fromkeys([*first, *passing]))[: self.most]
        shown: list[str] = ordered

        def build(room: int) -> Prompt:
            nonlocal shown

            def names(left: int) -> Material:
                nonlocal shown
                shown, events = halved(ordered, left)
                return Material("\n".join(shown), events)

            return prompt_of(task, STEP, room, "PASSING TESTS", names)

        def usable(reply: Reply) -> bool:
            return bool(parse_tests(reply.text, shown))

        try:
            replies, state = await self.asker.ask(state, REGRESSION, build, max_tokens=self.max_tokens, usable=usable)
        except (Refused, EffectFailed) as error:
            told(REGRESSION, dropped=[], kept=len(passing), error=f"{type(error).__name__}: {error}")
            return flagged(state, "regression_not_selected")
        named = parse_tests(replies[0].text, shown)
        if len(named) == len(passing):  # nothing would guard the patch
            state, named = flagged(state, "regression_not_selected"), ()
        left = [test for test in passing if test not in set(named)]
        told(REGRESSION, dropped=list(named), kept=len(left), shown=len(shown), effects=keys(replies))
        return {**state, "regression": left}


def halved(tests: Sequence[str], room: int) -> tuple[list[str], tuple[Event, ...]]:
    """The tests, or their first half, quarter and so on, that have at most `room` tokens; one at least."""
    kept = list(tests)
    while len(kept) > 1 and estimate("\n".join(kept)) > room:
        kept = kept[: len(kept) // 2]
    cut = {"kind": "context_cut", "what": "tests", "shown": len(kept), "of": len(tests)}
    return kept, (cut,) if len(kept) < len(tests) else ()


def parse_tests(text: str, tests: Sequence[str]) -> tuple[str, ...]:
    """The tests that an answer names, in their own order. A name without its parameters is all tests of that name, and
    one without its file or folders counts when it is that of one test only. What names no test is passed over."""
    known = _names(tests)
    named: set[str] = set()
    for line in text.split("\n"):
        if len(line) <= _LONGEST:
            bare = _BULLET.sub("", line, count=1).strip(_AROUND)
            words = (bare, bare.partition(" ")[0].strip(_AROUND))
            named.update(next((known[word] for word in words if word in known), ()))
    return tuple(test for test in tests if test in named)


def _names(tests: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The tests by every name that means them: their ids, ids without parameters, and tails of these that belong to one
    function only."""
    whole: dict[str, list[str]] = {}
    for test in tests:
        whole.setdefault(test.partition("[")[0], []).append(test)
    tails: dict[str, set[str]] = {}
    for name in whole:
        rest = name
        while (at := re.search(r"::|/", rest)) is not None:
            rest = rest[at.end() :]
            tails.setdefault(rest, set()).add(name)
    found = {tail: tuple(whole[next(iter(names))]) for tail, names in tails.items() if len(names) == 1}
    return {**found, **{name: tuple(its) for name, its in whole.items()}, **{test: (test,) for test in tests}}
