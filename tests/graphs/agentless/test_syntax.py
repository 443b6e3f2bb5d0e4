"""Definitions found by the grammars."""

from __future__ import annotations

import ast
import json
import sysconfig
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.graphs.agentless.languages import GRAMMARS, suffix_of
from clew.graphs.agentless.locations import find_places, parse_mentions
from clew.graphs.agentless.skeleton import skeleton
from clew.graphs.agentless.syntax import Syntax, read_syntax
from clew.graphs.agentless.types import Outline, Symbol

from .samples import SAMPLES

STDLIB = Path(sysconfig.get_path("stdlib"))
REAL = ["json/decoder.py", "argparse.py", "enum.py", "typing.py", "asyncio/base_events.py", "logging/__init__.py"]
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BLOCKS_OF_STATEMENTS = (ast.If, ast.Try, ast.With, ast.ExceptHandler, ast.For, ast.While, ast.Match, ast.match_case)


def lines(syntax: Syntax) -> str:
    return "".join(f"{each.kind} {each.qualname} {each.start} {each.end}\n" for each in syntax.symbols)


@pytest.mark.parametrize("name", SAMPLES)
def test_definitions_of_each_language(name: str) -> None:
    syntax = read_syntax(SAMPLES[name].source.encode(), suffix_of(name))
    assert lines(syntax) == SAMPLES[name].symbols and not syntax.broken


def test_every_grammar_has_a_sample_and_loads() -> None:
    covered = {read_syntax(b"", suffix_of(name)).language for name in SAMPLES}
    assert covered | {"tsx"} == {grammar.language for grammar in GRAMMARS}
    tsx = read_syntax(b"export const Row = (p: Props) => { return <td>{p.x}</td>; };\n", ".tsx")
    assert (tsx.language, lines(tsx), tsx.broken) == ("tsx", "function Row 1 1\n", False)


@pytest.mark.parametrize(
    ("source", "language"),
    [("int f(void);\n", "c"), ("class A { };\n", "cpp"), ("  template <class T> T f();\n", "cpp"), ("", "c")],
)
def test_a_header_is_what_it_holds(source: str, language: str) -> None:
    assert read_syntax(source.encode(), ".h").language == language


@pytest.mark.parametrize(
    ("path", "suffix"), [("a/B.PY", ".py"), ("a.tar.gz", ""), ("py", ""), (".py", ""), ("a.h", ".h"), ("x.cpp", ".cpp")]
)
def test_the_suffix_decides(path: str, suffix: str) -> None:
    assert suffix_of(path) == suffix


def by_ast(tree: ast.Module) -> set[tuple[str, int, int]]:
    """What `ast` says: the same definitions, found another way."""
    found = set()

    def visit(node: ast.AST, owner: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, DEFINITIONS):
                start = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                found.add((f"{owner}{child.name}", start, child.end_lineno or 0))
                if isinstance(child, ast.ClassDef):
                    visit(child, f"{owner}{child.name}.")
            elif isinstance(child, BLOCKS_OF_STATEMENTS):
                visit(child, owner)

    visit(tree, "")
    return found


@pytest.mark.parametrize("name", REAL)
def test_python_agrees_with_ast(name: str) -> None:
    source = (STDLIB / name).read_text()
    syntax = read_syntax(source.encode(), ".py")
    found = {(each.qualname, each.start, each.end) for each in syntax.symbols if each.kind != "variable"}
    assert found == by_ast(ast.parse(source)) and len(found) > 5
    assert syntax.lines == len(source.splitlines()) and not syntax.broken


def test_definitions_in_loops_and_matches_of_python() -> None:
    loops = "for x in y:\n    def f(): return 1\nelse:\n    Z = 1\nwhile x:\n    class A: pass\n"
    cases = "match z:\n    case 1:\n        def g(): return 1\n    case _:\n        def h(): return 1\n"
    syntax = read_syntax((loops + cases).encode(), ".py")
    assert [each.qualname for each in syntax.symbols] == ["f", "Z", "A", "g", "h"]


def test_a_concept_is_a_definition() -> None:
    source = b"template <typename T>\nconcept Adds = requires(T a) { a + a; };\n"
    assert lines(read_syntax(source, ".cpp")) == "class Adds 1 2\n"


@pytest.mark.parametrize(
    ("name", "said", "places"),
    [
        ("module.cjs", "function: close", [(20, 20)]),
        ("module.cjs", "function: module.exports.close", [(20, 20)]),
        ("module.cjs", "function: module.exports", [(23, 25)]),
        ("module.cjs", "function: er", [(31, 31)]),
        ("module.cjs", "variable: store", [(31, 31)]),
        ("module.cjs", "class: store\nfunction: add", [(31, 31), (31, 31)]),
        ("module.cjs", "function: Cache.get", [(37, 37)]),
        ("module.cjs", "function: helper", [(6, 8)]),
        ("component.mjs", "function: save", [(8, 10)]),
        ("component.mjs", "function: methods.save", [(8, 10)]),
        ("component.mjs", "function: slice.reducers.add", [(19, 19)]),
        ("store.mts", "function: store.remove", [(5, 5)]),
    ],
)
def test_a_model_finds_the_functions_of_objects(name: str, said: str, places: list[tuple[int, int]]) -> None:
    syntax = read_syntax(SAMPLES[name].source.encode(), suffix_of(name))
    outline = Outline(path=name, language=syntax.language, symbols=tuple(syntax.symbols), lines=syntax.lines)
    found = find_places(parse_mentions(f"```\n{name}\n{said}\n```", [name]).items, {name: outline})
    assert [(place.start, place.end) for place in found.locations] == places


def check_spans(syntax: Syntax) -> None:
    """Spans lie in the file, members in their class, and two spans nest or follow one another."""
    classes = [each for each in syntax.symbols if each.kind == "class"]
    for each in syntax.symbols:
        assert 1 <= each.start <= each.end <= syntax.lines
        assert each.qualname.rpartition(".")[2] == each.name
        owner = each.qualname.rpartition(".")[0]
        if owner and each.kind != "class" and owner in {other.qualname for other in classes}:
            assert any(o.qualname == owner and o.start <= each.start and each.end <= o.end for o in classes)
    for first, second in pairwise(syntax.symbols):
        assert first.start <= second.start
        assert second.end <= first.end or second.start >= first.end


NAMES = st.sampled_from(["a", "b", "Long_name", "ü"])
LINES = st.sampled_from(
    ["pass", "x = 1", "y: int = (\n{i}    2)", '"""doc\n\n{i}"""', "return 1", "# comment", "if x: pass"]
)
BLOCKS = st.recursive(
    LINES.map(lambda line: [line]),
    lambda inner: st.builds(
        lambda head, name, blocks: [head.format(name=name), *(f"    {line}" for block in blocks for line in block)],
        st.sampled_from(
            [
                "def {name}():",
                "class {name}:",
                "@deco\n{{i}}async def {name}(a,\n{{i}}  b):",
                "if {name}:",
                "for {name} in a:",
                "while {name}:",
                "try:",
            ]
        ),
        NAMES,
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


def indented(lines: list[str]) -> str:
    """The lines with the continuation of each at its own depth."""
    return "".join(line.replace("{i}", line[: len(line) - len(line.lstrip())]) + "\n" for line in lines)


SOURCES = st.lists(BLOCKS, max_size=5).map(lambda blocks: indented([line for block in blocks for line in block]))


@settings(max_examples=150, deadline=None)
@given(source=SOURCES, end=st.sampled_from(["", "\n", "\r\n"]))
def test_spans_nest_in_random_python(source: str, end: str) -> None:
    data = (source.removesuffix("\n") + end).replace("\n", "\r\n" if end == "\r\n" else "\n").encode()
    syntax = read_syntax(data, ".py")
    check_spans(syntax)
    try:
        tree = ast.parse(data)
    except SyntaxError:
        return
    found = {(each.qualname, each.start, each.end) for each in syntax.symbols if each.kind != "variable"}
    assert found == by_ast(tree)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(list(SAMPLES)),
    cut=st.tuples(st.integers(0, 700), st.integers(0, 200)),
    junk=st.binary(max_size=6),
)
def test_spans_hold_in_broken_sources(name: str, cut: tuple[int, int], junk: bytes) -> None:
    data = SAMPLES[name].source.encode()
    data = data[: cut[0]] + junk + data[sum(cut) :]
    syntax = read_syntax(data, suffix_of(name))
    for each in syntax.symbols:
        assert 1 <= each.start <= each.end <= syntax.lines
        Symbol.model_validate(each.model_dump())
        json.dumps(each.model_dump())
    assert "\ud800" not in skeleton(data, name)


def test_a_broken_file_keeps_what_can_be_read() -> None:
    source = b"class A:\n    def f(self):\n        return 1\n\ndef g(:\n    pass\n\nclass B:\n    def h(self): pass\n"
    syntax = read_syntax(source, ".py")
    assert syntax.broken
    assert {"A", "A.f", "B", "B.h"} <= {each.qualname for each in syntax.symbols}


def test_an_outline_goes_through_json() -> None:
    syntax = read_syntax(SAMPLES["sample.py"].source.encode(), ".py")
    outline = Outline(path="ü.py", language="python", symbols=tuple(syntax.symbols), lines=syntax.lines)
    assert Outline.model_validate_json(outline.model_dump_json()) == outline


@pytest.mark.parametrize(
    "data",
    [
        b"(" * 20_000,
        b"".join(b" " * n + b"if x:\n" for n in range(300)),
        b"def f(:\n" * 3_000,
        b"\xff" * 3_000,
        b"class A(" * 3_000,
        b"a = " * 3_000 + b"1\n",
        b"a" + b".b({c() {}})" * 3_000,
        b"x = {a:" * 3_000 + b"{b() {}}" + b"}" * 3_000,
        b"f({a() {}, b:" * 3_000,
        b"(function () {" * 1_000 + b"function a() {}" + b"})();" * 1_000,
        b"a = " * 500 + b"{b() {}};",
    ],
)
@pytest.mark.parametrize("suffix", [".py", ".js", ".rs"])
def test_hostile_sources_end(data: bytes, suffix: str) -> None:
    syntax = read_syntax(data, suffix)
    assert all(1 <= each.start <= each.end <= syntax.lines for each in syntax.symbols)
    assert len(skeleton(data, f"a{suffix}")) <= 3 * len(data)
