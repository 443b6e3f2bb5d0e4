"""What a report says in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.agents import repair_report

FOUND: dict[str, Any] = {"status": "no_answer", "stop_reason": "no_candidate", "patch": "", "flags": []}


def test_every_flag_of_the_graph_has_words() -> None:
    source = "".join(path.read_text() for path in (Path(clew.__file__).parent / "graphs" / "agentless").glob("*.py"))
    calls = re.findall(r"(?:flagged|_none)\(state,([^()]*)\)", source)
    flags = {flag for call in calls for flag in re.findall(r'"([a-z_]+)"', call)}
    assert len(flags) > 8 and flags - set(repair_report.REASONS) == set()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ([], "no change was found that does anything"),
        (["unknown_targets", "mutate_needs_failing_tests"], "none of the tests to be mended fails now"),
        (["repro_skipped", "mutate_blames_nothing"], "no line of the code could be blamed for the failing tests"),
        (["no_tests", "mutate_needs_failing_tests"], "the tests could not be used (no pytest)"),
    ],
)
def test_what_explains_that_there_is_no_patch_is_said(flags: list[str], why: str) -> None:
    found = {**FOUND, "flags": flags, "tests": {"why": "no pytest"}}
    assert repair_report.verdict(found) == f"No patch was found: {why}."


def test_a_failure_is_told_without_the_name_of_its_class() -> None:
    found = {**FOUND, "status": "error", "stop_reason": "ModelError: the server is gone"}
    assert repair_report.verdict(found) == "It ended early (the server is gone)."


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"stage": "folders", "folders": []}, "folders: none left out of the search"),
        ({"stage": "reproduction", "asked": 40, "tests": ["a"]}, "reproduction: 40 asked for, 1 judge the patch"),
        ({"stage": "sets", "sets": [["a.py:1-2"]]}, "sets: 1 to repair, the first a.py:1-2"),
        ({"stage": "locations", "places": [["a.py:f"], ["a.py:f"]], "tried": 2}, "locations: a.py:f (try 2)"),
        ({"stage": "files", "another": "version"}, "files: another version"),
    ],
)
def test_a_stage_in_a_line(data: dict[str, Any], said: str) -> None:
    assert repair_report.said(data) == said


def test_refused_candidates_say_why_there_is_no_patch() -> None:
    refused = [{"id": "0.0", "reason": "the patch does not apply\nat all"}, {"id": "0.1", "reason": "odd"}]
    said = "no candidate can be used; of 2 that were refused the first: the patch does not apply"
    assert repair_report.verdict({**FOUND, "candidates": refused}) == f"No patch was found: {said}."
