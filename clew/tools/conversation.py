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

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage, convert_to_messages

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
    so that nobody knows their outcome; `told_apart` says that each of them has a place of its own."""

    made: tuple[Made, ...] = ()
    beside: tuple[str, ...] = ()
    told_apart: bool = True

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
    found = in_messages(tool, runtime)
    if found is not None:
        conversation, index = found
        with scope(tool, index):
            yield conversation, lambda artifact: None
    elif (given := _given.get()) is not None:
        yield given, lambda artifact: None
    else:
        with by_hand.call(tool) as (conversation, leave):
            yield conversation, leave


def in_messages(tool: str, runtime: Any) -> tuple[Conversation, int] | None:
    """The conversation of a call by a ToolNode, and the call's place in its reply; None when nothing in the graph's
    state is a list of messages in which the call stands. To be asked once for each call."""
    for given in _lists(getattr(runtime, "state", None)):
        messages = _messages(given)
        for at in range(len(messages) - 1, -1, -1):
            message = messages[at]
            calls = message.tool_calls if isinstance(message, AIMessage) else []
            if any(call["id"] == runtime.tool_call_id for call in calls):
                index = _place(tool, runtime.tool_call_id, calls)
                made = tuple(_made(one) for one in messages[:at] if isinstance(one, ToolMessage))
                return Conversation(made, tuple(other["name"] for other in calls[:index])), index
    return None


def _lists(state: Any) -> list[list[Any]]:
    """The lists in a state, which of them are messages is up to the graph; `messages` first."""
    if isinstance(state, list):
        return [state]
    values = state if isinstance(state, dict) else getattr(state, "__dict__", {})
    names = sorted(values, key=lambda name: name != "messages")
    return [values[name] for name in names if isinstance(values[name], list)]


def _messages(given: list[Any]) -> list[BaseMessage]:
    """The messages in a list, where they may stand as dicts or pairs too."""
    found: list[BaseMessage] = []
    for one in given:
        try:
            found += convert_to_messages([one])
        except (ValueError, TypeError, NotImplementedError):
            continue
    return found


def _place(tool: str, id: str | None, calls: Sequence[Any]) -> int:
    """Where the call stands in its reply. Models give one id to several calls: those of one tool are told apart by the
    order in which the node makes them."""
    same = [index for index, call in enumerate(calls) if call["id"] == id]
    places = [index for index in same if calls[index]["name"] == tool] or same
    if len(places) == 1:
        return places[0]
    nodes = current().nodes
    return places[min(nodes.count(here(nodes).execution, (tool, str(id))), len(places) - 1)]


def _made(message: ToolMessage) -> Made:
    return Made(message.name or "", message.artifact if isinstance(message.artifact, dict) else None)


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
            yield Conversation(made, beside, told_apart=False), leave
        finally:
            entry.running = False
