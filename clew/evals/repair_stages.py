"""How far each stage of a repair came, against the patch that is known to be right.

The figures of the specification of Agentless, section 5: recall of files, functions and lines by localisation, the
share of repairs with a patch, of those where any candidate resolves the issue (pass@k), what selection made of it, and
how reproduction tests agree with gold. The gold patch is looked at after the run, here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from statistics import median
from typing import Any

from clew.errors import NotText
from clew.graphs.agentless.context import spans_of
from clew.graphs.agentless.languages import suffix_of
from clew.graphs.agentless.matching import split
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.structure import is_test, outline
from clew.graphs.agentless.types import Location, Symbol

WINDOW = 10

Line = tuple[str, int]

_LINES = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Touched:
    """What a patch changes of the base: its files, the functions and methods that hold the changed lines (path and
    qualified name; those outside of any have none), and the lines, each as (path, line). Where lines are only added,
    the line before them counts. Files that the patch makes, tests, and what is no source file (a changelog) are left
    out: no localisation could name them."""

    files: frozenset[str]
    functions: frozenset[tuple[str, str]]
    lines: frozenset[Line]


@dataclass(frozen=True)
class Recall:
    """The shares of the gold patch's files, functions and lines that a stage names; None where there is none to find,
    or where the stage names none such by its nature."""

    file: float | None = None
    function: float | None = None
    line: float | None = None


@dataclass(frozen=True)
class Stages:
    """One repair.

    recall              by stage: `files`, `elements` (as they stand), `locations` (with the window of lines on either
                        side that the repair prompt shows), `blame` (the first lines that template repair blames)
    candidates          changes that differ, by their vote keys
    any, resolved       whether any of them, and whether the chosen one, resolves the issue; None when nobody graded it
    scripts, right      reproduction tests that judged the patches, and those of them that find the issue resolved after
                        the gold patch; None without such a stage, and where nobody ran them
    """

    id: str
    recall: Mapping[str, Recall] = field(default_factory=dict)
    nonempty: bool = False
    candidates: int = 0
    any: bool | None = None
    resolved: bool | None = None
    scripts: int | None = None
    right: int | None = None
    tokens: int = 0
    seconds: float = 0.0


def touched(workspace: Workspace, patch: str) -> Touched:
    """What `patch` changes of the files in `workspace`. Raises `PatchRefused` for a patch that does not apply."""
    files: set[str] = set()
    functions: set[tuple[str, str]] = set()
    lines: set[Line] = set()
    for change in workspace.changes_of(patch):
        if change.before is None or is_test(change.path) or not suffix_of(change.path):
            continue
        files.add(change.path)
        changed = _changed(change.before, change.after or "")
        lines |= {(change.path, line) for line in changed}
        functions |= {(change.path, symbol.qualname) for symbol in _functions(workspace, change.path, changed)}
    return Touched(frozenset(files), frozenset(functions), frozenset(lines))


def distinct(report: Mapping[str, Any]) -> dict[str, str]:
    """The patches of a run by vote key, the first candidate's of each: those that could be chosen."""
    found: dict[str, str] = {}
    for each in report.get("candidates") or ():
        if each["key"] and each["syntax_ok"] and not each["reason"] and each["diff"].strip():
            found.setdefault(each["key"], each["diff"])
    return found


def chosen_key(report: Mapping[str, Any]) -> str:
    """The vote key of the patch of a run, "" without one."""
    keys = {each["id"]: str(each["key"]) for each in report.get("candidates") or ()}
    return keys.get(report.get("chosen") or "", "")


def recalls(
    report: Mapping[str, Any],
    notes: Iterable[Mapping[str, Any]],
    workspace: Workspace,
    gold: Touched,
    window: int = WINDOW,
) -> dict[str, Recall]:
    """The recall of every stage that a run has, from its report (`artifacts["repair"]` of the answer) and the notes of
    its stages. `window` is that of the run."""
    last = {note["stage"]: note for note in notes}
    found: dict[str, Recall] = {}
    if report.get("files"):
        found["files"] = Recall(file=_share(gold.files, report["files"]))
    if "elements" in last:
        named = [place for places in last["elements"]["places"] for place in places]
        found["elements"] = _recall(workspace, gold, _lines_named(workspace, named))
    if "sets" in last:
        places = [Location.model_validate(each) for one in report.get("sets") or () for each in one]
        texts = {path: workspace.read(path) for path in {each.path for each in places}}
        spans = spans_of(places, texts, window)
        shown = {(span.path, line) for span in spans for line in range(span.start, span.end + 1)}
        found["locations"] = _recall(workspace, gold, shown)
    if "blame" in last:
        found["blame"] = _recall(workspace, gold, {(path, line) for path, line, _ in last["blame"]["suspects"]})
    return found


def table(columns: Mapping[str, Sequence[Stages]]) -> str:
    """A Markdown table: a figure on each line, a group of repairs in each column, with how many a mean is of where that
    is not all of them."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, figure in _figures():
        cells = [figure(rows) for rows in columns.values()]
        if any(cells):
            lines.append(f"| {name} | " + " | ".join(cell or "–" for cell in cells) + " |")
    return "\n".join(lines)


# Figures ---------------------------------------------------------------------------------------------------------

_Figure = Callable[[Sequence[Stages]], str]
_WORDS = {"files": "files", "elements": "elements", "locations": "locations", "blame": "blamed lines"}


def _figures() -> list[tuple[str, _Figure]]:
    recall = [
        (f"{part} recall, {words}", _of_stage(stage, part))
        for stage, words in _WORDS.items()
        for part in ("file", "function", "line")
    ]
    return [
        ("repairs", lambda rows: str(len(rows))),
        *recall,
        ("with a patch", lambda rows: _share_of(rows, [each.nonempty for each in rows])),
        ("changes that differ, mean", lambda rows: _mean(rows, [each.candidates for each in rows])),
        ("any candidate resolves", lambda rows: _share_of(rows, [each.any for each in rows])),
        ("resolved", lambda rows: _share_of(rows, [each.resolved for each in rows])),
        # Of those that a perfect choice among the candidates would have resolved.
        ("selection efficiency", lambda rows: _part([each.resolved for each in rows if each.any])),
        (
            "with a reproduction test",
            lambda rows: _part([each.scripts > 0 for each in rows if each.scripts is not None]),
        ),
        ("reproduction tests right after gold", _agreement),
        ("tokens, mean", lambda rows: _mean(rows, [each.tokens for each in rows], ",.0f")),
        ("seconds, median", lambda rows: f"{median(each.seconds for each in rows):.0f}" if rows else ""),
    ]


def _of_stage(stage: str, part: str) -> _Figure:
    def figure(rows: Sequence[Stages]) -> str:
        return _mean(
            rows, [getattr(each.recall[stage], part) if stage in each.recall else None for each in rows], ".3f"
        )

    return figure


def _some(number: int | None) -> bool | None:
    return None if number is None else number > 0


def _agreement(rows: Sequence[Stages]) -> str:
    ran = [(each.right, each.scripts) for each in rows if each.right is not None and each.scripts]
    total = sum(scripts for _, scripts in ran)
    return f"{sum(right for right, _ in ran)} of {total}" if total else ""


def _part(values: Sequence[bool | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known)} of {len(known)} ({sum(known) / len(known):.0%})" if known else ""


def _share_of(rows: Sequence[Stages], values: Sequence[bool | None]) -> str:
    known = sum(value is not None for value in values)
    return _part(values) + (f", {len(rows) - known} not graded" if known and known < len(rows) else "")


def _mean(rows: Sequence[Stages], values: Sequence[float | None], form: str = ".2f") -> str:
    known = [value for value in values if value is not None]
    less = f" (of {len(known)})" if len(known) < len(rows) else ""
    return f"{sum(known) / len(known):{form}}{less}" if known else ""


# Places ----------------------------------------------------------------------------------------------------------


def _recall(workspace: Workspace, gold: Touched, lines: set[Line]) -> Recall:
    paths = {path for path, _ in lines}
    functions = {(path, each.qualname) for path in paths for each in _functions(workspace, path, _of(lines, path))}
    return Recall(_share(gold.files, paths), _share(gold.functions, functions), _share(gold.lines, lines))


def _share(gold: frozenset[Any], found: Iterable[Any]) -> float | None:
    return len(gold & set(found)) / len(gold) if gold else None


def _lines_named(workspace: Workspace, named: Iterable[str]) -> set[Line]:
    """The lines of elements as notes have them: `path:qualified name`, `path:12` or `path:12-18`."""
    found: set[Line] = set()
    for place in named:
        path, _, name = place.partition(":")
        if numbers := _LINES.fullmatch(name):
            first, last = sorted((int(numbers[1]), int(numbers[2] or numbers[1])))
            found |= {(path, line) for line in range(first, last + 1)}
            continue
        for symbol in _symbols(workspace, path):
            if symbol.qualname == name:
                found |= {(path, line) for line in range(symbol.start, symbol.end + 1)}
    return found


def _of(lines: Iterable[Line], path: str) -> set[int]:
    return {line for name, line in lines if name == path}


def _changed(before: str, after: str) -> set[int]:
    blocks = SequenceMatcher(None, split(before), split(after), autojunk=False).get_opcodes()
    found: set[int] = set()
    for kind, start, end, *_ in blocks:
        if kind != "equal":
            found |= set(range(start + 1, end + 1)) or {max(start, 1)}
    return found


def _symbols(workspace: Workspace, path: str) -> Sequence[Symbol]:
    try:
        return outline(workspace, path).symbols
    except NotText:
        return ()


def _functions(workspace: Workspace, path: str, lines: set[int]) -> list[Symbol]:
    """The innermost functions and methods that hold any of the lines."""
    symbols = [each for each in _symbols(workspace, path) if each.kind in ("function", "method")]
    inner = {
        min(around, key=lambda symbol: symbol.end - symbol.start)
        for line in lines
        if (around := [each for each in symbols if each.start <= line <= each.end])
    }
    return sorted(inner, key=lambda symbol: symbol.start)
