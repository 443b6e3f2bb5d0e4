"""Labyrinth worlds: gold is derived again from the written documents alone, by reading them backwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ConfigError
from clew.evals.tasks import Item, read_items
from clew.evals.tasks.labyrinth import Report, World, best_constant, make, questions, world
from clew.evals.tasks.labyrinth.names import ENDINGS, SEEDS, SHAPES, SPLITS, Words, permuted, stems
from clew.evals.tasks.labyrinth.phrases import HELD, SLOT, TRAIN, Relation, bank_of, relations
from clew.evals.tasks.labyrinth.wording import AWKWARD, CONTRASTS, awkward

ROOT = Path(__file__).parents[3]
Read = dict[tuple[str, str], set[tuple[str, str]]]


# A reader of documents -----------------------------------------------------------------------------------------------


@cache
def patterns(bank: str) -> list[tuple[Relation, re.Pattern[str]]]:
    """Every sentence template of a bank as a pattern with the groups `s` and `o`."""
    found = []
    for relation in relations().values():
        for template in relation.templates("tell", bank):
            pattern, at, seen = "", 0, set[str]()
            for slot in SLOT.finditer(template):
                pattern += re.escape(template[at : slot.start()])
                at = slot.end()
                again = slot[1] in seen
                seen.add(slot[1])
                pattern += r"\S+" if again else f"(?P<{slot[1]}>.+?)"
            pattern += re.escape(template[at:])
            found.append((relation, re.compile(pattern, re.IGNORECASE)))
    return found


def plain(name: str) -> str:
    """A name without article, quotes and possessive, in lower case."""
    return re.sub(r"^the |'s$", "", name.replace('"', "").strip().lower()).strip()


SHORT = re.compile(r"^(he|she|it|him|her|his|its|the (realm|province|town|river|mountain|bridge|company|ship|book|"
                   r"instrument|festival|school|theatre|mineral)('s)?)$")  # fmt: skip


def read(folder: Path, bank: str) -> Read:
    """(relation, subject): the objects that documents state, each with the document. Parses text and nothing else."""
    files = {file.name: file.read_text() for file in sorted(folder.glob("*.md"))}
    titles = {name: text.splitlines()[0][2:] for name, text in files.items()}
    known = {plain(title) for title in titles.values()}
    stated: Read = defaultdict(set)
    for name, text in files.items():
        topic = plain(titles[name].removeprefix("Notes on "))

        def entity(words: str, topic: str = topic) -> str | None:
            return topic if SHORT.match(words.lower()) else plain(words) if plain(words) in known else None

        for sentence in re.findall(r"[^.]+\.", " ".join(text.split("\n\n", 1)[1].split())):
            for relation, pattern in patterns(bank):
                found = pattern.fullmatch(sentence.strip())
                if not found:
                    continue
                subject = entity(found["s"])
                target = found["o"] if relation.is_value else entity(found["o"])
                if subject is None or target is None or (relation.is_value and not re.fullmatch(r"[\d,]+", target)):
                    continue
                stated[relation.name, subject].add((target, name))
                if relation.name in ("spouse", "twin"):
                    stated[relation.name, target].add((subject, name))
    return stated


def make_it(folder: Path, **options: object) -> tuple[Report, list[Item]]:
    given: dict[str, object] = {"seed": 3, "entities": 200, "questions": 150} | options
    report = make(folder, **given)  # type: ignore[arg-type]  # options of one test or another
    return report, list(read_items(folder / "tasks.jsonl"))


@pytest.fixture(scope="module", params=["train", "test"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report, list[Item]]:
    folder = tmp_path_factory.mktemp("labyrinth") / "maze"
    return folder, *make_it(folder, split=request.param)


@pytest.fixture(scope="module")
def stated(made: tuple[Path, Report, list[Item]]) -> Read:
    return read(made[0] / "documents", bank_of(made[1].split))


@pytest.fixture(scope="module")
def twin(made: tuple[Path, Report, list[Item]]) -> World:
    return world(3, 200, made[1].split)


Made = tuple[Path, Report, list[Item]]


# Gold ----------------------------------------------------------------------------------------------------------------


def test_documents_state_the_world_and_nothing_else(stated: Read, twin: World) -> None:
    names = [plain(entity.mention) for entity in twin.entities]
    expected: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in twin.facts:
        relation = relations()[fact.relation]
        value = f"{fact.object:,}" if relation.object != "year" else str(fact.object)
        expected[fact.relation, names[fact.subject]].add(value if relation.is_value else names[fact.object])
        if fact.relation in ("spouse", "twin"):
            expected[fact.relation, names[fact.object]].add(names[fact.subject])
    assert {key: {value for value, _ in found} for key, found in stated.items()} == dict(expected)
    assert all(len(found) == 1 for found in stated.values()), "each fact has one value, in one document"


def test_every_link_is_stated_where_gold_says(made: Made, stated: Read) -> None:
    folder, _, items = made
    by_document: dict[str, set[str]] = defaultdict(set)
    for (_, subject), found in stated.items():
        for value, document in found:
            by_document[document] |= {subject, plain(value)}
    for item in items:
        for link in item.gold.chain:
            text = (folder / "documents" / link.document).read_text()
            # A link that leads back from object to subject may end at the topic of its document, which the title names.
            assert link.answer.lower() in text.lower()
            assert plain(link.answer) in by_document[link.document]


def test_gold_follows_from_the_documents_by_solving(made: Made, stated: Read) -> None:
    """Each link's question is matched with the question templates, and answered from what was read."""
    folder, report, items = made
    kinds = _kinds(folder)
    solved = 0
    for item in items:
        for link in item.gold.chain:
            assert plain(link.answer) in {
                plain(answer) for answer in _solve(link.question, stated, kinds, report.split)
            }
            assert len(_solve(link.question, stated, kinds, report.split)) == 1, link.question
            solved += 1
        answers = [plain(answer) for answer in item.gold.answers]
        if item.type == "chain":
            assert plain(item.gold.chain[-1].answer) in answers and len(item.gold.chain) == item.hops
    assert solved > 300


def test_chains_hang_together(made: Made) -> None:
    for item in made[2]:
        if item.type != "chain":
            continue
        documents = [link.document for link in item.gold.chain]
        assert len(set(documents)) == len(documents) == item.hops
        for before, after in zip(item.gold.chain, item.gold.chain[1:], strict=False):
            assert plain(before.answer) in after.question.lower(), "each answer is what the next link asks about"


def test_counts_are_the_number_of_facts(made: Made, stated: Read) -> None:
    counts = [item for item in made[2] if item.type == "count"]
    assert len({item.gold.answers[0] for item in counts}) >= 5
    for item in counts:
        counted = item.gold.chain[(item.hops or 1) - 1 :]
        assert str(len(counted)) == item.gold.answers[0]
        hub = plain(counted[0].answer)
        assert {plain(link.answer) for link in counted} == {hub}
        relation, one = _asked(counted[0].question, made)
        kinds = _kinds(made[0])
        type = kinds[one]
        subjects = [subject for (name, subject), found in stated.items() if name == relation.name
                    and kinds[subject] == type and hub in {plain(value) for value, _ in found}]  # fmt: skip
        assert len(subjects) == len(counted)
        assert {link.document for link in counted} <= set(item.gold.documents)


def test_a_winner_is_asked_about_and_losers_would_answer_otherwise(made: Made, stated: Read) -> None:
    comparisons = [item for item in made[2] if item.type == "comparison"]
    assert comparisons
    for item in comparisons:
        *values, last = item.gold.chain
        assert len({link.answer for link in values}) == len(values) == (item.hops or 0) - 1
        assert last.answer == item.gold.answers[0]
        assert last.answer.lower() not in item.task.prompt.lower()


THEN = r"(?:opened|founded|began|launched|out|born)"
LEAST = re.compile(
    rf"\b(older|oldest|earlier|{THEN} first|lower|lowest|shorter|shortest|smaller|smallest|fewer|fewest)\b"
)
MOST = re.compile(
    rf"\b(newer|newest|younger|youngest|later|{THEN} last|higher|highest|longer|longest|larger|largest|more|most)\b"
)


def test_the_winner_is_the_one_that_the_words_say(made: Made) -> None:
    for item in made[2]:
        if item.type != "comparison":
            continue
        *values, last = item.gold.chain
        prompt = item.task.prompt
        least, most = LEAST.search(prompt), MOST.search(prompt)
        assert bool(least) != bool(most), prompt
        best = min if least else max
        ranked = best(values, key=lambda link: int(link.answer.replace(",", "")))
        _, winner = _asked(ranked.question, made)
        assert winner in last.question.lower(), prompt


def test_questions_read_well(made: Made) -> None:
    for item in made[2]:
        assert awkward(item.task.prompt) < AWKWARD, item.task.prompt
        assert not re.search(r"\b(that that|there there|of (him|it)\b)|[{}*]|  ", item.task.prompt)
        assert item.task.prompt[0] in '"' or item.task.prompt[0].isupper()


def test_what_is_unanswerable_is_stated_nowhere(made: Made, twin: World, stated: Read) -> None:
    unanswerable = [item for item in made[2] if not item.gold.answers]
    assert unanswerable and all(item.type == "unanswerable" and not item.gold.documents for item in unanswerable)
    names = [plain(entity.mention) for entity in twin.entities]
    for fact in twin.withheld:
        assert (fact.relation, names[fact.subject]) not in stated
        if fact.relation == "spouse":
            assert (fact.relation, names[fact.object]) not in stated


def test_questions_give_nothing_away(made: Made, twin: World) -> None:
    words = {plain(entity.name): entity.word.lower() for entity in twin.entities}
    for item in made[2]:
        prompt = item.task.prompt.lower()
        if item.type in ("chain", "comparison"):
            assert not any(re.search(rf"\b{re.escape(answer.lower())}\b", prompt) for answer in item.gold.answers)
        if item.type == "chain":
            for link in item.gold.chain:
                assert words.get(plain(link.answer), link.answer.lower()) not in prompt


def test_the_mix(made: Made) -> None:
    _, report, items = made
    assert report.questions == len(items) == 150 and len({item.task.prompt for item in items}) == 150
    assert set(report.types) == {"chain", "comparison", "count", "unanswerable"}
    assert set(report.by_hops) == {"1", "2", "3", "4", "5"} and min(report.by_hops.values()) >= 10
    assert report.types["unanswerable"] <= 0.06 * len(items)
    assert best_constant(items)["all"] < 0.03
    assert Counter(item.task.kind for item in items) == {"qa": 150}
    assert not any(re.match(r"(is|are|was|were|does|did|has|have)\b", item.task.prompt.lower()) for item in items)


# Documents -----------------------------------------------------------------------------------------------------------


def test_an_article_per_entity(made: Made, twin: World) -> None:
    files = {file.name: file.read_text() for file in (made[0] / "documents").iterdir()}
    assert len(files) == made[1].documents
    for entity in twin.entities:
        text = files[entity.document]
        assert text.splitlines()[0] == f"# {entity.title}"
        assert 55 <= len(text.split()) <= 190
    stubs = [text for name, text in files.items() if name.startswith("notes-on-")]
    assert len(stubs) == 200 // 12


def test_dates_and_places_agree(twin: World) -> None:
    born = {fact.subject: fact.object for fact in twin.facts + twin.withheld if fact.relation == "birth_year"}
    begun = {fact.subject: fact.object for fact in twin.facts + twin.withheld
             if fact.relation in ("founded", "first_held", "opened", "published", "launched")}  # fmt: skip
    province = {fact.subject: fact.object for fact in twin.facts if fact.relation == "province"}
    everything = twin.facts + twin.withheld
    long = {fact.subject: fact.object for fact in everything if fact.relation == "length"}
    mayors = Counter(fact.object for fact in everything if fact.relation == "mayor")
    assert set(mayors.values()) == {1}, "nobody was the first mayor of two towns"
    assert {fact.subject for fact in everything if fact.relation == "birth_year"} == set(born)
    for fact in everything:
        one, other = fact.subject, fact.object
        match fact.relation:
            case "teacher":
                assert born[other] + 15 < born[one]
            case "founder" | "designer" | "author":
                assert 20 <= begun[one] - born[other] <= 60
            case "captain":
                assert begun[one] - born[other] >= 25
            case "builder" | "publisher":
                assert begun[other] <= begun[one]
            case "school":
                assert begun[other] < born[one] + 12
            case "spouse":
                assert one != other and twin.entities[one].female != twin.entities[other].female
            case "flows_into":
                assert long[one] < long[other], "a tributary is shorter than what it joins"
            case "capital" if twin.entities[one].type == "province":
                assert province[other] == one
    assert all(relations()[fact.relation].is_value or fact.subject != fact.object for fact in everything)


def test_near_duplicates_are_there_by_design(twin: World) -> None:
    pairs = [(entity, twin.entities[entity.twin]) for entity in twin.entities if entity.twin is not None]
    assert len(pairs) >= 8 and all(other.twin == entity.index for entity, other in pairs)
    families = Counter(entity.word for entity in twin.entities if entity.type == "person")
    assert max(families.values()) >= 2


# Names ---------------------------------------------------------------------------------------------------------------


def worlds_words(seed: int, split: str, entities: int) -> tuple[set[str], set[str]]:
    made = world(seed, entities, split)
    assert (
        len({entity.name.lower() for entity in made.entities}) == len({e.document for e in made.entities}) == entities
    )
    given = {entity.name.split()[0] for entity in made.entities if entity.type == "person"}
    return {entity.name for entity in made.entities}, {entity.word for entity in made.entities} | given


Place = st.tuples(st.integers(0, SEEDS - 1), st.sampled_from(SPLITS))


@settings(max_examples=40, deadline=None)
@given(st.lists(Place, min_size=2, max_size=4, unique=True), st.integers(50, 400))
def test_no_two_worlds_share_a_name_or_a_word(places: list[tuple[int, str]], entities: int) -> None:
    seen = [worlds_words(seed, split, entities) for seed, split in places]
    for kind in (0, 1):
        names = [each[kind] for each in seen]
        assert len(set().union(*names)) == sum(map(len, names))


def test_a_word_tells_its_stem() -> None:
    """No two shapes, stems or endings spell the same word, so that disjoint stems are disjoint words."""
    consonants = re.compile(r"[aeiouy]+|[^aeiouy]+")
    for shape in SHAPES:
        for run in shape:
            assert len(set(run)) == len(run)
        assert all(len(consonants.findall(part)) <= 1 for run in shape[1:] for part in run)
    assert not any(letter in part for shape in SHAPES for run in shape[1:] for part in run for letter in "wf")
    assert len({len(shape) for shape in SHAPES}) == len(SHAPES), "stems of two shapes differ in their vowels"
    assert "e" not in SHAPES[2][-1], "a long word that ends in -ite would be read as a mineral"
    flat = [ending for pair in ENDINGS for ending in pair]
    assert len(set(flat)) == len(flat), "pairs are dealt out apart, so an ending belongs to one"
    assert not any(letter in ending for ending in flat for letter in "aeiouywf")


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 50))
@settings(deadline=None)
def test_the_deal_is_a_permutation(left: int, right: int, key: int) -> None:
    assert sorted(permuted(index, left, right, key) for index in range(left * right)) == list(range(left * right))


@given(st.integers(0, 3 * SEEDS - 2), st.integers(0, 2), st.integers(0, len(ENDINGS) - 1))
@settings(max_examples=20, deadline=None)
def test_neighbouring_blocks_hold_other_stems(block: int, shape: int, pair: int) -> None:
    one, other = list(stems(block, shape, pair)), list(stems(block + 1, shape, pair))
    assert one and len(set(one)) == len(one) and not set(one) & set(other)


def test_a_large_world_has_words_enough() -> None:
    words = Words(SEEDS - 1, "dev")
    taken = [words.take() for _ in range(60_000)]
    assert len(set(taken)) == len(taken)


# Phrases -------------------------------------------------------------------------------------------------------------


def test_phrases_are_many_and_the_splits_share_none() -> None:
    assert len(relations()) >= 25
    for relation in relations().values():
        assert relation.is_value or ("np", TRAIN) in relation.phrases
        for section, least in (("tell", 6), ("ask", 6)):
            for bank in (TRAIN, HELD):
                found = relation.templates(section, bank)
                assert len(set(found)) == len(found) >= least, (relation.name, section)
        for section in ("tell", "ask", "np", "set", "iask", "inp", "iset", "count"):
            train, held = (set(relation.templates(section, bank)) for bank in (TRAIN, HELD))
            assert not train & held
    shared = set(CONTRASTS[TRAIN]) & set(CONTRASTS[HELD])
    assert shared == {"{direct}"}, "which is worded otherwise in each"
    assert {bank_of(split) for split in SPLITS} == {TRAIN, HELD} and bank_of("dev") == HELD


# Folder --------------------------------------------------------------------------------------------------------------


def test_the_same_arguments_write_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    code = (
        "from clew.evals.tasks.labyrinth import make; import sys;"
        "make(sys.argv[1], seed=5, entities=80, questions=40, split='dev')"
    )
    for number in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": number, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / number)], check=True, env=env)
    contents = [
        {str(file.relative_to(tmp_path / number)): file.read_bytes() for file in (tmp_path / number).rglob("*.*")}
        for number in ("1", "2")
    ]
    assert contents[0] == contents[1] and len(contents[0]) > 80


def test_what_made_it_is_written_last(made: Made) -> None:
    folder, report, _ = made
    about = json.loads((folder / "labyrinth.json").read_text())
    assert about["command"] == (
        f"clew labyrinth make DIR --seed 3 --entities 200 --questions 150 --split {report.split} --hops 1-5"
    )
    assert about["types"] == report.types and about["best_constant"]["all"] < 0.03
    assert sorted(path.name for path in folder.iterdir()) == ["documents", "labyrinth.json", "tasks.jsonl"]


def test_a_make_that_dies_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    make_it(tmp_path / "maze", entities=60, questions=10)

    def die(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "maze", seed=4, entities=1_000, questions=10, force=True, progress=die)
    assert not (tmp_path / "maze" / "labyrinth.json").exists()
    report, items = make_it(tmp_path / "maze", entities=60, questions=10, force=True)
    assert report.questions == len(items) == 10
    assert len(list((tmp_path / "maze" / "documents").iterdir())) == report.documents


def test_force_removes_nothing_but_a_world(tmp_path: Path) -> None:
    (tmp_path / "maze").mkdir()
    (tmp_path / "maze" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        make_it(tmp_path / "maze")
    make_it(tmp_path / "maze", entities=60, questions=5, force=True)
    assert (tmp_path / "maze" / "thesis.txt").read_text() == "mine"


def test_a_small_world_says_how_many_it_could_not_make(tmp_path: Path) -> None:
    report, items = make_it(tmp_path / "maze", entities=50, questions=3_000, hops=(1, 1))
    assert len(items) == report.questions < report.asked == 3_000
    assert report.dropped["the world has no more to ask"] == report.asked - report.questions
    assert set(report.by_hops) == {"1"}


@pytest.mark.parametrize("hops", [(1, 1), (2, 3), (4, 5), (3, 3)])
def test_hops_stay_in_range(hops: tuple[int, int]) -> None:
    items = questions(world(8, 150), 60, hops=hops)
    assert len(items) == 60
    assert {item.hops for item in items if item.type == "chain"} == set(range(hops[0], hops[1] + 1))
    assert all((item.hops or 0) <= hops[1] for item in items)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "the seed is -1"),
        ({"seed": SEEDS}, f"the seed is {SEEDS}"),
        ({"entities": 49}, "a world of 49 entities"),
        ({"entities": 100_001}, "a world of 100001 entities"),
        ({"split": "validation"}, "no split 'validation'"),
        ({"questions": 0}, "0 questions"),
        ({"hops": (0, 2)}, "hops of 0-2"),
        ({"hops": (4, 2)}, "hops of 4-2"),
        ({"hops": (1, 6)}, "hops of 1-6"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_it(tmp_path / "maze", **options)
    assert not (tmp_path / "maze").exists()


@pytest.mark.long
def test_the_largest_world(tmp_path: Path) -> None:
    report, items = make_it(tmp_path / "maze", entities=100_000, questions=20_000)
    assert report.questions == 20_000 and report.documents > 100_000
    assert best_constant(items)["all"] < 0.03


# Solving -------------------------------------------------------------------------------------------------------------


def _kinds(folder: Path) -> dict[str, str]:
    """Name: type, as the world has it (documents say it in their first sentence, in many ways)."""
    about = json.loads((folder / "labyrinth.json").read_text())
    made = world(about["seed"], about["entities"], about["split"])
    return {plain(entity.mention): entity.type for entity in made.entities}


def _known(text: str) -> str:
    return re.sub(r"^(ship|province of) ", "", plain(text)).strip()


@cache
def _askers(split: str) -> list[tuple[Relation, str, re.Pattern[str]]]:
    found = []
    for relation in relations().values():
        for section in ("ask", "iask"):
            for template in relation.templates(section, bank_of(split)):
                pattern = re.escape(template).replace(r"\{n\}", "(?P<n>[a-z]+)")
                pattern = pattern.replace(r"\{ns\}", "[a-z]+").replace(r"\{h\}", "(?:husband|wife)")
                pattern = pattern.replace(r"\{x's\}", "(?P<x>.+)'s").replace(r"\{x\*\}", r"\{x\}")
                pattern = pattern.replace(r"\{x\}", "(?P<x>.+)")
                found.append((relation, section, re.compile(pattern, re.IGNORECASE)))
    return found


def _readings(question: str, kinds: dict[str, str], split: str) -> Iterator[tuple[Relation, str, str, str | None]]:
    """(relation, section, what is known, the noun that is asked for) of each template that `question` may come from."""
    for relation, section, pattern in _askers(split):
        found = pattern.fullmatch(question)
        if not found or (known := _known(found["x"])) not in kinds:
            continue
        if section == "iask" or kinds[known] in relation.subjects:
            yield relation, section, known, found.groupdict().get("n")


def _solve(question: str, stated: Read, kinds: dict[str, str], split: str) -> set[str]:
    """All answers that the documents give to a question about one fact."""
    answers: set[str] = set()
    for relation, section, known, noun in _readings(question, kinds, split):
        if section == "ask":
            answers |= {value for value, _ in stated.get((relation.name, known), ())}
            continue
        wanted = noun or (relation.subjects[0] if len(relation.subjects) == 1 else None)
        answers |= {subject for (name, subject), values in stated.items() if name == relation.name
                    and kinds[subject] == wanted and known in {plain(value) for value, _ in values}}  # fmt: skip
    return answers


def _asked(question: str, made: Made) -> tuple[Relation, str]:
    """The relation and the subject that a question for an object is about."""
    return next((relation, known) for relation, section, known, _ in _readings(question, _kinds(made[0]), made[1].split)
                if section == "ask")  # fmt: skip
