"""Whatever a model writes, a run of START ends with an answer of a defined status, never with an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clew
from clew.graphs import start
from clew.graphs.calls import parse
from clew.graphs.fences import FencedTool, blocks
from clew.graphs.hints import Placement, point
from clew.journal import Journal, replay
from clew.sandbox import Limits
from clew.task import Status
from clew.testing import Call, Reply
from tests.graphs.start_words import problem, process_box
from tests.graphs.words import TRANSPORTS, Transport

PIECES = [
    "```python\n", "```py\n", "```PYTHON  \n", "```\n", "``` \n", "```", "````\n", "```output\n", "```Output\n",
    "```text\n", "print(6 * 7)\n", "1 / 0\n", "x = (\n", "    pass\n", "exit()\n", "print('```')\n", "input()\n",
    "\\boxed{", "\\boxed{42}", "}", "Wait, ", "Alternatively, ", "await ", "\\[ ", " \\]", "$", "</think>", "<think>",
    "17 * 23 = 391 + 4 = 395 * 2 = 790\n", "\n\n", "\x00", "\u202e", "\ud83d", "{{ prompt }}", "<|im_end|>",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=10).map("".join)
ARGUMENTS = st.one_of(TEXTS, st.dictionaries(st.sampled_from(["program", "p"]), TEXTS | st.none() | st.integers()))
CALLS = st.lists(st.builds(Call, st.sampled_from(["python", "search", ""]), ARGUMENTS), max_size=3).map(tuple)
REPLIES = st.one_of(
    TEXTS.map(lambda text: Reply(text=text)),
    st.builds(lambda text, finish: Reply(text=text, finish=finish), TEXTS, st.sampled_from(["length", "stop"])),
    st.builds(lambda text, calls: Reply(text=text, tool_calls=calls), TEXTS, CALLS),
    st.sampled_from([Reply(fault="null_content"), Reply(fault="empty")]),
)
PLACEMENTS = st.sampled_from(get_args(Placement))
KINDS = st.sampled_from(["math", "code", "choice"])


class Stage:
    """One server per transport; each example sets what its model says next."""

    def __init__(self, by: Transport) -> None:
        self.by = by
        self.chain: list[Any] = []
        self.server = by.server(self.answer)
        self.box = process_box(Limits(seconds=3))

    def answer(self, request: Any) -> Any:
        reply = self.chain.pop(0) if self.chain else r"\boxed{end}"
        if isinstance(reply, Reply) and reply.tool_calls and not request.tools:
            return Reply(text=reply.text)
        return reply

    async def solve(self, chain: list[Any], placement: Placement, kind: Any) -> None:
        self.chain = list(chain)
        model = self.by.model(self.server, retries=clew.models.Retries(bad_reply=0))
        graph = start(model, self.box, max_turns=5, max_programs=2, hint_rounds=2, placement=placement)
        with Journal.memory() as journal:
            answer = await clew.run(graph, problem(kind=kind), journal=journal, run_id="r")
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
        asyncio.run(stage.box.close())


NAMES = st.sampled_from([by.name for by in TRANSPORTS])
CHAINS = st.lists(REPLIES, min_size=1, max_size=4)
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@given(NAMES, CHAINS, PLACEMENTS, KINDS)
@settings(max_examples=30, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_a_run(
    stages: dict[str, Stage], name: str, chain: list[Any], placement: Placement, kind: str
) -> None:
    asyncio.run(stages[name].solve(chain, placement, kind))


@pytest.mark.long
@given(NAMES, CHAINS, PLACEMENTS, KINDS)
@settings(max_examples=2_000, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_two_thousand_runs(
    stages: dict[str, Stage], name: str, chain: list[Any], placement: Placement, kind: str
) -> None:
    asyncio.run(stages[name].solve(chain, placement, kind))


@pytest.mark.parametrize("name", [by.name for by in TRANSPORTS])
@pytest.mark.parametrize("noise", ["```python\nx = 1\n" * 600, "`" * 10_000, "Wait, 1 + 1 = \\boxed{" * 400])
def test_ten_kilobytes_of_noise(stages: dict[str, Stage], name: str, noise: str) -> None:
    asyncio.run(stages[name].solve([Reply(text=noise), Reply(text=noise)], "last_wait", "math"))


# The parsers ------------------------------------------------------------------------------------------------------


def python_tool() -> FencedTool:
    async def never(call: Any) -> Any:
        raise AssertionError("the parser calls nothing")

    return FencedTool("python", "d", "program", "```python\n", "```\n", "```output", "```", never, 6, "over", "again")


@given(TEXTS)
@settings(max_examples=500, deadline=None, suppress_health_check=QUIET)
def test_blocks_lie_in_order_and_inside_the_text(text: str) -> None:
    position = 0
    for block in blocks(text):
        assert position <= block.start <= block.inside <= block.close <= block.end <= len(text)
        position = block.end


@given(TEXTS)
@settings(max_examples=500, deadline=None, suppress_health_check=QUIET)
def test_reading_a_program_never_raises_and_keeps_no_invented_output(text: str) -> None:
    found = parse(text, [python_tool()])
    assert 0 <= found.keep <= len(text)
    kept = blocks(text[: found.keep] + found.missing)
    if found.tool is not None:
        assert not any(block.language == "output" for block in kept)
    if found.argument:
        assert found.argument.strip() and [block.closed for block in kept if block.runs][-1]


@given(TEXTS, PLACEMENTS)
@settings(max_examples=500, deadline=None, suppress_health_check=QUIET)
def test_a_hint_stands_in_no_block_and_after_no_final_box(text: str, placement: Placement) -> None:
    place = point(text, placement)
    if place is None:
        return
    assert 0 <= place.offset <= len(text)
    assert all(block.closed for block in blocks(text[: place.offset]))
    if place.position != "end":
        assert text.rfind("\\boxed{") == -1 or place.offset <= text.rfind("\\boxed{")


@pytest.mark.parametrize(
    ("text", "placement", "before"),
    [
        ("We await. Wait, so. x", "last_wait", "We await. Wait"),
        ("I wait at the stop, then go.", "last_wait", None),
        ("Alternatively, count. Wait! \\boxed{1} Wait, no.", "last_wait", "Alternatively, count. Wait"),
        ("\\boxed{1} Wait, no.", "last_wait", None),
        ("Waiting costs. Wait-time is 3.", "last_wait", None),
        ("A $Wait, x$ and \\(Wait, \\) and \\[ Wait, ", "last_wait", None),
        ("Wait, a. But wait, b.", "all", "Wait"),
        ("Nothing of the kind.", "all", "Nothing of the kind."),
        ("Nothing of the kind. \n", "end", "Nothing of the kind."),
        ("```text\nnot over", "end", None),
        ("1 + 1 = 2", "arithmetic", None),
        ("12 * 3 + 4 - 5 * 6 + 7 * 8 = 66\n\nThen", "arithmetic", "12 * 3 + 4 - 5 * 6 + 7 * 8 = 66"),
        ("$12 * 3 + 4 - 5 * 6 + 7 * 8 = 66$\n\nThen", "arithmetic", "$12 * 3 + 4 - 5 * 6 + 7 * 8 = 66$"),
        (
            "\\[\n12 * 3 + 4 - 5 * 6 + 7 * 8 = 66\n\\]\n\nThen",
            "arithmetic",
            "\\[\n12 * 3 + 4 - 5 * 6 + 7 * 8 = 66\n\\]",
        ),
        ("\\[\n12 * 3 + 4 - 5 * 6 + 7 * 8 = 66\n", "arithmetic", None),
    ],
)
def test_places_of_hints(text: str, placement: Placement, before: str | None) -> None:
    place = point(text, placement)
    assert (None if place is None else text[: place.offset]) == before
