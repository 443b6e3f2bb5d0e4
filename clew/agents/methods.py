"""Graphs by name: `corag:strategy=best_of_n,n=4`, or a tower such as `best_of(vote(cot, n=3), n=4, scorer=judge)`.

The grammar is that of `clew.agents.specs`. A name is a method, or a strategy around the graphs in its parentheses; keys
are arguments of its builder in `clew.graphs`. What else a builder takes is filled by the name of the parameter: models,
searcher, sandbox and memory from the settings. The same specs name graphs for `clew ask`, `clew solve` and `clew eval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from clew.agents import arguments, doors, judges, specs
from clew.agents.arguments import METHODS, STRATEGIES, listed, takes_model
from clew.config import Settings, nearest
from clew.errors import ConfigError

if TYPE_CHECKING:
    from clew.graphs import Graph
    from clew.journal import Recipe
    from clew.task import TaskKind

__all__ = [
    "FORMS", "METHODS", "STRATEGIES", "Form", "Spec", "build", "equipped", "of", "parse", "takes_model", "with_options",
]  # fmt: skip

# Methods that continue the assistant's own text, for which a server is asked first what it can do.
CONTINUING = frozenset({"search_o1", "start"})
# What stands in the parentheses of a method that takes tools; `search` brings a tool that reads pages.
TOOLS = ("python", "search")

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
    """A graph with checked options. `text` is the spec as it was written, its label in tables. An option that is a
    model or a scorer holds its name. `inner` are the graphs in its parentheses, `tools` the tools."""

    text: str
    name: str
    options: Mapping[str, Any]
    inner: tuple[Spec, ...] = ()
    tools: tuple[str, ...] = ()

    def walk(self) -> Iterator[Spec]:
        """This spec, then those inside, from the left."""
        yield self
        for spec in self.inner:
            yield from spec.walk()

    @property
    def canonical(self) -> str:
        """The same spec as it can stand in the parentheses of another."""
        return str(specs.parse(self.text))

    @property
    def searches(self) -> bool:
        """Whether any part needs a searcher."""
        return self._needs("searcher", "search")

    @property
    def computes(self) -> bool:
        """Whether any part needs a sandbox."""
        return self._needs("sandbox", "python") or any(judges.computes(name) for name in self._scorers())

    @property
    def remembers(self) -> bool:
        """Whether any part needs a memory."""
        return any(spec.has_memory for spec in self.walk())

    @property
    def has_memory(self) -> bool:
        """Whether this part itself gets a memory: where it cannot do without, or `memory=true` says so."""
        if "memory" not in arguments.parameters(self.name):
            return False
        return arguments.needed(self.name, "memory") or bool(self.options.get("memory"))

    @property
    def continues(self) -> bool:
        """Whether any method continues the assistant's own text (`Model.extend`)."""
        return any(spec.name in CONTINUING for spec in self.walk())

    def models(self) -> list[str]:
        """The models that the spec names itself, each once, from the left."""
        named = [
            str(value)
            for spec in self.walk()
            for key, value in spec.options.items()
            if takes_model(spec.name, key) and value is not None
        ]
        named += [model for name in self._scorers() if (model := judges.model_of(name))]
        return list(dict.fromkeys(named))

    def _needs(self, part: str, tool: str) -> bool:
        return any(part in arguments.parameters(spec.name) or tool in spec.tools for spec in self.walk())

    def _scorers(self) -> list[str]:
        return [spec.options["scorer"] for spec in self.walk() if "scorer" in spec.options]


# Reading specs -----------------------------------------------------------------------------------------------------


def parse(text: str, where: str = "the graph") -> Spec:
    """The spec in `text`. Raises `ConfigError`, which names the spec as `where` and the place in it, for an unknown
    name or option and for a value that does not fit."""
    text = text.strip()
    try:
        return replace(_checked(specs.parse(text)), text=text)
    except specs.Mistake as mistake:
        raise ConfigError(mistake.told(where, text)) from None


def of(settings: Settings) -> Spec:
    """The method of the settings; errors say where it came from."""
    origin = settings.origin("method")
    named = {"command line": "--method", "recipe": "the run's recipe: method", "default": "method"}
    file = f"{origin}: method" if origin.endswith(".toml") else origin
    return parse(settings.method, named.get(origin, file))


def with_options(spec: Spec, options: Mapping[str, Any]) -> Spec:
    """`spec` with options for all graphs in it that know them; those that it has win. Raises `ConfigError` for an
    option that none of them knows."""
    call = specs.parse(spec.text)
    for key in options:
        if all(key not in arguments.options(part.name) for part in spec.walk()):
            raise _means_nothing(key, spec)
    return parse(str(_with(call, {key: str(value) for key, value in options.items()}))) if options else spec


def equipped(spec: Spec, settings: Settings) -> Spec:
    """`spec` with named tools for every method that takes tools and names none: Python, and the search where the
    settings' store exists."""
    tools = tuple(specs.Call(name) for name in (TOOLS if doors.has_store(settings) else TOOLS[:1]))

    def equip(call: specs.Call) -> specs.Call:
        if arguments.takes_tools(call.name):
            return call if call.inner else replace(call, inner=tools)
        return replace(call, inner=tuple(map(equip, call.inner)))

    bare = any(arguments.takes_tools(part.name) for part in spec.walk())
    return parse(str(equip(specs.parse(spec.text)))) if bare else spec


def _with(call: specs.Call, options: Mapping[str, str]) -> specs.Call:
    if call.name not in METHODS | STRATEGIES:  # a tool
        return call
    own = {option.key for option in call.options}
    known = [specs.Option(k, v) for k, v in options.items() if k in arguments.options(call.name) and k not in own]
    return replace(call, inner=tuple(_with(one, options) for one in call.inner), options=(*call.options, *known))


def _checked(call: specs.Call) -> Spec:
    known = METHODS | STRATEGIES
    if call.name not in known:
        raise specs.Mistake(call.at, f"{call.name!r} is unknown{nearest(call.name, list(known))}: give {listed(known)}")
    options = _options(call)
    tools = _tools(call) if arguments.takes_tools(call.name) else ()
    inner = () if tools else _inner(call)
    return Spec(str(call), call.name, options, inner, tools)


def _inner(call: specs.Call) -> tuple[Spec, ...]:
    takes, name, given = arguments.parameters(call.name), call.name, len(call.inner)
    if "inner" in takes and given != 1:
        raise specs.Mistake(call.at, f"{name} goes around one graph, and {given} stand in it: give {name}(cot), say")
    if "inners" in takes and not given:
        raise specs.Mistake(call.at, f"{name} goes around several graphs: give {name}(cot, rag), say")
    if given and "inner" not in takes and "inners" not in takes:
        raise specs.Mistake(call.inner[0].at, f"{name} goes around no graph: take {str(call.inner[0])!r} out")
    return tuple(map(_checked, call.inner))


def _tools(call: specs.Call) -> tuple[str, ...]:
    for one in call.inner:
        if str(one) not in TOOLS:
            raise specs.Mistake(one.at, f"{str(one)!r} is no tool of {call.name}: give {listed(TOOLS)}")
    return tuple(dict.fromkeys(str(one) for one in call.inner)) or TOOLS[:1]


def _options(call: specs.Call) -> dict[str, Any]:
    name, known, options = call.name, arguments.options(call.name), dict[str, Any]()
    for option in call.options:
        key, value = option.key, option.value
        if key not in known:
            has = f"its options are {', '.join(sorted(known))}" if known else "it has none"
            inside = [one for one in call.inner if one.name in METHODS and key in arguments.options(one.name)]
            hint = f"; inside parentheses a colon takes one option: {inside[0].name}(key=value, ...)" if inside else ""
            raise specs.Mistake(option.at, f"{name} has no option {key!r}{nearest(key, list(known))}: {has}{hint}")
        if key in options:
            raise specs.Mistake(option.at, f"{key!r} is given twice: leave one out")
        try:
            options[key] = judges.checked(value) if key == "scorer" else arguments.value(value, known[key])
        except ValueError as error:
            raise specs.Mistake(option.at, f"{key} = {value!r} does not fit: give {error}") from None
    if "scorer" in known and arguments.needed(name, "scorer"):
        options.setdefault("scorer", judges.DEFAULT)
    missing = [key for key in known if key not in (*options, "model") and arguments.needed(name, key)]
    if missing:
        raise specs.Mistake(call.at, f"{name} needs the option {missing[0]!r}: give {missing[0]}=...")
    return options


# Building graphs ---------------------------------------------------------------------------------------------------


def build(
    spec: Spec, settings: Settings, through: doors.Doors, *, form: Form = "full", recipe: Recipe | None = None
) -> Graph:
    """The graph of a spec, with the models of the settings; nothing is opened."""
    for key in _FROM_SETTINGS:
        takers = [part for part in spec.walk() if key in arguments.parameters(part.name)]
        if not takers and settings.origin(key) == "command line":
            raise _means_nothing(key, spec)
    return _built(spec, settings, through, FORMS[form], recipe)


def _built(
    spec: Spec, settings: Settings, through: doors.Doors, forms: Mapping[TaskKind, str], recipe: Recipe | None
) -> Graph:
    takes, options = arguments.parameters(spec.name), dict(spec.options)

    def inner() -> list[Graph]:
        return [_built(part, settings, through, forms, None) for part in spec.inner]

    parts: dict[str, Callable[[], Any]] = {
        "model": lambda: doors.model(settings, options.get("model")),
        "searcher": lambda: through.searcher,
        "sandbox": lambda: through.sandbox,
        "memory": lambda: through.memory if spec.has_memory else None,
        "inner": lambda: inner()[0],
        "inners": inner,
        "forms": lambda: forms,
        "recipe": lambda: recipe,
    }
    given = {name: make() for name, make in parts.items() if name in takes}
    if spec.tools:
        given["tools"] = through.tools(spec.tools)
    if "reader" in takes and settings.reader_model:
        given["reader"] = doors.model(settings, settings.reader_model)
    for name in _FROM_SETTINGS:
        if name in takes and getattr(settings, name) is not None:
            given[name] = getattr(settings, name)
    for name, value in options.items():
        if name == "scorer":
            given[name] = judges.scorer(value, settings, through)
        elif name not in parts:
            given[name] = doors.model(settings, value) if takes_model(spec.name, name) and value is not None else value
    graph: Graph = arguments.builder(spec.name)(**given)
    return graph


def _means_nothing(option: str, spec: Spec) -> ConfigError:
    return ConfigError(f"--{option.replace('_', '-')} means nothing to {spec.name}: leave it out")
