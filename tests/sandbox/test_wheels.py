"""Wheels fetched by the real pip from a folder, for Pythons that are not the host's."""

from __future__ import annotations

import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from clew.errors import ConfigError, WheelsMissing
from clew.sandbox import Box
from clew.sandbox.wheels import Python, checked_requirement, fetch, fetch_again, python_of
from tests.sandbox.wheel_files import only_from, wheel

pytestmark = pytest.mark.anyio

MARKERS = {
    "implementation_name": "cpython", "implementation_version": "3.9.2", "os_name": "posix",
    "platform_machine": "x86_64", "platform_release": "", "platform_system": "Linux", "platform_version": "",
    "python_full_version": "3.9.2", "platform_python_implementation": "CPython", "python_version": "3.9",
    "sys_platform": "linux",
}  # fmt: skip
OLD = Python(MARKERS, "cp", "cp39", ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64"))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_from(tmp_path / "index", monkeypatch)
    return tmp_path / "index"


def fetched(folder: Path, *requirements: str, python: Python = OLD) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    return {each.name: each.version for each in fetch(requirements, python, folder)}


async def test_a_sandbox_says_what_its_python_is(box: Box) -> None:
    python = await python_of(box)
    assert python.version.startswith("3.") and python.implementation == "cp"
    assert python.abi.startswith("cp3") and python.platforms[-1] == f"linux_{os.uname().machine}"
    if box.name == "process":
        assert python.version == "{}.{}.{}".format(*sys.version_info[:3])
        assert python.has(checked_requirement("pytest>=7")) and not python.has(checked_requirement("pytest<7"))
    assert not python.has(checked_requirement("nothing-of-this-name"))


def test_tags_of_wheels_are_those_of_the_machine() -> None:
    told = {"implementation": "cpython", "soabi": "cpython_313t", "machine": "aarch64", "path": "", "packages": {}}
    musl = Python.read({**told, "libc": "", "musl": True, "markers": MARKERS})
    assert (musl.abi, musl.platforms[0], musl.platforms[-1]) == ("cp313t", "musllinux_1_2_aarch64", "linux_aarch64")
    glibc = Python.read({**told, "libc": "glibc 2.17", "musl": False, "markers": MARKERS}).platforms
    assert glibc[0] == "manylinux_2_17_aarch64" and "manylinux2014_aarch64" in glibc and len(glibc) == 17


def test_what_is_required_for_that_python_comes_too(index: Path, tmp_path: Path) -> None:
    wheel(index, "one", "1.0", requires=["two>=2; python_version < '3.10'", "three; extra == 'more'"])
    wheel(index, "two", "1.0")
    wheel(index, "two", "2.1")
    wheel(index, "two", "3.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    wheel(index, "three", "1.0")
    assert fetched(tmp_path / "a", "one; os_name == 'posix'", "three; os_name == 'nt'") == {"one": "1.0", "two": "2.1"}
    assert fetched(tmp_path / "b", "one[more]==1.*") == {"one": "1.0", "two": "2.1", "three": "1.0"}
    newer = replace(OLD, markers={**MARKERS, "python_version": "3.12", "python_full_version": "3.12.1"}, abi="cp312")
    assert fetched(tmp_path / "c", "one", "two", python=newer) == {"one": "1.0", "two": "3.0"}


def test_exactly_the_same_wheels_are_fetched_again(index: Path, tmp_path: Path) -> None:
    wheel(index, "one", "1.0")
    (first,) = fetch(["one"], OLD, _new(tmp_path / "a"))
    wheel(index, "one", "1.1")
    (again,) = fetch_again({first.path.name: first.digest}, OLD, _new(tmp_path / "b"))
    assert (again.version, again.digest) == ("1.0", first.digest)
    wheel(index, "one", "1.0", {"other.py": ""})
    with pytest.raises(WheelsMissing):
        fetch_again({first.path.name: first.digest}, OLD, _new(tmp_path / "c"))


def test_no_sources_are_taken_and_none_of_their_code_runs(index: Path, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    (tmp_path / "setup.py").write_text(f"open({str(trap)!r}, 'w')\nfrom setuptools import setup\nsetup(name='one')\n")
    with tarfile.open(index / "one-1.0.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "setup.py", "one-1.0/setup.py")
    with pytest.raises(WheelsMissing, match=r"no wheel of 'one'.*Sources are not built") as raised:
        fetched(tmp_path / "a", "one")
    assert raised.value.packages == ("one",) and not trap.exists()


def test_who_required_what_has_no_wheel_is_told(index: Path, tmp_path: Path) -> None:
    wheel(index, "one", "1.0", requires=["missing-one"])
    with pytest.raises(WheelsMissing, match="missing-one") as raised:
        fetched(tmp_path / "a", "one")
    assert set(raised.value.packages) >= {"missing-one", "one"}


def test_without_a_network_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(WheelsMissing, match="no package index") as raised:
        fetched(tmp_path / "a", "one")
    assert "secret" not in str(raised.value) and raised.value.packages == ()


@pytest.mark.parametrize(
    "text",
    [
        "-r /etc/passwd", "--index-url http://evil.example/", "https://evil.example/a.whl", "file:///etc/passwd",
        "./folder", "/etc", "a @ file:///etc/passwd", "a @ git+https://me:secret@evil.example/a", "a\n--pre", "a b", "",
        "a===../../b.whl", "-e .", "a; python_version < '3' --pre", "$(touch x)", "a[b", "a>=",
        f"a; {'(' * 3000}", "a" * 9999 + " b",
    ],
)  # fmt: skip
def test_nothing_but_names_and_versions_reaches_pip(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        checked_requirement(text)
    assert "secret" not in str(raised.value) and len(str(raised.value)) < 500


@pytest.mark.parametrize("marker", ["os_name ~= 'x'", "'a' ~= 'b'", "platform_version === '#1'", "os_name === 'posix'"])
def test_a_marker_that_compares_nothing_holds_nowhere(marker: str) -> None:
    assert not OLD.applies(checked_requirement(f"one; {marker}"))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
