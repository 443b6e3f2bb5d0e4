"""Questions in English: noun phrases for what a chain passes through, sentences that set the scene, and comparisons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from clew.evals.tasks.labyrinth.entities import NOUNS, Entity, Fact, Neighbour, World
from clew.evals.tasks.labyrinth.phrases import SLOT, Bank, bank_of, possessive, relations, sentence

# How many steps each sentence takes; the last one asks.
CUTS = {
    1: ((1,),),
    2: ((2,), (2,), (1, 1)),
    3: ((3,), (2, 1), (1, 2)),
    4: ((2, 2), (2, 2), (1, 3), (3, 1), (2, 1, 1)),
    5: ((2, 3), (3, 2), (2, 2, 1), (1, 2, 2)),
}
DRAFTS = 12
# A question that scores more than this is not asked.
AWKWARD = 2.4

CONTRASTS = {
    "+": ("{list} differ in {quality}. {ask}", "{list} are {both} {ns}. {ask}", "{direct}"),
    "-": ("There are {number} {ns}, {list}. {ask}", "Of {list}, one {clause}. {ask}", "{direct}"),
}
# Relation: (sign of the winner's value, adjective for two, for more, a clause for two, for more, what differs).
DEGREES = {
    "opened": ((-1, "older", "oldest", "opened earlier", "opened first", "age"),
               (1, "newer", "newest", "opened later", "opened last", "age")),
    "founded": ((-1, "older", "oldest", "was founded earlier", "was founded first", "age"),
                (1, "younger", "youngest", "was founded later", "was founded last", "age")),
    "first_held": ((-1, "older", "oldest", "began earlier", "began first", "age"),
                   (1, "newer", "newest", "began later", "began last", "age")),
    "launched": ((-1, "older", "oldest", "was launched earlier", "was launched first", "age"),
                 (1, "newer", "newest", "was launched later", "was launched last", "age")),
    "published": ((-1, "older", "oldest", "came out earlier", "came out first", "age"),
                  (1, "newer", "newest", "came out later", "came out last", "age")),
    "birth_year": ((-1, "older", "oldest", "was born earlier", "was born first", "age"),
                   (1, "younger", "youngest", "was born later", "was born last", "age")),
    "height": ((1, "higher", "highest", "is higher", "is the highest", "height"),
               (-1, "lower", "lowest", "is lower", "is the lowest", "height")),
    "length": ((1, "longer", "longest", "is longer", "is the longest", "length"),
               (-1, "shorter", "shortest", "is shorter", "is the shortest", "length")),
    "population": ((1, "larger", "largest", "has more inhabitants", "has the most inhabitants", "population"),
                   (-1, "smaller", "smallest", "has fewer inhabitants", "has the fewest inhabitants", "population")),
    "seats": ((1, "larger", "largest", "has more seats", "has the most seats", "seating capacity"),
              (-1, "smaller", "smallest", "has fewer seats", "has the fewest seats", "seating capacity")),
}  # fmt: skip
Degree = tuple[int, str, str, str, str, str]
# "The larger theatre" could be the larger building.
VAGUE = ("population", "seats")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_PLACES = ("town", "province", "realm", "school", "mountain", "company", "theatre")
# After a pronoun these read badly: "the capital of it", "whose author was he".
_STIFF = re.compile(r"\b(of|with|to|called in) \{x\*?\}|\bwas \{x\*?\}\?$")
# "The town where the author of it was born in": only a name goes before a stranded preposition.
_STRANDED = re.compile(r"\{x\*?\} .*\b(of|in|on|for|with|from|by|to|into|at|under|as)\??$")
_SAME = re.compile(r"\b(?:[a-z]{4,}|one)\b")
_COMMON = {"which", "what", "where", "name", "that", "with", "from", "there", "have", "does", "were", "many", "people"}


class Unfit(Exception):
    """No template reads well."""


@dataclass(frozen=True, slots=True)
class Known:
    """How a question refers to something: as subject, as object, of what is its own (empty where that reads badly).
    `depth` counts the noun phrases in it; it may end in a `clause` with its verb last. A `pronoun` points back."""

    subject: str
    object: str
    possessive: str = ""
    depth: int = 0
    clause: bool = False
    pronoun: bool = False
    place: bool = False

    @property
    def long(self) -> bool:
        return self.depth > 1 or self.clause or (self.depth > 0 and len(self.subject.split()) > 6)


def named(entity: Entity) -> Known:
    """`entity` by its name."""
    own = "" if entity.label.endswith(('"', "s")) or " of " in entity.label else possessive(entity.label)
    return Known(entity.label, entity.label, own)


def fits(template: str, known: Known) -> bool:
    """Whether `template` reads well about `known`: nothing follows a long phrase, and no "of it"."""
    if "{x's}" in template and not known.possessive:
        return False
    if known.pronoun and _STIFF.search(template):
        return False
    if known.depth and _STRANDED.search(template):
        return False
    return not known.long or bool(re.search(r"\{x\*?\}[?.]?$", template)) or template.startswith("{x")


def fill(template: str, known: Known, words: dict[str, str] | None = None) -> str:
    """`template` about `known`, its other slots filled from `words`."""
    forms = {None: known.subject, "*": known.object, "'s": known.possessive}
    text = SLOT.sub(lambda slot: forms[slot[2]], template)
    for slot, word in (words or {}).items():
        text = text.replace(f"{{{slot}}}", word)
    if known.place:
        text = re.sub(rf" (?:in|at) {re.escape(known.object)}(?![\w'])", " there", text)
    return text


def noun_of(entity: Entity) -> str:
    """The noun that points back at `entity`."""
    if entity.type in ("person", "company", "theatre"):
        return entity.kind
    return "book" if entity.type == "book" else entity.kind.split()[-1]


def awkward(text: str) -> float:
    """How badly `text` reads: words that come again, relative clauses in relative clauses, chains of `of`, length."""
    score, said = 0.0, Counter[str]()
    for part in re.split(r"(?<=[.?]) ", text):
        words = part.split()
        stems = Counter(word[:5] for word in _SAME.findall(part) if word not in _COMMON)
        score += 2.5 * sum(count - 1 for count in stems.values())
        said += Counter(set(stems))
        score += 2.4 * max(0, len(re.findall(r"\b(that|whom?|whose|where|(?:to|in|on) which)\b", part[1:])) - 1)
        score += 1.5 * max(0, part.count(" of ") - 2)
        score += 0.5 * max(0, len(words) - 19) + 1.2 * part.count(" person ")
        score += 4.0 * len(re.findall(r"there there|that that|the town with the", part))
    # One noun may point back at an earlier sentence.
    return score + 0.8 * max(0, sum(count - 1 for count in said.values()) - 1)


class Wording:
    """Words chains of steps in the bank of the world's split, with the choices of `rng`."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng = world, rng
        self.bank: Bank = bank_of(world.split)

    def ask(self, step: Neighbour, known: Known) -> str:
        """A question for the end of `step`, about `known`. Raises `Unfit` where none reads well."""
        return sentence(self._filled("ask" if step.forward else "iask", step, known))

    def _filled(self, section: str, step: Neighbour, known: Known) -> str:
        templates: Sequence[str] = relations()[step.fact.relation].templates(section, self.bank)
        fitting = [text for text in templates if fits(text, known)]
        if known.depth and len(known.subject.split()) > 3 and section in ("np", "inp"):
            # "The woman whom the man who designed it married": one clause does not stand inside another.
            fitting = [text for text in fitting if text.endswith(("{x}", "{x*}"))]
        noun, plural = NOUNS[self.world.entities[step.fact.subject].type]
        words = {"n": noun, "ns": plural}
        if not relations()[step.fact.relation].is_value:
            end = self.world.entities[step.end]
            words |= {"m": "woman" if end.female else "man", "h": "wife" if end.female else "husband"}
            words["a"] = f"{'an' if end.kind[0] in 'aeio' else 'a'} {end.kind}"
        if not fitting:
            raise Unfit
        return fill(self.rng.choice(fitting), known, words)

    def describe(self, steps: Sequence[Neighbour], known: Known) -> Known:
        """A noun phrase for where `steps` lead from `known`."""
        for step in steps:
            text = self._filled("np" if step.forward else "inp", step, known)
            clause = not text.endswith((known.object, known.possessive or known.object)) and " " in text
            clause = clause and bool(re.search(r"\b(that|wh\w+)\b", text.partition(known.subject)[0]))
            known = Known(text, text, depth=known.depth + 1, clause=clause)
        return known

    def chain(self, start: Entity, steps: Sequence[Neighbour], section: str = "") -> str | None:
        """The question for the end of `steps` in the best of several wordings, or None where none reads well.
        `section`: `count` asks how many facts there are like the last one."""
        return self._best(lambda: self._draft(start, steps, section))

    def _best(self, draft: Callable[[], str]) -> str | None:
        best, least = None, AWKWARD
        for _ in range(DRAFTS):
            with suppress(Unfit):
                text = draft()
                if (score := awkward(text)) < least:
                    best, least = text, score
        return best

    def _draft(self, start: Entity, steps: Sequence[Neighbour], section: str) -> str:
        known, spoken, said, at = named(start), [start], list[str](), 0
        *cuts, last = self.rng.choice(CUTS[len(steps)])
        for cut in cuts:
            *before, step = steps[at : at + cut]
            at += cut
            scene = "set" if step.forward else "iset"
            said.append(sentence(self._filled(scene, step, self.describe(before, known))))
            spoken += [self.world.entities[one.end] for one in before]
            end = self.world.entities[step.end]
            if any(other.type == end.type != "person" or noun_of(other) == noun_of(end) for other in spoken):
                raise Unfit
            known = self._again(end, spoken)
            spoken.append(end)
        *before, step = steps[at : at + last]
        known = self.describe(before, known)
        question = self._filled(section, step, known) if section else self.ask(step, known)
        return " ".join([*said, sentence(question)])

    def _again(self, entity: Entity, spoken: Sequence[Entity]) -> Known:
        """`entity`, just brought up, where `spoken` came before it."""
        place = entity.type in _PLACES
        if not any((other.type == "person") == (entity.type == "person") for other in spoken):
            if entity.type == "person":
                return Known(*(("she", "her", "her") if entity.female else ("he", "him", "his")), pronoun=True)
            return Known("it", "it", "its", pronoun=True, place=place)
        noun = f"{self.rng.choice(('the', 'that'))} {noun_of(entity)}"
        return Known(noun, noun, "" if noun.endswith("s") else possessive(noun), place=place)

    def comparison(self, options: Sequence[Entity], relation: str, degree: Degree, step: Neighbour) -> str | None:
        """The question for the end of `step` from the winner among `options`, or None where it does not read well."""
        return self._best(lambda: self._contrast(options, relation, degree, step))

    def _contrast(self, options: Sequence[Entity], relation: str, degree: Degree, step: Neighbour) -> str:
        frame = self.rng.choice(CONTRASTS[self.bank])
        two, person = len(options) == 2, options[0].type == "person"
        word, clause = (degree[1], degree[3]) if two else (degree[2], degree[4])
        names = [option.label for option in options]
        noun, plural = NOUNS[options[0].type]
        if (frame == "{direct}" and relation in VAGUE) or (person and "{ns}" in frame):
            raise Unfit
        ending = ""
        if frame == "{direct}" and self.bank == "+":
            best = Known(f"the {word} of {_listed(names)}", f"the {word} of {_listed(names)}", depth=2)
        elif frame == "{direct}":
            of = f"of the {NUMBERS[len(options)]}" if person else noun
            best = Known(f"the {word} {of}", f"the {word} {of}", depth=2)
            ending = f", {_listed(names, 'or')}?"
        elif frame.startswith("Of"):
            female = {option.female for option in options}
            if person and len(female) > 1:
                raise Unfit
            she = person and female.pop()
            best = Known(*(("she", "her", "her") if she else ("he", "him", "his") if person else ("it", "it", "its")),
                         pronoun=True, place=options[0].type in _PLACES)  # fmt: skip
        elif "{number}" in frame:
            one = f"the one that {clause}".replace("that has", "with")
            if clause.startswith("is "):
                one = f"the {word} one"
            best = Known(one, one, depth=1, clause=" that " in one)
        else:
            best = Known(f"the {word} one", f"the {word} one", depth=1)
        asked = self.ask(step, best)
        if ending:
            if not asked.endswith(f"{best.object}?"):
                raise Unfit
            asked = asked[:-1] + ending
        slots = {"list": _listed(names), "quality": degree[5], "both": "both" if two else "all", "ns": plural,
                 "number": NUMBERS[len(options)], "clause": clause, "ask": asked, "direct": asked}  # fmt: skip
        return sentence(re.sub(r"\{(\w+)\}", lambda slot: slots[slot[1]], frame))


def _listed(names: Sequence[str], word: str = "and") -> str:
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def tally(facts: Sequence[Fact]) -> Neighbour:
    """The step that a question of how many asks about: from the object that all `facts` share."""
    return Neighbour(facts[0], False)
