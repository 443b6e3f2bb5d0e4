"""Files without the bodies of their functions."""

from __future__ import annotations

import ast
import re

import pytest

from clew.graphs.agentless.languages import suffix_of
from clew.graphs.agentless.skeleton import skeleton
from clew.graphs.agentless.syntax import read_syntax

from .samples import SAMPLES
from .test_syntax import REAL, STDLIB


@pytest.mark.parametrize("name", SAMPLES)
def test_skeletons_of_each_language(name: str) -> None:
    source = SAMPLES[name].source
    assert skeleton(source.encode(), name) == SAMPLES[name].skeleton
    assert skeleton(source.replace("\n", "\r\n").encode(), name) == SAMPLES[name].skeleton
    assert skeleton(source.removesuffix("\n").encode(), name) == SAMPLES[name].skeleton


@pytest.mark.parametrize("name", REAL)
def test_a_skeleton_of_a_real_file_names_all_and_is_shorter(name: str) -> None:
    data = (STDLIB / name).read_bytes()
    shown = skeleton(data, name)
    for symbol in read_syntax(data, suffix_of(name)).symbols:
        assert re.search(rf"\b{symbol.name}\b", shown), symbol
    assert len(shown) < len(data) / 2 and "return" not in shown


def test_the_skeleton_of_python_is_python_and_a_skeleton_of_itself() -> None:
    data = (STDLIB / "json/decoder.py").read_bytes()
    shown = skeleton(data, "a.py")
    ast.parse(re.sub(r"^ {4}(?=\w+ = )", "", shown, flags=re.M))
    assert skeleton(shown.encode(), "a.py") == shown


def test_docstrings_of_classes_go_and_a_class_is_never_empty() -> None:
    first = b'class A:\n    """doc"""\n\n'
    source = first + b'class B:\n    """doc\n\n    more\n    """\n    x = 1  # why\n    # gone\n    y = "kept"\n'
    assert skeleton(source, "a.py") == 'class A:\n    ...\nclass B:\n    x = 1\n    y = "kept"\n'


def test_comments_between_the_head_of_a_function_and_its_body_go() -> None:
    source = b"def f(a):  # note\n    # more\n    return a\n\ndef g(): return 1\n"
    assert skeleton(source, "a.py") == "def f(a): ...\ndef g(): ...\n"


@pytest.mark.parametrize(("count", "shown"), [(28, 30), (29, 21), (500, 21)])
def test_long_assignments_keep_their_first_and_last_ten_lines(count: int, shown: int) -> None:
    rows = "".join(f"    {n},\n" for n in range(count))
    lines = skeleton(f"X = [\n{rows}]\n".encode(), "a.py").splitlines()
    assert len(lines) == shown and lines[0] == "X = [" and lines[-1] == "]"
    if shown == 21:
        assert lines[10] == "..." and lines[9] == "    8," and lines[11] == f"    {count - 9},"


def test_what_is_long_between_the_functions_of_an_object_keeps_little() -> None:
    rows = "".join(f"  k{n}: {n},\n" for n in range(200))
    source = f"const table = {{\n  // why\n  f() {{\n    return 1;\n  }},\n{rows}  g: () => 1,\n}};\n"
    assert skeleton(source.encode(), "a.js") == (
        "const table = {\n  f() { ... },\n  k0: 0,\n  k1: 1,\n  ...\n  k198: 198,\n  k199: 199,\n  g: () => 1,\n};\n"
    )
    assert len(skeleton(f"const table = {{\n{rows}}};\n".encode(), "a.js").splitlines()) == 21


def test_a_long_expression_behind_an_arrow_is_shortened() -> None:
    source = "export default () => (\n  <ul>\n" + "    <li/>\n" * 100 + "  </ul>\n);\n"
    shown = skeleton(source.encode(), "a.jsx").splitlines()
    assert len(shown) == 7 and shown[0] == "export default () => (" and shown[-1] == ");"


def test_the_body_of_a_function_with_a_head_of_many_lines_goes() -> None:
    head = "module.exports = function ({\n" + "".join(f"  a{n},\n" for n in range(12)) + "}) {"
    source = head + "\n" + "  go();\n" * 20 + "};\n"
    assert skeleton(source.encode(), "a.js") == f"{head} ... }};\n"


def test_calls_that_hold_no_function_with_a_name_are_left_out() -> None:
    calls = "app.get('/', (req) => { const user = req.a; });\n(function () { var x = 1; go(x); })();\n"
    assert skeleton(f"{calls}list.map((x) => ({{ a: x }}));\n".encode(), "a.js") == ""


def test_files_without_definitions_have_none() -> None:
    assert skeleton(b"# only words\nprint(1)\n", "a.py") == "" == skeleton(b"text\n", "a.md") == skeleton(b"", "a.py")


def test_other_encodings_do_no_harm() -> None:
    assert skeleton("é = 1\ndef f():\n    return 'é'\n".encode("latin-1"), "a.py").endswith("def f(): ...\n")
