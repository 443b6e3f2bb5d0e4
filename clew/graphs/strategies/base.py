"""What strategies share: asking inner graphs, notes and drafts, the rule for a strategy's answer, and the graph around
one async function from task to answer.

A strategy speaks to an inner method through `Task.notes` and reads it through the `Answer`, its `trace` and its
`candidates`, never otherwise. Inner graphs are any LangGraph graphs from `{"task": ...}` to `{"answer": ...}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from langgraph._internal._constants import CONFIG_KEY_RUNTIME
from langgraph.graph import END, START, StateGraph

from clew.errors import ClewError, ConfigError, EffectFailed, Refused
from clew.graphs.base import Graph, MethodState, as_task, side_by_side
from clew.graphs.final import stopped
from clew.journal import Recipe, current, note, scope
from clew.journal.address import here, langgraph_config
from clew.journal.identity import fingerprint
from clew.scoring import Scorer, Verdict, fingerprint_of, knows_gold
from clew.scoring.written import SCORER, written
from clew.task import Answer, Note, Status, Task, Trace

# How a call of a strategy itself ended: the status of what it brought, and the reason.
Ended = tuple[Status, str]
FINE: Ended = ("ok", "")

# A draft longer than this is cut in its middle, so that a few of them fit a prompt.
LONGEST_DRAFT = 6_000

# More runs of one graph for one task are a slip of the pen.
MOST_RUNS = 10_000


async def ask_inner(graph: Any, task: Task, name: str, index: int | str | None = None) -> Answer:
    """The answer of `graph`, which runs in `scope(name, index)`; `answer.trace.scope` is the path under which the
    journal holds all of its events.

    An inner run that a budget limit or a failed effect ended is an answer with status `budget`, `partial` (context
    overflow) or `error`; whatever else it raises, an interrupt too, goes on. Raises `ConfigError` for a graph that
    returns no answer.
    """
    with scope(name, index):
        place = here(current().nodes).place
        try:
            done = await graph.ainvoke({"task": task.model_dump(mode="json")}, own_store(graph))
            answer = _answer_of(graph, done)
        except (Refused, EffectFailed, ExceptionGroup) as error:
            answer = ended_by(error)
    return answer.model_copy(update={"trace": Trace(run=current().id, scope=place)})


async def ask_all(graphs: Sequence[Any], task: Task, name: str, *, at_once: int, first: int = 0) -> list[Answer]:
    """The answers of `graphs`, at most `at_once` of which run at a time, in their order; number i runs in
    `scope(name, first + i)`."""
    asked = [partial(ask_inner, graph, task, name, i) for i, graph in enumerate(graphs, first)]
    return await side_by_side(asked, at_once)


def own_store(graph: Any) -> dict[str, Any] | None:
    """The config with which an inner graph that was compiled with a store finds it: LangGraph gives a nested graph that
    of the graph around it."""
    runtime = (langgraph_config().get("configurable") or {}).get(CONFIG_KEY_RUNTIME)
    store = getattr(graph, "store", None)
    return (
        None
        if runtime is None or store is None
        else {"configurable": {CONFIG_KEY_RUNTIME: runtime.override(store=store)}}
    )


def noted(task: Task, *notes: Note) -> Task:
    """`task` with `notes` after those that it has."""
    return task.model_copy(update={"notes": (*task.notes, *notes)})


def draft(answer: Answer) -> str:
    """What the inner model wrote up to `answer`, see `written`; beyond 6,000 characters the middle is left out."""
    found, half = written(answer), LONGEST_DRAFT // 2
    return found if len(found) <= LONGEST_DRAFT else f"{found[:half]}\n[...]\n{found[-half:]}"


def concluded(
    name: str,
    candidates: Sequence[Answer],
    chosen: int | None,
    report: Mapping[str, Any],
    *,
    ended: Ended = FINE,
    score: float | None = None,
) -> Answer:
    """The answer of strategy `name`: candidate number `chosen`, with all `candidates` beside it (without candidates of
    their own). None chooses the first candidate with a text, or the first one.

    Its status is that of the chosen candidate, with two exceptions, both beside the best text there is: `budget` when a
    limit refused an inner run or a call of the strategy itself; `partial` when such a call of its own (`ended`) brought
    nothing for another reason. `report`, with the number that was chosen, is noted in the journal under `name`, and
    stands in `artifacts[name]`.
    """
    if chosen is None:
        chosen = next((i for i, candidate in enumerate(candidates) if candidate.text), 0)
    best, report = candidates[chosen], {"chosen": chosen, **report}
    note(name, report)
    status, reason = ended
    if status not in ("ok", "budget"):
        status, reason = "partial", reason or status
    limits = [one.stop_reason for one in (best, *candidates) if one.status == "budget"]
    if limits:
        status, reason = "budget", limits[0]
    update = {} if status == "ok" else {"status": status, "stop_reason": reason}
    own = {"artifacts": {**best.artifacts, name: report}, "candidates": tuple(map(_leaf, candidates)), "score": score}
    return best.model_copy(update={**own, **update})


def strategy_graph(
    name: str,
    ask: Callable[[Task], Awaitable[Answer]],
    settings: Mapping[str, Any],
    recipe: Recipe | None = None,
) -> Graph:
    """The graph of a strategy that is the function `ask`: one node, in which the inner graphs run as subgraphs.
    `settings` (JSON) is what decides its answers, for the fingerprint; see `identity` for its parts."""

    async def strategy(state: MethodState) -> MethodState:
        task = as_task(state["task"])
        try:
            answer = await ask(task)
        except (Refused, EffectFailed, ExceptionGroup) as error:
            answer = ended_by(error)
        answer = answer.model_copy(update={"trace": Trace(run=current().id)})
        return {"answer": answer.model_dump(mode="json")}

    builder = StateGraph(MethodState)
    builder.add_node(name, strategy)
    builder.add_edge(START, name)
    builder.add_edge(name, END)
    return Graph.of(builder.compile(name=name), fingerprint={"method": name, **settings}, recipe=recipe)


def identity(part: Any) -> Any:
    """What decides the behaviour of an inner graph, a scorer, a model or a function, as JSON for a fingerprint."""
    if hasattr(part, "ainvoke"):
        return {name: value for name, value in fingerprint(part).items() if name != "clew"}
    if hasattr(part, "score"):
        return fingerprint_of(part)
    if callable(own := getattr(part, "fingerprint", None)):
        return own()
    return getattr(part, "__qualname__", type(part).__qualname__)


def check_runs(name: str, n: int) -> None:
    """Raises `ConfigError` when strategy `name` would run a graph more than 10,000 times."""
    if n > MOST_RUNS:
        raise ConfigError(f"{name}: n={n!r} is more runs than anyone can mean: give at most {MOST_RUNS:,}")


def check_gold(name: str, scorer: Scorer, oracle: bool) -> None:
    """Raises `ConfigError` when strategy `name` would choose by gold answers without saying so."""
    if knows_gold(scorer) and not oracle:
        raise ConfigError(
            f"{name}: the scorer {scorer.name!r} holds gold answers, which a method must not see: give one that judges "
            "without them, or oracle=True for an upper bound"
        )


async def verdicts_on(scorer: Scorer, task: Task, answers: Sequence[Answer]) -> tuple[list[Verdict], Ended]:
    """A verdict per answer, `unknown` for those without a text and when the scorer fails, and how the scorer ended, see
    `judged`."""
    verdicts = [Verdict(value=None, feedback="there is no answer") for _ in answers]
    said = [i for i, answer in enumerate(answers) if answer.text]
    if not said:
        return verdicts, FINE
    found, ended = await judged(scorer, task, [answers[i] for i in said])
    for i, verdict in zip(said, found, strict=True):
        verdicts[i] = verdict
    return verdicts, ended


async def judged(scorer: Scorer, task: Task, answers: Sequence[Answer]) -> tuple[list[Verdict], Ended]:
    """The verdicts of `scorer`, asked for in the scope `scorer`, and how it ended: `FINE`, `budget` with the limit that
    refused one of its effects, or what made one fail.

    Scorers do not raise, and not all say what kept them from judging: the journal knows how their effects ended. Tests
    that stand elsewhere in the run are told by the verdict's `tests`.
    """
    with scope(SCORER):
        place = here(current().nodes).place
        try:
            verdicts = await scorer.score(task, answers)
        except (Refused, EffectFailed) as error:
            return [Verdict(value=None, feedback=f"{type(error).__name__}: {error}") for _ in answers], stopped(error)
    if causes := _ended_under(place):
        return verdicts, stopped(_first(causes))
    kept = sorted((one.tests.status, one.tests.reason) for one in verdicts if one.tests and one.tests.status != "ok")
    return verdicts, next(iter(kept), FINE)


def _ended_under(place: str) -> list[ClewError]:
    """What the effects of this execution under `place` ended with that were refused or failed. What an argument made
    impossible, as a sample that is too large, the scorer tells by itself."""
    run = current()
    rows = [
        row for row in run.record.known.values()
        if row.state in ("refused", "failed") and row.parent is None and (row.used or row.fresh)
        and row.place.startswith(f"{place}/")
    ]  # fmt: skip
    outcomes = [run.journal.outcome(row.seq) for row in rows]
    causes = [ClewError.rebuild(outcome["cause"], outcome["message"]) for outcome in outcomes]
    return [cause for cause in causes if isinstance(cause, Refused | EffectFailed)]


def ended_by(error: Exception) -> Answer:
    """The answer of a graph that a limit or a failed effect ended. Raises `error` when it is something else."""
    causes = list(_leaves(error))
    if not all(isinstance(cause, Refused | EffectFailed) for cause in causes):
        raise error
    status, reason = stopped(_first(causes))
    return Answer(status=status, stop_reason=reason)


def _first(causes: Sequence[BaseException]) -> Refused | EffectFailed:
    """A refusal before a failure: which branch failed first is chance; which ones failed is not."""
    cause = min(causes, key=lambda cause: (not isinstance(cause, Refused), str(cause)))
    assert isinstance(cause, Refused | EffectFailed)
    return cause


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


def _answer_of(graph: Any, done: Any) -> Answer:
    if not isinstance(done, dict) or "answer" not in done:
        raise ConfigError(
            f"the inner graph {getattr(graph, 'name', graph)!r} returned no 'answer': end it with a node that sets one"
        )
    answer = done["answer"]
    return answer if isinstance(answer, Answer) else Answer.model_validate(answer)


def _leaf(candidate: Answer) -> Answer:
    return candidate.model_copy(update={"candidates": ()})
