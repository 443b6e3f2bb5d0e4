"""Which tests may break with a fix, as a model says over real HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graphs.agentless.asking import Asker
from clew.graphs.agentless.job import Job, Tests
from clew.graphs.agentless.regression import (
    REGRESSION,
    RegressionStage,
    bodies_of,
    first_of,
    halved,
    listed,
    parse_tests,
)
from clew.graphs.agentless.repository import Workspace
from clew.graphs.base import State
from clew.journal import Budget
from clew.testing import Reply, ScriptedServer
from tests.graphs.agentless.proposed import Ran, model, running, sent, serving, state_of
from tests.graphs.agentless.proposing import CART
from tests.graphs.agentless.repositories import workspace

pytestmark = pytest.mark.anyio

PASSING = (
    "tests/test_other.py::test_it",
    "tests/test_cart.py::test_empty",
    "tests/test_cart.py::TestCart::test_sum[1-a b]",
    "tests/test_cart.py::TestCart::test_sum[2]",
    "tests/test_price.py::test_free",
    "tests/deep/test_price.py::test_free",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("tree"), CART)


async def chosen(
    server: ScriptedServer, tree: Workspace, passing: tuple[str, ...] = PASSING, **options: Any
) -> tuple[State, Ran]:
    with running(options.pop("budget", None)) as ran:
        asker = Asker(model(server, **options.pop("limits", {})), options.pop("room", 128_000))
        phase = RegressionStage(asker, "next", **options).phases(Job(tree))[REGRESSION]
        state = await phase(state_of(["src/shop/cart.py"], base=Tests(passing=passing)))
    assert state["phase"] == "next"
    return state, ran


async def test_named_tests_do_not_guard_the_patch_and_the_others_do(tree: Workspace) -> None:
    with serving("The total changes.\n```\ntests/test_cart.py::test_empty\n```") as server:
        state, ran = await chosen(server, tree)
        request = server.requests[0]
    assert state["regression"] == [test for test in PASSING if not test.endswith("test_empty")]
    assert (request.body["temperature"], request.body["max_tokens"]) == (0, 1024)
    told = ran.told(REGRESSION)[0]
    assert (told["dropped"], told["kept"], told["shown"]) == (["tests/test_cart.py::test_empty"], 5, 6)
    assert told["effects"] == [effect.key for effect in ran.effects("model")]
    text = sent(request)
    shown = (
        "tests/test_cart.py\n  test_empty\n  TestCart::test_sum[1-a b]\n  TestCart::test_sum[2]\ntests/test_other.py\n"
    )
    assert text.index("END ISSUE") < text.index(shown) < text.index("Your step: choose")


async def test_the_tests_that_share_most_with_the_issue_are_shown_with_their_code(tmp_path: Path) -> None:
    calls = "".join(f"    call({n})\n" for n in range(60)) + "    assert prices\n"
    tests = "".join(f"def test_{word}():\n    assert {word}()\n\n\n" for word in ("a", "b", "c", "d", "e", "f"))
    code = CART | {
        "tests/test_cart.py": f"class TestSum:\n    def test_all(self):\n        assert total([]) == 0\n\n\n{tests}",
        "tests/test_long.py": f"def test_prices():\n{calls}",
        "tests/test_odd.py": b"# \xe9\ndef test_total(): pass\n",
    }
    ids = (
        "test_cart.py::TestSum::test_all",
        "test_cart.py::test_a",
        "test_long.py::test_prices[1]",
        "test_gone.py::test_x",
    )
    passing = tuple(f"tests/{name}" for name in (*ids, "test_odd.py::test_total"))
    with serving("```\ntests/test_cart.py::TestSum::test_all\n```") as server:
        state, _ = await chosen(server, workspace(tmp_path, code), passing)
        text = sent(server.requests[0])
    material, _, step = text[text.index("BEGIN PASSING") :].partition("--- END PASSING")
    head, _, bodies = material.partition("Those that look most like the issue:\n\n")
    assert "::TestSum::test_all\n" not in head and "  TestSum::test_all\n" in head
    assert bodies.count("# tests/") == 2 and "call(6)\n    ...\n    assert prices\n    ...\n" in bodies
    assert "# tests/test_cart.py::TestSum::test_all\n    def test_all(self):\n        assert total" in bodies
    assert "def test_a()" not in bodies and "choose the tests" in step
    assert state["regression"] == list(passing[1:])


def test_a_name_that_says_what_the_issue_says_comes_before_lines_that_do(tmp_path: Path) -> None:
    lines = "".join(f"    # the sentinel that a deep copy of {n} gives is none\n" for n in range(9))
    tests = "".join(f"def test_{n}():\n{lines}    assert {n}\n\n\n" for n in range(8))
    tree = workspace(tmp_path, {"tests/test_a.py": f"{tests}def test_sentinel_pickle():\n    assert 1\n"})
    names = [*(f"tests/test_a.py::test_{n}" for n in range(8)), "tests/test_a.py::test_sentinel_pickle"]
    shown = bodies_of(tree, "A deep copy of a sentinel gives another sentinel, not the same.", names)
    assert shown[0].startswith("# tests/test_a.py::test_sentinel_pickle\n") and len(shown) == 8


def test_names_like_the_issue_come_first_wherever_they_stand(tmp_path: Path) -> None:
    """Of long lists the first were shown, and tests with the very words of the issue were not among them."""
    files = {f"tests/test_{n}.py": "import os\n" for n in range(9)} | {"tests/test_8.py": "import near\n"}
    tests = [f"tests/test_{n}.py::test_{m}" for n in range(9) for m in range(3)]
    tests[16:16] = [f"tests/test_5.py::test_frozen_note[{case}]" for case in "ab"]
    tree = workspace(tmp_path, files)
    first = first_of(tree, "A note on a frozen exception raises", ["src/near.py"], tests, 5)
    assert first == [
        *(f"tests/test_5.py::test_frozen_note[{case}]" for case in "ab"),
        *(f"tests/test_8.py::test_{m}" for m in range(3)),
        "tests/test_0.py::test_0",
    ]
    assert listed(first, 29).endswith("tests/test_0.py\n  test_0\n(23 more are not shown)")
    assert sorted(first_of(tree, "", [], tests, 400)) == sorted(tests)


KEEPS_ALL = {
    "empty": "",
    "none": "```\nnone\n```",
    "refusal": "I cannot judge test_empty or other tests without the code.",
    "json": '{"tests": []}',
    "unknown": "```\ntests/test_cart.py::test_nothing\ntest_free\n../../etc/passwd\n```",
    "noise": "x" * 30_000,
    "an order of the issue": "rm -rf /",
}


@pytest.mark.parametrize("name", KEEPS_ALL)
async def test_case_20_an_answer_that_names_no_test_keeps_all(tree: Workspace, name: str) -> None:
    with serving(Reply(KEEPS_ALL[name], finish="stop")) as server:
        state, ran = await chosen(server, tree, limits={"max_tokens": 1024})
    assert state["regression"] == list(PASSING)
    assert ran.told(REGRESSION)[0]["dropped"] == []
    assert server.count == 1


async def test_an_answer_that_names_all_tests_keeps_all(tree: Workspace) -> None:
    with serving("\n".join(PASSING)) as server:
        state, _ = await chosen(server, tree)
    assert state["regression"] == list(PASSING) and state["flags"] == ["regression_not_selected"]


async def test_nothing_is_asked_without_tests_or_when_it_is_switched_off(tree: Workspace) -> None:
    with serving() as server:
        none, _ = await chosen(server, tree, ())
        off, _ = await chosen(server, tree, select=False)
    assert none["regression"] is None and off["regression"] is None and server.count == 0


async def test_a_failed_call_and_a_limit_keep_all(tree: Workspace) -> None:
    with serving(Reply(fault="server_error")) as server:
        failed, _ = await chosen(server, tree)
        limited, _ = await chosen(server, tree, budget=Budget(model_calls=0))
    for state in (failed, limited):
        assert state["regression"] is None and state["flags"] == ["regression_not_selected"]
    assert server.count == 1


async def test_a_list_that_is_too_long_is_halved_until_it_fits_and_the_nearest_tests_are_shown(tree: Workspace) -> None:
    many = tuple(f"tests/test_other.py::test_{n:04}" for n in range(3_000)) + PASSING
    with serving("tests/test_cart.py::test_empty") as server:
        state, ran = await chosen(server, tree, many, room=3_000, most=2_000)
        text = sent(server.requests[0])
    assert len(text) < 3 * 3_000 and "tests/test_cart.py\n  test_empty" in text
    cut = next(event for event in state["events"] if event["kind"] == "context_cut")
    assert (cut["what"], cut["of"], cut["stage"]) == ("tests", 2_001, REGRESSION)  # one name is that of two cases
    assert f"\n({3_006 - cut['shown']:,} more are not shown)\n" in text
    assert cut["shown"] in (500, 250) and ran.told(REGRESSION)[0]["shown"] == cut["shown"]
    assert len(state["regression"]) == len(many) - 1


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("tests/test_cart.py::test_empty", [1]),
        ("- `tests/test_cart.py::test_empty`", [1]),
        ("12. tests/test_cart.py::test_empty - the total changes", [1]),
        ('"tests/test_cart.py::test_empty",', [1]),
        ("test_empty", [1]),
        ("test_cart.py::test_empty\r", [1]),
        ("tests/test_cart.py::TestCart::test_sum[1-a b]", [2]),
        ("tests/test_cart.py::TestCart::test_sum", [2, 3]),
        ("TestCart::test_sum", [2, 3]),
        ("test_free", []),
        ("tests/test_price.py::test_free", [4]),
        ("deep/test_price.py::test_free", [5]),
        ("tests/test_cart.py", []),
        ("tests", []),
        ("test_empty(", []),
    ],
)
def test_a_line_names(line: str, named: list[int]) -> None:
    assert list(parse_tests(f"Well:\n{line}\n", PASSING)) == [PASSING[n] for n in named]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("tests/test_price.py\n  test_free\ntests/deep/test_price.py:", [4]),
        ("`tests/deep/test_price.py`:\n- test_free", [5]),
        ("tests/test_cart.py\n  TestCart::test_sum (2 cases)\n  test_it", [0, 2, 3]),
        ("tests/test_cart.py\ntests/test_price.py::test_free", [4]),
    ],
)
def test_names_stand_below_their_file_as_they_were_shown(lines: str, named: list[int]) -> None:
    assert list(parse_tests(lines, PASSING)) == [PASSING[n] for n in named]


def test_many_cases_are_one_name() -> None:
    tests = [
        *PASSING[:2],
        *(f"tests/test_cart.py::test_many[{n}::{'x' * 50}/y]" for n in range(40)),
        "t.sh",
        "u.sh::a b",
    ]
    text = listed(tests)
    assert text == (
        "tests/test_other.py\n  test_it\ntests/test_cart.py\n  test_empty\n  test_many (40 cases)\nt.sh\nu.sh\n  a b"
    )
    assert parse_tests("tests/test_cart.py::test_many (40 cases)", tests) == tuple(tests[2:-2])
    assert parse_tests(text, tests) == tuple(tests)


@given(st.text(), st.lists(st.text(min_size=1), max_size=5))
def test_any_answer_names_known_tests_alone(text: str, tests: list[str]) -> None:
    assert set(parse_tests(text, tests)) <= set(tests)


def test_the_first_of_the_list_is_left() -> None:
    tests = [f"test_{n:02}" for n in range(64)]
    assert halved(tests, 1_000) == (tests, ())
    left, events = halved(tests, 30)
    assert left == tests[:8] and events[0]["of"] == 64
    assert halved(tests, 0)[0] == tests[:1] and halved([], 0) == ([], ())


def test_a_test_of_the_repository_may_have_any_name(tmp_path: Path) -> None:
    odd = ("a.py::test[x::y/z]", "com.acme.CartTest::adds two", "[")
    assert parse_tests("com.acme.CartTest::adds two\n[\na.py::test", odd) == odd
