"""Commands over recorded runs: `runs`, `show`, `replay`, `import`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, words

if TYPE_CHECKING:
    from clew.agents.history import Spent, Step
    from clew.journal import Event, Journal, RunRow


def runs(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many, the newest first.")] = 20,
    as_json: options.Json = False,
    journal: options.Journal = None,
) -> None:
    """List recorded runs, newest first.

    Example: clew runs -n 5
    """
    from clew.agents import history
    from clew.config import load

    settings = load({"journal": journal})
    if not Path(settings.journal).expanduser().exists():
        words.say(f"no runs yet: there is no journal at {settings.journal!r}; clew ask starts one")
        return
    with history.open_journal(settings) as book:
        found = [(row, history.status(book, row), history.spent(book, row.id)) for row in book.runs(limit)]
    if as_json:
        for row, status, spent in found:
            words.out_json(_run_json(row, status, spent))
        return
    if not found:
        words.say(f"no runs yet in {settings.journal!r}; clew ask starts one")
        return
    cells = [
        [
            row.id, words.ago(row.created), status, f"{s.cost.tokens:,}",
            words.money(s.cost.usd), words.duration(s.seconds), row.title,
        ]
        for row, status, s in found
    ]  # fmt: skip
    words.table(["run", "started", "status", "tokens", "$", "time", "question"], cells, right=(3, 4, 5))
    if any(status == "stopped" for _, status, _ in found):
        words.say("stopped runs go on with clew resume RUN; what is recorded costs nothing")


def show(
    run: options.Run,
    full: Annotated[bool, typer.Option("--full", help="Every text that was sent and received.")] = False,
    export: Annotated[
        str | None,
        typer.Option("--export", metavar="FILE", help="Write the run as JSON lines (- is stdout).", show_default=False),
    ] = None,
    as_json: options.Json = False,
    journal: options.Journal = None,
) -> None:
    """Show one run: answer, cost and events.

    Example: clew show 3f2a --full
    """
    from clew.agents import history
    from clew.config import load
    from clew.journal import export_jsonl

    with history.open_journal(load({"journal": journal}), must_exist=True) as book:
        row = book.find_run(run)
        if export is not None:
            _export(export_jsonl(book, row.id), export)
            return
        status, spent, steps = history.status(book, row), history.spent(book, row.id), history.steps(book, row.id)
        if as_json:
            words.out_json({"type": "run", **_run_json(row, status, spent)})
            for step in steps:
                detail = _detail_json(book, book.event(step.event)) if full else {}
                words.out_json({"type": "event", **step.to_json(), **detail})
            return
        _head(row, status, spent)
        if full:
            for step in steps:
                _full(book, step)
        else:
            _steps(steps)


def replay(
    run: options.Run,
    lenient: Annotated[bool, typer.Option("--lenient", help="Report differences instead of stopping at them.")] = False,
    as_json: options.Json = False,
    journal: options.Journal = None,
) -> None:
    """Check a run against its own record.

    The graph runs again on recorded outcomes alone: no server, no cost, nothing written. Ends with 0 when the same
    answer came out, with 1 when another did, with 3 when the record does not fit the graph.

    Example: clew replay 3f2a
    """
    import asyncio

    from clew.agents import ask, history
    from clew.config import load

    settings = load({"journal": journal})
    with history.open_journal(settings, must_exist=True) as book:
        row = book.find_run(run)
        seen = asyncio.run(ask.replay(row.id, settings, journal=book, strict=not lenient))
    if as_json:
        unused = [{"event": event, "place": place, "kind": kind} for event, place, kind in seen.unused]
        words.out_json(
            {
                "run": row.id, "same": seen.same, "effects": seen.effects, "unused": unused,
                "divergence": seen.divergence, "status": seen.answer.status, "answer": seen.answer.text,
            }
        )  # fmt: skip
    else:
        verdict = "the same answer" if seen.same else "another answer than the recorded one"
        words.out(
            f"replayed {words.count(seen.effects, 'effect')} of run {row.id}: {verdict}; nothing was sent or paid"
        )
        if seen.divergence:
            words.out(f"settings differ: {words.clean(seen.divergence)}")
        for event, place, kind in seen.unused:
            words.out(f"not asked for again: event {event}, {kind} at {place}")
        if not seen.same:
            words.out(f"now: [{seen.answer.status}] {words.clip(seen.answer.text, 200)}")
    raise typer.Exit(0 if seen.same else 1)


_EXPORTED = "clew show RUN --export wrote"


def import_run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What clew show RUN --export wrote (- is stdin).")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Another id for the run.", show_default=False)
    ] = None,
    journal: options.Journal = None,
) -> None:
    """Copy an exported run into the journal.

    All of it, or nothing. Resuming an imported run talks to the server that the file names: look at it first.

    Example: clew show 3f2a --export run.jsonl, and elsewhere: clew import run.jsonl
    """
    from clew.agents import history
    from clew.config import load
    from clew.errors import ConfigError
    from clew.journal import import_jsonl

    settings = load({"journal": journal})
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file!r} is no exported run, it is not text: give what {_EXPORTED}") from error
    except OSError as error:
        raise ConfigError(f"{file!r} cannot be read ({error.strerror}): give what {_EXPORTED}") from error
    with history.open_journal(settings) as book:
        id = import_jsonl(book, text.splitlines(), run_id=name)
        row = book.find_run(id)
    words.out(id)
    base = ((row.recipe or {}).get("args") or {}).get("api_base")
    words.say(
        f"imported: clew show {id}" + (f"; a resume would send requests to {words.line(str(base))}" if base else "")
    )


def _run_json(row: RunRow, status: str, spent: Spent) -> dict[str, Any]:
    answer = row.answer or {}
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.created))
    return {
        "run": row.id, "created": created, "status": status, "title": row.title, **spent.to_json(),
        "answer": answer.get("text"), "stop_reason": answer.get("stop_reason"), "error": row.error,
        "budget": row.budget, "parent": row.parent, "forked_at": row.forked_at,
    }  # fmt: skip


def _head(row: RunRow, status: str, spent: Spent) -> None:
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created))
    args = (row.recipe or {}).get("args") or {}
    facts = {
        "run": row.id + (f" (forked from {row.parent} at event {row.forked_at})" if row.parent else ""),
        "question": words.line(row.task.get("prompt", row.title)),
        "started": f"{started} ({words.ago(row.created)})",
        "method": words.line(" · ".join(str(args[k]) for k in ("method", "model", "api_base", "store") if args.get(k))),
        "status": status,
        "answer": words.clean((row.answer or {}).get("text", "")).strip(),
        "ended by": words.line((row.answer or {}).get("stop_reason") or row.error or ""),
        "budget": ", ".join(f"{name} {value:g}" for name, value in row.budget.items()),
        "spent": spent_words(spent),
    }
    for name, value in facts.items():
        if value:
            first, *rest = value.splitlines()
            words.out(f"{words.bold(name.ljust(9))} {first}")
            for further in rest:
                words.out(f"{'':9} {further}")
    pages = {item["source"]: item["title"] for item in (row.answer or {}).get("evidence") or []}
    for number, (source, title) in enumerate(pages.items(), 1):
        label = words.bold("source".ljust(9)) if number == 1 else " " * 9
        words.out(f"{label} {source_words(number, title, source)}")
    words.out()


def source_words(number: int, title: str, source: str) -> str:
    """`[1] Title — source`."""
    return f"[{number}] " + " — ".join(dict.fromkeys(words.line(part) for part in (title, source) if part.strip()))


def spent_words(spent: Spent) -> str:
    """`5,210 tokens · $0.0123 · 14.2 s`, with what may have been paid besides."""
    cost = spent.cost
    tokens = words.count(cost.tokens, "token") + (" (estimated)" if cost.estimated else "")
    text = f"{tokens} · {words.money(cost.usd)} · {words.duration(spent.seconds)}"
    if spent.unknowns and (spent.possibly.tokens or spent.possibly.usd):
        lost = f"{words.count(spent.possibly.tokens, 'token')}, {words.money(spent.possibly.usd)}"
        text += f" · possibly up to {lost} more for {words.count(spent.unknowns, 'call')} without an outcome"
    return text


def _steps(steps: list[Step]) -> None:
    rows = [
        [
            str(step.event), step.kind + ("*" if step.inherited else ""), _state(step.state),
            f"{step.cost.tokens:,}" if step.cost.tokens else "",
            words.money(step.cost.usd) if step.cost.usd != 0 else "",
            words.duration(step.seconds) if step.seconds is not None else "", step.what,
        ]
        for step in steps
    ]  # fmt: skip
    if not rows:
        words.say("no events: nothing was asked yet")
        return
    words.table(["event", "kind", "state", "tokens", "$", "time", "what"], rows, right=(0, 3, 4, 5))
    if any(step.inherited for step in steps):
        words.say("* inherited from the run that this one was forked from")


def _state(state: str) -> str:
    return {"finished": "ok", "started": "no outcome"}.get(state, state)


def _full(book: Journal, step: Step) -> None:
    from clew.agents.history import conversation

    event = book.event(step.event)
    took = words.duration(step.seconds) if step.seconds is not None else ""
    tokens = words.count(step.cost.tokens, "token") if step.cost.tokens else ""
    facts = " · ".join(part for part in (_state(step.state), tokens, took, step.place) if part)
    words.out(words.bold(f"event {step.event} {step.kind}") + f" · {facts}")
    messages = conversation(book, event)
    for role, origin, text in messages:
        words.out(words.dim(f"  {role} ({origin})"))
        _block(text)
    if event.request and not messages:
        words.out(words.dim("  asked"))
        _block(_pretty(event.request))
    if event.outcome:
        words.out(words.dim("  came back"))
        plain = event.kind == "model" and set(event.outcome) <= _PLAIN
        _block(str(event.outcome["text"]) if plain else _pretty(event.outcome))
    words.out()


_PLAIN = {"text", "finish", "usage", "usd", "stop", "transport", "model"}


def _block(text: str) -> None:
    for part in words.clean(text).splitlines() or [""]:
        words.out(f"    {part}")


def _pretty(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _detail_json(book: Journal, event: Event) -> dict[str, Any]:
    from clew.agents.history import conversation

    messages = [{"role": role, "origin": origin, "text": text} for role, origin, text in conversation(book, event)]
    return {"request": event.request, "outcome": event.outcome, **({"messages": messages} if messages else {})}


def _export(lines: Any, target: str) -> None:
    if target == "-":
        for each in lines:
            words.out(each)
        return
    path = Path(target).expanduser()
    written = 0
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            for each in lines:
                file.write(each + "\n")
                written += 1
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        from clew.errors import ConfigError

        raise ConfigError(
            f"{target!r} cannot be written ({error.strerror}): nothing was exported; give another file"
        ) from error
    words.say(f"wrote {words.count(written, 'line')} to {path}")
