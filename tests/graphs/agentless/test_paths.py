"""Paths as models write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graphs.agentless.paths import cleaned, is_safe, resolved, tails

FILES = ["setup.py", "src/a.py", "src/pkg/core.py", "src/pkg/util.py", "lib/util.py", "docs/a b.md", "x/ü.py", "d:/odd"]


def find(written: str) -> str | None:
    return resolved(written, dict.fromkeys(FILES), tails(FILES))


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("./src/a.py", "src/a.py"),
        ("././src//a.py", "src/a.py"),
        ("  src/a.py \r\n", "src/a.py"),
        ("`src/a.py`", "src/a.py"),
        ("'src/a.py',", "src/a.py"),
        ('**"src/a.py"**', "src/a.py"),
        ("src\\pkg\\core.py", "src/pkg/core.py"),
        ("src/a.py:12", "src/a.py"),
        ("src/a.py:12:7", "src/a.py"),
        ("src/a.py:", "src/a.py"),
        ("docs/a b.md", "docs/a b.md"),
        ("x/ü.py", "x/ü.py"),
        ("/src/a.py", "src/a.py"),
        ("project/src/a.py", "src/a.py"),
        ("/testbed/src/pkg/core.py", "src/pkg/core.py"),
        ("/usr/lib/python3/site-packages/pkg/core.py", "src/pkg/core.py"),
        ("core.py", "src/pkg/core.py"),
        ("project/setup.py", "setup.py"),
        ("pkg/util.py", "src/pkg/util.py"),
    ],
)
def test_what_is_meant_is_found(written: str, path: str) -> None:
    assert find(written) == path


@pytest.mark.parametrize(
    "written",
    [
        "", ".", "/", "..", "../../etc/passwd", "src/../src/a.py", "/etc/passwd", "a.py; rm -rf .", "src/a.py\0",
        "~/src/a.py", "C:\\src\\a.py", "d:/odd/x", ".git/config", ".GIT/hooks/x", "src/.git/a.py", "git~1/config",
        "util.py", "none.py", "some/where/deep/setup.py", "src", "src/", "src/a.pyc",
        "\ud800", "$(touch x)", "src/a.py && x", "a\nsrc/a.py",
    ],
)  # fmt: skip
def test_what_is_outside_unknown_or_ambiguous_is_not(written: str) -> None:
    assert find(written) is None


@given(st.text(st.sampled_from("ab./\\ ~:'\"`\n\0é\ud800gitGIT12"), max_size=14))
def test_nothing_leaves_the_repository(written: str) -> None:
    path = cleaned(written)
    assert path is None or ((is_safe(path) and cleaned(path) == path) or path != path.strip(" \t\"'`*<>,;:"))
    assert find(written) in [None, *FILES]
    if path is not None:
        assert ".." not in path.split("/") and not path.startswith("/") and "\0" not in path


def test_parts_and_paths_have_a_longest_length() -> None:
    assert is_safe("x" * 255) and not is_safe("x" * 256)
    assert not is_safe("x/" * 600 + "x")
