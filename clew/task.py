"""Task in, Answer out: the plain nouns that every graph shares."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TaskKind = Literal["qa", "math", "choice", "code", "repair"]

Status = Literal[
    "ok",
    "partial",
    "no_answer",
    "search_quota",
    "tool_quota",
    "turn_cap",
    "budget",
    "malformed",
    "no_evaluator",
    "false_positive",
    "exhausted",
    "error",
]


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Note(_Plain):
    """Something that a strategy tells a method about the task; every method renders notes last in its prompt."""

    kind: Literal["lesson", "draft", "critique", "demo"]
    text: str
    source: str = ""


class Task(_Plain):
    """What is asked. What decides whether an answer is right lives in a scorer, never here."""

    prompt: str
    id: str = "task"
    kind: TaskKind = "qa"
    inputs: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def options(self) -> dict[str, str]:
        """The options of a choice by capital letter, from `inputs["options"]`: a mapping, or a list (A, B, ...)."""
        given = self.inputs.get("options")
        if isinstance(given, dict):
            return {str(letter).upper(): str(text) for letter, text in given.items()}
        if isinstance(given, list | tuple):
            return {letter: str(text) for letter, text in zip(ascii_uppercase, given, strict=False)}
        return {}

    @property
    def question(self) -> str:
        """The prompt as a model is asked: followed by the options of a choice, where it does not list them itself."""
        prompt = self.prompt.strip()
        if self.kind != "choice" or all(text in prompt for text in self.options.values()):
            return prompt
        return "\n".join([prompt, *(f"{letter}. {text}" for letter, text in self.options.items())])


class Evidence(_Plain):
    """A passage or page that supports the answer; `id` is the passage id of the hit it came from."""

    id: str
    source: str
    title: str = ""
    text: str = ""


class Trace(_Plain):
    """Where the steps behind an answer are found: a run of a journal and a scope path inside it."""

    run: str
    scope: str = ""


class Answer(_Plain):
    """What a graph returns. `text` is empty unless the model gave an answer; `stop_reason` names what ended the run."""

    text: str = ""
    status: Status = "ok"
    stop_reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    artifacts: dict[str, Any] = Field(default_factory=dict)
    score: float | None = None
    candidates: tuple[Answer, ...] = ()
    trace: Trace | None = None
