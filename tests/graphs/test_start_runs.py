"""START over whole runs: thirty problems, kills, replay, budgets, a sandbox that fails, a chain with two tools."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import SandboxFailed
from clew.graphs import start
from clew.journal import Journal, current, replay
from clew.sandbox import Box, Execution, Interpreter, Limits, Protection
from clew.testing import Reply, Request, Rule
from clew.testing.kills import Killer, die, run_killed
from tests.graphs.start_words import DOUBT, closing, compute, outputs, problem, process_box
from tests.graphs.test_search_o1 import Outcome, transports
from tests.graphs.words import TRANSPORTS, Transport, sent

pytestmark = pytest.mark.anyio

DOCKER = pytest.param("docker", marks=pytest.mark.docker)


def new_box(kind: str) -> Box:
    if kind == "process":
        return process_box()
    from tests.sandbox.conftest import new_box as docker_box

    return docker_box("docker")


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = new_box("process")
    yield made
    asyncio.run(made.close())


async def solve(graph: Any, tmp_path: Path, task: Any = None, run_id: str = "run", **options: Any) -> Outcome:
    with Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(graph, task or problem(), journal=journal, run_id=run_id, **options)
        return Outcome(answer, journal)


# Thirty problems: one program, then five that need an earlier one, then five that repair an error ------------------

ONE = """\
print(sum(n * n for n in range(1, 1001)))
print(len([n for n in range(2, 5_000) if all(n % d for d in range(2, int(n**0.5) + 1))]))
print(pow(7, 12_345, 1_000_007))
print(sum(map(int, str(2**1000))))
from math import gcd; print(gcd(123_456_789, 987_654_321))
from math import comb; print(comb(40, 17))
print(max(n for n in range(1, 200_000) if str(n) == str(n)[::-1] and n % 13 == 0))
from itertools import permutations; print(sum(1 for p in permutations(range(7)) if all(p[i] != i for i in range(7))))
a, b = 0, 1; exec('for _ in range(90): a, b = b, a + b'); print(a)
print(sum(1 for n in range(10_000) if '7' in str(n)))
from fractions import Fraction; print(sum(Fraction(1, n) for n in range(1, 21)).numerator)
print(sum(d for d in range(1, 72_072) if 72_072 % d == 0))
print(next(n for n in range(1, 10**6) if n * n % 1_000_003 == 4_004))
print(int('101101110', 2) * int('777', 8) ^ 0xBEEF)
print(sum(1 for x in range(-40, 41) for y in range(-40, 41) if x * x + y * y <= 1600))
print(len({a**b for a in range(2, 60) for b in range(2, 60)}))
print(sum(n for n in range(100_000) if bin(n).count('1') == 9))
from functools import reduce; print(reduce(lambda s, c: (s * 131 + ord(c)) % 1_000_000_007, 'labyrinth', 0))
print(sum(1 for n in range(1, 1000) if sum(d for d in range(1, n) if n % d == 0) > n))
import datetime as d; print((d.date(2024, 2, 29) - d.date(1789, 7, 14)).days)""".splitlines()
STATE = [
    ("squares = [n * n for n in range(300)]", "print(sum(squares[::7]))"),
    ("def f(n):\n    return n if n < 2 else f(n - 1) + 2 * f(n - 2)", "print(f(17))"),
    ("import random\nrandom.seed(5)\ndraws = [random.randrange(1000) for _ in range(50)]", "print(sum(draws))"),
    (
        "class Heap(list):\n    def top(self):\n        return max(self)\nheap = Heap([3, 91, 17])",
        "print(heap.top() ** 5)",
    ),
    ("table = {n: n**3 % 97 for n in range(97)}", "print(sum(k * v for k, v in table.items()))"),
]
REPAIRED = [
    ("print(sum(rang(501)))", "print(sum(range(501)))"),
    ("n = 3 ** 33\nprint(n / 0)", "print(n % 1009)"),
    ("print(int('12x'))", "print(int('12') ** 9)"),
    ("print([1, 2, 3][7])", "print(sum([1, 2, 3]) ** 13)"),
    ("import maths\nprint(maths.factorial(12))", "import math\nprint(math.factorial(12))"),
]
CHAINS = [(program,) for program in ONE] + STATE + REPAIRED


@cache
def expected(chain: tuple[str, ...]) -> str:
    """The last number that the chain's programs print, computed here."""
    said: list[str] = []
    names: dict[str, Any] = {"print": lambda value: said.append(str(value))}
    for program in chain:
        try:
            exec(program, names)  # noqa: S102  # they stand above
        except Exception:
            continue
    return said[-1]


def script(by: Transport, chain: tuple[str, ...]) -> Any:
    """A reply to every request of one problem, by how many outputs it has read: also to a request that comes again."""
    steps = [compute(by, program) for program in chain]
    return lambda request: steps[n] if (n := outputs(by, request)) < len(steps) else closing(by, "(?m)^-?\\d+")


def rules(by: Transport) -> list[Rule]:
    return [Rule(f"Problem {number:02}\\.", script(by, chain)) for number, chain in enumerate(CHAINS)]


def task_of(number: int) -> Any:
    return problem(f"Problem {number:02}.", id=f"p{number:02}")


COMPLETION, PREFILL, TOOLS = TRANSPORTS
LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("kind", "by"),
    [
        pytest.param("docker", COMPLETION, marks=pytest.mark.docker, id="docker-completion"),
        pytest.param("docker", PREFILL, marks=[pytest.mark.docker, LONG], id="docker-prefill"),
        pytest.param("docker", TOOLS, marks=[pytest.mark.docker, LONG], id="docker-tools"),
        pytest.param("process", COMPLETION, marks=LONG, id="process-completion"),
        pytest.param("process", PREFILL, marks=LONG, id="process-prefill"),
        pytest.param("process", TOOLS, id="process-tools"),
    ],
)
async def test_thirty_problems_are_solved_by_what_the_programs_print(kind: str, by: Transport, tmp_path: Path) -> None:
    assert len(CHAINS) == 30
    with by.server(*rules(by)) as server, Journal(tmp_path / "j.db") as journal:
        async with new_box(kind) as box:
            graph = start(by.model(server), box, hint_rounds=0)
            for number, chain in enumerate(CHAINS):
                answer = await clew.run(graph, task_of(number), journal=journal, run_id=f"r{number:02}")
                assert (answer.text, answer.status) == (expected(chain), "ok"), (number, answer)


def kill_in_each(by: Transport, kind: str, folder: Path, numbers: range) -> None:
    """Every problem is killed after its first program, and goes on in a new process."""
    with by.server(*rules(by)) as server:

        async def all_of_them() -> None:
            async with new_box(kind) as box:
                graph = start(by.model(server), box, hint_rounds=0)
                with Journal(folder / "j.db") as journal:
                    for number in numbers:
                        mark = folder / f"killed{number}"

                        def watch(event: Mapping[str, Any], mark: Path = mark) -> None:
                            if event["event"] == "finished" and event["kind"] == "program" and not mark.exists():
                                mark.touch()
                                die()

                        run = f"r{number:02}"
                        answer = await clew.run(graph, task_of(number), journal=journal, run_id=run, watch=watch)
                        (folder / f"answer{number}").write_text(answer.text)

        killer = Killer()
        for _ in numbers:
            assert run_killed(lambda: asyncio.run(all_of_them()), killer)
        assert not run_killed(lambda: asyncio.run(all_of_them()), killer)
    for number in numbers:
        assert (folder / f"answer{number}").read_text() == expected(CHAINS[number])
    with Journal(folder / "j.db") as journal:
        for number in numbers:
            events = list(journal.events(f"r{number:02}"))
            assert len([event for event in events if event.kind == "program"]) == len(CHAINS[number])
            rebuilt = [event for event in events if event.kind == "session_rebuilt"]
            assert len(rebuilt) == (len(CHAINS[number]) > 1)


def test_killed_in_a_session_a_problem_ends_the_same(tmp_path: Path) -> None:
    kill_in_each(COMPLETION, "process", tmp_path, range(19, 30, 2))


@LONG
@pytest.mark.parametrize("kind", [DOCKER, "process"])
@pytest.mark.parametrize("by", [pytest.param(by, id=by.name) for by in TRANSPORTS])
def test_killed_in_a_session_each_of_the_thirty_ends_the_same(by: Transport, kind: str, tmp_path: Path) -> None:
    kill_in_each(by, kind, tmp_path, range(30))


class Broken:
    """A sandbox that fails, as one without its Engine."""

    name, boundary, limits = "process", False, Limits()

    def __init__(self, like: Box | None = None) -> None:
        if like is not None:
            self.name, self.limits = like.name, like.limits

    async def interpreter(self) -> Interpreter:
        raise SandboxFailed("the Docker Engine does not answer")

    async def run(self, *arguments: Any, **options: Any) -> Execution:
        raise NotImplementedError

    async def run_command(self, *arguments: Any, **options: Any) -> Execution:
        raise NotImplementedError

    async def protections(self) -> list[Protection]:
        raise NotImplementedError

    async def close(self) -> None: ...


@pytest.mark.parametrize("by", [pytest.param(by, id=by.name) for by in TRANSPORTS])
async def test_without_the_sandbox_all_thirty_fail(by: Transport, tmp_path: Path) -> None:
    with by.server(*rules(by)) as server, Journal(tmp_path / "j.db") as journal:
        graph = start(by.model(server), Broken(), hint_rounds=0)
        for number in range(len(CHAINS)):
            answer = await clew.run(graph, task_of(number), journal=journal, run_id=f"r{number:02}")
            assert (answer.text, answer.status) == ("", "error") and "does not answer" in answer.stop_reason


@transports()
async def test_a_failed_sandbox_is_no_failed_program_and_the_run_goes_on_later(
    by: Transport, box: Box, tmp_path: Path
) -> None:
    with by.server(compute(by, "print(6 * 7)"), closing(by)) as server, Journal(tmp_path / "j.db") as journal:
        model = by.model(server)
        first = await clew.run(start(model, Broken(box), hint_rounds=0), problem(), journal=journal, run_id="r")
        assert first.status == "error" and "SandboxFailed: the Docker Engine does not answer" in first.stop_reason
        graph = start(model, box, hint_rounds=0)
        then = await clew.run(graph, problem(), journal=journal, run_id="r", retry=["failed"])
        assert (then.text, then.status) == ("42", "ok") and len(server.requests) == 2


@transports()
async def test_what_came_after_a_hint_is_noted_once_when_it_is_known(by: Transport, box: Box, tmp_path: Path) -> None:
    replies = "So \\boxed{40}.", compute(by, "print(6 * 7)"), closing(by)
    with by.server(*replies) as server, Journal(tmp_path / "j.db") as journal:
        model = by.model(server)
        graph = start(model, Broken(box), hints=[DOUBT])
        first = Outcome(await clew.run(graph, problem(), journal=journal, run_id="run"), journal)
        assert first.answer.status == "error" and not first.notes("answer_after_hint")
        graph = start(model, box, hints=[DOUBT])
        then = Outcome(await clew.run(graph, problem(), journal=journal, run_id="run", retry=["failed"]), journal)
        [record] = then.notes("answer_after_hint")
        assert then.answer.text == "42" and (record["before"], record["after"]) == ("40", "42")


# Kills and replay -------------------------------------------------------------------------------------------------

KILLED = ("import random\nxs = [random.random() for _ in range(5)]\nn = len(xs)\nprint(n)", "m = n * 8\nprint(m)",
          "print(m + 2)")  # fmt: skip


def conversation(journal: Journal, run: str) -> list[dict[str, Any]]:
    """The transcript of the last model call of a run, written out."""
    last = [event for event in journal.events(run) if event.kind == "model" and event.state == "finished"][-1]
    messages = journal.transcript(last.request["transcript"]["transcript"]).messages()
    return [*messages, {"role": "assistant", "content": last.outcome["text"]}]


def without_ids(messages: Any) -> Any:
    """Ids of calls are made up by the server."""
    if isinstance(messages, list):
        return [without_ids(one) for one in messages]
    if isinstance(messages, dict):
        return {key: without_ids(value) for key, value in messages.items() if key not in ("id", "tool_call_id")}
    return messages


@pytest.mark.parametrize("kind", [DOCKER, "process"])
@transports()
def test_20_a_crash_after_the_second_program_gives_the_same_transcript(
    by: Transport, kind: str, tmp_path: Path
) -> None:
    hint = "I should say it."
    rule = Rule(lambda request: True, script(by, KILLED))
    with by.server(rule) as server:

        def work(run: str, after: int | None) -> None:
            programs = 0

            def watch(event: Mapping[str, Any]) -> None:
                nonlocal programs
                programs += event["event"] == "finished" and event["kind"] == "program"
                if programs == after:
                    die()

            async def one() -> None:
                async with new_box(kind) as made:
                    graph = start(by.model(server), made, hints=[DOUBT], hint_rounds=0)
                    with Journal(tmp_path / "j.db") as journal:
                        await clew.run(graph, problem(hint), journal=journal, run_id=run, watch=watch)

            asyncio.run(one())

        killer = Killer()
        assert not run_killed(lambda: work("whole", None), killer)
        assert run_killed(lambda: work("killed", 2), killer)
        assert not run_killed(lambda: work("killed", None), killer)
    with Journal(tmp_path / "j.db") as journal:
        whole, killed = conversation(journal, "whole"), conversation(journal, "killed")
        assert without_ids(whole) == without_ids(killed) and "boxed{42}" in whole[-1]["content"]
        events = list(journal.events("killed"))
        assert len([event for event in events if event.kind == "program"]) == 3
        [rebuilt] = [event.request for event in events if event.kind == "session_rebuilt"]
        assert rebuilt["programs"] == 2


@transports()
async def test_strict_replay_needs_no_sandbox_and_no_server(by: Transport, box: Box, tmp_path: Path) -> None:
    with by.server("It is \\boxed{40}.", compute(by, "x = 6"), compute(by, "print(x * 7)"), closing(by)) as server:
        done = await solve(start(by.model(server), box, hints=[DOUBT]), tmp_path)
        assert done.answer.text == "42"
        model = by.model(server)
    with Journal(tmp_path / "j.db") as journal:
        again = await replay("run", journal=journal, graph=start(model, Broken(box), hints=[DOUBT]))
        assert again.same and not again.unused


@transports()
async def test_interpreters_end_with_their_question(by: Transport, box: Box, tmp_path: Path) -> None:
    from clew.sandbox.sessions import interpreters

    with by.server(compute(by, "print(6 * 7)"), closing(by)) as server:
        await solve(start(by.model(server), box, hint_rounds=0), tmp_path)
        assert not interpreters(box)._parked


# Limits -----------------------------------------------------------------------------------------------------------


@transports()
async def test_a_budget_of_code_runs_ends_with_the_best_answer(by: Transport, box: Box, tmp_path: Path) -> None:
    replies = [compute(by, "print(6)"), compute(by, "print(7)"), closing(by, before="So far")]
    with by.server(*replies) as server:
        done = await solve(start(by.model(server), box), tmp_path, budget=clew.Budget(code_runs=1))
        assert (done.answer.text, done.answer.status, done.answer.stop_reason) == ("6", "budget", "code_runs")


@transports()
async def test_a_budget_of_model_calls_ends_with_the_best_answer(by: Transport, box: Box, tmp_path: Path) -> None:
    with by.server(compute(by, "print(6)"), closing(by)) as server:
        done = await solve(start(by.model(server), box), tmp_path, budget=clew.Budget(model_calls=2))
        assert (done.answer.text, done.answer.status, done.answer.stop_reason) == ("6", "budget", "model_calls")


@transports()
async def test_the_turn_cap_leaves_one_closing_call(by: Transport, box: Box, tmp_path: Path) -> None:
    with by.server(compute(by, "print(6)"), closing(by)) as server:
        done = await solve(start(by.model(server), box, max_turns=1), tmp_path)
        assert (done.answer.text, done.answer.status) == ("6", "turn_cap")


# Every server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [pytest.param(by, id=by.name) for by in TRANSPORTS])
async def test_the_transport_is_found_and_named(by: Transport, box: Box, tmp_path: Path) -> None:
    def reply(request: Request) -> Any:
        if "Which number" not in sent(request):
            return Reply(text="mps over the lazy dog.", fresh="The quick brown fox jumps over the lazy dog.")
        return closing(by) if outputs(by, request) else compute(by, "print(6 * 7)")

    with by.server(reply) as server:
        model = by.model(server, capabilities=None)
        done = await solve(start(model, box, hint_rounds=0), tmp_path, problem("Which number?"))
        assert [note["transport"] for note in done.notes("transport")] == [by.name]
        assert done.answer.text == "42"


@transports()
async def test_steps_lead_to_the_same_answer(by: Transport, box: Box) -> None:
    from clew.journal.runs import _run

    with by.server("It is \\boxed{40}.", compute(by, "print(6 * 7)"), closing(by)) as server:
        steps = start(by.model(server), box, hints=[DOUBT]).steps
        assert steps is not None
        token = _run.set(current())
        try:
            state, taken = await steps.start(problem()), 0
            while steps.answer(state) is None:
                state, taken = await steps.step(state), taken + 1
            answer = steps.answer(state)
        finally:
            _run.reset(token)
        assert taken == 3 and answer is not None and answer.text == "42"


async def test_the_nodes_are_those_of_the_method(box: Box) -> None:
    by = TRANSPORTS[0]
    with by.server("\\boxed{40}", compute(by, "print(6 * 7)"), closing(by)) as server:
        graph = start(by.model(server), box, hints=[DOUBT])
        updates = [u async for u in graph.astream({"task": {"prompt": "?", "kind": "math"}}, stream_mode="updates")]
        nodes = [next(iter(update)) for update in updates]
        assert nodes == ["start", "generate", "hint", "generate", "python", "generate", "finish"]
