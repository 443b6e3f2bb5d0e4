"""Where an effect stands: scope path and graph node, by names that are the same in every execution of a run.

LangGraph names a node's execution by random ids, which change when a run is resumed. Their stable parts are the node's
name, its step and its path (the index of a `Send`). Metadata carries them for the innermost graph only, so a callback
handler, passed along by LangGraph itself, notes them for the outer ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple

from clew.journal.redact import redact

# The scope path so far, and how many levels of nested graphs it already covers.
_scope: ContextVar[tuple[tuple[str, ...], int]] = ContextVar("clew_scope", default=((), 0))

RUN_KEY = "__clew_run"


class Here(NamedTuple):
    """`place` is stable across resumes; `execution` names one execution of one node in this process."""

    place: str
    execution: object


class Nodes:
    """What the callback handler learns about the nodes that a run executes."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.executions: dict[object, object] = {}
        self.failed: set[object] = set()
        self._outer: dict[object, object] = {}
        self._namespaces: dict[object, str] = {}
        self._counters: dict[object, dict[tuple[str, ...], int]] = {}

    def count(self, execution: object, base: tuple[str, ...]) -> int:
        """How often `base` was asked before in this execution; counts this time too."""
        counts = self._counters.setdefault(execution, {})
        n = counts.get(base, 0)
        counts[base] = n + 1
        return n

    def rivals(self, execution: object, other: object) -> bool:
        """Whether two executions stand side by side under one node execution: neither is a retry of the other, so
        nothing but a scope can tell them apart."""
        if execution == other or other in self.failed or not self._outer.keys() >= {execution, other}:
            return False
        return self._outer[execution] == self._outer[other]

    def started(self, run_id: object, parent: object, tags: list[str] | None, metadata: dict[str, Any]) -> None:
        around = self.executions.get(parent)
        namespace = metadata.get("langgraph_checkpoint_ns")
        # A node has a tag; a task of the functional API is told by a namespace of its own inside that of its caller.
        is_task = around is not None and namespace not in (None, self._namespaces.get(around))
        if is_task or any(tag.startswith("graph:step:") for tag in tags or ()):
            assert namespace is not None, "LangGraph names every node that it executes"
            self.labels[namespace] = _label(metadata)
            self._namespaces[run_id] = namespace
            self._outer[run_id] = around
            self.executions[run_id] = run_id
        elif around is not None:
            # A runnable or a tool inside a node belongs to that node's execution.
            self.executions[run_id] = around

    def ended(self, run_id: object, failed: bool = False) -> None:
        if self.executions.pop(run_id, None) == run_id:
            self._counters.pop(run_id, None)
            self._namespaces.pop(run_id, None)
            if failed:
                self.failed.add(run_id)


def _label(metadata: dict[str, Any]) -> str:
    name = metadata["langgraph_checkpoint_ns"].rpartition("|")[2].partition(":")[0]
    path = metadata.get("langgraph_path") or ()
    label = f"{name}@{metadata.get('langgraph_step')}"
    if path and path[0] != "__pregel_pull":
        # A Send's index, or the call index inside a task; flags and nested tuples follow in a fixed order.
        label += "." + ".".join(str(part) for part in _flat(path[1:]) if not isinstance(part, bool | str))
    return label


def _flat(path: Any) -> Iterator[Any]:
    for part in path:
        if isinstance(part, tuple | list):
            yield from _flat(part)
        else:
            yield part


def langgraph_config() -> dict[str, Any]:
    """The config of the LangGraph node that runs right now; empty outside of any."""
    module = sys.modules.get("langchain_core.runnables.config")
    config = module.var_child_runnable_config.get() if module else None
    return config or {}


def _node_labels(config: dict[str, Any], nodes: Nodes) -> list[str]:
    metadata = config.get("metadata") or {}
    ns = metadata.get("langgraph_checkpoint_ns")
    if not ns:
        return []
    parts = ns.split("|")
    labels = []
    for depth, part in enumerate(parts, 1):
        if ":" not in part:  # LangGraph's count of graphs called from one node: arrival order, so not an address
            continue
        if depth == len(parts):
            labels.append(_label(metadata))
        else:
            labels.append(nodes.labels.get("|".join(parts[:depth])) or part.partition(":")[0])
    return labels


def at_root() -> None:
    """Forgets the scope and the LangGraph node in which this code runs: a run starts at its own root."""
    _scope.set(((), 0))
    module = sys.modules.get("langchain_core.runnables.config")
    if module is not None:
        module.var_child_runnable_config.set(None)


def here(nodes: Nodes) -> Here:
    """The address of the code that runs right now."""
    config = langgraph_config()
    scope_path, covered = _scope.get()
    labels = _node_labels(config, nodes)
    manager = config.get("callbacks")
    parent = getattr(manager, "parent_run_id", None)
    execution = nodes.executions.get(parent, parent)
    return Here("/".join((*scope_path, *labels[covered:])), execution)


@contextmanager
def scope(name: str, index: int | str | None = None) -> Iterator[None]:
    """Names a branch: `with scope("sample", 3): ...`. Every fan-out in code and every graph called in code needs one,
    so that equal requests of different branches have different addresses."""
    from clew.journal.runs import current

    label = name if index is None else f"{name}:{index}"
    scope_path, covered = _scope.get()
    labels = _node_labels(langgraph_config(), current().nodes)
    path = (*scope_path, *labels[covered:], redact(label).replace("/", "_"))
    token = _scope.set((path, max(covered, len(labels))))
    try:
        yield
    finally:
        _scope.reset(token)


@lru_cache(maxsize=1)
def _handler_class() -> type:
    from langchain_core.callbacks import AsyncCallbackHandler

    class NodeHandler(AsyncCallbackHandler):
        """Tells a run's `Nodes` which node executes where; awaited by LangGraph before the node's own code."""

        run_inline = True

        def __init__(self, nodes: Nodes) -> None:
            self.nodes = nodes

        async def on_chain_start(
            self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            self.nodes.started(run_id, parent_run_id, more.get("tags"), more.get("metadata") or {})

        async def on_tool_start(
            self, serialized: Any, input_str: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            self.nodes.started(run_id, parent_run_id, None, {})

        async def on_chain_end(self, outputs: Any, *, run_id: Any, **more: Any) -> None:
            self.nodes.ended(run_id)

        async def on_chain_error(self, error: BaseException, *, run_id: Any, **more: Any) -> None:
            self.nodes.ended(run_id, failed=True)

        async def on_tool_end(self, output: Any, *, run_id: Any, **more: Any) -> None:
            self.nodes.ended(run_id)

        async def on_tool_error(self, error: BaseException, *, run_id: Any, **more: Any) -> None:
            self.nodes.ended(run_id)

    return NodeHandler


def node_handler(nodes: Nodes) -> Any:
    """A LangChain callback handler that fills `nodes`."""
    return _handler_class()(nodes)
