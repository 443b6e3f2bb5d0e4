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


def test_files_without_definitions_have_none() -> None:
    assert skeleton(b"# only words\nprint(1)\n", "a.py") == "" == skeleton(b"text\n", "a.md") == skeleton(b"", "a.py")


def test_other_encodings_do_no_harm() -> None:
    assert skeleton("é = 1\ndef f():\n    return 'é'\n".encode("latin-1"), "a.py").endswith("def f(): ...\n")
