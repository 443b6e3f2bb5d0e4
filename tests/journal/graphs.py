"""Small graphs with every shape that an address must survive: Send fan-out, nested graphs, cycles, retried nodes."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, Send

from clew.journal import Cost, effect, scope

Server = Callable[[str, Any], Awaitable[str]]


class Stopped(BaseException):
    """Ends a run in the middle, as a signal does: no `except Exception` sees it."""


class Inner(TypedDict, total=False):
    who: str
    text: Annotated[list[str], operator.add]


class Outer(TypedDict, total=False):
    task: dict[str, Any]
    i: int
    got: Annotated[list[str], operator.add]
    answer: dict[str, Any]


class Loop(TypedDict, total=False):
    task: dict[str, Any]
    round: int
    text: Annotated[list[str], operator.add]
    answer: dict[str, Any]


class One(TypedDict, total=False):
    task: dict[str, Any]
    answer: dict[str, Any]


async def ask(server: Server, *request: Any) -> str:
    async def perform() -> dict[str, Any]:
        return {"text": await server("model", request)}

    done = await effect("model", {"ask": list(request)}, perform, reserve=Cost(tokens=10, model_calls=1))
    return str(done.outcome["text"])


def fan_out(server: Server, *, width: int = 5, samples: int = 3, flaky: Callable[[str], bool] | None = None) -> Any:
    """A strategy in code over a graph with `Send` over a nested graph whose middle node is retried."""

    async def think(state: Inner) -> Inner:
        return {"text": [await ask(server, "think", state["text"])]}

    async def stumble(state: Inner) -> Inner:
        both = await ask(server, "same") + await ask(server, "same")
        if flaky is not None and flaky(state["who"]):
            raise ConnectionError(state["who"])
        return {"text": [both]}

    inner = StateGraph(Inner)
    inner.add_node("think", think)
    inner.add_node("stumble", stumble, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
    inner.add_node("more", think)
    inner.add_edge(START, "think")
    inner.add_edge("think", "stumble")
    inner.add_edge("stumble", "more")
    nested = inner.compile()

    async def branch(state: Outer) -> Outer:
        with scope("branch", state["i"]):
            done = await nested.ainvoke({"who": str(state["i"]), "text": []})
        return {"got": ["".join(done["text"])]}

    async def judge(state: Outer) -> Outer:
        return {"answer": {"text": "".join(sorted(state["got"])) + await ask(server, "judge", sorted(state["got"]))}}

    outer = StateGraph(Outer)
    outer.add_node("branch", branch)
    outer.add_node("judge", judge)
    outer.add_conditional_edges(
        START, lambda _: [Send("branch", {"i": i, "got": []}) for i in range(width)], ["branch"]
    )
    outer.add_edge("branch", "judge")
    outer.add_edge("judge", END)
    whole = outer.compile()

    async def best(state: Outer) -> Outer:
        async def one(i: int) -> str:
            with scope("sample", i):
                done = await whole.ainvoke({"task": state["task"], "got": []})
            return str(done["answer"]["text"])

        return {"answer": {"text": "+".join(await asyncio.gather(*[one(i) for i in range(samples)]))}}

    strategy = StateGraph(Outer)
    strategy.add_node("best", best)
    strategy.add_edge(START, "best")
    return strategy.compile()


def calls_of_fan_out(width: int = 5, samples: int = 3) -> int:
    return samples * (width * 4 + 1)


def subgraph_in_a_cycle(server: Server, rounds: int = 3, width: int = 2) -> Any:
    """A nested graph added as a node, reached by `Send` in every round with equal requests."""

    async def think(state: Inner) -> Inner:
        return {"text": [await ask(server, "again")]}

    inner = StateGraph(Inner)
    inner.add_node("think", think)
    inner.add_edge(START, "think")

    async def count(state: Loop) -> Loop:
        return {"round": state.get("round", 0) + 1, "answer": {"text": "|".join(state.get("text", []))}}

    def fan(state: Loop) -> Any:
        if state["round"] > rounds:
            return END
        return [Send("sub", {"who": str(i), "text": []}) for i in range(width)]

    graph = StateGraph(Loop)
    graph.add_node("count", count)
    graph.add_node("sub", inner.compile())
    graph.add_edge(START, "count")
    graph.add_conditional_edges("count", fan, ["sub", END])
    graph.add_edge("sub", "count")
    return graph.compile()


def single(node: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> Any:
    """A graph of one node, for one rule at a time; the node returns the answer."""

    async def work(state: One) -> One:
        return {"answer": await node(dict(state))}

    graph = StateGraph(One)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    return graph.compile()
