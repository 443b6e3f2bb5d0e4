"""Finding the answer: balanced boxes, said answers, choices, programs; and no text that makes it raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.scoring import boxed, code_in, extract_answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{\frac{1}{2}} and then {more} braces", r"\frac{1}{2}"),
        (r"\boxed{1} or rather \boxed{2}", "2"),
        (r"\boxed{f(x)} follows (as seen)", "f(x)"),
        ("\\boxed{two\nlines}", "two\nlines"),
        (r"\boxed{a \} b}", r"a \} b"),
        (r"\boxed{never closed", None),
        (r"\boxed{whole} then \boxed{cut", "whole"),
        (r"\fbox{no} \fboxed {yes}", "yes"),
        ("nothing", None),
    ],
)
def test_boxed(text: str, expected: str | None) -> None:
    assert boxed(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("**Final answer:** Paris.", "qa", "Paris"),
        ("The final answer is 42", "math", "42"),
        ("I have no answer to that question.", "qa", ""),
        ("The answer is not in the pages.", "qa", ""),
        (r"\boxed{\text{Paris}}", "qa", "Paris"),
        (r"\boxed{\text{a} + \text{b}}", "qa", r"\text{a} + \text{b}"),
        (r"\boxed{(b) because}", "choice", "B"),
        (r"\boxed{Option C}", "choice", "C"),
        ("```python\nprint(1)\n```\n```\nout\n```", "code", "print(1)"),
        ("~~~\n```\nx = 1\n```", "code", "x = 1"),
        ("```python\nnever closed", "code", ""),
    ],
)
def test_extract_answer(text: str, kind: str, expected: str) -> None:
    assert extract_answer(text, kind) == expected  # type: ignore[arg-type]


@given(
    st.lists(st.sampled_from(["\\boxed{", "{", "}", "\\", "answer:", "```python\n", "```", "\n", "x"]) | st.text()),
    st.sampled_from(["qa", "math", "choice", "code"]),
)
def test_extraction_never_raises(parts: list[str], kind: str) -> None:
    assert isinstance(extract_answer("".join(parts), kind), str)  # type: ignore[arg-type]


FUNCTION = "def f(x):\n    return x"


@pytest.mark.parametrize(
    ("text", "entry", "expected"),
    [
        (FUNCTION, "", FUNCTION),
        (f"Here:\n```python\n{FUNCTION}\n```\nDone.", "", FUNCTION),
        (f"```python\n{FUNCTION}\n```\nUse it:\n```python\nprint(f(1))\n```", "f", FUNCTION),
        (f"```\n{FUNCTION}\n```\n```python\nf(1)\n```", "f", FUNCTION),
        ("```python\nx = 1\n```\n```python\ny = 2\n```", "f", "y = 2"),
        ("```python\nclass f:\n    pass\n```\n```python\nfoo = 1\n```", "f", "class f:\n    pass"),
        ("```python\nf = lambda x: x\n```\n```python\nf(1)\n```", "f", "f = lambda x: x"),
        (f"Cut at the limit:\n```python\n{FUNCTION}", "f", FUNCTION),
        ("print(int(input()) * 2)", "", "print(int(input()) * 2)"),
        ("def f(x):\n    return (x", "f", "def f(x):\n    return (x"),
        ("I am sorry, I cannot help with that.", "f", ""), ("Sorry", "", ""), ("Sorry, no", "", ""), ("", "", ""),
        ("We should import the numbers from the file.", "", ""), ("# nothing", "", ""),
    ],
)  # fmt: skip
def test_the_program_in_a_text(text: str, entry: str, expected: str) -> None:
    assert code_in(text, entry) == expected


@given(st.text(max_size=200), st.text(max_size=5))
def test_looking_for_a_program_never_raises(text: str, entry: str) -> None:
    assert isinstance(code_in(text, entry), str)
