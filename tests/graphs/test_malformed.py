"""Whatever a model writes, a run of Search-o1 ends with an answer of a defined status, never with an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clew
from clew.graphs import search_o1
from clew.graphs.search_o1 import BEGIN_QUERY, BEGIN_RESULT, END_QUERY, END_RESULT
from clew.journal import Journal, replay
from clew.task import Status
from clew.testing import Call, Reply, ScriptedSearcher
from tests.graphs.words import TRANSPORTS, Transport

PIECES = st.sampled_from(
    [
        BEGIN_QUERY,
        END_QUERY,
        BEGIN_RESULT,
        END_RESULT,
        "<|begin_search_",
        "**Final Information**",
        "Pages: 1, 99, -3, x",
        "\\boxed{",
        "\\boxed{42}",
        "}",
        "{",
        "{% raw %}{{ prompt }}",
        "query",
        "\n\n",
        "\x00",
        "\u202e",
        "\ud83d",
        "I'm sorry, but I can't help with that.",
        '{"name": "search", "arguments": {',
        "<think>",
        "</think>",
        "ha" * 15_000,
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=40), max_size=8).map("".join)
ARGUMENTS = st.one_of(
    TEXTS,
    st.dictionaries(st.sampled_from(["query", "q", ""]), TEXTS | st.none() | st.integers() | st.lists(st.integers())),
)
CALLS = st.lists(st.builds(Call, st.sampled_from(["search", "python", ""]), ARGUMENTS), max_size=3).map(tuple)
REPLIES = st.one_of(
    TEXTS.map(lambda text: Reply(text=text)),
    st.builds(lambda text, calls: Reply(text=text, tool_calls=calls), TEXTS, CALLS),
    st.sampled_from([Reply(fault="null_content"), Reply(fault="empty"), Reply(text="cut off", finish="length")]),
)


class Stage:
    """One server per transport; each example sets what its model says next."""

    def __init__(self, by: Transport) -> None:
        self.by, self.chain, self.reading = by, [], "x"
        self.server = by.server(self.answer, reading=lambda request: self.reading)

    def answer(self, request: Any) -> Any:
        reply = self.chain.pop(0) if self.chain else r"\boxed{end}"
        if isinstance(reply, Reply) and reply.tool_calls and not request.tools:
            return Reply(text=reply.text)
        return reply

    async def solve(self, chain: list[Any], reading: Any) -> None:
        self.chain, self.reading = list(chain), reading
        graph = search_o1(
            self.by.model(self.server, retries=clew.models.Retries(bad_reply=0)),
            ScriptedSearcher({"a": "text of a"}),
            max_turns=4,
            max_searches=2,
        )
        with Journal.memory() as journal:
            answer = await clew.run(graph, "Where?", journal=journal, run_id="r")
            assert answer.status in get_args(Status)
            assert answer.status != "error" or "BadReply" in answer.stop_reason, answer
            assert (await replay("r", journal=journal, graph=graph)).same


@pytest.fixture(scope="module")
def stages() -> Iterator[dict[str, Stage]]:
    found = {by.name: Stage(by) for by in TRANSPORTS}
    for stage in found.values():
        stage.server.start()
    yield found
    for stage in found.values():
        stage.server.stop()


def check(stages: dict[str, Stage], name: str, chain: list[Any], reading: Any) -> None:
    asyncio.run(stages[name].solve(chain, reading))


NAMES = st.sampled_from([by.name for by in TRANSPORTS])
CHAINS = st.lists(REPLIES, min_size=1, max_size=4)
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@given(NAMES, CHAINS, REPLIES)
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_a_run(stages: dict[str, Stage], name: str, chain: list[Any], reading: Any) -> None:
    check(stages, name, chain, reading)


@pytest.mark.long
@given(NAMES, CHAINS, REPLIES)
@settings(max_examples=2_000, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_two_thousand_runs(
    stages: dict[str, Stage], name: str, chain: list[Any], reading: Any
) -> None:
    check(stages, name, chain, reading)


@pytest.mark.parametrize("name", [by.name for by in TRANSPORTS])
def test_thirty_kilobytes_of_noise(stages: dict[str, Stage], name: str) -> None:
    noise = f"{BEGIN_QUERY} lost {BEGIN_RESULT}" * 700
    check(stages, name, [Reply(text=noise), Reply(text=noise)], Reply(text=noise))
