"""Names for entities: made-up words dressed by type, some of them easy to confuse on purpose."""

from __future__ import annotations

from random import Random

from clew.evals.tasks.labyrinth.entities import Entity
from clew.evals.tasks.labyrinth.names import ANY, HARD, OPEN, SOFT, Words

TOWN_SUFFIXES = ("wick", "ford", "well", "worth", "wold")
SIDES = (("Upper", "Lower"), ("Old", "New"), ("North", "South"), ("Great", "Little"))
REALMS = ("Kingdom", "Republic", "Principality", "Grand Duchy")
COMPANIES = {
    "shipyard": ("{} Shipyard", "{} Shipworks", "{} Dockyard"),
    "publishing house": ("{} Press", "{} Publishing House", "{} Bookworks"),
    "trading company": ("{} & Sons", "{} Trading Company", "{} Brothers"),
    "ironworks": ("{} Ironworks", "{} Foundry"),
}
BOOKS = {
    "novel": (
        "The Lanterns of {}", "A Winter in {}", "The Road to {}", "The Last Ferry to {}", "The Clockmaker of {}",
        "The Widow of {}", "Under the Roofs of {}", "The Bells of {}",
    ),
    "memoir": ("Letters from {}", "My Years in {}", "A Childhood in {}", "Farewell to {}"),
    "book of poems": ("Songs of {}", "Evenings at {}", "The Rain over {}", "Leaves from {}"),
    "treatise": ("On the Tides of {}", "A Short History of {}", "The Weather of {}", "The Birds of {}"),
}  # fmt: skip
INSTRUMENTS = {
    "horn": "wind instrument", "lute": "string instrument", "pipe": "wind instrument", "harp": "string instrument",
    "fiddle": "string instrument", "chime": "percussion instrument", "organ": "keyboard instrument",
}  # fmt: skip
BRIDGES = {"Bridge": ("stone bridge", "iron bridge", "timber bridge"), "Viaduct": ("brick viaduct", "stone viaduct")}
FESTIVALS = {"Festival": "yearly festival", "Fair": "yearly fair", "Music Week": "yearly music festival"}
SCHOOLS = ("Academy", "College", "Institute")
THEATRES = ("Theatre", "Playhouse", "Opera House")
SHIPS = ("barque", "schooner", "brig", "clipper", "cutter")
TOWNS = ("market town", "mill town", "walled town", "weaving town", "hill town")
MINERALS = ("green", "pale blue", "dark red", "grey", "honey-coloured", "black")
_BARE = ("&", "Brothers", "Academy", "College")


class Namer:
    """Makes entities, each with a name that occurs once in the world."""

    def __init__(self, words: Words, rng: Random, size: int) -> None:
        self.words, self.rng = words, rng
        self.used: set[str] = set()
        self.shared: list[str] = []
        self.families: list[str] = []
        number = 12 + min(size // 40, 300)
        self.women = [words.take(OPEN) for _ in range(number)]
        self.men = [words.take((*SOFT, *HARD)) for _ in range(number)]
        # Names that wait for an entity to bear them, with the index of their twin.
        self.waiting: dict[str, tuple[str, int]] = {}

    def make(self, index: int, type: str, kind: str = "") -> Entity:
        """An entity of `type`; `kind` is an occupation or the trade of a company, and chosen here for other types."""
        for _ in range(60):
            entity: Entity = getattr(self, "_" + type)(index, kind)
            if entity.name.lower() not in self.used:
                self.used.add(entity.name.lower())
                entity.label = _label(entity)
                return entity
        raise RuntimeError(f"no free name for a {type}")

    def _named(self, index: int, type: str, kinds: tuple[int, ...], dress: str, kind: str, the: bool) -> Entity:
        """`dress` with a word in it; now and then a later entity of the type gets the twin of that word."""
        twin = None
        if type in self.waiting and self.rng.random() < 0.5:
            word, twin = self.waiting.pop(type)
        else:
            word = self.words.take(kinds)
            if self.rng.random() < 0.12 and type not in self.waiting and (other := self.words.twin(word)):
                self.waiting[type] = (other, index)
        name = dress.format(word)
        return Entity(index, type, kind, name, f"the {name}" if the else name, word, twin=twin)

    def _house(self, index: int, type: str, dress: str, kind: str) -> Entity:
        """Houses of different types may share a word: the Ostrel Bridge, the Ostrel Theatre."""
        if self.shared and self.rng.random() < 0.15:
            word = self.rng.choice(self.shared[-200:])
        else:
            word = self.words.take(ANY)
            self.shared.append(word)
        name = dress.format(word)
        bare = any(part in name.split() for part in _BARE)
        return Entity(index, type, kind, name, name if bare else f"the {name}", word)

    def _realm(self, index: int, kind: str) -> Entity:
        rank = self.rng.choice(REALMS)
        word = self.words.take((*OPEN, *SOFT))
        return Entity(index, "realm", rank.lower(), f"{rank} of {word}", f"the {rank} of {word}", word)

    def _province(self, index: int, kind: str) -> Entity:
        return self._named(index, "province", ANY, "{}", "province", False)

    def _town(self, index: int, kind: str) -> Entity:
        kind = self.rng.choice(TOWNS)
        if "side" in self.waiting and self.rng.random() < 0.6:
            name, other = self.waiting.pop("side")
            return Entity(index, "town", kind, name, name, name.split()[1], twin=other)
        chance = self.rng.random()
        if chance < 0.08 and "side" not in self.waiting:
            word = self.words.take(ANY)
            first, second = self.rng.choice(SIDES)
            self.waiting["side"] = (f"{second} {word}", index)
            return Entity(index, "town", kind, f"{first} {word}", f"{first} {word}", word)
        if chance < 0.45:
            word = self.words.take((*OPEN, *SOFT))
            name = word + self.rng.choice(TOWN_SUFFIXES)
            return Entity(index, "town", kind, name, name, word)
        return self._named(index, "town", HARD, "{}", kind, False)

    def _river(self, index: int, kind: str) -> Entity:
        return self._named(index, "river", (*OPEN, *SOFT), "River {}", "river", True)

    def _mountain(self, index: int, kind: str) -> Entity:
        if self.rng.random() < 0.5:
            return self._named(index, "mountain", ANY, "Mount {}", "mountain", False)
        word = self.words.take((*OPEN, *SOFT))
        return Entity(index, "mountain", "mountain", word + "fell", word + "fell", word)

    def _person(self, index: int, kind: str) -> Entity:
        twin = None
        if "person" in self.waiting and self.rng.random() < 0.5:
            name, twin = self.waiting.pop("person")
        else:
            name = f"{self.rng.choice(self.women if self.rng.random() < 0.5 else self.men)} {self._family()}"
            given, family = name.split()
            if self.rng.random() < 0.05 and "person" not in self.waiting and (other := self.words.twin(family)):
                self.waiting["person"] = (f"{given} {other}", index)
        given, family = name.split()
        return Entity(index, "person", kind, name, name, family, female=given in self.women, twin=twin)

    def _family(self) -> str:
        """A family name; four of ten people have one that was there before."""
        if not self.families or self.rng.random() < 0.6:
            self.families.append(self.words.take())
            return self.families[-1]
        return self.rng.choice(self.families)

    def _bridge(self, index: int, kind: str) -> Entity:
        noun = self.rng.choice(("Bridge", "Bridge", "Bridge", "Viaduct"))
        return self._house(index, "bridge", "{} " + noun, self.rng.choice(BRIDGES[noun]))

    def _company(self, index: int, kind: str) -> Entity:
        return self._house(index, "company", self.rng.choice(COMPANIES[kind]), kind)

    def _ship(self, index: int, kind: str) -> Entity:
        return self._named(index, "ship", (*OPEN, *SOFT), "{}", self.rng.choice(SHIPS), True)

    def _book(self, index: int, kind: str) -> Entity:
        kind = self.rng.choice(tuple(BOOKS))
        word = self.words.take()
        name = self.rng.choice(BOOKS[kind]).format(word)
        return Entity(index, "book", kind, name, f'"{name}"', word)

    def _instrument(self, index: int, kind: str) -> Entity:
        noun = self.rng.choice(tuple(INSTRUMENTS))
        word = self.words.take((*OPEN, *SOFT))
        return Entity(index, "instrument", INSTRUMENTS[noun], f"{word} {noun}", f"the {word} {noun}", word)

    def _festival(self, index: int, kind: str) -> Entity:
        noun = self.rng.choice(tuple(FESTIVALS))
        return self._house(index, "festival", "{} " + noun, FESTIVALS[noun])

    def _school(self, index: int, kind: str) -> Entity:
        return self._house(index, "school", "{} " + self.rng.choice(SCHOOLS), "school")

    def _theatre(self, index: int, kind: str) -> Entity:
        noun = self.rng.choice(THEATRES)
        return self._house(index, "theatre", "{} " + noun, noun.lower())

    def _mineral(self, index: int, kind: str) -> Entity:
        word = self.words.take(SOFT)
        name = word.lower() + "ite"
        return Entity(index, "mineral", f"{self.rng.choice(MINERALS)} mineral", name, name, name.capitalize())


def _label(entity: Entity) -> str:
    """How a question that starts at `entity` names it: names that do not tell their type get a noun."""
    if entity.type == "province":
        return f"the province of {entity.name}"
    return entity.mention
