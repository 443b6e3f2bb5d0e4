"""Each kind of provider: what it lacks fails as it fails there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clew.testing import (
    PRESETS,
    Features,
    Reply,
    ScriptedServer,
    anthropic_like_prefill,
    hidden_reasoning,
    openai,
    vllm,
)
from tests.testing.client import SEARCH, USER, chat, complete, post, stream

PREFILL = [*USER, {"role": "assistant", "content": "The capital is"}]
REPLY = Reply(" Paris.", fresh="The capital of France is Paris.")
CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}


def said(features: Features, **body: object) -> str:
    with ScriptedServer(REPLY, features=features) as server:
        return chat(server, messages=PREFILL, **body)["message"]["content"]


def test_vllm_continues_only_when_asked():
    assert said(vllm) == "The capital of France is Paris."
    assert said(vllm, **CONTINUE) == " Paris."


def test_vllm_refuses_contradicting_flags():
    with ScriptedServer(REPLY, features=vllm) as server:
        response = post(server, messages=PREFILL, continue_final_message=True)
    assert response.status_code == 400
    assert "Cannot set both" in response.json()["error"]["message"]


def test_anthropic_continues_a_prefill():
    assert said(anthropic_like_prefill) == " Paris."


def test_anthropic_refuses_a_prefill_that_ends_in_space():
    open_end = [*USER, {"role": "assistant", "content": "The capital is "}]
    with ScriptedServer(REPLY, features=anthropic_like_prefill) as server:
        response = post(server, messages=open_end)
    assert response.status_code == 400
    assert "trailing whitespace" in response.json()["error"]["message"]


def test_a_refused_prefill():
    with ScriptedServer(REPLY, features=Features(prefill="refuse")) as server:
        assert post(server, messages=PREFILL).status_code == 400
        assert post(server).status_code == 200


@pytest.mark.parametrize("features", [openai, hidden_reasoning])
def test_others_ignore_a_prefill_and_start_afresh(features: Features):
    assert said(features) == "The capital of France is Paris."


def test_without_a_fresh_text_the_same_reply_is_given():
    with ScriptedServer("Paris.", features=openai) as server:
        assert chat(server, messages=PREFILL)["message"]["content"] == "Paris."


def test_add_generation_prompt_starts_afresh_where_it_is_known():
    assert said(Features(), add_generation_prompt=True) == "The capital of France is Paris."


def test_the_script_sees_whether_text_is_continued():
    seen = []
    with ScriptedServer(lambda r: seen.append((r.continues, r.prefix)) or "x") as server:
        chat(server)
        chat(server, messages=PREFILL)
        complete(server, "Once upon")
    assert seen == [(False, ""), (True, "The capital is"), (True, "Once upon")]


@pytest.mark.parametrize("name", ["openai", "anthropic_like_prefill", "hidden_reasoning"])
def test_no_completions_endpoint(name: str):
    with ScriptedServer("x", features=PRESETS[name]) as server:
        assert post(server, "/completions", prompt="x").status_code == 404
        assert server.count == 1


@pytest.mark.parametrize("name", ["include_stop_str_in_output", "return_token_ids", "continue_final_message"])
def test_strict_servers_refuse_unknown_parameters_and_lenient_ones_ignore_them(name: str):
    with ScriptedServer("x", features=openai) as server:
        response = post(server, **{name: True})
        assert response.status_code == 400
        assert name in response.json()["error"]["message"]
        assert response.json()["error"]["code"] == "unknown_parameter"
    with ScriptedServer("x", features=replace(openai, strict=False)) as server:
        assert chat(server, **{name: True})["message"]["content"] == "x"


def test_a_stop_string_is_not_kept_where_that_is_unknown():
    with ScriptedServer("a END", features=replace(openai, strict=False)) as server:
        choice = chat(server, stop=["END"], include_stop_str_in_output=True)
    assert choice["message"]["content"] == "a "
    assert "stop_reason" not in choice


def test_stop_strings_are_limited_or_refused():
    with ScriptedServer("x", features=openai) as server:
        assert post(server, stop=["a", "b", "c", "d"]).status_code == 200
        assert post(server, stop=["a", "b", "c", "d", "e"]).status_code == 400
    with ScriptedServer("x", features=hidden_reasoning) as server:
        response = post(server, stop=["a"])
        assert (response.status_code, response.json()["error"]["param"]) == (400, "stop")


def test_hidden_reasoning_is_only_counted():
    with ScriptedServer(Reply("x", reasoning="a b c"), features=hidden_reasoning) as server:
        body = post(server).json()
        chunks = stream(server)
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "x"}
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert "a b c" not in str(chunks)


def test_the_reasoning_field_can_be_named():
    with ScriptedServer(Reply("x", reasoning="a"), features=Features(reasoning="reasoning")) as server:
        assert chat(server)["message"]["reasoning"] == "a"


def test_tools_n_and_logprobs_can_be_missing():
    with ScriptedServer("x", features=Features(tools=False, n=False, logprobs=False)) as server:
        assert post(server, tools=[SEARCH]).status_code == 400
        assert post(server, n=2).status_code == 400
        assert chat(server, logprobs=True)["logprobs"] is None
    with ScriptedServer("x", features=Features(logprobs=False, strict=True)) as server:
        assert post(server, logprobs=True).status_code == 400


def test_usage_can_be_missing_in_streams_or_everywhere():
    ask = {"stream_options": {"include_usage": True}}
    with ScriptedServer("x", features=Features(stream_usage=False)) as server:
        assert all(chunk.get("usage") is None for chunk in stream(server, **ask))
        assert "usage" in post(server).json()
    with ScriptedServer("x", features=Features(usage=False)) as server:
        assert "usage" not in post(server).json()


@pytest.mark.parametrize(
    ("dialect", "words"),
    [("openai", "maximum context length"), ("vllm", "maximum context length"), ("anthropic", "exceed context limit")],
)
def test_the_context_window(dialect: str, words: str):
    with ScriptedServer("x", features=Features(dialect=dialect, context=40)) as server:
        assert post(server, max_tokens=29).status_code == 200
        over = post(server, max_tokens=30)
    assert over.status_code == 400
    assert words in over.json()["error"]["message"]
    assert (
        over.json()["error"]["code"] == {"openai": "context_length_exceeded", "vllm": 400, "anthropic": None}[dialect]
    )
