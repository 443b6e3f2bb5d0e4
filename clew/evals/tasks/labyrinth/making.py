"""A world by seed: people, places and things, with facts that agree with each other."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random

from clew.errors import ConfigError
from clew.evals.tasks.labyrinth.entities import Entity, Fact, World
from clew.evals.tasks.labyrinth.names import Words
from clew.evals.tasks.labyrinth.naming import COMPANIES, Namer
from clew.evals.tasks.labyrinth.phrases import relations

SIZES = (50, 100_000)
# Shares of the entities; people are the rest.
SHARES = {
    "realm": 0.007, "province": 0.03, "town": 0.14, "river": 0.07, "mountain": 0.06, "bridge": 0.07, "company": 0.06,
    "ship": 0.07, "book": 0.09, "instrument": 0.035, "festival": 0.035, "school": 0.04, "theatre": 0.05,
    "mineral": 0.035,
}  # fmt: skip
OCCUPATIONS = {
    "architect": 4, "writer": 4, "sea captain": 4, "merchant": 3, "teacher": 3, "musician": 3, "instrument maker": 2,
    "mountaineer": 3, "chemist": 3, "lawyer": 4,
}  # fmt: skip
CIVIC = ("lawyer", "merchant", "teacher", "chemist", "architect", "sea captain")
TRADES = tuple(COMPANIES)
FIRST_YEAR, LAST_YEAR = 1520, 1870
STATED_BACK = 4
WITHHELD = 0.07


def world(seed: int, entities: int, split: str = "test") -> World:
    """The world of `seed` and `split` with this many `entities` (50 to 100,000), equal in every process.

    Worlds of different (seed, split) share no name. Raises `ConfigError` for a seed, split or size out of range.
    """
    if not SIZES[0] <= entities <= SIZES[1]:
        raise ConfigError(f"a world of {entities!r} entities cannot be made: choose {SIZES[0]} to {SIZES[1]:,}")
    return _Maker(seed, entities, split).made()


class _Maker:
    def __init__(self, seed: int, size: int, split: str) -> None:
        self.rng = Random(f"labyrinth world {seed} {split} {size}")
        self.size = size
        self.world = World(seed, split)
        self.namer = Namer(Words(seed, split), self.rng, size)
        self.by_type: dict[str, list[Entity]] = defaultdict(list)
        self.by_kind: dict[str, list[Entity]] = defaultdict(list)
        self.born: dict[int, int] = {}
        self.begun: dict[int, int] = {}
        self.realm_of: dict[int, int] = {}
        self.back: dict[int, int] = defaultdict(int)
        self.told: set[tuple[str, int]] = set()

    def made(self) -> World:
        self._entities()
        for step in (self._places, self._rivers, self._companies, self._lives, self._bridges, self._houses,
                     self._ships, self._books, self._inventions):  # fmt: skip
            step()
        return self.world

    # Facts -----------------------------------------------------------------------------------------------------------

    def tell(self, relation: str, subject: Entity, target: Entity | int) -> None:
        """Adds a fact. A share of those that nothing else implies is withheld from all documents."""
        if (relation, subject.index) in self.told:
            return
        self.told.add((relation, subject.index))
        known = relations()[relation]
        if isinstance(target, int):
            fact = Fact(relation, subject.index, target, subject.index)
        else:
            home = subject.index
            if self.rng.random() < 0.3 and self.back[target.index] < STATED_BACK:
                self.back[target.index] += 1
                home = target.index
            fact = Fact(relation, subject.index, target.index, home)
        hidden = known.withheld and self.rng.random() < WITHHELD
        (self.world.withheld if hidden else self.world.facts).append(fact)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def some(self, pool: Sequence[Entity]) -> Entity | None:
        """One of `pool`, the first ones far more often: a few have much, most have little."""
        return pool[int(len(pool) * self.rng.random() ** 2.2)] if pool else None

    def within(self, pool: Sequence[Entity], first: int, last: int, year: Callable[[Entity], int]) -> Entity | None:
        """One of `pool`, which is sorted by `year`, from `first` to `last`."""
        low, high = bisect_left(pool, first, key=year), bisect_left(pool, last + 1, key=year)
        return pool[self.rng.randrange(low, high)] if high > low else None

    def birth(self, person: Entity) -> int:
        return self.born[person.index]

    def begin(self, thing: Entity) -> int:
        return self.begun[thing.index]

    def creation(self, trade: str, youngest: int = 26) -> tuple[Entity, int] | None:
        """A person of `trade` and a year of their working life."""
        person = self.some(self.by_kind[trade])
        return (person, self.birth(person) + self.rng.randint(youngest, 58)) if person else None

    # The cast --------------------------------------------------------------------------------------------------------

    def _entities(self) -> None:
        counts = {type: max(2, round(self.size * share)) for type, share in SHARES.items()}
        counts["person"] = self.size - sum(counts.values())
        # In turns, so that a small world has people of every occupation.
        trades = [trade for turn in range(4) for trade, weight in OCCUPATIONS.items() if weight > turn]
        for type, count in counts.items():
            for number in range(count):
                kind = ""
                if type == "person":
                    kind = trades[number % len(trades)] if number < len(trades) else self.rng.choice(trades)
                elif type == "company":
                    kind = TRADES[number % len(TRADES)]
                entity = self.namer.make(len(self.world.entities), type, kind)
                self.world.entities.append(entity)
                self.by_type[type].append(entity)
                self.by_kind[kind or type].append(entity)
                if entity.twin is not None:
                    self.world.entities[entity.twin].twin = entity.index
        for person in self.by_type["person"]:
            self.born[person.index] = self.rng.randint(FIRST_YEAR, LAST_YEAR)

    # Places ----------------------------------------------------------------------------------------------------------

    def _places(self) -> None:
        realms, provinces = self.by_type["realm"], self.by_type["province"]
        for number, province in enumerate(provinces):
            realm = realms[number] if number < len(realms) else self.rng.choice(realms)
            self.realm_of[province.index] = realm.index
            self.tell("realm", province, realm)
        capitals: dict[int, list[Entity]] = defaultdict(list)
        towns = self.by_type["town"]
        citizens = iter([person for trade in CIVIC for person in self.by_kind[trade]])
        for number, place in enumerate([*towns, *self.by_type["mountain"]]):
            province = provinces[number] if number < len(provinces) else self.some(provinces) or provinces[0]
            self.realm_of[place.index] = self.realm_of[province.index]
            self.tell("province", place, province)
            if place.type == "town" and number < len(provinces):
                self.tell("capital", province, place)
                capitals[self.realm_of[province.index]].append(place)
        for realm in realms:
            if capitals[realm.index]:
                self.tell("capital", realm, capitals[realm.index][0])
        for town in towns:
            self.tell("population", town, self.rng.randint(1_100, 48_999))
            if self.chance(0.7) and (citizen := next(citizens, None)):
                self.tell("mayor", town, citizen)
        shuffled = self.rng.sample(towns, len(towns))
        for one, other in zip(shuffled[::2], shuffled[1::2], strict=False):
            if self.chance(0.6) and one.word != other.word:
                self.tell("twin", one, other)
        for mountain in self.by_type["mountain"]:
            self.tell("height", mountain, self.rng.randint(870, 4_890))
            if self.chance(0.8) and (climber := self.some(self.by_kind["mountaineer"])):
                self.tell("climber", mountain, climber)

    def _rivers(self) -> None:
        courses: dict[int, list[Entity]] = defaultdict(list)
        springs: dict[int, list[Entity]] = defaultdict(list)
        for mountain in self.by_type["mountain"]:
            springs[self.realm_of[mountain.index]].append(mountain)
        lengths: dict[int, int] = {}
        realms = self.by_type["realm"]
        for number, river in enumerate(self.by_type["river"]):
            realm = realms[number % len(realms)].index
            self.realm_of[river.index] = realm
            if springs[realm] and self.chance(0.85):
                self.tell("source", river, self.rng.choice(springs[realm]))
            length = self.rng.randint(31, 899) if courses[realm] else self.rng.randint(600, 899)
            # A tributary is shorter than what it joins.
            longer = [course for course in courses[realm] if lengths[course.index] > 60]
            if self.chance(0.75) and (larger := self.some(longer)):
                length = self.rng.randint(31, lengths[larger.index] - 10)
                self.tell("flows_into", river, larger)
            lengths[river.index] = length
            self.tell("length", river, length)
            courses[realm].append(river)
        self.rivers_of: dict[int, Entity] = {}
        for town in self.by_type["town"]:
            if self.chance(0.8) and (course := self.some(courses[self.realm_of[town.index]])):
                self.rivers_of[town.index] = course
                self.tell("river", town, course)

    # People and what they made ---------------------------------------------------------------------------------------

    def _companies(self) -> None:
        towns = self.by_type["town"]
        for company in [*self.by_type["company"], *self.by_type["school"]]:
            founder, year = self.creation("teacher" if company.type == "school" else "merchant") or (None, 0)
            year = year or self.rng.randint(1580, 1800)
            self.begun[company.index] = year
            self.tell("founded", company, year)
            if founder and self.chance(0.9):
                self.tell("founder", company, founder)
            self.tell("town", company, self.rng.choice(towns))
        for group in (self.by_type["school"], *(self.by_kind[trade] for trade in TRADES), self.by_type["company"]):
            group.sort(key=self.begin)

    def _lives(self) -> None:
        people = sorted(self.by_type["person"], key=self.birth)
        trades = {trade: sorted(self.by_kind[trade], key=self.birth) for trade in OCCUPATIONS}
        single: Entity | None = None
        for person in people:
            year = self.birth(person)
            if birthplace := self.some(self.by_type["town"]):
                self.tell("birthplace", person, birthplace)
            self.tell("birth_year", person, year)
            teacher = self.within(trades[person.kind], year - 45, year - 16, self.birth)
            if teacher and self.chance(0.6):
                self.tell("teacher", person, teacher)
            schools = self.by_type["school"][: bisect_left(self.by_type["school"], year + 11, key=self.begin)]
            if self.chance(0.6) and (school := self.some(schools)):
                self.tell("school", person, school)
            firms = self.by_type["company"][: bisect_left(self.by_type["company"], year + 26, key=self.begin)]
            if self.chance(0.45) and person.kind != "merchant" and (firm := self.some(firms)):
                self.tell("employer", person, firm)
            if single and self._match(single, person):
                self.tell("spouse", single, person)
                single = None
            elif self.chance(0.5):
                single = person

    def _match(self, one: Entity, other: Entity) -> bool:
        return one.female != other.female and self.birth(other) - self.birth(one) < 14 and one.word != other.word

    def _bridges(self) -> None:
        riverside = [town for town in self.by_type["town"] if town.index in self.rivers_of]
        for bridge in self.by_type["bridge"]:
            if town := self.some(riverside):
                self.tell("crosses", bridge, self.rivers_of[town.index])
        for house in [*self.by_type["bridge"], *self.by_type["theatre"]]:
            if made := self.creation("architect"):
                designer, year = made
                self.tell("designer", house, designer)
                self.tell("opened", house, year)

    def _houses(self) -> None:
        towns = self.by_type["town"]
        for theatre in self.by_type["theatre"]:
            self.tell("town", theatre, self.rng.choice(towns))
            self.tell("seats", theatre, self.rng.randint(140, 2_950))
        for festival in self.by_type["festival"]:
            self.tell("venue", festival, self.rng.choice(towns))
            if made := self.creation("musician", 30):
                founder, year = made
                self.begun[festival.index] = year
                self.tell("first_held", festival, year)
                self.tell("founder", festival, founder)

    def _ships(self) -> None:
        captains = sorted(self.by_kind["sea captain"], key=self.birth)
        ports = [town for town in self.by_type["town"] if town.index in self.rivers_of and town.kind != "hill town"]
        for ship in self.by_type["ship"]:
            yard = self.some(self.by_kind["shipyard"])
            if yard is None:
                continue
            year = self.begin(yard) + self.rng.randint(2, 70)
            self.tell("builder", ship, yard)
            self.tell("launched", ship, year)
            if port := self.some(ports):
                self.tell("home_port", ship, port)
            if captain := self.within(captains, year - 60, year - 28, self.birth):
                self.tell("captain", ship, captain)

    def _books(self) -> None:
        publishers = self.by_kind["publishing house"]
        people = sorted(self.by_type["person"], key=self.birth)
        for book in self.by_type["book"]:
            made = self.creation("writer", 24)
            if made is None:
                continue
            author, year = made
            self.tell("author", book, author)
            self.tell("published", book, year)
            open_then = publishers[: bisect_left(publishers, year, key=self.begin)]
            if publisher := self.some(open_then):
                self.tell("publisher", book, publisher)
            friend = self.within(people, year - 70, year - 10, self.birth)
            if friend and friend is not author and self.chance(0.7):
                self.tell("dedicatee", book, friend)

    def _inventions(self) -> None:
        known: list[tuple[Entity, int]] = []
        for mineral in self.by_type["mineral"]:
            if made := self.creation("chemist"):
                self.tell("discoverer", mineral, made[0])
                known.append((mineral, made[1]))
            self.tell("found_on", mineral, self.rng.choice(self.by_type["mountain"]))
        known.sort(key=lambda pair: pair[1])
        invented: list[tuple[Entity, int]] = []
        for instrument in self.by_type["instrument"]:
            made = self.creation("instrument maker")
            if made is None:
                continue
            inventor, year = made
            self.tell("inventor", instrument, inventor)
            invented.append((instrument, year))
            if old := [mineral for mineral, found in known if found <= year][-40:]:
                self.tell("material", instrument, self.rng.choice(old))
        invented.sort(key=lambda pair: pair[1])
        years = [year for _, year in invented]
        for festival in self.by_type["festival"]:
            upto = bisect_left(years, self.begun.get(festival.index, 0))
            if upto:
                self.tell("devoted", festival, invented[self.rng.randrange(upto)][0])
