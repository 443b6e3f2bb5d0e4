"""Wheels for the Python of a sandbox. The host fetches them, and runs nothing of what is in them: no sources, because
building them would run their code here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from clew.errors import ConfigError, WheelsMissing

from .types import MiB, Sandbox
from .unpacked import UNREADABLE

FETCH_S = 900
LARGEST_METADATA = 4 * MiB
_ROUNDS = 8
_VERSION = re.compile(r"[A-Za-z0-9.*+!_-]+")
_OFFLINE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|SSLError|Temporary failure in name resolution"
    r"|Failed to establish a new connection|Connection (?:refused|aborted|reset)|Network is unreachable|timed out"
)
_ABSENT = re.compile(
    r"(?:satisfies the requirement|No matching distribution found for) ([A-Za-z0-9._-]+)[^\n]*?(?:\(from ([^()\n]+)\))?"
)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")

# Runs in the sandbox: what its Python is, in the words of pip and of environment markers.
_ASK = r"""
import json, os, platform, re, sys, sysconfig
from importlib import metadata
soabi = re.sub("[-.]", "_", (sysconfig.get_config_var("SOABI") or "").rsplit("-", 3)[0]) or "none"
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (ValueError, OSError, AttributeError):
    libc = ""
musl = [name for name in os.listdir("/lib") if name.startswith("ld-musl-")] if os.path.isdir("/lib") else []
info = sys.implementation.version
packages = {}
for one in metadata.distributions():
    try:
        packages.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version)
    except Exception:
        pass
print(json.dumps({
    "implementation": sys.implementation.name, "soabi": soabi, "machine": platform.machine(),
    "libc": libc, "musl": bool(musl), "path": os.environ.get("PATH", ""), "packages": packages,
    "markers": {
        "implementation_name": sys.implementation.name, "implementation_version": "%d.%d.%d" % info[:3],
        "os_name": os.name, "platform_machine": platform.machine(), "platform_release": platform.release(),
        "platform_system": platform.system(), "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "platform_python_implementation": platform.python_implementation(),
        "python_version": "%d.%d" % sys.version_info[:2], "sys_platform": sys.platform,
    },
}))
"""


@dataclass(frozen=True)
class Python:
    """The Python of a sandbox: the `markers` of its environment, the tags of wheels that it takes, the `packages` that
    it has (canonical name: version), and the PATH of programs."""

    markers: Mapping[str, str]
    implementation: str
    abi: str
    platforms: tuple[str, ...]
    path: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return self.markers["python_full_version"]

    def has(self, wanted: Requirement) -> bool:
        """Whether what it has is what is wanted; extras count as had."""
        version = self.packages.get(canonicalize_name(wanted.name))
        return version is not None and wanted.specifier.contains(version, prereleases=True)

    def applies(self, wanted: Requirement, extras: Iterable[str] = ()) -> bool:
        """Whether the marker of a requirement holds here, for any of the extras with which it was asked for. One that
        compares what cannot be compared holds nowhere."""
        try:
            return wanted.marker is None or any(
                wanted.marker.evaluate({**self.markers, "extra": extra}) for extra in ("", *extras)
            )
        except (ValueError, KeyError):
            return False

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Python:
        """From what a program in the sandbox told."""
        machine = str(told["machine"])
        short = {"cpython": "cp", "pypy": "pp"}.get(told["implementation"], "py")
        abi = re.sub(r"^cpython_", "cp", str(told["soabi"]).split("__")[0])
        return cls(
            markers={str(name): str(value) for name, value in told["markers"].items()},
            implementation=short,
            abi=abi,
            platforms=_platforms(machine, str(told["libc"]), bool(told["musl"])),
            path=str(told["path"]),
            packages={str(name): str(version) for name, version in told["packages"].items()},
        )


async def python_of(sandbox: Sandbox) -> Python:
    """Asks a sandbox for its Python. No effect of a journal: it is asked before a run. Raises `SandboxFailed`, and
    `ConfigError` when that Python cannot say."""
    done = await sandbox.run(_ASK)
    try:
        return Python.read(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError, AttributeError):
        said = (done.stderr or done.stdout).strip()[-300:]
        raise ConfigError(
            f"the Python of the sandbox {sandbox.name!r} does not say what it is ({done.status}: {said!r}): give an "
            "image with python3, 3.9 or newer"
        ) from None


def _platforms(machine: str, libc: str, musl: bool) -> tuple[str, ...]:
    """The platform tags of wheels, best first, by PEP 600 and PEP 656."""
    found = re.fullmatch(r"glibc (\d+)\.(\d+).*", libc)
    if found:
        newest = int(found[2])
        many = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 4, -1)]
        old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        many += [f"{name}_{machine}" for minor, name in old.items() if minor <= newest]
        return (*many, f"linux_{machine}")
    if musl:
        return (*(f"musllinux_1_{minor}_{machine}" for minor in range(2, -1, -1)), f"linux_{machine}")
    return (f"linux_{machine}",)


def checked_requirement(text: str) -> Requirement:
    """A requirement of names and versions by PEP 508. Raises `ConfigError` for anything else that pip would take: an
    address, a path, an option, a file of requirements."""
    try:
        wanted = Requirement(text)
    except (InvalidRequirement, ValueError, RecursionError):
        raise ConfigError(f"{text[:200]!r} is no requirement: give a name and versions, such as 'pytest>=8'") from None
    if wanted.url is not None:
        raise ConfigError(f"{_LOGIN.sub('', text)!r} names an address: give a name and versions, or use --image")
    if not all(_VERSION.fullmatch(each.version) for each in wanted.specifier):
        raise ConfigError(f"{text!r} names a version that is none: give one such as '1.2'")
    return wanted


@dataclass(frozen=True)
class Wheel:
    """A wheel that was fetched: its file, and the hash of that."""

    path: Path
    name: str
    version: str
    digest: str

    @classmethod
    def read(cls, path: Path) -> Wheel:
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename as error:
            raise WheelsMissing(f"pip brought {path.name!r}, which is no wheel ({error}): it is not used") from None
        with path.open("rb") as file:
            return cls(path, name, str(version), file_digest(file, "sha256").hexdigest())

    def requires(self) -> list[Requirement]:
        """What it needs, by its metadata; lines that say nothing are passed over."""
        found = []
        for line in self._metadata().get_all("Requires-Dist") or ():
            try:
                found.append(Requirement(line))
            except InvalidRequirement:
                continue
        return found

    def _metadata(self) -> Any:
        try:
            with zipfile.ZipFile(self.path) as archive:
                for info in archive.infolist():
                    if re.fullmatch(r"[^/]+\.dist-info/METADATA", info.filename):
                        with archive.open(info) as file:
                            return BytesHeaderParser().parsebytes(file.read(LARGEST_METADATA))
        except UNREADABLE as error:
            raise WheelsMissing(f"the wheel {self.path.name!r} cannot be read ({error}): it is not used") from None
        return BytesHeaderParser().parsebytes(b"")


def fetch(requirements: Sequence[str], python: Python, folder: Path) -> list[Wheel]:
    """The wheels that fulfil `requirements` and what these require, for `python`, into the empty `folder`; by name.

    By `pip download`, which takes its index and login from the user's own configuration. Blocks. Raises `ConfigError`
    for what is no requirement, and `WheelsMissing` when there is no network, no wheel, or no choice that fits.
    """
    wanted = {str(each): each for each in map(checked_requirement, requirements) if python.applies(each)}
    top = list(wanted.values())
    for number in range(_ROUNDS):
        place = folder / str(number)
        place.mkdir()
        _pip([*_tags(python), "--dest", str(place), "--", *(_plain(each) for each in wanted.values())])
        wheels = {wheel.name: wheel for wheel in map(Wheel.read, sorted(place.iterdir()))}
        # Pip decides by the markers of the Python that it runs on, which may be another one.
        needed, missing = _reached(top, wheels, python)
        if not missing:
            return [wheels[name] for name in sorted(needed)]
        wanted |= missing
    raise WheelsMissing(f"no wheels fit together for {', '.join(wanted)}: name versions with --requirement")


def fetch_again(wheels: Mapping[str, str], python: Python, folder: Path) -> list[Wheel]:
    """Exactly the wheels that an earlier `fetch` brought: their hashes by file name. Raises `WheelsMissing`."""
    lines = []
    for file, digest in sorted(wheels.items()):
        name, version, _, _ = parse_wheel_filename(file)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise WheelsMissing(f"{digest!r} is no hash of {file!r}: prepare the environment anew")
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    listed, place = folder / "locked.txt", folder / "wheels"
    listed.write_text("".join(lines))
    place.mkdir()
    _pip([*_tags(python), "--no-deps", "--require-hashes", "--dest", str(place), "--requirement", str(listed)])
    return [Wheel.read(path) for path in sorted(place.iterdir())]


def _tags(python: Python) -> list[str]:
    platforms = (word for name in python.platforms for word in ("--platform", name))
    version = ("--python-version", python.version, "--implementation", python.implementation, "--abi", python.abi)
    return [*version, *platforms]


def _plain(wanted: Requirement) -> str:
    """A requirement without its marker, which was looked at."""
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return f"{wanted.name}{extras}{wanted.specifier}"


def _reached(
    top: Sequence[Requirement], wheels: Mapping[str, Wheel], python: Python
) -> tuple[set[str], dict[str, Requirement]]:
    """The wheels that are needed, and the requirements that none of them fulfils."""
    todo, seen = list(top), set[tuple[str, frozenset[str]]]()
    needed, missing = set[str](), dict[str, Requirement]()
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        wheel = wheels.get(name)
        if wheel is None or not wanted.specifier.contains(wheel.version, prereleases=True):
            missing[_plain(wanted)] = wanted
            continue
        needed.add(name)
        if (name, frozenset(wanted.extras)) not in seen:
            seen.add((name, frozenset(wanted.extras)))
            todo += [each for each in wheel.requires() if python.applies(each, wanted.extras)]
    return needed, missing


def _pip(words: Sequence[str]) -> None:
    """Runs `pip download` for wheels in an empty folder, where nothing can be mistaken for a path or a module."""
    argv = [
        *_pip_command(), "download", "--no-input", "--quiet", "--disable-pip-version-check", "--progress-bar=off",
        "--retries=2", "--only-binary=:all:", *words,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="clew-pip-") as empty:
        try:
            done = subprocess.run(
                argv, cwd=empty, capture_output=True, text=True, errors="replace", timeout=FETCH_S,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise WheelsMissing(f"pip brought no wheels within {FETCH_S} s: try again, or use --image") from None
        except OSError as error:
            raise WheelsMissing(f"pip cannot be started ({error}): install it, or use --image") from None
    if done.returncode:
        raise _failure(_LOGIN.sub("", f"{done.stdout}\n{done.stderr}"))


def _failure(said: str) -> WheelsMissing:
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    last = (errors or said.strip().splitlines() or ["no word"])[-1].removeprefix("ERROR: ")[-300:]
    if _OFFLINE.search(said):
        return WheelsMissing(
            f"pip reaches no package index ({last}): connect this machine, name an index or a folder of wheels to pip"
            " (PIP_INDEX_URL, PIP_FIND_LINKS), or use --image",
            (),
        )
    found = next((match for line in errors if (match := _ABSENT.search(line))), None)
    if found is None:
        return WheelsMissing(f"pip found no wheels that fit together: {last}; name versions with --requirement")
    chain = re.findall(r"\(from (?!versions)([A-Za-z0-9._-]+)", next(line for line in errors if found[1] in line))
    return WheelsMissing(
        f"there is no wheel of {found[1]!r} for this Python, or no such package ({last}). Sources are not built on this"
        " machine: name another version with --requirement, or an image that has it with --image",
        (found[1], *chain),
    )


def _pip_command() -> list[str]:
    if find_spec("pip") is not None:
        return [sys.executable, "-I", "-m", "pip"]
    other = shutil.which("pip3") or shutil.which("pip")
    if other is None:
        raise WheelsMissing(
            f"{os.path.basename(sys.executable)} has no pip to fetch wheels with: install pip, or use --image"
        )
    return [other]
