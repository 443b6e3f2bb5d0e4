"""Methods by name: `corag:strategy=best_of_n,n=4` becomes a graph.

A spec is the name of a method, or `name:key=value,key=value`, where the keys are arguments of the method's builder in
`clew.graphs`. The same specs name graphs for `clew ask --method` and for `clew eval --graph`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from clew.agents import doors
from clew.config import Settings, nearest
from clew.errors import ConfigError

if TYPE_CHECKING:
    from clew.graphs import Graph
    from clew.journal import Recipe
    from clew.retrieval import Searcher
    from clew.task import TaskKind

# Each is a function of the same name in this module.
METHODS = {name: f"clew.graphs.{name}" for name in ("search_o1", "cot", "corag", "rag", "closed_book")}
# Methods that continue the assistant's own text, for which a server is asked first what it can do.
CONTINUING = frozenset({"search_o1"})

Form = Literal["full", "short"]
# A person wants the whole answer. Benchmarks want the fewest words, and some of their questions have no answer.
FORMS: dict[Form, dict[TaskKind, str]] = {
    "full": {
        "qa": "Answer the question completely, in one to three sentences. "
        "Put these sentences, and nothing else, inside \\boxed{}."
    },
    "short": {
        "qa": "Answer the question in as few words as possible; answer every part of it. If the question has no "
        "answer, or you cannot find it out, the answer is: unknown. "
        "Put the final answer, and nothing else, inside \\boxed{}."
    },
}

# Settings that are arguments of methods too; a spec wins over them.
_FROM_SETTINGS = ("max_searches", "top_k")


@dataclass(frozen=True)
class Spec:
    """A method with checked options. `text` is the spec as it was written, its label in tables. An option that is a
    model holds the model's name."""

    text: str
    name: str
    options: Mapping[str, Any]

    @property
    def searches(self) -> bool:
        """Whether the method needs a searcher."""
        return "searcher" in inspect.signature(_builder(self.name)).parameters

    @property
    def continues(self) -> bool:
        """Whether the method continues the assistant's own text (`Model.extend`)."""
        return self.name in CONTINUING


def parse(text: str, where: str = "the graph") -> Spec:
    """The spec in `text`. Raises `ConfigError`, which names the spec as `where`, for an unknown method or option and
    for a value that does not fit."""
    text = text.strip()
    name, colon, rest = text.partition(":")
    name = name.strip()
    if name not in METHODS:
        raise ConfigError(f"{where} = {text!r} is unknown{nearest(name, list(METHODS))}: give {_words(list(METHODS))}")
    if colon and not rest.strip():
        raise ConfigError(f"{where} = {text!r} ends in a colon: give {name}, or {name}:key=value,key=value")
    known, options = _options(name), {}
    for part in rest.split(",") if colon else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ConfigError(f"{where} = {text!r}: {part.strip()!r} is no option: give key=value,key=value")
        if key not in known:
            has = f"its options are {', '.join(sorted(known))}" if known else "it has none"
            raise ConfigError(f"{where} = {text!r}: {name} has no option {key!r}{nearest(key, list(known))}: {has}")
        if key in options:
            raise ConfigError(f"{where} = {text!r}: {key!r} is given twice: leave one out")
        options[key] = _value(value, known[key], f"{where} = {text!r}: {key} = {value!r}")
    return Spec(text, name, options)


def of(settings: Settings) -> Spec:
    """The method of the settings; errors say where it came from."""
    origin = settings.origin("method")
    named = {"command line": "--method", "recipe": "the run's recipe: method", "default": "method"}
    file = f"{origin}: method" if origin.endswith(".toml") else origin
    return parse(settings.method, named.get(origin, file))


def build(
    spec: Spec, settings: Settings, searcher: Searcher | None, *, form: Form = "full", recipe: Recipe | None = None
) -> Graph:
    """The graph of a spec, with the models of the settings. `searcher=None` opens the store at the first search."""
    builder = _builder(spec.name)
    parameters = inspect.signature(builder).parameters
    for name in _FROM_SETTINGS:
        if name not in parameters and settings.origin(name) == "command line":
            raise ConfigError(f"--{name.replace('_', '-')} means nothing to {spec.name}: leave it out")
    options = {name: getattr(settings, name) for name in _FROM_SETTINGS if name in parameters}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if "reader" in parameters and settings.reader_model:
        given["reader"] = doors.model(settings, settings.reader_model)
    for name, value in spec.options.items():
        given[name] = doors.model(settings, value) if takes_model(spec.name, name) and value is not None else value
    doors_of_graph: list[Any] = [doors.model(settings)]
    if spec.searches:
        doors_of_graph.append(searcher or doors.library(settings))
    graph: Graph = builder(*doors_of_graph, **given, forms=FORMS[form], recipe=recipe)
    return graph


def takes_model(name: str, option: str) -> bool:
    """Whether the value of an option is a model's name."""
    return _is_model(_options(name)[option])


@cache
def _builder(name: str) -> Callable[..., Any]:
    builder: Callable[..., Any] = getattr(import_module(METHODS[name]), name)
    return builder


@cache
def _options(name: str) -> dict[str, Any]:
    """The arguments of a builder that a spec can give, with their types: numbers, flags, choices and models."""
    builder = _builder(name)
    hints = get_type_hints(builder)
    keyword = [p.name for p in inspect.signature(builder).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return {key: hints[key] for key in keyword if _simple(hints[key])}


def _parts(hint: Any) -> tuple[Any, ...]:
    """The members of a union, a `Literal` counting as one; `hint` alone otherwise."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _simple(hint: Any) -> bool:
    return all(
        part in (bool, int, float, NoneType) or get_origin(part) is Literal or _is_model(part) for part in _parts(hint)
    )


def _is_model(hint: Any) -> bool:
    from clew.models import Model

    return Model in _parts(hint)


def _value(text: str, hint: Any, where: str) -> Any:
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
        if _is_model(part):
            return text
    raise ConfigError(f"{where} does not fit: give {_wanted(parts)}")


def _wanted(parts: tuple[Any, ...]) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", NoneType: "none"}
    return " or ".join(
        _words(map(str, get_args(part))) if get_origin(part) is Literal else names[part] for part in parts
    )


def _words(names: Any) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else str(last)
