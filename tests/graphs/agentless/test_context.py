"""The code that is shown: windows, gaps, and what is cut to fit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.graphs.agentless.applying import apply_edits
from clew.graphs.agentless.context import assemble, imports, most_that_fit, render, spans_of, surroundings, without
from clew.graphs.agentless.structure import _outline_of
from clew.graphs.agentless.syntax import read_syntax
from clew.graphs.agentless.types import Edit, Location, Span

TEXTS = {
    "a.py": "".join(f"a{number}\n" for number in range(1, 101)),
    "b.py": "".join(f"b{number}\n" for number in range(1, 31)),
}
PLENTY = 10_000


def at(path: str, start: int, end: int | None = None) -> Location:
    return Location(path=path, kind="line", name=f"{path}:{start}", start=start, end=end or start)


def lines(text: str) -> int:
    return text.count("\n")


def test_case_7_without_a_location_the_top_file_is_shown_as_a_whole() -> None:
    context = assemble(["b.py", "a.py"], [], TEXTS, limit=PLENTY)
    assert context.spans == (Span(path="b.py", start=1, end=30),)
    assert context.text == f"### b.py\n{TEXTS['b.py']}"
    assert context.events == ({"kind": "context_whole_file", "path": "b.py"},)
    cut = assemble(["a.py"], [at("gone.py", 3)], TEXTS, limit=20, count=lines)
    assert lines(cut.text) <= 20
    assert "a1\na2\n" in cut.text
    assert [event.get("what") for event in cut.events] == [None, "window", "window", "window", "window", "lines"]


def test_case_23_the_last_file_goes_first_then_windows_narrow() -> None:
    places = [at("a.py", 50), at("b.py", 15), at("a.py", 80)]
    full = assemble(["b.py", "a.py"], places, TEXTS, limit=PLENTY)
    assert full.events == ()
    assert [span.path for span in full.spans] == ["b.py", "a.py", "a.py"]
    one = assemble(["b.py", "a.py"], places, TEXTS, limit=30, count=lines)
    assert one.events == ({"kind": "context_cut", "what": "file", "path": "a.py"},)
    assert one.spans == (Span(path="b.py", start=5, end=25),)
    narrow = assemble(["a.py", "b.py"], places, TEXTS, limit=16, count=lines)
    assert [(event["what"], event.get("lines")) for event in narrow.events] == [
        ("file", None), ("window", 5), ("window", 2),
    ]  # fmt: skip
    assert narrow.spans == (Span(path="a.py", start=48, end=52), Span(path="a.py", start=78, end=82))
    least = assemble(["a.py", "b.py"], places, TEXTS, limit=0, count=lines)
    assert least.spans == (Span(path="a.py", start=50, end=50),)
    assert [event["what"] for event in least.events][-2:] == ["location", "lines"]


def test_windows_are_clipped_and_merged() -> None:
    places = [at("a.py", 1), at("a.py", 22, 24), at("a.py", 60), at("a.py", 99), at("a.py", 35)]
    assert [(span.start, span.end) for span in spans_of(places, TEXTS)] == [(1, 45), (50, 70), (89, 100)]
    assert [(span.start, span.end) for span in spans_of(places[:2], TEXTS, 8)] == [(1, 9), (14, 32)]
    # Spans that touch, or nearly do, are one: a gap stands for more lines than its own.
    for window, end in ((9, 33), (10, 34)):
        assert [(span.start, span.end) for span in spans_of(places[:2], TEXTS, window)] == [(1, end)]


def test_gaps_and_numbers() -> None:
    spans = [Span(path="b.py", start=2, end=3), Span(path="b.py", start=30, end=30)]
    assert render(spans, TEXTS) == "### b.py\n... line 1 left out\nb2\nb3\n... lines 4-29 left out\nb30\n"
    assert render(spans[:1], TEXTS, numbered=True) == (
        "### b.py\n... line 1 left out\n    2| b2\n    3| b3\n... lines 4-30 left out\n"
    )
    assert render([Span(path="c", start=1, end=2)], {"c": "one\r\ntwo"}) == "### c\none\ntwo\n"


BASKET = """\
TABLE = {
    "one": 1,
    "two": 2,
}


@final
class Basket(
    Base,
):  # mutable
    size = 0

    def __init__(self, items):
        self.items = items

    def first(self):
        return 1

    def total(
        self,
        rate: int = 1,
    ) -> int:
        found = sum(self.items)
        return found * rate


class Other:
    def __init__(self):
        pass
"""


def around(text: str, *numbers: int) -> list[tuple[int, int]]:
    outlines = {"b.py": _outline_of("b.py", read_syntax(text.encode(), ".py"))}
    places = [at("b.py", number) for number in numbers]
    spans = spans_of(places, {"b.py": text}, 0)
    return [(span.start, span.end) for span in surroundings(spans, places, outlines, {"b.py": text})]


def test_the_heads_around_what_is_shown_and_the_constructor_of_its_class() -> None:
    rows = BASKET.split("\n")
    heads = around(BASKET, rows.index("        return found * rate") + 1)
    assert ["\n".join(rows[start - 1 : end]) for start, end in heads] == [
        "@final\nclass Basket(\n    Base,\n):  # mutable",
        "    def total(\n        self,\n        rate: int = 1,\n    ) -> int:",
        "    def __init__(self, items):\n        self.items = items",
    ]
    assert around(BASKET, 3) == [(1, 1)]  # The name of the literal; no class has a place.
    assert around(BASKET, 5) == []


def test_a_long_constructor_is_its_head_and_what_it_binds() -> None:
    body = "".join(f"        call({n})\n" for n in range(40))
    text = f"class A:\n    def __init__(self):\n{body}        self.x: int = 1\n        self.x == 2\n\n"
    text += "    def f(self):\n        pass\n"
    last = text.count("\n")
    assert around(text, last) == [(1, 1), (last - 1, last - 1), (2, 2), (43, 43)]


def imported(text: str) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in imports([Span(path="b", start=9, end=9)], {"b": text})]


def test_the_imports_of_what_is_shown() -> None:
    python = (
        '"""Text."""\n\nfrom __future__ import annotations\n\nimport os\nfrom a import (\n    b,\n    c,\n)\n\nx = 1\n'
    )
    assert imported(python) == [(3, 9)]
    assert imported('package x\n\nimport (\n\t"fmt"\n)\n\nfunc f() {\n}\n') == [(1, 5)]
    assert imported('// C\n#include <a.h>\n#  include "b.h"\nint f() { return 0; }\n') == [(2, 3)]
    assert imported("const { a } = require('a');\nlet b = 1;\nuse(b);\n") == [(1, 3)]
    assert imported("import a\n" * 100) == [(1, 60)]
    assert imported("from a import (\n" + "    b,\n" * 100) == [(1, 1)]
    assert imported("x = 1\n") == imported("\n" * 200 + "import late\n") == []


def test_the_lines_of_a_place_that_are_not_shown() -> None:
    shown = [Span(path="a", start=1, end=3), Span(path="b", start=1, end=99), Span(path="a", start=6, end=7)]
    assert [(span.start, span.end) for span in without(at("a", 2, 9), shown)] == [(4, 5), (8, 9)]
    assert [(span.start, span.end) for span in without(at("a", 4, 4), shown)] == [(4, 4)]
    assert list(without(at("a", 6, 7), shown)) == list(without(at("a", 2, 3), shown)) == []
    assert [(span.start, span.end) for span in without(at("c", 1, 2), shown)] == [(1, 2)]


def test_most_that_fit() -> None:
    assert most_that_fit(["a\n", "b\n", "c\n"], 2, lines) == 2
    assert most_that_fit(["a\n"], 9, lines) == 1
    assert most_that_fit(["a\n"], 0, lines) == 0


PLACES = st.builds(
    lambda path, start, size: at(path, start, min(start + size, len(TEXTS[path].split()))),
    st.sampled_from(sorted(TEXTS)),
    st.integers(1, 30),
    st.integers(0, 40),
)


@settings(deadline=None, max_examples=80)
@given(st.lists(PLACES, max_size=6), st.integers(0, 150), st.integers(0, 12))
def test_the_context_fits_or_is_one_line(places: list[Location], limit: int, window: int) -> None:
    context = assemble(["a.py", "b.py"], places, TEXTS, limit=limit, window=window, count=lines)
    shown = sum(span.end - span.start + 1 for span in context.spans)
    assert context.spans
    assert lines(context.text) <= limit or shown == 1
    # Whatever is shown can be copied into SEARCH and is found where it was shown.
    span = context.spans[0]
    text = "".join(TEXTS[span.path].splitlines(keepends=True)[span.start - 1 : span.end])
    done = apply_edits([Edit(path=span.path, search=text, replace="new\n")], TEXTS, context.spans)
    assert (done.refusals, done.events) == ((), ())
