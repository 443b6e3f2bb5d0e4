"""What a Python repository says about itself: the packages that it and its tests need, its name and version, where its
modules lie. All of it is read as data: no `setup.py` is run, no build back end asked."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from clew.errors import NotText

from .listed import Listed, canonical, listed_in
from .manifests import group_needs, list_of, poetry_needs, setup_arguments, table_of, texts_of
from .repository import Workspace

# Pytest looks for no tests in folders that begin with a dot.
INSTALLED = ".clew-installed"
_TESTS = re.compile(
    r"(?:unit|dev|run)?[-_. ]?(?:py)?tests?(?:ing|s)?(?:[-_. ](?:dev|deps|requirements|unit))?|hatch-test|ci"
)
_DEV = re.compile(r"dev(?:el|elop|elopment)?|default")
_TEST_FILES = re.compile(
    r"(?:(?:requirements?|tests?|reqs?)/)?(?:(?:requirements|reqs|deps)[-_.])?(?:dev[-_.])?tests?(?:ing)?(?:[-_.]requirements)?\.(?:txt|in)"
    r"|tests?/requirements\.(?:txt|in)"
)
_DEV_FILES = re.compile(
    r"(?:requirements?/)?(?:requirements[-_.])?dev(?:el|elopment)?(?:[-_.]requirements)?\.(?:txt|in)"
)
# Keys with many dots take the square of their number of seconds.
_LONGEST_LINE = 10_000
_VERSION = re.compile(r"""^__version__\s*(?::\s*\w+\s*)?=\s*['"]([^'"\n]+)['"]""", re.MULTILINE)
_TAG = re.compile(r"(?:.*?[-_/])?v?(\d+(?:[.]\d+)*(?:(?:a|b|rc|\.post|\.dev)\d+)?)")
# Tools that look at code or publish it. No test imports them.
_TOOLS = re.compile(
    r"black|ruff|flake8.*|mypy|pyright|pylint|isort|bandit|codespell|pre-commit.*|sphinx.*|furo|mkdocs.*|myst-parser|twine|build|tox.*|nox"
    r"|hatch|bump.*|wheel|check-manifest|towncrier|commitizen|codecov|coveralls|ipython|ipdb|uv|poetry.*|pip-tools|auto.*|rope"
)


@dataclass(frozen=True)
class Declared:
    """`needs` are those of the project itself, `tests` those of its tests, by PEP 508. `name` is "" where none is
    given. `folders` hold its modules. `files` are those that a build would write: modules into the tree, and what an
    installation says about it into `INSTALLED`. `notes` tell what was passed over, and why."""

    name: str = ""
    version: str = ""
    needs: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def declared(workspace: Workspace, extras: Iterable[str] = ()) -> Declared:
    """What the files of a workspace declare. Packages of tests are those of the first place that names some: an extra
    or a group called like tests, a requirements file called like them, `tox.ini`, and at last what developers need
    without the tools among it. `extras` are added, and then no other place is looked at. Never raises for what a file
    says."""
    reader = _Reader(workspace)
    extras = list(extras)
    groups = dict(reader.groups())
    if extras:
        unknown = [extra for extra in extras if canonical(extra) not in groups]
        reader.notes += [f"the project has no extra or group {extra!r}" for extra in unknown]
        tests = [need for extra in extras for need in groups.get(canonical(extra), [])]
    else:
        tests = next(filter(None, reader.places(groups)), [])
    needs = reader.needs()
    own = canonical(reader.name)
    names = reader.own_extras(tests, own, groups)
    pytest = reader.minimal_pytest()
    version = reader.version()
    return Declared(
        name=reader.name,
        version=version,
        needs=tuple(dict.fromkeys(reader.own_extras(needs, own, groups))),
        tests=tuple(dict.fromkeys([*names, *pytest])),
        folders=tuple(dict.fromkeys(reader.folders())),
        files={**reader.version_files(version), **_metadata(reader.name, version, reader.entry_points())},
        notes=tuple(dict.fromkeys(reader.notes)),
    )


class _Reader:
    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.notes: list[str] = []
        self.toml = self._toml("pyproject.toml")
        self.project = table_of(self.toml, "project")
        self.tool = table_of(self.toml, "tool")
        self.poetry = table_of(self.tool, "poetry")
        self.cfg = self._ini("setup.cfg")
        self.setup = setup_arguments(self.text("setup.py"))
        self.name = self._name()

    def text(self, path: str) -> str:
        if path not in self.workspace.entries:
            return ""
        try:
            return self.workspace.read(path)
        except NotText:
            self.notes.append(f"{path} is no text")
            return ""

    def _toml(self, path: str) -> Mapping[str, Any]:
        text = self.text(path)
        if max(map(len, text.splitlines()), default=0) > _LONGEST_LINE:
            self.notes.append(f"{path} has a line of more than {_LONGEST_LINE} characters")
            return {}
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            self.notes.append(f"{path} is no TOML: {str(error)[:100]}")
            return {}

    def _ini(self, path: str) -> Mapping[str, Mapping[str, str]]:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(self.text(path))
        except configparser.Error as error:
            self.notes.append(f"{path} is no configuration: {str(error)[:100]}")
            return {}
        return {name: dict(parser.items(name)) for name in parser.sections()}

    def _name(self) -> str:
        places = (self.project, self.poetry, self.cfg.get("metadata", {}), self.setup)
        return next((name for place in places if isinstance(name := place.get("name"), str) and _is_name(name)), "")

    # Needs ------------------------------------------------------------------------------------------------------------

    def needs(self) -> list[str]:
        """Of the project itself."""
        dynamic = table_of(table_of(table_of(self.tool, "setuptools"), "dynamic"), "dependencies").get("file", [])
        if isinstance(self.project.get("dependencies"), list):
            return self.take(self.project["dependencies"])
        if isinstance(self.poetry.get("dependencies"), dict):
            return self.take(poetry_needs(self.poetry["dependencies"]))
        if "install_requires" in self.cfg.get("options", {}):
            return self.lines(self.cfg["options"]["install_requires"])
        if isinstance(self.setup.get("install_requires"), list):
            return self.take(self.setup["install_requires"])
        files = [dynamic] if isinstance(dynamic, str) else texts_of(dynamic)
        return [need for file in files or ["requirements.txt"] for need in self.file(file)]

    def groups(self) -> Iterator[tuple[str, list[str]]]:
        """Extras and groups by their canonical name; several of one name are one."""
        found: dict[str, list[str]] = {}

        def add(name: str, needs: Iterable[str]) -> None:
            found.setdefault(canonical(name), []).extend(needs)

        for name, needs in table_of(self.project, "optional-dependencies").items():
            add(name, self.take(needs))
        groups = table_of(self.toml, "dependency-groups")
        for name in groups:
            add(name, self.take(group_needs(groups, name)))
        for name, text in self.cfg.get("options.extras_require", {}).items():
            add(name, self.lines(text))
        for name, needs in table_of(self.setup, "extras_require").items():
            add(name, self.take(needs))
        if "tests_require" in self.setup:
            add("tests", self.take(self.setup["tests_require"]))
        for name, table in table_of(self.poetry, "group").items():
            add(name, self.take(poetry_needs(table_of(table, "dependencies"))))
        add("dev", self.take(poetry_needs(table_of(self.poetry, "dev-dependencies"))))
        for name, needs in table_of(table_of(self.tool, "pdm"), "dev-dependencies").items():
            add(name, self.take(needs))
        for name, table in table_of(table_of(self.tool, "hatch"), "envs").items():
            for key in ("dependencies", "extra-dependencies"):
                add(name, self.take(table.get(key, []) if isinstance(table, dict) else []))
        return iter(found.items())

    def places(self, groups: Mapping[str, list[str]]) -> Iterator[list[str]]:
        """What tests need, one place after the other."""
        files = [path for path in self.workspace.paths() if path.count("/") < 2]
        yield [need for name, needs in groups.items() if _TESTS.fullmatch(name) for need in needs]
        # A file for pip holds what is in the one for pip-tools, and versions.
        yield next(
            filter(None, (self.file(path) for path in sorted(files, reverse=True) if _TEST_FILES.fullmatch(path))), []
        )
        yield self.tox()
        yield _without_tools(need for name, needs in groups.items() if _DEV.fullmatch(name) for need in needs)
        yield _without_tools(need for path in files if _DEV_FILES.fullmatch(path) for need in self.file(path))

    def tox(self) -> list[str]:
        lines = self._ini("tox.ini").get("testenv", {}).get("deps", "").splitlines()
        plain = [line for line in lines if not re.match(r"\s*[\w{},!.-]+:\s", line) and "{" not in line]
        return self.lines("\n".join(plain), "tox.ini")

    def take(self, found: Any) -> list[str]:
        return self.lines("\n".join(line for line in texts_of(found) if "\n" not in line))

    def lines(self, text: str, path: str = "") -> list[str]:
        return self._listed(listed_in(text, path, self._file_text))

    def file(self, path: str) -> list[str]:
        return self._listed(listed_in(self._file_text(path) or "", path, self._file_text))

    def _file_text(self, path: str) -> str | None:
        return self.text(path) if path in self.workspace.entries else None

    def _listed(self, found: Listed) -> list[str]:
        self.notes += found.notes
        return list(found.needs)

    def own_extras(self, needs: Iterable[str], own: str, groups: Mapping[str, list[str]]) -> list[str]:
        """`needs` with extras of the project itself put in the place of its name."""
        todo, seen, out = list(needs), set[str](), list[str]()
        while todo:
            need = todo.pop(0)
            found = re.match(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?", need)
            if found is None or canonical(found[1]) != own:
                out.append(need)
                continue
            for extra in map(canonical, filter(None, (found[2] or "").split(","))):
                if extra not in seen:
                    seen.add(extra)
                    todo += groups.get(extra, [])
        return out

    def minimal_pytest(self) -> list[str]:
        """What its configuration says that pytest must be and have."""
        ini = {
            **self.cfg.get("tool:pytest", {}),
            **self._ini("tox.ini").get("pytest", {}),
            **table_of(table_of(self.tool, "pytest"), "ini_options"),
            **self._ini("pytest.ini").get("pytest", {}),
        }
        plugins = ini.get("required_plugins", "")
        words = plugins.split() if isinstance(plugins, str) else texts_of(plugins)
        least = str(ini.get("minversion", "")).strip()
        return self.take([*([f"pytest>={least}"] if re.fullmatch(r"\d+(\.\d+)*", least) else []), *words])

    # The project itself -----------------------------------------------------------------------------------------------

    def folders(self) -> Iterator[str]:
        """Where its modules lie, beside the usual places."""
        setuptools = table_of(self.tool, "setuptools")
        found: list[Any] = [
            *texts_of(table_of(table_of(setuptools, "packages"), "find").get("where", [])),
            *table_of(setuptools, "package-dir").values(),
            *(package.get("from", "") for package in list_of(self.poetry, "packages") if isinstance(package, dict)),
            self.cfg.get("options.packages.find", {}).get("where", ""),
            *(line.rpartition("=")[2] for line in self.cfg.get("options", {}).get("package_dir", "").splitlines()),
            *table_of(self.setup, "package_dir").values(),
        ]
        for folder in (str(each).strip().strip("/") for each in found):
            if folder and folder != "." and ".." not in PurePosixPath(folder).parts and not folder.startswith("-"):
                yield folder

    def version(self) -> str:
        """As it is written, else of the nearest tag, else of a module that holds it; "0" when none says it."""
        written = [
            self.project.get("version"),
            self.poetry.get("version"),
            self.cfg.get("metadata", {}).get("version"),
            self.setup.get("version"),
        ]
        found = _TAG.fullmatch(self.workspace.tag)
        stem = self.name.replace("-", "_").lower()
        hatch = table_of(table_of(self.tool, "hatch"), "version").get("path")
        modules = ("/__init__.py", "/_version.py", "/version.py", "/__version__.py", ".py")
        places = [hatch, *(f"{top}{stem}{module}" for module in modules for top in ("", "src/", "lib/"))]
        in_files = (match[1] for path in texts_of(places) if (match := _VERSION.search(self.text(path))))
        texts = [*written, *in_files] if self._dynamic_by_file() else [*written, found and found[1], *in_files]
        return next((text for text in texts if isinstance(text, str) and _is_version(text)), "0")

    def _dynamic_by_file(self) -> bool:
        """Whether its version stands in a file rather than in tags."""
        requires = texts_of(table_of(self.toml, "build-system").get("requires", []))
        by_tag = any(
            re.search(r"setuptools[-_]scm|hatch-vcs|versioneer|versioningit|dunamai|pbr", each) for each in requires
        )
        return not by_tag

    def version_files(self, version: str) -> Mapping[str, str]:
        """Modules that a build writes from the tag, where the repository holds none."""
        scm = table_of(self.tool, "setuptools_scm")
        hook = table_of(table_of(table_of(table_of(self.tool, "hatch"), "build"), "hooks"), "vcs")
        paths = [scm.get("write_to"), scm.get("version_file"), hook.get("version-file")]
        parts = ", ".join(re.findall(r"\d+", version)[:3])
        text = (
            f'__version__ = version = "{version}"\n__version_tuple__ = version_tuple = ({parts},)\n'
            "__commit_id__ = commit_id = None\n"
        )
        clean = [path for path in texts_of(paths) if path.endswith(".py") and self.workspace.new_path(path) == path]
        return dict.fromkeys(clean, text)

    def entry_points(self) -> str:
        """In the format of `entry_points.txt`."""
        sections: dict[str, dict[str, str]] = {}
        for section, table in (
            ("console_scripts", table_of(self.project, "scripts")),
            ("gui_scripts", table_of(self.project, "gui-scripts")),
            ("console_scripts", table_of(self.poetry, "scripts")),
            *table_of(self.project, "entry-points").items(),
            *table_of(self.poetry, "plugins").items(),
        ):
            if isinstance(table, dict):
                sections.setdefault(section, {}).update({k: v for k, v in table.items() if isinstance(v, str)})
        given = self.setup.get("entry_points")
        by_section = {**self.cfg.get("options.entry_points", {}), **(given if isinstance(given, dict) else {})}
        for section, lines in by_section.items():
            for line in texts_of(lines.splitlines() if isinstance(lines, str) else lines):
                name, equals, where = line.partition("=")
                if equals:
                    sections.setdefault(section, {})[name.strip()] = where.strip()
        return "".join(
            f"[{section}]\n" + "".join(f"{name} = {where}\n" for name, where in table.items()) + "\n"
            for section, table in sections.items()
            if table and not re.search(r"[\n\]]", section + "".join(table) + "".join(table.values()).replace("]", ""))
        )


def _metadata(name: str, version: str, entry_points: str) -> Mapping[str, str]:
    """What an installation says about the project, as far as programs ask for it."""
    if not name:
        return {}
    folder = f"{INSTALLED}/{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    files = {f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    return {**files, f"{folder}/entry_points.txt": entry_points} if entry_points else files


def _without_tools(needs: Iterable[str]) -> list[str]:
    return [
        need for need in needs if not _TOOLS.fullmatch(canonical(re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0]))
    ]


def _is_name(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", text)) and len(text) <= 200


def _is_version(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return bool(Version(text)) and len(text) <= 100
    except InvalidVersion:
        return False
