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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from clew.errors import ConfigError, PatchRefused
from clew.graphs.agentless.job import RANK, TESTS, VALIDATE
from clew.graphs.agentless.languages import suffix_of
from clew.graphs.agentless.scripts import OTHER, REPRODUCED, RESOLVED
from clew.graphs.agentless.structure import is_test
from clew.graphs.agentless.types import Candidate, Trial
from clew.journal import Event, Journal, RunRow
from clew.sandbox.types import Execution
from clew.scoring.diffs import read_diff
from clew.training.chains import Message

Part = Literal["localisation", "repair", "preference", "reproduction", "selector"]

_SCRIPT_RUN = re.compile(r"^validate(?:@\d+)?/validate:(?P<key>[^/]+)/reproduction:(?P<number>\d+)$")
_SCRIPTS_SAY: Mapping[str | None, bool] = {"passed": True, "failed": False}
_SAYS = {REPRODUCED: "reproduced", RESOLVED: "resolved", OTHER: "other"}


@dataclass(frozen=True)
class RepairRow:
    """One sample. `prompt` and `completion` are OpenAI messages, of which only the one message of `completion` is a
    target. `task` is the task's id, `stage` the stage that asked; `repo` and `commit` say what was repaired ("" where
    the run does not tell), so that rows can be kept apart from what a model is evaluated on (`apart`).

    localisation  `reward`: the share of the files of the gold patch that the reply names (of stage `folders`: 1 when it
                  leaves none of them out, else 0); `about`: these `gold` files, and what was `named`
    repair        `reward`: 1 for a patch that resolves the issue, else 0; `about`: `candidate`, `set`, `sample`, `key`,
                  `outcome` ("resolved", "failed", "invalid"), the `tests` as counts, and how many passing tests the
                  model had `left_out` of them
    preference    `completion` resolves the issue and `rejected` does not, both to the same prompt; `about`: `set`, and
                  the two `candidates`
    reproduction  `reward`: 1 for a script that finds the issue at the base and finds it resolved afterwards, else 0;
                  `about`: `before`, `after` (what it said then, None where it did not run) and `sample`
    selector      `completion` is empty, for no model wrote it: `prompt` is the issue, and `about` holds `choices`, each
                  a change with its `patch`, `votes`, `failures`, `fixed`, `reproduction`, and its label `resolved`

    `judged_by` is "gold", "caller", "tests" (of the repository, in the run), "scripts" (nothing but the run's own
    reproduction tests tells, which a model wrote from the issue), or "chosen_patch" (after which a script ran, for want
    of the gold patch; only where the caller or tests found that patch right).
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
    repo: str = ""
    commit: str = ""


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
        resolved: by candidate id whether its patch is right, as hidden tests found; it holds for all candidates of the
            same key. For the others the run's own tests decide.
        after_gold: by key of a reproduction test what it says after the gold patch ("resolved", "reproduced", "other",
            "invalid"; see `clew.graphs.agentless.scripts.run_script`); without it, what it said after the chosen patch.

    A patch resolves the issue when all regression tests ran and passed, it makes the target tests pass (where no
    targets were named, as many as any other patch that breaks nothing), and the reproduction tests do not say
    otherwise. Where tests and reproduction tests contradict each other, nobody can tell. Raises `RunNotFound`, and
    `ConfigError` for a gold patch that is no diff. A run of another method has no rows.
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


def apart(rows: Iterable[RepairRow], evaluated: Iterable[Mapping[str, Any]]) -> list[RepairRow]:
    """The rows of repositories that none of the `evaluated` instances is of, by the last part of their names: another
    commit of one shares most of its code. Rows that do not say what was repaired are left out."""
    names = {_short(str(each["repo"])) for each in evaluated}
    return [row for row in rows if row.repo and _short(row.repo) not in names]


def _short(repo: str) -> str:
    return re.split("[/:]", repo.rstrip("/").removesuffix(".git"))[-1].lower().replace("_", "-")


def _files_of(gold: str) -> tuple[str, ...]:
    """The source files that a patch touches, by their names before it, without tests: those that a stage can name."""
    if not gold.strip():
        return ()
    try:
        touched = [file.old for file in read_diff(gold) if file.old is not None]
    except PatchRefused as error:
        raise ConfigError(f"gold= is no patch: {error}") from None
    return tuple(dict.fromkeys(path for path in touched if suffix_of(path) and not is_test(path)))


class _Reading:
    """What the notes of one run say, by stage."""

    def __init__(self, journal: Journal, row: RunRow, resolved: dict[str, bool]) -> None:
        self.journal, self.row = journal, row
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
        # What a resumed run did again stands after what it did before, and the answer knows what counted.
        answer = ((row.answer or {}).get("artifacts") or {}).get("repair") or {}
        told = {note["key"]: note for note in self.stages.get(VALIDATE, ())} | (answer.get("trials") or {})
        self.trials = {key: _trial(note) for key, note in told.items()}
        self.effects = {note["id"]: list(note.get("effects", ())) for note in self.stages.get("candidate", ())}
        found = {note["id"]: _candidate(note) for note in self.stages.get("candidate", ())}
        self.candidates = sorted(found.values(), key=lambda each: (each.sample, each.set))
        ranked = next((note["chosen"] for note in self.stages.get(RANK, ())[::-1]), None)
        self.chosen = found.get(answer.get("chosen", ranked) or "")
        targets = sum(note["targets"] for note in self.stages.get(TESTS, ())[-1:])
        self.targets, self.named = int(targets), bool((row.fingerprint or {}).get("targets"))
        self.left_out = sum(len(note["dropped"]) for note in self.stages.get("regression", ())[-1:])
        self.given: dict[str, set[bool]] = {}
        for id, right in resolved.items():
            self.given.setdefault(_identity(found[id]) if id in found else id, set()).add(right)
        plan = ((row.recipe or {}).get("args") or {}).get("repair") or {}
        self.repo, self.commit = str(plan.get("project") or plan.get("repo") or ""), str(plan.get("commit") or "")

    # The parts ----------------------------------------------------------------------------------------------------

    def localisation(self, gold: Sequence[str]) -> Iterator[RepairRow]:
        for stage in ("files_named", "folders", "elements", "locations"):
            replies = {
                effect: named
                for note in self.stages.get(stage, ())
                for effect, named in zip(note.get("effects", ()), _named(stage, note), strict=False)
            }
            for effect, named in replies.items():
                if not gold:
                    self._drop("localisation", "no gold patch, or none of a source file")
                elif (call := self._call("localisation", effect)) is not None:
                    about = {"gold": list(gold), "named": named}
                    yield self._row("localisation", stage, call, _reward(stage, named, gold), "gold", about)

    def reproduction(self, after_gold: Mapping[str, str] | None) -> Iterator[RepairRow]:
        by = "chosen_patch" if after_gold is None else "gold"
        later = self._after_chosen() if after_gold is None else after_gold
        for note in self.stages.get("reproduction", ())[-1:]:
            for sample in note["samples"]:
                before, key = sample["outcome"], sample.get("key", "")
                after = later.get(key) if before == "reproduced" else None
                if before == "reproduced" and after is None:
                    self._drop("reproduction", "did not run after a patch that is right")
                elif before not in (*_SAYS.values(), "invalid", "no_script"):
                    self._drop("reproduction", "did not run at the base")
                elif (call := self._call("reproduction", sample.get("effect", ""))) is not None:
                    reward = float(before == "reproduced" and after == "resolved")
                    about = {"sample": sample["sample"], "key": key, "before": before, "after": after}
                    yield self._row("reproduction", "reproduction", call, reward, by, about)

    def repair(self) -> Iterator[RepairRow]:
        for candidate in self.candidates:
            if (judged := self._judged(candidate)) is None:
                self._drop("repair", self._why_unjudged(candidate))
            elif not self.effects[candidate.id]:
                self._drop("repair", "no model wrote it")
            elif (call := self._call("repair", self.effects[candidate.id][-1])) is not None:
                trial = self.trials.get(candidate.key)
                about = {
                    "candidate": candidate.id, "set": candidate.set, "sample": candidate.sample, "key": candidate.key,
                    "outcome": judged[0], "tests": trial.counts.model_dump() if trial and trial.counts else None,
                    "left_out": self.left_out,
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
            right = list(found.get("right", {}).values())
            wrong = [each for text, each in found.get("wrong", {}).items() if text not in found.get("right", {})]
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
            chosen = choices.get(self.chosen.key) if self.chosen else None
            about = {"choices": list(choices.values()), "chosen": chosen and chosen["id"]}
            yield RepairRow(
                "selector", self.row.task["id"], self.row.id, RANK, prompt, [], None, [], "+".join(sorted(by)), about,
                self.repo, self.commit,
            )  # fmt: skip
        elif choices:
            self._drop("selector", "nothing to choose between")

    # Verdicts and calls -------------------------------------------------------------------------------------------

    def _judged(self, candidate: Candidate) -> tuple[str, str] | None:
        """What became of a candidate, and who says so; None where nobody can tell."""
        if given := self.given.get(_identity(candidate)):
            return (("resolved" if True in given else "failed"), "caller") if len(given) == 1 else None
        trial = self._trial_of(candidate)
        if candidate.reason or not candidate.key or not candidate.syntax_ok or (trial and trial.refused):
            return "invalid", "tests"
        if trial is None:
            return None
        if _broken(trial):
            return "failed", "tests"
        tests, scripts = self._tests_say(trial), _SCRIPTS_SAY.get(trial.reproduction)
        if tests and scripts is False:
            return None
        right, by = (scripts, "scripts") if tests is None else (tests, "tests")
        if right is False:
            return "failed", by
        return ("resolved", by) if right and trial.whole else None

    def _tests_say(self, trial: Trial) -> bool | None:
        """Whether target tests speak for a change that breaks nothing; None where they tell nothing."""
        fixed = len(trial.fixed)
        if trial.counts is None or not (self.targets or fixed):
            return None
        if not self.targets and set(trial.messages) - set(trial.broken):
            return None  # of a file that could not be read before some tests fail: nobody named those that matter
        if self.named:
            return fixed >= self.targets
        if trial.reproduction == "passed" and not (fixed or self._most_fixed()):
            return None  # they may fail for reasons of their own
        return fixed >= max(1, self._most_fixed())

    def _most_fixed(self) -> int:
        return max((len(each.fixed) for each in self.trials.values() if each.whole and not _broken(each)), default=0)

    def _trial_of(self, candidate: Candidate) -> Trial | None:
        return self.trials.get(candidate.key) if candidate.key else None

    def _why_unjudged(self, candidate: Candidate) -> str:
        trial = self._trial_of(candidate)
        return "untested" if trial is None or not trial.whole else "verdicts contradict each other, or tell nothing"

    def _after_chosen(self) -> dict[str, str]:
        """What the reproduction tests said after the chosen patch, by key, where it is right for another reason than
        that they say so."""
        judged = self._judged(self.chosen) if self.chosen else None
        if self.chosen is None or judged not in (("resolved", "tests"), ("resolved", "caller")):
            return {}
        tests = [test["key"] for note in self.stages.get("reproduction", ())[-1:] for test in note["tests"]]
        said = {key: self.said_after.get((self.chosen.key[:16], number)) for number, key in enumerate(tests)}
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
            part, self.row.task["id"], self.row.id, stage, prompt, _target(call), reward, [], judged_by, about,
            self.repo, self.commit,
        )  # fmt: skip

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


def _identity(candidate: Candidate) -> str:
    """What one verdict holds for: all candidates that make the same change."""
    return candidate.key or candidate.id


def _broken(trial: Trial) -> int:
    """How many tests that passed at the base do not pass any more; one that is skipped now does not."""
    counts = trial.counts
    return 0 if counts is None else counts.failed + counts.error + counts.skipped


def _said(event: Event) -> str:
    """What a reproduction test said, as `scripts.run_script`: the phrase that carries the number of its folder."""
    execution = Execution(**event.outcome)
    if execution.status not in ("ok", "error") or execution.exit_code >= 126:
        return "invalid"
    seal = str(event.request["argv"][-1]).partition("/")[0].removeprefix(".clew-")
    found = [word for phrase, word in _SAYS.items() if f"{phrase} [{seal}]" in execution.stdout]
    return found[0] if len(found) == 1 else "invalid"


def _candidate(note: Mapping[str, Any]) -> Candidate:
    return Candidate.model_validate({name: note[name] for name in Candidate.model_fields if name in note})


def _trial(note: Mapping[str, Any]) -> Trial:
    return Trial.model_validate({name: note[name] for name in Trial.model_fields if name in note})
