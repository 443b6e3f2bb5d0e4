"""Questions about a world, with gold that follows from what its documents state."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from random import Random

from clew.errors import ConfigError
from clew.evals.tasks.items import Gold, Item, Link
from clew.evals.tasks.labyrinth.entities import Entity, Fact, Neighbour, World, shown
from clew.evals.tasks.labyrinth.phrases import relations
from clew.evals.tasks.labyrinth.wording import DEGREES, NUMBERS, Wording, named, tally
from clew.task import Task

SHARES = {"chain": 0.7, "comparison": 0.13, "count": 0.12, "unanswerable": 0.05}
# No answer is right more often than this, so that no constant guess pays.
MOST_COMMON = 0.02
TRIES = 200
MISSES = 8  # in a row, after which a world is taken to be exhausted
HOPS = (1, 5)
MOST_COUNTED = 30


def questions(world: World, number: int, *, hops: tuple[int, int] = HOPS) -> list[Item]:
    """Up to `number` questions about `world` that need between `hops[0]` and `hops[1]` links (within 1 to 5); fewer
    where the world has no more to ask. Chains make 70 percent, comparisons 13, counts 12, unanswerable ones 5.

    Raises `ConfigError` for a number or hops out of range.
    """
    return Asker(world, number, hops).items()


class Asker:
    """Draws questions until there are enough; `dropped` counts drafts thrown away, by reason."""

    def __init__(self, world: World, number: int, hops: tuple[int, int] = HOPS) -> None:
        low, high = hops
        if not HOPS[0] <= low <= high <= HOPS[1]:
            raise ConfigError(f"hops of {low}-{high} cannot be asked for: give a range within 1-5, such as 2-4")
        if number < 1:
            raise ConfigError(f"{number!r} questions cannot be made: ask for at least 1")
        self.world, self.number, self.hops = world, number, hops
        self.rng = Random(f"labyrinth questions {world.seed} {world.split} {number} {low} {high}")
        self.words = Wording(world, self.rng)
        self.dropped: Counter[str] = Counter()
        self.uses: Counter[str] = Counter()
        self.winners: Counter[str] = Counter()
        self.seen: set[object] = set()
        self.repeats: Counter[Fact] = Counter()
        self.starts = [entity for entity in world.entities if entity.index in world.steps]
        self.peers: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in world.facts:
            if fact.relation in DEGREES:
                self.peers[fact.relation, world.entities[fact.subject].type].append(fact)
        self.tallies: dict[int, list[list[Fact]]] = defaultdict(list)
        for (_, relation, _), facts in world.pointing.items():
            if relations()[relation].is_counted and 2 <= len(facts) <= MOST_COUNTED:
                self.tallies[len(facts)].append(facts)

    def items(self, progress: Callable[[str, int, int], None] | None = None) -> list[Item]:
        """The questions, in order; `progress` is called with ("questions", done, of how many)."""
        made: list[Item] = []
        misses = 0
        for number, type in enumerate(self._schedule()):
            if progress and number % 1_000 == 999:
                progress("questions", number + 1, self.number)
            draft = self._drawn(type) or self._drawn("chain")
            misses = misses + 1 if draft is None else 0
            if misses == MISSES:
                break
            if draft is None:
                continue
            made.append(draft.model_copy(update={"task": Task(id=self._id(len(made)), prompt=draft.task.prompt)}))
        if short := self.number - len(made):
            self.dropped["the world has no more to ask"] += short
        return made

    def _id(self, index: int) -> str:
        return f"labyrinth-{self.world.split}-{self.world.seed}-{index:05d}"

    def _schedule(self) -> list[str]:
        """The type of each question. Comparisons need three links at least."""
        types: list[str] = []
        for type, share in SHARES.items():
            if type != "chain" and (type != "comparison" or self.hops[1] >= 3):
                types += [type] * round(self.number * share)
        types = types[: self.number] + ["chain"] * (self.number - len(types))
        self.rng.shuffle(types)
        return types

    def _drawn(self, type: str) -> Item | None:
        maker: Callable[[int], Item | None] = getattr(self, "_" + type)
        wanted = self.rng.randint(*self.hops)
        for turn in range(TRIES):
            if turn % 20 == 19:
                wanted = self.rng.randint(*self.hops)
            item = maker(wanted)
            if item is not None and self._accepted(item):
                return item
        return None

    def _accepted(self, item: Item) -> bool:
        """Whether `item` is new and its answer not too frequent; then it is taken down as used."""
        answer = item.gold.answers[0].lower() if item.gold.answers else ""
        key = (item.type, tuple((link.question, link.answer) for link in item.gold.chain))
        if item.task.prompt in self.seen or (item.type == "chain" and key in self.seen):
            return self._drop("asked before")
        if answer and (
            self.uses[answer] >= self._cap()
            or (item.type == "comparison" and self.winners[answer] >= self._cap(SHARES["comparison"]))
        ):
            return self._drop("answer already frequent")
        self.seen |= {item.task.prompt, key}
        self.uses[answer] += 1
        self.winners[answer] += item.type == "comparison"
        return True

    def _cap(self, share: float = 1) -> int:
        """How often one answer may be right among this share of the questions."""
        return max(1, int(self.number * share * MOST_COMMON))

    def _drop(self, reason: str) -> bool:
        self.dropped[reason] += 1
        return False

    # Paths -----------------------------------------------------------------------------------------------------------

    def _walk(self, start: int, length: int, *, to_entity: bool = False) -> list[Neighbour] | None:
        """A path of `length` steps without a short cut: no fact joins two of its entities but neighbours, every link
        stands in a document of its own, and only its end may be a number."""
        nodes, path, homes = [start], list[Neighbour](), set[int]()
        for left in range(length, 0, -1):
            last = left == 1 and not to_entity
            options = [
                step
                for step in self.world.steps.get(nodes[-1], ())
                if step.fact.home not in homes and (last or not relations()[step.fact.relation].is_value)
            ]
            # No teacher of a teacher, nor a river that feeds a river that feeds a third.
            options = [step for step in options if not path or step.fact.relation != path[-1].fact.relation]
            if not options:
                return None
            step = self.rng.choice(options)
            path.append(step)
            homes.add(step.fact.home)
            if not relations()[step.fact.relation].is_value:
                if step.end in nodes or any(self.world.linked(node, step.end) for node in nodes[:-1]):
                    return None
                nodes.append(step.end)
        return path

    def _links(self, start: Entity, path: Iterable[Neighbour]) -> list[Link]:
        links = []
        for step in path:
            answer = self._answers(step)[0]
            links.append(Link(question=self.words.ask(step, named(start)), answer=answer,
                              document=self._document(step.fact)))  # fmt: skip
            if not relations()[step.fact.relation].is_value:
                start = self.world.entities[step.end]
        return links

    def _document(self, fact: Fact) -> str:
        return self.world.entities[fact.home].document

    def _answers(self, step: Neighbour) -> tuple[str, ...]:
        relation = relations()[step.fact.relation]
        if not relation.is_value:
            return self.world.entities[step.end].answers
        text = shown(relation.name, step.end)
        forms = [text, str(step.end)]
        if relation.object in ("kilometres", "metres"):
            units = (relation.object, {"kilometres": "km", "metres": "m"}[relation.object])
            forms += [f"{number} {unit}" for unit in units for number in (text, step.end)]
        return tuple(dict.fromkeys(forms))

    def _tells(self, prompt: str, entities: Iterable[int], answers: Sequence[str]) -> bool:
        """Whether the prompt gives away an entity on the way, or the answer."""
        text = prompt.lower()
        hidden = [self.world.entities[index].word.lower() for index in entities]
        return any(word in text for word in (*hidden, *(answer.lower() for answer in answers)))

    def _item(self, type: str, hops: int, prompt: str, answers: tuple[str, ...], links: list[Link]) -> Item:
        documents = tuple(dict.fromkeys(link.document for link in links)) if answers else ()
        gold = Gold(answers=answers, documents=documents, chain=tuple(links))
        return Item(task=Task(prompt=prompt), gold=gold, hops=hops, type=type)

    # Types -----------------------------------------------------------------------------------------------------------

    def _chain(self, wanted: int) -> Item | None:
        start = self.rng.choice(self.starts)
        path = self._walk(start.index, wanted)
        if path is None:
            return None
        answers = self._answers(path[-1])
        prompt = self.words.chain(start, path)
        if prompt is None:
            self._drop("reads badly")
            return None
        if self._tells(prompt, self._ends(path), answers):
            self._drop("a name gives it away")
            return None
        return self._item("chain", wanted, prompt, answers, self._links(start, path))

    def _ends(self, path: Sequence[Neighbour]) -> list[int]:
        return [step.end for step in path if not relations()[step.fact.relation].is_value]

    def _comparison(self, wanted: int) -> Item | None:
        key = self.rng.choice(sorted(self.peers))
        relation = key[0]
        number = 2 if self.hops[1] < 4 or self.rng.random() < 0.65 else 3
        if len(self.peers[key]) < number or number + 1 < self.hops[0]:
            return None
        facts = self.rng.sample(self.peers[key], number)
        values = [fact.object for fact in facts]
        if len(set(values)) < number:
            return None
        degree = self.rng.choice(DEGREES[relation])
        best = max(facts, key=lambda fact: degree[0] * fact.object)
        options = [self.world.entities[fact.subject] for fact in facts]
        winner = self.world.entities[best.subject]
        asked = [step for step in self.world.steps[winner.index] if step.fact.relation not in DEGREES]
        if not asked:
            return None
        step = self.rng.choice(asked)
        answers = self._answers(step)
        prompt = self.words.comparison(options, relation, degree, step)
        if prompt is None:
            self._drop("reads badly")
            return None
        others = {self._reached(option, step) for option in options if option is not winner}
        if step.end in others or self._tells(prompt, self._ends([step]), answers):
            self._drop("a name gives it away")
            return None
        links = [link for fact, option in zip(facts, options, strict=True)
                 for link in self._links(option, [Neighbour(fact, True)])]  # fmt: skip
        return self._item("comparison", number + 1, prompt, answers, [*links, *self._links(winner, [step])])

    def _reached(self, start: Entity, like: Neighbour) -> int | None:
        """Where the same step leads from another entity."""
        for step in self.world.steps.get(start.index, ()):
            if step.fact.relation == like.fact.relation and step.forward == like.forward:
                return step.end
        return None

    def _count(self, wanted: int) -> Item | None:
        free = [count for count in sorted(self.tallies) if self.uses[str(count)] < self._cap()]
        if not free:
            return None
        rare = min(self.uses[str(count)] for count in free)
        count = self.rng.choice([count for count in free if self.uses[str(count)] == rare])
        facts = self.rng.choice(self.tallies[count])
        hub = facts[0].object
        lead = self._lead(hub, min(wanted, 3) - 1)
        if lead is None:
            return None
        start, path = lead
        prompt = self.words.chain(start, [*path, tally(facts)], "count")
        if prompt is None:
            self._drop("reads badly")
            return None
        answers = (str(count), NUMBERS[count]) if count < len(NUMBERS) else (str(count),)
        if self._tells(prompt, [*self._ends(path), *(fact.subject for fact in facts)], ()):
            self._drop("a name gives it away")
            return None
        links = self._links(start, path)
        for fact in facts:
            links += self._links(self.world.entities[fact.subject], [Neighbour(fact, True)])
        return self._item("count", len(path) + 1, prompt, answers, links)

    def _lead(self, target: int, length: int) -> tuple[Entity, list[Neighbour]] | None:
        """A start and a path of `length` steps that ends at `target`."""
        if length <= 0:
            return self.world.entities[target], []
        back = self._walk(target, length, to_entity=True)
        if back is None:
            return None
        nodes = [target, *self._ends(back)]
        path = []
        for here, there in zip(reversed(nodes[1:]), reversed(nodes[:-1]), strict=True):
            steps = [step for step in self.world.steps[here] if step.end == there
                     and not relations()[step.fact.relation].is_value]  # fmt: skip
            if not steps:
                return None
            path.append(steps[0])
        return self.world.entities[nodes[-1]], path

    def _unanswerable(self, wanted: int) -> Item | None:
        if not self.world.withheld:
            return None
        fact = self.rng.choice(self.world.withheld)
        if self.repeats[fact] > self.number * SHARES["unanswerable"] / len(self.world.withheld):
            return None
        lead = self._lead(fact.subject, min(wanted, 3) - 1)
        if lead is None:
            return None
        start, path = lead
        prompt = self.words.chain(start, [*path, Neighbour(fact, True)])
        if prompt is None:
            self._drop("reads badly")
            return None
        if self._tells(prompt, self._ends(path), ()):
            self._drop("a name gives it away")
            return None
        self.repeats[fact] += 1
        return self._item("unanswerable", len(path) + 1, prompt, (), self._links(start, path))
