"""math-verify in a process of its own: what is equal, what is hostile, and a worker that dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clew.errors import ConfigError
from clew.scoring import Mathematics, Verdict
from clew.scoring.mathematics import _worker, equal
from clew.task import Answer, Task

ENDLESS = r"9^{9^{9^9}}"
SLOW = r"\sum_{i=1}^{10^9} \frac{1}{i}"


async def judge(gold: str | list[str], answer: str, seconds: float = 20.0) -> Verdict:
    golds = [gold] if isinstance(gold, str) else gold
    task = Task(id="t", prompt="?", kind="math")
    (verdict,) = await Mathematics({"t": golds}, seconds).score(task, [Answer(text=answer)])
    return verdict


def worker_pid() -> int:
    process = _worker()._process
    assert process is not None
    return process.pid


EQUAL = [
    ("1/2", r"\frac{1}{2}"), (r"\frac12", "0.5"), ("0.5", r"50\%"), ("50", "50%"), (r"\frac{1}{2}", r"\dfrac12"),
    ("1,234", "1234"), ("1234", "1{,}234"), (r"2\sqrt{3}", r"\sqrt{12}"), ("x^2+2x+1", "(x+1)^2"), ("5", "x = 5"),
    ("x=5", "5"), ("3+2i", "2i+3"), ("[1, 2)", "[1,2)"), (r"\{1,2\}", r"\{2, 1\}"), (r"(-\infty, 3]", r"(-\infty,3]"),
    (r"\text{even}", "even"), (r"90^\circ", "90"), ("10", r"10\text{ cm}"), ("6", "$6"), ("1/3", "0.333333"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"), (r"x^2", r"\int_0^x 2t\,dt"),
]  # fmt: skip

DIFFERENT = [
    ("1/2", "2"), ("1/3", "0.33"), ("(1,2)", "[1,2]"), ("[1,2)", "(1,2]"), (r"\{1,2\}", r"\{1,3\}"), ("3", r"3\pi"),
    ("2", "2x"), ("x+1", "y+1"), (r"\text{even}", r"\text{odd}"), ("1234", "12345"), ("5", "-5"),
    ("7", "I am not sure, 8"),
]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(("gold", "answer"), EQUAL)
async def test_equal_forms(gold: str, answer: str) -> None:
    verdict = await judge(gold, answer)
    assert (verdict.value, verdict.label) == (1.0, "right")


@pytest.mark.anyio
@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
async def test_different_values(gold: str, answer: str) -> None:
    verdict = await judge(gold, answer)
    assert (verdict.value, verdict.label) == (0.0, "wrong")


@pytest.mark.anyio
async def test_any_gold_will_do() -> None:
    assert (await judge(["1/2", r"\sqrt{8}"], r"2\sqrt2")).label == "right"


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [ENDLESS, SLOW, "(" * 2_000 + "1" + ")" * 2_000, "10000000!", "{" * 1_000])
async def test_what_cannot_be_judged_in_time_is_unknown_and_the_next_is_judged(answer: str) -> None:
    verdict = await judge("1", answer, seconds=0.7)
    assert (verdict.value, verdict.label) == (None, "unknown")
    assert (await judge("2", r"\sqrt4")).label == "right"


@pytest.mark.anyio
async def test_an_unjudged_gold_does_not_hide_a_right_one() -> None:
    assert (await judge([ENDLESS, "7"], "x = 7", seconds=3)).label == "right"
    assert (await judge([ENDLESS, "7"], "x = 8", seconds=1)).label == "unknown"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    ["noise " * 5_000, "\x00\n\u2028", "$", r"\boxed{", "9**9**9", "}{", "\\", "1=" * 300, "\ud83d"],
)  # fmt: skip
async def test_noise_is_never_right(answer: str) -> None:
    assert (await judge("1", answer, seconds=2)).label != "right"


@pytest.mark.anyio
async def test_model_text_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    attack = f"__import__('os').system('touch {trace}')"
    for text in (attack, f"$({attack})$", f"1+{attack}", rf"\boxed{{{attack}}}", f"0*len(open('{trace}','w').name)"):
        assert (await judge("0", text)).label != "right"
    assert not trace.exists()


@pytest.mark.anyio
async def test_many_at_once() -> None:
    verdicts = await asyncio.gather(*(judge(str(n), rf"\frac{{{2 * n}}}{{{2 if n % 3 else 1}}}") for n in range(1, 25)))
    assert [verdict.label == "right" for verdict in verdicts] == [bool(n % 3) for n in range(1, 25)]


@pytest.mark.anyio
async def test_a_worker_that_was_killed_is_replaced() -> None:
    assert (await judge("2", r"\sqrt4")).label == "right"
    first = worker_pid()
    os.kill(first, signal.SIGKILL)
    assert (await judge("3", r"\sqrt9")).label == "right"
    assert worker_pid() != first


@pytest.mark.anyio
async def test_a_worker_that_is_killed_in_the_middle_costs_no_verdict() -> None:
    assert await equal("2", r"\sqrt4") is True
    first = worker_pid()
    os.kill(first, signal.SIGSTOP)  # it has the question and cannot answer
    asked = asyncio.create_task(equal("3", r"\sqrt9", 20))
    await asyncio.sleep(0.1)
    os.kill(first, signal.SIGKILL)
    assert await asked is True
    assert worker_pid() != first


def test_running_short_of_memory_is_unknown_and_ends_the_worker() -> None:
    code = "from clew.scoring import mathworker; mathworker.STRAINED = 1; mathworker.main()"
    for answer, found in [(r"\sqrt4", b"true"), ("3", b"null")]:
        asked = json.dumps({"gold": "2", "answer": answer, "seconds": 60}).encode() + b"\n"
        worker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(asked)
        worker.stdin.flush()
        assert worker.stdout.read().splitlines()[1:] == [b'{"equal": ' + found + b"}"]
        assert worker.wait() == 0


@pytest.mark.anyio
async def test_a_cancelled_comparison_stops() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(equal("1", SLOW, 600), 0.5)
    assert await equal("2", r"\sqrt4") is True


def test_another_event_loop_goes_on_with_the_worker() -> None:
    assert asyncio.run(equal("2", r"\sqrt4")) is True
    first = worker_pid()
    assert asyncio.run(equal("3", r"\sqrt9")) is True
    assert worker_pid() == first


def test_sympy_stays_out_of_this_process() -> None:
    code = (
        "import asyncio, sys; from clew.scoring.mathematics import equal\n"
        "assert asyncio.run(equal('2', r'\\sqrt4')) is True\n"
        "assert not {'sympy', 'math_verify', 'latex2sympy2_extended'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_worker_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-person")
    _worker().stop()
    assert asyncio.run(equal("2", r"\sqrt4")) is True
    assert b"sk-of-this-person" not in Path(f"/proc/{worker_pid()}/environ").read_bytes()
    _worker().stop()


PARENT = r"""
import asyncio, os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is started with it ignored
from clew.scoring.mathematics import _worker, equal
asyncio.run(equal("2", r"\sqrt4"))
print(_worker()._process.pid, flush=True)
if sys.argv[1] == "busy":
    asyncio.run(equal("1", r"9^{9^{9^9}}", 2))
elif sys.argv[1] == "waiting":
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("state", "end"),
    [
        ("done", None), ("waiting", signal.SIGINT), ("waiting", signal.SIGKILL), ("busy", signal.SIGINT),
        ("busy", signal.SIGKILL),
    ],
)  # fmt: skip
def test_no_orphan_is_left(state: str, end: signal.Signals | None) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, state], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    if end is not None:
        parent.send_signal(end)
    parent.wait(timeout=60)
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}/status").exists() and "(zombie)" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < until, "the worker outlived its parent"
        time.sleep(0.05)


FORK = r"""
import asyncio, os
from clew.scoring.mathematics import _worker, equal
assert asyncio.run(equal("2", r"\sqrt4")) is True
mine = _worker()._process.pid
child = os.fork()
if child == 0:
    ok = asyncio.run(equal("3", r"\sqrt9")) is True and _worker()._process.pid != mine
    _worker().stop()
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0
assert asyncio.run(equal("4", r"\sqrt{16}")) is True and _worker()._process.pid == mine
"""


def test_a_forked_process_starts_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=120)


def test_a_limit_without_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="seconds"):
        Mathematics({}, seconds=0)


def test_a_large_parent_process_makes_no_answer_unknown() -> None:
    code = """
import asyncio
from clew.scoring.mathematics import equal
held = bytearray(700 << 20)
held[::4096] = b"x" * len(held[::4096])
print(asyncio.run(equal("2", "3")), asyncio.run(equal("1/2", "0.5")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.anyio
async def test_a_gold_answer_that_is_no_mathematics_is_unknown() -> None:
    verdict = await judge(r"\frac{", "3")
    assert (verdict.value, verdict.label) == (None, "unknown")
