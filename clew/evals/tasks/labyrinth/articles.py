"""Articles: what each entity's document says, and stubs that repeat a part of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random

from clew.evals.tasks.labyrinth import fillers
from clew.evals.tasks.labyrinth.entities import NOUNS, Entity, Fact, World, shown
from clew.evals.tasks.labyrinth.phrases import SLOT, bank_of, possessive, relations, sentence

WORDS = 64  # at least, in an article
STUB_WORDS = 40
STUBS = 12  # one stub for so many entities
_CLAUSE = ("where ", "that ", "until ")  # after these a subject follows
_PRONOUNS = {"": ("he", "she"), "*": ("him", "her"), "'s": ("his", "her")}


def documents(world: World) -> Iterator[tuple[str, str]]:
    """(file name, text) of every document: an article per entity, and stubs after every twelfth."""
    for entity in world.entities:
        yield entity.document, article(world, entity)
        if entity.index % STUBS == STUBS - 1:
            yield f"notes-on-{entity.document}", stub(world, entity)


def article(world: World, entity: Entity) -> str:
    """The article of `entity` in Markdown: about 60 to 180 words, its facts in an order of its own."""
    writer = _Writer(world, entity)
    facts = list(world.stated_in.get(entity.index, ()))
    writer.rng.shuffle(facts)
    lines: list[Fact | str] = list(facts)
    for _ in range(max(2, (WORDS - 11 * len(facts)) // 10)):
        lines.insert(writer.rng.randint(0, len(lines)), writer.fillings.pop())
    return writer.page(entity.title, lines, WORDS)


def stub(world: World, entity: Entity) -> str:
    """A near-duplicate of the article of `entity` that states no fact."""
    return _Writer(world, entity).page(f"Notes on {entity.mention}", [], STUB_WORDS)


class _Writer:
    """Sentences about one topic, in order: what came before decides where a pronoun is clear."""

    def __init__(self, world: World, topic: Entity) -> None:
        self.world, self.topic = world, topic
        self.rng = Random(f"labyrinth article {world.seed} {world.split} {topic.index} {topic.name}")
        self.bank = bank_of(world.split)
        self.clear = False
        self.used: set[str] = set()
        own = fillers.fillings(topic.type)
        self.fillings = self.rng.sample(own, len(own))
        self.opening = self.rng.choice(fillers.openings(topic.type))
        self.warning = self.rng.choice(fillers.warnings(topic.type))

    def page(self, title: str, lines: list[Fact | str], least: int) -> str:
        """A title and two paragraphs: an opening, `lines` and further fillings up to `least` words."""
        kind = self.topic.kind
        if kind.split()[-1] in self.topic.name.lower().split() and " " not in kind.removesuffix(" house"):
            kind = NOUNS[self.topic.type][0]  # Not "the Ostrel Playhouse is a playhouse".
        opening = self.opening.replace("{k}", f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}")
        written = [sentence(opening.replace("{s}", self.topic.mention))]
        self.clear = True
        written += [self.filling(line) if isinstance(line, str) else self.fact(line) for line in lines]
        if self.topic.twin is not None:
            self.clear = False
            other = self.world.entities[self.topic.twin].mention
            written.append(self.filling(self.warning.replace("{o}", other)))
            self.clear = False
        while self.fillings and sum(len(text.split()) for text in written) < least:
            written.append(self.filling(self.fillings.pop()))
        half = (len(written) + 1) // 2
        return f"# {title}\n\n{' '.join(written[:half])}\n\n{' '.join(written[half:])}\n"

    def filling(self, template: str) -> str:
        text = SLOT.sub(self._short, template)
        self.clear = True
        return sentence(text)

    def fact(self, fact: Fact) -> str:
        relation = relations()[fact.relation]
        subject = self.world.entities[fact.subject]
        template = self._template(relation.templates("tell", self.bank), "s" if subject is self.topic else "o")
        target = None if relation.is_value else self.world.entities[fact.object]
        other = target if subject is self.topic else subject
        if other is not None and self._alike(other):
            self.clear = self.clear and template.startswith("{")
        if other is not None and other.type == self.topic.type != "person":
            # Not "the River Ister flows into the river".
            self.clear = self.clear and template.startswith("{s" if subject is self.topic else "{o")
        seen: set[str] = set()

        def slot(found: re.Match[str]) -> str:
            role, case = found[1], found[2] or ""
            entity = subject if role == "s" else target
            if entity is None:
                return shown(fact.relation, fact.object)
            again = role in seen
            seen.add(role)
            if again:
                return _PRONOUNS[case][entity.female] if entity.type == "person" else "its" if case == "'s" else "it"
            if entity is self.topic:
                return self._short(found)
            return possessive(entity.mention) if case == "'s" else entity.mention

        text = sentence(SLOT.sub(slot, template))
        self.clear = other is None or not self._alike(other)
        return text

    def _template(self, templates: Sequence[str], role: str) -> str:
        """One that this page has not used; about a person, one with room for a pronoun."""
        fresh = [text for text in templates if text not in self.used] or templates
        short = [
            text for text in fresh if text.startswith(f"{{{role}") or f"{{{role}*}}" in text or f"{{{role}'s}}" in text
        ]
        template = self.rng.choice(short if short and self.topic.type == "person" else fresh)
        self.used.add(template)
        return template

    def _alike(self, other: Entity) -> bool:
        """Whether a pronoun for the topic could be read as `other`."""
        return (other.type == "person") == (self.topic.type == "person")

    def _short(self, slot: re.Match[str]) -> str:
        """What stands for the topic in `slot`: its name, or a pronoun or noun where that is clear."""
        mention, noun = self.topic.mention, NOUNS[self.topic.type][0]
        template, first, case = slot.string, slot.start() == 0, slot[2] or ""
        if self.clear and self.rng.random() < (0.95 if self.topic.type == "person" else 0.85):
            if self.topic.type == "person":
                before = template[: slot.start()]
                if case or first or before.endswith(_CLAUSE) or (slot[1] == "s" and before.endswith(", ")):
                    return _PRONOUNS[case][self.topic.female]
                return mention
            # Not "her birthplace is the town", nor "the bridge is a bridge".
            bare = noun not in template and not template[: slot.start()].endswith((" is ", " was "))
            forms = [f"the {noun}"] if bare else []
            if first:
                forms.append("it")
            if forms:
                short = self.rng.choice(forms)
                return ("its" if short == "it" else possessive(short)) if case == "'s" else short
        return possessive(mention) if case == "'s" else mention
