"""What the tests of strategies share."""

from __future__ import annotations

from typing import Any

import clew
from clew.graphs import cot
from clew.graphs.base import Graph
from clew.journal import Journal, replay
from clew.models import Model
from clew.task import Answer
from clew.testing import ScriptedServer, vllm


def saying(*replies: Any) -> ScriptedServer:
    """A server that says these things in turn; a bare word is an answer in a box."""
    boxed = [rf"I think: \boxed{{{one}}}" if isinstance(one, str) and " " not in one else one for one in replies]
    return ScriptedServer(boxed, features=vllm)


def model(server: ScriptedServer, **options: Any) -> Model:
    return Model("hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789", **options)


def inner(server: ScriptedServer) -> Graph:
    return cot(model(server))


async def ask(graph: Any, task: Any = "Which one?", **options: Any) -> Answer:
    """The answer of a run, whose replay is exact."""
    with Journal.memory() as journal:
        answer = await clew.run(graph, task, journal=journal, run_id="run", **options)
        again = await replay("run", journal=journal, graph=graph)
        assert again.same and not again.unused
        return answer


def texts(answer: Answer) -> list[str]:
    return [candidate.text for candidate in answer.candidates]
