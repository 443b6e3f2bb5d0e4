"""Rows for training on repairs, read from the journal of a run of `agentless` (specification of Agentless, section 5).

    found = repair_rows(journal, "r", gold=patch)
    write_rows("rows.jsonl", found.rows)

Prompts are those that a model was sent and completions what it wrote, as in `chains`; nothing is kept beside the
journal. Verdicts are those of the run's own tests, or of the caller, who alone knows the gold patch. A verdict that
nobody can give makes no row, and is counted in `dropped`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from clew.errors import ConfigError, PatchRefused
from clew.graphs.agentless.job import RANK, TESTS, VALIDATE
from clew.graphs.agentless.scripts import OTHER, REPRODUCED, RESOLVED
from clew.graphs.agentless.structure import is_test
from clew.graphs.agentless.types import Candidate, Trial
from clew.journal import Event, Journal, RunRow
from clew.scoring.diffs import read_diff
from clew.training.chains import Message

Part = Literal["localisation", "repair", "preference", "reproduction", "selector"]

_SCRIPT_RUN = re.compile(r"^validate(?:@\d+)?/validate:(?P<key>[^/]+)/reproduction:(?P<number>\d+)$")
_SAYS = {REPRODUCED: "reproduced", RESOLVED: "resolved", OTHER: "other"}


@dataclass(frozen=True)
class RepairRow:
    """One sample. `prompt` and `completion` are OpenAI messages, of which only the one message of `completion` is a
    target. `task` is the task's id, `stage` the stage that asked.

    localisation  `reward`: the share of the files of the gold patch that the reply names (of stage `folders`: 1 when it
                  leaves none of them out, else 0); `about`: these `gold` files, and what was `named`
    repair        `reward`: 1 for a patch that resolves the issue, else 0; `about`: `candidate`, `set`, `sample`, `key`,
                  `outcome` ("resolved", "failed", "invalid"), the `tests` as counts
    preference    `completion` resolves the issue and `rejected` does not, both to the same prompt; `about`: `set`, and
                  the two `candidates`
    reproduction  `reward`: 1 for a script that finds the issue at the base and finds it resolved afterwards, else 0;
                  `about`: `before`, `after` (what it said then, None where it did not run) and `sample`
    selector      `completion` is empty, for no model wrote it: `prompt` is the issue, and `about` holds `choices`, each
                  a change with its `patch`, `votes`, `failures`, `fixed`, `reproduction`, and its label `resolved`

    `judged_by` is "gold", "tests" (of the run), "chosen_patch" (after which a script ran, for want of the gold patch:
    it was chosen with the help of such scripts), or "caller".
    """

    part: Part
    task: str
    run: str
    stage: str
    prompt: list[Message]
    completion: list[Message]
    reward: float | None = None
    rejected: list[Message] = field(default_factory=list)
    judged_by: str = ""
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RepairRows:
    """`dropped` counts, by part and reason ("repair: untested"), what could have been a row."""

    rows: tuple[RepairRow, ...]
    dropped: dict[str, int]


def repair_rows(
    journal: Journal,
    run: str,
    *,
    gold: str = "",
    resolved: Mapping[str, bool] | None = None,
    after_gold: Mapping[str, str] | None = None,
) -> RepairRows:
    """The rows of a run, stage by stage, candidates in the order of sample and set.

    Args:
        gold: the gold patch, a unified diff; without it there are no localisation rows.
        resolved: by candidate id whether its patch is right, as hidden tests found; without a candidate's id the run's
            own tests decide.
        after_gold: by key of a reproduction test what it says after the gold patch ("resolved", "reproduced", "other",
            "invalid"; see `clew.graphs.agentless.scripts.run_script`); without it, what it said after the chosen patch.

    A patch resolves the issue when all regression tests ran and none failed, it makes the target tests pass (at least
    one where no targets were named), and no reproduction test says otherwise. Raises `RunNotFound`, and `ConfigError`
    for a gold patch that is no diff. A run of another method has no rows.
    """
    reading = _Reading(journal, journal.find_run(run), dict(resolved or {}))
    rows = [
        *reading.localisation(_files_of(gold)),
        *reading.reproduction(after_gold),
        *reading.repair(),
        *reading.preference(),
        *reading.selector(),
    ]
    return RepairRows(tuple(rows), dict(sorted(reading.dropped.items())))


def _files_of(gold: str) -> tuple[str, ...]:
    """The files that a patch touches, by their names before it, without tests."""
    if not gold.strip():
        return ()
    try:
        touched = [file.old or file.new or "" for file in read_diff(gold)]
    except PatchRefused as error:
        raise ConfigError(f"gold= is no patch: {error}") from None
    return tuple(dict.fromkeys(path for path in touched if not is_test(path)))


class _Reading:
    """What the notes of one run say, by stage."""

    def __init__(self, journal: Journal, row: RunRow, resolved: dict[str, bool]) -> None:
        self.journal, self.row, self.given = journal, row, resolved
        self.dropped: Counter[str] = Counter()
        self.stages: dict[str, list[dict[str, Any]]] = {}
        self.calls: dict[str, Event] = {}
        self.said_after: dict[tuple[str, int], str] = {}
        for event in journal.events(row.id):
            if event.kind == "model" and event.state == "finished":
                self.calls[event.key] = event
            elif event.kind == "stage" and event.state == "note":
                self.stages.setdefault(event.request["stage"], []).append(event.request)
            elif event.kind == "program" and (place := _SCRIPT_RUN.match(event.place)) and event.state == "finished":
                self.said_after[place["key"], int(place["number"])] = _said(event)
        self.trials = {note["key"]: _trial(note) for note in self.stages.get(VALIDATE, ())}
        self.effects = {note["id"]: list(note.get("effects", ())) for note in self.stages.get("candidate", ())}
        found = {note["id"]: _candidate(note) for note in self.stages.get("candidate", ())}
        self.candidates = sorted(found.values(), key=lambda each: (each.sample, each.set))
        self.chosen = next((note["chosen"] for note in self.stages.get(RANK, ())), None)
        targets = sum(note["targets"] for note in self.stages.get(TESTS, ())[:1])
        self.targets, self.named = targets, bool((row.fingerprint or {}).get("targets"))

    # The parts ----------------------------------------------------------------------------------------------------

    def localisation(self, gold: Sequence[str]) -> Iterator[RepairRow]:
        for stage in ("files_named", "folders", "elements", "locations"):
            for note in self.stages.get(stage, ()):
                for effect, named in zip(note.get("effects", ()), _named(stage, note), strict=False):
                    if not gold:
                        self._drop("localisation", "no gold patch")
                    elif (call := self._call("localisation", effect)) is not None:
                        about = {"gold": list(gold), "named": named}
                        yield self._row("localisation", stage, call, _reward(stage, named, gold), "gold", about)

    def reproduction(self, after_gold: Mapping[str, str] | None) -> Iterator[RepairRow]:
        by = "chosen_patch" if after_gold is None else "gold"
        later = self._after_chosen() if after_gold is None else after_gold
        for note in self.stages.get("reproduction", ()):
            for sample in note["samples"]:
                before, key = sample["outcome"], sample.get("key", "")
                after = later.get(key) if before == "reproduced" else None
                if before == "reproduced" and after is None:
                    self._drop("reproduction", "did not run after the patch")
                elif before not in (*_SAYS.values(), "invalid", "no_script"):
                    self._drop("reproduction", "did not run at the base")
                elif (call := self._call("reproduction", sample.get("effect", ""))) is not None:
                    reward = float(before == "reproduced" and after == "resolved")
                    about = {"sample": sample["sample"], "before": before, "after": after}
                    yield self._row("reproduction", "reproduction", call, reward, by, about)

    def repair(self) -> Iterator[RepairRow]:
        for candidate in self.candidates:
            if (judged := self._judged(candidate)) is None:
                self._drop("repair", "untested")
            elif not self.effects[candidate.id]:
                self._drop("repair", "no model wrote it")
            elif (call := self._call("repair", self.effects[candidate.id][-1])) is not None:
                trial = self.trials.get(candidate.key)
                about = {
                    "candidate": candidate.id, "set": candidate.set, "sample": candidate.sample, "key": candidate.key,
                    "outcome": judged[0], "tests": trial.counts.model_dump() if trial and trial.counts else None,
                }  # fmt: skip
                yield self._row("repair", "repair", call, float(judged[0] == "resolved"), judged[1], about)

    def preference(self) -> Iterator[RepairRow]:
        """Every reply of a set that does not resolve the issue, against one that does, in turn."""
        sides: dict[int, dict[str, dict[str, Candidate]]] = {}
        for candidate in self.candidates:
            effects, judged = self.effects[candidate.id], self._judged(candidate)
            call = self.calls.get(effects[-1]) if effects else None
            if judged is None or call is None or call.outcome.get("finish") == "length":
                continue
            side = "right" if judged[0] == "resolved" else "wrong"
            sides.setdefault(candidate.set, {}).setdefault(side, {}).setdefault(call.outcome["text"], candidate)
        for number, found in sorted(sides.items()):
            right, wrong = (list(found.get(side, {}).values()) for side in ("right", "wrong"))
            for at, rejected in enumerate(wrong):
                asked = self._asked(rejected)
                fitting = [each for each in right if self._asked(each) == asked]
                if not fitting:
                    self._drop("preference", "none of its set resolves the issue from the same prompt")
                    continue
                chosen = fitting[at % len(fitting)]
                pair = {"set": number, "candidates": [chosen.id, rejected.id]}
                by = sorted({judged[1] for each in (chosen, rejected) if (judged := self._judged(each))})
                row = self._row("preference", "repair", self._reply(chosen), None, "+".join(by), pair)
                yield RepairRow(**{**vars(row), "rejected": _target(self._reply(rejected))})

    def selector(self) -> Iterator[RepairRow]:
        choices: dict[str, dict[str, Any]] = {}
        by: set[str] = set()
        for candidate in self.candidates:
            judged = self._judged(candidate)
            if judged is None or not candidate.key or judged[0] == "invalid":
                continue
            by.add(judged[1])
            trial = self.trials.get(candidate.key) or Trial()
            counts = trial.counts
            choice = choices.setdefault(
                candidate.key,
                {
                    "id": candidate.id, "patch": candidate.diff, "votes": 0, "fixed": len(trial.fixed),
                    "failures": None if counts is None else counts.failed + counts.error,
                    "reproduction": trial.reproduction, "resolved": judged[0] == "resolved",
                },
            )  # fmt: skip
            choice["votes"] += 1
        if len({choice["resolved"] for choice in choices.values()}) == 2:
            prompt = [{"role": "user", "content": self.row.task["prompt"]}]
            about = {"choices": list(choices.values()), "chosen": self.chosen}
            yield RepairRow(
                "selector", self.row.task["id"], self.row.id, RANK, prompt, [], None, [], "+".join(sorted(by)), about
            )
        elif choices:
            self._drop("selector", "nothing to choose between")

    # Verdicts and calls -------------------------------------------------------------------------------------------

    def _judged(self, candidate: Candidate) -> tuple[str, str] | None:
        """What became of a candidate, and who says so; None where nobody can tell."""
        if candidate.id in self.given:
            return ("resolved" if self.given[candidate.id] else "failed"), "caller"
        trial = self.trials.get(candidate.key) if candidate.key else None
        if candidate.reason or not candidate.key or not candidate.syntax_ok or (trial and trial.refused):
            return "invalid", "tests"
        if trial is None:
            return None
        failures = trial.counts.failed + trial.counts.error if trial.counts is not None else 0
        if failures or trial.reproduction == "failed":
            return "failed", "tests"
        if trial.counts is None:
            return None
        reproduced = trial.reproduction == "passed"
        if len(trial.fixed) < (self.targets if self.named else min(self.targets, 1 - reproduced)):
            return "failed", "tests"
        # Tests that passed before and pass now tell nothing of the issue.
        return ("resolved", "tests") if trial.whole and (trial.fixed or reproduced) else None

    def _after_chosen(self) -> dict[str, str]:
        """What the reproduction tests said after the chosen patch, by key."""
        chosen = next((each for each in self.candidates if each.id == self.chosen), None)
        tests = [test["key"] for note in self.stages.get("reproduction", ()) for test in note["tests"]]
        if chosen is None:
            return {}
        said = {key: self.said_after.get((chosen.key[:16], number)) for number, key in enumerate(tests)}
        return {key: word for key, word in said.items() if word is not None}

    def _call(self, part: Part, effect: str) -> Event | None:
        call = self.calls.get(effect)
        if call is None or call.outcome.get("finish") == "length" or not call.outcome["text"].strip():
            why = "no reply" if call is None else "empty" if not call.outcome["text"].strip() else "cut by its limit"
            self._drop(part, why)
            return None
        return call

    def _reply(self, candidate: Candidate) -> Event:
        return self.calls[self.effects[candidate.id][-1]]

    def _asked(self, candidate: Candidate) -> str:
        return str(self._reply(candidate).request["transcript"]["transcript"])

    def _row(
        self, part: Part, stage: str, call: Event, reward: float | None, judged_by: str, about: dict[str, Any]
    ) -> RepairRow:
        prompt = self.journal.transcript(call.request["transcript"]["transcript"]).messages()
        return RepairRow(
            part, self.row.task["id"], self.row.id, stage, prompt, _target(call), reward, [], judged_by, about
        )

    def _drop(self, part: Part, why: str) -> None:
        self.dropped[f"{part}: {why}"] += 1


def _target(call: Event) -> list[Message]:
    return [{"role": "assistant", "content": call.outcome["text"]}]


def _named(stage: str, note: Mapping[str, Any]) -> list[list[str]]:
    """What each reply of a note names."""
    if stage == "files_named":
        return [list(note["files"])]
    if stage == "folders":
        return [sorted([*note["folders"], *note["kept"]])]
    return [list(places) for places in note["places"]]


def _reward(stage: str, named: Sequence[str], gold: Sequence[str]) -> float:
    if stage == "folders":
        return float(not any(path.startswith(f"{folder.rstrip('/')}/") for path in gold for folder in named))
    if stage == "files_named":
        return sum(path in named for path in gold) / len(gold)
    return sum(any(place.startswith(f"{path}:") for place in named) for path in gold) / len(gold)


def _said(event: Event) -> str:
    """What a reproduction test said: the phrase that carries the number of its folder."""
    seal = str(event.request["argv"][-1]).partition("/")[0].removeprefix(".clew-")
    found = [word for phrase, word in _SAYS.items() if f"{phrase} [{seal}]" in event.outcome["stdout"]]
    return found[0] if len(found) == 1 else "invalid"


def _candidate(note: Mapping[str, Any]) -> Candidate:
    return Candidate.model_validate({name: note[name] for name in Candidate.model_fields if name in note})


def _trial(note: Mapping[str, Any]) -> Trial:
    return Trial.model_validate({name: note[name] for name in Trial.model_fields if name in note})
