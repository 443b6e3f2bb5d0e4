"""Reports of tests as hostile text: what is read, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from contextlib import suppress
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graphs.agentless.reports import (
    LONGEST_RESULT,
    Unreadable,
    address,
    parse_junit,
    report_of_exit_code,
    report_of_junit,
    report_of_pytest,
    told,
)
from clew.graphs.agentless.suites import Discovery
from clew.sandbox import Execution

SEAL = "s" * 64
BILLION = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<testsuite><testcase name="&b;"/></testsuite>'
)


def suite(*cases: str) -> str:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"


def case(test: str, inner: str = "") -> str:
    classname, _, name = address(test).rpartition("::")
    return f'<testcase classname={quoteattr(classname)} name={quoteattr(name)} time="0.5">{inner}</testcase>'


def execution(code: int = 0, **more: object) -> Execution:
    return Execution("out", "", code, 1.0, **more)  # type: ignore[arg-type]


def result(
    junit: str, code: int = 0, tests: tuple[str, ...] = ("a.py::x", "a.py::y"), seal: str = SEAL, **watch: object
) -> str:
    digest = hashlib.sha256(junit.encode()).hexdigest()
    said = json.dumps({"exit": code, "report": digest, "tests": tests, "broken": {}, "raised": {}, **watch})
    signed = {"told": said, "seal": hmac.new(seal.encode(), said.encode(), "sha256").hexdigest()}
    return json.dumps({"exit": code, "failed": "", "reports": {"": junit}, "watch": json.dumps(signed)})


TESTS = ("a.py::x", "a.py::y")
GOOD = suite(case(TESTS[0]), case(TESTS[1]))
BAD = suite(case(TESTS[0]), case(TESTS[1], '<failure message="no">here</failure>'))


def test_outcomes_are_told_apart_and_the_worst_of_a_name_counts() -> None:
    found = parse_junit(
        suite(
            case("a.py::x"),
            case("a.py::y", '<failure message="assert 1 == 2">line 3</failure>'),
            case("a.py::z", '<skipped message="not here"/>'),
            case("a.py::w", '<failure message="first"/>'),
            case("a.py::w", '<error message="teardown"/>'),
        )
    )
    assert [(each.name, each.outcome) for each in found] == [
        ("a::x", "passed"), ("a::y", "failed"), ("a::z", "skipped"), ("a::w", "error")
    ]  # fmt: skip
    assert found[1].message == "assert 1 == 2\nline 3" and found[0].seconds == 0.5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no XML"),
        ("<testsuite>", "no XML"),
        ("passed", "no XML"),
        (BILLION, "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>', "document type"),
        ("<html/>", "begins with 'html'"),
        ("<testsuite>" + "<a>" * 5000 + "</a>" * 5000 + "</testsuite>", "no XML"),
    ],
)
def test_what_is_no_report_is_refused(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        parse_junit(text)


def test_a_file_of_the_host_is_not_read() -> None:
    text = (
        '<!DOCTYPE t [<!ENTITY p SYSTEM "file:///etc/passwd">]><testsuite><testcase name="x">&p;</testcase></testsuite>'
    )
    with pytest.raises(Unreadable, match="document type"):
        parse_junit(text)


@given(st.text(max_size=200))
def test_any_text_is_a_report_or_unreadable(text: str) -> None:
    with suppress(Unreadable):
        parse_junit(text)


@given(st.text(max_size=100) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_a_result_of_the_runner_or_none(text: str) -> None:
    assert told(text, SEAL) is None


ODD = [
    '{"exit": 1e999, "failed": "", "reports": {}, "watch": ""}',
    '{"exit": NaN, "failed": "", "reports": {}, "watch": ""}',
    '{"exit": 0, "failed": "", "reports": {}, "watch": "[]"}',
    result(GOOD, broken=[]),
    result(GOOD, cover="eJw="),
    result(GOOD, cover=base64.b64encode(zlib.compress(b"[" * 9999)).decode()),
    result("x" * LONGEST_RESULT),
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_results_are_none(text: str) -> None:
    assert told(text, SEAL) is None
    assert not report_of_pytest(execution(), None, TESTS).complete


def test_lines_that_are_too_many_are_left_out() -> None:
    found = told(result(GOOD, cover=base64.b64encode(zlib.compress(b" " * (80 << 20))).decode()), SEAL)
    assert found is not None and found.sealed and found.covered is None


def test_half_characters_of_names_reach_no_journal() -> None:
    test = "a\udcff.py::x"
    found = told(result(suite(case(test)), tests=(test,), broken={test: "\ud800"}, raised={test: ["\ud800"]}), SEAL)
    assert found is not None and found.sealed
    assert json.dumps([found.tests, dict(found.broken), dict(found.raised)], ensure_ascii=False).encode()
    discovery = Discovery(found.tests, found.broken)
    assert report_of_pytest(execution(), found, discovery.tests).model_dump_json()


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("tests/unit/test_a.py::test_x", "tests.unit.test_a::test_x"),
        ("test_a.py::TestX::test_y[a/b::c.py]", "test_a.TestX::test_y[a/b::c.py]"),
        ("README.rst::README.rst", "README.rst::README.rst"),
        ("a.py::x[\x1b]", "a::x[#x1B]"),
        ("test_[a].py::TestX::test_y[b::c]", "test_[a].TestX::test_y[b::c]"),
        ("test_[a].py", "test_[a]"),
    ],
)
def test_addresses_are_those_of_pytest(test: str, name: str) -> None:
    assert address(test) == name


def test_a_bracket_in_the_name_of_a_file_is_read_as_old_and_new_pytest_write_it() -> None:
    """Every such report was called forged, as it told of tests that nobody had asked for."""
    tests = ("test_[a].py::test_x[b]", "test_[a].py::TestY::test_y")
    new = "".join(case(test) for test in tests)
    old = "".join(f'<testcase classname="" name="{test}" time="0.5"/>' for test in tests)
    for junit in (suite(new), suite(old)):
        report = report_of_pytest(execution(0), told(result(junit, 0, tests), SEAL), tests)
        assert report.complete and report.counts.passed == 2, report.why


def test_a_run_that_agrees_with_itself_is_believed() -> None:
    report = report_of_pytest(execution(1), told(result(BAD, 1), SEAL), TESTS)
    assert report.complete and [each.outcome for each in report.results] == ["passed", "failed"]
    assert [each.name for each in report.results] == list(TESTS)


@pytest.mark.parametrize(
    ("code", "text", "why"),
    [
        (0, None, "left no result"),
        (0, "{", "left no result"),
        (0, result(GOOD, seal="guessed"), "did not come to its end"),
        (0, result(GOOD, report=hashlib.sha256(BAD.encode()).hexdigest()), "did not come to its end"),
        (0, result(GOOD, exit=1), "did not come to its end"),
        (0, result(GOOD).replace("a.py::y", "a.py::z"), "did not come to its end"),
        (0, result(GOOD, 3), "forged"),
        (1, result(GOOD, 1), "contradict"),
        (0, result(BAD), "contradict"),
        (0, result("<testsuites"), "no XML"),
        (0, result(suite(case(TESTS[0]), case(TESTS[1]), case("a.py::other"))), "not asked for"),
        (2, result(GOOD, 2), "no outcome of tests"),
    ],
)
def test_a_run_that_does_not_is_an_error_of_every_test(code: int, text: str | None, why: str) -> None:
    report = report_of_pytest(execution(code), told(text, SEAL), TESTS)
    assert not report.complete and [each.outcome for each in report.results] == ["error", "error"]
    assert why in report.results[0].message


@pytest.mark.parametrize("more", [{"timed_out": True}, {"oom": True}])
def test_a_run_that_was_ended_is_no_pass_whatever_it_left(more: dict[str, bool]) -> None:
    report = report_of_pytest(execution(0, **more), told(result(GOOD), SEAL), TESTS)
    assert not report.complete and report.counts.error == 2


def test_a_test_without_a_result_is_an_error_and_the_others_stand() -> None:
    report = report_of_pytest(execution(), told(result(suite(case(TESTS[0]))), SEAL), TESTS)
    assert report.complete and [each.outcome for each in report.results] == ["passed", "error"]


def test_a_test_that_raised_and_is_told_to_have_passed_is_an_error() -> None:
    report = report_of_pytest(execution(), told(result(GOOD, raised={TESTS[1]: ["AssertionError"]}), SEAL), TESTS)
    assert [each.outcome for each in report.results] == ["passed", "error"]
    assert "raised AssertionError" in report.results[1].message


def test_files_that_cannot_be_collected_explain_missing_tests() -> None:
    junit = suite(case("a.py", '<error message="collection failure"/>'))
    report = report_of_pytest(execution(1), told(result(junit, 1, (), broken={"a.py": "NameError"}), SEAL), TESTS)
    assert report.complete and report.counts.error == 2 and "NameError" in report.results[0].message


def test_reports_of_other_runners_are_one() -> None:
    text = json.dumps({"exit": 1, "failed": "", "reports": {"a.xml": GOOD, "b.xml": BAD}, "watch": ""})
    report = report_of_junit(execution(1), told(text, SEAL), None)
    assert report.complete and [each.outcome for each in report.results] == ["passed", "failed"]
    chosen = report_of_junit(execution(1), told(text, SEAL), ["a::y", "none"])
    assert [each.outcome for each in chosen.results] == ["failed", "error"]
    assert not report_of_junit(execution(0), told(text.replace('"exit": 1', '"exit": 0'), SEAL), None).complete


@pytest.mark.parametrize(("code", "outcome"), [(0, "passed"), (1, "failed"), (125, "failed"), (139, "error")])
def test_an_exit_code_is_a_marked_fallback(code: int, outcome: str) -> None:
    text = json.dumps({"exit": code, "failed": "", "reports": {}, "watch": ""})
    report = report_of_exit_code(execution(code), told(text, SEAL), "all")
    assert report.complete and report.source == "exit_code" and [each.outcome for each in report.results] == [outcome]


@pytest.mark.parametrize("code", [126, 127])
def test_a_command_that_could_not_run_tells_nothing_of_tests(code: int) -> None:
    """Such a test command "failed" at the base commit, and a patch was asked to mend it."""
    text = json.dumps({"exit": code, "failed": "", "reports": {}, "watch": ""})
    report = report_of_exit_code(execution(code), told(text, SEAL), "all")
    assert not report.complete and report.counts.error == 1 and f"exit code {code}" in report.why
