"""What is written comes back: values, transcripts, exports; and credentials are never written."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clew
from clew.errors import JournalError
from clew.journal import (
    Journal,
    Recipe,
    RunRow,
    Transcript,
    current,
    effect,
    export_jsonl,
    import_jsonl,
    note,
    register_secret,
    replay,
    scope,
)
from clew.journal.redact import MASK, redact, redact_json
from tests.journal.graphs import fan_out, single
from tests.journal.test_addresses import RandomServer

pytestmark = pytest.mark.anyio

noise = st.integers(0, 2**32).map(
    lambda seed: "".join(random.Random(seed).choices(string.printable + "\0é漢😀\u2028", k=30_000))
)
texts = st.text(st.characters(codec=None), max_size=300) | noise
keys = st.sampled_from(["$text", "$raw", "a"]) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(keys, v, max_size=4), max_leaves=12)
objects = st.dictionaries(keys, values, max_size=4)
slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module")
def module_journal() -> Any:
    with Journal.memory() as journal:
        yield journal


@slow
@given(value=objects)
def test_packed_values_come_back(module_journal: Journal, value: dict[str, Any]) -> None:
    plain = redact_json(value)
    with module_journal.transaction() as db:
        packed = module_journal.texts.pack(db, plain)
    assert module_journal.texts.unpack(packed) == plain == json.loads(json.dumps(plain))
    assert redact_json(plain) == plain


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
        ("nul \0 inside", "nul \0 inside"),
        ("", ""),
        ("漢😀", "漢😀"),
    ],
)
async def test_odd_text_is_the_same_live_and_recorded(tmp_path: Path, text: str, stored: str) -> None:
    async def perform() -> dict[str, Any]:
        return {"short": text, "long": text * 100, text: [text]}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        outcome = (await effect("act", {"ask": text}, perform)).outcome
        kept = current().keep(Transcript().add("user", text, "prompt").add("user", outcome["short"], "injected"))
        assert outcome == {"short": stored, "long": stored * 100, stored: [stored]}
        return {"text": current().transcript(kept).text() + outcome["long"]}

    with Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(single(node), "t", journal=journal, run_id="r")
    with Journal(tmp_path / "j.db") as journal:
        again = await replay("r", journal=journal, graph=single(node))
        assert again.same and again.answer.text == answer.text == stored * 102


segments = st.tuples(
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts,
    st.sampled_from(["prompt", "model", "injected", "notice"]),
    st.none() | st.text(string.hexdigits, min_size=1, max_size=4),
    st.none() | st.fixed_dictionaries({"tool_call_id": st.text(max_size=5)}),
)


@slow
@given(chains=st.lists(st.lists(segments, max_size=5), min_size=1, max_size=4))
def test_transcripts_come_back(module_journal: Journal, chains: list[list[Any]]) -> None:
    transcript = Transcript()
    for chain in chains:  # each goes on from a prefix of the one before
        for segment in chain:
            transcript = transcript.add(*segment)
        with module_journal.transaction() as db:
            module_journal.texts.put_transcript(db, transcript)
        module_journal.texts.forget()
        back = module_journal.transcript(transcript.head)
        assert back == transcript and back.segments == transcript.segments
        assert back.messages() == transcript.messages()
        transcript = transcript if len(chain) % 2 else Transcript()


@given(st.lists(segments, max_size=8))
def test_messages_join_neighbours_without_extra(chain: list[Any]) -> None:
    transcript = Transcript()
    for segment in chain:
        transcript = transcript.add(*segment)
    messages = transcript.messages()
    assert "".join(m["content"] for m in messages) == transcript.text()
    assert sum("tool_call_id" in m for m in messages) == sum(s.extra is not None for s in transcript.segments)
    for one, two in itertools.pairwise(messages):
        assert one["role"] != two["role"] or "tool_call_id" in one or "tool_call_id" in two


def test_a_head_names_the_whole_chain() -> None:
    one = Transcript().add("user", "ab", "prompt").add("user", "c", "prompt")
    two = Transcript().add("user", "a", "prompt").add("user", "bc", "prompt")
    assert one != two and one.messages() == two.messages()
    assert one == Transcript().add("user", "ab", "prompt").add("user", "c", "prompt")
    assert one != Transcript().add("user", "ab", "prompt").add("user", "c", "injected")


def test_an_unknown_transcript_is_an_error() -> None:
    with Journal.memory() as journal:
        for head in ("ab" * 16, "not hexadecimal"):
            with pytest.raises(JournalError, match=head):
                journal.transcript(head)


# Exports ---------------------------------------------------------------------------------------------------------


def talk(turns: list[dict[str, Any]]) -> Any:
    """A conversation over one transcript, with notes and a failure."""

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        transcript = Transcript().add("system", "Be brief. " * 20, "prompt")
        for i, turn in enumerate(turns):

            async def perform(turn: dict[str, Any] = turn) -> dict[str, Any]:
                if "fail" in turn:
                    raise OSError("down")
                return turn

            note("turn", {"i": i, **turn})
            try:
                done = await effect("model", {"transcript": transcript, "i": i}, perform)
            except clew.errors.EffectFailed:
                continue
            transcript = transcript.add("assistant", json.dumps(done.outcome), "model", done.key)
        return {"text": transcript.head}

    return single(node)


@slow
@given(turns=st.lists(objects, max_size=4))
def test_an_exported_run_is_the_same_run(turns: list[dict[str, Any]]) -> None:
    async def check() -> None:
        with Journal.memory() as journal, Journal.memory() as other:
            await clew.run(talk(turns), "t", journal=journal, run_id="r", recipe=Recipe("a:b", {"x": 1}))
            lines = list(export_jsonl(journal, "r"))
            assert all("\n" not in line for line in lines)
            import_jsonl(other, lines)
            assert list(export_jsonl(other, "r")) == lines
            assert (await replay("r", journal=other, graph=talk(turns))).same
            assert other.get_run("r") == journal.get_run("r")

    asyncio.run(check())


async def test_an_import_can_be_renamed_resumed_and_lives_beside_others(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.db") as one, Journal(tmp_path / "b.db") as two:
        await clew.run(fan_out(RandomServer(), width=2, samples=1), "t", journal=one, run_id="r")
        await clew.run(fan_out(RandomServer(), width=2, samples=1), "t", journal=two, run_id="r")
        lines = list(export_jsonl(one, "r"))
        with pytest.raises(JournalError, match=r"already in .* another id"):
            import_jsonl(two, lines)
        assert import_jsonl(two, lines, run_id="copy") == "copy"
        assert (await replay("copy", journal=two, graph=fan_out(RandomServer(), width=2, samples=1))).effects == 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines[:2], "{]", *lines[2:]], "line 3"),
        (lambda lines: lines[1:], "hold no run"),
        (lambda lines: [lines[0].replace('"format": 1', '"format": 99'), *lines[1:]], "newer Clew"),
        (lambda lines: [line for line in lines if '"parent": "000' not in line], "not above it"),
        (lambda lines: [line.replace("Be brief", "Be wrong") for line in lines], "hash"),
        (lambda lines: [*lines, lines[-1]], "cannot write"),
        (lambda lines: [*lines, '{"type": "other"}'], "unknown type 'other'"),
        (lambda lines: [*lines, "[1]"], r"line \d+ is not part"),
    ],
)
async def test_a_broken_export_imports_nothing(tmp_path: Path, change: Any, said: str) -> None:
    with Journal(tmp_path / "a.db") as one, Journal(tmp_path / "b.db") as two:
        await clew.run(talk([{"a": "x" * 200}, {"fail": 1}]), "t", journal=one, run_id="r")
        lines = list(export_jsonl(one, "r"))
        with pytest.raises(JournalError, match=said):
            import_jsonl(two, change(lines))
        assert not two.runs() and not two._read("SELECT * FROM texts")


# Credentials -----------------------------------------------------------------------------------------------------

SHAPES = [
    "sk-proj-abc123DEF456ghi789JKL012",
    "sk-ant-" + "api03-" + "AbCd1234" * 4,
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "github_pat_0123456789abcdefghijklmnopqrstuvwxyz",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "xoxb-123456789012-abcdefghijkl",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
]


@pytest.mark.parametrize("secret", SHAPES)
def test_keys_are_known_by_their_shape(secret: str) -> None:
    assert redact(f"key={secret}, next") == f"key={MASK}, next"


@pytest.mark.parametrize(
    "text",
    ["risk-of-something-very-long-and-hyphenated", "sk-learn-is-spelled-scikit-learn-by-most", "hf_hub_download"],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


async def test_no_secret_reaches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes in: task, title, recipe, scope, request, transcript, outcome, error, note, answer."""
    env, given_, shape = "environment-value-1", "argument/value?2", SHAPES[0]
    register_secret(given_)
    monkeypatch.setenv("MY_SERVICE_API_KEY", env)
    both = f"{env} {given_} {shape}"

    async def perform() -> dict[str, Any]:
        return {"text": both * 9, both: {"nested": [both]}}

    async def fails() -> dict[str, Any]:
        raise OSError(f"401 for {both}")

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        extra = {"tool_calls": [{"function": {"arguments": both}}]}
        transcript = Transcript().add("user", both, "prompt").add("assistant", both, "model", None, extra)
        assert env not in repr(transcript.messages())
        note("hint", {"text": both})
        with scope(both, both):
            done = await effect("act", {"transcript": transcript, "headers": {"auth": both}}, perform)
            try:
                await effect("act", {"n": 2}, fails)
            except clew.errors.EffectFailed as error:
                assert env not in str(error)
        return {"text": done.outcome["text"] + both, "artifacts": {"patch": both}}

    with Journal(tmp_path / "j.db") as journal:
        graph = single(node)
        graph.fingerprint = {"model": {"api_base": f"http://x/?key={given_}"}}
        recipe = Recipe("a:b", {"api_key": both})
        await clew.run(graph, both, title=both, journal=journal, run_id="r", recipe=recipe)
        assert (await replay("r", journal=journal, graph=graph)).same
        for file in tmp_path.iterdir():
            content = file.read_bytes()
            for secret in (env, given_, shape):
                assert secret.encode() not in content, file
        exported = "\n".join(export_jsonl(journal, "r"))
        assert MASK in exported and not any(secret in exported for secret in (env, given_, shape))


async def test_the_error_of_a_run_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_TOKEN", "another-value-3")

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("another-value-3")

    with Journal(tmp_path / "j.db") as journal:
        with pytest.raises(ValueError):
            await clew.run(single(node), "t", journal=journal, run_id="r")
        row = journal.get_run("r")
        assert row is not None and (row.status, row.error) == ("error", f"ValueError: {MASK}")


def test_a_new_run_row_is_masked() -> None:
    with Journal.memory() as journal:
        journal.create_run(RunRow(id="r", title=SHAPES[0], task={"prompt": SHAPES[1]}))
        row = journal.get_run("r")
        assert row is not None and (row.title, row.task) == (MASK, {"prompt": MASK})
