"""`solve`: a problem answered by reasoning that runs programs."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, running

if TYPE_CHECKING:
    from clew.journal import Journal
    from clew.task import Answer

_KINDS = ("math", "code", "choice", "qa")


def solve(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="What to solve (- is stdin).", show_default=False)],
    model: options.Model = None,
    api_base: options.ApiBase = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="math, code, choice or qa.")] = "math",
    method: Annotated[
        str | None,
        typer.Option(
            "--method", metavar="NAME", help="start (default) or another, as vote(start, n=5).", show_default=False
        ),
    ] = None,
    max_programs: Annotated[
        int | None, typer.Option("--max-programs", metavar="N", help="Programs at most.", show_default=False)
    ] = None,
    hint_rounds: Annotated[
        int | None,
        typer.Option("--hint-rounds", metavar="N", help="Hints at the end of the chain.", show_default=False),
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(
            "--samples", metavar="FILE", help="JSON list of {input, output} that a program is tried on.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write the answer, too.", show_default=False)
    ] = None,
    sandbox: options.Sandbox = None,
    image: options.Image = None,
    temperature: options.Temperature = None,
    max_tokens: options.MaxTokens = None,
    timeout: options.Timeout = None,
    budget_usd: options.BudgetUsd = None,
    budget_tokens: options.BudgetTokens = None,
    budget_seconds: options.BudgetSeconds = None,
    store: options.Store = None,
    journal: options.Journal = None,
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """Solve a problem with programs that run in a sandbox.

    The answer of --kind code is a program; with --samples it is tried on them, and the command ends with 1 when it
    fails one, with 5 when none could be run. A run that was killed, or whose sandbox failed, goes on with clew resume
    RUN.

    Example: clew solve "How many primes are below 10000?" --model openai/gpt-5-mini
    """
    from clew.agents import doors
    from clew.agents import solve as agent
    from clew.config import load
    from clew.errors import ConfigError

    text = running.text_of(problem)
    if kind not in _KINDS:
        raise ConfigError(f"--kind = {kind!r} is unknown: give math, code, choice or qa")
    if samples is not None and kind != "code":
        raise ConfigError(f"--samples are for programs, and the kind is {kind!r}: give --kind code, or leave them out")
    pairs = _samples(samples) if samples is not None else []
    target = options.file_to_write("--out", out) if out is not None else None
    settings = load(
        {
            "model": model, "api_base": api_base, "method": method, "sandbox": sandbox, "image": image,
            "temperature": temperature, "max_tokens": max_tokens, "timeout": timeout, "budget_usd": budget_usd,
            "budget_tokens": budget_tokens, "budget_seconds": budget_seconds, "store": store, "journal": journal,
        }
    )  # fmt: skip
    given = {"max_programs": max_programs, "hint_rounds": hint_rounds}
    for name, value in given.items():
        if value is not None and value < 0:
            raise ConfigError(f"--{name.replace('_', '-')} = {value} makes no sense: give 0 or more")
    settings = agent.for_solving(settings, {name: value for name, value in given.items() if value is not None})
    doors.model(settings)  # no model is the first thing to say

    def start(book: Journal, run: str, watch: Any) -> Coroutine[Any, Any, Answer]:
        return agent.solve(text, settings, journal=book, kind=kind, samples=pairs, run_id=run, watch=watch)  # type: ignore[arg-type]

    running.carry_out(settings, None, start, as_json=as_json, out=target)


def _samples(file: str) -> list[dict[str, str]]:
    from clew.errors import ConfigError

    wanted = 'a JSON list of {"input": "...", "output": "..."}'
    try:
        read = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the samples in {file!r} cannot be read ({error}): give {wanted}") from error
    if not isinstance(read, list) or not read:
        raise ConfigError(f"{file!r} holds {'no sample' if read == [] else json.dumps(read)[:80]}: give {wanted}")
    for one in read:
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in ("input", "output")):
            raise ConfigError(f"{file!r} holds {json.dumps(one)[:80]} where a sample belongs: give {wanted}")
    return list(read)
