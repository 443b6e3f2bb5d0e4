"""Edits that a model writes as SEARCH/REPLACE blocks, read from its answer.

    ### src/cart.py
    <<<<<<< SEARCH
    total = price
    =======
    total = price * count
    >>>>>>> REPLACE

    parsed = parse_edits(answer, files)
    applied = apply_edits(parsed.edits, files, shown)

`files` maps the paths of a repository to their texts; it may read them when asked. Nothing raises for what a model
wrote: what cannot be used is a `Refusal`, whose message tells the model what to do about it. The released code drops
deletions and open fences (specification of Agentless, section 2.2) and passes paths and texts to `eval` (section 6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clew.graphs.agentless.matching import Match, bare, find, split
from clew.graphs.agentless.paths import cleaned, resolved, tails
from clew.graphs.agentless.types import Edit

Kind = Literal[
    "no_edits", "no_path", "bad_path", "unfinished", "no_divider", "no_op", "empty_search", "elided", "not_text",
    "ambiguous", "not_found", "overlap", "too_long",
]  # fmt: skip

_SEARCH = re.compile(r"(?P<indent>[ \t]*)<{5,9}[ \t]*SEARCH\b(?P<rest>.*)", re.I)
_DIVIDER = re.compile(r"={5,9}[ \t]*")
_USUAL_DIVIDER = re.compile(r"={7}[ \t]*")
_REPLACE = re.compile(r"[ \t]*>{5,9}[ \t]*(?:REPLACE\b.*)?", re.I)
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*(?P<info>.*)")
_HEADING = re.compile(r"\s*(?:#{1,6}(?!#)|//+|--+|[-*+](?!\*)|\d+[.)]|<!--)?\s*(?P<rest>.*?)\s*(?:-->)?\s*", re.S)
_LABEL = re.compile(r"[*_]{0,2}(?:file ?name|file ?path|file|path|title)[*_]{0,2}\s*[:=]\s*[*_]{0,2}", re.I)
_IN_BACKQUOTES = re.compile(r"`([^`\n]+)`")
_PATH_LIKE = re.compile(r"[^\s`'\"]*(?:/[^\s`'\"]*|\.\w{1,10})")
# A path stands in one of so many lines before a block that are not blank, of so many lines, and no longer than that.
_HEADING_LINES, _NEAR, _LONGEST = 4, 99, 1_200
# More than a model writes; what a server may send all the same is refused before it costs minutes.
MAX_ANSWER, MAX_BLOCKS, _MOST_DIVIDERS = 1 << 19, 500, 16


@dataclass(frozen=True)
class Refusal:
    """A block that could not be used; `message` says why, and what to write instead."""

    kind: Kind
    path: str
    message: str

    @property
    def event(self) -> dict[str, Any]:
        return {"kind": f"edit_{self.kind}", "path": self.path, "message": self.message}


@dataclass(frozen=True)
class Parsed:
    """The blocks of an answer in their order. Texts of edits are whole lines, each with "\\n"."""

    edits: tuple[Edit, ...]
    refusals: tuple[Refusal, ...] = ()
    events: tuple[dict[str, Any], ...] = ()


def parse_edits(text: str, files: Mapping[str, str]) -> Parsed:
    """The SEARCH/REPLACE blocks of an answer, within fences or without.

    A block belongs to the file that is named by the lines before it (a heading, the word "File:", the info string of
    the fence), else to that of the block before, else to the only file of `files`. A block is complete with its REPLACE
    marker, or with the fence that closes after its divider; one that the end of the answer cuts is refused, the others
    are used. Of several lines that could be the divider, the last counts before which stands a text of the file. An
    answer above `MAX_ANSWER` characters or with more than `MAX_BLOCKS` blocks is refused as a whole.
    """
    if len(text) > MAX_ANSWER:
        return Parsed((), (Refusal("too_long", "", _REFUSED["too_long"]),))
    lines = [bare(line) for line in split(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))]
    by_tail = tails(files)
    edits: list[Edit] = []
    refusals: list[Refusal] = []
    events: list[dict[str, Any]] = []
    named = _Named(*[next(iter(files))] * 2) if len(files) == 1 else None
    opened = [(at, match) for at, line in enumerate(lines) if (match := _SEARCH.fullmatch(line))]
    if len(opened) > MAX_BLOCKS:
        return Parsed((), (Refusal("too_long", "", _REFUSED["too_long"]),))
    free = 0
    for number, (at, marker) in enumerate(opened):
        stop = opened[number + 1][0] if number + 1 < len(opened) else len(lines)
        named = _named([*lines[free:at][-_NEAR:], marker["rest"]], files, by_tail) or named
        block = _block(lines, at, stop, len(marker["indent"]))
        free = block.end
        refused: Kind | None = block.refusal or ("no_path" if named is None else None)
        if refused is not None or named is None:
            refusals.append(Refusal(refused or "no_path", named.path if named else "", _REFUSED[refused or "no_path"]))
            continue
        edits.append(_chosen(named, block.options, files))
        if block.by_fence:
            events.append({"kind": "edit_closed_by_fence", "path": edits[-1].path})
    if not opened:
        refusals.append(Refusal("no_edits", "", _REFUSED["no_edits"]))
    return Parsed(tuple(edits), tuple(refusals), tuple(events))


_REFUSED: Mapping[Kind, str] = {
    "no_edits": "the answer has no SEARCH/REPLACE block; write one for each edit, with the path of its file above it",
    "no_path": "a block does not say which file it is for; write the path above it, as `### path/of/file`",
    "unfinished": "a block has no line `>>>>>>> REPLACE`; write it again as a whole, shorter if need be",
    "too_long": f"the answer has more than {MAX_ANSWER} characters or {MAX_BLOCKS} blocks; write what has to change",
    "no_divider": "a block has no line `=======` between its SEARCH and REPLACE texts; write it again as a whole",
}


@dataclass(frozen=True)
class _Block:
    """`options` are the pairs of texts by the lines that could be the divider; `end` is the line after the block."""

    options: tuple[tuple[list[str], list[str]], ...]
    end: int
    by_fence: bool = False
    refusal: Kind | None = None


def _block(lines: Sequence[str], at: int, stop: int, indent: int) -> _Block:
    body = [_dedented(line, indent) for line in lines[at + 1 : stop]]
    close = next((index for index, line in enumerate(body) if _REPLACE.fullmatch(line)), None)
    dividers = [index for index, line in enumerate(body[:close]) if _DIVIDER.fullmatch(line)]
    dividers = [index for index in dividers if _USUAL_DIVIDER.fullmatch(body[index])] or dividers
    by_fence = close is None
    if close is None and dividers:
        fences = (index for index, line in enumerate(body) if index > dividers[0] and _closes(line))
        close = next(fences, None)
        dividers = [index for index in dividers if close is None or index < close]
    if close is None:
        return _Block((), stop, refusal="unfinished")
    if not dividers:
        return _Block((), at + 1 + close, refusal="no_divider")
    options = tuple((body[:divider], body[divider + 1 : close]) for divider in dividers[:_MOST_DIVIDERS])
    return _Block(options, at + 1 + close + 1, by_fence)


def _dedented(line: str, indent: int) -> str:
    """A line of a block that stands indented as a whole, as in a list."""
    blanks = len(line) - len(line.lstrip(" \t"))
    return line[min(blanks, indent) :]


def _closes(line: str) -> bool:
    fence = _FENCE.fullmatch(line)
    return fence is not None and not fence["info"].strip()


def _chosen(named: _Named, options: Sequence[tuple[list[str], list[str]]], files: Mapping[str, str]) -> Edit:
    search, replace = options[0]
    path = named.path if any(line.strip() for line in search) else _new_path(named.written)
    if len(options) > 1 and path in files:
        lines = split(files[path])
        found = (each for each in reversed(options) if any(each[0]) and isinstance(find(lines, each[0], ()), Match))
        search, replace = next(found, options[0])
    return Edit(path=path, search=_text(search), replace=_text(replace))


def _new_path(written: str) -> str:
    """A slash before the path of a known file does no harm; before another it leads out of the repository."""
    return written if written.startswith(("/", "\\")) else cleaned(written) or written


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class _Named:
    """A path as the model wrote it, and the known file that it means, if any. A new file is not looked up."""

    path: str
    written: str


def _named(before: Sequence[str], files: Mapping[str, str], by_tail: Mapping[str, str | None]) -> _Named | None:
    """The path in the lines before a block, the nearest one first; the words of a heading that names no known file are
    given as they are, for a new file or a refusal."""
    for line in [line for line in reversed(before) if line.strip()][:_HEADING_LINES]:
        words, sure = _candidates(line) if len(line) <= _LONGEST else ([], False)
        for word in words:
            known = resolved(word, files, by_tail)
            if known is not None:
                return _Named(known, word)
        if sure:
            return _Named(cleaned(words[0]) or words[0], words[0])
    return None


def _candidates(line: str) -> tuple[list[str], bool]:
    """What in a line may be a path, and whether the first one surely is meant as one."""
    fence = _FENCE.fullmatch(line)
    if fence is not None:
        parts = [part.strip("\"'") for word in fence["info"].split() for part in (word, *re.split("[:=]", word)[1:])]
        words = [part for part in parts if _PATH_LIKE.fullmatch(part) and not part.endswith(("=", ":"))]
        return words, bool(words)
    found = _HEADING.fullmatch(line)
    rest = found["rest"] if found else line.strip()
    label = _LABEL.match(rest)
    whole = (rest[label.end() :] if label else rest).strip("*`: \t\"'#")
    quoted = _IN_BACKQUOTES.findall(line) if line.rstrip().endswith((":", "`", "**")) else []
    sure = label is not None or line.lstrip().startswith("###") or _PATH_LIKE.fullmatch(whole) is not None
    return [word for word in (whole, *quoted) if word], bool(whole) and sure
