"""Whatever is edited, all other bytes of a file stay, and nothing is edited in two places."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.graphs.agentless.applying import apply_edits
from clew.graphs.agentless.types import Edit

ENDS = st.sampled_from(["\n", "\r\n"])
WORDS = st.text(st.sampled_from("ab \t.\x0c\u2028é"), max_size=6)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_what_is_outside_of_an_edit_keeps_its_bytes(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    # A number in each line makes it unique, so that every cut of lines is one that can be found.
    lines = [f"{data.draw(WORDS)}{number}{data.draw(WORDS)}{data.draw(ENDS)}" for number in range(count)]
    text = "".join(lines)
    if data.draw(st.booleans()):
        text = text.removesuffix("\n").removesuffix("\r")
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    search = "".join(line.rstrip("\r\n") + "\n" for line in lines[first:last])
    new = data.draw(st.lists(WORDS.map(lambda word: f"<{word}>\n"), max_size=3))
    done = apply_edits([Edit(path="a", search=search, replace="".join(new))], {"a": text})
    assert done.refusals == ()
    result = done.changes[0].after
    assert result is not None
    head, tail = "".join(lines[:first]), text[len("".join(lines[:last])) :]
    assert result.startswith(head)
    assert result.endswith(tail)
    inside = result[len(head) : len(result) - len(tail)]
    assert [line.rstrip("\r") for line in inside.split("\n") if line] == [line.rstrip("\n") for line in new]


@settings(deadline=None, max_examples=80)
@given(st.lists(WORDS, min_size=1, max_size=10), st.lists(WORDS, max_size=5), st.integers(0, 9), st.integers(1, 4))
def test_an_edit_is_made_in_one_place_or_refused(lines: list[str], new: list[str], at: int, size: int) -> None:
    text = "".join(f"{line}\n" for line in lines)
    size = len(lines[at : at + size])
    search = "".join(f"{line}\n" for line in lines[at : at + size])
    done = apply_edits([Edit(path="a", search=search, replace="".join(f"{line}\n" for line in new))], {"a": text})
    assert bool(done.changes) != bool(done.refusals)
    if done.changes:
        result = done.changes[0].after or ""
        heads = [len("".join(f"{line}\n" for line in lines[:index])) for index in range(len(lines) - size + 1)]
        ends = [(text[:head], text[head + len(search) :]) for head in heads]
        assert any(result.startswith(head) and result.endswith(tail) for head, tail in ends)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_an_edit_with_other_indentation_gives_what_the_exact_one_gives(data: st.DataObject) -> None:
    depths = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    unit = data.draw(st.sampled_from(["    ", "\t"]))
    old = [f"{unit * depth}line {number}\n" for number, depth in enumerate(depths)]
    at = data.draw(st.integers(0, len(old) - 1))
    # New lines as deep as old ones: what is deeper than all of them may be written with another unit.
    new = [*old[:at], f"{unit * depths[at]}new\n", *old[at + data.draw(st.integers(0, 1)) :]]
    shift = min(depths)

    def moved(lines: list[str]) -> str:
        return "".join(line.removeprefix(unit * shift).replace("\t", "    ") for line in lines)

    text = f"top\n{''.join(old)}end\n"
    done = apply_edits([Edit(path="a", search=moved(old), replace=moved(new))], {"a": text})
    assert done.refusals == ()
    assert done.changes[0].after == f"top\n{''.join(new)}end\n"
