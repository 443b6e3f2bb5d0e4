"""Repair tasks out of any repository with tests: a small bug, put into a line that tests run, and seen to fail.

Every bug is an instance in SWE-bench's format (`clew.agents.instances`) with an issue text. Its broken tree is a commit
without parents in a bare repository beside the instances, so `repo` and `base_commit` are real and no history holds the
fix. Families of bugs: `known` (kinds that template repair undoes), `other` (kinds that it does not know), and `history`
(lines that the repository's own commits changed, as they were before).
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from clew.errors import ConfigError, RepositoryError
from clew.graphs.agentless.coverage import Coverage
from clew.graphs.agentless.git import git
from clew.graphs.agentless.mutants import spread
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.source import Source
from clew.graphs.agentless.structure import is_test
from clew.graphs.agentless.suites import Base, Suite, discover, run_base, run_covered, run_suite
from clew.graphs.agentless.types import Change
from clew.graphs.base import side_by_side
from clew.journal import scope
from clew.sandbox.types import Sandbox

from .bug_history import history_bugs
from .bug_issues import issue_text
from .bug_kinds import Bug, bug_of, in_turns, known_edits, other_edits

Family = Literal["known", "other", "history"]
FAMILIES: tuple[Family, ...] = ("known", "other", "history")
# Tests whose lines are noted, and those that a bug meets first.
_MOST_COVERED, _FIRST = 3000, 20
# A bug that most tests notice is not a subtle one, and often one that leaves nothing to be imported.
_MOST_BROKEN = 0.5
_TEST_SECONDS = 10.0
_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "clew"), ("EMAIL", "clew@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
}


@dataclass(frozen=True)
class Field:
    """Where bugs are put: a repository at a commit whose tests pass, and how they are run. `repo` and `commit` are the
    source's, for `history`."""

    name: str
    repo: Path
    workspace: Workspace
    sandbox: Sandbox
    suite: Suite


class Shelf:
    """The bare repository of the broken trees. `folder` is made unless it is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.exists():
            folder.mkdir(parents=True)
            git("init", "--quiet", "--bare", "--template=", str(folder), cwd=folder)

    def put(self, name: str, workspace: Workspace) -> str:
        """A commit of the files of a workspace, without parents, on a branch of this name; its id is a function of
        both."""
        Source.find(workspace.folder / "git").copy(workspace.tree, self.folder)
        made = git("commit-tree", workspace.tree, "-m", name, cwd=self.folder, environment=_IDENTITY)
        commit = made.decode().strip()
        git("update-ref", f"refs/heads/{name}", commit, cwd=self.folder)
        return commit


async def make_bugs(
    field: Field,
    shelf: Shelf,
    repo: str,
    count: int,
    families: Sequence[Family] = ("known", "other"),
    *,
    seed: int = 0,
    at_once: int = 2,
    known: Sequence[str] = (),
) -> AsyncIterator[dict[str, Any]]:
    """The rows of at most `count` bugs, families in turn, one after the other as they are found. `repo` is what the
    rows say for the shelf. Bugs whose ids are `known` are passed over. A function of the repository and the seed, as
    far as its tests are.

    A bug fails at least one test that passed before, twice, and at most half of them; what fails in one of two runs
    alone is in neither list. Raises `ConfigError` when no test passes, `SandboxFailed`.
    """
    base = await _base(field)
    covered = spread(base.passing, _MOST_COVERED)
    _, coverage = await run_covered(field.sandbox, field.suite, field.workspace, covered)
    turns = [_turn(family, await asyncio.to_thread(_bugs, family, field, coverage, seed)) for family in families]
    found, left = 0, _in_turn(turns)
    seen = set(known)
    while found < count and (wave := list(islice(left, at_once))):
        tried = [partial(_tried, field, base, coverage, family, bug) for family, bug in wave]
        for row, broken in filter(None, await side_by_side(tried, at_once)):
            if row["instance_id"] in seen or found == count:
                continue
            seen.add(row["instance_id"])
            commit = await asyncio.to_thread(shelf.put, row["instance_id"], broken)
            shutil.rmtree(field.workspace.folder / "trees" / broken.tree, ignore_errors=True)
            found += 1
            yield {**row, "repo": repo, "base_commit": commit}


async def _base(field: Field) -> Base:
    if field.suite.kind != "pytest":
        raise ConfigError("bugs are put where tests run, which only pytest can tell: give --test-cmd with pytest")
    found = await discover(field.sandbox, field.suite, field.workspace)
    if not found.tests:
        raise ConfigError(f"{field.name} has no tests that could notice a bug: {found.why}")
    base = await run_base(field.sandbox, field.suite, field.workspace, found.tests)
    if not base.passing:
        raise ConfigError(f"no test of {field.name} passes as it is: {base.report.output[-500:]}")
    return base


def _bugs(family: Family, field: Field, coverage: Coverage, seed: int) -> Iterator[Bug]:
    """The bugs of a family in lines that tests run, in the order in which they are tried."""
    paths = {path for files in coverage.tests.values() for path in files if path.endswith(".py") and not is_test(path)}
    texts = {path: field.workspace.read(path) for path in sorted(paths & set(field.workspace.paths()))}
    if family == "history":
        bugs = history_bugs(field.repo, field.workspace.commit, texts)
    else:
        edits = known_edits if family == "known" else other_edits
        places = chain.from_iterable(edits(path, text) for path, text in texts.items())
        bugs = filter(None, (bug_of(path, texts[path], edit) for path, edit in in_turns(places, seed)))
    return (bug for bug in bugs if coverage.tests_of(bug.path, range(bug.first, bug.last + 1)))


def _turn(family: Family, bugs: Iterator[Bug]) -> Iterator[tuple[Family, Bug]]:
    return ((family, bug) for bug in bugs)


def _in_turn(turns: Sequence[Iterator[tuple[Family, Bug]]]) -> Iterator[tuple[Family, Bug]]:
    left = list(turns)
    while left:
        for each in list(left):
            item = next(each, None)
            if item is None:
                left.remove(each)
            else:
                yield item


async def _tried(
    field: Field, base: Base, coverage: Coverage, family: Family, bug: Bug
) -> tuple[dict[str, Any], Workspace] | None:
    """The row of a bug that tests notice, and its files; None for any other."""
    workspace = field.workspace
    try:
        diff = workspace.diff([Change(path=bug.path, before=bug.before, after=bug.after)])
        broken = workspace.apply(diff)
        patch = broken.diff([Change(path=bug.path, before=bug.after, after=bug.before)])
    except RepositoryError:
        return None
    suite = replace(field.suite, test_seconds=min(field.suite.test_seconds, _TEST_SECONDS))
    name = f"{field.name}-{bug.kind}-{sha256(diff.encode()).hexdigest()[:8]}"
    passing = set(base.passing)
    ran = [test for test in coverage.tests_of(bug.path, range(bug.first, bug.last + 1)) if test in passing]
    try:
        with scope("bug", name):
            first = await run_suite(field.sandbox, suite, broken, spread(ran, _FIRST))
            if not first.complete or not (first.counts.failed + first.counts.error):
                return None
            after = await run_base(field.sandbox, suite, broken, base.passing)
    finally:
        shutil.rmtree(workspace.folder / "trees" / broken.tree, ignore_errors=True)
    failing = [test for test in after.failing if test in passing]
    if not after.complete or not failing or len(failing) > _MOST_BROKEN * len(base.passing):
        return None
    results = {result.name: result for result in after.report.results}
    row = {
        "instance_id": name,
        "problem_statement": issue_text([results[test] for test in failing]),
        "patch": patch,
        "test_patch": "",
        "FAIL_TO_PASS": failing,
        "PASS_TO_PASS": list(after.passing),
        "family": family,
        "kind": bug.kind,
    }
    return row, broken


def named(repo: Path) -> str:
    """A name for a repository in instance ids: that of its folder."""
    return re.sub(r"[^\w.+-]+", "-", repo.resolve().name.removesuffix(".git")) or "repository"
