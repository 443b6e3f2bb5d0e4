"""Real git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from clew.graphs.agentless.repository import Workspace
from clew.sandbox import Box, Limits
from clew.sandbox.types import MiB
from tests.sandbox.conftest import new_box

LIMITS = Limits(seconds=40, memory=512 * MiB, disk=32 * MiB, processes=128)

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Runs git in a repository and returns what it printed."""
    argv = ["git", "-C", str(folder), *IDENTITY, "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(argv, input=stdin, capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)


def commit(folder: Path, message: str = "change") -> str:
    """Commits everything in the work tree; the id."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """A repository with one commit of `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    write(folder, files)
    commit(folder, "first")
    return folder


def workspace(folder: Path, files: Mapping[str, str | bytes]) -> Workspace:
    """A workspace of a repository with `files`, both below `folder`."""
    return Workspace.make(repository(folder / "repo", files), "HEAD", folder / "workspace")


def suite_box(kind: str) -> Box:
    return new_box(kind, limits=LIMITS)
