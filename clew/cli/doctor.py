"""`doctor`: what works here, what does not, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from clew.cli import options, words

if TYPE_CHECKING:
    from clew.agents.checks import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    model: options.Model = None,
    api_base: options.ApiBase = None,
    embedder: options.Embedder = None,
    store: options.Store = None,
    journal: options.Journal = None,
    as_json: options.Json = False,
) -> None:
    """Check what works here, with a fix for each fault.

    Python, packages, settings, journal, embeddings, store, model and sandbox. A configured model is asked one word,
    which may cost a few tokens. Ends with 1 when something needed fails.

    Example: clew doctor --model openai/my-model --api-base http://localhost:8000/v1
    """
    import asyncio

    from clew.agents.checks import checks
    from clew.config import load

    settings = load({"model": model, "api_base": api_base, "embedder": embedder, "store": store, "journal": journal})

    async def run() -> bool:
        failed = False
        async for check in checks(settings):
            failed |= check.state == "fail"
            if as_json:
                words.out_json(check.to_json())
            else:
                _show(check)
        return failed

    if asyncio.run(run()):
        words.say("clew: something that is needed does not work; the lines marked fail say what to do")
        raise typer.Exit(1)


def _show(check: Check) -> None:
    state = words.coloured(check.state.ljust(4), _COLOURS[check.state])
    words.out(f"{state}  {check.name:<26}{words.line(check.detail)}")
    if check.fix:
        words.out(f"{'':32}→ {words.line(check.fix)}")
