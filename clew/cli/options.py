"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line; fields in docs/cli.md.")]
Journal = Annotated[
    str | None, typer.Option("--journal", metavar="FILE", help="Journal file [.clew/journal.db].", show_default=False)
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PLACE",
        help="Folder of the index [.clew/store], or URL of a collection.",
        show_default=False,
    ),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        "--embedder", metavar="NAME", help="offline, a folder, or a sentence-transformers name.", show_default=False
    ),
]
Rerank = Annotated[
    str | None,
    typer.Option(
        "--rerank", metavar="NAME", help="Cross-encoder: a folder or a sentence-transformers name.", show_default=False
    ),
]
Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="LiteLLM name, as provider/model.", show_default=False)
]
ApiBase = Annotated[
    str | None,
    typer.Option("--api-base", metavar="URL", help="Address of an OpenAI-compatible server.", show_default=False),
]
ReaderModel = Annotated[
    str | None,
    typer.Option("--reader-model", metavar="NAME", help="Another model to read pages.", show_default=False),
]
MaxSearches = Annotated[
    int | None, typer.Option("--max-searches", metavar="N", help="Searches at most.", show_default=False)
]
Temperature = Annotated[
    float | None, typer.Option("--temperature", metavar="T", help="Sampling temperature.", show_default=False)
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="Tokens of one model call.", show_default=False)
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", help="Seconds that the server may be silent.", show_default=False),
]
BudgetUsd = Annotated[
    float | None, typer.Option("--budget-usd", metavar="USD", help="Stop before this is spent.", show_default=False)
]
BudgetTokens = Annotated[
    int | None,
    typer.Option("--budget-tokens", metavar="N", help="Limit of prompt plus completion tokens.", show_default=False),
]
BudgetSeconds = Annotated[
    float | None, typer.Option("--budget-seconds", metavar="S", help="Limit of active seconds.", show_default=False)
]
Sandbox = Annotated[
    str | None,
    typer.Option("--sandbox", metavar="KIND", help="Where programs run: docker, process or auto.", show_default=False),
]
Image = Annotated[
    str | None, typer.Option("--image", metavar="NAME", help="Docker image with python3.", show_default=False)
]
Repo = Annotated[str, typer.Option("--repo", metavar="PATH", help="The repository.")]
Repos = Annotated[
    str | None,
    typer.Option("--repos", metavar="DIR", help="Folder with the repositories of instances.", show_default=False),
]
TestCmd = Annotated[
    str | None,
    typer.Option("--test-cmd", metavar="COMMAND", help="Runs the tests [python3 -m pytest].", show_default=False),
]
Setup = Annotated[
    list[str] | None,
    typer.Option("--setup", metavar="COMMAND", help="Run before the tests (repeatable).", show_default=False),
]
Requirement = Annotated[
    list[str] | None,
    typer.Option(
        "--requirement",
        metavar="REQ",
        help="Package for the tests, or file of them (repeatable).",
        show_default=False,
    ),
]


def requirements(given: Sequence[str] | None) -> tuple[str, ...]:
    """What `--requirement` says, the lines of files among it. Raises `ConfigError`."""
    from clew.errors import ConfigError

    found: list[str] = []
    for one in given or ():
        file = Path(one).expanduser()
        if not file.is_file():
            if file.suffix == ".txt":
                raise ConfigError(f"--requirement {one!r} is no file: give one that exists, or a package")
            found.append(one)
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--requirement {one!r} cannot be read ({error}): give a text file") from None
        lines = (line.partition(" #")[0].strip() for line in text.splitlines())
        for line in (line for line in lines if line and not line.startswith("#")):
            if line.startswith("-"):
                raise ConfigError(f"--requirement {one}: {line!r} is an option of pip: give plain requirements")
            found.append(line)
    return tuple(found)


def file_to_write(option: str, given: str) -> Path:
    """The file that an option names, in a folder that exists. Raises `ConfigError`."""
    from clew.errors import ConfigError

    file = Path(given).expanduser()
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise ConfigError(f"{option} {given!r} is no place for a file: give one in a folder that exists")
    return file


def folder_of_repositories(given: str | None) -> Path | None:
    """The folder that `--repos` names. Raises `ConfigError`."""
    from clew.errors import ConfigError

    folder = None if given is None else Path(given).expanduser()
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"--repos {given!r} is no folder: give the one with the repositories")
    return folder
