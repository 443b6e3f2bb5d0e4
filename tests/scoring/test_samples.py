"""Programs tried on samples: outputs as a contest compares them, long ones, long inputs, and what is no sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clew.sandbox import Box
from clew.scoring import Sample, Samples, knows_gold, run_tests
from clew.scoring.cases import SuiteReport, same_output
from clew.scoring.unit_tests import NO_CODE
from clew.task import Answer, Task
from tests.scoring.conftest import LIMITS

pytestmark = pytest.mark.anyio

TASK = Task(id="t", kind="code", prompt="Add one.")


async def tried(box: Box, program: str, test: Sample) -> SuiteReport:
    return await run_tests(box, program, [test], limits=replace(LIMITS, seconds=5))


async def test_samples_are_compared_as_a_contest_does(processes: Box) -> None:
    program = "n = int(input())\nfor i in range(n): print(i / 3, '  ')\nprint()"
    task = TASK.model_copy(update={"inputs": {"samples": [
        {"input": "1", "output": "0.0", "explanation": "0 / 3"},
        {"input": "2\n", "output": "0.0\n0.333333", "tolerance": 1e-5},
    ]}})  # fmt: skip
    scorer = Samples(processes)
    right, wrong, broken, none = await scorer.score(
        task, [Answer(text=t) for t in (program, "print(0.0)", "print(1 / 0)", "Sorry!")]
    )
    assert (right.value, right.label) == (1.0, "right")
    assert (wrong.value, wrong.label) == (0.5, "wrong")
    assert "input '2' gives '0.0\\n0.333333'  # obtained '0.0'" in wrong.feedback
    assert broken.value == 0 and "ZeroDivisionError: division by zero" in broken.feedback
    assert (none.value, none.label, none.feedback) == (0.0, "wrong", NO_CODE)
    assert not knows_gold(scorer)


async def test_a_task_without_samples_or_with_unreadable_ones_is_unknown(processes: Box) -> None:
    inputs: tuple[dict[str, Any], ...] = ({}, {"samples": []}, {"samples": [{"input": 3}]}, {"samples": "none"})
    for samples in inputs:
        task = TASK.model_copy(update={"inputs": samples})
        (verdict,) = await Samples(processes).score(task, [Answer(text="print(1)")])
        assert (verdict.value, verdict.label) == (None, "unknown")


LONG = "".join(f"{n}\n" for n in range(20_000))


async def test_a_long_output_is_compared_whole_or_not_at_all(processes: Box) -> None:
    count = "for i in range(int(input())): print(i)"
    noisy = f"import sys\nprint('x' * 300_000, file=sys.stderr)\n{count}"
    other = count.replace("print(i)", "print(i if i != 10_000 else 77_777)")
    test = Sample(input="20000", output=LONG)
    for program, expected in ((count, "passed"), (noisy, "passed"), (other, "failed")):
        assert (await tried(processes, program, test)).outcomes == (expected,)
    (endless,) = (await tried(processes, "while True: print(1)", Sample(input="", output="1"))).results
    assert endless.outcome == "failed"
    (cut,) = (await tried(processes, "print('1' + ' ' * 70_000)", Sample(input="", output="1"))).results
    assert cut.outcome == "failed" and cut.detail == "it wrote more than 65536 bytes"


async def test_a_long_input_goes_in_as_a_file(processes: Box) -> None:
    size = (4 << 20) + 1
    program = "import sys\nif __name__ == '__main__': print(len(input()), sys.stdin.read())"
    test = Sample(input=f"{'x' * size}\nend", output=f"{size} end")
    assert (await tried(processes, program, test)).all_passed
    (wrong,) = (await tried(processes, "print(1 / 0)", test)).results
    assert wrong.outcome == "failed" and wrong.detail == "ZeroDivisionError: division by zero"
    (huge,) = (await tried(processes, program, Sample(input="x" * (LIMITS.disk + 1), output=""))).results
    assert huge.outcome == "error" and "Limits(disk=...)" in huge.detail


@pytest.mark.parametrize(
    ("given", "expected", "tolerance", "equal"),
    [
        ("1\n2\n\n", "1\n2", None, True), ("1 2", "1  2", None, False), ("1\r\n2", "1\n2 ", None, True),
        (" 1", "1", None, False), ("1.0", "1", None, False), ("1.0", "1", 0.0, True), ("a 1.0001", "a 1", 1e-3, True),
        ("1 2", "1 2 3", 1e-3, False), ("b 1", "a 1", 1e-3, False), ("", "", None, True), ("nan", "1", 0.1, False),
        ("inf", "1", 0.1, False), ("1", "inf", 0.1, False), ("inf", "inf", 0.1, True), ("105", "100", 0.1, True),
    ],
)  # fmt: skip
def test_same_output(given: str, expected: str, tolerance: float | None, equal: bool) -> None:
    assert same_output(given, expected, tolerance) is equal
