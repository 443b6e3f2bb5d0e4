"""Plain chain of thought: one call, no tools (Wei et al., arXiv 2201.11903). The baseline of every other method."""

from __future__ import annotations

from collections.abc import Mapping

from clew.graphs.base import Graph, State, prompt_hashes, render_notes
from clew.graphs.final import Finishing, one_call
from clew.journal import Recipe, Transcript
from clew.models import Model
from clew.task import Task, TaskKind

INSTRUCTION = "Think step by step."


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
    finishing = Finishing(model, forms=forms)

    def prompt(task: Task, state: State) -> Transcript:
        asked = f"{instruction} {finishing.instructions[task.kind]}"
        return Transcript().add("user", f"{asked}\n\nQuestion:\n{task.question}{render_notes(task)}", "prompt")

    prompts = prompt_hashes(instruction=instruction, forms=str(finishing.instructions))
    return one_call("cot", finishing, prompt, fingerprint={"prompts": prompts}, recipe=recipe)
