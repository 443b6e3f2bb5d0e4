"""SWE-RL's rule reward for patches (arXiv 2502.18449; specification of Agentless, section 5).

-1 for what is not in the format: a tag that does not stand exactly once, no thought, no edit, SEARCH equal to REPLACE,
SEARCH that is not in the file. Otherwise the mean, over the files that either side touches, of the similarity of the
two sides' unified diffs with 3 lines of context: the ratio of difflib's sequence matcher over characters, and 0 for a
file that one side alone touches. 1 when neither side touches a file.

It differs from the released code in that tags must stand in their order, blocks need no fence, SEARCH is whole lines
and not the begin of one, an empty REPLACE deletes the lines, and an answer above `MAX_TEXT` characters is not in the
format. The time of the ratio grows with the square of the length, and with its cube where a text repeats itself, as
models do: diffs above `LONGEST` characters, or of more than `MOST_WORK` comparisons, are compared by lines, and where
even that is too much by how often each line stands in them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any, Literal

from clew.errors import ConfigError, PatchRefused
from clew.scoring.diffs import Changes, lines_of, patched, unified
from clew.scoring.verdict import Verdict, digest
from clew.scoring.written import written
from clew.task import Answer, Task

BAD_FORMAT = -1.0
LONGEST = 20_000
MAX_TEXT = 1_000_000
MOST_WORK = 20_000_000

_TAGS = ("<think>", "</think>", "<solution>", "</solution>")
_PATH, _SEARCH, _MIDDLE, _REPLACE = "### ", "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"


def similarities(predicted: Changes, gold: Changes) -> dict[str, float]:
    """The similarity in [0, 1] of each file that either side touches, by path. A change after which no line differs
    touches nothing."""
    sides = [
        {path: diff for path, (before, after) in side.items() if (diff := unified(before, after))}
        for side in (predicted, gold)
    ]
    return {path: _ratio(*(side.get(path, "") for side in sides)) for path in sorted({*sides[0], *sides[1]})}


def patch_reward(predicted: Changes, gold: Changes) -> float:
    """The reward in [0, 1] of changes that are well formed."""
    found = similarities(predicted, gold)
    return sum(found.values()) / len(found) if found else 1.0


def changes_of_reply(reply: str, files: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """The changes to `files` of a reply `<think>...</think><solution>...</solution>` with SEARCH/REPLACE blocks, each
    under a line `### path`. Every place where the lines of SEARCH stand is replaced; an empty SEARCH makes a new file.

    Raises `PatchRefused` for a reply that is not in the format, or whose blocks do not fit.
    """
    wrong = [f"{tag} stands {count} times" for tag in _TAGS if (count := reply.count(tag)) != 1]
    places = [reply.find(tag) for tag in _TAGS]
    if wrong or places != sorted(places):
        raise PatchRefused(f"the reply is not in the format: {', '.join(wrong) or 'its tags are out of order'}")
    thought, solution = (reply[places[n] + len(_TAGS[n]) : places[n + 1]] for n in (0, 2))
    if not thought.strip():
        raise PatchRefused("the reply holds no thought")
    changes: dict[str, tuple[str | None, str | None]] = {}
    for path, search, replace in _blocks(solution):
        if search == replace:
            raise PatchRefused(f"SEARCH and REPLACE are the same for {path!r}")
        before, now = changes.get(path, (files.get(path),) * 2)
        changes[path] = (before, _replaced(path, now, search, replace))
    if not changes:
        raise PatchRefused("the reply holds no edit")
    return changes


@dataclass(frozen=True)
class GoldPatch:
    """The patch that is right for a task, and the texts that patches are read against: those of all files that it
    touches, and of the files that a model was shown."""

    files: Mapping[str, str]
    changes: Changes

    @classmethod
    def of(cls, files: Mapping[str, str], diff: str) -> GoldPatch:
        """From a unified diff. Raises `ConfigError` when it does not fit the files."""
        try:
            return cls(files, patched(files, diff))
        except PatchRefused as error:
            raise ConfigError(f"the gold patch cannot be used: {error}") from None


class PatchReward:
    """Judges patches by their likeness to a gold patch; the value is in {-1} or [0, 1], `wrong` for -1, `right` for 1,
    and `unknown` between, for a patch can be right and read unlike. A task without a gold patch is `unknown`.

    Args:
        golds: task id to gold patch.
        form: "patch" for answers whose text is a unified diff, "reply" for SWE-RL's tagged format, in the answer's text
            or in the model's reply behind it.
    """

    name = "patch_reward"
    oracle = True

    def __init__(self, golds: Mapping[str, GoldPatch], *, form: Literal["patch", "reply"] = "patch") -> None:
        if form not in ("patch", "reply"):
            raise ConfigError(f"form={form!r} is unknown: give 'patch' or 'reply'")
        self._golds, self._form = golds, form

    def fingerprint(self) -> dict[str, Any]:
        """What decides its verdicts, as JSON; of gold a hash."""
        golds = {id: [dict(gold.files), dict(gold.changes)] for id, gold in self._golds.items()}
        return {"form": self._form, "golds": digest(golds)}

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict per answer; the feedback names paths of the answer and no text of gold."""
        gold = self._golds.get(task.id)
        if gold is None:
            return [Verdict(value=None, feedback=f"task {task.id!r} has no gold patch") for _ in answers]
        texts = [answer.text if self._form == "patch" else _reply(answer) for answer in answers]
        return await asyncio.to_thread(lambda: [self._verdict(text, gold) for text in texts])

    def _verdict(self, text: str, gold: GoldPatch) -> Verdict:
        try:
            if len(text) > MAX_TEXT:
                raise PatchRefused(f"the answer has {len(text)} characters, above {MAX_TEXT}")
            reply = self._form == "reply"
            predicted = changes_of_reply(text, gold.files) if reply else patched(gold.files, text)
        except PatchRefused as error:
            return Verdict(value=BAD_FORMAT, label="wrong", feedback=str(error))
        value = patch_reward(predicted, gold.changes)
        touched = ", ".join(sorted(predicted))
        return Verdict(
            value=value, label="right" if value == 1 else "unknown", feedback=f"likeness {value:.3f} ({touched})"
        )


def _reply(answer: Answer) -> str:
    return answer.text if all(tag in answer.text for tag in _TAGS) else written(answer)


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """The blocks that are whole: path, SEARCH, REPLACE."""
    lines = lines_of(text)
    bare = [line.rstrip("\n") for line in lines]
    at = 0
    while at + 1 < len(lines):
        if not (bare[at].startswith(_PATH) and len(bare[at]) > len(_PATH) and bare[at + 1] == _SEARCH):
            at += 1
            continue
        try:
            middle = bare.index(_MIDDLE, at + 2)
            end = bare.index(_REPLACE, middle + 1)
        except ValueError:
            return  # and none after it ends
        yield bare[at].removeprefix(_PATH), "".join(lines[at + 2 : middle]), "".join(lines[middle + 1 : end])
        at = end + 1


def _replaced(path: str, text: str | None, search: str, replace: str) -> str:
    if not search:
        if text:
            raise PatchRefused(f"an empty SEARCH is for a new file, and {path!r} is there")
        return replace
    lines, wanted, new = lines_of(text or ""), lines_of(search), lines_of(replace)
    ended = [line if line.endswith("\n") else f"{line}\n" for line in lines]
    done: list[str] = []
    at = found = 0
    while at < len(lines):
        if ended[at] == wanted[0] and ended[at : at + len(wanted)] == wanted:
            done += new
            at, found = at + len(wanted), found + 1
        else:
            done.append(lines[at])
            at += 1
    if not found:
        raise PatchRefused(f"SEARCH is not in {path!r}: {search[:80]!r}")
    return "".join(done)


def _ratio(one: str, other: str) -> float:
    if not one or not other:
        return 0.0
    if one == other:
        return 1.0
    sides: list[tuple[Sequence[str], Sequence[str]]] = [(one.split("\n"), other.split("\n"))]
    if max(len(one), len(other)) <= LONGEST:
        sides.insert(0, (one, other))
    for a, b in sides:
        if (found := _within_bounds(a, b)) is not None:
            return found
    return SequenceMatcher(None, *sides[-1], autojunk=False).quick_ratio()


def _within_bounds(a: Sequence[str], b: Sequence[str]) -> float | None:
    """The ratio of difflib's sequence matcher, or None where it takes more than `MOST_WORK` comparisons."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    times = Counter(b)
    upto = [0, *accumulate(1 + times[each] for each in a)]
    queue, work, matched = [(0, len(a), 0, len(b))], 0, 0
    while queue:
        low, high, first, last = queue.pop()
        work += upto[high] - upto[low]
        if work > MOST_WORK:
            return None
        i, j, size = matcher.find_longest_match(low, high, first, last)
        if size:
            matched += size
            rest = [(low, i, first, j), (i + size, high, j + size, last)]
            queue += [each for each in rest if each[0] < each[1] and each[2] < each[3]]
    return 2 * matched / (len(a) + len(b))
