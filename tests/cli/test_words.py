"""Numbers and times for people."""

from __future__ import annotations

import sys
import time

import pytest

from clew.cli import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (3.25, "3.2 s"),
        (59.97, "1 min 00 s"),
        (125, "2 min 05 s"),
        (4320, "1 h 12 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [(None, "$?"), (0, "$0"), (0.00001, "<$0.0001"), (0.0123, "$0.0123"), (1, "$1.00"), (12.345, "$12.35")],
)
def test_money(usd: float | None, text: str) -> None:
    assert words.money(usd) == text


def test_times_ago() -> None:
    now = time.time()
    assert [words.ago(now - s) for s in (1, 300, 7200)] == ["just now", "5 min ago", "2 h ago"]
    assert words.ago(0) == time.strftime("%Y-%m-%d", time.localtime(0))


def test_sizes_and_counts() -> None:
    assert [words.size(n) for n in (999, 14_200_000)] == ["999 B", "14.2 MB"]
    assert [words.count(1, "page"), words.count(1204, "page")] == ["1 page", "1,204 pages"]


def test_a_clipped_line_fits() -> None:
    assert words.clip("one\ntwo  three", 20) == "one two three"
    assert words.clip("abcdef ghij", 8) == "abcdef…"


def test_what_could_steer_a_terminal_is_removed() -> None:
    assert words.clean("a\x1b[31mb\x07\r\nc\u202ed\x9bm\te") == "a[31mb\ncdm\te"


def test_a_table_keeps_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    words.table(["id", "n", "text"], [["a", "1", "x" * 300], ["bbb", "22", "second\nline"]], right=(1,))
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "id    n  text"
    assert first == "a     1  " + "x" * 300
    assert second == "bbb  22  second line"


def test_text_that_the_terminal_cannot_show_does_not_stop_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    words.out("déjà \udc80")
    words.out_json({"text": "déjà \udc80"})
    assert raw.getvalue() == b'd?j? ?\n{"text": "d\\u00e9j\\u00e0 \\udc80"}\n'
