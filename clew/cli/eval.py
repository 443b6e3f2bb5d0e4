"""`eval`: graphs on a task set, with a table that grows, and files that say what made them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, words
from clew.cli.progress import Line

if TYPE_CHECKING:
    from clew.evals.plan import Cell, Plan
    from clew.evals.rows import Row
    from clew.evals.running import Evaluation
    from clew.evals.setup import Prepared
    from clew.journal import Journal

_PLAIN_EVERY_S = 10.0


def evaluate(
    tasks: Annotated[
        str, typer.Option("--tasks", metavar="TASKS", help="JSONL file, folder, or name.", show_default=False)
    ],
    graph: Annotated[
        list[str],
        typer.Option(
            "--graph", metavar="SPEC", help="NAME:key=value,... or vote(NAME, n=8) (repeatable).", show_default=False
        ),
    ],
    model: options.Model = None,
    api_base: options.ApiBase = None,
    reader_model: options.ReaderModel = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Split of a named task set.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Tasks at most.", show_default=False)
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, metavar="N", help="Runs of each task.")] = 1,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, metavar="N", help="Runs at a time.")] = 8,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another one makes other runs.")] = 0,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Folder of the results [.clew/evals/...].", show_default=False),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Share no runs with other evaluations.")] = False,
    keep_errors: Annotated[
        bool, typer.Option("--keep-errors", help="Try no run again that ended in an error.")
    ] = False,
    temperature: options.Temperature = None,
    max_tokens: options.MaxTokens = None,
    timeout: options.Timeout = None,
    budget_usd: options.BudgetUsd = None,
    budget_tokens: options.BudgetTokens = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    rerank: options.Rerank = None,
    sandbox: options.Sandbox = None,
    image: options.Image = None,
    journal: options.Journal = None,
    as_json: options.Json = False,
) -> None:
    """Compare graphs on a task set.

    Every run is recorded: after a kill, Ctrl-C or a limit the same command goes on, and nothing is paid twice. Rows,
    report, plots and a page are written to a folder. A budget bounds the whole evaluation. Columns: docs/eval.md.

    Example: clew eval --tasks world --graph rag --graph corag --graph "vote(corag, n=8)" --model openai/gpt-5-mini
    """
    import asyncio

    from clew.agents import history
    from clew.config import load
    from clew.errors import ClewError
    from clew.evals import report
    from clew.evals.setup import Wanted, perform, prepare

    settings = load(
        {
            "model": model, "api_base": api_base, "reader_model": reader_model, "temperature": temperature,
            "max_tokens": max_tokens, "timeout": timeout, "budget_usd": budget_usd, "budget_tokens": budget_tokens,
            "store": store, "embedder": embedder, "rerank": rerank, "journal": journal, "sandbox": sandbox,
            "image": image,
        }
    )  # fmt: skip
    prepared = prepare(Wanted(tasks, tuple(graph), split, limit, repeats, seed, fresh, out), settings)
    if prepared.warning:
        words.say(f"clew: {prepared.warning}")
    with history.open_journal(settings) as book:
        try:
            with Board(prepared.plan) as board:
                evaluation = asyncio.run(
                    perform(prepared, book, concurrency=concurrency, keep_errors=keep_errors, watch=board)
                )
        except KeyboardInterrupt:
            _keep(prepared, book, "it was interrupted")
            words.say("clew: interrupted; what is recorded is kept, the same command goes on where it was")
            raise typer.Exit(130) from None
        except ClewError as error:
            _keep(prepared, book, str(error))
            raise
        no_plot = report.write(prepared.out, evaluation)
    _show(prepared, evaluation, no_plot, as_json)
    raise typer.Exit(4 if evaluation.why else 5 if _all_failed(evaluation) else 0)


def _keep(prepared: Prepared, book: Journal, why: str) -> None:
    """Writes the files of an evaluation that stopped, for the runs that did finish."""
    import asyncio

    from clew.errors import ClewError
    from clew.evals import report
    from clew.evals.setup import finished

    try:
        evaluation = asyncio.run(finished(prepared, book, why))
        if evaluation.rows:
            report.write(prepared.out, evaluation)
            done = f"{len(evaluation.rows)} of {words.count(len(prepared.plan.cells), 'run')}"
            words.say(f"results of the {done} that are finished are in {prepared.out}; this goes on:")
            words.say(f"  {prepared.plan.command}")
    except (ClewError, OSError) as error:
        words.say(f"the results so far could not be written: {error}")


def _all_failed(evaluation: Evaluation) -> bool:
    """Whether there is a graph of which not one run worked: its figures say nothing about it."""
    return any(each["n"] and each["errors"] == each["n"] for each in evaluation.figures())


class Board(Line):
    """How far an evaluation is: a table on a terminal, a line now and then elsewhere."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._labels = list(plan.graphs)
        self._expected = len(plan.cells) // len(self._labels)
        self._total = len(list(plan.in_turn()))
        self._rows: dict[str, dict[str, Row]] = {label: {} for label in self._labels}
        self._running: set[str] = set()
        self._begun = self._said = time.monotonic()

    def __call__(self, cell: Cell, row: Row | None) -> None:
        if row is None:
            self._running.add(cell.run)
            return
        self._running.discard(cell.run)
        self._rows[cell.graph][cell.run] = row
        if self.live is None and time.monotonic() - self._said >= _PLAIN_EVERY_S:
            self._said = time.monotonic()
            self.above(self.text())

    def text(self) -> str:
        rows = [row for found in self._rows.values() for row in found.values()]
        # On a terminal these stand in the table above the line.
        shown = {} if self.live is not None else self._rows
        each = [f"{words.clip(label, 32)} {_percent(list(found.values()))}" for label, found in shown.items()]
        known = [row.usd for row in rows]
        usd = None if None in known else sum(value or 0.0 for value in known)
        spent = f"{words.count(sum(row.tokens for row in rows), 'token')} · {words.money(usd)}"
        seconds = words.duration(time.monotonic() - self._begun)
        return " · ".join([f"{len(rows):,} of {words.count(self._total, 'run')}", *each, spent, seconds])

    def _drawn(self) -> Any:
        from rich.console import Group
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("graph")
        for name in ("done", "EM", "right", "tokens", "errors"):
            table.add_column(name, justify="right")
        for label, found in self._rows.items():
            rows = list(found.values())
            tokens = f"{sum(row.tokens for row in rows) / len(rows):,.0f}" if rows else "–"
            em = f"{100 * sum(row.em for row in rows) / len(rows):.1f}" if rows else "–"
            errors = str(sum(row.error for row in rows))
            done = f"{len(rows)}/{self._expected}"
            table.add_row(words.clip(label, 48), done, em, _percent(rows), tokens, errors)
        return Group(table, super()._drawn())


def _percent(rows: list[Row]) -> str:
    return f"{100 * sum(row.right for row in rows) / len(rows):.1f}%" if rows else "–"


def _show(prepared: Prepared, evaluation: Evaluation, no_plot: str, as_json: bool) -> None:
    from clew.evals.table import telling
    from clew.evals.tables import TITLES, spread

    figures = evaluation.figures()
    if as_json:
        for each in figures:
            words.out_json(each)
    else:
        scores = telling(figures)
        head = ["graph", "n", *(TITLES[name] for name in scores), "recall", "tokens", "$", "seconds", "errors"]
        words.table(
            head,
            [
                [
                    each["graph"], str(each["n"]), *(spread(each, name) for name in scores),
                    "–" if each["recall"] is None else f"{100 * each['recall']:.1f}", _shown(each["tokens"], 0),
                    "–" if not each["n"] else words.money(each["usd"]), _shown(each["seconds"], 1), str(each["errors"]),
                ]
                for each in figures
            ],
            right=(1, *range(len(head) - 5, len(head))),
        )  # fmt: skip
    for row in evaluation.rows:
        if row.error:
            words.say(f"clew: errors count as wrong; the first, run {row.run}: {words.clip(row.stop_reason, 300)}")
            break
    unjudged = [row for row in evaluation.rows if row.unjudged]
    if unjudged:
        some = words.count(len(unjudged), "answer")
        first = f"the first, of run {unjudged[0].run}, because of this: {words.clip(unjudged[0].feedback, 300)}"
        words.say(f"clew: {some} could not be judged and count as wrong; {first}")
    if evaluation.possibly.tokens or evaluation.possibly.usd:
        lost = f"{words.count(evaluation.possibly.tokens, 'token')}, {words.money(evaluation.possibly.usd)}"
        words.say(f"possibly up to {lost} more were paid for calls without an outcome")
    if evaluation.why:
        missing = words.count(sum(each["missing"] for each in figures), "run is", "runs are")
        words.say(f"clew: {missing} missing: {evaluation.why}; the same command with a higher limit goes on")
    if no_plot:
        words.say(f"no plot was drawn: {no_plot}")
    words.say(f"results, report, plots and page (report.html) are in {prepared.out}")


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
