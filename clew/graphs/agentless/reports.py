"""What a run of tests left behind, read as if an enemy had written it.

The code under test runs with the rights of its runner, so nothing that it may write is proof. What is recognised: a
report that lay there before; one of a process that ended before its runner did (`os._exit(0)` under a file written by
hand: it is not signed); one that was changed after pytest had ended, by `atexit` or by a process left behind; a report
and an exit code that say different things; tests that nobody asked for; a test that raised and is told to have passed,
as a `conftest.py` can bring about. What is not: code that goes after pytest and this very plugin in the memory of the
process, such as a `conftest.py` that puts another function in the place of a test, and code that knows that it is
tested and returns what the test wants. Against the first, files that decide over tests are taken from the base
(`suites.guarded`): what is left is the repository's own word about itself. The second is for the reader of the patch.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from clew.sandbox.types import Execution

from .coverage import Coverage
from .types import TestOutcome, TestReport, TestResult

LONGEST_RESULT = 96 << 20
LONGEST_REPORT = 32 << 20
MOST_TESTS = 200_000
LONGEST_MESSAGE = 4000
_LONGEST_COVERAGE = 64 << 20
_NOT_RUN = (126, 127)
_SEVERITY: tuple[TestOutcome, ...] = ("skipped", "passed", "failed", "error")
_KINDS: dict[str, TestOutcome] = {"failure": "failed", "error": "error", "skipped": "skipped"}
# What pytest writes in place of characters that XML cannot hold (`_pytest.junitxml.bin_xml_escape`).
_NO_XML = re.compile("[^\t\n\r -~\x85-\xa0\xa1-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(ValueError):
    """A report that says nothing: no XML, too big, or none at all."""


@dataclass(frozen=True)
class Told:
    """What the runner in the sandbox brought back: why the setup or the command's start `failed`, `reports` by path
    ("" for the one that it asked for itself), `broken` files that could not be collected, exceptions that `raised`
    through tests, options that were `dropped`, lines that were `covered`."""

    exit: int
    failed: str = ""
    reports: Mapping[str, str] = field(default_factory=dict)
    sealed: bool = False
    tests: tuple[str, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    raised: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    covered: Coverage | None = None


def parse_junit(text: str) -> tuple[TestResult, ...]:
    """The test cases of a JUnit report, by `classname::name`; several of one name are one with the worst outcome. No
    entity is resolved, nothing is fetched. Raises `Unreadable`."""
    from lxml import etree

    if len(text) > LONGEST_REPORT:
        raise Unreadable(f"the report has {len(text)} characters, more than {LONGEST_REPORT}")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(f"the report is no XML: {str(error)[:200]}") from None
    if root.getroottree().docinfo.doctype:
        raise Unreadable("the report declares a document type, as no runner does")
    if root.tag not in ("testsuites", "testsuite"):
        raise Unreadable(f"the report begins with {str(root.tag)[:60]!r}, not with 'testsuites' or 'testsuite'")
    cases = root.findall(".//testcase")
    if len(cases) > MOST_TESTS:
        raise Unreadable(f"the report has {len(cases)} tests, more than {MOST_TESTS}")
    return worst(_case(element) for element in cases)


def _case(element: Any) -> TestResult:
    outcome: TestOutcome = "passed"
    message = ""
    for child in element:
        kind = _KINDS.get(child.tag)
        if kind is not None and (not message or _SEVERITY.index(kind) > _SEVERITY.index(outcome)):
            outcome = kind
            message = "\n".join(filter(None, [child.get("message") or "", (child.text or "").strip()]))
    try:
        seconds = max(0.0, min(float(element.get("time") or 0), 1e9))
    except ValueError:
        seconds = 0.0
    name = "::".join(filter(None, [element.get("classname"), element.get("name")]))
    return TestResult(name=name, outcome=outcome, seconds=seconds, message=message[-LONGEST_MESSAGE:])


def worst(results: Iterable[TestResult]) -> tuple[TestResult, ...]:
    """One result for each name, in the order of the names' first."""
    found: dict[str, TestResult] = {}
    for result in results:
        known = found.get(result.name)
        if known is None or _SEVERITY.index(result.outcome) > _SEVERITY.index(known.outcome):
            found[result.name] = result
    return tuple(found.values())


def address(test: str) -> str:
    """How pytest's JUnit report names the test that has this id."""
    path, colons, rest = test.partition("::")
    rest, bracket, parameters = rest.partition("[")
    return _address([path, *(rest.split("::") if colons else ())], bracket + parameters)


def addresses(test: str) -> tuple[str, ...]:
    """All ways in which releases of pytest name it: for older ones a bracket in a file's name begins parameters."""
    path = test.partition("::")[0]
    start, bracket, rest = test.partition("[")
    return (address(test), _address([start], bracket + rest)) if "[" in path else (address(test),)


def _address(names: list[str], parameters: str) -> str:
    names[0] = re.sub(r"\.py$", "", names[0].replace("/", "."))
    names[-1] += parameters
    names = [_NO_XML.sub(lambda odd: f"#x{ord(odd[0]):02X}" if ord(odd[0]) <= 0xFF else f"#x{ord(odd[0]):04X}", name)
             for name in names]  # fmt: skip
    return "::".join(filter(None, [".".join(names[:-1]), names[-1]]))


def told(text: str | None, seal: str) -> Told | None:
    """The file that the runner in the sandbox wrote; None when it is not there, or none of its kind. What the plugin
    told counts when it is signed with the seal, and when exit code and report are still those that it saw."""
    if len(text or "") > LONGEST_RESULT:
        return None
    try:
        found = json.loads(_plain(text or ""))
        exit = int(found["exit"])
        reports = {str(name): _plain(str(report)) for name, report in found["reports"].items()}
        watch = _signed(str(found["watch"]), seal)
        return Told(
            exit=exit,
            failed=_plain(str(found["failed"])),
            reports=reports,
            sealed=bool(watch) and watch["exit"] == exit and _is(reports.get(""), watch["report"]),
            tests=tuple(dict.fromkeys(map(_plain, watch.get("tests", ())))),
            broken={_plain(name): _plain(why) for name, why in watch.get("broken", {}).items()},
            raised={_plain(name): tuple(map(_plain, kinds)) for name, kinds in watch.get("raised", {}).items()},
            dropped=tuple(map(_plain, watch.get("dropped", ()))),
            covered=_coverage(watch["cover"]) if "cover" in watch else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, zlib.error):
        return None


def _signed(text: str, seal: str) -> dict[str, Any]:
    """What the plugin told; nothing when it did not come to that, or somebody else wrote it."""
    watch = json.loads(text) if text else {}
    body = str(watch.get("told", ""))
    mine = hmac.new(seal.encode(), body.encode("utf-8", "replace"), sha256).hexdigest()
    if not hmac.compare_digest(mine.encode(), str(watch.get("seal", "")).encode("utf-8", "replace")):
        return {}
    signed: dict[str, Any] = json.loads(body)
    return signed


def _is(report: str | None, digest: str) -> bool:
    return report is None or sha256(report.encode()).hexdigest() == digest


def _plain(text: str) -> str:
    """`text` without half characters, as names of files may hold them: no journal and no report could."""
    return text.encode("utf-8", "backslashreplace").decode()


def _coverage(packed: str) -> Coverage | None:
    """None for one that is too long to be read."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(packed, validate=True), _LONGEST_COVERAGE)
    return None if unpacker.unconsumed_tail else Coverage.read(json.loads(data))


def incomplete(execution: Execution, found: Told | None) -> str:
    """Why a run did not come to its end; "" when it did."""
    if execution.timed_out:
        return f"the tests took longer than {execution.seconds:g} s and were ended"
    if execution.oom:
        return "the tests used more memory than they may, and were ended"
    if found is None:
        return f"the tests left no result (exit code {execution.exit_code}): they, or what they run, removed it or died"
    if found.failed:
        return found.failed
    if found.exit != execution.exit_code:
        return f"the result says exit code {found.exit}, but it was {execution.exit_code}: the result is forged"
    return ""


def report_of_pytest(execution: Execution, found: Told | None, tests: Sequence[str]) -> TestReport:
    """The results of exactly `tests`, in their order. A run that is not complete, or that contradicts itself, makes
    all of them errors; so does a test without a result for itself."""
    why = incomplete(execution, found)
    if found is None or why:
        return _nothing(execution, "junit", tests, why)
    if not found.sealed:
        return _nothing(execution, "junit", tests, f"pytest did not come to its end (exit code {execution.exit_code})")
    try:
        if "" not in found.reports:
            raise Unreadable("pytest left no report")
        by_address = {result.name: result for result in parse_junit(found.reports[""])}
    except Unreadable as error:
        return _nothing(execution, "junit", tests, str(error))
    asked = {name for test in (*tests, *found.broken) for name in addresses(test)}
    failing = any(result.outcome in ("failed", "error") for result in by_address.values())
    foreign = sorted(set(by_address) - asked)
    if execution.exit_code not in (0, 1):
        why = f"pytest ended with exit code {execution.exit_code}, which is no outcome of tests"
    elif failing != (execution.exit_code == 1):
        why = f"exit code {execution.exit_code} and the report contradict each other: the report is forged"
    elif foreign:
        why = f"the report tells of {foreign[0][:200]!r}, which was not asked for: the report is forged"
    if why:
        return _nothing(execution, "junit", tests, why)
    return _report(execution, "junit", [_result(test, by_address, found) for test in tests])


def _result(test: str, by_address: Mapping[str, TestResult], found: Told) -> TestResult:
    result = next((by_address[name] for name in addresses(test) if name in by_address), None)
    broken = found.broken.get(test.partition("::")[0])
    if result is None:
        why = f"its file could not be collected: {broken}" if broken is not None else "it left no result"
        return TestResult(name=test, outcome="error", message=why[-LONGEST_MESSAGE:])
    raised = found.raised.get(test)
    if result.outcome == "passed" and raised:
        why = f"it raised {raised[0]}, and something outside of it said that it passed"
        return TestResult(name=test, outcome="error", seconds=result.seconds, message=why)
    return result.model_copy(update={"name": test})


def report_of_junit(execution: Execution, found: Told | None, tests: Sequence[str] | None) -> TestReport:
    """As `report_of_pytest` for another runner, with all its reports together; `tests=None` takes all that they
    hold. Its exit code must be 0 exactly when nothing failed."""
    why = incomplete(execution, found)
    if found is None or why:
        return _nothing(execution, "junit", tests or (), why)
    try:
        results = worst(result for text in found.reports.values() for result in parse_junit(text))
        if not results:
            raise Unreadable("the tests left no report where it was looked for")
    except Unreadable as error:
        return _nothing(execution, "junit", tests or (), str(error))
    failing = any(result.outcome in ("failed", "error") for result in results)
    if failing != (execution.exit_code != 0):
        why = f"exit code {execution.exit_code} and the report contradict each other"
        return _nothing(execution, "junit", tests or (), why)
    if tests is None:
        return _report(execution, "junit", results)
    known = {result.name: result for result in results}
    none = TestResult(name="", outcome="error", message="it left no result")
    return _report(execution, "junit", [known.get(test, none).model_copy(update={"name": test}) for test in tests])


def report_of_exit_code(execution: Execution, found: Told | None, name: str) -> TestReport:
    """One result for the whole command: passed with exit code 0, an error when it was killed. Codes of a shell that
    could not run something (126, 127) tell nothing about tests."""
    code = execution.exit_code
    why = incomplete(execution, found)
    if code in _NOT_RUN and not why:
        why = f"the tests' command ended with exit code {code}: something that it runs is not there"
    if why:
        return _nothing(execution, "exit_code", [name], why)
    outcome: TestOutcome = "passed" if code == 0 else "error" if code < 0 or code > max(_NOT_RUN) else "failed"
    result = TestResult(name=name, outcome=outcome, seconds=execution.seconds, message=f"exit code {code}")
    return _report(execution, "exit_code", [result])


def _nothing(execution: Execution, source: Any, tests: Sequence[str], why: str) -> TestReport:
    results = [TestResult(name=test, outcome="error", message=why) for test in tests]
    return _report(execution, source, results, why=why)


def _report(execution: Execution, source: Any, results: Sequence[TestResult], why: str = "") -> TestReport:
    printed = "\n".join(filter(None, [execution.stdout.strip(), execution.stderr.strip(), why]))
    return TestReport(
        results=tuple(results),
        complete=not why,
        why=why,
        source=source,
        exit_code=execution.exit_code,
        seconds=execution.seconds,
        timed_out=execution.timed_out,
        oom=execution.oom,
        truncated=execution.truncated,
        output=printed[-LONGEST_MESSAGE:],
    )
