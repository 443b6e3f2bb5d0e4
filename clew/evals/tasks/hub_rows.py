"""Rows of public datasets as items: one function per schema. See `hub` for where each comes from."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from clew.errors import ConfigError
from clew.evals.tasks.items import Gold, Item, Link
from clew.scoring.cases import Assertion
from clew.task import Task, TaskKind

Row = Mapping[str, Any]

LETTERS = "ABCD"
_SLUG = re.compile(r"[^\w]+")


class Paragraph(NamedTuple):
    """A paragraph that comes with a question; `supporting` if the question needs it."""

    title: str
    text: str
    supporting: bool

    @property
    def document(self) -> str:
        """A file name: the title, and a hash, because one title may head several paragraphs."""
        slug = _SLUG.sub("-", self.title).strip("-")[:60] or "untitled"
        content = f"{self.title}\n{self.text}".encode()
        return f"{slug}-{blake2b(content, digest_size=4).hexdigest()}.md"


class Parsed(NamedTuple):
    """What a row holds: an item, and the paragraphs that it comes with."""

    item: Item
    paragraphs: tuple[Paragraph, ...] = ()


def hotpotqa(row: Row, key: str) -> Parsed:
    """HotpotQA and 2WikiMultihopQA: `context` and `supporting_facts` as parallel lists (`{"title": [...], "sentences":
    [[...], ...]}`, `{"title": [...], "sent_id": [...]}`), as lists of objects, or as the authors' lists of pairs."""
    supporting = {str(title).strip() for title, _ in _pairs(row.get("supporting_facts"), "title", "sent_id")}
    paragraphs = tuple(
        Paragraph(str(title).strip(), " ".join(s.strip() for s in sentences), str(title).strip() in supporting)
        for title, sentences in _pairs(row.get("context"), "title", "sentences")
    )
    chain = tuple(
        Link(question=f"{subject}: {relation}", answer=value)
        for subject, relation, value in (
            fact for fact in row.get("evidences") or () if isinstance(fact, list | tuple) and len(fact) == 3
        )
    )
    item = _item(row, str(row.get("id") or row.get("_id") or key), "question", [row.get("answer")])
    gold = item.gold.model_copy(update={"documents": _supporting(paragraphs), "chain": chain})
    found = {"gold": gold, "hops": len(supporting) or None, "type": str(row.get("type") or "")}
    return Parsed(item.model_copy(update=found), paragraphs)


def musique(row: Row, key: str) -> Parsed:
    """MuSiQue: `paragraphs` of `{idx, title, paragraph_text, is_supporting}`; `question_decomposition` of `{id,
    question, answer, paragraph_support_idx}`, where `#1` in a question is the first answer; `answer_aliases`;
    `answerable`."""
    listed = row.get("paragraphs") or ()
    by_index = {p["idx"]: Paragraph(p["title"], p["paragraph_text"], bool(p["is_supporting"])) for p in listed}
    paragraphs = tuple(by_index.values())
    links: list[Link] = []
    for step in row.get("question_decomposition") or ():
        question = step["question"]
        for number, link in enumerate(links, 1):
            question = question.replace(f"#{number}", link.answer)
        source = by_index.get(step.get("paragraph_support_idx"))
        document = source.document if source else ""
        links.append(Link(question=question, answer=str(step["answer"]), document=document))
    name = str(row.get("id") or key)
    answers = [row.get("answer"), *(row.get("answer_aliases") or ())]
    item = _item(row, name, "question", answers, answerable=row.get("answerable") is not False)
    gold = item.gold.model_copy(update={"documents": _supporting(paragraphs), "chain": tuple(links)})
    found = {"gold": gold, "hops": len(links) or None, "type": name.partition("__")[0] if "__" in name else ""}
    return Parsed(item.model_copy(update=found), paragraphs)


def bamboogle(row: Row, key: str) -> Parsed:
    """Bamboogle: `Question`, `Answer`; every question needs two facts."""
    return Parsed(_item(row, key, "Question", [row.get("Answer")]).model_copy(update={"hops": 2}))


def nq(row: Row, key: str) -> Parsed:
    """NQ-Open: `question` without a question mark, `answer` as a list of strings."""
    return Parsed(_item(row, key, "question", row.get("answer") or ()))


def triviaqa(row: Row, key: str) -> Parsed:
    """TriviaQA: `question`, `question_id`, `answer` as `{value, aliases, normalized_value, ...}`."""
    answer = row.get("answer") or {}
    golds = [answer.get("value"), *(answer.get("aliases") or ()), *(answer.get("normalized_aliases") or ())]
    return Parsed(_item(row, str(row.get("question_id") or key), "question", golds))


def gsm8k(row: Row, key: str) -> Parsed:
    """GSM8K: `question`, and `answer` as a worked solution whose last line is `#### 1,234`. `hops` counts the
    calculations in `<<...>>`."""
    solution, mark, final = str(row.get("answer") or "").rpartition("####")
    item = _item(row, key, "question", [final.strip().replace(",", "") if mark else None], kind="math")
    return Parsed(item.model_copy(update={"hops": solution.count("<<") or None}))


def math500(row: Row, key: str) -> Parsed:
    """MATH-500: `problem`, `answer` (LaTeX), `subject`, `level` (1 to 5), `unique_id`."""
    item = _item(row, str(row.get("unique_id") or key), "problem", [row.get("answer")], kind="math")
    return Parsed(item.model_copy(update={"type": str(row.get("subject") or "")}))


def aime(row: Row, key: str) -> Parsed:
    """AIME: `problem`, and `answer` as an integer from 0 to 999, as a number or with leading zeros."""
    answer = str(row.get("answer") if row.get("answer") is not None else "").strip()
    golds = [str(int(answer)) if answer.isdecimal() else answer]
    return Parsed(_item(row, key, "problem", golds, kind="math"))


def gpqa(row: Row, key: str) -> Parsed:
    """GPQA: `Question`, `Correct Answer`, `Incorrect Answer 1` to `3`, `Record ID`, `High-level domain`.

    The options are put in an order drawn from the item's id, which is the same in every run, and recorded in
    `task.inputs["options"]`; the gold answer is a letter.
    """
    name = str(row.get("Record ID") or key)
    right = _text(row, "Correct Answer", name)
    texts = [right, *(_text(row, f"Incorrect Answer {i}", name) for i in (1, 2, 3))]
    order = random.Random(name).sample(range(4), 4)
    options = {letter: texts[index] for letter, index in zip(LETTERS, order, strict=True)}
    listed = "\n".join(f"{letter}. {option}" for letter, option in options.items())
    task = Task(
        id=name,
        prompt=f"{_text(row, 'Question', name)}\n\n{listed}",
        kind="choice",
        inputs={"options": options},
    )
    item = Item(task=task, gold=Gold(answers=(LETTERS[order.index(0)],)), type=str(row.get("High-level domain") or ""))
    return Parsed(item)


def humaneval(row: Row, key: str) -> Parsed:
    """HumanEval: `prompt` (a signature with its docstring), `test` (a program that defines `check`), `entry_point`,
    `task_id`."""
    name = str(row.get("task_id") or key)
    prompt = f"Complete this function.\n\n```python\n{_text(row, 'prompt', name)}\n```"
    test = Assertion(code=_text(row, "test", name), entry=_text(row, "entry_point", name))
    return Parsed(Item(task=Task(id=name, prompt=prompt, kind="code"), gold=Gold(tests=(test,))))


def mbpp(row: Row, key: str) -> Parsed:
    """MBPP, sanitized: `prompt`, `test_list` (asserts), `test_imports`, `task_id`; or full: `text`, `test_setup_code`.

    The question shows the first assert, without which nobody knows what the function is called; all of them judge.
    """
    name = f"mbpp-{row['task_id']}" if row.get("task_id") is not None else key
    asserts = [str(line).strip() for line in row.get("test_list") or ()]
    if not asserts:
        raise ConfigError(f"item {name!r} has no tests in the field 'test_list': choose another split")
    before = "\n".join([str(row.get("test_setup_code") or ""), *map(str, row.get("test_imports") or ())]).strip()
    tests = tuple(Assertion(code=f"{before}\n{line}".strip()) for line in asserts)
    text = _text(row, "prompt" if "prompt" in row else "text", name)
    prompt = f"{text}\n\nIt must pass this test:\n\n```python\n{asserts[0]}\n```"
    return Parsed(Item(task=Task(id=name, prompt=prompt, kind="code"), gold=Gold(tests=tests)))


def _item(
    row: Row, name: str, question: str, answers: Sequence[Any], *, kind: TaskKind = "qa", answerable: bool = True
) -> Item:
    """Raises `ConfigError` for a row without gold answers, as in hidden test splits: an empty list would say that the
    question has none."""
    golds = tuple(dict.fromkeys(text for answer in answers if answer is not None and (text := str(answer).strip())))
    if answerable and not golds:
        raise ConfigError(f"item {name!r} has no answer (a hidden test split?): choose a split with answers")
    task = Task(id=name, prompt=_text(row, question, name), kind=kind)
    return Item(task=task, gold=Gold(answers=golds if answerable else ()))


def _text(row: Row, field: str, name: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(
            f"item {name!r} has no text in the field {field!r}; its fields are {', '.join(map(repr, row))}: "
            "give the dataset in the schema of its page"
        )
    return value.strip()


def _pairs(value: Any, first: str, second: str) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from zip(value[first], value[second], strict=True)
    for entry in value if isinstance(value, list | tuple) else ():
        yield (entry[first], entry[second]) if isinstance(entry, Mapping) else (entry[0], entry[1])


def _supporting(paragraphs: Sequence[Paragraph]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paragraph.document for paragraph in paragraphs if paragraph.supporting))
