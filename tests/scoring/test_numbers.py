"""Numbers as people and models write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.scoring import parse_number
from clew.scoring.numbers import equal_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234.5", "1234.5"),
        ("1 234.5", "1234.5"),
        ("1\u202f234,5", "1234.5"),
        ("1.234,5", "1234.5"),
        ("1.234.567", "1234567"),
        ("1,234", "1234"),
        ("1.234", "1.234"),
        ("12,5", "12.5"),
        ("1,2345", "1.2345"),
        ("1{,}234", "1234"),
        ("1.2e3", "1200"),
        ("1.2 × 10^3", "1200"),
        (r"1.2 \times 10^{3}", "1200"),
        ("5e-2", "0.05"),
        ("3/4", "3/4"),
        ("1 1/2", "3/2"),
        (r"-\frac{3}{4}", "-3/4"),
        ("-5", "-5"),
        ("−5", "-5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        (r"\$1,234.50", "1234.5"),
        ("50%", "50"),
        ("42 apples", "42"),
        ("42 m^2", "42"),
        (r"42\text{ cm}", "42"),
        ("about 42.", "42"),
        ("x = 3 + 4 = 7", "7"),
        (".5", "0.5"),
        ("$12$", "12"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert parse_number(text) == Fraction(expected)


@pytest.mark.parametrize(
    "text",
    ["", "seven", "2^10", "12:30", "2024-05-03", "5 feet 3 inches", "1.2.3", "5/0", "1e99999999", "10^9^9", "9" * 401,
     "between 3 and 4", "3-4"],
)  # fmt: skip
def test_no_number(text: str) -> None:
    assert parse_number(text) is None


def test_tolerance_is_a_share_of_the_gold() -> None:
    assert equal_numbers("0.333", "1/3") is False
    assert equal_numbers("0.333", "1/3", tolerance=0.01) is True
    assert equal_numbers("-99", "-100", tolerance=0.01) is True
    assert equal_numbers("98", "100", tolerance=0.01) is False
    assert equal_numbers("0.0001", "0", tolerance=0.5) is False
    assert equal_numbers("7", "seven") is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12))
def test_formats_agree(number: object) -> None:
    assert parse_number(f"{number:,f}") == parse_number(f"${number:f}") == Fraction(str(number))


@given(st.text(alphabet="0123456789.,/^eE×*+-= $%\\{}ac", max_size=60))
def test_never_raises(text: str) -> None:
    parse_number(text)
