"""Questions in English: noun phrases for what a chain passes through, and frames for long ones."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from clew.evals.tasks.labyrinth.entities import NOUNS, Entity, Fact, Neighbour, World
from clew.evals.tasks.labyrinth.phrases import Bank, bank_of, fill, relations, sentence, takes_long, takes_short

SETUPS = {
    "+": (
        "Consider {np}. {ask}", "Take {np}. {ask}", "Think of {np}. {ask}", "This is about {np}. {ask}",
        "We are looking at {np}. {ask}", "Picture {np}. {ask}",
    ),
    "-": (
        "Start from {np}. {ask}", "Begin with {np}. {ask}", "I am thinking of {np}. {ask}",
        "I have been reading about {np}. {ask}", "My question concerns {np}. {ask}", "First find {np}. {ask}",
    ),
}  # fmt: skip
CONTRASTS = {
    "+": (
        "Compare {list}. {ask}", "Take {list}. {ask}", "Consider {list}. {ask}", "Think of {list}. {ask}",
        "Put side by side {list}. {ask}", "This is about {list}. {ask}",
    ),
    "-": (
        "Look at {list}. {ask}", "Here are {number} {ns}: {list}. {ask}", "Someone mentions {list}. {ask}",
        "You are given {list}. {ask}", "I am choosing among {number} {ns}, {list}. {ask}",
        "My notes name {list}. {ask}",
    ),
}  # fmt: skip
# Relation: (sign of the winner's value, of two, of more, as a clause where that is more than `is` and the word).
DEGREES = {
    "opened": ((-1, "older", "oldest", "opened first"), (1, "newer", "newest", "opened last")),
    "founded": ((-1, "older", "oldest", "was founded first"), (1, "younger", "youngest", "was founded last")),
    "first_held": ((-1, "older", "oldest", "began first"), (1, "newer", "newest", "began last")),
    "launched": ((-1, "older", "oldest", "was launched first"), (1, "newer", "newest", "was launched last")),
    "published": ((-1, "older", "oldest", "came out first"), (1, "newer", "newest", "came out last")),
    "birth_year": ((-1, "older", "oldest", "was born first"), (1, "younger", "youngest", "was born last")),
    "height": ((1, "higher", "highest", ""), (-1, "lower", "lowest", "")),
    "length": ((1, "longer", "longest", ""), (-1, "shorter", "shortest", "")),
    "population": ((1, "more populous", "most populous", ""), (-1, "less populous", "least populous", "")),
    "seats": ((1, "larger", "largest", ""), (-1, "smaller", "smallest", "")),
}  # fmt: skip
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _tail(template: str) -> str:
    """The words that a template puts before a long phrase."""
    return " ".join(template.partition("{x}")[0].split()[-2:])


class Wording:
    """Words chains of steps in the bank of the world's split, with the choices of `rng`."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng = world, rng
        self.bank: Bank = bank_of(world.split)

    def ask(self, step: Neighbour, known: str, long: bool = False) -> str:
        """A question for the end of `step`, about `known`; `long` where that is a phrase and not a name."""
        return self._filled("ask" if step.forward else "iask", step.fact, known, long)

    def ask_fact(self, fact: Fact, known: str, long: bool = False) -> str:
        return self._filled("ask", fact, known, long)

    def count(self, fact: Fact, known: str, long: bool = False) -> str:
        return self._filled("count", fact, known, long)

    def _filled(self, section: str, fact: Fact, known: str, long: bool) -> str:
        templates: Sequence[str] = relations()[fact.relation].templates(section, self.bank)
        templates = [text for text in templates if (takes_long if long else takes_short)(text)] or templates
        if long or " of " in known or known.endswith('"'):
            templates = [text for text in templates if "{x's}" not in text] or templates
        # "the town that is home to the school that is home to" tires the reader.
        fresh = [text for text in templates if _tail(text) not in known]
        noun, plural = NOUNS[self.world.entities[fact.subject].type]
        return fill(self.rng.choice(fresh or templates), known, noun, plural)

    def describe(self, steps: Sequence[Neighbour], known: str) -> str:
        """A noun phrase for where `steps` lead from `known`."""
        for number, step in enumerate(steps):
            known = self._filled("np" if step.forward else "inp", step.fact, known, number > 0)
        return known

    def lead(self, start: Entity, steps: Sequence[Neighbour]) -> tuple[str, str, bool]:
        """(first sentence or nothing, phrase for the end of `steps` from `start`, whether it is long)."""
        many = len(steps)
        if many < 2 or (many == 2 and self.rng.random() < 0.5):
            return "", self.describe(steps, start.label), many > 0
        cut = 1 if many == 2 and self.rng.random() < 0.5 else 2
        middle = self.world.entities[steps[cut - 1].end]
        opening = self.describe(steps[:cut], start.label)
        rest = steps[cut:]
        known = f"that {NOUNS[middle.type][0]}"
        setup = self.rng.choice(SETUPS[self.bank]).replace("{np}", opening)
        return setup.replace(" {ask}", ""), self.describe(rest, known), len(rest) > 0

    def joined(self, first: str, question: str) -> str:
        return f"{first} {sentence(question)}" if first else sentence(question)

    def chain(self, start: Entity, steps: Sequence[Neighbour]) -> str:
        """The question for the end of `steps`."""
        first, known, long = self.lead(start, steps[:-1])
        return self.joined(first, self.ask(steps[-1], known, long))

    def comparison(self, options: Sequence[Entity], degree: tuple[int, str, str, str], step: Neighbour) -> str:
        """The question for the end of `step` from the winner among `options`."""
        _, of_two, of_more, clause = degree
        ships = options[0].type == "ship"
        names = [option.name if ships else option.label for option in options]
        listed = ("the ships " if ships else "") + ", ".join(names[:-1]) + f" and {names[-1]}"
        word = of_two if len(options) == 2 else of_more
        clause = clause or (f"is {word}" if len(options) == 2 else f"is the {word}")
        frame = self.rng.randrange(len(CONTRASTS[self.bank]) + 4)
        if frame >= len(CONTRASTS[self.bank]):
            best = f"the {word} of {listed}" if self.bank == "+" else f"whichever of {listed} {clause}"
            return sentence(self.ask(step, best, True))
        noun, plural = NOUNS[options[0].type]
        relative = "who" if noun == "person" else "that"
        best = f"the {word} of them" if self.bank == "+" else f"the one {relative} {clause}"
        text = CONTRASTS[self.bank][frame].replace("{ask}", sentence(self.ask(step, best, True)))
        return text.replace("{list}", listed).replace("{number}", NUMBERS[len(options)]).replace("{ns}", plural)
