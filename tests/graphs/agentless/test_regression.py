"""Which tests may break with a fix, as a model says over real HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graphs.agentless.asking import Asker
from clew.graphs.agentless.job import Job, Tests
from clew.graphs.agentless.regression import REGRESSION, RegressionStage, halved, parse_tests
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
    assert text.index("END ISSUE") < text.index(PASSING[0]) < text.index("Your step: choose")
    assert text.index("tests/test_cart.py::test_empty") < text.index("tests/test_other.py")


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
    assert len(text) < 3 * 3_000 and "tests/test_cart.py::test_empty" in text
    cut = next(event for event in state["events"] if event["kind"] == "context_cut")
    assert (cut["what"], cut["of"], cut["stage"]) == ("tests", 2_000, REGRESSION)
    assert cut["shown"] in (125, 62) and ran.told(REGRESSION)[0]["shown"] == cut["shown"]
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
