"""What was called before a call. A notebook and the numbers of hits are functions of it, as everything is that lives
longer than one call.

Where a graph keeps messages (LangGraph's ToolNode), their tool messages carry it, as artifacts; `clew.graphs.react`
keeps it in its state. So it survives a kill, a checkpointer and a fork, and two tasks never share it. Code that calls a
tool by hand has no such record: there it is kept in this process, for each run, scope and node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from clew.journal import Run, current, scope
from clew.journal.address import here


class Made(NamedTuple):
    """A call that was answered: the tool's name and what it left for later ones, JSON (None: nothing, as after a
    failure)."""

    tool: str
    artifact: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The calls before one call. `beside` names those that stand before it in the same reply and run at the same time,
    so that nobody knows their outcome."""

    made: tuple[Made, ...] = ()
    beside: tuple[str, ...] = ()

    def of(self, tool: str) -> list[dict[str, Any]]:
        """What the calls of `tool` left, in order."""
        return [one.artifact for one in self.made if one.tool == tool and one.artifact is not None]

    def number(self, tool: str) -> int:
        """The how-manieth call of `tool` this one is, from 1."""
        return 1 + sum(one.tool == tool for one in self.made) + self.beside.count(tool)


Leave = Callable[[dict[str, Any]], None]

_given: ContextVar[Conversation | None] = ContextVar("clew_conversation", default=None)


@contextmanager
def conversing(conversation: Conversation) -> Iterator[None]:
    """For a graph that keeps its own record: the tools that are called inside go on from `conversation`."""
    token = _given.set(conversation)
    try:
        yield
    finally:
        _given.reset(token)


@contextmanager
def calling(tool: str, runtime: Any, by_hand: ByHand) -> Iterator[tuple[Conversation, Leave]]:
    """Around one call of `tool`: what was called before it, and where it leaves its own artifact for code without
    messages. `runtime` is what a ToolNode injects. Calls of one reply get a scope each, by their place in it."""
    found = in_messages(runtime)
    if found is not None:
        conversation, index = found
        with scope(tool, index):
            yield conversation, lambda artifact: None
    elif (given := _given.get()) is not None:
        yield given, lambda artifact: None
    else:
        with by_hand.call(tool) as (conversation, leave):
            yield conversation, leave


def in_messages(runtime: Any) -> tuple[Conversation, int] | None:
    """The conversation of a call by a ToolNode, and the call's place in its reply; None when the graph's state has no
    `messages` in which the call stands."""
    state = getattr(runtime, "state", None)
    messages = state if isinstance(state, list) else _item(state, "messages")
    if not isinstance(messages, Sequence):
        return None
    for at in range(len(messages) - 1, -1, -1):
        calls = getattr(messages[at], "tool_calls", None) or ()
        for index, call in enumerate(calls):
            if call["id"] == runtime.tool_call_id:
                before = [message for message in messages[:at] if message.type == "tool"]
                made = tuple(Made(message.name or "", _artifact(message)) for message in before)
                return Conversation(made, tuple(other["name"] for other in calls[:index])), index
    return None


def _item(state: Any, name: str) -> Any:
    return state.get(name) if isinstance(state, dict) else getattr(state, name, None)


def _artifact(message: Any) -> dict[str, Any] | None:
    artifact = message.artifact
    return artifact if isinstance(artifact, dict) else None


# LangGraph counts steps: a node that is reached again goes on in the same place.
_STEP = re.compile(r"@\d+")


@dataclass(slots=True, eq=False)
class _Entry:
    tool: str
    place: str
    execution: object
    artifact: dict[str, Any] | None = None
    running: bool = True


class ByHand:
    """The calls of code without messages: a record in this process, for each run, scope path and node."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Run, dict[str, list[_Entry]]] = WeakKeyDictionary()

    @contextmanager
    def call(self, tool: str) -> Iterator[tuple[Conversation, Leave]]:
        run = current()
        place, asking = here(run.nodes)
        execution = asking if asking in run.nodes.executions else None  # outside of nodes, LangChain counts every call
        entries = self._made.setdefault(run, {}).setdefault(_STEP.sub("", place), [])
        # A node that is tried again makes its calls again.
        entries[:] = [one for one in entries if one.place != place or one.execution == execution]
        made = tuple(Made(one.tool, one.artifact) for one in entries if not one.running)
        beside = tuple(one.tool for one in entries if one.running)
        entry = _Entry(tool, place, execution)
        entries.append(entry)

        def leave(artifact: dict[str, Any]) -> None:
            entry.artifact = artifact

        try:
            yield Conversation(made, beside), leave
        finally:
            entry.running = False
