"""Repair tasks in the files of SWE-bench: instances in, predictions out.

What grades a prediction (`patch`, `test_patch`, `FAIL_TO_PASS`, `PASS_TO_PASS`, `hints_text`) stands in the same rows
as what is asked. An `Instance` takes the fields that are asked by name and no others, so nothing else of a row reaches
a task, a graph or a journal.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from clew.errors import ConfigError, RepositoryError

Rows = list[dict[str, Any]]

_ID = re.compile(r"[\w.@+-]{1,200}")
_ADDRESS = re.compile(r"(?:https?|ssh|git)://[^\s-]\S*|[\w.-]+@[\w.-]+:[^\s-]\S*")
_NAME = re.compile(r"[\w.][\w.-]*/[\w.][\w.-]*")
_CLONING_S = 1800
_CLONE = "clone it into a folder, and give that as --repos DIR"


class Instance(BaseModel):
    """One issue of one repository, as a row with these fields.

    instance_id        letters, digits and `._@+-`
    repo               a folder, a name below the folder of repositories, `owner/name` on GitHub, or an address
    base_commit        any name that git knows
    problem_statement  the issue; empty where failing tests are all that is known
    test_cmd, image, setup, requirements, report_glob, failing_test
                       as the options of `clew repair`, for this instance alone
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str = ""
    test_cmd: str | None = None
    image: str | None = None
    setup: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    report_glob: tuple[str, ...] = ()
    failing_test: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any], where: str = "the row") -> Instance:
        """The instance in a row, whose other fields are not looked at. Raises `ConfigError`, naming it as `where`."""
        asked = {name: row[name] for name in cls.model_fields if row.get(name) not in (None, "", [])}
        for name in ("setup", "requirements", "report_glob", "failing_test"):
            if isinstance(asked.get(name), str):
                asked[name] = [asked[name]]
        try:
            found = cls.model_validate(asked)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{where}: {name}: {first['msg']}: give the fields of a SWE-bench instance") from None
        if not _ID.fullmatch(found.instance_id):
            raise ConfigError(f"{where}: instance_id={found.instance_id!r} is no name: give letters, digits and ._@+-")
        return found

    def to_row(self) -> dict[str, Any]:
        """The row, without what is not set."""
        return self.model_dump(mode="json", exclude_defaults=True)


def read_instances(file: Path) -> list[Instance]:
    """The instances in a JSONL file, or in a JSON list. Raises `ConfigError` for a file that cannot be read, a row that
    is no instance, and two of one id."""
    found = [Instance.of(row, f"{file}, row {number}") for number, row in enumerate(read_rows(file), 1)]
    ids = [each.instance_id for each in found]
    twice = next((id for n, id in enumerate(ids) if id in ids[:n]), None)
    if twice is not None:
        raise ConfigError(f"{file} holds the instance {twice!r} twice: leave one out")
    if not found:
        raise ConfigError(f"{file} holds no instance: give a JSONL file with one on each line")
    return found


def read_rows(file: Path) -> Rows:
    """All fields of all rows of a JSONL file or a JSON list, with what grades them: nothing that solves may see it.
    Raises `ConfigError`."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(file)!r} cannot be read ({error}): give a JSONL file") from None
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else _lines(text)
    except ValueError as error:
        raise ConfigError(f"{str(file)!r} is no JSON ({error}): give JSON lines, or one list") from None
    if not all(isinstance(row, dict) for row in listed):
        raise ConfigError(f"{str(file)!r} holds something that is no JSON object: give one for each instance")
    return list(listed)


def _lines(text: str) -> Rows:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
    return rows


# Predictions -------------------------------------------------------------------------------------------------------


def prediction(instance_id: str, model: str, patch: str) -> dict[str, str]:
    """A row of a predictions file as SWE-bench's evaluation reads it."""
    return {"instance_id": instance_id, "model_name_or_path": model, "model_patch": patch}


def read_predictions(file: Path) -> dict[str, str]:
    """The patches of a predictions file (JSONL, a JSON list) by instance; null is no patch. Raises `ConfigError`."""
    found: dict[str, str] = {}
    for number, row in enumerate(read_rows(file), 1):
        id, patch = row.get("instance_id"), row.get("model_patch", 0)
        if not isinstance(id, str) or not isinstance(patch, str | None):
            raise ConfigError(f"{file}, row {number} is no prediction: give instance_id and model_patch")
        found[id] = patch or ""
    return found


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a JSONL file, all of it or nothing."""
    part = file.with_name(file.name + ".part")
    part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    part.replace(file)


# Repositories ------------------------------------------------------------------------------------------------------


def find_repository(repo: str, folder: Path | None, beside: Path, clones: Path) -> Path:
    """The repository that an instance names: a folder (a relative one stands `beside` the instances, or here), one
    below `folder` (`owner/name`, `owner__name` or `name`; a bare one with `.git`), or else a clone, made in `clones`
    unless it is there.

    Raises `RepositoryError` when it is none of these, and when it cannot be cloned.
    """
    name = repo.removesuffix("/").removesuffix(".git")
    tail = re.split("[/:]", name)[-1]
    places = [beside / repo, Path(repo).expanduser()]
    if folder is not None and _safe(tail):
        short = "/".join(re.split("[/:]", name)[-2:])
        names = (short, short.replace("/", "__"), tail)
        places[:0] = [folder / f"{each}{end}" for each in names if _safe(each) for end in ("", ".git")]
    for place in places:
        if place.is_dir():
            return place.absolute()
    address = repo if _ADDRESS.fullmatch(repo) else f"https://github.com/{name}.git" if _NAME.fullmatch(repo) else None
    where = (f"below {str(folder)!r}, " if folder is not None else "") + "beside the instances or here"
    if address is None:
        raise RepositoryError(f"{repo!r} is no folder {where}, and no address: give --repos DIR with it")
    return _cloned(repo, address, clones / f"{tail}-{blake2b(address.encode(), digest_size=4).hexdigest()}.git", where)


def _safe(name: str) -> bool:
    return all(part not in ("", ".", "..") for part in name.split("/"))


def _cloned(repo: str, address: str, place: Path, where: str) -> Path:
    """A bare clone: nothing is checked out, so no filter or hook of the repository can start."""
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    making = place.with_name(f"{place.name}.{os.getpid()}.part")
    argv = ["git", "-c", "core.hooksPath=/dev/null", "-c", "submodule.recurse=false", "clone", "--quiet", "--bare"]
    argv += ["--template=", "--", address, str(making)]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh:git"}
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, timeout=_CLONING_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryError(f"{repo!r} is not {where}, and cannot be cloned ({error}): {_CLONE}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().replace("\n", " ")[-300:]
        raise RepositoryError(f"{repo!r} is not {where}, and cannot be cloned from {address} ({said}): {_CLONE}")
    try:
        making.rename(place)
    except OSError:
        if not place.is_dir():  # else another one was quicker
            raise
    return place
