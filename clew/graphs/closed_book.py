"""Closed book: the answer from the model's memory, in one call, without retrieval and without a chain of thought (as in
Roberts et al., arXiv 2002.08910). What a method with retrieval must beat."""

from __future__ import annotations

from collections.abc import Mapping

from clew.graphs.base import Graph, State, prompt_hashes, render_notes
from clew.graphs.final import Finishing, one_call
from clew.journal import Recipe, Transcript
from clew.models import Model
from clew.task import Task, TaskKind

INSTRUCTION = """\
Answer from what you know, directly, without an explanation. If you do not know the answer, the answer is: unknown."""


def closed_book(
    model: Model,
    *,
    instruction: str = INSTRUCTION,
    bare: bool = False,
    forms: Mapping[TaskKind, str] | None = None,
    recipe: Recipe | None = None,
) -> Graph:
    """The closed-book graph: `{"task": ...}` in, `{"answer": ...}` out, one model call.

    `bare` asks for the answer alone instead of one in a box, `forms` replaces what is said about its form, by kind of
    task. A reply without an answer in that form is followed by one request for it. The answer `unknown` is how a model
    abstains. Status `ok`, `no_answer`, `budget`, `partial` (context overflow) or `error`.
    """
    finishing = Finishing(model, bare, forms)

    def prompt(task: Task, state: State) -> Transcript:
        asked = f"{instruction}\n\n{finishing.instructions[task.kind]}"
        return Transcript().add("user", f"{asked}\n\nQuestion:\n{task.question}{render_notes(task)}", "prompt")

    prompts = prompt_hashes(instruction=instruction, forms=str(finishing.instructions))
    return one_call("closed_book", finishing, prompt, fingerprint={"prompts": prompts}, recipe=recipe)
