"""What an issue says itself about where it belongs: files, lines and definitions that it quotes.

The released code gives the issue to the model and leaves it there. Here stack traces, paths, module names and names of
definitions are looked up among the outlines, and are direct evidence: votes for files, and places that are shown to
the model in any case. What failing tests said is read in the same way. Texts are read as they are, whoever wrote them;
all they can do is to name something that is there. Work is bounded: `MOST` characters of a text, a single pass each.
"""

from __future__ import annotations

import builtins
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import log
from typing import Literal, NamedTuple

from clew.graphs.base import State
from clew.task import Task
from clew.tools.output import cut, neutralise

from .asking import quoted
from .job import Job, Tests
from .languages import suffix_of
from .paths import cleaned
from .types import Location, Outline, Symbol, _Noun

Reason = Literal["frame", "path", "module", "symbol"]

MOST = 200_000
"""Characters of one text that are read: three quarters from its head, the rest from its tail."""
MOST_CLUES = 400
# A name that more definitions have says too little about where the issue belongs.
_MOST_DEFINITIONS = 5
_MOST_MESSAGES, _MESSAGE = 5, 1_500
_WEIGHTS: Mapping[str, float] = {
    "inner frame": 5, "frame": 3, "path": 3, "module": 2, "symbol": 2, "named": 1.5, "word": 1
}  # fmt: skip
_SYMBOLS_COUNT = 4.0
# A quoted name that one file has; a frame, a path and a module are more.
_SURE = _WEIGHTS["symbol"]


class Clue(_Noun):
    """Something quoted that is in the repository. `weight` orders files; `location` is what it points at, None for a
    whole file."""

    path: str
    reason: Reason
    quoted: str
    weight: float
    location: Location | None = None


class Evidence(_Noun):
    """What was found, in the order of the texts."""

    clues: tuple[Clue, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files by the sum of their clues, names of definitions together counting less than a frame does; of equal
        ones that which was named first. Files that only a name in passing, or one that several have, speaks for are
        left out."""
        scores: dict[str, float] = {}
        names: dict[str, float] = {}
        for clue in self.clues:
            into = names if clue.reason == "symbol" else scores
            into[clue.path] = into.get(clue.path, 0.0) + clue.weight
        order = dict.fromkeys(clue.path for clue in self.clues)
        total = {path: scores.get(path, 0.0) + min(names.get(path, 0.0), _SYMBOLS_COUNT) for path in order}
        return tuple(sorted((path for path in order if total[path] >= _SURE), key=lambda path: -total[path]))

    def places(self, paths: Sequence[str], most: int = 6) -> tuple[Location, ...]:
        """What is pointed at in `paths`, the strongest first, each once: frames, and names that are the only ones of
        their kind. Classes are left out: they may be most of a file."""
        sure = [clue for clue in self.clues if clue.path in paths and clue.weight >= _SURE]
        sure.sort(key=lambda clue: -clue.weight)
        found = (clue.location for clue in sure if clue.location is not None and clue.location.kind != "class")
        return tuple(dict.fromkeys(found))[:most]


def evidence_of(job: Job, state: State) -> Evidence:
    """The evidence of the issue's text and of what failing tests said (`messages`)."""
    texts = [Task.model_validate(state["task"]).prompt, *messages(job, state).values()]
    return direct_evidence(texts, job.structure.outlines, job.workspace.resolve)


def messages(job: Job, state: State) -> dict[str, str]:
    """What the tests said that fail at the base, by id, at most five: those that are to pass, if that was given. Where
    it was not and more than five fail, none: they may fail for reasons of their own."""
    if not state.get("base"):
        return {}
    tests = Tests.model_validate(state["base"])
    targets = [test for test in job.targets_of(tests) if tests.messages.get(test)]
    return (
        {}
        if len(targets) > _MOST_MESSAGES and not job.targets
        else {test: tests.messages[test] for test in targets[:_MOST_MESSAGES]}
    )


def tests_block(job: Job, state: State) -> str:
    """The same as a block of data for a prompt, "" for none."""
    said = messages(job, state)
    parts = [f"{neutralise(test)}\n{neutralise(cut(text.strip(), _MESSAGE))}" for test, text in said.items()]
    return quoted("FAILING TESTS", "\n\n".join(parts)) if parts else ""


def direct_evidence(
    texts: Iterable[str], outlines: Mapping[str, Outline], resolve: Callable[[str], str | None]
) -> Evidence:
    """The clues in `texts`. `resolve` gives the file of the repository that a written path means, which counts when it
    is among the `outlines` (test files are not)."""
    finder = _Finder(outlines, resolve)
    clues: dict[tuple[str, str, str], Clue] = {}
    for text in texts:
        read = text if len(text) <= MOST else f"{text[: MOST * 3 // 4]}\n{text[-MOST // 4 :]}"
        for clue in finder.clues(read):
            place = clue.location.name if clue.location else ""
            known = clues.setdefault((clue.path, clue.reason, place), clue)
            if clue.weight > known.weight:
                clues[clue.path, clue.reason, place] = clue
            if len(clues) >= MOST_CLUES:
                return Evidence(clues=tuple(clues.values()))
    return Evidence(clues=tuple(clues.values()))


def by_words(text: str, outlines: Mapping[str, Outline]) -> tuple[str, ...]:
    """The files that share a word with `text` in their paths or the names of their definitions, those with the rarest
    such words first: what is left when nobody names a file."""
    said = {path: " ".join([path, *(symbol.name for symbol in each.symbols)]) for path, each in outlines.items()}
    return by_shared_words(text, said)


def by_shared_words(text: str, said: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of the texts `said` that share a word with `text`, those with the rarest such words first."""
    words = {word for word in _parts(text[:MOST]) if len(word) > 2}
    held = {key: sorted(words.intersection(_parts(each))) for key, each in said.items()}
    often = Counter(word for each in held.values() for word in each)
    score = {key: sum(log(1 + len(held) / often[word]) for word in each) for key, each in held.items() if each}
    return tuple(sorted(score, key=lambda key: (-score[key], key)))


_MOST_TELLING = 8


def telling(
    text: str, lines: Sequence[str], first: int, last: int, edge: int, counts: Callable[[str], object] = bool
) -> list[int]:
    """The numbers, from 1, of the few lines in the middle of `first` to `last` (less `edge` lines at either end) that
    share the rarest words with `text`, of those that `counts`. Letters count as they are; short words in small letters
    do not count."""
    words = {word for word in _WORD.findall(text[:MOST]) if len(word) > 3 or not word.islower()}
    numbers = [number for number in range(first + edge, min(last - edge, len(lines)) + 1) if counts(lines[number - 1])]
    held = {number: words.intersection(_WORD.findall(lines[number - 1])) for number in numbers}
    often = Counter(word for each in held.values() for word in each)
    score = {number: sum(log(1 + len(held) / often[word]) for word in sorted(each)) for number, each in held.items()}
    best = sorted((number for number in numbers if held[number]), key=lambda number: (-score[number], number))
    return sorted(best[:_MOST_TELLING])


_WORD = re.compile(r"[^\W\d_]\w+")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d{2,}")


def _parts(text: str) -> list[str]:
    """The words of a text or of names, in small letters: `HTTPServer_v2` is http and server."""
    return [part.lower() for part in _PARTS.findall(text)]


# Looking up ------------------------------------------------------------------------------------------------------

_NAME = r"[^\W\d][\w$]{0,99}"
_PYTHON = re.compile(r'File "([^"\n]{1,400})", line (\d{1,9})(?:, in ([^\n]{1,200}))?')
_JAVA = re.compile(r"\bat ([\w$.]{1,300})\.(?:[\w$]|<init>|<clinit>){1,100}\(([\w$]{1,100}\.java):(\d{1,9})\)")
_TOKEN = re.compile(r"[^\s\"'`()<>\[\]{},;|*=]{3,400}")
_WRITTEN = re.compile(r"(.*?\.[A-Za-z+]{1,4})(?:\?\w*)?(?:(?::|#L)(\d{1,9}))?(?:[:#-].*)?")
_IN_BRACKETS = re.compile(r"\((\d{1,9})\b")
_BEFORE = re.compile(r"^(?:[A-Za-z][\w+.-]*:/+|[A-Za-z]:\\+|~[/\\]|(?:\.{1,2}[/\\])+)+")
# Files of a language's own library and of other packages, whose paths end as one of the repository might.
_ELSEWHERE = re.compile(
    r"lib/python\d[\d.]*/(?!site-packages|dist-packages)|/rustc/|/go[\d.-]*/src/runtime|/pkg/mod/|node_modules/|\.cargo/"
)
_GAP = 600
_BACKQUOTED = re.compile(r"`([^`\n]{2,200})`")
_CHAIN = re.compile(rf"{_NAME}(?:(?:\.|::|#|->){_NAME}){{0,9}}")
# A word between quotes, as one writes of a name: what is quoted in code and by errors is mostly data.
_QUOTED_WORD = re.compile(rf"(?:^|[^\W\d_],? )[\"'“‘]({_NAME})[\"'”’](?=[\s.,;!?)]|$)", re.MULTILINE)
_CODE = re.compile(
    r"```.*?(?:```|\Z)|^(?: {4}|\t|>|E {2}|[\w.]{0,99}(?:Error|Exception|Warning)\b)[^\n]*", re.MULTILINE | re.DOTALL
)
_DEFINED = re.compile(rf"\b(?:def|class|function|func|fn)\s+({_NAME})")
_IMPORTED = re.compile(r"\bfrom\s+(\w+)(?:\.\w+)*\s+import\s+\(?([^\n)]{1,400})")
_QUOTES, _BEFORE_MEMBERS = frozenset("\"'“”‘’"), frozenset(".>:#")
_JOINT = re.compile(r"::|->|[.#]")
_OWN = frozenset({"self", "this", "cls", "super", "crate", "Self"})
_TELLING = re.compile(r"[a-z0-9][A-Z]|[A-Za-z0-9]_[A-Za-z0-9]|[A-Z][a-z]+[A-Z]|\.|::|#|->")


class _Frame(NamedTuple):
    """A path with a line (0 for none) that stands `at` a place of a text."""

    at: int
    written: str
    line: int
    inside: str = ""


class _Finder:
    def __init__(self, outlines: Mapping[str, Outline], resolve: Callable[[str], str | None]) -> None:
        self.outlines, self.resolve = outlines, resolve
        self._found: dict[str, str | None] = {}

    def clues(self, text: str) -> Iterator[Clue]:
        yield from self._paths(text)
        yield from self._names(text)

    # Paths and frames ---------------------------------------------------------------------------------------------

    def _paths(self, text: str) -> Iterator[Clue]:
        group: list[tuple[_Frame, str]] = []
        for frame in sorted(_frames(text)):
            if frame.written not in self._found:
                self._found[frame.written] = self._file(frame.written)
            path = self._found[frame.written]
            if path is None:
                continue
            if not frame.line:
                yield Clue(path=path, reason="path", quoted=frame.written, weight=_WEIGHTS["path"])
                continue
            if group and (frame.at - group[-1][0].at > _GAP or _latest_last(path) != _latest_last(group[-1][1])):
                yield from self._trace(group)
                group = []
            group.append((frame, path))
        yield from self._trace(group)

    def _trace(self, group: Sequence[tuple[_Frame, str]]) -> Iterator[Clue]:
        """The frames of one stack trace, of which the one where it happened counts most."""
        inner = len(group) - 1 if group and _latest_last(group[0][1]) else 0
        for place, (frame, path) in enumerate(group):
            weight = _WEIGHTS["inner frame" if place == inner else "frame"]
            said = f"{frame.written}:{frame.line}"
            yield Clue(path=path, reason="frame", quoted=said, weight=weight, location=self._around(path, frame))

    def _file(self, written: str) -> str | None:
        slashes = written.replace("\\", "/")
        if _ELSEWHERE.search(slashes):
            return None
        inside = _BEFORE.sub("", written)
        path = self.resolve(inside)
        if path is None and "site-packages" not in slashes and cleaned(inside) is not None:
            path = self.resolve(slashes.rpartition("/")[2])
        return path if path in self.outlines else None

    def _around(self, path: str, frame: _Frame) -> Location | None:
        """The definition that a frame is in: by its name too, for the trace may come from another version."""
        outline = self.outlines[path]
        name = _JOINT.split(frame.inside.strip())[-1].strip("<>() ")
        functions = [symbol for symbol in outline.symbols if symbol.kind in ("function", "method")]
        around = [symbol for symbol in functions if symbol.start <= frame.line <= symbol.end]
        named = [symbol for symbol in functions if symbol.name == name]
        inner = min(around, key=lambda symbol: symbol.end - symbol.start, default=None)
        symbol = named[0] if len(named) == 1 else inner
        if symbol is not None:
            return _location(path, symbol)
        if frame.line > outline.lines:
            return None
        return Location(path=path, kind="line", name=str(frame.line), start=frame.line, end=frame.line)

    # Names --------------------------------------------------------------------------------------------------------

    def _names(self, text: str) -> Iterator[Clue]:
        chains: dict[str, float] = {}
        for span in _BACKQUOTED.finditer(text):
            chains.update(dict.fromkeys(_CHAIN.findall(span[1]), _WEIGHTS["symbol"]))
        for word in _QUOTED_WORD.findall(_CODE.sub(_blank, text)):
            # Members and variables are called like all that the world is about.
            if [symbol.kind in ("function", "class") for _, symbol in self._symbols.get(word, ())] == [True]:
                chains[word] = _WEIGHTS["symbol"]
        own = set(_DEFINED.findall(text))
        for module, names in _IMPORTED.findall(text):
            own |= set(re.findall(_NAME, names)) if module not in self._modules else set()
        for chain in _CHAIN.finditer(text):
            said, before, after = chain[0], text[chain.start() - 1 : chain.start()], text[chain.end() : chain.end() + 3]
            telling, called = _TELLING.search(said), after[:1] == "("
            # What is called on something without a name, or what comes from the text or elsewhere, is another one.
            named = called and after != "(s)" and before not in _BEFORE_MEMBERS and own.isdisjoint(_JOINT.split(said))
            if named or (telling and before in _QUOTES and after[:1] in _QUOTES):
                chains[said] = max(chains.get(said, 0.0), _WEIGHTS["named"])
            elif telling or called:
                chains.setdefault(said, _WEIGHTS["word"])
        for said, weight in chains.items():
            yield from self._named(said, weight)

    def _named(self, said: str, weight: float) -> Iterator[Clue]:
        parts = _JOINT.split(said)
        while parts and parts[0] in _OWN:
            parts = parts[1:]
        if not parts or len(parts[-1]) < 3:
            return
        for end in range(len(parts), 0, -1):
            path = self._modules.get(".".join(parts[:end]))
            if path is None:
                continue
            rest = ".".join(parts[end:])
            inside = [symbol for symbol in self.outlines[path].symbols if rest and symbol.qualname == rest]
            for symbol in inside[:_MOST_DEFINITIONS]:
                yield _symbol_clue(path, symbol, said, _WEIGHTS["symbol"])
            if inside:
                return
            if end > 1:
                yield Clue(path=path, reason="module", quoted=said, weight=_WEIGHTS["module"])
                return
        yield from self._defined(said, parts, weight)

    def _defined(self, said: str, parts: Sequence[str], weight: float) -> Iterator[Clue]:
        found = self._symbols.get(parts[-1], [])
        tail = f".{'.'.join(parts[-2:])}"
        qualified = [(path, symbol) for path, symbol in found if f".{symbol.qualname}".endswith(tail)]
        if weight == _WEIGHTS["named"]:
            # Without backquotes it is no more than a word unless one file has it, and no language's library.
            one = len({path for path, _ in (qualified if len(parts) > 1 else found)}) == 1
            weight = _WEIGHTS["symbol" if one and not hasattr(builtins, said) else "word"]
        if len(parts) > 1 and not qualified:
            weight = weight / 2  # A member of something that is not known by this name.
        places = (qualified if len(parts) > 1 else []) or found
        if len({(path, symbol.qualname) for path, symbol in places}) > _MOST_DEFINITIONS:
            return
        share = weight / max(len({path for path, _ in places}), 1)
        for path, symbol in places:
            yield _symbol_clue(path, symbol, said, share / (2 if symbol.kind == "variable" else 1))

    @cached_property
    def _symbols(self) -> dict[str, list[tuple[str, Symbol]]]:
        found: dict[str, list[tuple[str, Symbol]]] = {}
        for path, outline in self.outlines.items():
            for symbol in outline.symbols:
                found.setdefault(symbol.name, []).append((path, symbol))
        return found

    @cached_property
    def _modules(self) -> dict[str, str | None]:
        """Files by their dotted names and by every tail of these; None for what several have."""
        found: dict[str, str | None] = {}
        for path in self.outlines:
            parts = path[: -len(suffix_of(path))].split("/")
            if parts[-1] in ("__init__", "mod", "index") and len(parts) > 1:
                parts = parts[:-1]
            for start in range(len(parts)):
                name = ".".join(parts[start:])
                found[name] = None if name in found else path
        return found


def _frames(text: str) -> Iterator[_Frame]:
    for match in _PYTHON.finditer(text):
        yield _Frame(match.start(), match[1], int(match[2]), match[3] or "")
    for match in _JAVA.finditer(text):
        folder = match[1].rpartition(".")[0].replace(".", "/")
        yield _Frame(match.start(), f"{folder}/{match[2]}".lstrip("/"), int(match[3]))
    rest = _JAVA.sub(_blank, _PYTHON.sub(_blank, text))
    for token in _TOKEN.finditer(rest):
        written = _WRITTEN.fullmatch(token[0].rstrip(".:!?"))
        if written is not None and suffix_of(written[1]):
            bracket = _IN_BRACKETS.match(rest, token.end())
            line = written[2] or (bracket[1] if bracket else 0)
            yield _Frame(token.start(), written[1], int(line))


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _latest_last(path: str) -> bool:
    """Whether stack traces of the file's language end with the call where it happened; the others begin with it."""
    return path.endswith((".py", ".pyi", ".pyw"))


def _symbol_clue(path: str, symbol: Symbol, said: str, weight: float) -> Clue:
    return Clue(path=path, reason="symbol", quoted=said, weight=weight, location=_location(path, symbol))


def _location(path: str, symbol: Symbol) -> Location:
    return Location(path=path, kind=symbol.kind, name=symbol.qualname, start=symbol.start, end=symbol.end)
