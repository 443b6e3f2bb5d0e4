"""`run`, `sandbox build` and `sandbox gc`: programs behind a boundary, by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clew.cli import options, words

if TYPE_CHECKING:
    from clew.sandbox import Execution, Limits

app = typer.Typer(
    help="""Make and sweep what programs run in.

    Example: clew sandbox build
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

# As the program timeout and a shell report them.
_TIMED_OUT, _KILLED, _INTERRUPTED = 124, 128, 130


@contextmanager
def _interruptible() -> Iterator[None]:
    """Nothing here is recorded, so that there is nothing to go on with."""
    try:
        yield
    except KeyboardInterrupt:
        words.say("clew: interrupted")
        raise typer.Exit(_INTERRUPTED) from None


def run(
    program: Annotated[str, typer.Argument(metavar="FILE", help="A Python program (- is stdin).", show_default=False)],
    sandbox: Annotated[
        str | None,
        typer.Option("--sandbox", metavar="KIND", help="docker, process or auto (default).", show_default=False),
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="NAME", help="Docker image with python3.", show_default=False)
    ] = None,
    stdin: Annotated[
        str | None, typer.Option("--stdin", metavar="FILE", help="Its standard input.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", help="Wall time at most.")] = 30.0,
    memory: Annotated[int, typer.Option("--memory", metavar="MB", help="Memory at most (see docs/sandbox.md).")] = 512,
    as_json: options.Json = False,
) -> None:
    """Run a Python program in the sandbox.

    It sees no network, no file and no variable of this machine. Its output and exit code come through; 124 is a
    timeout, 137 out of memory, 5 a sandbox that failed.

    Example: clew run program.py --seconds 5
    """
    import asyncio

    from clew.config import load
    from clew.sandbox import Limits

    settings = load({"sandbox": sandbox, "image": image})
    limits = Limits(seconds=seconds, memory=memory << 20)
    with _interruptible():
        done = asyncio.run(_execute(_read(program), _read(stdin) if stdin else "", limits, settings))
    if as_json:
        words.out_json({"status": done.status, **done.to_json()})
    else:
        sys.stdout.write(words.clean(done.stdout))
        sys.stderr.write(words.clean(done.stderr))
    if done.status in ("timeout", "oom"):
        words.say(f"clew: the program was ended: {_why(done, limits)}")
    raise typer.Exit(_code(done))


async def _execute(program: str, stdin: str, limits: Limits, settings: object) -> Execution:
    import asyncio
    import warnings

    from clew.agents import doors
    from clew.config import Settings

    assert isinstance(settings, Settings)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        box = await asyncio.to_thread(doors.sandbox, settings)
    for warning in warned:
        words.say(f"clew: {warning.message}")
    async with box:
        return await box.run(program, stdin=stdin, limits=limits)


def _read(file: str) -> str:
    from clew.errors import ConfigError

    name = "stdin" if file == "-" else f"the file {file!r}"
    try:
        data = _stdin() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} cannot be read ({error}): give text in UTF-8, a file or - for stdin") from error


def _stdin() -> bytes:
    if sys.stdin is None:
        raise OSError("it is closed")
    return sys.stdin.buffer.read()


def _why(done: Execution, limits: Limits) -> str:
    if done.timed_out:
        return f"it took longer than {limits.seconds:g} s (--seconds)"
    return f"it took more than {limits.memory >> 20} MB of memory (--memory)"


def _code(done: Execution) -> int:
    if done.timed_out:
        return _TIMED_OUT
    if done.oom:
        return _KILLED + 9
    return done.exit_code if done.exit_code >= 0 else _KILLED - done.exit_code


@app.command()
def build(
    base: Annotated[str | None, typer.Option("--base", metavar="IMAGE", help="An image with python3.")] = None,
    network: Annotated[
        str | None, typer.Option("--network", metavar="NAME", help="Docker network of the build.", show_default=False)
    ] = None,
) -> None:
    """Build the default image of the Docker sandbox: Python with numpy, sympy and pytest.

    Example: clew sandbox build --base python:3.12-slim
    """
    from clew.sandbox import DEFAULT_IMAGE
    from clew.sandbox import build as build_image
    from clew.sandbox.image import DEFAULT_BASE

    with _interruptible():
        id = build_image(base or DEFAULT_BASE, network=network, told=lambda text: words.say(words.line(text)))
    words.out(f"{DEFAULT_IMAGE} {id.removeprefix('sha256:')[:12]}")


@app.command()
def gc() -> None:
    """Remove containers that killed processes left behind, and packages for tests that were not used for a week.

    Example: clew sandbox gc
    """
    from clew.sandbox import gc as sweep
    from clew.sandbox.environments import gc_environments

    with _interruptible():
        words.out(f"{words.count(len(sweep()), 'container')} removed")
        if removed := gc_environments():
            words.out(f"{words.count(len(removed), 'environment')} for tests removed")
