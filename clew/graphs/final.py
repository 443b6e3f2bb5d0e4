"""What methods share about answers: the instruction per kind of task, the call that asks for the final answer, graphs
that are one such call, and the fall-back to another graph."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from langgraph.graph import END, START, StateGraph

from clew.errors import ContextOverflow, EffectFailed, Refused
from clew.graphs.base import END_PHASE, Graph, MethodState, State, Steps, graph_of
from clew.graphs.passages import as_evidence, from_state, supporting
from clew.journal import Hold, Recipe, Transcript, current, note, scope
from clew.models import Model, Reply
from clew.scoring import extract_answer
from clew.scoring.abstention import abstains
from clew.task import Answer, Status, Task, TaskKind, Trace

_BOX = "Put the final answer, and nothing else, inside \\boxed{}."

TASK_INSTRUCTIONS: dict[TaskKind, str] = {
    "qa": f"Answer the question in as few words as possible; answer every part of it. {_BOX}",
    "math": f"Solve the problem. {_BOX}",
    "choice": "Choose one of the options. Put its letter, and nothing else, inside \\boxed{}.",
    "code": "Write the program. Give the whole program in one block that begins with ```python and ends with ```.",
    "repair": "Say what has to be changed and why.",
}

_ALONE = "Reply with the answer alone, on one line: no explanation, no label."

BARE_INSTRUCTIONS: dict[TaskKind, str] = {
    **TASK_INSTRUCTIONS,
    "qa": f"Answer the question in as few words as possible; answer every part of it. {_ALONE}",
    "math": f"Solve the problem. {_ALONE}",
    "choice": "Choose one of the options. Reply with its letter alone.",
}

UNKNOWN = "If they do not tell the answer and you do not know it either, the answer is: unknown."

ASK_AGAIN = (
    "That reply has no final answer in the format that was asked for. Give the final answer now, in that format."
)

_LABEL = re.compile(r"^\W*(?:the |my |short |final )*answer(?: is)?\s*[:：]\s*", re.IGNORECASE)


class Said(NamedTuple):
    """What a call for the final answer brought; `effect` is the key of the model call whose reply holds it."""

    text: str
    status: Status
    stop_reason: str = ""
    effect: str = ""


@dataclass(frozen=True)
class Finishing:
    """How a method asks for its final answer: the form per kind of task, and the limit of new tokens (default: the
    model's). `bare` asks for the answer alone, as models are asked that were trained to give nothing else; otherwise it
    stands in a box, which leaves a model room to think."""

    model: Model
    bare: bool = False
    forms: Mapping[TaskKind, str] | None = None
    max_tokens: int | None = None

    @property
    def instructions(self) -> dict[TaskKind, str]:
        """What is said about the form of an answer, by kind of task."""
        return {**(BARE_INSTRUCTIONS if self.bare else TASK_INSTRUCTIONS), **(self.forms or {})}

    def read(self, reply: str, kind: TaskKind) -> str:
        """The answer in the model's own `reply`; empty when there is none."""
        return read_bare(reply, kind) if self.bare else extract_answer(reply, kind)

    async def ask(self, transcript: Transcript, kind: TaskKind, hold: Hold | None = None) -> Said:
        """Asks for the answer, and once more when the reply holds none in the asked form. Never raises for a limit or
        a failed call: `budget`, `partial` (context overflow), `error` and `no_answer` are statuses."""
        for asked_again in (False, True):
            if asked_again:
                transcript = transcript.add("user", ASK_AGAIN, "notice")
            try:
                reply = await short_reply(self.model, transcript, self.max_tokens or self.model.max_tokens, hold=hold)
            except (Refused, EffectFailed) as error:
                return Said("", *stopped(error))
            text = self.read(reply.text, kind)
            if text:
                return Said(text, "ok", effect=reply.key)
            transcript, hold = reply.transcript, None
        return Said("", "no_answer", "max_tokens" if reply.finish == "length" else "")


async def short_reply(
    model: Model, transcript: Transcript, max_tokens: int, *, hold: Hold | None = None, **options: Any
) -> Reply:
    """A reply that needs few tokens. A model that spends them all on its thoughts is asked again with its own limit;
    options as in `Model.chat`."""
    reply = await model.chat(transcript, max_tokens=max_tokens, hold=hold, **options)
    if reply.finish != "length" or reply.text.strip() or max_tokens >= model.max_tokens:
        return reply
    note("limit_spent_on_thoughts", {"max_tokens": max_tokens, "then": model.max_tokens})
    return await model.chat(transcript, max_tokens=model.max_tokens, **options)


def stopped(error: Refused | EffectFailed) -> tuple[Status, str]:
    """Status and stop reason of a method that `error` ended."""
    if isinstance(error, Refused):
        return "budget", error.limit
    if isinstance(error, ContextOverflow):
        return "partial", "context_overflow"
    return "error", f"{type(error).__name__}: {error}"


def read_bare(reply: str, kind: TaskKind = "qa") -> str:
    """The answer in a reply that should be nothing else: its first line, without label and quotation marks. A box, or a
    line that names the answer, counts first; a program is a block."""
    text = extract_answer(reply, kind)
    if kind == "code":
        return text
    lines = [line.strip() for line in reply.strip().splitlines() if line.strip().strip("`")]
    if not text and lines and "\\boxed" not in reply:
        text = _LABEL.sub("", lines[0]).strip("*_ ")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    # The same reading of letters as in a box.
    return extract_answer(f"answer: {text}", kind) if kind == "choice" else text


def one_call(
    name: str,
    finishing: Finishing,
    prompt: Callable[[Task, State], Transcript],
    *,
    before: Mapping[str, Callable[[State], Awaitable[State]]] | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
) -> Graph:
    """The graph of a method that is one call for the answer, after the phases `before`, which may put passages into the
    state and which lead to the phase `answer`."""

    async def start(task: Task) -> State:
        return {"passages": [], "text": "", "status": "ok", "stop_reason": ""}

    async def answer(state: State) -> State:
        task = Task.model_validate(state["task"])
        said = await finishing.ask(prompt(task, state), task.kind)
        return {**state, **said._asdict(), "phase": END_PHASE}

    def finish(state: State) -> Answer:
        text, passages = state["text"], from_state(state["passages"])
        return Answer(
            text=text,
            status=state["status"],
            stop_reason=state["stop_reason"],
            evidence=as_evidence(supporting(passages, text)) if text and not abstains(text) else (),
            trace=Trace(run=current().id),
        )

    phases = {**(before or {}), "answer": answer}
    whole = {"method": name, "model": finishing.model.fingerprint(), **(fingerprint or {})}
    return graph_of(Steps(start, phases, finish, next(iter(phases))), name=name, fingerprint=whole, recipe=recipe)


def with_back_off(graph: Graph, other: Graph) -> Graph:
    """`graph`, and `other` for the tasks that it found no answer for (status `no_answer`, `malformed` or `partial`)."""

    async def method(state: MethodState) -> MethodState:
        with scope("method"):
            done = await graph.ainvoke({"task": state["task"]})
        return {"answer": done["answer"]}

    async def back_off(state: MethodState) -> MethodState:
        first = state["answer"]
        note("back_off", {"status": first["status"], "stop_reason": first["stop_reason"]})
        with scope("back_off"):
            done = await other.ainvoke({"task": state["task"]})
        return {"answer": {**done["answer"], "stop_reason": "back_off"}}

    def route(state: MethodState) -> str:
        answer = state["answer"]
        unanswered = not answer["text"] and answer["status"] in ("no_answer", "malformed", "partial")
        return "back_off" if unanswered else END

    builder = StateGraph(MethodState)
    builder.add_node("method", method)
    builder.add_node("back_off", back_off)
    builder.add_edge(START, "method")
    builder.add_conditional_edges("method", route, ["back_off", END])
    builder.add_edge("back_off", END)
    fingerprint = {**graph.fingerprint, "back_off": other.fingerprint}
    return Graph.of(builder.compile(name=graph.name), fingerprint=fingerprint, recipe=graph.recipe)
