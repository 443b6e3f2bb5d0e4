"""Outlines of a whole workspace, and their cache."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from clew.errors import RepositoryError
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.structure import MAX_SOURCE, is_test, outline, read_structure

from .repositories import commit, repository, workspace, write
from .samples import SAMPLES

FILES: dict[str, str | bytes] = {
    **{f"src/{name}": sample.source for name, sample in SAMPLES.items()},
    "tests/test_a.py": "def test_a(): pass\n",
    "src/a_test.go": "package a\n",
    "README.md": "text\n",
    "latin.py": "def f():\n    return 'é'\n".encode("latin-1"),
    "binary.py": b"a\0b",
    "big.py": b"x = 1\n" * (MAX_SOURCE // 6 + 1),
    "broken.py": "def f(:\n\nclass A: pass\n",
    "empty.py": "",
    "empty.c": "",
}


def rows(cache: Path) -> set[tuple[str, str]]:
    with sqlite3.connect(next(cache.glob("*.db"))) as database:
        return set(database.execute("SELECT blob, suffix FROM files"))


def test_source_files_that_are_no_tests(tmp_path: Path) -> None:
    made = workspace(tmp_path, FILES)
    structure = read_structure(made)
    assert set(structure.outlines) == {
        *(f"src/{name}" for name in SAMPLES), "latin.py", "broken.py", "empty.py", "empty.c",
    }  # fmt: skip
    assert structure.skipped == {"big.py": f"{MAX_SOURCE + 4} bytes, above {MAX_SOURCE}", "binary.py": "binary"}
    for name, sample in SAMPLES.items():
        assert structure.skeleton(f"src/{name}") == sample.skeleton
        assert structure.outlines[f"src/{name}"] == outline(made, f"src/{name}")
        symbols = structure.outlines[f"src/{name}"].symbols
        assert "".join(f"{s.kind} {s.qualname} {s.start} {s.end}\n" for s in symbols) == sample.symbols
    assert structure.outlines["broken.py"].broken and structure.outlines["empty.py"].lines == 0
    assert structure.outlines["empty.c"].language == "c"
    assert structure.skeleton("latin.py") == "def f(): ...\n"
    with pytest.raises(RepositoryError, match="no source file"):
        structure.skeleton("README.md")


def test_the_rule_for_tests_can_be_given(tmp_path: Path) -> None:
    made = workspace(tmp_path, {"tests/a.py": "1\n", "src/b.py": "1\n", "checks/c.py": "1\n"})
    assert list(read_structure(made).outlines) == ["checks/c.py", "src/b.py"]
    assert list(read_structure(made, leave_out=lambda path: path.startswith("checks/")).outlines) == [
        "src/b.py",
        "tests/a.py",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "test.py", "tests/a.py", "a/test_x.py", "a/testing/b.py", "conftest.py", "x/conftest.py", "a_test.go",
        "a/b.test.ts", "a/b-spec.js", "__tests__/a.js", "TestFoo.java", "FooTest.java", "FooTests.java", "FooIT.java",
        "x_spec.js", "a_tests.rs", "unit_tests/values.py", "functional_tests/data.py", "integration-tests/x.js",
        "pkg/_tests/a.py", "tests_of_shop/a.py", "test1.py", "testShop.py", "src/testFixtures/java/A.java",
        "src/integrationTest/java/A.java", "Tests/helper.py", "unittests/a.cpp", "ShopTest.cpp", "TestShop.cc",
        "a_unittest.cc", "a/testdata/x.go", "testutil/a.go", "testing_utils.py", "a.tests.tsx", "a.test.js.snap",
        "src/__mocks__/a.js", "spec/helpers/a.js", "src/tests.rs",
    ],
)  # fmt: skip
def test_names_of_tests(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize(
    "path",
    [
        "latest.py",
        "contest/a.py",
        "src/attest.c",
        "a/protest_x.py",
        "respec.py",
        "special/a.py",
        "Testimony/a.java",
        "x/IT.md/a.c",
        "greatest.go",
        "AUDIT.java",
        "Contest.java",
        "spec/a.py",
        "TestBed.py",
        "src/shop/testing.py",
        "src/tester.py",
        "src/testimonials/a.py",
        "app/testament.py",
        "testclient.py",
        "Testing.java",
        "contests/a.py",
        "attests.rs",
        "unittest/case.py",
        "type_spec.py",
        "src/spec/a.ts",
    ],
)
def test_names_that_are_no_tests(path: str) -> None:
    assert not is_test(path)


def test_the_cache_gives_the_same_and_grows_by_what_changed(tmp_path: Path) -> None:
    source, cache = repository(tmp_path / "repo", FILES), tmp_path / "cache"
    first = Workspace.make(source, "HEAD", tmp_path / "one")
    cold = read_structure(first, cache)
    known = rows(cache)
    assert len(known) == len(cold.outlines)
    assert read_structure(Workspace.open(first.folder), cache) == cold == read_structure(first)
    assert rows(cache) == known
    write(source, {"src/sample.py": "def renamed(): pass\n", "copy.py": SAMPLES["sample.py"].source})
    second = Workspace.make(source, commit(source), tmp_path / "two")
    warm = read_structure(second, cache)
    assert rows(cache) - known == {(second.blob("src/sample.py"), ".py")}
    assert [each.name for each in warm.outlines["src/sample.py"].symbols] == ["renamed"]
    assert warm.outlines["copy.py"].symbols == cold.outlines["src/sample.py"].symbols
    assert warm.outlines["copy.py"].path == "copy.py"


def test_a_cache_is_really_read(tmp_path: Path) -> None:
    made, cache = workspace(tmp_path, {"a.py": "def f(): pass\n"}), tmp_path / "cache"
    read_structure(made, cache)
    with sqlite3.connect(next(cache.glob("*.db"))) as database:
        database.execute("UPDATE files SET outline = CAST(replace(outline, '\"f\"', '\"cached\"') AS BLOB)")
    assert [each.name for each in read_structure(made, cache).outlines["a.py"].symbols] == ["cached"]


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    made, cache = workspace(tmp_path, {"a.py": "def f(): pass\n"}), tmp_path / "cache"
    cold = read_structure(made, cache)
    for path in cache.iterdir():
        path.write_bytes(b"no database at all" * 500)
    assert read_structure(made, cache) == cold == read_structure(made, cache)


def test_a_cache_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    made = workspace(tmp_path, {"a.py": "def f(): pass\n"})
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(RepositoryError, match="give another folder"):
        read_structure(made, tmp_path / "cache")


def test_a_repository_of_nothing_that_is_known(tmp_path: Path) -> None:
    assert read_structure(workspace(tmp_path, {"README.md": "x\n"}), tmp_path / "cache").outlines == {}
