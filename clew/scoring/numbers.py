"""Reading a number from an answer."""

from __future__ import annotations

import re
from fractions import Fraction

# Longer answers are prose, and larger exponents numbers that nobody means; both would cost time and memory.
_LONGEST = 400
_LARGEST_EXPONENT = 400

_LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r" \1/\2"),
    (re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}"), r" \1"),
    (re.compile(r"\{\s*,\s*\}"), ","),
    (re.compile(r"\\times|\\cdot"), "×"),
    (re.compile(r"\\[,!;: ]|\\left|\\right|\\approx|\\quad|~"), " "),
    (re.compile(r"\\([$%#&])"), r"\1"),
    (re.compile(r"\^\s*\{\s*([+-]?\d+)\s*\}"), r"^\1"),
)
_MARKS = ",.'’ \u00a0\u2009\u202f"
_STATED = re.compile(
    rf"""
    \D*? (?:(?<![\w)]) (?P<sign>[-+]))? \s* [$€£¥]? \s*
    (?P<digits> \d+ (?:[{_MARKS}]\d{{3}}(?!\d))* (?:[.,]\d+)? | [.,]\d+ )
    (?: [eE](?P<exponent>[-+]?\d+)
      | \s*[×x*]\s*10\s*\^\s*(?P<power>[-+]?\d+)
      | (?:\ +(?P<over>\d+))? \s*/\s* (?P<under>\d+)
    )?
    (?! \s*[\^:/*×] | \d )
    (?: \D | (?<=[A-Za-z^])\d )*  # units may hold digits: m^2, H2O
    """,
    re.VERBOSE,
)


def parse_number(text: str) -> Fraction | None:
    r"""The one number that `text` states, exactly; None when there is none or more than one.

    Read are signs, thousands (1,234.5; 1 234.5; 1.234.567; 1.234,5), 1.2e3, 1.2 × 10^3, 3/4, 1 1/2 and \frac{3}{4};
    after the last equals sign, where there is one. Of two kinds of mark the last is the decimal one; a single comma
    before exactly three digits separates thousands, a single point never does. What stands around the number is
    ignored: currency, the percent sign (50% is 50), units. Not read are number words, other powers
    (2^10), times and dates.
    """
    if len(text) > _LONGEST:
        return None
    text = text.rpartition("=")[2].replace("−", "-")
    for pattern, plain in _LATEX:
        text = pattern.sub(plain, text)
    found = _STATED.fullmatch(text.strip().strip("$"))
    return _value(found) if found else None


def _value(found: re.Match[str]) -> Fraction | None:
    value = _decimal(found["digits"])
    exponent = int(found["exponent"] or found["power"] or 0)
    if abs(exponent) > _LARGEST_EXPONENT:
        return None
    if found["under"] is not None:
        under = int(found["under"])
        if under == 0:
            return None
        value = value / under if found["over"] is None else value + Fraction(int(found["over"]), under)
    value *= Fraction(10) ** exponent
    return -value if found["sign"] == "-" else value


def _decimal(digits: str) -> Fraction:
    digits = re.sub(r"['’\s]", "", digits)
    commas, points = digits.count(","), digits.count(".")
    mark = ""
    if commas and points:
        mark = max(",.", key=digits.rfind)
    elif commas == 1 and len(digits.partition(",")[2]) != 3:
        mark = ","
    elif points == 1:
        mark = "."
    whole, _, part = digits.rpartition(mark) if mark else (digits, "", "")
    return Fraction(f"{re.sub('[.,]', '', whole) or 0}.{part or 0}")


def equal_numbers(prediction: str, gold: str, tolerance: float = 0.0) -> bool | None:
    """Whether both state the same number, within `tolerance` as a share of the gold's size; None when `gold` states
    none."""
    wanted = parse_number(gold)
    if wanted is None:
        return None
    given = parse_number(prediction)
    return given is not None and abs(given - wanted) <= Fraction(tolerance) * abs(wanted)
