"""From what a model answered, or another proposer changed, to a candidate: its patch, its vote key, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clew.errors import NotText, PatchRefused
from clew.graphs.agentless.applying import apply_edits
from clew.graphs.agentless.edits import parse_edits
from clew.graphs.agentless.normalise import syntax_error, vote_key
from clew.graphs.agentless.rank import NO_CHANGE
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.tampering import tampering
from clew.graphs.agentless.types import Candidate, Change, Edit, Span


class Texts(Mapping[str, str]):
    """The files of a workspace by path, each read when its text is first asked for. One that is no text is named, but
    has none (`KeyError`)."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._paths = dict.fromkeys(workspace.paths())
        self._read: dict[str, str] = {}

    def __getitem__(self, path: str) -> str:
        if path not in self._paths:
            raise KeyError(path)
        if path not in self._read:
            try:
                self._read[path] = self._workspace.read(path)
            except NotText as error:
                raise KeyError(path) from error
        return self._read[path]

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def from_answer(
    answer: str, workspace: Workspace, texts: Mapping[str, str], shown: Sequence[Span], *, set: int, sample: int
) -> Candidate:
    """The candidate that an answer with SEARCH/REPLACE blocks stands for. Blocks that cannot be used are events; the
    others make the patch. Without any, `reason` holds the messages, for another try."""
    parsed = parse_edits(answer, texts)
    applied = apply_edits(parsed.edits, texts, shown)
    refusals = (*parsed.refusals, *applied.refusals)
    candidate = from_changes(
        applied.changes,
        workspace,
        set=set,
        sample=sample,
        edits=parsed.edits,
        events=(*parsed.events, *applied.events, *(refusal.event for refusal in refusals)),
    )
    if applied.changes or not refusals:
        return candidate
    return candidate.model_copy(update={"reason": "\n".join(dict.fromkeys(refusal.message for refusal in refusals))})


def from_changes(
    changes: Sequence[Change],
    workspace: Workspace,
    *,
    set: int,
    sample: int,
    edits: Sequence[Edit] = (),
    events: Sequence[dict[str, Any]] = (),
) -> Candidate:
    """The candidate of changes to files, with its patch as git writes it. It is not eligible, and `reason` tells why,
    when it has an error of syntax, changes nothing that runs, reaches for the tests' runner, or the workspace refuses
    it."""
    errors = [error for change in changes if (error := syntax_error(change)) is not None]
    diff, refused = "", ""
    try:
        diff = workspace.diff(changes) if changes else ""
    except (NotText, PatchRefused) as error:
        refused = str(error)
    key = vote_key(changes) if diff else ""
    reason = refused or "\n".join(errors) or (tampering(changes, workspace) if key else NO_CHANGE)
    return Candidate(
        id=f"{set}.{sample}",
        set=set,
        sample=sample,
        edits=tuple(edits),
        diff=diff,
        key=key,
        syntax_ok=not errors,
        reason=reason,
        events=tuple(events),
    )
