"""Template repair: what it proposes, that nothing else of a file changes, and that it fixes a real bug."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ConfigError
from clew.graphs.agentless.blame import blame
from clew.graphs.agentless.mutate import Proposal, propose
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.structure import is_test
from clew.graphs.agentless.suites import Suite, discover, run_base, run_covered, run_in_stages
from clew.graphs.agentless.templates import PRIORS, mutations
from clew.sandbox import Box
from tests.graphs.agentless.repositories import LIMITS, suite_box, workspace
from tests.sandbox.conftest import BACKENDS

pytestmark = pytest.mark.anyio

SUITE = Suite(limits=LIMITS, test_seconds=5)
HERE = Path(__file__).parent


def proposals(source: str, limit: int = 5000) -> list[Proposal]:
    lines = source.count("\n") + 1
    return list(propose({"a.py": source}, {("a.py", line): 1.0 for line in range(1, lines + 1)}, limit))


# What a slip made of a line, and the line as it should be.
SLIPS = [
    ("boundary", "    if n < 3:\n        return n", "    if n <= 3:\n        return n"),
    ("comparison", "    return n is None", "    return n is not None"),
    ("boolean", "    return n and m", "    return n or m"),
    ("arithmetic", "    return n + m", "    return n - m"),
    ("arithmetic", "    n += m", "    n -= m"),
    ("off_by_one", "    return n[1:]", "    return n[0:]"),
    ("off_by_one", "    return n[m]", "    return n[m - 1]"),
    ("off_by_one", "    return range(m)", "    return range(m + 1)"),
    ("constant", "    return True", "    return False"),
    ("constant", "    return 5", "    return 50"),
    ("swap", "    return max(n, m)", "    return max(m, n)"),
    ("swap", "    return n - m", "    return m - n"),
    ("variable", "    return n.x", "    return m.x"),
    ("negate", "    if n:\n        return m", "    if not (n):\n        return m"),
    ("negate", "    if not n:\n        return m", "    if n:\n        return m"),
    ("guard", "    return n.x", "    if n is None:\n        return None\n    return n.x"),
    ("return", "    return n", "    return None"),
    ("sibling", "    return n.lstrip()", "    return n.rstrip()"),
    ("drop", "    return n[1:]", "    return n[:]"),
    ("text", "    return 'a' + n", "    return '' + n"),
    ("statement", "    for x in n:\n        break", "    for x in n:\n        continue"),
]


@pytest.mark.parametrize(("kind", "slip", "fix"), SLIPS)
def test_every_slip_has_its_fix_among_the_proposals(kind: str, slip: str, fix: str) -> None:
    head = "def f(n, m):\n"
    found = [each for each in proposals(head + slip + "\n") if each.change.after == head + fix + "\n"]
    assert [each.kind for each in found] == [kind]


def test_operators_are_found_behind_brackets_and_comments() -> None:
    source = "x = (1) \\\n + (  # not - here\n 2)\ny = ((x)) <= ((3))\n"
    after = {each.change.after for each in proposals(source)}
    assert source.replace("\\\n +", "\\\n -") in after and source.replace("<=", "<") in after


def test_other_bytes_stay_whatever_they_are() -> None:
    source = "\ufeff# ä\r\ndef f(a):\r\n\tif a < 'ö':  \r\n\t\treturn a.é\r\n# no end of line"
    found = proposals(source)
    assert {"boundary", "guard"} <= {each.kind for each in found}
    for each in found:
        after = each.change.after or ""
        assert after.startswith("\ufeff# ä\r\ndef f(a):\r\n") and after.endswith("\r\n# no end of line")
        assert "\n" not in after.replace("\r\n", "")
    assert source.replace("<", "<=") in {each.change.after for each in found}


def test_docstrings_annotations_and_parts_of_f_strings_are_left_alone() -> None:
    source = 'def f(x: "a < b" = None) -> "c < d":\n    """1 < 2"""\n    return f"{x < 3} 4"\n'
    for each in proposals(source):
        after = each.change.after or ""
        assert '"a < b"' in after and '"c < d"' in after and '"""1 < 2"""' in after
        assert 'f"{x < 3} 4"' in after or each.kind in ("return", "statement")


def test_the_most_suspicious_line_and_the_likeliest_template_come_first() -> None:
    source = "def f(a, b):\n    if a < b:\n        return a\n    return b < a\n"
    found = list(propose({"a.py": source, "b.py": source}, {("a.py", 2): 0.5, ("a.py", 4): 1.0, ("b.py", 2): 0.5}))
    assert (found[0].kind, found[0].line, found[0].old, found[0].new) == ("boundary", 4, "<", "<=")
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert found == list(
        propose({"b.py": source, "a.py": source}, {("b.py", 2): 0.5, ("a.py", 4): 1.0, ("a.py", 2): 0.5})
    )
    assert {each.line for each in found if each.change.path == "a.py"} == {2, 4}
    assert len({(each.change.path, each.change.after) for each in found}) == len(found)
    assert (
        list(propose({"a.py": source}, {("a.py", 2): 1.0}, 3))
        == list(propose({"a.py": source}, {("a.py", 2): 1.0}))[:3]
    )


def test_what_is_no_python_has_no_proposals() -> None:
    assert proposals("def f(:\n") == [] and proposals("") == [] and proposals("x = '\0'\n") == []
    with pytest.raises(ConfigError):
        list(propose({}, {}, 0))


MODULES = sorted((HERE.parents[2] / "clew" / "graphs" / "agentless").glob("[!_]*.py"))


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(MODULES), st.data())
def test_each_proposal_parses_and_changes_one_place(path: Path, data: st.DataObject) -> None:
    source = path.read_text()
    line = data.draw(st.integers(1, source.count("\n")))
    for each in propose({"a.py": source}, {("a.py", line): 0.7}, 60):
        after = each.change.after or ""
        ast.parse(after)
        assert after != source and each.kind in PRIORS and 0 < each.score <= 0.7
        same = len(source) - len(each.old)
        assert len(after) == same + len(each.new)


def test_places_are_inside_of_the_file() -> None:
    for path in MODULES[:6]:
        data = path.read_bytes()
        assert all(
            0 <= each.start <= each.end <= len(data) and each.first <= each.last for each in mutations(data.decode())
        )


@pytest.fixture(params=BACKENDS)
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    made = suite_box(request.param)
    yield made
    asyncio.run(made.close())


BANK = {
    "bank.py": "LIMIT = 100\n\n\ndef may_draw(balance, amount):\n    if amount > LIMIT:\n        return False\n"
    "    return balance > amount\n\n\ndef fee(amount):\n    return amount * 2 // 100\n",
    "test_bank.py": "import bank\n\n\ndef test_much():\n    assert not bank.may_draw(500, 101)\n\n\ndef test_some():\n"
    "    assert bank.may_draw(50, 20)\n\n\ndef test_poor():\n    assert not bank.may_draw(5, 20)\n\n\n"
    "def test_all():\n    assert bank.may_draw(70, 70)\n\n\ndef test_fee():\n    assert bank.fee(100) == 2\n",
}


async def fixed(box: Box, tree: Workspace) -> tuple[Workspace, Proposal, int] | None:
    """The first proposal with which every test passes, and how many were tried."""
    found = await discover(box, SUITE, tree)
    base = await run_base(box, SUITE, tree, found.tests)
    _, coverage = await run_covered(box, SUITE, tree, [*base.failing, *base.passing])
    suspects = blame(coverage, base.failing, base.passing)
    sources = {path: tree.read(path) for path in dict.fromkeys(path for path, _ in suspects) if not is_test(path)}
    for n, proposal in enumerate(propose(sources, suspects, 30), 1):
        patched = tree.apply(tree.diff([proposal.change]))
        report = await run_in_stages(box, SUITE, patched, base.failing, base.passing)
        if report.complete and all(result.outcome == "passed" for result in report.results):
            return patched, proposal, n
    return None


async def test_a_real_bug_is_found_and_fixed(box: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, BANK)
    found = await fixed(box, tree)
    assert found is not None
    patched, proposal, tried = found
    assert (proposal.kind, proposal.line) == ("boundary", 7) and tried <= 3
    assert patched.read("bank.py") == BANK["bank.py"].replace("balance > amount", "balance >= amount")
    assert tree.diff([proposal.change]).count("\n-") == 2  # the header and one line
