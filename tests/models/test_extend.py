"""`extend` over its three transports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clew.journal import Transcript
from clew.models import Capabilities
from clew.testing import Call, Features, Reply, ScriptedServer, Template, anthropic_like_prefill, hidden_reasoning, vllm
from tests.models.support import END, KEPT, STREAMED, model

pytestmark = pytest.mark.anyio

BEGUN = Transcript().add("user", "Why?", "prompt").add("assistant", "Let me see", "model")
PREFILL = Capabilities("prefill")
TOOLS = Capabilities("tools")
RAW = Capabilities("completion", stop_kept=True, raw=True)
RAW_STREAMED = Capabilities("completion", raw=True)
WHOLE = Capabilities("completion", stream=False)
SEARCH = {"name": "search", "parameters": {"type": "object", "properties": {}}}

BARE = Features(stop_kept=False, stop_reason=False)
NAMED = Features(stop_kept=False, stop_reason=True)

OPEN = [
    pytest.param(KEPT, vllm, id="completion"),
    pytest.param(KEPT, NAMED, id="completion-named"),
    pytest.param(STREAMED, BARE, id="completion-streamed"),
    pytest.param(WHOLE, BARE, id="completion-whole"),
    pytest.param(PREFILL, anthropic_like_prefill, id="prefill"),
    pytest.param(RAW, Features(), id="raw"),
    pytest.param(RAW, NAMED, id="raw-named"),
    pytest.param(RAW_STREAMED, BARE, id="raw-streamed"),
]


@pytest.mark.parametrize("name", ["openai/scripted", "hosted_vllm/scripted"])
@pytest.mark.parametrize(("capabilities", "features"), OPEN)
async def test_continues_up_to_the_stop_string(name: str, capabilities: Capabilities, features: Features) -> None:
    with ScriptedServer(f", a query{END} and more", features=features) as server:
        reply = await model(server, name, capabilities=capabilities).extend(BEGUN, stop=["</s>", END])
    assert (reply.text, reply.stop, reply.finish) == (f", a query{END}", END, "stop")
    assert reply.transcript.text("assistant") == f"Let me see, a query{END}"
    assert server.requests[0].continues and server.requests[0].prefix.endswith("Let me see")


@pytest.mark.parametrize(("capabilities", "features"), OPEN)
async def test_the_models_own_end_is_no_stop(capabilities: Capabilities, features: Features) -> None:
    with ScriptedServer(", so it is.", features=features) as server:
        reply = await model(server, capabilities=capabilities).extend(BEGUN, stop=[END])
    assert (reply.text, reply.stop, reply.finish) == (", so it is.", None, "stop")


@pytest.mark.parametrize(("capabilities", "features"), OPEN)
async def test_a_reply_that_is_cut_is_no_stop(capabilities: Capabilities, features: Features) -> None:
    with ScriptedServer(f" one two three four five six{END}", features=features) as server:
        reply = await model(server, capabilities=capabilities).extend(BEGUN, stop=[END], max_tokens=3)
    assert (reply.text.strip(), reply.stop) == ("one two three", None)
    assert reply.finish == "length"


@pytest.mark.parametrize(("capabilities", "features"), OPEN)
async def test_each_request_extends_the_one_before(capabilities: Capabilities, features: Features) -> None:
    with ScriptedServer([f"first{END}", f"second{END}", "third"], features=features) as server:
        door, transcript = model(server, capabilities=capabilities), Transcript().add("user", "Why?", "prompt")
        for _ in range(3):
            reply = await door.extend(transcript, stop=[END])
            transcript = reply.transcript.add("assistant", "\n\nresult\n\n", "injected")
    prompts = [request.prompt.rstrip() for request in server.requests]
    assert prompts[1].startswith(prompts[0]) and prompts[2].startswith(prompts[1])
    written = f"first{END}\n\nresult\n\nsecond{END}\n\nresult\n\nthird"
    assert reply.transcript.text("assistant") == written
    assert server.unexpected == []


@pytest.mark.parametrize(("capabilities", "features"), [(STREAMED, BARE), (RAW_STREAMED, BARE)], ids=["chat", "raw"])
async def test_a_model_that_repeats_itself_loses_no_text(capabilities: Capabilities, features: Features) -> None:
    with ScriptedServer(" again" * 500, features=features) as server:
        reply = await model(server, capabilities=capabilities).extend(BEGUN, stop=[END])
    assert (reply.text, server.count) == (" again" * 500, 1)


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize(
    ("capabilities", "features"), [(STREAMED, BARE), (PREFILL, anthropic_like_prefill), (RAW_STREAMED, BARE)]
)
async def test_a_stop_string_split_over_chunks(chunk: int, capabilities: Capabilities, features: Features) -> None:
    text = f" <|end then{END}" + " and on it goes" * 200
    with ScriptedServer(Reply(text, chunk=chunk), features=features) as server:
        reply = await model(server, capabilities=capabilities).extend(BEGUN, stop=[END])
        assert (reply.text, reply.stop) == (f" <|end then{END}", END)
        assert reply.usage.estimated


async def test_the_stream_is_closed_at_the_stop_string() -> None:
    text = f" stop{END}" + " on and on" * 5000
    for capabilities in STREAMED, RAW_STREAMED:
        with ScriptedServer(Reply(text, fault="slow", delay=0.002), features=BARE) as server:
            await model(server, capabilities=capabilities).extend(BEGUN, stop=[END])
            for _ in range(200):
                if server.abandoned:
                    break
                await asyncio.sleep(0.02)
            assert len(server.abandoned) == 1


async def test_the_first_segment_is_an_ordinary_reply() -> None:
    with ScriptedServer(f"Thinking{END}", features=vllm) as server:
        reply = await model(server, capabilities=KEPT).extend("Why?", stop=[END])
    assert reply.text == f"Thinking{END}"
    assert "continue_final_message" not in server.requests[0].body


async def test_a_prefill_is_sent_without_trailing_space_and_nothing_is_doubled() -> None:
    begun = BEGUN.add("assistant", "\n\nresult\n\n", "injected")
    with ScriptedServer("\n\nSo it is.", features=anthropic_like_prefill) as server:
        reply = await model(server, capabilities=PREFILL).extend(begun)
    assert reply.text == "So it is."
    assert server.requests[0].last == "Let me see\n\nresult"


async def test_split_off_reasoning_is_part_of_the_text_that_is_continued() -> None:
    said = Reply(f"<|q|>thread{END}", reasoning="I should search.")
    with ScriptedServer(said, features=vllm) as server:
        reply = await model(server, capabilities=KEPT).extend("Why?", stop=[END])
    assert reply.text == f"<think>I should search.</think><|q|>thread{END}"
    with ScriptedServer(said, features=BARE) as server:
        reply = await model(server, capabilities=STREAMED).extend("Why?", stop=[END])
    assert (reply.text, reply.reasoning) == (f"<think>I should search.</think><|q|>thread{END}", "")


async def test_inline_thinking_stays_as_it_is() -> None:
    text = f"<think>first</think> then {END}"
    for capabilities, features in (KEPT, vllm), (STREAMED, BARE):
        with ScriptedServer(text, features=features) as server:
            reply = await model(server, capabilities=capabilities).extend("Why?", stop=[END])
        assert reply.text == text


async def test_tools_answer_with_calls_and_continue_nothing() -> None:
    replies: list[Any] = [
        Reply("Let me look.", tool_calls=(Call("search", {"query": "thread"}),)),
        Template("It is {{ last | find('ball of \\\\w+') }}."),
    ]
    with ScriptedServer(replies, features=hidden_reasoning) as server:
        door = model(server, capabilities=TOOLS)
        first = await door.extend("Why?", stop=[END], tools=[SEARCH])
        found = first.transcript.add(
            "tool", "a ball of thread", "injected", extra={"tool_call_id": first.tool_calls[0].id}
        )
        second = await door.extend(found, stop=[END], tools=[SEARCH])
    assert (first.text, first.finish, first.tool_calls[0].name) == ("Let me look.", "tool_calls", "search")
    assert second.text == "It is ball of thread."
    assert all("stop" not in request.body and not request.stream for request in server.requests)
    server.assert_done()


async def test_tools_are_ignored_where_text_is_continued() -> None:
    with ScriptedServer(f" on{END}", features=vllm) as server:
        await model(server, capabilities=KEPT).extend(BEGUN, stop=[END], tools=[SEARCH])
    assert "tools" not in server.requests[0].body


async def test_plain_completions_get_the_joined_text() -> None:
    begun = Transcript().add("user", "Q: why?\nA:", "prompt").add("assistant", " Because", "model")
    with ScriptedServer(f" of{END}", models=["base"]) as server:
        reply = await model(server, "text-completion-openai/base").extend(begun, stop=[END])
    assert reply.text == f" of{END}"
    assert server.requests[-1].path == "/v1/completions"
    assert server.requests[-1].prompts == ["Q: why?\nA: Because"]
