"""What repositories declare, in all the places where they do, and in ways that no one should."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from clew.graphs.agentless.declared import INSTALLED, Declared, declared
from clew.graphs.agentless.listed import constraint_of, listed_in
from clew.graphs.agentless.repository import Workspace
from tests.graphs.agentless.repositories import git, repository, workspace


def of(folder: Path, files: Mapping[str, str | bytes], *extras: str) -> Declared:
    return declared(workspace(folder, files), extras)


PYPROJECT = """
[build-system]
requires = ["setuptools"]
[project]
name = "My.Shop"
version = "1.2.3"
dependencies = ["attrs>=20", "tomli; python_version < '3.11'"]
[project.optional-dependencies]
fast = ["orjson"]
tests = ["my-shop[fast]", "pytest-mock", "my.shop[tests]"]
docs = ["sphinx"]
[project.scripts]
shop = "shop.main:run"
[project.entry-points.pytest11]
shop = "shop.plugin"
[dependency-groups]
test = ["hypothesis", {include-group = "base"}]
base = ["freezegun", {include-group = "test"}]
[tool.pytest.ini_options]
minversion = "7.4"
required_plugins = ["pytest-asyncio>=0.21"]
[tool.setuptools.packages.find]
where = ["python"]
"""


def test_a_project_of_today(tmp_path: Path) -> None:
    found = of(tmp_path, {"pyproject.toml": PYPROJECT, "requirements.txt": "unused\n"})
    assert found.needs == ("attrs>=20", "tomli; python_version < '3.11'")
    assert set(found.tests) == {
        "pytest-mock", "orjson", "hypothesis", "freezegun", "pytest>=7.4", "pytest-asyncio>=0.21"
    }  # fmt: skip
    assert (found.name, found.version, found.folders, found.notes) == ("My.Shop", "1.2.3", ("python",), ())
    info = f"{INSTALLED}/My_Shop-1.2.3.dist-info"
    assert "Name: My.Shop\nVersion: 1.2.3\n" in found.files[f"{info}/METADATA"]
    assert found.files[f"{info}/entry_points.txt"] == (
        "[console_scripts]\nshop = shop.main:run\n\n[pytest11]\nshop = shop.plugin\n\n"
    )
    chosen = of(tmp_path / "2", {"pyproject.toml": PYPROJECT}, "docs", "nothing")
    assert chosen.tests[0] == "sphinx" and chosen.notes == ("the project has no extra or group 'nothing'",)


@pytest.mark.parametrize(
    ("files", "needs", "tests"),
    [
        (
            {"setup.cfg": "[metadata]\nname = old\n[options]\ninstall_requires =\n    six\n    a>=1 # why\n"
             "[options.extras_require]\ntesting = pretend\n"},
            ("six", "a>=1"), ("pretend",),
        ),
        (
            {"setup.py": "from setuptools import setup\nneeds = ['six']\nopen('/tmp/ran', 'w')\n"
             "setup(name='old', install_requires=needs, tests_require=['mock'], extras_require={'x': f()})\n"},
            ("six",), ("mock",),
        ),
        (
            {"requirements.txt": "six==1.0 \\\n    --hash=sha256:00\n",
             "test-requirements.txt": "-r requirements.txt\nmock\n"},
            ("six==1.0",), ("six==1.0", "mock"),
        ),
        ({"requirements/tests.in": "pytest\n", "requirements/tests.txt": "pytest==8.1.1\n"}, (), ("pytest==8.1.1",)),
        ({"tests/requirements.txt": "pretend\n"}, (), ("pretend",)),
        (
            {"tox.ini": "[testenv]\ndeps =\n    mock\n    py38: old\n    -rx.txt\n    {env:X}\n", "x.txt": "y\n"},
            (), ("mock", "y"),
        ),
        (
            {"pyproject.toml": "[tool.poetry]\nname = 'p'\n[tool.poetry.dependencies]\npython = '^3.8'\nrich = '^1.2'\n"
             "opt = {version = '*', optional = true}\n"
             "[tool.poetry.group.test.dependencies]\nmock = {version = '~2.1', extras = ['x']}\n"},
            ("rich>=1.2,<2",), ("mock[x]>=2.1,<2.2",),
        ),
        ({"pyproject.toml": "[tool.hatch.envs.default]\ndependencies = ['mock', 'ruff']\n"}, (), ("mock",)),
        ({"pyproject.toml": "[dependency-groups]\ndev = ['mock', 'mypy>=1', 'sphinx-x']\n"}, (), ("mock",)),
        ({"requirements-dev.txt": "mock\nblack\n"}, (), ("mock",)),
        ({}, (), ()),
    ],
)  # fmt: skip
def test_each_place_is_read(
    files: dict[str, str], needs: tuple[str, ...], tests: tuple[str, ...], tmp_path: Path
) -> None:
    found = of(tmp_path, {"a.py": "", **files})
    assert (found.needs, found.tests) == (needs, tests), found


def test_versions_come_from_where_the_build_takes_them(tmp_path: Path) -> None:
    dynamic = "[project]\nname = 'shop'\ndynamic = ['version']\n[build-system]\nrequires = ['{}']\n"
    module = {"src/shop/__init__.py": "__version__ = '3.1'\n"}
    assert of(tmp_path / "a", {**module, "pyproject.toml": dynamic.format("flit_core")}).version == "3.1"
    by_tag = {
        **module,
        "pyproject.toml": dynamic.format("setuptools_scm") + "[tool.setuptools_scm]\nwrite_to = 'src/shop/_v.py'\n",
    }
    assert of(tmp_path / "b", by_tag).version == "3.1"
    repo = repository(tmp_path / "c" / "repo", by_tag)
    git(repo, "tag", "v4.0.1")
    found = declared(Workspace.make(repo, "HEAD", tmp_path / "c" / "workspace"))
    assert found.version == "4.0.1" and found.files["src/shop/_v.py"].startswith('__version__ = version = "4.0.1"\n')
    assert "(4, 0, 1,)" in found.files["src/shop/_v.py"]


def test_lines_that_are_no_names_are_left_out_and_told() -> None:
    text = (
        "--index-url https://me:secret@evil.example/simple\n-r /etc/passwd\n-r ../../etc/passwd\n-c limits.txt\n"
        "https://evil.example/a.whl\nfile:///etc/passwd\n./here\n-e .\n-e git+https://evil.example/b#egg=b\ngood>=1\n"
        "c @ file:///etc/passwd\n.[test]\n$(touch x)\n-r more.txt\n"
    )
    files = {"more.txt": "-r requirements.txt\nbetter\n"}
    found = listed_in(text, "requirements.txt", files.get)
    assert found.needs == ["good>=1", "better"] and len(found.notes) == 10, found
    assert "secret" not in str(found.notes)
    loop = listed_in("-r ./a.txt\nx\n" * 2000, "a.txt", {"a.txt": "-r a.txt\nx\n" * 2000}.get)
    assert set(loop.needs) == {"x"} and len(loop.needs) == 2000


HATCH = "[tool.hatch]\nenvs = {test = 3}\n[tool.setuptools]\npackages = ['a']\npackage-dir = {'' = 3}\n"
SCM = "[tool.setuptools_scm]\nwrite_to = '../../../etc/x.py'\n[tool.pytest.ini_options]\nminversion = '; x'\n"
PROJECT = "[project]\nname = 'a\\nb'\ndependencies = [1, [2]]\n[project.optional-dependencies]\ntest = 4\n"
MALFORMED: list[dict[str, str | bytes]] = [
    {"pyproject.toml": "[project\n"},
    {"pyproject.toml": b"\xff\xfe"},
    {"pyproject.toml": "[project]\nname = 3\ndependencies = 'x'\noptional-dependencies = []\nscripts = 4\n"},
    {"pyproject.toml": PROJECT},
    {"pyproject.toml": "tool = 1\nproject = []\ndependency-groups = 'x'\n"},
    {"pyproject.toml": "[dependency-groups]\ntest = [{include-group = 'test'}, {include-group = 3}, 7]\n"},
    {"pyproject.toml": "[tool.poetry]\npackages = 3\ndependencies = {a = 1, b = [2], c = {version = 4}}\n"},
    {"pyproject.toml": HATCH},
    {"pyproject.toml": SCM},
    {"setup.cfg": "no section\n", "tox.ini": "[testenv\n"},
    {"setup.cfg": "[options]\npackage_dir =\n  = ../..\n[options.entry_points]\nx = y\n  z = \n"},
    {"setup.py": "setup(" + "(" * 500},
    {"setup.py": "setup(**x, name=1, install_requires='six', package_dir={'': '/etc'}, entry_points=3)\n"},
    {"requirements.txt": "a\0b\n\u2028x\n" + "-r requirements.txt\n" * 20},
    {"requirements.txt": f"a; {'(' * 3000}\n"},
    {"requirements.txt": "-r one/r.txt\n" * 4000, "one/r.txt": "-r ../two/r.txt\n" * 4000, "two/r.txt": "x\n" * 4000},
    {"pyproject.toml": f"a{'.a' * 500_000} = 1\n"},
    {"setup.py": f"a{'.b' * 900}()\n"},
    {
        "pyproject.toml": "[dependency-groups]\n"
        + "".join(f"g{n} = [{', '.join([f'{{include-group = {chr(34)}g{n + 1}{chr(34)}}}'] * 9)}]\n" for n in range(40))
    },
]


@pytest.mark.parametrize("files", MALFORMED, ids=range(len(MALFORMED)))
def test_nothing_in_a_file_stops_it(files: dict[str, str | bytes], tmp_path: Path) -> None:
    found = of(tmp_path, files)
    assert all(".." not in folder and not folder.startswith("/") for folder in found.folders)
    assert all(".." not in path and not path.startswith("/") for path in found.files)


def test_poetry_says_versions_in_its_own_way() -> None:
    said = {"^1.2.3": ">=1.2.3,<2", "^0.2.3": ">=0.2.3,<0.3", "^0.0.3": ">=0.0.3,<0.0.4", "~1.2.3": ">=1.2.3,<1.3",
            "~1": ">=1,<2", "*": "", ">=1,<2": ">=1,<2", "1.4": "==1.4", "1.*": "==1.*"}  # fmt: skip
    assert {text: constraint_of(text) for text in said} == said
