"""Relations and the sentences that state, ask for and describe them.

`people.py`, `places.py`, `things.py` and `works.py` hold one block per relation: `= name subject-types > object-type
flags`, then sections. `tell` states the fact, `ask` asks for its object, `np` is a noun phrase for its object, `set` a
sentence that brings the object up without its name; `iask`, `inp`, `iset` go the other way, from object to subject;
`count` counts the subjects. `+` is the bank of training worlds, `-` the bank of
development and test worlds; the two are disjoint.

Slots: `{s}` subject, `{o}` object, `{x}` the known end in a question; a star marks the objective case (him, her), `'s`
the possessive. `{n}` and `{ns}` are the noun of the subject's type and its plural, `{a}` what `set` brings up (a mill
town), `{m}` a man or woman and `{h}` a husband or wife, as the other end is. The flag `withheld`: a fact of this
relation may be left out of every document, because no others imply it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from clew.evals.tasks.labyrinth import people, places, things, works

SLOT = re.compile(r"\{([sox])(\*|'s)?\}")
VALUES = ("year", "people", "kilometres", "metres")
TRAIN, HELD = "+", "-"
_SECTIONS = ("tell", "ask", "np", "set", "iask", "inp", "iset", "count")

Bank = str


def bank_of(split: str) -> Bank:
    """The bank of phrases that worlds of `split` are written with."""
    return TRAIN if split == "train" else HELD


@dataclass(frozen=True)
class Relation:
    """A functional relation: each subject has at most one object. `phrases` maps (section, bank) to templates."""

    name: str
    subjects: tuple[str, ...]
    object: str
    withheld: bool = False
    phrases: dict[tuple[str, Bank], tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_value(self) -> bool:
        """Its object is a number, not an entity."""
        return self.object in VALUES

    @property
    def is_counted(self) -> bool:
        """Questions ask how many subjects an object has."""
        return ("count", TRAIN) in self.phrases

    def templates(self, section: str, bank: Bank) -> tuple[str, ...]:
        return self.phrases.get((section, bank), ())


@cache
def relations() -> dict[str, Relation]:
    """All relations by name."""
    blocks = "".join(module.TEXT for module in (people, places, things, works)).split("\n= ")[1:]
    return {relation.name: relation for relation in map(_parsed, blocks)}


def _parsed(block: str) -> Relation:
    head, *lines = block.strip().splitlines()
    left, right = head.split(" > ")
    name, *subjects = left.split()
    target, *flags = right.split()
    phrases: dict[tuple[str, Bank], tuple[str, ...]] = {}
    key = ("", "")
    for line in lines:
        if not line.startswith(" "):
            first, _, line = line.partition(" ")
            key = (first[:-1], first[-1])
        found = tuple(text.strip() for text in line.split(" | "))
        phrases[key] = phrases.get(key, ()) + found
    if any(section not in _SECTIONS or bank not in (TRAIN, HELD) for section, bank in phrases):
        raise ValueError(f"unknown section in the phrases of {name!r}: {sorted(phrases)}")
    return Relation(name, tuple(subjects), target, "withheld" in flags, phrases)


def possessive(name: str) -> str:
    return name + "'s"


def sentence(text: str) -> str:
    """`text` with a capital letter at its start."""
    at = 1 if text.startswith('"') else 0
    return text[:at] + text[at : at + 1].upper() + text[at + 1 :]
