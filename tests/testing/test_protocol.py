"""OpenAI's protocol over plain HTTP: what a client sends is what decides the form of the answer."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.testing import Call, Features, Reply, ScriptedServer, openai
from clew.testing.tokens import count, score, split
from tests.testing.client import CLIENT, SEARCH, USER, chat, complete, post, stream, streamed_text

MARKED = "I need facts. <|begin_search_query|>capital of France<|end_search_query|> and on it goes"
END = "<|end_search_query|>"


def test_a_plain_chat_answer():
    with ScriptedServer(["Paris."]) as server:
        body = post(server, max_tokens=20).json()
    assert body["object"] == "chat.completion"
    assert body["model"] == "scripted"
    choice = body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Paris."}
    assert choice["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}


def test_model_text_with_braces_is_verbatim():
    text = r"{{ not a template }} \boxed{4} {% raw %}"
    with ScriptedServer([text]) as server:
        assert chat(server)["message"]["content"] == text


def test_stop_string_is_cut_before_its_first_occurrence():
    with ScriptedServer([MARKED]) as server:
        choice = chat(server, stop=["never", END])
    assert choice["message"]["content"] == "I need facts. <|begin_search_query|>capital of France"
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", END)


def test_stop_string_is_kept_when_asked():
    with ScriptedServer([MARKED]) as server:
        choice = chat(server, stop=END, include_stop_str_in_output=True)
    assert choice["message"]["content"].endswith("capital of France<|end_search_query|>")


def test_the_stop_string_that_is_complete_first_wins():
    with ScriptedServer(["one abc two"]) as server:
        assert chat(server, stop=["abcd", "bc", "abc"])["stop_reason"] == "abc"


def test_max_tokens_cuts_and_says_length():
    with ScriptedServer(["one two three four"]) as server:
        body = post(server, max_tokens=2).json()
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two", "length")
    assert body["usage"]["completion_tokens"] == 2


def test_a_stop_string_beyond_max_tokens_is_never_generated():
    with ScriptedServer(["one two END three"]) as server:
        choice = chat(server, max_tokens=2, stop=["END"])
    assert (choice["finish_reason"], choice["stop_reason"]) == ("length", None)


def test_completions_have_16_tokens_by_default():
    with ScriptedServer([" word" * 30]) as server:
        choice = complete(server, "Say:")
    assert (choice["text"], choice["finish_reason"]) == (" word" * 16, "length")


def test_n_choices_take_n_replies():
    with ScriptedServer(["a", "b b", "c", "left"]) as server:
        body = post(server, n=3).json()
        assert [c["message"]["content"] for c in body["choices"]] == ["a", "b b", "c"]
        assert [c["index"] for c in body["choices"]] == [0, 1, 2]
        assert body["usage"]["completion_tokens"] == 4
        assert server.left == ["left"]


def test_a_fault_uses_up_one_reply_whatever_n_is():
    with ScriptedServer([Reply(fault="rate_limit"), "a", "b"]) as server:
        assert post(server, n=2).status_code == 429
        assert [c["message"]["content"] for c in post(server, n=2).json()["choices"]] == ["a", "b"]


def test_several_prompts_in_one_request():
    with ScriptedServer(lambda request: f"[{request.prompt}/{request.choice}]") as server:
        body = post(server, "/completions", prompt=["x", "y"], n=2, max_tokens=50).json()
    assert [c["text"] for c in body["choices"]] == ["[x/0]", "[x/1]", "[y/2]", "[y/3]"]


# Streams -----------------------------------------------------------------------------------------------------------


def test_a_stream_joins_to_the_plain_answer():
    with ScriptedServer(MARKED) as server:
        chunks = stream(server, stop=[END])
        plain = chat(server, stop=[END])
    assert streamed_text(chunks) == plain["message"]["content"]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_markers_arrive_in_pieces():
    with ScriptedServer(MARKED) as server:
        pieces = [c["choices"][0]["delta"].get("content") for c in stream(server)]
    assert END not in pieces and "begin_search_query" in pieces


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_chunk_splits_by_characters(size: int):
    with ScriptedServer(Reply(MARKED, chunk=size)) as server:
        pieces = [c["choices"][0]["delta"].get("content", "") for c in stream(server)][1:-1]
    assert "".join(pieces) == MARKED
    assert {len(p) for p in pieces[:-1]} <= {size}


def test_choices_of_a_stream_take_turns():
    with ScriptedServer(["a b c", "x y z"]) as server:
        chunks = stream(server, n=2)
    order = [c["choices"][0]["index"] for c in chunks]
    assert order == [0, 1] * 5
    assert streamed_text(chunks, 0) == "a b c" and streamed_text(chunks, 1) == "x y z"


def test_usage_comes_last_when_asked():
    with ScriptedServer("a b") as server:
        with_usage = stream(server, stream_options={"include_usage": True})
        without = stream(server)
    assert with_usage[-1]["choices"] == []
    assert with_usage[-1]["usage"]["completion_tokens"] == 2
    assert all("usage" not in chunk for chunk in without)


def test_completions_stream():
    with ScriptedServer("a b c") as server:
        chunks = stream(server, "/completions", prompt="x", max_tokens=2, logprobs=1)
    assert streamed_text(chunks) == "a b"
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    scored = [c["choices"][0]["logprobs"] for c in chunks[:-1]]
    assert [s["tokens"] for s in scored] == [["a"], [" b"]]


# Reasoning and tools -----------------------------------------------------------------------------------------------


def test_reasoning_has_a_field_of_its_own_and_is_counted():
    with ScriptedServer(Reply("Paris.", reasoning="let me think")) as server:
        body = post(server).json()
        chunks = stream(server)
    assert body["choices"][0]["message"]["reasoning_content"] == "let me think"
    assert body["usage"]["completion_tokens"] == 5
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}
    deltas = [c["choices"][0]["delta"] for c in chunks]
    assert "".join(d.get("reasoning_content", "") for d in deltas) == "let me think"
    assert streamed_text(chunks) == "Paris."


def test_reasoning_eats_max_tokens_first():
    with ScriptedServer(Reply("Paris.", reasoning="let me think"), features=openai) as server:
        body = post(server, max_tokens=3).json()
    assert body["choices"][0]["message"] == {"role": "assistant", "content": ""}
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3


def test_tool_calls():
    reply = Reply("Let me look.", tool_calls=[Call("search", {"query": "a {b}"}), Call("search", '{"query": "x')])
    with ScriptedServer(reply) as server:
        choice = chat(server, tools=[SEARCH])
        chunks = stream(server, tools=[SEARCH])
    calls = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert [json.loads(calls[0]["function"]["arguments"]), calls[1]["function"]["arguments"]] == [
        {"query": "a {b}"},
        '{"query": "x',
    ]
    assert calls[0]["id"] != calls[1]["id"]
    deltas = [d for c in chunks for d in c["choices"][0]["delta"].get("tool_calls", [])]
    for index in (0, 1):
        arguments = "".join(d["function"]["arguments"] for d in deltas if d["index"] == index)
        assert arguments == calls[index]["function"]["arguments"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_only_calls_leave_no_content():
    with ScriptedServer([Reply(tool_calls=[Call("search", {"query": "x"}, id="call_7")])]) as server:
        message = chat(server, tools=[SEARCH])["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["id"] == "call_7"


def test_max_tokens_cuts_tool_arguments():
    call = Call("search", {"query": "one two three four five"})
    with ScriptedServer([Reply(tool_calls=[call])]) as server:
        choice = chat(server, tools=[SEARCH], max_tokens=8)
    arguments = choice["message"]["tool_calls"][0]["function"]["arguments"]
    assert choice["finish_reason"] == "length"
    assert call.text.startswith(arguments) and arguments != call.text


def test_a_stop_string_in_the_text_comes_before_tool_calls():
    with ScriptedServer(Reply("look END", tool_calls=[Call("search")])) as server:
        choice = chat(server, tools=[SEARCH], stop=["END"])
    assert (choice["finish_reason"], choice["message"]) == ("stop", {"role": "assistant", "content": "look "})


def test_a_reply_cannot_call_tools_that_were_not_offered():
    with ScriptedServer([Reply(tool_calls=[Call("search")])] * 2) as server:
        assert post(server).status_code == 500
        assert post(server, tools=[SEARCH], tool_choice="none").status_code == 500
        assert "offers no tools" in server.unexpected[0].reason


# Probabilities and token ids ---------------------------------------------------------------------------------------


def test_chat_logprobs():
    with ScriptedServer("Paris, France.") as server:
        scored = chat(server, logprobs=True, top_logprobs=3)["logprobs"]["content"]
        streamed = [
            entry
            for chunk in stream(server, logprobs=True, top_logprobs=3)
            for entry in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]
        ]
    assert [entry["token"] for entry in scored] == ["Paris", ",", " France", "."]
    assert all(entry["logprob"] < 0 and len(entry["top_logprobs"]) == 3 for entry in scored)
    assert all(bytes(entry["bytes"]).decode() == entry["token"] for entry in scored)
    assert streamed == scored


def test_what_was_generated_scores_alike_as_a_prompt():
    prompt, text = "The capital of France", " is Paris, of course."
    with ScriptedServer(text) as server:
        generated = complete(server, prompt, max_tokens=50, logprobs=1)["logprobs"]["token_logprobs"]
        echoed = complete(server, prompt + text, max_tokens=0, logprobs=1, echo=True)
    logprobs = echoed["logprobs"]
    assert echoed["text"] == prompt + text
    assert logprobs["token_logprobs"][0] is None
    new = [lp for lp, at in zip(logprobs["token_logprobs"], logprobs["text_offset"], strict=True) if at >= len(prompt)]
    assert new == pytest.approx(generated)


def test_scoring_takes_no_reply():
    with ScriptedServer([]) as server:
        one = complete(server, "a b", max_tokens=1, logprobs=0, echo=True)
        post(server, prompt_logprobs=0, max_tokens=1)
        assert server.unexpected == []
    assert one["text"].startswith("a b") and len(one["logprobs"]["tokens"]) == 3


def test_prompt_logprobs_and_token_ids():
    with ScriptedServer("x y") as server:
        body = post(server, prompt_logprobs=0, return_token_ids=True, max_tokens=9).json()
        text = complete(server, "a b", prompt_logprobs=0, return_token_ids=True)
    assert body["prompt_logprobs"][0] is None
    assert len(body["prompt_logprobs"]) == len(body["prompt_token_ids"]) == count(USER[0]["content"])
    assert len(body["choices"][0]["token_ids"]) == 2
    assert text["token_ids"] == body["choices"][0]["token_ids"]
    assert [str(i) for i in text["prompt_token_ids"]][1:] == [next(iter(e)) for e in text["prompt_logprobs"][1:]]


def test_hidden_stop_tokens_are_counted_by_vllm_and_not_by_others():
    with ScriptedServer("a END") as server:
        assert len(chat(server, stop=["END"], return_token_ids=True)["token_ids"]) == 2
    with ScriptedServer("a END", features=Features(dialect="openai")) as server:
        assert chat(server, stop=["END"], logprobs=True)["message"]["content"] == "a "
    assert split("a END") == ["a", " END"]


@pytest.mark.parametrize("size", [None, 3])
def test_streamed_token_ids_are_those_of_the_plain_answer(size: int | None):
    ask = {"stop": [END], "return_token_ids": True, "logprobs": True}
    with ScriptedServer(Reply(MARKED, chunk=size)) as server:
        plain = chat(server, **ask)
        choices = [chunk["choices"][0] for chunk in stream(server, **ask)]
    assert [i for c in choices for i in c.get("token_ids", [])] == plain["token_ids"]
    streamed = [entry for c in choices for entry in (c["logprobs"] or {"content": []})["content"]]
    assert streamed == plain["logprobs"]["content"]


def test_probabilities_can_be_set():
    def certain_of_paris(context: str, token: str) -> float:
        return 0.0 if "France" in context and token == " Paris" else -5.0

    with ScriptedServer(logprob=certain_of_paris) as server:
        choice = complete(server, "France Paris Rome", max_tokens=0, logprobs=0, echo=True)
    assert choice["logprobs"]["token_logprobs"] == [None, 0.0, -5.0]


@given(st.text(), st.text())
@settings(max_examples=200)
def test_tokens_join_to_the_text_and_scores_do_not_depend_on_the_cut(left: str, right: str):
    assert "".join(split(left)) == left
    whole = sum(token.logprob for token in score(left + right))
    parts = sum(token.logprob for token in score(left)) + sum(token.logprob for token in score(right, left))
    assert whole == pytest.approx(parts)


# Other endpoints and bad requests ----------------------------------------------------------------------------------


def test_models_are_listed():
    with ScriptedServer(models=["small", "large"], features=Features(context=4096)) as server:
        listed = httpx.get(server.url + "/models").json()["data"]
        assert [m["id"] for m in listed] == ["small", "large"]
        assert listed[0]["max_model_len"] == 4096
        assert (server.listings, server.count) == (1, 0)
        assert post(server, model="medium").status_code == 404


def test_usage_can_be_left_out_or_given():
    with ScriptedServer([Reply("a", usage=False), Reply("a", usage={"prompt_tokens": 7})]) as server:
        assert "usage" not in post(server).json()
        assert post(server).json()["usage"] == {"prompt_tokens": 7}


@pytest.fixture(scope="module")
def fuzzed():
    with ScriptedServer(lambda _: Reply("a b c", reasoning="d")) as server:
        yield server


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content"]), inner),
    max_leaves=6,
)
_FIELDS = "model messages prompt n max_tokens stop stream stream_options logprobs top_logprobs echo tools tool_choice"


@given(
    path=st.sampled_from(["/chat/completions", "/completions"]),
    body=st.dictionaries(st.sampled_from([*_FIELDS.split(), "return_token_ids", "prompt_logprobs"]), _JSON),
)
@settings(max_examples=150, deadline=None)
def test_any_body_has_an_answer_in_protocol(fuzzed: ScriptedServer, path: str, body: dict[str, object]):
    response = CLIENT.post(fuzzed.url + path, json=body)
    if response.headers["content-type"].startswith("text/event-stream"):
        assert response.text.endswith("data: [DONE]\n\n")
    else:
        assert {"choices", "error"} & set(response.json())
    assert response.status_code in (200, 400)


def test_a_body_that_is_no_json():
    with ScriptedServer() as server:
        response = httpx.post(server.url + "/chat/completions", content=b"{nope")
        assert response.status_code == 400
        assert server.requests[0].body == {}
