"""SEARCH/REPLACE answers: what is read from them, and what becomes of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.graphs.agentless.applying import Applied, apply_edits
from clew.graphs.agentless.edits import Parsed, parse_edits
from clew.graphs.agentless.types import Change, Edit, Span

CART = """\
import os


class Cart:
    def total(self):
        return self.price

    def count(self):
        return 0


class Order:
    def count(self):
        return 0
"""
FILES = {"src/cart.py": CART, "src/tax.py": "RATE = 0.2\n", "pkg/__init__.py": ""}


def block(search: str, replace: str) -> str:
    ours, theirs = (text and text.removesuffix("\n") + "\n" for text in (search, replace))
    return f"<<<<<<< SEARCH\n{ours}=======\n{theirs}>>>>>>> REPLACE\n"


def answer(path: str, search: str, replace: str) -> str:
    return f"The cause is plain.\n\n```python\n### {path}\n{block(search, replace)}```\n"


def applied(text: str, files: Mapping[str, str] = FILES, shown: Sequence[Span] = ()) -> Applied:
    parsed = parse_edits(text, files)
    assert parsed.refusals == ()
    return apply_edits(parsed.edits, files, shown)


def after(text: str, files: Mapping[str, str] = FILES, shown: Sequence[Span] = ()) -> dict[str, str | None]:
    done = applied(text, files, shown)
    assert done.refusals == ()
    return {change.path: change.after for change in done.changes}


def refused(text: str, files: Mapping[str, str] = FILES, shown: Sequence[Span] = ()) -> list[str]:
    parsed = parse_edits(text, files)
    done = apply_edits(parsed.edits, files, shown)
    assert done.changes == ()
    return [refusal.kind for refusal in (*parsed.refusals, *done.refusals)]


def kinds(done: Applied | Parsed) -> list[str]:
    return [event["kind"] for event in done.events]


def span(start: int, end: int, path: str = "src/cart.py") -> Span:
    return Span(path=path, start=start, end=end)


# Acceptance cases ------------------------------------------------------------------------------------------------


def test_case_8_a_search_text_that_stands_twice_is_refused_and_never_applied_to_both() -> None:
    text = answer("src/cart.py", "        return 0\n", "        return 1\n")
    assert refused(text) == ["ambiguous"]
    (refusal,) = apply_edits(parse_edits(text, FILES).edits, FILES).refusals
    assert "2 times" in refusal.message
    assert "lines 9, 14" in refusal.message
    assert "src/cart.py" in refusal.message
    shown = applied(text, shown=[span(7, 9)])
    assert shown.changes[0].after == CART.replace("return 0", "return 1", 1)
    assert refused(text, shown=[span(7, 14)]) == ["ambiguous"]


def test_case_9_wrong_indentation_is_accepted_when_unique_and_the_replacement_is_indented() -> None:
    text = answer("src/cart.py", "return self.price\n", "if self.free:\n    return 0\nreturn self.price\n")
    done = applied(text)
    wanted = CART.replace(
        "        return self.price\n",
        "        if self.free:\n            return 0\n        return self.price\n",
    )
    assert done.changes[0].after == wanted
    assert done.events == (
        {
            "kind": "edit_found_without_blanks",
            "manner": "indentation",
            "path": "src/cart.py",
            "start": 6,
            "end": 6,
        },
    )
    assert refused(answer("src/cart.py", "return 0\n", "return 1\n")) == ["ambiguous"]


def test_case_10_an_empty_replace_deletes() -> None:
    text = answer("src/cart.py", "    def count(self):\n        return 0\n\n\nclass Order:\n", "")
    assert after(text)["src/cart.py"] == CART.replace(
        "    def count(self):\n        return 0\n\n\nclass Order:\n", "", 1
    )
    assert after(answer("src/tax.py", "RATE = 0.2\n", "")) == {"src/tax.py": ""}


@pytest.mark.parametrize("end", ["", "```", "```\nThat is all.\n"])
def test_case_11_an_open_fence_does_not_lose_complete_edits(end: str) -> None:
    cut = "<<<<<<< SEARCH\nRATE = 0.2\n=======\nRA"
    text = f"```python\n### src/cart.py\n{block('import os', 'import sys')}{end}"
    assert after(text) == {"src/cart.py": CART.replace("import os", "import sys")}
    parsed = parse_edits(f"```python\n### src/cart.py\n{block('import os', '')}### src/tax.py\n{cut}", FILES)
    assert [edit.path for edit in parsed.edits] == ["src/cart.py"]
    assert [refusal.kind for refusal in parsed.refusals] == ["unfinished"]
    assert parsed.refusals[0].path == "src/tax.py"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_case_12_no_other_byte_changes(end: str, mark: str, last: bool) -> None:
    lines = ["first", "\tsecond  ", "third\x0c", "", "last\u2028line"]
    text = mark + end.join(lines) + (end if last else "")
    files = {"a.txt": text}
    assert after(answer("a.txt", "first\n", "one\ntwo\n"), files)["a.txt"] == text.replace("first", f"one{end}two")
    tail = after(answer("a.txt", "last\u2028line\n", "last\u2028line\nmore\n"), files)["a.txt"]
    assert tail == text.replace("last\u2028line", f"last\u2028line{end}more")
    assert after(answer("a.txt", "\tsecond  \nthird\x0c\n", "third\x0c\n"), files)["a.txt"] == text.replace(
        f"\tsecond  {end}", ""
    )
    # Lines that are in SEARCH and REPLACE keep the blanks that the model did not copy.
    loose = after(answer("a.txt", "first\n\tsecond\n", "first\nnew\n\tsecond\n"), files)["a.txt"]
    assert loose == text.replace(f"first{end}", f"first{end}new{end}")


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd", "a.py; rm -rf .", "/etc/passwd", ".git/hooks/pre-commit", "src/../../x.py", "~/x", "C:\\x.py"],
)
@pytest.mark.parametrize("search", ["", "root\n"])
def test_case_13_paths_outside_are_refused(path: str, search: str) -> None:
    assert refused(answer(path, search, "text\n")) in (["bad_path"], ["no_path"])


# Reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        "### src/cart.py\n",
        "```python\n### ./src/cart.py\n",
        "src/cart.py\n```python\n",
        "`src/cart.py`:\n```\n",
        "**src/cart.py**\n\n```py\n",
        "File: src\\cart.py\n```\n",
        "```python:src/cart.py\n",
        '```python title="src/cart.py"\n',
        "1. In `src/cart.py`:\n\n```python\n",
        "# 'src/cart.py'\n",
        "// src/cart.py\n",
        "a/src/cart.py\n",
        "### cart.py\n",
        "## File: `src/cart.py`\n```\n",
    ],
)
def test_a_path_is_read_from_headings_of_many_kinds(before: str) -> None:
    parsed = parse_edits(before + block("import os\n", "import sys\n"), FILES)
    assert parsed.edits == (Edit(path="src/cart.py", search="import os\n", replace="import sys\n"),)


def test_several_blocks_and_files_in_one_answer() -> None:
    text = (
        f"```python\n### src/cart.py\n{block('import os', 'import sys')}\n"
        f"{block('class Order:', 'class Sale:')}```\nand\n```python\n### src/tax.py\n"
        f"{block('RATE = 0.2', 'RATE = 0.19')}```"
    )
    assert after(text) == {
        "src/cart.py": CART.replace("import os", "import sys").replace("Order", "Sale"),
        "src/tax.py": "RATE = 0.19\n",
    }


def test_a_block_without_a_path_is_for_the_only_file_or_refused() -> None:
    assert parse_edits(block("a\n", "b\n"), {"x.py": "a\n"}).edits[0].path == "x.py"
    assert [refusal.kind for refusal in parse_edits(block("a\n", "b\n"), FILES).refusals] == ["no_path"]


def test_what_is_no_edit_is_told() -> None:
    assert refused("I am sorry.") == ["no_edits"]
    assert refused("### src/tax.py\n<<<<<<< SEARCH\nRATE = 0.2\n>>>>>>> REPLACE\n") == ["no_divider"]
    assert refused(answer("src/tax.py", "RATE = 0.2\n", "RATE = 0.2\n")) == ["no_op"]
    assert refused(answer("src/tax.py", "RATE = 0.3\n", "RATE = 0.2\n")) == ["not_found"]
    assert refused(answer("src/new.py", "RATE = 0.3\n", "RATE = 0.2\n")) == ["bad_path"]
    assert refused(answer("src/tax.py", "RATE = 0.2\n", "RATE = '\ud83d'\n")) == ["not_text"]
    assert refused(answer("src/tax.py", "RATE = 0.2\n", "RATE = '\0'\n")) == ["not_text"]
    assert refused(answer("src/tax.py", "RATE = 0.2\n", "# ... rest of the code unchanged\n")) == ["elided"]


def test_a_message_names_the_line_that_is_not_there() -> None:
    text = answer("src/cart.py", "class Order:\n    def sum(self):\n", "class Order:\n")
    (refusal,) = apply_edits(parse_edits(text, FILES).edits, FILES).refusals
    assert "'def sum(self):'" in refusal.message
    apart = answer("src/cart.py", "class Order:\n        return self.price\n", "x\n")
    assert "not one after the other" in apply_edits(parse_edits(apart, FILES).edits, FILES).refusals[0].message


def test_the_closing_fence_stands_for_a_forgotten_marker() -> None:
    parsed = parse_edits("### src/tax.py\n```\n<<<<<<< SEARCH\nRATE = 0.2\n=======\nRATE = 0\n```\nDone.", FILES)
    assert parsed.edits == (Edit(path="src/tax.py", search="RATE = 0.2\n", replace="RATE = 0\n"),)
    assert kinds(parsed) == ["edit_closed_by_fence"]


def test_an_underline_in_the_text_is_no_divider() -> None:
    files = {"a.rst": "Chapter\n=======\n\nText\n"}
    text = answer("a.rst", "Chapter\n=======\n\nText\n", "Section\n=======\n\nText\n")
    assert after(text, files) == {"a.rst": "Section\n=======\n\nText\n"}


def test_a_block_that_is_indented_as_a_whole() -> None:
    body = answer("src/cart.py", "        return self.price\n", "        return 1\n")
    text = "- An edit:\n\n" + "".join(f"   {line}\n" for line in body.splitlines())
    assert after(text) == {"src/cart.py": CART.replace("return self.price", "return 1")}


def test_an_answer_with_crlf() -> None:
    text = answer("src/tax.py", "RATE = 0.2\n", "RATE = 0\n").replace("\n", "\r\n")
    assert after(text) == {"src/tax.py": "RATE = 0\n"}


# Applying --------------------------------------------------------------------------------------------------------


def test_shown_lines_come_before_the_rest_and_the_rest_is_noted() -> None:
    text = answer("src/cart.py", "import os\n", "import sys\n")
    assert kinds(applied(text, shown=[span(1, 3)])) == []
    assert kinds(applied(text, shown=[span(4, 9)])) == ["edit_outside_of_shown_lines"]
    assert kinds(applied(text, shown=[span(1, 1, "src/tax.py")])) == ["edit_outside_of_shown_lines"]
    assert kinds(applied(text)) == []


@pytest.mark.parametrize(
    ("search", "replace", "wanted"),
    [
        ("def f():\nreturn 1\n", "def f():\nreturn 2\n", "def f():\n\treturn 2\n"),
        ("    return 1\n", "    if x:\n        return 2\n", "def f():\n\tif x:\n\t\treturn 2\n"),
        ("def f():\n    return 1\n", "def f():\n    if x:\n        return 2\n", "def f():\n\tif x:\n\t\treturn 2\n"),
    ],
)
def test_tabs_of_the_file_are_kept(search: str, replace: str, wanted: str) -> None:
    assert after(answer("a.py", search, replace), {"a.py": "def f():\n\treturn 1\n"}) == {"a.py": wanted}


def test_a_replacement_that_is_indented_rightly_stays() -> None:
    text = answer("src/cart.py", "return self.price\n", "        return 1\n")
    assert after(text) == {"src/cart.py": CART.replace("return self.price", "return 1")}


def test_only_the_first_line_lost_its_indentation() -> None:
    text = answer("src/cart.py", "def total(self):\n        return self.price\n", "def sum(self):\n        return 1\n")
    wanted = CART.replace("def total", "def sum").replace("return self.price", "return 1")
    assert after(text) == {"src/cart.py": wanted}


def test_lost_indentation_of_the_first_line_does_not_move_new_lines() -> None:
    search = "return self.price\n\n    def count(self):\n        return 0\n"
    text = answer("src/cart.py", search, search.replace("\n\n", "\n\n    def sum(self):\n        return 2\n\n"))
    wanted = CART.replace("    def count", "    def sum(self):\n        return 2\n\n    def count", 1)
    assert after(text) == {"src/cart.py": wanted}


def test_blank_lines_that_are_there_can_be_deleted() -> None:
    text = answer(
        "src/cart.py", "return self.price\n\n    def count(self):\n", "return self.price\n    def count(self):\n"
    )
    wanted = CART.replace("price\n\n    def count", "price\n    def count", 1)
    assert after(text) == {"src/cart.py": wanted}
    assert after(answer("src/cart.py", "import os   \n\n\n", "import os\n\n")) == {
        "src/cart.py": CART.replace("import os\n\n\n", "import os\n\n")
    }


def test_blank_lines_around_a_search_text_do_not_matter() -> None:
    text = answer("src/cart.py", "\n\nimport os\n\n\n\n", "\n\nimport sys\n\n\n\n")
    assert after(text) == {"src/cart.py": CART.replace("import os", "import sys")}


def test_gaps_stand_for_lines_that_stay() -> None:
    text = answer(
        "src/cart.py", "class Cart:\n...\n        return self.price\n", "class Basket:\n...\n        return 1\n"
    )
    done = applied(text)
    assert done.changes[0].after == CART.replace("Cart", "Basket").replace("self.price", "1")
    assert kinds(done) == ["edit_with_gaps"]
    edge = answer("src/cart.py", "...\nimport os\n...\n", "...\nimport sys\n...\n")
    assert after(edge) == {"src/cart.py": CART.replace("import os", "import sys")}
    assert refused(answer("src/cart.py", "class Order:\n...\nclass Cart:\n", "a\n...\nb\n")) == ["not_found"]


def test_a_gap_alone_inserts_before_the_first_unique_top_level_line() -> None:
    done = applied(answer("src/cart.py", "...\n", "...\nLIMIT = 3\n"), shown=[span(3, 9)])
    assert done.changes[0].after == CART.replace("class Cart", "LIMIT = 3\nclass Cart")
    assert kinds(done) == ["edit_inserted_at_gap"]


def test_the_ellipsis_of_python_is_a_line_like_others() -> None:
    files = {"a.py": "class P:\n    def f(self):\n        ...\n"}
    assert after(answer("a.py", "        ...\n", "        return 1\n"), files) == {
        "a.py": "class P:\n    def f(self):\n        return 1\n"
    }


def test_new_files() -> None:
    assert after(answer("src/new.py", "", "A = 1\n")) == {"src/new.py": "A = 1\n"}
    assert after(answer("pkg/__init__.py", "", "A = 1\n")) == {"pkg/__init__.py": "A = 1\n"}
    assert after(answer("lib/cart.py", "", "A = 1\n")) == {"lib/cart.py": "A = 1\n"}
    assert refused(answer("src/tax.py", "", "A = 1\n")) == ["empty_search"]
    assert refused(answer("src/tax.py/new.py", "", "A = 1\n")) == ["bad_path"]
    assert refused(answer("src", "", "A = 1\n")) == ["bad_path"]
    grown = answer("src/new.py", "", "A = 1\nB = 2\n") + answer("src/new.py", "A = 1\n", "A = 3\n")
    assert after(grown) == {"src/new.py": "A = 3\nB = 2\n"}


def test_edits_that_overlap_or_build_on_others() -> None:
    files = {"a.py": "a\nb\nc\nd\n"}
    overlapping = answer("a.py", "a\nb\n", "A\nb\n") + answer("a.py", "b\nc\n", "b\nC\n")
    done = applied(overlapping, files)
    assert done.changes[0].after == "A\nb\nC\nd\n"
    assert kinds(done) == ["edit_found_after_others"]
    conflicting = answer("a.py", "a\nb\n", "A\nB\n") + answer("a.py", "b\nc\n", "b\nC\n")
    done = applied(conflicting, files)
    assert [change.after for change in done.changes] == ["A\nB\nc\nd\n"]
    assert [refusal.kind for refusal in done.refusals] == ["overlap"]
    twice = applied(answer("a.py", "a\n", "A\n") * 2, files)
    assert twice.changes == (Change(path="a.py", before="a\nb\nc\nd\n", after="A\nb\nc\nd\n"),)
    assert kinds(twice) == ["edit_repeated"]


def test_a_refused_edit_does_not_stop_the_others() -> None:
    done = applied(answer("src/tax.py", "X\n", "Y\n") + answer("src/cart.py", "import os\n", ""))
    assert [change.path for change in done.changes] == ["src/cart.py"]
    assert [refusal.kind for refusal in done.refusals] == ["not_found"]
    assert done.refusals[0].event["kind"] == "edit_not_found"


# Properties ------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "<<<<<<< SEARCH\n",
        "=======\n",
        ">>>>>>> REPLACE\n",
        "```python\n",
        "```\n",
        "### src/tax.py\n",
        "### ../../x\n",
        "RATE = 0.2\n",
        "...\n",
        "  ",
        "\t",
        "\r\n",
        "\x00",
        "\ud83d",
        "\u2028",
        "class Order:\n",
        "`",
        " " * 30_000,
        "a." * 15_000,
        "<<<<<<< SEARCH\n" * 2_000,
        "=======\n" * 4_000,
    ]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(PIECES | st.text(max_size=30), max_size=12).map("".join))
def test_noise_never_raises(text: str) -> None:
    parsed = parse_edits(text, FILES)
    done = apply_edits(parsed.edits, FILES, [span(1, 6)])
    assert parsed.edits or parsed.refusals
    for change in done.changes:
        assert change.after is not None
        change.after.encode()


@pytest.mark.parametrize(
    ("search", "text"),
    [("x\ny\n" * 60_000 + "x\nx\n", "x\ny\n" * 300_000), ("x\n...\n" * 3_000, "x\n" * 50_000)],
)
def test_lines_that_repeat_without_end_are_looked_for_to_the_end(search: str, text: str) -> None:
    done = apply_edits([Edit(path="a.py", search=search, replace=search.replace("x", "z"))], {"a.py": text})
    assert not done.changes and done.refusals
