"""The one way to run git on the host: a list of arguments, in a repository of strangers, with nothing of it executed.

No hooks, no file-system monitor, no filters or attributes of the machine, no transport, no pager, no prompts, no
configuration of system and user, and an environment without secrets. What a repository's own configuration could
start is out of reach because only `rev-parse` and `describe` run in one; all else runs in a bare repository of our
own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from clew.errors import RepositoryError

_FIXED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.quotePath=false",
    "core.sshCommand=false",
    "credential.helper=",
    "protocol.allow=never",
    "diff.ignoreSubmodules=all",
    "submodule.recurse=false",
    "gc.auto=0",
    "safe.directory=*",
)
_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_LITERAL_PATHSPECS": "1",
}
# The last word over a .gitattributes in the tree: bytes stay as they are in blobs, and every text has a textual diff.
ATTRIBUTES = "* -text !eol !ident !filter !working-tree-encoding !diff !merge !whitespace\n"
_BATCH = 32 << 20


def git(
    *arguments: str, cwd: Path, stdin: bytes = b"", environment: dict[str, str] | None = None, timeout: float = 120
) -> bytes:
    """What git printed. Raises `RepositoryError` with git's own words when it fails, is absent or needs more than
    `timeout` seconds."""
    argv = ["git", *(word for setting in _FIXED for word in ("-c", setting)), *arguments]
    variables = {"PATH": os.environ.get("PATH", os.defpath), **_ENVIRONMENT, **(environment or {})}
    shown = " ".join(arguments[:3])
    try:
        done = subprocess.run(argv, cwd=cwd, env=variables, input=stdin, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise RepositoryError(f"git {shown} in {str(cwd)!r} took more than {timeout:g} s") from None
    except OSError as error:
        raise RepositoryError(
            f"git {shown} in {str(cwd)!r} could not be started ({error.strerror}): is git installed?"
        ) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise RepositoryError(f"git {shown} in {str(cwd)!r} failed: {said or f'exit code {done.returncode}'}")
    return done.stdout


def contents(git_dir: Path, blobs: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
    """(id, content) of each of `blobs`, given by id and size, in their order; some 32 MiB of them are held at once."""
    batch: list[str] = []
    held = 0
    for name, size in blobs:
        batch.append(name)
        held += size
        if held > _BATCH:
            yield from _read(git_dir, batch)
            batch, held = [], 0
    yield from _read(git_dir, batch)


def _read(git_dir: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    if not names:
        return
    out = git("cat-file", "--batch", cwd=git_dir, stdin="".join(f"{name}\n" for name in names).encode())
    at = 0
    for name in names:
        end = out.index(b"\n", at)
        header = out[at:end].split()
        if len(header) != 3:
            raise RepositoryError(f"object {name!r} is not in {str(git_dir)!r}: git said {out[at:end].decode()!r}")
        at = end + 1 + int(header[2])
        yield name, out[end + 1 : at]
        at += 1
