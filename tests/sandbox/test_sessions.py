"""Sessions: state that lives across programs, is lost with an interpreter, and comes back with the next program."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypedDict

import pytest

import clew
from clew.errors import ConfigError
from clew.journal import Budget, Journal
from clew.sandbox import Box, Limits, SandboxFailed, Session, session
from clew.sandbox.pool import Slots
from clew.sandbox.sessions import Interpreters, _interpreters, interpreters
from clew.testing.kills import Aim, Killer, crash, die
from tests.sandbox.conftest import BACKENDS, LIMITS, new_box

pytestmark = pytest.mark.anyio

SHORT = Limits(seconds=1, memory=LIMITS.memory, disk=LIMITS.disk, processes=LIMITS.processes)


async def outputs(box: Box, *programs: str, limits: Limits | None = None) -> list[str]:
    async with session(box, limits=limits) as notebook:
        return [(await notebook.run(program)).stdout for program in programs]


async def nothing_parked(box: Box) -> None:
    """Ends the interpreters that earlier tests left behind for a session that might go on."""
    cache = interpreters(box)
    for digest in list(cache._parked):
        await cache.drop(digest)


async def test_names_stay(box: Box) -> None:
    assert await outputs(box, "import math\nx = 20", "def f(n): return n + 2", "print(f(x) + math.floor(20.5))") == [
        "", "", "42\n",
    ]  # fmt: skip


async def test_the_value_of_a_last_expression_is_shown(box: Box) -> None:
    assert await outputs(box, "x = 6\nx * 7", "None", "_ + 1", "'a' if x else 'b';") == ["42\n", "", "43\n", "'a'\n"]


async def test_names_bound_before_an_exception_are_kept(box: Box) -> None:
    async with session(box) as notebook:
        failed = await notebook.run("a = 1\nb = 2\nc = 1 / 0\nd = 4")
        assert failed.exit_code == 1 and "ZeroDivisionError" in failed.stderr and "line 3, in <module>" in failed.stderr
        assert not failed.lost
        assert (await notebook.run("print(a + b, 'c' in dir(), 'd' in dir())")).stdout == "3 False False\n"
        assert (await notebook.run("raise SystemExit(4)")).exit_code == 4
        assert (await notebook.run("print(a)")).stdout == "1\n"


async def test_files_and_modules_of_a_session_stay(box: Box) -> None:
    assert (await outputs(box, "open('m.py', 'w').write('z = 9')", "import m; print(m.z)"))[1] == "9\n"


async def test_sessions_do_not_see_each_other(box: Box) -> None:
    async with session(box) as one, session(box) as other:
        await one.run("x = 1; open('mine', 'w').close()")
        assert (await other.run("import os; print('x' in dir(), os.listdir())")).stdout == "False []\n"
    assert (await box.run("import os; print(os.listdir())")).stdout == "[]\n"


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("x = 99\nwhile True: pass", "timeout"),
        ("x = 99\nimport os\nos._exit(0)", "ok"),
        ("x = 99\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed"),
    ],
)
async def test_a_program_that_ends_its_interpreter_leaves_the_state_before_it(
    program: str, status: str, box: Box
) -> None:
    async with session(box, limits=SHORT) as notebook:
        await notebook.run("x = 1\nprint('set')")
        ended = await notebook.run(program)
        assert (ended.status, ended.lost) == (status, True)
        assert (await notebook.run("print(x)")).stdout == "1\n"


async def test_memory_ends_an_interpreter_or_raises(box: Box) -> None:
    async with session(box) as notebook:
        await notebook.run("x = 1")
        assert (await notebook.run("y = []\nwhile True: y.append(bytearray(8 << 20))")).oom
        assert (await notebook.run("y = None; print(x)")).stdout == "1\n"


async def test_a_killed_interpreter_is_rebuilt(box: Box) -> None:
    await nothing_parked(box)
    async with session(box) as notebook:
        await notebook.run("import random\nx = [random.random() for _ in range(3)]\nprint(x, {'a', 'b', 'c'})")
        before = (await notebook.run("print(x, random.random(), {'a', 'b', 'c'})")).stdout
        entry = notebook.history
    assert not interpreters(box)._parked, "leaving the session ends its interpreter"
    async with session(box, entry[:1]) as again:
        assert (await again.run("print(x, random.random(), {'a', 'b', 'c'})")).stdout == before


async def test_histories_are_functions_and_branches_share_nothing(box: Box) -> None:
    root = session(box)
    await root.run("x = [1]")
    left, right = session(box, root.history), session(box, root.history)
    assert (await left.run("x.append(2); print(x)")).stdout == "[1, 2]\n"
    assert (await right.run("x.append(3); print(x)")).stdout == "[1, 3]\n"
    assert (await left.run("print(x)")).stdout == "[1, 2]\n"
    for one in (left, right, root):
        await one.close()


async def test_more_sessions_than_interpreters_take_turns(box: Box) -> None:
    """A session whose interpreter had to go is rebuilt, however often."""
    await nothing_parked(box)
    cache = _interpreters.setdefault(box, Interpreters(box))
    before = cache._most, cache._slots
    cache._most, cache._slots = 2, Slots(2)
    try:
        notebooks = [session(box) for _ in range(5)]
        for n in range(3):
            done = await asyncio.gather(
                *(one.run(f"x = {i}" if n == 0 else "x += 10; print(x)") for i, one in enumerate(notebooks))
            )
        assert [one.stdout for one in done] == [f"{20 + i}\n" for i in range(5)]
        assert len(box._resident) <= 2
    finally:
        for one in notebooks:
            await one.close()
        cache._most, cache._slots = before


async def test_a_session_runs_one_program_at_a_time(box: Box) -> None:
    async with session(box) as notebook:
        first = asyncio.create_task(notebook.run("import time; time.sleep(0.3); print(1)"))
        await asyncio.sleep(0)
        with pytest.raises(ConfigError, match="one program at a time"):
            await notebook.run("print(2)")
        assert (await first).stdout == "1\n"


def test_a_history_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"made by Session\.history"):
        session(new_box("process"), [{"code": "x"}])


FORGERIES = {
    "garbage": "os.write(link, b'garbage')",
    "a guess": "os.write(link, b'0' * 20)",
    "a long one": "os.write(link, b'0' * 5000)",
    "an end": "os.close(link)",
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_reply_ends_the_interpreter_alone(name: str, box: Box) -> None:
    """A program of a session can reach the link of its own interpreter, and nothing behind it."""
    program = (
        "import os\nlink = max(int(n) for n in os.listdir('/proc/self/fd') if 500 < int(n))\n"
        f"{FORGERIES[name]}\nimport time; time.sleep(0.2)"
    )
    async with session(box, limits=SHORT) as notebook, session(box) as other:
        await other.run("y = 2")
        await notebook.run("x = 1")
        assert (await notebook.run(program)).lost
        assert (await notebook.run("print(x)")).stdout == "1\n"
        assert (await other.run("print(y)")).stdout == "2\n"


async def test_a_fork_that_runs_to_the_end_of_the_program_does_not_answer_for_it(box: Box) -> None:
    assert (await outputs(box, "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)", "print(1)"))[1] == "1\n"


async def test_between_programs_a_session_stands_still(box: Box) -> None:
    count = (
        "import threading\nn = 0\ndef count():\n    global n\n    while True: n += 1\n"
        "threading.Thread(target=count, daemon=True).start()"
    )
    async with session(box) as notebook:
        await notebook.run(count)
        usual = int((await notebook.run("import time\na = n\ntime.sleep(0.2)\nprint(n - a)")).stdout)
        await notebook.run("a = n")
        await asyncio.sleep(2)
        meanwhile = int((await notebook.run("print(n - a)")).stdout)
    assert meanwhile < 5 * usual, "in two seconds it would have counted ten times the usual"


async def test_the_journal_tells_a_rebuilt_session(box: Box, tmp_path: Path) -> None:
    programs = ["import time, os\nx = os.urandom(4)\nprint(x)", "y = 2\nprint(y)", "print(y)"]
    with Journal(tmp_path / "j.db") as journal:
        await clew.run(notebook_graph(box, programs, close_after=2), "t", journal=journal, run_id="r")
        notes = [event.request for event in journal.events("r") if event.kind == "session_rebuilt"]
    assert notes == [{"programs": 2, "differ": [0]}]


# Through the journal -----------------------------------------------------------------------------------------------


class State(TypedDict, total=False):
    task: dict[str, Any]
    history: list[dict[str, Any]]
    said: list[str]
    answer: dict[str, Any]


def notebook_graph(box: Box, programs: list[str], *, die_at: int | None = None, close_after: int | None = None) -> Any:
    """One program per step; what a session needs lies in the state."""
    from langgraph.graph import END, START, StateGraph

    async def step(state: State) -> State:
        history = state.get("history", [])
        notebook = Session(box, history)
        if len(history) == die_at:
            die()
        done = await notebook.run(programs[len(history)])
        if len(notebook.history) == close_after:
            await notebook.close()
        said = [*state.get("said", []), done.stdout + done.stderr]
        end: State = {"history": notebook.history, "said": said}
        if len(said) == len(programs):
            end["answer"] = {"text": "".join(said)}
        return end

    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: END if "answer" in state else "step")
    return graph.compile()


PROGRAMS = [
    "import random\nx = [1]\nprint(x)",
    "x.append(2)\n1 / 0",
    "x.append(random.random())\nprint(len(x))",
    "y = sum(x)\nprint(y)",
    "print(x, y)",
]


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("die_at", range(len(PROGRAMS)))
def test_resumed_after_kill_9_each_program_ends_the_same(kind: str, die_at: int, tmp_path: Path) -> None:
    """The client dies before a program; in another process the recorded ones are not run again unless a new one needs
    the interpreter, which then is what it was."""

    def work(journal: Path, *, die_at: int | None) -> str:
        async def main() -> str:
            async with new_box(kind, size=1) as box:
                with Journal(journal) as opened:
                    graph = notebook_graph(box, PROGRAMS, die_at=die_at)
                    return (await clew.run(graph, "t", journal=opened, run_id="r")).text

        return asyncio.run(main())

    whole = tmp_path / "whole"
    path = tmp_path / "killed.db"
    once: list[int] = []

    def child() -> None:
        first = not path.with_suffix(".died").exists()
        path.with_suffix(".died").touch()
        said = work(path, die_at=die_at if first else None)
        whole.write_text(said)
        once.append(1)

    crashes = crash(child, path, Killer(), [Aim()])
    assert crashes.kills == 1 and crashes.changed == []
    assert whole.read_text() == work(tmp_path / "uninterrupted.db", die_at=None)
    with Journal(path) as journal:
        assert [event.state for event in journal.events("r") if event.kind == "program"] == ["finished"] * len(PROGRAMS)


async def test_a_replay_needs_no_sandbox(tmp_path: Path, box: Box) -> None:
    class Absent:
        name, boundary, limits = box.name, box.boundary, box.limits

        async def interpreter(self) -> Any:
            raise AssertionError("a replay runs nothing")

    absent: Any = Absent()
    with Journal(tmp_path / "j.db") as journal:
        first = await clew.run(notebook_graph(box, PROGRAMS), "t", journal=journal, run_id="r")
        seen = await clew.replay("r", journal=journal, graph=notebook_graph(absent, PROGRAMS))
    assert seen.same and seen.answer.text == first.text


async def test_the_budget_of_code_runs_holds(tmp_path: Path, box: Box) -> None:
    with Journal(tmp_path / "j.db") as journal:
        graph = notebook_graph(box, PROGRAMS)
        answer = await clew.run(graph, "t", journal=journal, run_id="r", budget=Budget(code_runs=2))
        assert answer.status == "budget"
        assert [event.state for event in journal.events("r")] == ["finished", "finished", "refused"]


async def test_a_session_that_cannot_be_rebuilt_is_a_failed_sandbox(box: Box) -> None:
    notebook = session(box, [{"program": "import os; os._exit(1)", "kept": True, "said": ""}])
    with pytest.raises(SandboxFailed, match="could not be rebuilt: its program 1"):
        await notebook.run("print(1)")


async def test_what_a_program_puts_in_place_of_the_system_does_not_stop_the_session(box: Box) -> None:
    broken = "import os, sys\nos.read = os.write = os.getpid = None\nsys.stdout.flush = None\nsys.excepthook = None"
    assert (await outputs(box, "x = 5", broken, "print(x)"))[2] == "5\n"


@pytest.mark.parametrize(
    "program",
    [
        "import sys, io\nprint('seen')\nsys.stdout = sys.stderr = io.StringIO()\nraise ValueError(1)",
        "import sys\nprint('seen')\nsys.stdout.close(); sys.stderr = sys.__stdout__ = None",
        "import sys, io\nprint('seen', end='\\n')\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())",
        "import os\nprint('seen')\nfor number in range(3): os.close(number)",
        "import os\nprint('seen')\nnull = os.open(os.devnull, os.O_RDWR)\nfor n in range(3): os.dup2(null, n)",
        "import contextlib, io\nprint('seen')\ncontextlib.redirect_stdout(io.StringIO()).__enter__()",
    ],
)
async def test_a_program_finds_its_streams_whatever_the_one_before_did(program: str, box: Box) -> None:
    async with session(box) as notebook:
        await notebook.run("x = 42")
        first = await notebook.run(program)
        assert first.stdout == "seen\n" and not first.lost
        after = await notebook.run(
            "import os, sys\nprint(x)\nprint('oh', file=sys.stderr)\nos.write(1, b'raw')\ninput()"
        )
        assert (after.stdout, after.stderr.partition("\n")[0]) == ("42\nraw", "oh")
        assert after.stderr.endswith("EOFError: EOF when reading a line\n") and not after.lost


async def test_what_was_printed_before_a_redirection_belongs_to_its_own_program(box: Box) -> None:
    printed = "import sys, io\nprint('half', end='')\nsys.stdout = io.StringIO()"
    assert await outputs(box, printed, "print('next')") == ["half", "next\n"]
    assert (await box.run(printed)).stdout == "half"
