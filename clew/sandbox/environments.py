"""Packages that programs find in a sandbox: a folder of unpacked wheels, kept by a hash of all that is in it.

The Docker backend gets an image of the base with that folder copied into it: nothing is run to make it, so nothing
needs a network. The process backend shows the folder itself, read-only. Either way it is at `PLACE`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from packaging.utils import parse_wheel_filename

from clew.errors import SandboxFailed

from .engine import LABEL, connect, speaking
from .process import PLACE as PLACE
from .unpacked import unpack
from .wheels import Python, Wheel, fetch, fetch_again

IMAGE = "clew-environment"
IMAGE_LABEL = f"{LABEL}.environment"
CACHE_LABEL = f"{IMAGE_LABEL}.cache"
UNUSED_S = 7 * 24 * 3600


def home() -> Path:
    """Where environments are kept: `$XDG_CACHE_HOME/clew/environments`, else below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clew" / "environments"


@dataclass(frozen=True)
class Environment:
    """A folder that was made of `wheels`, whose hashes are given by file name. Its name is the hash of those."""

    folder: Path
    wheels: Mapping[str, str]

    @classmethod
    def kept(cls, cache: Path, wheels: Mapping[str, str]) -> Environment | None:
        """The one that was made before, if it is still there; it counts as used now."""
        made = cls(cache / _hash(sorted(wheels.items())), dict(wheels))
        if not made.folder.is_dir():
            return None
        os.utime(made.folder)
        return made

    @classmethod
    def made(cls, cache: Path, wheels: Sequence[Wheel]) -> Environment:
        """Unpacked unless it is there. Raises `WheelsMissing` for a wheel that is broken."""
        hashes = {wheel.path.name: wheel.digest for wheel in wheels}
        if (before := cls.kept(cache, hashes)) is not None:
            return before
        made = cls(cache / _hash(sorted(hashes.items())), hashes)
        cache.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
        try:
            unpack([wheel.path for wheel in wheels], making)
            making.chmod(0o755)
            with suppress(OSError):  # another process was quicker
                os.rename(making, made.folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return made

    @classmethod
    def chosen(cls, cache: Path, requirements: Sequence[str], python: Python) -> Environment:
        """What fulfils `requirements` on `python`: what was chosen for them before, while it is kept, else fetched.
        Blocks. Raises `WheelsMissing`."""
        tags = [python.version, python.implementation, python.abi, python.platforms, sorted(python.markers.items())]
        note = cache / "chosen" / f"{_hash([requirements, tags])}.json"
        with suppress(OSError, ValueError, AttributeError):
            if (before := cls.kept(cache, json.loads(note.read_text()))) is not None:
                return before
        with tempfile.TemporaryDirectory(prefix="clew-wheels-") as place:
            made = cls.made(cache, fetch(requirements, python, Path(place)))
        note.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            json.dump(dict(made.wheels), file)
        os.replace(file.name, note)
        return made

    @classmethod
    def restored(cls, cache: Path, wheels: Mapping[str, str], python: Python) -> Environment:
        """Exactly these wheels: kept, or fetched again. Blocks. Raises `WheelsMissing`."""
        if (before := cls.kept(cache, wheels)) is not None:
            return before
        with tempfile.TemporaryDirectory(prefix="clew-wheels-") as place:
            return cls.made(cache, fetch_again(wheels, python, Path(place)))

    @property
    def packages(self) -> list[str]:
        """Names and versions, for people."""
        return [" ".join(map(str, parse_wheel_filename(name)[:2])) for name in sorted(self.wheels)]


def _hash(data: Any) -> str:
    return sha256(json.dumps(data).encode()).hexdigest()[:16]


def image_with(folder: Path, base: str) -> str:
    """The name of an image of `base` that holds the `folder` of an environment, built unless it is there. Blocks.
    Raises `SandboxFailed`, `ImageMissing`."""
    client = connect(timeout=600)
    try:
        with speaking():
            base_id = client.inspect_image(base)["Id"]
        tag = _hash([base_id, folder.name])
        name = f"{IMAGE}:{tag}"
        with speaking():
            if client.images(name=name):
                client.tag(name, IMAGE, tag)  # the Engine remembers when that was
                return name
            with _context(folder, base) as context:
                labels = {IMAGE_LABEL: folder.name, CACHE_LABEL: _called(folder.parent)}
                steps = client.build(
                    fileobj=context, custom_context=True, tag=name, labels=labels, network_mode="none", rm=True,
                    forcerm=True, decode=True,
                )  # fmt: skip
                for step in steps:
                    if "error" in step:
                        raise SandboxFailed(f"no image could be made of {base!r} with packages: {step['error']}")
        return name
    finally:
        client.close()


def _context(folder: Path, base: str) -> IO[bytes]:
    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info if info.isdir() or info.isreg() else None

    made = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it is sent
    recipe = f"FROM {base}\nCOPY environment {PLACE}\n".encode()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe)
        tar.addfile(entry, io.BytesIO(recipe))
        tar.add(folder, "environment", filter=plain)
    made.seek(0)
    return made


def gc_environments(cache: Path | None = None, unused: float = UNUSED_S) -> list[str]:
    """Removes the environments of `cache` that no one has used for `unused` seconds, with the images that were made of
    them, and images of any cache that are older than a week; returns the names of what was removed. Images that a
    container uses stay. Without a Docker Engine, folders alone."""
    before = time.time() - unused
    removed = []
    cache = cache or home()
    for folder in sorted(cache.iterdir()) if cache.is_dir() else ():
        with suppress(OSError):
            if re.fullmatch(r"[0-9a-f]{16}|making-.+", folder.name) and folder.stat().st_mtime < before:
                shutil.rmtree(folder)
                removed.append(folder.name)
    with suppress(SandboxFailed):
        removed += _sweep_images(cache)
    return removed


def _sweep_images(cache: Path) -> list[str]:
    client = connect()
    removed = []
    try:
        with speaking():
            found = client.images(filters={"label": IMAGE_LABEL})
        for one in found:
            labels = one["Labels"]
            gone = labels.get(CACHE_LABEL) == _called(cache) and not (cache / labels[IMAGE_LABEL]).is_dir()
            with suppress(SandboxFailed), speaking():
                if gone or _last_used(client.inspect_image(one["Id"])) < time.time() - UNUSED_S:
                    for name in one.get("RepoTags") or [one["Id"]]:
                        client.remove_image(name)
                        removed.append(name)
    finally:
        client.close()
    return removed


def _called(cache: Path) -> str:
    """A cache as images remember it: an Engine may serve several machines."""
    return f"{socket.gethostname()}:{cache.absolute()}"


def _last_used(image: Mapping[str, Any]) -> float:
    """When an image got its name last, or was made, in seconds since 1970."""
    written = (image.get("Metadata") or {}).get("LastTagTime") or ""
    if written.startswith("0001-") or not written:
        written = image["Created"]
    seconds = re.sub(r"\.\d+", "", written).replace("Z", "+00:00")
    return datetime.fromisoformat(seconds).timestamp()
