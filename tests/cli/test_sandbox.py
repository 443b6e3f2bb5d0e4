"""`clew run` and `clew sandbox`: programs by hand."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Clew, process

PROCESS = ("--sandbox", "process")


def test_output_and_exit_code_come_through(clew: Clew, here: Path) -> None:
    (here / "p.py").write_text("import sys\nprint(input()[::-1])\nprint('oh', file=sys.stderr)\nsys.exit(7)")
    (here / "in.txt").write_text("abc\n")
    result = clew("run", "p.py", "--stdin", "in.txt", *PROCESS)
    assert (result.code, result.out) == (7, "cba\n") and "oh\n" in result.err


def test_a_program_that_takes_too_long_is_ended(clew: Clew, here: Path) -> None:
    (here / "p.py").write_text("print('begun', flush=True)\nwhile True: pass")
    result = clew("run", "p.py", "--seconds", "1", "--json", *PROCESS)
    assert result.code == 124 and "longer than 1 s" in result.err
    (done,) = result.objects
    assert (done["status"], done["stdout"]) == ("timeout", "begun\n")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("none.py",), "cannot be read"),
        (("p.py", "--sandbox", "cellar"), "is unknown"),
        (("p.py", "--seconds", "0"), "above 0"),
        (("p.py", "--seconds", "inf"), "limit seconds=inf is none"),
        (("latin.py",), "'latin.py' cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(clew: Clew, here: Path, arguments: tuple[str, ...], what: str) -> None:
    (here / "p.py").write_text("print(1)")
    (here / "latin.py").write_bytes(b"print('\xff')")
    result = clew("run", *arguments)
    assert result.code == 2 and what in result.err and result.err.count("\n") == 1


@pytest.mark.docker
def test_an_image_that_is_missing_is_another_thing_than_a_failing_program(clew: Clew, here: Path) -> None:
    (here / "p.py").write_text("print(1)")
    result = clew("run", "p.py", "--sandbox", "docker", "--image", "no-such-image-here")
    assert result.code == 5 and "docker pull no-such-image-here" in result.err


@pytest.mark.docker
def test_gc_says_what_it_removed(clew: Clew, here: Path) -> None:
    result = clew("sandbox", "gc")
    assert result.code == 0 and result.out.endswith("removed\n")


@pytest.mark.parametrize(
    ("given", "code", "out", "what"),
    [(b"print(6 * 7)\r\n", 0, "42\n", ""), (b"print('\xff')", 2, "", "stdin cannot be read ('utf-8'")],
)
def test_a_program_from_stdin(here: Path, given: bytes, code: int, out: str, what: str) -> None:
    (here / "given").write_bytes(given)
    with (here / "given").open("rb") as stdin:
        running = process("run", "-", *PROCESS, cwd=here, stdin=stdin)
    stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout) == (code, out) and what in stderr and stderr.count("\n") <= 1


def test_ctrl_c_says_no_more_than_that_it_was_interrupted(here: Path) -> None:
    os.mkfifo(here / "begins")
    (here / "p.py").write_text("while True: pass")
    arguments = ("run", "p.py", "--stdin", "begins", *PROCESS)
    running = process(*arguments, cwd=here, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        (here / "begins").write_text("")  # returns when the command reads it, and so has begun
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, out, err) == (130, "", "clew: interrupted\n")
