"""ELEMENTS and EDIT LOCATIONS: from files to the definitions in them, and from those to the places to edit.

Specification of Agentless, section 2, stages 2 to 4, and 2.1 for the code that is shown. Differs from the released
code: a name that several definitions have stands for all of them; an answer that names nothing is followed by a try
that says so; what the issue itself points at (stack frames, quoted names) is shown beside what the model named; equal
location sets are one, and empty ones none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache

from clew.errors import ConfigError
from clew.graphs.base import State, check_limits
from clew.journal import scope
from clew.models import Reply
from clew.models.tokens import estimate
from clew.task import Task
from clew.tools.output import neutralise

from .asking import CONTEXT_LIMIT, Asker, Event, Material, Prompt, keys, prompt_of, with_complaint
from .context import assemble, render, spans_of
from .evidence import Evidence, telling, tests_block
from .job import Job, flagged, happened, told
from .locations import Places, find_places, parse_mentions
from .matching import bare, split
from .skeleton import is_entry, with_lines, without_noise
from .syntax import KEPT_OF_LONG, LONG_VARIABLE
from .types import Location

_FORM = """\
Begin your answer with one block. In it, write the path of a file, and below it a line for each element of that file, \
as one of

class: Name
function: name
function: Class.method
variable: NAME"""

ELEMENTS = f"""\
Your step: name the elements of these files that have to be looked at to resolve the issue: those to change, and those \
that one must read to know how.

The files are shown without the bodies of their functions. Choose what matters most; a class stands for all of its \
methods, so name methods where only some of them matter. A method is a function with the name of its class before it.

{_FORM}

as here, and nothing else:

```
path/to/first.ext
class: ExampleClass
function: OtherExample.example_method
function: example_function

path/to/second.ext
variable: EXAMPLE_NAME
```"""

NOT_PYTHON = """

A struct, interface, trait, enum or impl is a class."""
_PLAIN = ("python", None)

LOCATIONS = f"""\
Your step: name the places that have to be edited to resolve the issue.

Lines are shown with their numbers. Name every place that a fix must touch, the cause first, and no more; a place that \
looks alike and has the same flaw is one of them. Name lines where you know them, else the function or class; for code \
that is new name the function or class that will hold it, or the line that it goes next to. Who writes the fix sees \
these places alone, with some lines around them: name the function with its lines where one must see all of it.

{_FORM}
line: 12
line: 12-18

as here, with nothing else in the block:

```
path/to/first.ext
function: ExampleClass.example_method
line: 57

path/to/second.ext
line: 12-18
```"""

COMPLAINT = (
    "(Try {number} of {tries}. {why} Use the paths and names of the material above, exactly as they are written there,"
    " in the form that was asked for.)"
)


@dataclass(frozen=True)
class Options:
    """The parameters of localisation. Defaults are those of the released recipe (specification of Agentless, section
    3). Raises `ConfigError` for numbers that make no sense.

    top_n                   files of each list that vote, and files whose skeletons are shown
    file_list               most files that the model may name
    top_chunks              chunks that retrieval looks at
    folders_from            source files from which on the model is asked for folders that retrieval leaves out; the
                            released code always asks, as 1 does
    element_tries           most tries at elements, and at locations; from the second one on at temperature 1
    location_samples        answers about edit locations, each a location set
    location_temperature    of these answers; one alone is greedy
    window                  lines shown on either side of an element
    file_tokens, folder_tokens, element_tokens, location_tokens    limits of the replies
    context_limit           most tokens of a prompt
    """

    top_n: int = 3
    file_list: int = 5
    top_chunks: int = 100
    folders_from: int = 100
    element_tries: int = 5
    location_samples: int = 4
    location_temperature: float = 0.8
    window: int = 10
    file_tokens: int = 300
    folder_tokens: int = 2048
    element_tokens: int = 300
    location_tokens: int = 300
    context_limit: int = CONTEXT_LIMIT

    def __post_init__(self) -> None:
        whole = {field.name: 1 for field in fields(self) if field.name != "location_temperature"}
        given = {name: getattr(self, name) for name in whole}
        check_limits("localisation", given, {**whole, "window": 0, "context_limit": 2_000})
        if not 0 <= self.location_temperature <= 2:
            raise ConfigError(
                f"localisation: location_temperature={self.location_temperature!r} makes no sense: give 0 to 2"
            )


# Elements --------------------------------------------------------------------------------------------------------


def skeletons_within(
    job: Job, paths: Sequence[str], room: int, *, issue: str = "", searched: Sequence[str] = ()
) -> Material:
    """The skeletons of `paths` in at most `room` tokens, in long literals with the lines that hold words of the
    `issue`; with a word about files that were `searched` for. The last file is left out first; a single one that is
    too long loses its end."""
    parts = {path: f"### {path}\n{_SEARCHED * (path in searched)}{_skeleton(job, path, issue)}" for path in paths}
    events: list[Event] = []
    kept = list(parts)
    while len(kept) > 1 and sum(estimate(parts[path]) for path in kept) > room:
        events.append({"kind": "context_cut", "what": "file", "path": kept.pop()})
    lines = "\n".join(parts[path] for path in kept).split("\n")
    least = 2
    if estimate("\n".join(lines)) > room:
        while len(lines) > least and estimate("\n".join(lines)) > room:
            lines = lines[: max(least, len(lines) * 3 // 4)]
        events.append({"kind": "context_cut", "what": "lines", "path": kept[0], "lines": len(lines)})
        lines.append("...")
    return Material(neutralise("\n".join(lines)), tuple(events))


_WITHOUT_DEFINITIONS = 200
_SEARCHED = "(found by a search; it may have nothing to do with the issue)\n"


def _skeleton(job: Job, path: str, issue: str) -> str:
    """A file without definitions is shown by its first lines, with numbers, so that these can be named."""
    text = job.structure.skeleton(path)
    if path not in job.texts:
        return text
    if text.strip():
        lines = list(map(bare, split(job.texts[path])))
        long = _literals(job, path)
        numbers = [telling(issue, lines, first, last, KEPT_OF_LONG, is_entry) for first, last in long]
        return without_noise(with_lines(text, [[lines[number - 1] for number in each] for each in numbers]))
    lines = [f"{number:>5}| {bare(line)}" for number, line in enumerate(split(job.texts.get(path, "")), start=1)]
    more = ["..."] if len(lines) > _WITHOUT_DEFINITIONS else []
    return "\n".join(["(no definitions; name lines as `line: 12`)", *lines[:_WITHOUT_DEFINITIONS], *more, ""])


def _literals(job: Job, path: str) -> list[tuple[int, int]]:
    """The first and last lines of the variables that a skeleton cuts."""
    lines = {(each.start, each.end) for each in job.structure.outlines[path].symbols if each.kind == "variable"}
    return sorted((first, last) for first, last in lines if last - first >= LONG_VARIABLE)


@dataclass(frozen=True)
class ElementStage:
    """The phase "elements": `state["elements"]`, JSON of `Location`; empty, with the flag `no_elements`, when no try
    names anything that is there."""

    asker: Asker
    options: Options

    async def run(self, job: Job, state: State) -> State:
        readable = _readable(job, state["files"])
        left = [path for path in state["files"] if path not in readable]
        state = happened(state, *({"kind": "file_not_shown", "path": path, "why": _WHY_NOT} for path in left))
        paths = readable[: self.options.top_n]
        if not paths:
            return {**flagged(state, "no_elements"), "elements": []}
        task = Task.model_validate(state["task"])
        tests = tests_block(job, state)
        step = ELEMENTS + NOT_PYTHON * any(job.structure.outlines[path].language not in _PLAIN for path in paths)

        def skeletons(room: int) -> Material:
            return skeletons_within(job, paths, room, issue=task.prompt, searched=state.get("searched", ()))

        def build(room: int) -> Prompt:
            return prompt_of(task, step, room, "FILES", skeletons, tests)

        found, state = await _Trying(self.asker, job, "elements", tuple(paths), self.options.element_tries).run(
            state, build, max_tokens=self.options.element_tokens
        )
        locations = found[0].locations
        if not locations:
            state = flagged(state, "no_elements")
        return {**state, "elements": [place.model_dump(mode="json") for place in locations]}


# Edit locations --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LocationStage:
    """The phase "locations": `state["sets"]`, location sets in the order of their samples. When no try names a place,
    the one set is the whole first file (of those with elements, with the elements of the others), or the elements alone
    where it does not fit into a prompt; flag `no_locations`. There is no set only where no file has a line."""

    asker: Asker
    options: Options

    async def run(self, job: Job, state: State) -> State:
        paths = _readable(job, state["files"])[: self.options.top_n]
        elements = [Location.model_validate(place) for place in state["elements"]]
        task = Task.model_validate(state["task"])
        shown = self._shown(job, paths, elements, Evidence.model_validate(state.get("evidence") or {}))
        if not shown:
            return {**flagged(state, "no_locations"), "sets": []}
        shown = tuple(part for place in shown for part in _parts(job, place, task.prompt))
        tests = tests_block(job, state)

        def build(room: int) -> Prompt:
            return prompt_of(task, LOCATIONS, room, "CODE", lambda left: self._code(job, paths, shown, left), tests)

        found, state = await _Trying(self.asker, job, "locations", tuple(paths), self.options.element_tries).run(
            state,
            build,
            n=self.options.location_samples,
            temperature=self.options.location_temperature if self.options.location_samples > 1 else 0.0,
            max_tokens=self.options.location_tokens,
        )
        sets, state = _distinct([places.locations for places in found], state)
        if not sets:
            sets, state = [self._instead(job, paths, elements, state)], flagged(state, "no_locations")
        told("sets", sets=[[f"{place.path}:{place.start}-{place.end}" for place in each] for each in sets])
        return {**state, "sets": [[place.model_dump(mode="json") for place in each] for each in sets]}

    def _shown(
        self, job: Job, paths: Sequence[str], elements: Sequence[Location], evidence: Evidence
    ) -> tuple[Location, ...]:
        """The elements and what the issue points at; the whole first file where there are no elements."""
        first = elements or [_whole(job, path) for path in paths[:1]]
        return tuple(dict.fromkeys([*first, *evidence.places(paths)]))

    def _code(self, job: Job, paths: Sequence[str], shown: Sequence[Location], room: int) -> Material:
        context = assemble(paths, shown, job.texts, limit=room, window=self.options.window, numbered=True)
        return Material(neutralise(context.text), context.events)

    def _instead(
        self, job: Job, paths: Sequence[str], elements: Sequence[Location], state: State
    ) -> tuple[Location, ...]:
        """The whole first file of those with elements, and the elements of others."""
        first = next((path for path in paths if any(place.path == path for place in elements)), paths[0])
        whole = _whole(job, first)
        fits = estimate(render(spans_of([whole], job.texts), job.texts)) <= self.asker.room(state)
        others = [place for place in elements if place.path != first]
        return (whole, *others) if fits or not elements else tuple(elements)


def _distinct(found: Sequence[Sequence[Location]], state: State) -> tuple[list[tuple[Location, ...]], State]:
    """The location sets that name a place, each once."""
    sets: dict[frozenset[tuple[str, int, int]], tuple[Location, ...]] = {}
    for sample, places in enumerate(found):
        lines = frozenset((place.path, place.start, place.end) for place in places)
        if not lines:
            state = happened(state, {"kind": "set_empty", "sample": sample})
        elif lines in sets:
            state = happened(state, {"kind": "set_merged", "sample": sample, "into": sets[lines][0].sample})
        else:
            sets[lines] = tuple(places)
    return list(sets.values()), state


_WHY_NOT = "it is empty, or no text in UTF-8"


def _readable(job: Job, paths: Sequence[str]) -> list[str]:
    """The files of `paths` that can be shown and hold a line."""
    outlines = job.structure.outlines
    return [path for path in paths if path in outlines and outlines[path].lines and job.texts.get(path)]


_LONG_LITERAL = 100


def _parts(job: Job, place: Location, issue: str) -> Iterator[Location]:
    """A place; of a literal of very many lines its first and last ones, and those that hold words of the issue."""
    if place.kind != "variable" or place.end - place.start < _LONG_LITERAL:
        yield place
        return
    lines = list(map(bare, split(job.texts[place.path])))
    numbers = [place.start, *telling(issue, lines, place.start, place.end, 1), place.end]
    yield from (place.model_copy(update={"start": number, "end": number}) for number in numbers)


def _whole(job: Job, path: str) -> Location:
    lines = job.structure.outlines[path].lines
    return Location(path=path, kind="line", name=f"1-{lines}", start=1, end=lines)


# Tries -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trying:
    """Asks until an answer names something that is there: at temperature 1 after the first time, and told what was
    wrong."""

    asker: Asker
    job: Job
    stage: str
    paths: tuple[str, ...]
    tries: int

    async def run(
        self,
        state: State,
        build: Callable[[int], Prompt],
        *,
        max_tokens: int,
        n: int = 1,
        temperature: float = 0.0,
    ) -> tuple[list[Places], State]:
        complaint, build = "", cache(build)
        for number in range(1, self.tries + 1):

            def build_again(room: int, complaint: str = complaint) -> Prompt:
                return with_complaint(build(room), complaint)

            with scope("try", number):
                replies, state = await self.asker.ask(
                    state,
                    self.stage,
                    build_again,
                    max_tokens=max_tokens,
                    usable=lambda reply: bool(self.read(reply).locations),
                    n=n,
                    temperature=temperature if number == 1 else 1.0,
                )
            found = [self.read(reply, sample) for sample, reply in enumerate(replies)]
            told(self.stage, tried=number, effects=keys(replies), places=[_told(places) for places in found])
            if any(places.locations for places in found):
                break
            why = self.why(replies[0])
            state = happened(state, {"kind": "nothing_named", "stage": self.stage, "try": number, "why": why})
            complaint = COMPLAINT.format(number=number + 1, tries=self.tries, why=why)
        events = [
            {**event, "stage": self.stage, "sample": sample}
            for sample, places in enumerate(found)
            for event in places.events
        ]
        return found, happened(state, *events[:_MOST_EVENTS])

    def read(self, reply: Reply, sample: int = 0) -> Places:
        """What a reply names in the files; without the path of a file, in the first of them."""
        outlines = {path: self.job.structure.outlines[path] for path in self.paths}
        items = parse_mentions(reply.text, self.paths).items or parse_mentions(reply.text, self.paths[:1]).items
        return find_places(items, outlines, sample)

    def why(self, reply: Reply) -> str:
        """What was wrong with a reply that names nothing."""
        if reply.finish == "length":
            return "The earlier answer was cut off before it named anything: answer with the block alone."
        if not reply.text.strip():
            return "The earlier answer was empty."
        mentions = parse_mentions(reply.text, self.paths)
        missing = [event["name"] for event in self.read(reply).events if event["kind"] == "location_unknown"]
        wrong = [neutralise(name)[:80] for name in [*missing, *mentions.unknown]][:5]
        if wrong:
            return f"The earlier answer named what is not there: {', '.join(map(repr, wrong))}."
        return "The earlier answer named no element in the form that was asked for."


_MOST_EVENTS = 20


def _told(places: Places) -> list[str]:
    return [f"{place.path}:{place.name}" for place in places.locations]
