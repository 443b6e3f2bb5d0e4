"""Plain chain of thought: one call, no tools (Wei et al., arXiv 2201.11903). The baseline of every other method."""

from __future__ import annotations

from collections.abc import Mapping

from clew.errors import ContextOverflow, EffectFailed, Refused
from clew.graphs.base import END_PHASE, Graph, State, Steps, graph_of, prompt_hashes, render_notes
from clew.graphs.final import TASK_INSTRUCTIONS
from clew.journal import Recipe, Transcript, current
from clew.models import Model
from clew.scoring import extract_answer
from clew.task import Answer, Task, TaskKind, Trace

INSTRUCTION = "Think step by step."
ASK_AGAIN = (
    "That reply has no final answer in the format that was asked for. Give the final answer now, in that format."
)


def cot(
    model: Model,
    *,
    instruction: str = INSTRUCTION,
    forms: Mapping[TaskKind, str] | None = None,
    recipe: Recipe | None = None,
) -> Graph:
    """The chain-of-thought graph: `{"task": ...}` in, `{"answer": ...}` out.

    `forms` replaces what is said about the form of the answer, by kind of task. A reply without an answer in the asked
    format is followed by one request for it. Status `ok`, `no_answer`, `budget`,
    `partial` (context overflow) or `error`.
    """

    wanted = {**TASK_INSTRUCTIONS, **(forms or {})}

    async def start(task: Task) -> State:
        prompt = f"{instruction} {wanted[task.kind]}\n\nQuestion:\n{task.prompt.strip()}{render_notes(task)}"
        transcript = Transcript().add("user", prompt, "prompt")
        return {"head": current().keep(transcript), "tries": 0, "text": "", "status": "ok", "stop_reason": ""}

    async def think(state: State) -> State:
        transcript = current().transcript(state["head"])
        if state["tries"]:
            transcript = transcript.add("user", ASK_AGAIN, "notice")
        try:
            reply = await model.chat(transcript)
        except Refused as refusal:
            return {**state, "status": "budget", "stop_reason": refusal.limit, "phase": END_PHASE}
        except ContextOverflow:
            return {**state, "status": "partial", "stop_reason": "context_overflow", "phase": END_PHASE}
        except EffectFailed as error:
            reason = f"{type(error).__name__}: {error}"
            return {**state, "status": "error", "stop_reason": reason, "phase": END_PHASE}
        text = extract_answer(reply.text, state["task"]["kind"])
        done = bool(text) or state["tries"] > 0
        return {
            **state,
            "head": current().keep(reply.transcript),
            "tries": state["tries"] + 1,
            "text": text,
            "status": "ok" if text else "no_answer",
            "phase": END_PHASE if done else "think",
        }

    def finish(state: State) -> Answer:
        return Answer(
            text=state["text"],
            status=state["status"],
            stop_reason=state["stop_reason"],
            trace=Trace(run=current().id),
        )

    steps = Steps(start, {"think": think}, finish, "think")
    fingerprint = {
        "method": "cot",
        "prompts": prompt_hashes(instruction=instruction, forms=str(wanted)),
        "model": model.fingerprint(),
    }
    return graph_of(steps, name="cot", fingerprint=fingerprint, recipe=recipe)
