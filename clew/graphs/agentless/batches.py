"""Many small edits of one repository, tried in one run of its tests: a filter, and no judge.

A suite takes longer to start than most tests take to fail. `inside/batch.py` starts pytest once and forks for every
edit. Its verdicts come from processes that also hold code under test, so an edit that passes becomes a candidate and
goes through the graph's own tests like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clew.journal import scope
from clew.sandbox.types import Execution, Sandbox

from .mutate import Proposal
from .repository import Workspace
from .suites import PYTEST, Suite, files_of, run_inside, seal_of

Verdict = Literal["pass", "some", "near", "fail", "died"]
# CPU seconds that an edit has beyond a few times those of the tests without one.
SECONDS = 3
VERDICTS: tuple[Verdict, ...] = ("pass", "some", "near", "fail", "died")


@dataclass(frozen=True)
class Tried:
    """What became of one edit: the targets `pass`, or `some` of them; some or all pass and a test `near` by does not;
    all `fail`; or the tests `died` (crashed, too late, or too big). `fixed` counts the targets that pass."""

    verdict: Verdict
    fixed: int = 0


DIED = Tried("died")


async def try_all(
    sandbox: Sandbox,
    suite: Suite,
    workspace: Workspace,
    proposals: Sequence[Proposal],
    targets: Sequence[str],
    near: Sequence[Sequence[str]] | None = None,
) -> tuple[list[Tried], str]:
    """Runs the `targets` (ids of tests, or files of them) with each edit, and where they pass the tests `near` it,
    which are in the files of targets. For a suite of kind pytest. The second result tells why the last ones could not
    be tried, "" when they could.

    One effect of kind `program` in `scope("run", 0)`, and one more in `scope("run", n)` whenever edit `n - 1` took the
    run, or files of the repository, with it. Raises `SandboxFailed`, `Refused`.
    """
    tried: list[Tried] = []
    others = [list(tests) for tests in near] if near is not None else [[] for _ in proposals]
    while (done := len(tried)) < len(proposals):
        with scope("run", done):
            found, why = await _run(sandbox, suite, workspace, proposals[done:], targets, others[done:])
        if why:
            return [*tried, *[DIED] * (len(proposals) - done)], why
        tried += found
    return tried, ""


async def _run(
    sandbox: Sandbox,
    suite: Suite,
    workspace: Workspace,
    proposals: Sequence[Proposal],
    targets: Sequence[str],
    near: Sequence[Sequence[str]],
) -> tuple[list[Tried], str]:
    """The verdicts of the first edits, at least one; or why there are none."""
    batch: dict[str, Any] = {
        "targets": list(targets), "seconds": SECONDS, "each": suite.test_seconds,
        "memory": suite.limits.memory * 3 // 4,
        "mutants": [{**_piece(proposal), "near": list(tests)} for proposal, tests in zip(proposals, near, strict=True)],
    }  # fmt: skip
    # Whoever is named first gets the orders.
    words = [*suite.command, "-p", "clew_batch", *PYTEST, *files_of(workspace, targets)]
    seal = seal_of(workspace, suite.to_json(), words, batch)[:16]
    execution, _ = await run_inside(sandbox, suite, workspace, seal, words, {**batch, "seal": seal})
    return _verdicts(execution, seal, len(proposals))


def _verdicts(execution: Execution, seal: str, many: int) -> tuple[list[Tried], str]:
    lines = re.findall(rf"^{seal} (-?\d+) (\w+) (\d+)$", execution.stdout, re.MULTILINE)
    said = {int(number): (verdict, int(fixed)) for number, verdict, fixed in lines}
    if said.get(-1, ("died", 0))[0] == "died":
        told = (execution.stderr.strip() or execution.stdout.strip())[-500:]
        return [], f"the tests without an edit did not come to their end (exit code {execution.exit_code}): {told}"
    found: list[Tried] = []
    for number in range(many):
        verdict, fixed = said.get(number, ("", 0))
        known = next((each for each in VERDICTS if each == verdict), None)
        if known is None:  # the run, or files of the repository, ended with it
            return [*found, DIED], ""
        found.append(Tried(known, fixed))
    return found, ""


def _piece(proposal: Proposal) -> dict[str, Any]:
    """An edit as the bytes of its file that become others."""
    change = proposal.change
    before, after = ((text or "").encode("utf-8", "surrogatepass") for text in (change.before, change.after))
    start = _alike(before, after)
    tail = min(_alike(before[::-1], after[::-1]), min(len(before), len(after)) - start)
    while start and _within(after, start):
        start -= 1
    while tail and _within(after, len(after) - tail):
        tail -= 1
    text = after[start : len(after) - tail].decode("utf-8", "surrogatepass")
    return {"path": change.path, "start": start, "end": len(before) - tail, "text": text}


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _within(data: bytes, at: int) -> bool:
    """Whether a place is inside of a character of UTF-8."""
    return at < len(data) and data[at] & 0xC0 == 0x80
