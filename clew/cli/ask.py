"""`ask`, `resume` and `fork`: commands that run a graph and show its answer."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, running, words

if TYPE_CHECKING:
    from clew.config import Settings
    from clew.journal import Journal
    from clew.task import Answer


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask (- is stdin).", show_default=False)],
    model: options.Model = None,
    api_base: options.ApiBase = None,
    reader_model: options.ReaderModel = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="search_o1 (default) or another, as corag:length=4 or vote(rag, n=5).",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="qa, math, choice or code.")] = "qa",
    max_searches: options.MaxSearches = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="N", help="Pages per search.", show_default=False)
    ] = None,
    temperature: options.Temperature = None,
    max_tokens: options.MaxTokens = None,
    timeout: options.Timeout = None,
    budget_usd: options.BudgetUsd = None,
    budget_tokens: options.BudgetTokens = None,
    budget_seconds: options.BudgetSeconds = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    rerank: options.Rerank = None,
    sandbox: options.Sandbox = None,
    image: options.Image = None,
    journal: options.Journal = None,
    as_json: options.Json = False,
) -> None:
    """Ask a question of your documents.

    The answer comes with its sources. The key comes from CLEW_API_KEY, the provider's own variable, or a settings
    file. A run that was killed goes on with clew resume RUN. Without a model the best passages are shown (exit code
    2).

    Example: clew ask "Who repairs the sluice?" --model openai/gpt-5-mini --budget-usd 0.10
    """
    from clew.config import load
    from clew.errors import ConfigError

    text = running.text_of(question)
    if kind not in ("qa", "math", "choice", "code"):
        raise ConfigError(f"--kind = {kind!r} is unknown: give qa, math, choice or code")
    settings = load(
        {
            "model": model, "api_base": api_base, "reader_model": reader_model, "method": method, "store": store,
            "max_searches": max_searches, "top_k": top_k, "temperature": temperature, "max_tokens": max_tokens,
            "timeout": timeout, "budget_usd": budget_usd, "budget_tokens": budget_tokens,
            "budget_seconds": budget_seconds, "embedder": embedder, "rerank": rerank, "sandbox": sandbox,
            "image": image, "journal": journal,
        }
    )  # fmt: skip
    if settings.origin("method") != "default":
        from clew.agents import methods

        methods.of(settings)  # a misspelt one is the first thing to say
    if settings.model is None:
        _without_model(text, settings, as_json)

    def start(book: Journal, run: str, watch: Any) -> Coroutine[Any, Any, Answer]:
        from clew.agents import ask as agent

        return agent.ask(text, settings, journal=book, run_id=run, kind=kind, watch=watch)  # type: ignore[arg-type]

    running.carry_out(settings, None, start, as_json=as_json)


def resume(
    run: options.Run,
    budget_usd: options.BudgetUsd = None,
    budget_tokens: options.BudgetTokens = None,
    budget_seconds: options.BudgetSeconds = None,
    retry: Annotated[
        str | None,
        typer.Option(
            "--retry", metavar="WHAT", help="Perform again: failed, refused, cancelled, none.", show_default=False
        ),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Go on although settings or version differ.")] = False,
    api_base: options.ApiBase = None,
    store: options.Store = None,
    journal: options.Journal = None,
    as_json: options.Json = False,
) -> None:
    """Go on with a run that did not finish.

    It may have been killed or interrupted, or have ended by a limit or a failure. What is recorded costs nothing. A
    run that ended by a failure tries again what failed; one that ended by a limit goes on when a higher one is
    given.

    Example: clew resume 3f2a --budget-usd 0.50
    """
    from clew.agents import ask as agent
    from clew.agents import history
    from clew.config import load
    from clew.errors import ConfigError

    wanted = None if retry is None else tuple(w for w in retry.replace(" ", "").split(",") if w and w != "none")
    for word in wanted or ():
        if word not in ("failed", "refused", "cancelled"):
            raise ConfigError(f"--retry {word!r} is unknown: give failed, refused, cancelled (with commas), or none")
    settings = load(
        {
            "budget_usd": budget_usd, "budget_tokens": budget_tokens, "budget_seconds": budget_seconds,
            "api_base": api_base, "store": store, "journal": journal,
        }
    )  # fmt: skip
    with history.open_journal(settings, must_exist=True) as book:
        row = book.find_run(run)

    def start(book: Journal, run: str, watch: Any) -> Coroutine[Any, Any, Answer]:
        return agent.resume(run, settings, journal=book, retry=wanted, anyway=anyway, watch=watch)

    running.carry_out(settings, row.id, start, as_json=as_json, repairs=agent.repairs(row))


def fork(
    run: options.Run,
    event: Annotated[int, typer.Argument(metavar="EVENT", help="Number of an event, as clew show RUN gives it.")],
    model: options.Model = None,
    api_base: options.ApiBase = None,
    temperature: options.Temperature = None,
    max_searches: options.MaxSearches = None,
    budget_usd: options.BudgetUsd = None,
    budget_tokens: options.BudgetTokens = None,
    budget_seconds: options.BudgetSeconds = None,
    store: options.Store = None,
    journal: options.Journal = None,
    as_json: options.Json = False,
) -> None:
    """Try another way from one event of a run on.

    The new run shares what happened before that event, and pays only for what comes after.

    Example: clew fork 3f2a 12 --model openai/gpt-5
    """
    from clew.agents import ask as agent
    from clew.agents import history
    from clew.config import load

    settings = load(
        {
            "model": model, "api_base": api_base, "temperature": temperature, "max_searches": max_searches,
            "budget_usd": budget_usd, "budget_tokens": budget_tokens, "budget_seconds": budget_seconds,
            "store": store, "journal": journal,
        }
    )  # fmt: skip
    with history.open_journal(settings, must_exist=True) as book:
        child = agent.fork(run, event, settings, journal=book)
        repairs = agent.repairs(book.find_run(child))

    def start(book: Journal, run: str, watch: Any) -> Coroutine[Any, Any, Answer]:
        return agent.resume(run, settings, journal=book, watch=watch)

    running.carry_out(settings, child, start, as_json=as_json, repairs=repairs)


def _without_model(question: str, settings: Settings, as_json: bool) -> None:
    """One line that says how to configure a model, then the best passages."""
    import asyncio

    from clew.agents import doors
    from clew.cli.corpus import show_best

    words.say(f"clew: {doors.NO_MODEL}")
    store = doors.place(settings)
    if isinstance(store, str) or store.exists():
        words.say("the best passages for the question:")
        asyncio.run(show_best([question], 5, settings, as_json))
    raise typer.Exit(2)
