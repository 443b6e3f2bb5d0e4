"""Whether a finished run looked its fix up: a scan of the journal for traces of it.

    found = lookups(journal, run, project="pypa/packaging", tag="23.2", gold=patch, marks=[commit, pull_request])

A workspace holds no history and a sandbox no network (`repository`, `clew.sandbox`), but a run may have had a web
search, tools of the user's, a memory of earlier runs, or an environment in which a later release is installed. A
finding is a place to look at, with the number of its event, and no proof; no finding is no proof either, for a model
may know a fix by heart. A reproduction script is read as a part of the request of the program that ran it first: what
it tries counts, though a sandbox may have kept it from it.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from clew.graphs.agentless.scripts import REPRODUCED, _parsed, script_in, script_key
from clew.journal import Event, Journal

Rule = Literal["command", "address", "version", "mark", "gold"]

LEAST_LINE = 24
_MOST = 3
_SCANNED = ("search", "read", "tool", "program", "memory", "model")
_BETWEEN = r"[\s\"',\[\](.]+"
_GIT = re.compile(
    rf"\bgit{_BETWEEN}(?:-[^\s\"',]+{_BETWEEN}(?:[^\s\"',-][^\s\"',]*{_BETWEEN})?){{0,4}}"
    r"(?:fetch|pull|clone|log|reflog|show|whatchanged|ls-remote|remote|rev-list|cherry-pick|blame|bundle|cat-file"
    r"|format-patch|for-each-ref|fsck)\b"
)
_INSTALL = (
    r"\b(?:pip[\d.]*|pipx|uv|conda|mamba|poetry|pdm|npm|yarn|pnpm|cargo|gem|go|easy_install)\b[^\n;&|]{0,200}?"
    r"\b(?:install|download|wheel|index|versions|add|get|view|pack|info|search|fetch)\b[^\n;&|]{0,400}?"
)
_SHA = re.compile(r"[0-9a-f]{12,64}")
_NUMBERS = re.compile(r"\d+(?:\.\d+)+")
# The effect that runs a script at the base, where each that says something is run.
_SCRIPT_RUN = re.compile(r"(?:^|/)script:([0-9a-f]{32})$")


@dataclass(frozen=True, slots=True)
class Lookup:
    """A trace of the fix. `event` is the number of the event, `side` the part of it, `found` what stands there, at most
    three matches.

    Rules: `command`, git asked for history or a remote, a package manager for the project, or its installed copy
    opened; `address`, a URL of the project; `version`, a release of it later than the base; `mark`, one of the marks;
    `gold`, lines that the gold patch adds (of one in what a prompt shows of the repository: `base` was not given).
    """

    event: int
    kind: str
    place: str
    side: Literal["request", "outcome"]
    rule: Rule
    found: str


def lookups(
    journal: Journal,
    run: str,
    *,
    project: str = "",
    gold: str = "",
    tag: str = "",
    marks: Sequence[str] = (),
    base: Iterable[str] = (),
) -> list[Lookup]:
    """The traces of the fix in the events of `run`, in the order of these. What the task itself holds is none.

    Args:
        project: its name, `owner/name`, or its address; without it, rules that need one find nothing.
        gold: the gold patch, a unified diff. Lines of at least 24 characters that it adds are looked for until the
            model or a candidate has written them itself.
        tag: the release at or before the base, as `Workspace.tag`; later ones are then looked for.
        marks: words that only one who looked would meet: the id of the fixing commit (its first 7 characters are
            enough), the address of a pull request, names of later tags.
        base: texts of the base commit; what stands in them says nothing.

    Raises `RunNotFound`.
    """
    row = journal.find_run(run)
    own = "\n".join(_texts(row.task))
    rules = _Rules.of(project, tag, [*marks, *re.findall(r"^From ([0-9a-f]{40})\b", gold, re.M)], own)
    left = _added(gold)
    left -= _within(left, [own, *base])
    found: list[Lookup] = []
    seen: set[str] = set()
    for moment in _moments(journal, row.id):
        event, side = moment.event, moment.side
        if moment.wrote:
            left -= _within(left, moment.texts)
            continue
        texts = [text for text in moment.texts if text not in seen] if event.kind == "model" else moment.texts
        if event.kind == "model":
            seen.update(texts)
        matches = rules.matches(event.kind, side, "\n".join(texts))
        matches["gold"] = sorted(_within(left, texts))
        for rule, words in matches.items():
            if words:
                shown = " | ".join(list(dict.fromkeys(words))[:_MOST])[:400]
                found.append(Lookup(event.seq, event.kind, event.place, side, rule, shown))
    return found


class _Moment(NamedTuple):
    """A text of the run, when it came. `wrote`: by the model or the proposer itself."""

    tick: int
    event: Event
    side: Literal["request", "outcome"]
    texts: list[str]
    wrote: bool


def _moments(journal: Journal, run: str) -> list[_Moment]:
    moments = []
    scripts: dict[str, str] = {}
    for event in journal.events(run):
        if event.state == "note" and isinstance(event.request, dict) and event.request.get("stage") == "candidate":
            moments.append(_Moment(event.begun, event, "request", list(_texts(event.request)), True))
        # A call that was refused was never sent, and its conversation was not kept.
        if event.kind not in _SCANNED or event.state in ("note", "refused"):
            continue
        asked = list(_asked(journal, event))
        if event.kind == "program" and (ran := _SCRIPT_RUN.search(event.place)):
            # The request itself holds a digest of it.
            asked += [scripts[ran[1]]] if ran[1] in scripts else []
        moments.append(_Moment(event.begun, event, "request", asked, False))
        if event.outcome is not None:
            wrote, told = event.kind == "model", list(_texts(event.outcome))
            if wrote:
                scripts.update(_scripts(told))
            moments.append(_Moment(event.ended or event.begun, event, "outcome", told, wrote))
    return sorted(moments, key=lambda moment: moment.tick)


def _scripts(replies: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The reproduction scripts in replies, by their keys, without comments and docstrings: these may tell of the fix,
    but fetch nothing."""
    for script in (script_in(reply) for reply in replies if REPRODUCED in reply):
        if script and (tree := _parsed(script)):
            try:
                yield script_key(script), ast.unparse(_Bare().visit(tree))
            except RecursionError:
                yield script_key(script), script


class _Bare(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else node


def _asked(journal: Journal, event: Event) -> Iterator[str]:
    """The texts of a request; of a conversation what the model did not write itself."""
    for value in event.request.values() if isinstance(event.request, dict) else ():
        if isinstance(value, dict) and set(value) == {"transcript"}:
            transcript = journal.transcript(value["transcript"])
            yield from (segment.text for segment in transcript.segments if segment.origin != "model")
        else:
            yield from _texts(value)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a JSON value. The words of a list, such as those of a command, are one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        if value and all(isinstance(part, str) for part in value):
            yield " ".join(value)
        else:
            for part in value:
                yield from _texts(part)


class _Rules(NamedTuple):
    install: re.Pattern[str] | None
    address: re.Pattern[str] | None
    version: re.Pattern[str] | None
    marks: re.Pattern[str] | None
    tag: tuple[int, ...]
    own: str

    @classmethod
    def of(cls, project: str, tag: str, marks: Sequence[str], own: str) -> _Rules:
        name = project.rstrip("/").removesuffix(".git").rpartition("/")[2]
        word = r"[-_.]+".join(map(re.escape, re.split(r"[-_.]+", name)))
        release = _NUMBERS.search(tag)
        known = [_mark(mark.strip()) for mark in marks if len(mark.strip()) >= 4]

        def made(pattern: str, wanted: object) -> re.Pattern[str] | None:
            return re.compile(pattern, re.I) if wanted else None

        return cls(
            made(rf"{_INSTALL}(?<![\w./-]){word}(?![\w/-]|\.\w)|\b(?:site|dist)-packages[/\\]{word}\b", name),
            made(rf"(?:https?://|ssh://|git://|git@)[^\s\"'<>]*[/:]{word}(?:\.git)?(?![\w.-])[^\s\"'<>)\]]*"
                 rf"|https?://[^\s\"'<>]*/{word}-\d[^\s\"'<>)\]]*", name),
            made(rf"(?<![\w]){word}(?:==|[-_/@ ]v?)(\d+(?:\.\d+)+)(?!\.?(?:dev|a|b|rc)\d|[\d])", name and release),
            made("|".join(known), known),
            _release(release[0]) if release else (),
            own,
        )  # fmt: skip

    def matches(self, kind: str, side: str, text: str) -> dict[Rule, list[str]]:
        """The matches in a text by rule. What a sandbox prints is full of addresses of the project, and what a model
        is asked, of commands: neither looks anything up."""
        found: dict[Rule, list[str]] = {}
        if kind in ("program", "tool") and side == "request":
            found["command"] = [match[0] for pattern in (_GIT, self.install) for match in _all(pattern, text)]
        if kind in ("search", "read", "tool") or (kind == "program" and side == "request"):
            found["address"] = [match[0] for match in _all(self.address, text)]
        if kind != "model":
            found["version"] = [match[0] for match in _all(self.version, text) if _release(match[1]) > self.tag]
        found["mark"] = [match[0] for match in _all(self.marks, text)]
        return {rule: [word for word in words if word not in self.own] for rule, words in found.items()}


def _all(pattern: re.Pattern[str] | None, text: str) -> Iterator[re.Match[str]]:
    return pattern.finditer(text) if pattern is not None else iter(())


def _mark(mark: str) -> str:
    if _SHA.fullmatch(mark.lower()):
        rest = "".join(f"(?:{letter}" for letter in mark[7:].lower()) + ")?" * len(mark[7:])
        return rf"\b{mark[:7].lower()}{rest}(?![0-9a-f])"
    return rf"(?<![\w.]){re.escape(mark)}(?!\w|\.\d)"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part[:9]) for part in version.split("."))


def _added(gold: str) -> set[str]:
    """The lines that a patch adds, in single spaces, without short ones and those that it also removes or shows."""
    lines = [(line[:1], " ".join(line[1:].split())) for line in gold.split("\n")]
    there = {text for sign, text in lines if sign in ("-", " ")}
    return {text for sign, text in lines if sign == "+" and len(text) >= LEAST_LINE and text not in there} - {
        " ".join(line[1:].split()) for line in gold.split("\n") if line.startswith("+++ ")
    }


def _within(lines: set[str], texts: Iterable[str]) -> set[str]:
    """Those of `lines` that stand in the texts: also where a report has escaped them, or put them in JSON."""
    if not lines:
        return set()
    whole = "\n".join(texts)
    plain = html.unescape(whole.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\"))
    flat = [" ".join(text.split()) for text in dict.fromkeys((whole, plain))]
    return {line for line in lines if any(line in text for text in flat)}
