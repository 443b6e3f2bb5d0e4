"""`labyrinth make`: a world that no model has seen, with questions about it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from clew.cli import options, words
from clew.cli.progress import Line

if TYPE_CHECKING:
    from clew.evals.tasks.labyrinth import Report

app = typer.Typer(
    help="""Make worlds that no model has seen.

    They measure search and reasoning.

    Example: clew labyrinth make maze --seed 7
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

_PLAIN_EVERY_S = 10.0


@app.callback()
def _root() -> None:
    # Without a callback Typer would make a group of one command that command.
    pass


@app.command()
def make(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new folder.", show_default=False)],
    seed: Annotated[int, typer.Option("--seed", help="0 to 9999; another seed shares no name with this one.")] = 0,
    entities: Annotated[int, typer.Option("--entities", metavar="N", help="Articles, 50 to 100000.")] = 300,
    questions: Annotated[int, typer.Option("--questions", metavar="M", help="Questions.")] = 200,
    split: Annotated[
        str, typer.Option("--split", help="train, dev or test; they share no name, and train no phrase with others.")
    ] = "test",
    hops: Annotated[str, typer.Option("--hops", metavar="A-B", help="Links that a question needs.")] = "1-5",
    force: Annotated[bool, typer.Option("--force", help="Replace the world in DIR.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a made-up world as documents, with questions and their gold.

    DIR gets documents/*.md (index it with clew index DIR), tasks.jsonl (give DIR to --tasks) and labyrinth.json (what
    made it, counts, what was dropped). The same arguments write the same bytes.

    Example: clew labyrinth make maze --seed 7 --entities 300 --questions 200
    """
    from dataclasses import asdict

    from clew.evals.tasks import labyrinth

    span = _span(hops)
    try:
        with MakeLine() as progress:
            report = labyrinth.make(
                folder, seed=seed, entities=entities, questions=questions, split=split, hops=span, force=force,
                progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        words.say(f"clew: interrupted; {folder!r} is unfinished, run the same command again with --force")
        raise typer.Exit(130) from None
    if as_json:
        words.out_json(asdict(report))
    else:
        _show(folder, report)


class MakeLine(Line):
    """How far a world is; call it with (what, done, of how many)."""

    def __init__(self) -> None:
        super().__init__()
        self.now = "making the world"
        self.said = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        self.now = f"{done:,} of {total:,} {what}"
        if self.live is None and time.monotonic() - self.said >= _PLAIN_EVERY_S:
            self.said = time.monotonic()
            self.above(self.now)

    def text(self) -> str:
        return self.now


def _span(hops: str) -> tuple[int, int]:
    from clew.errors import ConfigError

    found = re.fullmatch(r"\s*(\d)\s*(?:-\s*(\d)\s*)?", hops)
    if found is None:
        raise ConfigError(f"--hops is {hops!r}: give a number or a range within 1-5, such as 2-4")
    return int(found[1]), int(found[2] or found[1])


def _show(folder: str, report: Report) -> None:
    types = ", ".join(f"{number:,} {type}" for type, number in report.types.items())
    made = f"{words.count(report.documents, 'document')}, {words.count(report.questions, 'question')}"
    words.out(f"{made} in {folder} ({types})")
    words.out(f"the best constant answer is right on {report.best_constant.get('all', 0):.1%} of the answerable ones")
    if report.questions < report.asked:
        words.say(
            f"{report.asked - report.questions:,} fewer than asked for: the world has no more to ask; more --entities "
            "or wider --hops give more"
        )
