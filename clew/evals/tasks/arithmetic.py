"""Generated problems that need computation: large numbers, several steps, told in words.

The gold answer is exact by construction, as an integer, a decimal or a fraction in lowest terms. Its chain holds one
link per operation (`question`: the operation in numbers, `answer`: its value), which is also what `hops` counts.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from clew.errors import ConfigError
from clew.evals.tasks.items import Gold, Item, Link, TaskSet
from clew.evals.tasks.wordings import NAMES, WORDINGS
from clew.task import Task

SPLITS = ("train", "validation", "test")


def arithmetic(n: int, *, seed: int = 0, split: str = "test") -> TaskSet:
    """`n` problems of kind `math`; the first of them are the same for any `n`.

    Splits (`train`, `validation`, `test`) share no wording, no name and no drawn number: each draws numbers of its own
    remainder by three. `type` is the family of the problem. Raises `ConfigError` for an unknown split or `n` below 1.
    """
    if split not in SPLITS:
        raise ConfigError(f"arithmetic has no split {split!r}: give one of {', '.join(SPLITS)}")
    if n < 1:
        raise ConfigError(f"n={n!r} makes no problems: give 1 or more")
    return TaskSet(f"arithmetic-{split}-{seed}", tuple(_item(index, seed, split) for index in range(n)))


def _item(index: int, seed: int, split: str) -> Item:
    draw = Draw(random.Random(f"{split}:{seed}:{index}"), SPLITS.index(split))
    family = draw.pick(tuple(FAMILIES))
    work = Work()
    told, value = FAMILIES[family](draw, work)
    prompt = draw.pick(WORDINGS[split][family]).format(**told, **_names(draw, split))
    task = Task(id=f"arithmetic-{split}-{seed}-{index}", prompt=prompt[0].upper() + prompt[1:], kind="math")
    gold = Gold(answers=(shown(value),), chain=tuple(work.links))
    return Item(task=task, gold=gold, hops=len(work.links), type=family)


def _names(draw: Draw, split: str) -> dict[str, str]:
    return {role: draw.pick(NAMES[split][role]) for role in ("person", "place", "thing")}


class Draw:
    """Random numbers that leave `remainder` when divided by three, so that no two splits share one."""

    def __init__(self, random: random.Random, remainder: int) -> None:
        self._random, self._remainder = random, remainder

    def __call__(self, low: int, high: int) -> int:
        """A number from `low` to about `high`."""
        number = self._random.randint(low, high)
        return number + (self._remainder - number) % 3

    def pick(self, choices: tuple[str, ...]) -> str:
        return self._random.choice(choices)


Number = int | Fraction


def shown(value: Number) -> str:
    """An integer, a decimal if the value is one exactly, else a fraction in lowest terms."""
    value = Fraction(value)
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if value.denominator == 1 or rest > 1:
        return str(value)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


class Work:
    """Operations on exact numbers, each written down as a link."""

    def __init__(self) -> None:
        self.links: list[Link] = []

    def _step(self, operation: str, value: Number) -> Number:
        self.links.append(Link(question=operation, answer=shown(value)))
        return value

    def add(self, a: Number, b: Number) -> Number:
        return self._step(f"{shown(a)} + {shown(b)}", a + b)

    def subtract(self, a: Number, b: Number) -> Number:
        return self._step(f"{shown(a)} - {shown(b)}", a - b)

    def multiply(self, a: Number, b: Number) -> Number:
        return self._step(f"{shown(a)} * {shown(b)}", a * b)

    def divide(self, a: Number, b: Number) -> Number:
        return self._step(f"{shown(a)} / {shown(b)}", Fraction(a) / b)

    def remainder(self, a: int, b: int) -> Number:
        return self._step(f"{a} mod {b}", a % b)

    def power_remainder(self, a: int, exponent: int, b: int) -> Number:
        return self._step(f"{a} ^ {exponent} mod {b}", pow(a, exponent, b))

    def choose(self, n: int, k: int) -> Number:
        return self._step(f"C({n}, {k})", math.comb(n, k))

    def common_multiple(self, a: int, b: int) -> Number:
        return self._step(f"lcm({a}, {b})", math.lcm(a, b))

    def days(self, first: date, last: date) -> Number:
        return self._step(f"days from {first.isoformat()} to {last.isoformat()}", (last - first).days)


class Told(NamedTuple):
    """The values that a wording tells, and the answer."""

    values: Mapping[str, Any]
    answer: Number


def _expression(draw: Draw, work: Work) -> Told:
    a, b, c, d = draw(2_000, 90_000), draw(200, 9_000), draw(10_000, 900_000), draw(20, 900)
    value = work.multiply(work.subtract(work.multiply(a, b), c), d)
    text = f"({a} * {b} - {c}) * {d}"
    for _ in range(draw(0, 5) // 3 + 1):
        e, f = draw(1_000, 99_000), draw(100, 9_900)
        value, text = work.add(value, work.multiply(e, f)), f"{text} + {e} * {f}"
    return Told({"expression": text}, value)


def _stock(draw: Draw, work: Work) -> Told:
    pallets, boxes, start, sold = draw(130, 990), draw(24, 190), draw(3_000, 90_000), draw(1_000, 3_000)
    left = work.subtract(work.add(work.multiply(pallets, boxes), start), sold)
    return Told({"pallets": pallets, "boxes": boxes, "start": start, "sold": sold}, left)


def _percent(draw: Draw, work: Work) -> Told:
    price, up, down = 100 * draw(120, 9_900), draw(3, 45), draw(3, 45)
    raised = work.divide(work.multiply(price, work.add(100, up)), 100)
    value = work.divide(work.multiply(raised, work.subtract(100, down)), 100)
    return Told({"price": price, "up": up, "down": down}, value)


def _remainder(draw: Draw, work: Work) -> Told:
    rows, seats, more, group = draw(300, 9_000), draw(300, 9_000), draw(1_000, 90_000), draw(37, 997)
    total = work.add(work.multiply(rows, seats), more)
    return Told({"rows": rows, "seats": seats, "more": more, "group": group}, work.remainder(int(total), group))


def _rate(draw: Draw, work: Work) -> Told:
    hours, minutes, rate, spoiled = draw(7, 90), draw(4, 55), draw(110, 980), draw(100, 4_000)
    worked = work.add(work.multiply(hours, 60), minutes)
    value = work.subtract(work.multiply(worked, rate), spoiled)
    return Told({"hours": hours, "minutes": minutes, "rate": rate, "spoiled": spoiled}, value)


def _dates(draw: Draw, work: Work) -> Told:
    # Drawn as a distance, because the parts of a date are too few for three splits to share none.
    first = date(1900, 1, 1) + timedelta(days=draw(0, 40_000))
    last = first + timedelta(days=draw(900, 30_000))
    daily = draw(23, 980)
    value = work.multiply(work.days(first, last), daily)
    return Told({"first": first.isoformat(), "last": last.isoformat(), "daily": daily}, value)


def _choice(draw: Draw, work: Work) -> Told:
    people, seats, dishes, picked = draw(17, 190), draw(3, 9), draw(11, 90), draw(2, 7)
    value = work.multiply(work.choose(people, seats), work.choose(dishes, picked))
    return Told({"people": people, "seats": seats, "dishes": dishes, "picked": picked}, value)


def _power(draw: Draw, work: Work) -> Told:
    base, exponent, modulus, more = draw(13, 997), draw(40, 4_000), draw(1_000, 99_000), draw(1_000, 99_000)
    value = work.add(work.power_remainder(base, exponent, modulus), more)
    return Told({"base": base, "exponent": exponent, "modulus": modulus, "more": more}, value)


def _cycles(draw: Draw, work: Work) -> Told:
    first, second, third, laps = draw(14, 190), draw(14, 190), draw(14, 190), draw(3, 40)
    both = work.common_multiple(int(work.common_multiple(first, second)), third)
    told = {"first": first, "second": second, "third": third, "laps": laps, "nth": _ordinal(laps)}
    return Told(told, work.multiply(both, laps))


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _fractions(draw: Draw, work: Work) -> Told:
    a, b, c, d, e, f = (draw(3, 90) for _ in range(6))
    value = work.subtract(work.add(work.divide(a, b), work.divide(c, d)), work.divide(e, f))
    return Told({"a": a, "b": b, "c": c, "d": d, "e": e, "f": f}, value)


def _average(draw: Draw, work: Work) -> Told:
    speed, hours, other, more = draw(34, 130), draw(3, 19), draw(34, 130), draw(3, 19)
    way = work.add(work.multiply(speed, hours), work.multiply(other, more))
    value = work.divide(way, work.add(hours, more))
    return Told({"speed": speed, "hours": hours, "other": other, "more": more}, value)


FAMILIES: Mapping[str, Callable[[Draw, Work], Told]] = {
    "expression": _expression,
    "stock": _stock,
    "percent": _percent,
    "remainder": _remainder,
    "rate": _rate,
    "dates": _dates,
    "choice": _choice,
    "power": _power,
    "cycles": _cycles,
    "fractions": _fractions,
    "average": _average,
}
