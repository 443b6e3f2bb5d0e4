"""Specs: graphs as text, from one method to towers of strategies.

    corag
    corag:length=3,strategy=tree_search
    vote(corag:length=3, n=8)
    best_of(vote(cot, n=3), n=4, scorer=judge)

    spec   = call | name ":" option *("," option)
    call   = name [ "(" [ part *("," part) ] ")" ]
    part   = option | call | name ":" option
    option = key "=" value

A comma between parentheses belongs to them, so a colon takes every option behind it where it stands alone, and exactly
one inside: `vote(corag(length=3, strategy=greedy), n=8)` gives two. This module reads the text; what names and options
mean is said in `clew.agents.methods`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# A tower of real use has a height of three or four.
DEEPEST = 20

_NAME = re.compile(r"[^(),:=]*")
_VALUE = re.compile(r"[^(),]*")


class Mistake(ValueError):
    """What is wrong with a spec, and `at` which character it begins."""

    def __init__(self, at: int, sentence: str) -> None:
        super().__init__(sentence)
        self.at = at

    def told(self, where: str, text: str) -> str:
        """The message for a person, who gave `text` as `where`."""
        if str(self).startswith(repr(text)):
            return f"{where} = {self}"
        place = f" (character {self.at + 1})" if self.at else ""
        return f"{where} = {text!r}{place}: {self}"


@dataclass(frozen=True)
class Option:
    key: str
    value: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True)
class Call:
    """A name with what stands in its parentheses, or behind its colon. Its text can be read again."""

    name: str
    inner: tuple[Call, ...] = ()
    options: tuple[Option, ...] = ()
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        parts = ", ".join(map(str, (*self.inner, *self.options)))
        return f"{self.name}({parts})" if parts else self.name

    def walk(self) -> Iterator[Call]:
        """This call, then those inside, from the left."""
        yield self
        for call in self.inner:
            yield from call.walk()


def parse(text: str) -> Call:
    """The call that `text` spells. Raises `Mistake`."""
    reader = _Reader(text)
    call = reader.call(*reader.word(_NAME), depth=0)
    if reader.rest:
        raise Mistake(
            reader.at, f"{reader.rest!r} is left over: give NAME, NAME:key=value,key=value or NAME(..., key=value)"
        )
    return call


class _Reader:
    """What was read of a text, and what is left of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._blanks()

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    def word(self, pattern: re.Pattern[str]) -> tuple[str, int]:
        """The next word, without blanks around it, and where it begins."""
        found = pattern.match(self.text, self.at)
        assert found is not None, "the patterns match nothing too"
        begin, self.at = self.at, found.end()
        self._blanks()
        return found.group().strip(), begin

    def took(self, sign: str) -> bool:
        if not self.rest.startswith(sign):
            return False
        self.at += 1
        self._blanks()
        return True

    def call(self, name: str, at: int, depth: int) -> Call:
        if depth > DEEPEST:
            raise Mistake(at, f"{name!r} stands in more than {DEEPEST} parentheses: that is too deep")
        if self.took("("):
            return self.parts(name, at, depth)
        options = []
        if self.took(":"):
            if not self.rest.rstrip(",) "):
                raise Mistake(at, f"{name!r} ends in a colon: give {name}, or {name}:key=value")
            options = [self.option(*self.word(_NAME))]
            while depth == 0 and self.took(","):
                options.append(self.option(*self.word(_NAME)))
        return Call(name, (), tuple(options), at)

    def parts(self, name: str, at: int, depth: int) -> Call:
        inner, options = [], []
        more = not self.took(")")
        while more:
            word, begin = self.word(_NAME)
            if not word and self.rest.startswith((",", ")")):
                raise Mistake(begin, f"a comma of {name!r} stands alone: leave it out")
            if self.rest.startswith("="):
                options.append(self.option(word, begin))
            else:
                inner.append(self.call(word, begin, depth + 1))
            more = self.took(",")
            if not more and not self.took(")"):
                found = f"{self.rest[0]!r} stands" if self.rest else "it ends"
                raise Mistake(self.at, f"{found} where a comma or a closing parenthesis of {name!r} belongs")
        return Call(name, tuple(inner), tuple(options), at)

    def option(self, key: str, at: int) -> Option:
        if not self.took("="):
            raise Mistake(at, f"{key!r} is no option: give key=value")
        value, _ = self.word(_VALUE)
        if not key or not value:
            raise Mistake(at, f"'{key}={value}' is no option: give key=value")
        return Option(key, value, at)

    def _blanks(self) -> None:
        self.at = len(self.text) - len(self.rest.lstrip())
