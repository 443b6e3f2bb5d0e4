"""Repair without a model: every small edit that the templates know, the most promising first.

Generate and validate, as in GenProg and its kin (Le Goues et al., ICSE 2012), with single edits and a ranking in place
of a search: a fault is looked for where failing tests went (`blame`), and a template is tried as early as its prior
deserves. An honest baseline for models, not a rival of theirs: it fixes one-line slips of kinds that it knows.
"""

from __future__ import annotations

import ast
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clew.errors import ConfigError

from .blame import Line
from .templates import PRIORS, Mutation, mutations
from .types import Change

LIMIT = 1000


@dataclass(frozen=True)
class Proposal:
    """One edit of one file: `kind` of template, its `line`, what stood there (`old`) and what does now (`new`).
    `score` is the line's suspiciousness times the prior of the template."""

    change: Change
    kind: str
    line: int
    old: str
    new: str
    score: float


def propose(sources: Mapping[str, str], suspects: Mapping[Line, float], limit: int = LIMIT) -> Iterator[Proposal]:
    """At most `limit` edits of the Python files `sources` (texts by path), best first; a function of its arguments.

    Edits are ordered by Ochiai of the line times the prior of the template, where a statement of several lines has
    the highest of them; then by path and place. Every proposal parses, and no two give the same text. Files that do
    not parse, and lines without suspicion, have none. Raises `ConfigError` for a limit below 1.
    """
    if limit < 1:
        raise ConfigError(f"limit={limit!r} allows no proposal: give 1 or more")
    lines: dict[str, dict[int, float]] = defaultdict(dict)
    for (path, line), score in suspects.items():
        if score > 0 and path in sources:
            lines[path][line] = score
    ranked = sorted(
        (
            (-score, path, mutation.start, -PRIORS[mutation.kind], mutation.end, mutation.text, mutation)
            for path in lines
            for mutation in mutations(sources[path])
            if (score := _suspicion(mutation, lines[path]) * PRIORS[mutation.kind]) > 0
        ),
        key=lambda item: item[:-1],
    )
    seen: set[tuple[str, str]] = set()
    for minus, path, *_, mutation in ranked:
        before = sources[path]
        after = applied(before, mutation)
        if after is None or after == before or (path, after) in seen or not _parses(after):
            continue
        seen.add((path, after))
        data = before.encode("utf-8", "surrogatepass")
        old = data[mutation.start : mutation.end].decode("utf-8", "replace")
        line = data.count(b"\n", 0, mutation.start) + 1
        yield Proposal(
            Change(path=path, before=before, after=after), mutation.kind, line, old, mutation.text.decode(), -minus
        )
        if len(seen) == limit:
            return


def applied(source: str, mutation: Mutation) -> str | None:
    """The file with the mutation, all else byte for byte; None if it is no text any more."""
    data = source.encode("utf-8", "surrogatepass")
    try:
        return (data[: mutation.start] + mutation.text + data[mutation.end :]).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _suspicion(mutation: Mutation, lines: Mapping[int, float]) -> float:
    return max((lines.get(line, 0.0) for line in range(mutation.first, mutation.last + 1)), default=0.0)


def _parses(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.removeprefix("\ufeff"))
            compile(tree, "proposal", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
