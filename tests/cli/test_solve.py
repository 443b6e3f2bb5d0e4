"""`clew solve`: programs in the sandbox, samples, limits, kills, and a sandbox that is not there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.sandbox.engine import LABEL, OWNER, connect
from clew.testing import Faulty, Reply, ScriptedServer, Template, vllm
from tests.sandbox.conftest import image

from .conftest import PROBE, Clew, at, events, process, run_id

PROBLEM = "What is the sum of the squares of the first ten numbers?"
SUM = "print(sum(n * n for n in range(1, 11)))"
PROCESS = ("--sandbox", "process")
# The last words hold what the program printed: without the sandbox there would be no answer.
CLOSING = Template("So it is \\boxed{ {{- prompt | after('```output\n') | find('-?\\d+') -}} }.")


def program(text: str, thought: str = "I will compute it.") -> Reply:
    return Reply(text=f"{thought}\n```python\n{text}\n```\nThat is surely \\boxed{{too early}}.")


def script(*own: Any) -> list[Any]:
    return [PROBE, *own]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(script(program(SUM), CLOSING), features=vllm) as running:
        yield running


def solving(server: ScriptedServer, *more: object) -> list[object]:
    return ["solve", PROBLEM, *at(server), "--hint-rounds", 0, *PROCESS, *more]


def test_a_problem_is_solved_by_what_a_program_printed(clew: Clew, server: ScriptedServer) -> None:
    result = clew(*solving(server))
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == "385" and "385" in result.err
    assert [word for word in ("probe", "model", "program") if word in result.err] == ["probe", "model", "program"]
    assert f"{SUM} → 385" in result.err and "no boundary" not in result.err
    shown = clew("show", run_id(result)).out
    assert f"{SUM} → 385" in shown
    server.assert_done()


def test_without_programs_there_is_no_answer(clew: Clew) -> None:
    with ScriptedServer(script(program(SUM), "Then I cannot say.", "I cannot."), features=vllm) as server:
        result = clew(*solving(server), "--max-programs", 0)
    assert result.code == 1 and "no answer was found" in result.err and "program " not in result.err


def test_json_and_a_problem_from_stdin(clew: Clew, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(PROBLEM + "\n"))
    (data,) = clew("solve", "-", *solving(server, "--json")[2:]).objects
    assert (data["status"], data["answer"], data["sources"]) == ("ok", "385", []) and "samples" not in data
    assert data["model_calls"] == 2 and server.requests[-1].prompt.count(PROBLEM) == 1


def test_the_options_of_the_method_reach_it_wherever_it_stands(clew: Clew) -> None:
    replies = [program("print(6)"), program("print(7)"), "", "And now? \\boxed{7}"]
    with ScriptedServer(script(*replies), features=vllm) as server:
        result = clew(*solving(server, "--method", "vote(start, n=1)", "--max-programs", 1))
    assert result.code == 0 and result.err.count("program ") == 1
    refused = clew(*solving(server, "--method", "cot")[:-4], "--max-programs", 1, "--method", "cot")
    assert refused.code == 2 and "--max-programs means nothing to cot" in refused.err


# Programs as answers -----------------------------------------------------------------------------------------------

DOUBLE = "print(2 * int(input()))"
SAMPLES = [{"input": "4\n", "output": "8\n"}, {"input": "-1\n", "output": "-2\n"}]


def coding(server: ScriptedServer, here: Path, *more: object) -> list[object]:
    (here / "samples.json").write_text(json.dumps(SAMPLES))
    task = "Read a number and print its double."
    own = ["--kind", "code", "--samples", "samples.json", "--hint-rounds", 0, *PROCESS]
    return ["solve", task, *at(server), *own, *more]


def test_a_program_is_tried_on_its_samples_and_written(clew: Clew, here: Path) -> None:
    with ScriptedServer(script(program(DOUBLE), "That is it."), features=vllm) as server:
        result = clew(*coding(server, here, "--out", "double.py"))
    assert result.code == 0, result.err
    assert result.out.startswith(DOUBLE) and "2 of 2 samples passed" in result.out
    assert (here / "double.py").read_text() == DOUBLE + "\n"
    again = clew("resume", run_id(result), "--json")
    assert again.objects[0]["samples"] == {"passed": 2, "untried": 0, "of": 2}
    assert clew("replay", run_id(result)).code == 0


def test_a_program_that_fails_a_sample_ends_with_1(clew: Clew, here: Path) -> None:
    with ScriptedServer(script(program("print(abs(2 * int(input())))"), "That is it."), features=vllm) as server:
        (data,) = (result := clew(*coding(server, here, "--json"))).objects
    assert result.code == 1 and data["status"] == "ok" and data["samples"]["passed"] == 1


CODE = f"```python\n{DOUBLE}\n```"


def test_samples_that_could_not_be_tried_are_no_passed_ones(
    clew: Clew, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with ScriptedServer(script(CODE), features=vllm) as server:
        asked = [*coding(server, here)[:-4], "--method", "cot", "--sandbox", "docker"]
        result = clew(*asked)
        assert result.code == 5 and "samples not tried" in result.out and result.out.startswith(DOUBLE)
        last = result.err.splitlines()[-1]
        assert "the samples could not be tried (no Docker Engine answers" in last
        assert last.endswith(f"clew resume {run_id(result)} --retry failed")
        again = clew("resume", run_id(result), "--json")
    assert again.code == 5 and again.objects[0]["samples"] == {"passed": None, "untried": 2, "of": 2}


def test_some_samples_that_could_not_be_tried_are_counted_apart(
    clew: Clew, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [*SAMPLES, {"input": "1", "output": "3"}, {"input": "x" * (65 << 20), "output": ""}]
    monkeypatch.setattr("tests.cli.test_solve.SAMPLES", samples)
    with ScriptedServer(script(CODE), features=vllm) as server:
        result = clew(*[word for word in coding(server, here, "--method", "cot") if word not in ("--hint-rounds", 0)])
    assert result.code == 1 and "2 of 4 samples passed, 1 not tried" in result.out
    assert "some samples could not be tried (the files for the sandbox have more than" in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--kind", "essay"], "--kind = 'essay' is unknown"),
        (["--samples", "none.json", "--kind", "code"], "cannot be read"),
        (["--samples", "list.json", "--kind", "code"], "where a sample belongs"),
        (["--samples", "list.json"], "give --kind code"),
        (["--samples", "empty.json", "--kind", "code"], "'empty.json' holds no sample: give a JSON list"),
        (["--out", "no/where.py"], "a folder that exists"),
        (["--method", "strat"], "did you mean 'start'?"),
        (["--sandbox", "cellar"], "sandbox='cellar' is unknown"),
        (["--max-programs", "-1"], "--max-programs = -1 makes no sense"),
        (["--hint-rounds", "-2"], "--hint-rounds = -2 makes no sense"),
    ],
)
def test_mistakes_are_one_sentence(clew: Clew, here: Path, arguments: list[str], what: str) -> None:
    (here / "list.json").write_text('[{"input": 3}]')
    (here / "empty.json").write_text("[]")
    result = clew("solve", PROBLEM, "--model", "openai/m", "--api-base", "http://127.0.0.1:9/v1", *arguments)
    assert result.code == 2 and what in result.err.splitlines()[-1] and "Traceback" not in result.err


def test_without_a_model_it_says_how_to_name_one(clew: Clew) -> None:
    result = clew("solve", PROBLEM)
    assert result.code == 2 and "no model is configured" in result.err


# Endings -----------------------------------------------------------------------------------------------------------


def test_a_limit_ends_with_4_and_a_higher_one_goes_on(clew: Clew, server: ScriptedServer) -> None:
    result = clew(*solving(server, "--budget-tokens", 600, "--max-tokens", 300))
    assert result.code == 4 and "--budget-tokens N" in result.err
    more = clew("resume", run_id(result), "--budget-tokens", 100_000)
    assert more.code == 0 and more.out.startswith("385")


def test_what_failed_at_the_server_is_tried_again_in_the_same_session(clew: Clew) -> None:
    replies = [program("n = 6 * 7"), Faulty("auth", then=program("print(n)")), CLOSING]
    with ScriptedServer(script(*replies), features=vllm) as server:
        result = clew(*solving(server))
        assert result.code == 5 and f"clew resume {run_id(result)}" in result.err.splitlines()[-1]
        again = clew("resume", run_id(result))
    assert again.code == 0 and again.out.startswith("42") and "taken from the journal at no cost" in again.err
    assert clew("replay", run_id(result)).code == 0


def test_without_an_engine_auto_says_so_in_one_line(
    clew: Clew, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    result = clew(*solving(server), "--sandbox", "auto")
    assert result.code == 0 and result.out.startswith("385")
    (line,) = [line for line in result.err.splitlines() if "no Docker Engine answers" in line]
    assert line.startswith("clew: ") and "no boundary" in line
    # It stays what it came to be, whether an Engine answers later or not.
    monkeypatch.delenv("DOCKER_HOST")
    again = clew("resume", run_id(result))
    assert again.code == 0 and "no boundary" not in again.err


@pytest.mark.docker
def test_a_run_whose_engine_was_gone_goes_on_when_it_is_back(
    clew: Clew, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = image()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    result = clew(*solving(server), "--sandbox", "docker", "--image", there)
    id = run_id(result)
    assert result.code == 5 and result.out.startswith(f"run {id} ") and "Traceback" not in result.err
    last = result.err.splitlines()[-1]
    assert "no Docker Engine answers" in last and "SandboxFailed" not in last and f"clew resume {id}" in last
    still = clew("resume", id)
    assert still.code == 5 and server.count == 2
    monkeypatch.delenv("DOCKER_HOST")
    then = clew("resume", id)
    assert then.code == 0 and then.out.startswith("385") and server.count == 3
    assert clew("replay", id).code == 0 and not containers(os.getpid())


@pytest.mark.docker
def test_a_run_whose_image_was_missing_goes_on_when_it_is_there(clew: Clew, server: ScriptedServer) -> None:
    tag = f"clew-test-{os.getpid()}"
    result = clew(*solving(server), "--sandbox", "docker", "--image", tag)
    assert result.code == 5 and tag in result.err.splitlines()[-1] and server.count == 2
    try:
        subprocess.run(["docker", "tag", image(), tag], check=True, capture_output=True)
        then = clew("resume", run_id(result))
        assert then.code == 0 and then.out.startswith("385")
    finally:
        subprocess.run(["docker", "rmi", "--no-prune", tag], capture_output=True)


# Kills -------------------------------------------------------------------------------------------------------------


def containers(pid: int) -> list[str]:
    """The sandbox containers that process `pid` has started."""
    client = connect()
    try:
        found = client.containers(all=True, filters={"label": LABEL})
    finally:
        client.close()
    return [one["Id"] for one in found if json.loads(one["Labels"].get(OWNER, "{}")).get("pid") == pid]


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def _default_sigint() -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.docker
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_killed_in_a_session_it_leaves_no_container_and_goes_on(clew: Clew, here: Path, how: signal.Signals) -> None:
    replies = [program("n = 6 * 7"), Reply(fault="hang"), program("print(n)"), CLOSING]
    with ScriptedServer(script(*replies), features=vllm) as server:
        command = [*solving(server), "--sandbox", "docker", "--image", image()]
        running = process(*command, cwd=here, preexec_fn=_default_sigint)
        try:
            server.wait_for(3)
            assert len(containers(running.pid)) >= 1
            running.send_signal(how)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
            running.communicate()
        (run,) = clew("runs", "--json").objects
        assert run["status"] == "stopped" and out == "" and "Traceback" not in err
        if how == signal.SIGINT:
            assert running.returncode == 130 and f"clew resume {run['run']}" in err.splitlines()[-1]
        wait_until(lambda: not containers(running.pid))
        result = clew("resume", run["run"])
        assert result.code == 0 and result.out.startswith("42")
    assert [state for kind, state in events(here / ".clew" / "journal.db") if kind == "program"] == ["finished"] * 2
    assert clew("replay", run["run"]).code == 0
