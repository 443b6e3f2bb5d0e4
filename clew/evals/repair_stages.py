"""How far each stage of a repair came, against the patch that is known to be right.

The figures of the specification of Agentless, section 5: recall of files, functions and lines by localisation, the
share of repairs with a patch, of those where any candidate resolves the issue (pass@k), and what selection made of it.
The gold patch is looked at after the run, here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from clew.errors import NotText
from clew.graphs.agentless.context import spans_of
from clew.graphs.agentless.matching import split
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.structure import is_test, outline
from clew.graphs.agentless.types import Location, Symbol

WINDOW = 10


@dataclass(frozen=True)
class Touched:
    """What a patch changes of the base: its files, the functions and methods that hold the changed lines (path and
    qualified name; those outside of any have none), and the lines, each as (path, line). Where lines are only added,
    the line before them counts. Files that the patch makes, and tests, are left out: no localisation could name
    them."""

    files: frozenset[str]
    functions: frozenset[tuple[str, str]]
    lines: frozenset[tuple[str, int]]


@dataclass(frozen=True)
class Stages:
    """One repair. A recall is None where there is nothing to find, or where the run has no such stage. `any` and
    `resolved` are None when nobody graded the patches."""

    id: str
    file: float | None
    function: float | None
    line: float | None
    nonempty: bool
    candidates: int
    any: bool | None = None
    resolved: bool | None = None


def touched(workspace: Workspace, patch: str) -> Touched:
    """What `patch` changes of the files in `workspace`. Raises `PatchRefused` for a patch that does not apply."""
    files: set[str] = set()
    functions: set[tuple[str, str]] = set()
    lines: set[tuple[str, int]] = set()
    for change in workspace.changes_of(patch):
        if change.before is None or is_test(change.path):
            continue
        files.add(change.path)
        changed = _changed(change.before, change.after or "")
        lines |= {(change.path, line) for line in changed}
        functions |= {(change.path, symbol.qualname) for symbol in _functions(workspace, change.path, changed)}
    return Touched(frozenset(files), frozenset(functions), frozenset(lines))


def measured(id: str, report: Mapping[str, Any], workspace: Workspace, gold: Touched, window: int = WINDOW) -> Stages:
    """The figures of one run from its report (`artifacts["repair"]` of the answer). A line counts as found when it is
    within `window` lines of an edit location, which is what the repair prompt shows; a function when one of its lines
    was found."""
    locations = [Location.model_validate(each) for places in report["sets"] for each in places]
    texts = {path: workspace.read(path) for path in {each.path for each in locations}}
    found = {
        (span.path, line) for span in spans_of(locations, texts, window) for line in range(span.start, span.end + 1)
    }
    functions = {(path, symbol.qualname) for path in texts for symbol in _functions(workspace, path, _of(found, path))}
    located = bool(locations)
    return Stages(
        id,
        file=_recall(gold.files, report["files"]) if report["files"] else None,
        function=_recall(gold.functions, functions) if located else None,
        line=_recall(gold.lines, found) if located else None,
        nonempty=report["chosen"] is not None,
        candidates=len(report["candidates"]),
    )


def table(rows: Sequence[Stages]) -> list[tuple[str, str]]:
    """Names and values of the means over repairs, with how many they are of."""
    shown: list[tuple[str, list[float | None]]] = [
        ("file recall", [each.file for each in rows]),
        ("function recall", [each.function for each in rows]),
        ("line recall", [each.line for each in rows]),
        ("with a patch", [float(each.nonempty) for each in rows]),
        ("any candidate resolves", [None if each.any is None else float(each.any) for each in rows]),
        ("resolved", [None if each.resolved is None else float(each.resolved) for each in rows]),
        # Of those that a perfect choice among the candidates would have resolved.
        ("selection efficiency", [float(each.resolved) for each in rows if each.any and each.resolved is not None]),
    ]
    return [(name, _mean(values)) for name, values in shown]


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.3f} (n = {len(known)})" if known else "not measured"


def _recall(gold: frozenset[Any], found: Iterable[Any]) -> float | None:
    return len(gold & set(found)) / len(gold) if gold else None


def _of(lines: Iterable[tuple[str, int]], path: str) -> set[int]:
    return {line for name, line in lines if name == path}


def _changed(before: str, after: str) -> set[int]:
    blocks = SequenceMatcher(None, split(before), split(after), autojunk=False).get_opcodes()
    found: set[int] = set()
    for kind, start, end, *_ in blocks:
        if kind != "equal":
            found |= set(range(start + 1, end + 1)) or {max(start, 1)}
    return found


def _functions(workspace: Workspace, path: str, lines: set[int]) -> list[Symbol]:
    """The innermost functions and methods that hold any of the lines."""
    try:
        symbols = [each for each in outline(workspace, path).symbols if each.kind in ("function", "method")]
    except NotText:
        return []
    inner = {
        min(around, key=lambda symbol: symbol.end - symbol.start)
        for line in lines
        if (around := [each for each in symbols if each.start <= line <= each.end])
    }
    return sorted(inner, key=lambda symbol: symbol.start)
