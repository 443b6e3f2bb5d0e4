"""Arithmetic problems: gold values computed again by another route, and splits that share nothing."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import combinations

import pytest

from clew.errors import ConfigError
from clew.evals.tasks import Item, load
from clew.evals.tasks.arithmetic import FAMILIES, SPLITS, shown
from clew.evals.tasks.wordings import NAMES, WORDINGS
from clew.scoring import Mathematics
from clew.task import Answer

NUMBER = r"-?\d+(?:\.\d+|/\d+)?"


def again(operation: str) -> Fraction:
    """The value of a link's operation, by slow definitions that the generator does not use."""
    if found := re.fullmatch(rf"({NUMBER}) ([-+*/]) ({NUMBER})", operation):
        left, right = Fraction(found[1]), Fraction(found[3])
        return {"+": left + right, "-": left - right, "*": left * right, "/": left / right}[found[2]]
    if found := re.fullmatch(r"(\d+) mod (\d+)", operation):
        a, m = int(found[1]), int(found[2])
        return Fraction(a - m * (a // m))
    if found := re.fullmatch(r"(\d+) \^ (\d+) mod (\d+)", operation):
        power, m = 1, int(found[3])
        for _ in range(int(found[2])):
            power = power * int(found[1]) % m
        return Fraction(power)
    if found := re.fullmatch(r"C\((\d+), (\d+)\)", operation):
        n, k = int(found[1]), int(found[2])
        value = Fraction(1)
        for i in range(k):
            value *= Fraction(n - i, i + 1)
        return value
    if found := re.fullmatch(r"lcm\((\d+), (\d+)\)", operation):
        a, b = int(found[1]), int(found[2])
        larger, smaller = a, b
        while smaller:
            larger, smaller = smaller, larger - smaller * (larger // smaller)
        return Fraction(a * b, larger)
    found = re.fullmatch(r"days from (\d+)-(\d+)-(\d+) to (\d+)-(\d+)-(\d+)", operation)
    assert found, operation
    year, month, day, year2, month2, day2 = map(int, found.groups())
    return Fraction(day_number(year2, month2, day2) - day_number(year, month, day))


def day_number(year: int, month: int, day: int) -> int:
    months = [31, 28 + (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400 + sum(months[: month - 1]) + day


def items(split: str, n: int = 400, seed: int = 5) -> tuple[Item, ...]:
    return load(f"arithmetic:n={n},seed={seed},split={split}").items


@pytest.mark.parametrize("split", SPLITS)
def test_every_gold_value_is_found_again(split: str) -> None:
    for item in items(split):
        chain = item.gold.chain
        assert item.hops == len(chain) >= 2
        for link in chain:
            assert Fraction(link.answer) == again(link.question), (item.task.id, link)
        assert item.gold.answers == (chain[-1].answer,)


@pytest.mark.parametrize("split", SPLITS)
def test_the_prompt_tells_every_number_that_the_chain_does_not_compute(split: str) -> None:
    constants = {"60", "100"}  # minutes of an hour, and per cent
    for item in items(split):
        told = set(re.findall(r"\d+(?:-\d+-\d+)?", item.task.prompt.replace(",", "")))
        computed: set[str] = set()
        for link in item.gold.chain:
            used = set(
                re.findall(r"\d+-\d+-\d+|\d+(?:[./]\d+)?", link.question.replace(" - ", " ").replace(" / ", " "))
            )
            assert used <= told | computed | constants, (item.task.prompt, link)
            computed.add(link.answer.lstrip("-"))


def test_all_families_and_many_lengths_occur() -> None:
    found = [item for split in SPLITS for item in items(split)]
    assert {item.type for item in found} == set(FAMILIES)
    assert {2, 3, 5, 7} <= {item.hops for item in found if item.hops}
    assert any("/" in item.gold.answers[0] for item in found) and any("." in item.gold.answers[0] for item in found)
    assert {item.task.kind for item in found} == {"math"}


def test_splits_share_no_wording_no_name_and_no_drawn_number() -> None:
    for one, other in combinations(SPLITS, 2):
        assert {w for ws in WORDINGS[one].values() for w in ws}.isdisjoint(
            w for ws in WORDINGS[other].values() for w in ws
        )
        for role in NAMES[one]:
            assert set(NAMES[one][role]).isdisjoint(NAMES[other][role])
    for remainder, split in enumerate(SPLITS):
        assert set(WORDINGS[split]) == set(FAMILIES)
        for item in items(split):
            if item.type != "dates":  # whose dates are told; the daily number is drawn
                numbers = map(int, re.findall(r"\d+", item.task.prompt.replace(",", "")))
                assert all(number % 3 == remainder for number in numbers), item.task.prompt


def test_deterministic_and_growing() -> None:
    assert items("test", 20) == items("test", 60)[:20]
    assert items("test", 20) != items("test", 20, seed=6)
    assert load("arithmetic", limit=7).items == load("arithmetic:n=50,seed=0").items[:7]
    assert load("arithmetic", split="train", seed=9, limit=3) == load("arithmetic:seed=9,n=3,split=train")
    assert load("arithmetic:n=20,seed=5").digest() == load("arithmetic:n=20,seed=5").digest()
    many = items("train", 3000)
    assert len({item.task.id for item in many}) == 3000
    assert len({item.task.prompt for item in many}) > 2990


def test_wording_is_clean() -> None:
    for split in SPLITS:
        for item in items(split):
            prompt = item.task.prompt
            assert prompt[0].isupper() or prompt[0].isdigit(), prompt
            assert not re.search(r"[{}]|\b\d*(?:[02-9]|\b)[123]th\b|\d*1[123](?:st|nd|rd)\b|  ", prompt), prompt


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(7), "7"), (-3, "-3"), (Fraction(1, 4), "0.25"), (Fraction(-1, 40), "-0.025"), (Fraction(5, 2), "2.5"),
        (Fraction(22, 7), "22/7"), (Fraction(-2, 6), "-1/3"), (Fraction(1, 1024), "0.0009765625"),
        (10**20, "1" + "0" * 20),
    ],
)  # fmt: skip
def test_shown(value: int | Fraction, text: str) -> None:
    assert shown(value) == text and Fraction(text) == value


@pytest.mark.anyio
async def test_the_usual_scorer_judges_them() -> None:
    found = items("test", 40)
    scorer = Mathematics({item.task.id: item.gold.answers for item in found})
    for item in found:
        value = Fraction(item.gold.answers[0])
        other = Answer(text=rf"\frac{{{2 * value.numerator}}}{{{2 * value.denominator}}}")
        right, wrong = await scorer.score(item.task, [other, Answer(text=shown(value + 1))])
        assert (right.label, wrong.label) == ("right", "wrong")


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("arithmetic:n=0", "n=0"), ("arithmetic:n=many", "'many'"), ("arithmetic:split=dev", "no split 'dev'"),
        ("arithmetic:size=4", "'size'"), ("arithmetic:n", "'n'"),
    ],
)  # fmt: skip
def test_bad_options(spec: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        load(spec)
