"""Plots as inline SVG: points with intervals and curves, in colours that the page's style sheet gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 48
COLOURS = 8


@dataclass(frozen=True)
class Spot:
    """A value with its interval, in percent, over `x`."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Spots of one graph, which the legend calls `number` (from 1). `line` joins them; otherwise each stands alone,
    with its number and its interval, and with a ring if it is `kept` (no other one beats it)."""

    number: int
    spots: Sequence[Spot]
    line: bool = False
    kept: bool = False


def plot(series: Sequence[Series], x_title: str, y_title: str) -> Markup:
    """An SVG element; empty when there is nothing to show. The y axis goes from 0 to 100, the x axis from 0 on."""
    xs = [spot.x for each in series for spot in each.spots]
    if not xs:
        return Markup()
    ticks = _ticks(max(xs) or 1.0)
    parts = [*_frame(ticks, x_title, y_title)]
    for each in sorted(series, key=lambda each: not each.line):  # spots above lines
        parts += _curve(each, ticks[-1]) if each.line else _alone(each, ticks[-1])
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, HEIGHT, f"{y_title} over {x_title}"
    )
    return Markup("\n").join([head, *parts, Markup("</svg>")])


def _ticks(highest: float) -> list[float]:
    """Round numbers from 0 to at least `highest`, five or so."""
    step = 10.0 ** math.floor(math.log10(highest / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if highest / (step * factor) <= 6)
    return [i * step for i in range(math.ceil(highest / step - 1e-9) + 1)]


def _x(value: float, end: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * value / end, 1)


def _y(percent: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - percent / 100), 1)


def _frame(ticks: Sequence[float], x_title: str, y_title: str) -> Iterator[Markup]:
    bottom = _y(0)
    for percent in range(0, 101, 20):
        yield _line("grid", LEFT, _y(percent), WIDTH - RIGHT, _y(percent))
        yield _text("tick end", LEFT - 8, _y(percent) + 4, str(percent))
    for value in ticks:
        x = _x(value, ticks[-1])
        yield _line("grid", x, TOP, x, bottom)
        yield _text("tick middle", x, bottom + 18, f"{value:,.6g}")
    yield _text("axis middle", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_title)
    yield Markup('<text class="axis middle" transform="translate(14 {}) rotate(-90)">{}</text>').format(
        (TOP + bottom) / 2, y_title
    )


def _curve(series: Series, end: float) -> Iterator[Markup]:
    points = " ".join(f"{_x(spot.x, end)},{_y(spot.y)}" for spot in series.spots)
    yield Markup('<polyline class="curve s{}" points="{}"/>').format(_colour(series), points)
    for spot in series.spots:
        yield Markup('<circle class="small s{}" cx="{}" cy="{}" r="3"/>').format(
            _colour(series), _x(spot.x, end), _y(spot.y)
        )


def _alone(series: Series, end: float) -> Iterator[Markup]:
    colour = _colour(series)
    for spot in series.spots:
        x, y = _x(spot.x, end), _y(spot.y)
        yield _line(f"bar s{colour}", x, _y(spot.low), x, _y(spot.high))
        if series.kept:
            yield Markup('<circle class="ring s{}" cx="{}" cy="{}" r="13"/>').format(colour, x, y)
        yield Markup('<circle class="spot s{}" cx="{}" cy="{}" r="9"/>').format(colour, x, y)
        yield _text("number middle", x, y + 4, str(series.number))


def _colour(series: Series) -> int:
    return (series.number - 1) % COLOURS


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, x1, y1, x2, y2)


def _text(kind: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, round(x, 1), round(y, 1), text)
