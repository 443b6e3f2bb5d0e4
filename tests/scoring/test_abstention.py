"""Saying that it is not known, and answers that only sound like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.scoring import abstains

ABSTENTIONS = """
unknown
Unknown.
**Unknown**
(unknown)
\\text{unknown}
not known
Not known (not in the documents)
It is not known who built it.
I don't know
I do not know.
I don’t know who wrote it
I cannot determine the answer from the documents.
I could not find the answer
we don't know which
I'm not sure
no answer
No answer found.
There is no answer in the documents.
N/A
cannot be determined
It cannot be determined from the given documents
The answer cannot be found in the documents
Unable to determine
It is not possible to determine this
unanswerable
The answer is unknown
Not stated
Not mentioned in the documents
It is not stated in the documents
The information is not available
the documents do not say
The documents do not say who wrote it.
The documents don't state when Velt was born, so it is not known.
The provided context does not mention the spouse of X.
None of the documents mention it.
No relevant information
No relevant information found.
Insufficient information
There is not enough information to answer the question.
There is no information about this in the documents.
Unknown. The documents do not mention it.
Nobody knows.
"""

ANSWERS = """
Unknown Pleasures
The Unknown Soldier
The Unknown
Unknown to History
No
None
None of the above
nothing
0
Naomi
No Country for Old Men
Nobody Knows My Name
I Don't Know How to Love Him
Information Society
The Uncertainty Principle
Not Fade Away
not known, but probably Paris
I don't know, but I think it's Paris
I don't know. Paris.
Perhaps unknown
Paris. Its founder is unknown.
The answer is Paris.
"""


@pytest.mark.parametrize("text", ["", "  \n", *ABSTENTIONS.strip().splitlines()])
def test_abstentions(text: str) -> None:
    assert abstains(text)


@pytest.mark.parametrize("text", ANSWERS.strip().splitlines())
def test_answers(text: str) -> None:
    assert not abstains(text)


@given(st.text(max_size=500))
def test_never_raises(text: str) -> None:
    abstains(text)


@given(st.sampled_from(ABSTENTIONS.strip().splitlines()), st.sampled_from(["Paris", "It was 1930", "Ada Velt"]))
def test_an_abstention_beside_an_answer_is_none(abstention: str, answer: str) -> None:
    assert not abstains(f"{answer}. {abstention}")
    assert not abstains(f"{abstention}. {answer}.")


def test_long_noise_is_quick() -> None:
    assert not abstains("the documents " * 3_000)
    assert not abstains("no information " * 26)
