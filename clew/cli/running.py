"""Running a graph on the command line: progress, the answer with its sources and cost, how to go on, the exit code."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clew.cli import words

if TYPE_CHECKING:
    from clew.agents.history import Spent
    from clew.config import Settings
    from clew.journal import Journal
    from clew.scoring.verdict import Tally
    from clew.task import Answer

Start = Callable[["Journal", str, Any], Coroutine[Any, Any, "Answer"]]

_EXIT = {"budget": 4, "error": 5}


def text_of(given: str) -> str:
    """The argument of a command, `-` being what comes from stdin. Raises `ConfigError` for an empty one."""
    from clew.errors import ConfigError

    text = sys.stdin.read() if given == "-" else given
    if not text.strip():
        raise ConfigError("the question is empty: say what you want to know")
    return text


def carry_out(
    settings: Settings, run: str | None, start: Start, *, as_json: bool, out: Path | None = None, repairs: bool = False
) -> None:
    """Runs a graph with progress, shows what came of it (`out`: a file for the answer's text), and ends with the exit
    code of its status. `start` gets the journal, the run's id (`run`, or a new one) and what watches the run. One that
    `repairs` is told by its stages, and ends with a patch."""
    import asyncio

    from clew.agents import history
    from clew.agents.solve import tried
    from clew.cli.progress import RunProgress, StageProgress
    from clew.errors import ClewError
    from clew.journal.identity import new_run_id

    with history.open_journal(settings) as book:
        id = run or new_run_id()
        words.say(f"run {id}")
        try:
            with (StageProgress if repairs else RunProgress)() as progress, warnings_as_lines(progress.above):
                answer = asyncio.run(start(book, id, progress))
        except KeyboardInterrupt:
            _interrupted(book, id)
            raise typer.Exit(130) from None
        except ClewError:
            raise
        except Exception:
            if book.get_run(id) is not None:
                words.say(f"what run {id} has recorded is kept: go on with clew resume {id}")
            raise
        if not progress.step and not progress.replayed:
            words.say("the run had ended before: this is what it recorded")
        elif progress.replayed:
            words.say(f"{words.count(progress.replayed, 'effect')} taken from the journal at no cost")
        if repairs:
            from clew.cli import repair

            raise typer.Exit(repair.conclude(book, id, answer, as_json))
        samples = tried(book.find_run(id), answer)
        _show(id, answer, history.spent(book, id), samples, as_json)
    broken = samples is not None and samples[0].status == "error"
    if samples is not None and broken:
        words.say(_untried(id, samples[0]))
    elif answer.status != "ok":
        words.say(_ending(id, answer))
    if out is not None and answer.text:
        out.write_text(answer.text.rstrip() + "\n", encoding="utf-8")
        words.say(f"wrote {out}")
    fine = answer.text and (samples is None or samples[0].passed == samples[1])
    unjudged = broken and samples is not None and not samples[0].failed
    raise typer.Exit(_EXIT.get("error" if unjudged else answer.status, 0 if fine else 1))


@contextmanager
def warnings_as_lines(say: Callable[[str], None]) -> Iterator[None]:
    """What Clew warns a person of, as lines among the progress; other warnings stay what they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        usual = warnings.showwarning

        def shown(message: Any, category: Any, *where: Any, **more: Any) -> None:
            if category is UserWarning:
                say(f"clew: {message}")
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = shown
        yield


def _interrupted(book: Journal, id: str) -> None:
    known = book.get_run(id) is not None
    then = f"go on with clew resume {id}" if known else "nothing had begun, ask again"
    words.say(f"clew: interrupted; what is recorded is kept, {then}" if known else f"clew: interrupted; {then}")


def _show(id: str, answer: Answer, spent: Spent, tried: tuple[Tally, int] | None, as_json: bool) -> None:
    from clew.cli.past import source_words, spent_words

    if as_json:
        sources = [
            {"number": n, "source": e.source, "title": e.title, "text": e.text, "passage_id": e.id}
            for n, e in enumerate(answer.evidence, 1)
        ]
        samples = {} if tried is None else {"samples": _counts(*tried)}
        words.out_json(
            {
                "run": id, "status": answer.status, "stop_reason": answer.stop_reason, "answer": answer.text,
                "sources": sources, **samples, **spent.to_json(),
            }
        )  # fmt: skip
        return
    if answer.text:
        words.out(words.clean(answer.text).strip())
    if answer.evidence:
        words.out()
        words.out("Sources")
        # Several passages of one page are one source to a reader; --json has them all.
        pages = {evidence.source: evidence.title for evidence in answer.evidence}
        for number, (source, title) in enumerate(pages.items(), 1):
            words.out(source_words(number, title, source))
    facts = [f"run {id}", spent_words(spent)]
    if tried is not None:
        facts.insert(1, _count_words(**_counts(*tried)))
    words.out(("\n" if answer.text else "") + " · ".join(facts))


def _counts(tally: Tally, of: int) -> dict[str, Any]:
    """How many samples `passed`, None when none was tried, how many could not be tried, and of how many."""
    ran = tally.passed + tally.failed
    return {"passed": tally.passed if ran else None, "untried": of - ran, "of": of}


def _count_words(passed: int | None, untried: int, of: int) -> str:
    if passed is None:
        return "samples not tried"
    return f"{passed} of {of} samples passed" + (f", {untried} not tried" if untried else "")


def _untried(id: str, tally: Tally) -> str:
    some = "some samples" if tally.passed + tally.failed else "the samples"
    return (
        f"clew: {some} could not be tried ({_reason(tally.reason)}); when that is mended, go on with clew resume {id} "
        "--retry failed"
    )


def _reason(text: str) -> str:
    # The class name of an error is for programs.
    return re.sub(r"^[A-Z]\w+: ", "", words.line(text))


def _ending(id: str, answer: Answer) -> str:
    """Why the run did not simply end well, and what can be done."""
    reason = _reason(answer.stop_reason)
    if answer.status == "budget":
        raised = {"usd": "--budget-usd", "tokens": "--budget-tokens", "seconds": "--budget-seconds"}.get(reason)
        how = f"go on with clew resume {id} {raised} N" if raised else f"go on with clew resume {id}"
        best = "the answer above is the best that was left" if answer.text else "there is no answer yet"
        return f"clew: the limit on {reason or 'the budget'} was reached, {best}; {how}"
    if answer.status == "error":
        return f"clew: {reason or 'the run failed'}; when that is mended, go on with clew resume {id}"
    found = "the answer is the best that was left" if answer.text else "no answer was found"
    why = answer.status + (f": {reason}" if reason not in ("", answer.status) else "")
    return f"clew: {found} ({why}); see clew show {id}"
