"""SELECT REGRESSION (7b): which of the passing tests may rightly break with the fix; the others guard the patch.

As in the released code the model sees the issue and the names of the tests. Differs: names stand under their files,
and a test of many cases is one name; the few tests that share most with the issue are shown with their code; an empty
or odd answer keeps all tests (there it raises); names are matched without regard to bullets, quotes and parameters; of
many tests those named like the issue and those near the located files are shown, and what is not shown stays among the
tests that must not break.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from clew.errors import EffectFailed, Refused, RepositoryError
from clew.graphs.base import Phase, State
from clew.journal import Cost, current
from clew.models import Reply
from clew.models.tokens import estimate
from clew.task import Task
from clew.tools.output import neutralise

from .asking import Asker, Event, Material, Prompt, keys, prompt_of
from .context import most_that_fit
from .evidence import by_shared_words
from .job import Job, Tests, flagged, told
from .matching import bare, split
from .repository import Workspace
from .structure import outline
from .suites import affected

REGRESSION = "regression"

STEP = """\
Your step: choose the tests that a right fix will make fail, because they assert the behaviour that the issue calls \
wrong.

Above stand tests that pass now, below the names of their files; "(12 cases)" stands for all cases of a test. Some \
follow with their code. After the fix all tests are run again, to see that nothing else was broken, but for those that \
you name: a test named wrongly no longer guards the fix. That a test is about the code in question is no reason to \
name it, and most fixes have none to name.

Begin your answer with one block that holds a test on each line, its file before it with two colons between, as here, \
or the word none. The name of a test alone, without a case in brackets, means all of its cases.

```
path/to/test_example.py::test_example
path/to/test_example.py::TestExample::test_another
```"""

_BULLET = re.compile(r"^[\s>]*(?:[-*+•]|\(?\d{1,4}[.)])?\s*")
_AROUND = " \t\r`'\"*,;"
_LONGEST = 2_000
# A test of more cases is shown without them.
_CASES = 3
# So many tests are shown with so many of their lines, of so many files; so many for their names.
_BY_NAME = 6
_BODIES, _BODY_LINES, _BODIES_FILES, _BODIES_TOKENS = 8, 16, 8, 3_000
_ASSERTS = re.compile(r"\b(?:self\.)?(?:assert|raises|warns|fail)", re.IGNORECASE)
# So many of those that are named like the issue come first.
_NAMED = 40


@dataclass(frozen=True)
class RegressionStage:
    """The phase `regression`: `state["regression"]`, the ids of the tests that a patch must not break.

    Args:
        then: the phase after it.
        select: False asks nothing and keeps all tests.
        max_tokens: of the answer; default 1,024.
        most: most names that the model is shown, all cases of a test being one; default 400.
        reserve: what a patch needs at least; where the run has a budget, this much is left to it.
    """

    asker: Asker
    then: str
    select: bool = True
    max_tokens: int = 1024
    most: int = 400
    reserve: Callable[[Job, State], Cost] | None = None

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
        ordered = await asyncio.to_thread(first_of, job.workspace, task.prompt, state["files"], passing, self.most)
        bodies = await asyncio.to_thread(bodies_of, job.workspace, task.prompt, ordered)
        shown: list[str] = ordered

        def build(room: int) -> Prompt:
            nonlocal shown

            def names(left: int) -> Material:
                nonlocal shown
                shown, events = halved(ordered, left)
                names, fit = listed(shown, len(passing)), left - estimate(listed(shown))
                more = "" if events else "\n".join(bodies[: most_that_fit(bodies, min(fit, _BODIES_TOKENS))])
                return Material(f"{names}\n\nThose that look most like the issue:\n\n{more}" if more else names, events)

            return prompt_of(task, STEP, room, "PASSING TESTS", names)

        def usable(reply: Reply) -> bool:
            return bool(parse_tests(reply.text, shown))

        run, hold = current(), None
        try:
            hold = run.hold(self.reserve(job, state)) if self.reserve and run.budget.to_json() else None
            replies, state = await self.asker.ask(state, REGRESSION, build, max_tokens=self.max_tokens, usable=usable)
        except (Refused, EffectFailed) as error:
            told(REGRESSION, dropped=[], kept=len(passing), error=f"{type(error).__name__}: {error}")
            return flagged(state, "regression_not_selected")
        finally:
            if hold is not None:
                hold.release()
        named = parse_tests(replies[0].text, shown)
        if len(named) == len(passing):  # nothing would guard the patch
            state, named = flagged(state, "regression_not_selected"), ()
        left = [test for test in passing if test not in set(named)]
        told(REGRESSION, dropped=list(named), kept=len(left), shown=len(shown), effects=keys(replies))
        return {**state, "regression": left}


def halved(tests: Sequence[str], room: int) -> tuple[list[str], tuple[Event, ...]]:
    """The tests, or their first half, quarter and so on, that have at most `room` tokens; one at least."""
    kept = list(tests)
    while len(kept) > 1 and estimate(listed(kept)) > room:
        kept = kept[: len(kept) // 2]
    cut = {"kind": "context_cut", "what": "tests", "shown": len(kept), "of": len(tests)}
    return kept, (cut,) if len(kept) < len(tests) else ()


def first_of(workspace: Workspace, issue: str, files: Sequence[str], tests: Sequence[str], most: int) -> list[str]:
    """The tests of the `most` names that say most: those that share the rarest words with the issue, those near the
    `files`, then all others. All cases of a test have one name. Files come in that order, their tests in their own."""
    cases: dict[str, list[str]] = {}
    for test in tests:
        cases.setdefault(test.partition("[")[0], []).append(test)
    named = by_shared_words(issue, {name: name.partition("::")[2] for name in cases})[:_NAMED]
    best = dict.fromkeys([*named, *affected(workspace, files, list(cases)), *cases])
    by_file: dict[str, set[str]] = {}
    for name in list(best)[:most]:
        by_file.setdefault(name.partition("::")[0], set()).add(name)
    return [test for names in by_file.values() for name in cases if name in names for test in cases[name]]


def listed(tests: Sequence[str], of: int = 0) -> str:
    """The names of tests below those of their files, in the order in which these come first; at the end, how many more
    of them there are, if there are `of`."""
    cases = Counter(test.partition("[")[0] for test in tests)
    names: dict[str, dict[str, None]] = {}
    for test in tests:
        whole = test.partition("[")[0]
        shown = test if cases[whole] <= _CASES else f"{whole} ({cases[whole]} cases)"
        file, colons, name = shown.partition("::")
        names.setdefault(file, {}).update({name: None} if colons else {})
    more = [f"({of - len(tests):,} more are not shown)"] if of > len(tests) else []
    return "\n".join([line for file, its in names.items() for line in (file, *(f"  {name}" for name in its))] + more)


def bodies_of(workspace: Workspace, issue: str, tests: Sequence[str]) -> list[str]:
    """The code of a few tests, of those in the first files: some whose names share the rarest words with the issue,
    then those whose lines do. A name does not say what a test asserts; of long tests that is shown. Python alone."""
    names = dict.fromkeys(test.partition("[")[0] for test in tests)
    files = dict.fromkeys(name.partition("::")[0] for name in names)
    bodies: dict[str, str] = {}
    for path in [path for path in files if path.endswith(".py") and path in workspace.entries][:_BODIES_FILES]:
        try:
            lines, symbols = list(map(bare, split(workspace.read(path)))), outline(workspace, path).symbols
        except RepositoryError:
            continue
        for symbol in symbols:
            name = f"{path}::{symbol.qualname.replace('.', '::')}"
            if name in names:
                bodies[name] = "\n".join(_short(lines[symbol.start - 1 : symbol.end]))
    named = by_shared_words(issue, {name: name.partition("::")[2] for name in bodies})[:_BY_NAME]
    best = dict.fromkeys([*named, *by_shared_words(issue, bodies)])
    return [neutralise(f"# {name}\n{bodies[name]}\n") for name in list(best)[:_BODIES]]


def _short(lines: Sequence[str]) -> list[str]:
    """A test, or the beginning of a long one and the lines after it that assert something."""
    if len(lines) <= _BODY_LINES:
        return list(lines)
    head, rest = lines[: _BODY_LINES // 2], lines[_BODY_LINES // 2 :]
    asserts = [line for line in rest if _ASSERTS.search(line)][: _BODY_LINES // 2]
    return [*head, "    ...", *asserts, *["    ..."] * bool(asserts)]


def parse_tests(text: str, tests: Sequence[str]) -> tuple[str, ...]:
    """The tests that an answer names, in their own order. A name without its parameters is all tests of that name, and
    one without its file or folders counts when it is that of one test only, or of the file that a line before it names.
    What names no test is passed over."""
    known, files, file = _names(tests), {test.partition("::")[0] for test in tests if "::" in test}, ""
    named: set[str] = set()
    for line in text.split("\n"):
        if len(line) <= _LONGEST:
            bare = _BULLET.sub("", line, count=1).strip(_AROUND)
            words = (bare, bare.partition(" ")[0].strip(_AROUND))
            heading = bare.strip(f"{_AROUND}:*#")
            file = heading if heading in files else file
            said = (*(f"{file}::{word}" for word in words), *words)
            named.update(next((known[word] for word in said if word in known), ()))
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
