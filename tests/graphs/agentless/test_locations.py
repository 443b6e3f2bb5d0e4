"""Files, folders, definitions and lines that answers name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.graphs.agentless.locations import (
    Mention,
    Places,
    find_places,
    outside_of,
    parse_files,
    parse_folders,
    parse_mentions,
)
from clew.graphs.agentless.types import Location, Outline, Symbol, SymbolKind

KNOWN = ("src/a.py", "src/b.py", "lib/c.py", "docs/index.md", "setup.py")


def symbol(kind: SymbolKind, qualname: str, start: int, end: int) -> Symbol:
    return Symbol(kind=kind, name=qualname.rpartition(".")[2], qualname=qualname, start=start, end=end)


OUTLINES = {
    "src/a.py": Outline(
        path="src/a.py",
        language="python",
        symbols=(
            symbol("variable", "RATE", 1, 1),
            symbol("class", "Cart", 3, 12),
            symbol("method", "Cart.save", 4, 7),
            symbol("method", "Cart.total", 9, 12),
            symbol("class", "Order", 14, 20),
            symbol("method", "Order.save", 15, 20),
            symbol("function", "main", 22, 30),
        ),
        lines=30,
    )
}


def places(text: str, sample: int = 0) -> Places:
    return find_places(parse_mentions(text, KNOWN).items, OUTLINES, sample)


def names(found: Places) -> list[str]:
    return [location.name for location in found.locations]


# Acceptance cases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "./src/a.py", "'src/a.py'", "`src/a.py`", "src\\a.py", "src//a.py  ", "1. src/a.py", "- `src/a.py`: the cart",
        "   src/a.py", "a.py", "/src/a.py", "repo/src/a.py", "src/a.py - holds the cart", "src/a.py (likely)",
        "### src/a.py", "**src/a.py**", "File: src/a.py", "src/a.py:12", '["src/a.py"]', "* **`src/a.py`** — why",
    ],
)  # fmt: skip
def test_case_2_a_path_in_other_words_is_found_once(line: str) -> None:
    assert parse_files(f"```\n{line}\nsrc/a.py\n./src/a.py\n```", KNOWN).paths == ("src/a.py",)
    assert parse_files(line, KNOWN).paths == ("src/a.py",)


@pytest.mark.parametrize("said", ['{"files": ["src/a.py", "lib/c.py"]}', '["src/a.py", "lib/c.py"]'])
def test_case_2_a_list_in_json_is_a_list(said: str) -> None:
    assert (
        parse_files(said, KNOWN).paths == parse_files(f"```json\n{said}\n```", KNOWN).paths == ("src/a.py", "lib/c.py")
    )


def test_case_3_unknown_files_are_told_and_none_is_found() -> None:
    listed = parse_files("```\nsrc/x.py\nother/y.py\n```", KNOWN)
    assert listed.paths == ()
    assert listed.unknown == ("src/x.py", "other/y.py")


@pytest.mark.parametrize(
    "text",
    [
        "```python\nsrc/a.py\nclass: Cart\n\nlib/c.py\nline: 3\n```",
        "```\n  src/a.py\n    class: Cart\n  lib/c.py\n    line: 3\n```",
        "I would change:\n```\nsrc/a.py\nclass: Cart\nlib/c.py\nline: 3",
        "### `src/a.py`\n- **class**: `Cart`\n\n### lib/c.py\n* line: 3",
        "src/a.py\nclass Cart:\nlib/c.py\nlines 3",
        '```json\n{"src/a.py": ["class: Cart"], "lib/c.py": ["line: 3"]}\n```',
        '[{"file": "src/a.py", "class": "Cart"}, {"path": "lib/c.py", "lines": [3]}]',
        '{"src/a.py": {"classes": ["Cart"]},\n "lib/c.py": {"lines": "3"}}',
    ],
)
def test_case_5_location_answers_in_other_forms(text: str) -> None:
    assert parse_mentions(text, KNOWN).items == (Mention("src/a.py", "class", "Cart"), Mention("lib/c.py", "line", "3"))


def test_case_6_a_name_of_two_classes_offers_both_and_is_flagged() -> None:
    found = places("src/a.py\nfunction: save")
    assert names(found) == ["Cart.save", "Order.save"]
    assert found.events == (
        {"kind": "location_ambiguous", "path": "src/a.py", "name": "save", "names": ["Cart.save", "Order.save"]},
    )
    assert names(places("src/a.py\nfunction: Order.save")) == ["Order.save"]
    assert names(places("src/a.py\nclass: Order\nfunction: save")) == ["Order", "Order.save"]
    assert places("src/a.py\nclass: Order\nfunction: save").events == ()


# More ------------------------------------------------------------------------------------------------------------


def test_case_13_hostile_paths_name_nothing() -> None:
    hostile = "```\n../../etc/passwd\nsrc/a.py; rm -rf .\n/etc/passwd\n~/a.py\nC:\\a.py\n.git/config\n```"
    assert parse_files(hostile, KNOWN).paths == ()
    assert parse_mentions("../../src/a.py\nclass: Cart", KNOWN).items == ()


def test_files_in_prose_and_in_the_order_of_the_answer() -> None:
    text = "The cause is in these:\n\n1. `lib/c.py` and `src/b.py`\n2. src/a.py\n\nNot in setup.py, I think."
    assert parse_files(text, KNOWN).paths == ("lib/c.py", "src/b.py", "src/a.py")
    assert parse_files("", KNOWN).paths == ()


def test_folders() -> None:
    text = "```\ndocs/\n./lib\nunknown/\nsrc/a.py\n..\n/\n```"
    assert parse_folders(text, KNOWN) == ("docs", "lib")
    assert outside_of(("docs", "lib"), KNOWN) == ("src/a.py", "src/b.py", "setup.py")
    assert outside_of((), KNOWN) == KNOWN
    assert outside_of(("src",), ("src/a.py",)) == ("src/a.py",)
    assert parse_folders("none", KNOWN) == ()


def test_elements_are_resolved_to_their_lines() -> None:
    found = places("src/a.py\nvariable: RATE\nfunction: main()\nmethod: Cart.total(self, x)\nclass: Order", sample=2)
    assert found.events == ()
    assert found.locations == (
        Location(path="src/a.py", kind="variable", name="RATE", start=1, end=1, sample=2),
        Location(path="src/a.py", kind="function", name="main", start=22, end=30, sample=2),
        Location(path="src/a.py", kind="method", name="Cart.total", start=9, end=12, sample=2),
        Location(path="src/a.py", kind="class", name="Order", start=14, end=20, sample=2),
    )


def test_several_names_and_lines_in_one_line() -> None:
    found = places("src/a.py\nfunctions: main, Cart.total\nlines: 3, 5-8, 29 to 99")
    assert [(location.start, location.end) for location in found.locations] == [
        (22, 30),
        (9, 12),
        (3, 3),
        (5, 8),
        (29, 30),
    ]


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("9|         return rows[3:5] * 2", ["9"]), ("9-12 (the 3 lines of the loop)", ["9-12"]), ("L9", ["9"]),
        ("9, 11 and 12: 2", ["9", "11", "12"]), ("`9`–`12`", ["9", "12"]), ("around 9, not 3", ["9"]),
        ("[9, 12]", ["9", "12"]), ("9 to 12 of 30", ["9-12"]),
    ],
)  # fmt: skip
def test_numbers_in_what_is_said_about_a_line_are_no_lines(said: str, lines: list[str]) -> None:
    assert names(places(f"src/a.py\nline: {said}")) == lines


def test_names_of_other_languages() -> None:
    said = "src/a.py\nfn: Cart::total\nfunction: Cart#save\nstruct: Order\ndef self.main"
    assert names(places(said)) == ["Cart.total", "Cart.save", "Order", "main"]


def test_names_with_their_signatures() -> None:
    said = "method: public int total(int x, int y)\nfunction: async def main(a, b)\nmethod: (c *Cart) save, Order.save"
    assert names(places(f"src/a.py\n{said}")) == ["Cart.total", "main", "Cart.save", "Order.save"]
    assert names(places("src/a.py\nfunction: func (c *Cart) total(x int) int")) == ["Cart.total"]


def test_for_what_is_in_a_function_the_function_is_shown() -> None:
    found = places("src/a.py\nfunction: Cart.total.inner\nfunction: shop.cart.Order.save")
    assert names(found) == ["Cart.total", "Order.save"]
    assert [event["kind"] for event in found.events] == ["location_near", "location_near"]
    assert names(places("src/a.py\nfunction: Cart.gone")) == ["Cart"]


def test_what_is_not_there_is_told() -> None:
    found = places("src/a.py\nfunction: gone\nline: 31\nline: 0\nlib/c.py\nclass: X")
    assert found.locations == ()
    assert [(event["kind"], event["name"]) for event in found.events] == [
        ("location_unknown", name) for name in ("gone", "31", "0", "X")
    ]


def test_a_name_said_to_be_of_another_kind_is_found() -> None:
    assert names(places("src/a.py\nclass: main\nvariable: Cart.total")) == ["main", "Cart.total"]


def test_lines_after_an_unknown_path_belong_to_no_file() -> None:
    found = parse_mentions("src/a.py\nclass: Cart\nsrc/gone.py\nclass: Order", KNOWN)
    assert [item.name for item in found.items] == ["Cart"]
    assert found.unknown == ("src/gone.py",)
    assert parse_mentions("function: main", ["one.py"]).items == (Mention("one.py", "function", "main"),)


PIECES = st.sampled_from(
    [
        "```\n", "```python\n", "src/a.py\n", "[", '{"lines": ', "[" * 9_000,
        "class: ", "function: ", "line: ", "Cart", "save", "12-", "9" * 12,
        "../", "\x00", "\ud83d", "\u2028", "(" * 3_000, "a/" * 15_000, " " * 30_000, "'" * 9_000, "line: 1\n" * 999,
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(PIECES | st.text(max_size=30), max_size=12).map("".join))
def test_noise_never_raises(text: str) -> None:
    assert set(parse_files(text, KNOWN).paths) <= set(KNOWN)
    parse_folders(text, KNOWN)
    for location in places(text).locations:
        assert 1 <= location.start <= location.end <= OUTLINES["src/a.py"].lines


@pytest.mark.parametrize(
    ("said", "name"),
    [("line: 2876|   index = self.x[3]", "2876"), ("line: 12 (before the return)", "12"), ("line: after 14", "14")],
)
def test_a_line_with_what_is_said_about_it(said: str, name: str) -> None:
    answer = f"```\n### src/a.py\n(found by a search)\n{said}\n```"
    assert parse_mentions(answer, ["src/a.py", "b.py"]).items == (Mention("src/a.py", "line", name),)
