"""A model's words in START, per transport. They hold programs, never results: what a reply says of a result is filled
from what the request really holds."""

from __future__ import annotations

from typing import Any

from clew.graphs.hints import Hint
from clew.sandbox import Box, Host, Limits
from clew.sandbox.types import MiB
from clew.task import Task
from clew.testing import Call, Reply, Request, Template
from tests.graphs.words import Transport, sent

LIMITS = Limits(seconds=10, memory=256 * MiB, disk=16 * MiB, processes=32)
DOUBT = Hint("doubt", "math", "reflect", "I should compute this with Python.")
OPEN_DOUBT = Hint("open-doubt", "math", "compute", "Python can do this for me.", opens_fence=True)


def process_box(limits: Limits = LIMITS) -> Box:
    return Box(Host(), limits, 2)


def problem(prompt: str = "What is the result?", **options: Any) -> Task:
    return Task(**{"prompt": prompt, "kind": "math", **options})


def compute(by: Transport, program: str, thought: str = "I will compute it.") -> Reply:
    """The model thinks and runs a program. In the open it would go on without the result if it were not stopped."""
    if by.native:
        return Reply(text=thought, tool_calls=(Call("python", {"program": program}),))
    return Reply(text=f"{thought}\n```python\n{program}\n```\nThe result is surely \\boxed{{too early}}.")


def closing(by: Transport, pattern: str = "-?\\d+", before: str = "So it is", tool: str = "```output\n") -> Template:
    """A last reply that boxes the first match of `pattern` in the last output."""
    if by.native:
        of = "messages | selectattr('role', 'equalto', 'tool') | map(attribute='content')"
        of += " | reject('equalto', 'Not performed.') | list | last"
    else:
        of = f"prompt | after('{tool}')"
    escaped = pattern.replace("\\", "\\\\")
    return Template(f"{before} \\boxed{{ {{{{- {of} | find('{escaped}') -}}}} }}.")


def output(by: Transport, request: Request, which: int = -1) -> str:
    """The text of an output block as the model reads it."""
    if by.native:
        return str([message["content"] for message in request.messages if message["role"] == "tool"][which])
    return sent(request).split("```output\n")[1:][which].partition("\n```")[0]


def outputs(by: Transport, request: Request) -> int:
    if by.native:
        return sum(message["role"] == "tool" for message in request.messages)
    return sent(request).count("```output\n")
