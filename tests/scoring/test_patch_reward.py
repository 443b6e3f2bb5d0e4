"""SWE-RL's rule reward, against values that were worked out by hand."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ConfigError, PatchRefused
from clew.scoring import knows_gold
from clew.scoring.diffs import Changes
from clew.scoring.patch_reward import (
    LONGEST,
    MAX_TEXT,
    GoldPatch,
    PatchReward,
    _ratio,
    changes_of_reply,
    patch_reward,
    similarities,
)
from clew.scoring.verdict import fingerprint_of
from clew.task import Answer, Task

pytestmark = pytest.mark.anyio

FILES = {"a.py": "x = 1\ny = 2\nx = 1\n", "b.py": "z = 1\n"}
RIGHT = "--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n x = 1\n-y = 2\n+y = 3\n x = 1\n"
GOLD = GoldPatch.of(FILES, RIGHT)
TASK = Task(prompt="Mend y.", id="t", kind="repair")


def block(path: str, search: str, replace: str) -> str:
    return f"```python\n### {path}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n```\n"


def reply(*blocks: str, thought: str = "y is wrong") -> str:
    return f"<think>{thought}</think>\n<solution>\n{''.join(blocks)}</solution>"


MEND = block("a.py", "y = 2\n", "y = 3\n")


def test_values_by_hand() -> None:
    gold = {"a": ("1\n", "2\n")}
    # "@@ -1 +1 @@\n-1\n+2" has 17 characters; all but the last one are shared: 2 * 16 / 34.
    assert patch_reward({"a": ("1\n", "3\n")}, gold) == pytest.approx(32 / 34)
    assert patch_reward(gold, gold) == 1.0
    # One file of two is touched by the gold patch alone, one by the other alone.
    assert similarities({"b": ("1\n", "2\n")}, gold) == {"a": 0.0, "b": 0.0}
    assert patch_reward({**gold, "b": ("1\n", "2\n")}, gold) == 0.5
    assert patch_reward({}, gold) == 0.0 and patch_reward({}, {}) == 1.0
    # A change of nothing, or of the last line end alone, touches nothing.
    assert patch_reward({"a": ("1\n", "1\n"), "b": ("1\n", "1")}, {}) == 1.0
    # A new and a deleted file: "@@ -0,0 +1 @@\n+x", "@@ -1 +0,0 @@\n-x".
    assert similarities({"n": (None, "x\n")}, {"n": (None, "x\n")}) == {"n": 1.0}
    assert similarities({"n": ("x\n", None)}, {"n": ("x\n", "")}) == {"n": 1.0}


def test_long_diffs_are_compared_by_lines() -> None:
    one, other = (f"{name}\n" * (LONGEST // 2) for name in "ab")
    assert patch_reward({"a": ("", one)}, {"a": ("", one)}) == 1.0
    assert patch_reward({"a": ("", one)}, {"a": ("", other)}) == pytest.approx(2 / (LONGEST + 2))


@settings(deadline=None)
@given(*[st.text(st.sampled_from("ab\n"), max_size=60)] * 2)
def test_the_ratio_is_that_of_difflib(one: str, other: str) -> None:
    expected = SequenceMatcher(None, one, other, autojunk=False).ratio() if one and other else 0.0
    assert _ratio(one, other) == pytest.approx(expected)


def test_a_text_that_repeats_itself_ends_the_reward_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.scoring.patch_reward.MOST_WORK", 1_000_000)
    gold = {"a": ("", "a\n" * 3000)}
    # Character by character these take hours.
    assert 0 < patch_reward({"a": ("b\n" * 3000, "a\n" * 3000)}, gold) < 1
    assert patch_reward({"a": ("", "b\n" * 300_000)}, {"a": ("", "a\n" * 300_000)}) < 0.01
    assert patch_reward({"a": ("", "a\n" * 300_000)}, {"a": ("", "a\nb\n" * 150_000)}) <= 1
    for loop in ("<think></think><solution>", "<think>x</think><solution>### a.py\n<<<<<<< SEARCH\n=======\n" * 2):
        with pytest.raises(PatchRefused):
            changes_of_reply(loop * 2000, FILES)
    open_ended = "### a.py\n<<<<<<< SEARCH\n=======\n" * 10_000
    with pytest.raises(PatchRefused, match="no edit"):
        changes_of_reply(reply(open_ended), FILES)


def test_blocks_of_a_reply_become_changes() -> None:
    assert changes_of_reply(reply(MEND), FILES) == {"a.py": (FILES["a.py"], "x = 1\ny = 3\nx = 1\n")}
    # Every place is replaced, a second block sees what the first one made, and an empty REPLACE deletes.
    both = reply(block("a.py", "x = 1\n", "x = 2\n"), block("a.py", "x = 2\ny = 2\n", ""), block("n.py", "", "n\n"))
    assert changes_of_reply(both, FILES) == {"a.py": (FILES["a.py"], "x = 2\n"), "n.py": (None, "n\n")}
    assert changes_of_reply(reply(block("a.py", "y\n", "z\n")), {"a.py": "x\ny"}) == {"a.py": ("x\ny", "x\nz\n")}


BAD = {
    "no tags": MEND,
    "a tag twice": reply(MEND).replace("</think>", "</think></think>"),
    "a tag in the text": reply(MEND, thought="I use <think> and"),
    "tags out of order": f"<solution>{MEND}</solution><think>y</think>",
    "no end": reply(MEND).removesuffix("</solution>"),
    "no thought": reply(MEND, thought=" \n"),
    "no edit": reply("y = 3"),
    "SEARCH is REPLACE": reply(block("a.py", "y = 2\n", "y = 2\n")),
    "SEARCH is not there": reply(block("a.py", "y = 7\n", "y = 3\n")),
    "SEARCH is the begin of a line": reply(block("a.py", "y =\n", "y = 3\n")),
    "an unknown file": reply(block("c.py", "y = 2\n", "y = 3\n")),
    "an empty SEARCH in a file": reply(block("a.py", "", "y = 3\n")),
    "one bad block of two": reply(MEND, block("b.py", "q\n", "r\n")),
    "too long": reply(MEND, thought="y" * MAX_TEXT),
    "empty": "",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_bad_format_is_minus_one(name: str) -> None:
    (verdict,) = await PatchReward({"t": GOLD}, form="reply").score(TASK, [Answer(text=BAD[name])])
    assert (verdict.value, verdict.label) == (-1.0, "wrong") and verdict.feedback, name
    if name != "too long":
        with pytest.raises(PatchRefused):
            changes_of_reply(BAD[name], FILES)


async def test_a_scorer_judges_replies_and_patches_alike() -> None:
    near = RIGHT.replace("+y = 3", "+y = 4")
    # "@@ -1,3 +1,3 @@\n x = 1\n-y = 2\n+y = 3\n x = 1": 43 characters, one of which differs.
    expected = [1.0, 2 * 42 / 86, 0.0, 0.5, -1.0]
    other = block("b.py", "z = 1\n", "z = 2\n")
    texts = [MEND, block("a.py", "y = 2\n", "y = 4\n"), other, MEND + other, "none"]
    replies = [Answer(text=reply(text)) for text in texts]
    diff = "--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-z = 1\n+z = 2\n"
    patches = [Answer(text=text) for text in (RIGHT, near, diff, RIGHT + diff, "none")]
    scorers = [PatchReward({"t": GOLD}, form="reply"), PatchReward({"t": GOLD})]
    for scorer, answers in zip(scorers, (replies, patches), strict=True):
        verdicts = await scorer.score(TASK, answers)
        assert [verdict.value for verdict in verdicts] == pytest.approx(expected)
        assert [verdict.label for verdict in verdicts] == ["right", "unknown", "unknown", "unknown", "wrong"]
        assert not any("y = 3" in verdict.feedback for verdict in verdicts)
        assert knows_gold(scorer) and "y = 3" not in str(fingerprint_of(scorer))
    assert fingerprint_of(scorers[0]) != fingerprint_of(scorers[1])
    (unknown,) = await scorers[0].score(Task(prompt="?", id="u"), [Answer(text="x")])
    assert unknown.value is None and unknown.label == "unknown"


def test_a_gold_patch_that_does_not_fit_is_told() -> None:
    with pytest.raises(ConfigError, match="gold patch"):
        GoldPatch.of({"a.py": "other\n"}, RIGHT)
    with pytest.raises(ConfigError, match="form='text'"):
        PatchReward({}, form="text")  # type: ignore[arg-type]


TEXTS = st.lists(st.sampled_from(["a", "b", "", "  c"]), max_size=6).map(lambda lines: "".join(f"{x}\n" for x in lines))
CHANGES = st.dictionaries(st.sampled_from("pqr"), st.tuples(st.none() | TEXTS, st.none() | TEXTS))


@settings(deadline=None)
@given(CHANGES, CHANGES)
def test_a_reward_is_a_share_and_one_for_gold_itself(predicted: Changes, gold: Changes) -> None:
    assert 0.0 <= patch_reward(predicted, gold) <= 1.0
    assert patch_reward(gold, gold) == 1.0
    assert set(similarities(predicted, gold)) <= {*predicted, *gold}
    assert similarities(predicted, gold).keys() == similarities(gold, predicted).keys()


@settings(deadline=None)
@given(st.text(st.sampled_from("<>=#/ abthinksolution\nSEARCHREPLACE"), max_size=80), st.booleans())
async def test_no_reply_is_more_than_judged(text: str, inside: bool) -> None:
    said = reply(text) if inside else text
    for form in ("reply", "patch"):
        scorer = PatchReward({"t": GOLD}, form="reply" if form == "reply" else "patch")
        (verdict,) = await scorer.score(TASK, [Answer(text=said)])
        assert verdict.value is not None and (verdict.value == -1 or 0 <= verdict.value <= 1)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a\n", "b\n", "c\n"]), min_size=1, max_size=5), st.data())
def test_a_block_for_each_changed_line_is_the_patch(lines: list[str], data: st.DataObject) -> None:
    numbered = [f"{n} {line}" for n, line in enumerate(lines)]
    at = data.draw(st.integers(0, len(lines) - 1))
    after = "".join([*numbered[:at], "new\n", *numbered[at + 1 :]])
    files = {"f.py": "".join(numbered)}
    changes = changes_of_reply(reply(block("f.py", numbered[at], "new\n")), files)
    assert changes == {"f.py": (files["f.py"], after)}
    assert patch_reward(changes, {"f.py": (files["f.py"], after)}) == 1.0
