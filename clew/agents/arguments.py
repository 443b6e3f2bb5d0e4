"""What the builders in `clew.graphs` can be given from a spec: their parts by name, their options by type."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_METHODS = ("search_o1", "cot", "corag", "rag", "closed_book", "start", "react")
_STRATEGIES = ("vote", "best_of", "self_refine", "sets", "mixture_of_agents", "reflexion", "remembering")
# Each is a function of the same name in its module.
METHODS = {name: f"clew.graphs.{name}" for name in _METHODS}
STRATEGIES = {name: f"clew.graphs.strategies.{name}" for name in _STRATEGIES}
# No scorer that has a name knows gold answers.
_NEVER = ("oracle",)


@cache
def builder(name: str) -> Callable[..., Any]:
    """The function that builds the graph `name`."""
    found: Callable[..., Any] = getattr(import_module((METHODS | STRATEGIES)[name]), name)
    return found


@cache
def parameters(name: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(builder(name)).parameters


@cache
def options(name: str) -> Mapping[str, Any]:
    """What a spec can give the builder `name`, with the types: numbers, flags, choices and models by keyword, the name
    of the model, that of a scorer (`str`), and whether it has a memory that it can do without."""
    known = parameters(name)
    hints = get_type_hints(builder(name), localns=_Names(vars(builtins) | builder(name).__globals__))
    keyword = [p.name for p in known.values() if p.kind is p.KEYWORD_ONLY and p.name not in _NEVER]
    found = {key: hints[key] for key in keyword if _simple(hints[key])}
    if "model" in known:
        found["model"] = hints["model"]
    if "scorer" in known:
        found["scorer"] = str
    if "memory" in known and not needed(name, "memory"):
        found["memory"] = bool
    return found


def needed(name: str, parameter: str) -> bool:
    """Whether the builder `name` cannot be called without the parameter."""
    return parameters(name)[parameter].default is inspect.Parameter.empty


def takes_model(name: str, option: str) -> bool:
    """Whether the value of an option is a model's name."""
    return is_model(options(name)[option])


def is_model(hint: Any) -> bool:
    from clew.models import Model

    return Model in _parts(hint)


def value(text: str, hint: Any) -> Any:
    """`text` as a value of type `hint`; a model stays its name. Raises `ValueError` with what would fit."""
    parts = _parts(hint)
    if NoneType in parts and text.lower() == "none":
        return None
    for part in parts:
        if part is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if part in (int, float):
            try:
                number = part(text)
            except ValueError:
                continue
            if number - number == 0:  # neither infinite nor NaN
                return number
        if get_origin(part) is Literal and text in get_args(part):
            return text
        if part is str or is_model(part):
            return text
    raise ValueError(_wanted(parts))


def listed(names: Iterable[Any]) -> str:
    """`a, b or c`."""
    *most, last = map(str, names)
    return f"{', '.join(most)} or {last}" if most else last


def takes_tools(name: str) -> bool:
    """Whether the builder `name` is about the tools that it is given; others may be handed some in Python."""
    return "tools" in parameters(name) and needed(name, "tools")


class _Names(dict[str, Any]):
    """The names that annotations use; those that only a type checker imports are `Any`."""

    def __missing__(self, name: str) -> Any:
        return Any


def _parts(hint: Any) -> tuple[Any, ...]:
    """The members of a union, a `Literal` counting as one; `hint` alone otherwise."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _simple(hint: Any) -> bool:
    return all(
        part in (bool, int, float, NoneType) or get_origin(part) is Literal or is_model(part) for part in _parts(hint)
    )


def _wanted(parts: tuple[Any, ...]) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", NoneType: "none"}
    return listed(listed(get_args(part)) if get_origin(part) is Literal else names[part] for part in parts)
