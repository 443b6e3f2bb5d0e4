"""A model's words in Reflexion, and evaluators without gold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from clew.models import Capabilities, Model
from clew.scoring import Verdict
from clew.task import Answer, Task
from clew.testing import Request, Rule, ScriptedServer, vllm
from tests.graphs.words import sent

REFLECTING = "Write the five lines for this attempt"
WRONG = Verdict(value=0.0, label="wrong")
RIGHT = Verdict(value=1.0, label="right")


def lesson(number: int | str) -> str:
    """A well-formed reflection that names its number in every part."""
    parts = ("Symptom", "Cause", "Evidence", "Plan", "Do not repeat")
    return "\n".join(f"{part}: {part.lower()} of lesson {number}" for part in parts)


def lessons(*texts: Any) -> Rule:
    """The reflections, in turn."""
    return Rule(REFLECTING, list(texts))


def model_at(server: ScriptedServer, **options: Any) -> Model:
    options.setdefault("capabilities", Capabilities("completion", stop_kept=True))
    return Model("hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789", **options)


def scripted(*replies: Any, **options: Any) -> ScriptedServer:
    return ScriptedServer(list(replies), features=vllm, **options)


def attempts(server: ScriptedServer) -> list[str]:
    """What the actor was sent, attempt by attempt."""
    return [sent(one) for one in server.requests if not _is_reflection(one)]


def reflections(server: ScriptedServer) -> list[str]:
    return [sent(one) for one in server.requests if _is_reflection(one)]


def _is_reflection(request: Request) -> bool:
    return REFLECTING in sent(request)


def boxed(*answers: object) -> list[str]:
    return [f"I think it is \\boxed{{{answer}}}." for answer in answers]


def program(body: str, name: str = "solve") -> str:
    return f"```python\ndef {name}(x):\n    {body}\n```"


@dataclass
class Environment:
    """An evaluator without gold, such as the state of a game: it accepts what `accepts` says. It counts its calls."""

    accepts: Callable[[str], Verdict | bool] = lambda text: False
    said: str = ""
    name: str = "environment"
    seen: list[str] = field(default_factory=list)

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        self.seen += [answer.text for answer in answers]
        return [self._verdict(self.accepts(answer.text)) for answer in answers]

    def _verdict(self, found: Verdict | bool) -> Verdict:
        if isinstance(found, Verdict):
            return found
        return RIGHT if found else WRONG.model_copy(update={"feedback": self.said})


QUESTION = Task(id="q1", prompt="Which number do I think of?", kind="math")
PROGRAM = Task(
    id="p1",
    prompt="Write `solve(x)`, which doubles a number.",
    kind="code",
    inputs={"entry_point": "solve"},
)
