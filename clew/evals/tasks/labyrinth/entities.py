"""What a world is made of: entities with made-up names, and facts between them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from clew.evals.tasks.labyrinth.phrases import relations

# Type: noun and plural, as questions say them.
NOUNS = {
    "realm": ("realm", "realms"), "province": ("province", "provinces"), "town": ("town", "towns"),
    "river": ("river", "rivers"), "mountain": ("mountain", "mountains"), "person": ("person", "people"),
    "bridge": ("bridge", "bridges"), "company": ("company", "companies"), "ship": ("ship", "ships"),
    "book": ("book", "books"), "instrument": ("instrument", "instruments"), "festival": ("festival", "festivals"),
    "school": ("school", "schools"), "theatre": ("theatre", "theatres"), "mineral": ("mineral", "minerals"),
}  # fmt: skip


@dataclass(slots=True)
class Entity:
    """Something with an article. `name` is what an answer says, `mention` what running text says (`the Ostrel Bridge`),
    `label` what a question says when it starts from here; `word` is the distinctive word of the name. `kind` tells more
    than `type` (`architect`, `barque`). `twin` has a name that is easily confused with this one."""

    index: int
    type: str
    kind: str
    name: str
    mention: str
    word: str
    label: str = ""
    female: bool = False
    twin: int | None = None

    @property
    def title(self) -> str:
        return self.name[0].upper() + self.name[1:]

    @property
    def document(self) -> str:
        """The file name of its article."""
        return slug(self.name) + ".md"

    @property
    def answers(self) -> tuple[str, ...]:
        """The spellings that are right."""
        plain = self.mention.strip('"')
        short = {"realm": (self.word,), "river": (self.word,), "ship": (f"the ship {self.name}",)}.get(self.type, ())
        label = self.label.strip('"') or plain
        return tuple(dict.fromkeys((self.name, plain, label, *short)))


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Fact:
    """`subject` stands in `relation` to `object`, an entity's index or a number. The article of `home` states it."""

    relation: str
    subject: int
    object: int
    home: int


@dataclass(slots=True)
class Neighbour:
    """A step from an entity: along `fact`, forwards from subject to object, or back."""

    fact: Fact
    forward: bool

    @property
    def end(self) -> int:
        return self.fact.object if self.forward else self.fact.subject


@dataclass
class World:
    """Entities and the facts that documents state. `withheld` facts are true and stated nowhere."""

    seed: int
    split: str
    entities: list[Entity] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    withheld: list[Fact] = field(default_factory=list)

    @cached_property
    def about(self) -> dict[int, dict[str, Fact]]:
        """Subject: relation: fact."""
        found: dict[int, dict[str, Fact]] = defaultdict(dict)
        for fact in self.facts:
            found[fact.subject][fact.relation] = fact
            if fact.relation in SYMMETRIC:
                found[fact.object][fact.relation] = Fact(fact.relation, fact.object, fact.subject, fact.home)
        return found

    @cached_property
    def pointing(self) -> dict[tuple[int, str, str], list[Fact]]:
        """(object, relation, type of the subject): facts."""
        found: dict[tuple[int, str, str], list[Fact]] = defaultdict(list)
        for fact in self.facts:
            if not relations()[fact.relation].is_value and fact.relation not in SYMMETRIC:
                found[fact.object, fact.relation, self.entities[fact.subject].type].append(fact)
        return found

    @cached_property
    def stated_in(self) -> dict[int, list[Fact]]:
        """Home: the facts that its article states."""
        found: dict[int, list[Fact]] = defaultdict(list)
        for fact in self.facts:
            found[fact.home].append(fact)
        return found

    @cached_property
    def steps(self) -> dict[int, list[Neighbour]]:
        """Entity: the steps from it that lead to exactly one place."""
        found: dict[int, list[Neighbour]] = defaultdict(list)
        for subject, facts in self.about.items():
            found[subject] += [Neighbour(fact, True) for fact in facts.values()]
        for (target, _, _), facts_back in self.pointing.items():
            if len(facts_back) == 1:
                found[target].append(Neighbour(facts_back[0], False))
        return found

    def linked(self, one: int, other: int) -> bool:
        """Whether some fact joins the two directly."""
        return any(
            fact.object == b and not relations()[name].is_value
            for a, b in ((one, other), (other, one))
            for name, fact in self.about.get(a, {}).items()
        )


SYMMETRIC = frozenset({"spouse", "twin"})


def shown(relation: str, value: int) -> str:
    """A number as text has it: years plain, other numbers with a comma for the thousands."""
    return str(value) if relations()[relation].object == "year" else f"{value:,}"
