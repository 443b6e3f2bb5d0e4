"""Reflexion: attempts at one task, each after the first with what the model learned from those that failed
(Shinn et al., arXiv 2303.11366, algorithm 1). The actor is any graph, the evaluator any scorer."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from clew.errors import ConfigError, EffectFailed, Refused
from clew.graphs.base import END_PHASE, Graph, State, Steps, check_limits, graph_of, prompt_hashes
from clew.graphs.strategies.base import FINE, Ended, ask_inner, check_gold, identity, judged, noted
from clew.graphs.strategies.reflexion_notes import EXAMPLES, INSTRUCTION, reflect
from clew.graphs.strategies.reflexion_rules import ATTEMPT_TOKENS, Foreign, Kept, Record, Rules, Variant
from clew.journal import Recipe, current, note, scope
from clew.models import Model
from clew.scoring import Scorer, Verdict
from clew.scoring.verdict import knows_gold
from clew.task import Answer, Task, TaskKind, Trace

if TYPE_CHECKING:
    from clew.memory import Episodes

T = TypeVar("T")

# So many lessons of the task itself are looked past for those of others.
OWN_LESSONS = 8


@dataclass(frozen=True)
class Loop:
    """The phases of the algorithm over one JSON state: `attempt`, `evaluate`, `reflect`, `store`, and `judge` at the
    end. Every variant goes through all of them, so that equal attempts have equal addresses and equal seeds."""

    inner: Any
    scorer: Scorer
    model: Model
    rules: Rules
    memory: Episodes | None
    cross_task: int
    judge: Scorer | None
    instruction: str
    examples: Mapping[TaskKind, str]

    async def start(self, task: Task) -> State:
        record = Record()
        if self.memory is not None and self.cross_task:
            # The task's own lessons, of earlier runs, are the nearest.
            found = await _tried(self.memory.recall(task, self.cross_task + OWN_LESSONS)) or []
            others = [one for one in found if one.lesson.situation.strip() != task.question.strip()]
            for lesson, similarity in others[: self.cross_task]:
                origin = lesson.origin or lesson.task_id
                record.recalled.append(Foreign(id=lesson.id, text=lesson.text, origin=origin, similarity=similarity))
        return {"record": record.model_dump(mode="json"), "reflection": None, "end": None, "judged": None}

    async def attempt(self, state: State) -> State:
        """ATTEMPT: the inner graph, told what was learned."""
        task, record = _read(state)
        told = noted(task, *self.rules.notes(record, task))
        record.attempts.append(await ask_inner(self.inner, told, "attempt", record.trial + 1))
        return _written(state, record, phase="evaluate")

    async def evaluate(self, state: State) -> State:
        """EVALUATE and LIMIT?"""
        task, record = _read(state)
        answer = record.attempts[-1]
        with scope("evaluate", record.trial):
            verdict, (status, reason) = await _judged(self.scorer, task, answer)
            record.verdicts.append(verdict)
            await self._credit(record)
        made = {"trial": record.trial, "scope": answer.trace and answer.trace.scope, "status": answer.status}
        note("attempt", {**made, "text": answer.text, **verdict.model_dump()})
        end = self.rules.end(record, reason if status == "budget" else "")
        return _written(state, record, end=end, phase="judge" if end else "reflect")

    async def reflect(self, state: State) -> State:
        """REFLECT: None where the variant shows no reflections."""
        task, record = _read(state)
        if not self.rules.shows(task)[0]:
            return {**state, "reflection": None, "phase": "store"}
        earlier = [kept.reflection for kept in self.rules.recent(record)]
        try:
            with scope("reflect", record.trial):
                found = await reflect(
                    self.model, task, record.attempts[-1], self.rules.feedback(record), earlier,
                    attempt_tokens=ATTEMPT_TOKENS, instruction=self.instruction, examples=self.examples,
                )  # fmt: skip
        except Refused as refused:
            return {**state, "end": ("budget", refused.limit), "phase": "judge"}
        return {**state, "reflection": found.model_dump() if found else None, "phase": "store"}

    async def store(self, state: State) -> State:
        """STORE. All reflections are kept; how many an attempt is shown is another matter."""
        task, record = _read(state)
        if state["reflection"] is not None:
            kept = Kept(source_attempt=record.trial, reflection=state["reflection"])
            note("reflection", {"source_attempt": record.trial, **state["reflection"]})
            with scope("remember", record.trial):
                kept.lesson = await self._remember(task, kept)
            record.reflections.append(kept)
        return _written(state, record, reflection=None, phase="attempt")

    async def hidden(self, state: State) -> State:
        """DONE: the hidden judge, once; what it says reaches no prompt."""
        if self.judge is not None:
            task, record = _read(state)
            with scope("judge"):
                verdict, _ = await _judged(self.judge, task, record.attempts[self.rules.best(record)])
            state = {**state, "judged": verdict.label}
        return {**state, "phase": END_PHASE}

    def finish(self, state: State) -> Answer:
        _, record = _read(state)
        chosen, (status, reason) = self.rules.best(record), state["end"]
        if status == "ok" and state["judged"] == "wrong":
            status, reason = "false_positive", "judge"
        scores = [verdict.value for verdict in record.verdicts]
        report = {
            "chosen": chosen,
            "labels": [verdict.label for verdict in record.verdicts],
            "passed": [self.rules.passed(verdict) for verdict in record.verdicts],
            "reflections": [kept.model_dump(mode="json") for kept in record.reflections],
            "recalled": [one.id for one in record.recalled],
            "oracle_feedback": knows_gold(self.scorer),
            "judged": state["judged"],
        }
        note("reflexion", {**report, "status": status, "stop_reason": reason})
        best = record.attempts[chosen]
        return best.model_copy(
            update={
                "status": status,
                "stop_reason": reason,
                "artifacts": {**best.artifacts, "reflexion": report},
                "score": scores[chosen],
                "candidates": tuple(
                    one.model_copy(update={"score": score, "candidates": ()})
                    for one, score in zip(record.attempts, scores, strict=True)
                ),
                "trace": Trace(run=current().id),
            }
        )

    async def _credit(self, record: Record) -> None:
        """Whether the last attempt was helped by what it was the first to be shown: the lessons of other tasks, or the
        reflection on the attempt before it."""
        trial, helped = record.trial, self.rules.passed(record.verdicts[-1])
        lessons = [one.id for one in record.recalled] if trial == 1 else []
        for kept in self.rules.recent(record):
            kept.used_in.append(trial)
            if kept.source_attempt == trial - 1:
                kept.helped = helped
                lessons.append(kept.lesson)
                note("reflection_used", {"source_attempt": trial - 1, "trial": trial, "helped": helped})
        if self.memory is not None and any(lessons) and helped is not None:
            await _tried(self.memory.credit([id for id in lessons if id], helped))

    async def _remember(self, task: Task, kept: Kept) -> str:
        """The id of the lesson in the memory; empty without one."""
        if self.memory is None:
            return ""
        from clew.memory import Lesson, family_of

        said = kept.reflection
        lesson = Lesson(
            text=said.text, fields=said.fields, family=family_of(task), task_id=task.id, situation=task.question
        )
        remembered = await _tried(self.memory.remember(lesson))
        return remembered.id if remembered else ""


async def _judged(scorer: Scorer, task: Task, answer: Answer) -> tuple[Verdict, Ended]:
    """The verdict on `answer`, and how the scorer ended. Nothing is wrong without a scorer."""
    if not answer.text.strip() and task.kind != "repair":
        said = "no code found" if task.kind == "code" else "no answer was given"
        return Verdict(value=0.0, label="wrong", feedback=said), FINE
    [verdict], ended = await judged(scorer, task, [answer])
    return verdict, ended


async def _tried(access: Awaitable[T]) -> T | None:
    """What an access to the memory brings; None when it fails or the budget refuses it: a run can do without."""
    try:
        return await access
    except (Refused, EffectFailed) as error:
        note("memory_failed", {"error": f"{type(error).__name__}: {error}"})
        return None


def _read(state: State) -> tuple[Task, Record]:
    return Task.model_validate(state["task"]), Record.model_validate(state["record"])


def _written(state: State, record: Record, **more: Any) -> State:
    return {**state, "record": record.model_dump(mode="json"), **more}


def reflexion(
    inner: Any,
    *,
    scorer: Scorer,
    model: Model,
    max_trials: int = 3,
    memory_size: int = 3,
    variant: Variant = "auto",
    memory: Episodes | None = None,
    cross_task: int = 0,
    oracle: bool = False,
    judge: Scorer | None = None,
    threshold: float = 0.7,
    patience: int = 0,
    instruction: str = INSTRUCTION,
    examples: Mapping[TaskKind, str] = EXAMPLES,
    recipe: Recipe | None = None,
) -> Graph:
    """Runs `inner` up to `max_trials` times, until `scorer` accepts its answer.

    Args:
        inner: a graph. It is told in notes what was learned, and read through its answer and the journal.
        scorer: the evaluator. An answer passes that it calls `right`, or, where it does not decide, that it values at
            `threshold` or more. What it says of a failed attempt is feedback.
        model: writes the reflections; see `reflexion_notes.reflect`.
        memory_size: the paper's Omega: how many reflections an attempt is shown, the last ones, oldest first.
        variant: what an attempt is shown of earlier ones: `reflection`, `last_attempt` (its steps or its program, and
            the feedback), `both`, or `none` (plain retry, at the same addresses and so with the same seeds). `auto` is
            the paper's choice: `both` for programs, else `reflection`.
        memory: keeps the reflections beyond the run, and counts those that helped.
        cross_task: so many lessons from other tasks are taken from `memory` at most, marked with their origin.
        oracle: must be set for a scorer that holds gold answers. Attempts then learn that they failed, and nothing
            else that it says.
        judge: a hidden scorer, asked once at the end about the returned answer; what it says reaches no prompt.
        patience: ends the loop when so many attempts in a row repeat the answer before them; 0 never does.
        instruction, examples: the prompt of the reflections.

    Status `ok` when an attempt passed; `false_positive` when `judge` calls such an answer wrong; `exhausted` (stop
    reason `max_trials` or `no_progress`); `no_evaluator` when the scorer could not judge an attempt; `budget`; `error`
    when a failure of something else ended an attempt. The answer is always the best attempt so far, and `candidates`
    are all of them. `artifacts["reflexion"]` holds their `labels`, whether they `passed`, the number of the `chosen`
    one, all `reflections` (each with `used_in` and `helped`: whether the next attempt passed), the ids of `recalled`
    lessons, `oracle_feedback`, and what the hidden judge said (`judged`). Notes `attempt`, `reflection`,
    `reflection_used` and `reflexion` say the same in the journal.

    Raises `ConfigError` for a scorer that holds gold answers without `oracle`, and for settings that make no sense.
    """
    limits = {"max_trials": max_trials, "memory_size": memory_size, "cross_task": cross_task, "patience": patience}
    check_limits("reflexion", limits, {"max_trials": 1, "memory_size": 1, "cross_task": 0, "patience": 0})
    check_gold("reflexion", scorer, oracle)
    if variant not in get_args(Variant):
        raise ConfigError(f"reflexion: variant={variant!r} is unknown: give one of {', '.join(get_args(Variant))}")
    if cross_task and memory is None:
        raise ConfigError(f"reflexion: cross_task={cross_task!r} needs a memory to take lessons from: give memory=...")
    rules = Rules(max_trials, memory_size, variant, threshold, patience, scorer.name, knows_gold(scorer))
    loop = Loop(inner, scorer, model, rules, memory, cross_task, judge, instruction, examples)
    phases = {
        "attempt": loop.attempt,
        "evaluate": loop.evaluate,
        "reflect": loop.reflect,
        "store": loop.store,
        "judge": loop.hidden,
    }
    fingerprint = {
        "method": "reflexion",
        **{"inner": identity(inner), "scorer": identity(scorer), "judge": judge and identity(judge)},
        **{"model": model.fingerprint(), "variant": variant, "threshold": threshold, **limits},
        "prompts": prompt_hashes(instruction=instruction, examples=str(sorted(examples.items()))),
        "memory": memory and memory.store.name,
    }
    steps = Steps(loop.start, phases, loop.finish, "attempt")
    return graph_of(steps, name="reflexion", fingerprint=fingerprint, recipe=recipe)
