"""The program `clew`: its commands, and how errors end it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from clew.cli import ask, bugs, corpus, doctor, eval, labyrinth, memory, past, repair, sandbox, solve
from clew.errors import ClewError

EXIT_CODES = (
    "Exit codes: 0 ok, 1 failure or no answer, 2 usage or settings, 3 journal, 4 budget, "
    "5 model, retrieval or sandbox, 130 interrupted."
)

app = typer.Typer(
    name="clew",
    help="Reasoning agents that search your documents and compute. Every run can be resumed, replayed and audited.",
    epilog=f"Start: clew index DIR, then clew ask QUESTION --model NAME.  {EXIT_CODES}",
    no_args_is_help=True,
    # Plain help: loading rich would take longer than all the rest.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        from clew import __version__

        typer.echo(f"clew {__version__}")
        raise typer.Exit


for command in (corpus.index, corpus.search, ask.ask, solve.solve, repair.repair, past.runs, past.show):
    app.command()(command)
app.command()(ask.resume)
app.command()(past.replay)
app.command()(ask.fork)
app.command("import")(past.import_run)
app.command("eval")(eval.evaluate)
app.add_typer(labyrinth.app, name="labyrinth")
app.add_typer(memory.app, name="memory")
app.add_typer(bugs.app, name="bugs")
app.command()(sandbox.run)
app.add_typer(sandbox.app, name="sandbox")
app.command()(doctor.doctor)


_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. With `CLEW_DEBUG=1` errors keep their traceback."""
    debug = os.environ.get("CLEW_DEBUG", "") not in ("", "0")
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # started with it closed
            setattr(sys, stream, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    try:
        app(args=list(argv) if argv is not None else None, prog_name="clew")
        return 0
    except SystemExit as exit:
        if isinstance(exit.__context__, BrokenPipeError):  # Typer ends with 1 then
            return _BROKEN_PIPE
        if isinstance(getattr(exit.__context__, "__cause__", None), KeyboardInterrupt):  # with 130, silently
            return _fail("interrupted; what is recorded is kept", 130)
        return exit.code if isinstance(exit.code, int) else 0 if exit.code is None else 1
    except KeyboardInterrupt:
        return _fail("interrupted; what is recorded is kept", 130)
    except BrokenPipeError:
        # The reader of a pipe went away, as `head` does; nothing more can be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ClewError):
            return _fail(str(error), error.exit_code)
        if isinstance(error, OSError) and error.strerror:
            place = f"{error.filename!r}: " if error.filename else ""
            return _fail(f"{place}{error.strerror}: free some space or correct the permissions, and run it again", 1)
        return _fail(f"unexpected {type(error).__name__}: {error} (CLEW_DEBUG=1 shows where)", 1)


def _fail(message: str, code: int) -> int:
    from clew.cli.words import line, say

    # Secrets are registered there; a command that never loaded it has seen none.
    redacting = sys.modules.get("clew.journal.redact")
    say(f"clew: {line(redacting.redact(message) if redacting else message)}")
    return code
