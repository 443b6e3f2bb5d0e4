"""The tree of files in a prompt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.graphs.agentless.tree import rendered_tree

PATHS = ["setup.py", "src/pkg/core.py", "src/pkg/deep/x.py", "src/pkg/deep/y.py", "src/a.py", "docs/index.md"]


def test_folders_first_then_files_four_blanks_a_level() -> None:
    assert rendered_tree(PATHS) == (
        "docs/\n    index.md\nsrc/\n    pkg/\n        deep/\n            x.py\n            y.py\n        core.py\n"
        "    a.py\nsetup.py\n"
    )
    assert rendered_tree([]) == ""


def test_a_tree_too_long_is_folded_from_its_depth() -> None:
    assert rendered_tree(PATHS, 8) == (
        "docs/\n    index.md\nsrc/\n    pkg/\n        deep/ (2 files)\n        core.py\n    a.py\nsetup.py\n"
    )
    assert rendered_tree(PATHS, 7) == "docs/\n    index.md\nsrc/\n    pkg/ (3 files)\n    a.py\nsetup.py\n"
    assert rendered_tree(PATHS, 1) == "docs/ (1 file)\nsrc/ (4 files)\nsetup.py\n"


PARTS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5).map("/".join)


@given(paths=st.sets(PARTS.map(lambda path: path + ".py"), max_size=40), limit=st.integers(1, 30))
def test_folding_is_as_little_as_needed_and_loses_no_file(paths: set[str], limit: int) -> None:
    whole, folded = rendered_tree(paths), rendered_tree(paths, limit)
    lines = folded.splitlines()
    counted = sum(int(line.split("(")[1].split()[0]) if "(" in line else line.endswith(".py") for line in lines)
    assert counted == len(paths)
    if len(whole.splitlines()) <= limit:
        assert folded == whole
    elif len(lines) > limit:
        assert not [line for line in lines if line.endswith("/")]
