"""The scripted server through LiteLLM, which is how Clew's models reach it."""

from __future__ import annotations

import os
from typing import Any

import pytest

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm

from clew.testing import (
    Call,
    Features,
    Reply,
    ScriptedServer,
    anthropic_like_prefill,
    openai,
)
from tests.testing.client import SEARCH, USER

pytestmark = pytest.mark.anyio

CHAT = ["openai", "hosted_vllm"]
TEXT = "text-completion-openai"
END = "<|end|>"


async def chat(server: ScriptedServer, prefix: str, **given: Any) -> Any:
    given = {"messages": USER, "max_tokens": 50, **given}
    return await litellm.acompletion(
        f"{prefix}/scripted", api_base=server.url, api_key="sk-test", max_retries=0, timeout=30, **given
    )


async def complete(server: ScriptedServer, prompt: str, **given: Any) -> Any:
    return await litellm.atext_completion(
        prompt,
        f"{TEXT}/scripted",
        api_base=server.url,
        api_key="sk-test",
        max_retries=0,
        timeout=30,
        **{"max_tokens": 50, **given},
    )


@pytest.mark.parametrize("prefix", CHAT)
async def test_chat(prefix: str):
    with ScriptedServer(["Paris."]) as server:
        response = await chat(server, prefix)
        (request,) = server.requests
    assert response.choices[0].message.content == "Paris."
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (11, 2)
    assert (request.messages, request.max_tokens, request.authorized) == (USER, 50, True)


@pytest.mark.parametrize("prefix", CHAT)
async def test_chat_streams(prefix: str):
    with ScriptedServer([f"One two {END} three"]) as server:
        parts = await chat(server, prefix, stream=True, stop=[END], stream_options={"include_usage": True})
        chunks = [chunk async for chunk in parts]
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "One two "
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage.completion_tokens == 7


@pytest.mark.parametrize("prefix", CHAT)
async def test_vllm_parameters_reach_the_server_and_its_fields_come_back(prefix: str):
    body = {"include_stop_str_in_output": True, "return_token_ids": True}
    with ScriptedServer([f"One {END} two"]) as server:
        response = await chat(server, prefix, stop=[END], logprobs=True, top_logprobs=2, extra_body=body)
    choice = response.choices[0]
    assert choice.message.content == f"One {END}"
    assert choice.provider_specific_fields["stop_reason"] == END
    assert len(choice.provider_specific_fields["token_ids"]) == len(choice.logprobs.content) == 6
    assert len(response.prompt_token_ids) == 7


@pytest.mark.parametrize("prefix", CHAT)
async def test_prefill(prefix: str):
    messages = [*USER, {"role": "assistant", "content": "The capital is"}]
    reply = Reply(" Paris.", fresh="It is Paris.")
    with ScriptedServer(reply, features=anthropic_like_prefill) as server:
        assert (await chat(server, prefix, messages=messages)).choices[0].message.content == " Paris."
    with ScriptedServer(reply, features=openai) as server:
        assert (await chat(server, prefix, messages=messages)).choices[0].message.content == "It is Paris."
    with ScriptedServer(reply) as server:
        body = {"continue_final_message": True, "add_generation_prompt": False}
        response = await chat(server, prefix, messages=messages, extra_body=body)
    assert response.choices[0].message.content == " Paris."


@pytest.mark.parametrize("prefix", CHAT)
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning(prefix: str, field: str):
    with ScriptedServer(Reply("x", reasoning="a b"), features=Features(reasoning=field)) as server:
        response = await chat(server, prefix)
        chunks = [chunk async for chunk in await chat(server, prefix, stream=True)]
    assert response.choices[0].message.reasoning_content == "a b"
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "a b"


@pytest.mark.parametrize("prefix", CHAT)
async def test_tools(prefix: str):
    with ScriptedServer(Reply("Let me look.", tool_calls=[Call("search", {"query": "Paris"})])) as server:
        response = await chat(server, prefix, tools=[SEARCH])
        chunks = [chunk async for chunk in await chat(server, prefix, tools=[SEARCH], stream=True)]
    choice = response.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look.")
    assert choice.message.tool_calls[0].function.arguments == '{"query": "Paris"}'
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert calls[0].function.name == "search"
    assert "".join(call.function.arguments for call in calls) == '{"query": "Paris"}'


@pytest.mark.parametrize("prefix", CHAT)
async def test_several_choices(prefix: str):
    with ScriptedServer(["a", "b"]) as server:
        response = await chat(server, prefix, n=2)
    assert [choice.message.content for choice in response.choices] == ["a", "b"]


async def test_completions():
    body = {"include_stop_str_in_output": True, "return_token_ids": True}
    with ScriptedServer(f"One {END} two") as server:
        response = await complete(server, "Count:", stop=[END], logprobs=1, extra_body=body)
        chunks = [chunk async for chunk in await complete(server, "Count:", stop=[END], stream=True)]
        assert [request.path for request in server.requests] == ["/v1/completions"] * 2
    choice = response.choices[0]
    assert (choice.text, choice.stop_reason) == (f"One {END}", END)
    assert len(choice.token_ids) == len(choice.logprobs.token_logprobs) == 6
    assert "".join(chunk.choices[0].text or "" for chunk in chunks) == "One "


async def test_scoring_by_echo():
    with ScriptedServer(logprob=lambda context, token: -1.0 - len(context)) as server:
        response = await complete(server, "a b c", max_tokens=0, echo=True, logprobs=1)
    logprobs = response.choices[0].logprobs
    assert logprobs.tokens == ["a", " b", " c"]
    assert logprobs.token_logprobs == [None, -2.0, -4.0]


async def test_no_completions_endpoint():
    with ScriptedServer("x", features=openai) as server, pytest.raises(litellm.BadRequestError) as caught:
        await complete(server, "x")
    assert caught.value.status_code == 404


FAULTS = {
    "auth": litellm.AuthenticationError,
    "wrong_model": litellm.NotFoundError,
    "rate_limit": litellm.RateLimitError,
    "quota": litellm.RateLimitError,
    "server_error": litellm.InternalServerError,
    "overloaded": litellm.ServiceUnavailableError,
    "bad_gateway": litellm.BadGatewayError,
    "content_filter": litellm.BadRequestError,
    "context_overflow": litellm.ContextWindowExceededError,
    "cut_stream": litellm.InternalServerError,
    "disconnect": litellm.InternalServerError,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("prefix", [*CHAT, TEXT])
async def test_faults_are_what_litellm_takes_them_for(prefix: str, fault: Any):
    with ScriptedServer(Reply("a b c", fault=fault, retry_after=1.5), features=Features(dialect="openai")) as server:
        with pytest.raises(FAULTS[fault]) as caught:
            await (complete(server, "x") if prefix == TEXT else chat(server, prefix))
        assert server.count == 1
    headers = getattr(caught.value, "litellm_response_headers", None) or {}
    assert headers.get("retry-after") == (None if fault in ("cut_stream", "disconnect") else "1.5")


@pytest.mark.parametrize("prefix", CHAT)
async def test_a_stream_that_breaks_raises_and_one_that_ends_early_does_not(prefix: str):
    with ScriptedServer([Reply("a b c d", fault="cut_stream"), Reply("a b c d", fault="end_stream")]) as server:
        with pytest.raises(litellm.ServiceUnavailableError):
            [chunk async for chunk in await chat(server, prefix, stream=True)]
        response = await chat(server, prefix, stream=True)
        chunks = [chunk async for chunk in response]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert response.received_finish_reason is None


@pytest.mark.parametrize("prefix", CHAT)
async def test_a_client_that_stops_reading_is_noticed(prefix: str):
    with ScriptedServer(Reply("a b c d", fault="stall")) as server:
        response = await chat(server, prefix, stream=True)
        async for chunk in response:
            if chunk.choices[0].delta.content:
                break
        await response.aclose()
        await server.departed(1)
