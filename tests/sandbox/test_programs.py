"""Programs in clean processes: what comes back, and what the next one finds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ConfigError
from clew.sandbox import Box, Execution, Limits, Sandbox, session
from clew.sandbox.box import _text
from clew.sandbox.inside.kept import Kept
from tests.sandbox.conftest import LIMITS, new_box, running, until

pytestmark = pytest.mark.anyio


def test_a_box_is_a_sandbox(box: Box) -> None:
    assert isinstance(box, Sandbox)


@pytest.mark.parametrize(
    ("program", "stdout", "stderr_end", "exit_code"),
    [
        ("print(6 * 7)", "42\n", "", 0),
        ("", "", "", 0),
        ("print('ä', '\\ud800')", "ä \\ud800\n", "", 0),
        ("import sys\nprint(1)\nsys.exit(3)", "1\n", "", 3),
        ("raise SystemExit('so it ends')", "", "so it ends\n", 1),
        ("x = 1\n1 / 0", "", "ZeroDivisionError: division by zero\n", 1),
        ("def f(:", "", "SyntaxError: invalid syntax\n", 1),
        ("import os\nos._exit(7)", "", "", 7),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "", "", -11),
        ("import atexit\natexit.register(print, 'bye')", "bye\n", "", 0),
        ("import threading\nthreading.Timer(0.05, print, ['later']).start()", "later\n", "", 0),
        ("print(__name__, __import__('sys').argv)", "__main__ ['program.py']\n", "", 0),
        ("import multiprocessing as m\nwith m.Pool(2) as p:\n    print(p.map(abs, [-1, -2]))", "[1, 2]\n", "", 0),
        ("import os\nos.close(1); os.close(2)", "", "", 0),
        ("import os\nos.write(1, bytes(range(250, 256)))", "\\xfa\\xfb\\xfc\\xfd\\xfe\\xff", "", 0),
        ("import inspect\ndef f(): return 1\nprint(inspect.getsource(f))", "def f(): return 1\n\n", "", 0),
    ],
)  # fmt: skip
async def test_how_programs_end(program: str, stdout: str, stderr_end: str, exit_code: int, box: Box) -> None:
    done = await box.run(program)
    assert (done.stdout, done.exit_code) == (stdout, exit_code), done
    assert done.stderr.endswith(stderr_end)
    assert not done.timed_out and not done.oom and done.truncated == 0
    assert done.status == ("ok" if exit_code == 0 else "killed" if exit_code < 0 else "error")


async def test_a_program_that_is_none_is_told_as_python_tells_it(box: Box) -> None:
    done = await box.run("x = 1\ny = (")
    assert done.stderr.startswith('  File "program.py", line 2\n') and "SyntaxError" in done.stderr


async def test_a_traceback_names_the_line_of_the_program_and_nothing_of_the_sandbox(box: Box) -> None:
    done = await box.run("def f():\n    return 1 / 0\n\nf()\n")
    assert 'File "program.py", line 2, in f\n    return 1 / 0\n' in done.stderr
    assert done.stderr.count("File ") == 2


async def test_files_and_input(box: Box) -> None:
    files = {"helper.py": "def double(x): return 2 * x", "data/raw.bin": bytes(range(256))}
    program = (
        "import helper, sys\nprint(helper.double(int(input())))\n"
        "print(sum(open('data/raw.bin', 'rb').read()), sys.stdin.read())"
    )
    done = await box.run(program, files, stdin="21\nand more")
    assert done.stdout == "42\n32640 and more\n", done


async def test_a_program_finds_nothing_of_an_earlier_one(box: Box) -> None:
    leave = (
        "import os, sys, time\n"
        "for folder in ('.', '/tmp', '/dev/shm'):\n    open(folder + '/left', 'w').close()\n"
        "os.environ['LEFT'] = '1'\nsys.path.append('/left')\nimport builtins; builtins.left = 1\nos.umask(0)\n"
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\n"
    )
    look = (
        "import builtins, os, sys\n"
        "print(os.listdir(), os.listdir('/tmp'), os.listdir('/dev/shm'), 'LEFT' in os.environ,\n"
        "      '/left' in sys.path, hasattr(builtins, 'left'), oct(os.umask(0)),\n"
        "      len([n for n in os.listdir('/proc') if n.isdigit()]) <= 3, 'inside.supervisor' in sys.modules)"
    )
    for _ in range(3):
        assert (await box.run(leave)).ok
        assert (await box.run(look)).stdout == "[] [] [] False False False 0o22 True False\n"


async def test_time_memory_and_output_have_limits_of_their_own(box: Box) -> None:
    slow = await box.run("print('begun')\nwhile True: pass", limits=Limits(seconds=0.5, **_place()))
    assert (slow.status, slow.stdout, slow.exit_code) == ("timeout", "begun\n", -9)
    big = await box.run("x = bytearray(500 << 20)\nfor n in range(0, len(x), 4096): x[n] = 1")
    assert big.status == "oom"
    told = await box.run("print('a' * 5000, end='z')", limits=Limits(seconds=5, output=100, **_place()))
    assert (told.stdout, told.truncated) == (f"{'a' * 50}\n[... 4901 bytes left out ...]\n{'a' * 49}z", 4901)


def _place() -> dict[str, int]:
    return {"memory": LIMITS.memory, "disk": LIMITS.disk, "processes": LIMITS.processes}


async def test_other_limits_of_a_place_take_a_place_of_their_own(box: Box) -> None:
    small = Limits(seconds=10, memory=LIMITS.memory, disk=LIMITS.disk, processes=4)
    program = (
        "import threading, time\nthreading.stack_size(1 << 16)\nn = 0\ntry:\n    while n < 20:\n"
        "        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\n        n += 1\n"
        "except RuntimeError:\n    pass\nprint(n < 10)"
    )
    assert (await box.run(program, limits=small)).stdout == "True\n"
    assert (await box.run(program)).stdout == "False\n"


@pytest.mark.parametrize("name", ["seconds", "memory", "cpus", "processes", "disk", "output"])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=f"limit {name}=0 is none"):
        Limits(**{name: 0})
    for endless in (float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="give a finite number above 0"):
            replace(Limits(), **{name: endless})


async def test_a_very_long_time_is_a_time(box: Box) -> None:
    assert (await box.run("print(1)", limits=Limits(seconds=1e300, **_place()))).stdout == "1\n"
    assert (await session(box).run("print(2)", Limits(seconds=1e300, **_place()))).stdout == "2\n"


async def test_arguments_that_make_no_sense(box: Box, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no command"):
        await box.run_command([])
    with pytest.raises(ConfigError, match="is no command"):
        await box.run_command("ls -l")
    with pytest.raises(ConfigError, match="is no folder"):
        await box.run_command(["ls"], tmp_path / "absent")
    with pytest.raises(ConfigError, match="the limit of its disk"):
        await box.run("", {"big": bytes(LIMITS.disk + 1)})
    with pytest.raises(ConfigError, match="characters, more than"):
        await box.run("#" * (2 << 20))


async def test_commands_run_in_a_copy_of_the_workspace(box: Box, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "mod.py").write_text("value = 1\n")
    (tmp_path / "run.sh").write_text(
        "#!/bin/sh\npython3 -c 'import src.mod; print(src.mod.value)' | tee out/result\nexit 5\n"
    )
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "out").mkdir()
    plain = await box.run_command(["./run.sh"], tmp_path, collect=["out/result", "absent"])
    assert (plain.stdout, plain.exit_code, dict(plain.files)) == ("1\n", 5, {"out/result": "1\n"}), plain
    laid = await box.run_command(["./run.sh"], tmp_path, files={"src/mod.py": "value = 2\n"})
    assert laid.stdout == "2\n"
    assert (tmp_path / "src" / "mod.py").read_text() == "value = 1\n"
    assert list((tmp_path / "out").iterdir()) == []


async def test_commands_that_cannot_start(box: Box) -> None:
    assert (await box.run_command(["no-such-program"])).exit_code == 127
    assert (await box.run_command(["/etc/passwd"])).exit_code == 126


async def test_more_programs_than_places_wait_for_their_turn(box: Box) -> None:
    done = await asyncio.gather(*(box.run(f"print({n} ** 2)") for n in range(12)))
    assert [one.stdout for one in done] == [f"{n * n}\n" for n in range(12)]


async def test_a_caller_that_gives_up_leaves_nothing_running(box: Box) -> None:
    mark = "given-up-mark"
    task = asyncio.create_task(box.run(f"open('/proc/self/comm', 'w').write('{mark}')\nwhile True: pass"))
    await until(lambda: bool(running(mark)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not running(mark))
    assert (await box.run("print(1)")).ok


def test_one_sandbox_serves_several_event_loops() -> None:
    box = new_box("process", size=1)
    for n in range(3):
        assert asyncio.run(box.run(f"print({n})")).stdout == f"{n}\n"
    asyncio.run(box.close())


@given(st.lists(st.binary(max_size=40)), st.integers(2, 30))
def test_kept_output_is_head_and_tail(pieces: list[bytes], limit: int) -> None:
    kept = Kept(limit)
    for piece in pieces:
        kept.feed(memoryview(piece))
    head_pieces, tail_pieces, cut = kept.parts()
    head, tail = b"".join(head_pieces), b"".join(tail_pieces)
    whole = b"".join(pieces)
    assert len(head) + len(tail) + cut == len(whole)
    assert whole.startswith(head) and whole.endswith(tail)
    assert len(head) + len(tail) == min(limit, len(whole))


@given(st.text(min_size=8), st.data())
def test_a_cut_goes_through_no_character(text: str, data: st.DataObject) -> None:
    whole = text.encode("utf-8", "ignore")
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, len(whole)))
    shown = _text(whole[:begin], whole[end:], end - begin)
    assert shown.count("\\x") <= text.count("\\x")


def test_executions_survive_json() -> None:
    done = Execution("a", "b", 1, 0.5, truncated=3, files={"x": "y"})
    assert Execution(**done.to_json()) == done


SECRET = "secret-%s-of-an-earlier-program"
SCAN = """
import re
found = []
for line in open('/proc/self/maps'):
    begin, end = (int(part, 16) for part in line.split()[0].split('-'))
    if line.split()[1][0] == 'r' and '[v' not in line:
        with open('/proc/self/mem', 'rb', 0) as memory:
            memory.seek(begin)
            try:
                data = memory.read(end - begin)
            except OSError:
                continue
        found += re.findall(b'secret-[a-z]+' + b'-of-an-earlier', data)
print(found)
"""


async def test_a_program_finds_nothing_of_an_earlier_one_in_its_memory(box: Box) -> None:
    """A forked process has the memory of the fork server: nothing of a program may ever have been in it."""
    lower = "print('SECRET-OUTPUT-OF-AN-EARLIER-PROGRAM'.lower())\ninput()"
    for _ in range(4):
        source = f"# {SECRET % 'source'}\n{lower}"
        assert (await box.run(source, {"file": SECRET % "file"}, stdin=SECRET % "input")).ok
        assert (await box.run_command(["cp", "file", "copy"], files={"file": SECRET % "copy"}, collect=["copy"])).files
        assert (await box.run_command(["echo", SECRET % "argument"])).ok
        assert (await box.run(SCAN)).stdout == "[]\n"


BAD_FILES = {
    "a name that is too long": {"a" * 300: "x"},
    "a file where a folder is": {"a": "x", "a/b": "y"},
    "more files than the disk may hold": {f"f{n}": "" for n in range(LIMITS.disk // 4096 + 1)},
    "a name that is no text": {"\ud800": "x"},
}


@pytest.mark.parametrize("case", BAD_FILES)
async def test_files_that_cannot_be_laid_out_are_the_callers_fault(box: Box, case: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be laid out in the sandbox|is no path inside the sandbox"):
        await box.run("print(1)", files=BAD_FILES[case])
    assert (await box.run("import os; print(os.listdir())")).stdout == "[]\n"


async def test_half_characters_do_no_harm(box: Box) -> None:
    done = await box.run("print(len(open('f', 'rb').read()), len(input()))", {"f": "\ud83d"}, stdin="\ud83d!\n")
    assert done.stdout == "3 4\n"
    done = await box.run_command(["echo", "\ud83d"])
    assert (done.exit_code, done.stderr) == (126, "'echo': its words are no text\n")
