"""`chat` and `sample` over real HTTP."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ConfigError, ModelError, Refused
from clew.journal import Budget, Transcript, current
from clew.models import Capabilities, Model, Usage
from clew.testing import Call, Features, Reply, ScriptedServer
from tests.models.support import END, KEPT, in_run, model

pytestmark = pytest.mark.anyio

SEARCH: dict[str, Any] = {
    "name": "search",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
}


async def test_reply_and_transcript() -> None:
    with ScriptedServer("A ball of thread.") as server:
        reply = await model(server).chat("What is a clew?")
    assert (reply.text, reply.finish, reply.stop) == ("A ball of thread.", "stop", None)
    asked, said = reply.transcript.segments
    assert (asked.role, asked.origin, said.role, said.origin, said.effect) == (
        "user", "prompt", "assistant", "model", reply.key,
    )  # fmt: skip
    assert server.requests[0].messages == [{"role": "user", "content": "What is a clew?"}]


async def test_usage_is_the_servers_own() -> None:
    given = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 80},
        "completion_tokens_details": {"reasoning_tokens": 15},
    }
    with ScriptedServer(Reply("x", usage=given)) as server:
        reply = await model(server).chat("q")
    assert reply.usage == Usage(input=100, output=20, cached=80, reasoning=15)
    assert (reply.cost.tokens, reply.cost.model_calls, reply.cost.estimated) == (120, 1, False)


@pytest.mark.parametrize("stop", [(), (END,)], ids=["whole", "stream"])
async def test_missing_usage_is_estimated_and_says_so(stop: tuple[str, ...]) -> None:
    with ScriptedServer(Reply("some words of a reply", usage=False)) as server:
        reply = await model(server).chat("a question of some length", stop=stop)
    assert reply.usage.estimated and reply.cost.estimated
    assert reply.usage.input >= 6 and reply.usage.output >= 5


async def test_stop_is_cut_off_and_named_though_the_server_hides_it() -> None:
    with ScriptedServer(f"before{END}after", features=Features(stop_kept=False, stop_reason=False)) as server:
        stopped = await model(server).chat("q", stop=[END])
        ended = await model(server).chat("q2", stop=["never"])
    assert (stopped.text, stopped.stop, stopped.finish) == ("before", END, "stop")
    assert (ended.text, ended.stop) == (f"before{END}after", None)
    assert "stop" not in server.requests[0].body


async def test_stop_goes_to_a_server_that_keeps_it() -> None:
    with ScriptedServer(f"before{END}after") as server:
        reply = await model(server, capabilities=KEPT).chat("q", stop=END)
    assert (reply.text, reply.stop) == ("before", END)
    assert server.requests[0].stop == [END] and not server.requests[0].stream


async def test_length_is_told_from_stop() -> None:
    with ScriptedServer("one two three four five") as server:
        reply = await model(server, max_tokens=3).chat("q")
    assert (reply.text, reply.finish) == ("one two three", "length")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart(field: str) -> None:
    with ScriptedServer(Reply("42", reasoning="6 times 7"), features=Features(reasoning=field)) as server:
        whole = await model(server).chat("q")
        streamed = await model(server).chat("q", stop=["never"])
    assert [(r.text, r.reasoning) for r in (whole, streamed)] == [("42", "6 times 7")] * 2


@pytest.mark.parametrize(
    "written",
    ["<think>6 times 7</think>\n42", "6 times 7\n</think>\n\n42", "\n<think>\n6 times 7\n</think>42"],
)
@pytest.mark.parametrize("stop", [(), (END,)], ids=["whole", "stream"])
async def test_think_blocks_that_a_server_leaves_in_the_text(written: str, stop: tuple[str, ...]) -> None:
    with ScriptedServer(written) as server:
        reply = await model(server).chat("q", stop=stop)
    assert (reply.text, reply.reasoning) == ("42", "6 times 7")


async def test_a_reply_cut_while_thinking_has_no_text() -> None:
    with ScriptedServer("<think>let me see and see") as server:
        reply = await model(server, max_tokens=6).chat("q", stop=["never"])
    assert (reply.text, reply.finish) == ("", "length")
    assert reply.reasoning.startswith("let me")


async def test_tools_round_trip() -> None:
    replies: list[Any] = [Reply(tool_calls=(Call("search", {"query": "thread"}, id="c1"),)), "Found."]
    with ScriptedServer(replies) as server:
        door = model(server)
        first = await door.chat("q", tools=[SEARCH])
        call = first.tool_calls[0]
        answered = first.transcript.add("tool", "a ball", "injected", extra={"tool_call_id": call.id})
        second = await door.chat(answered, tools=[SEARCH])
    assert (first.finish, call.name, call.arguments, call.error) == ("tool_calls", "search", {"query": "thread"}, None)
    assert second.text == "Found."
    _, assistant, tool = server.requests[1].messages
    assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"] == "c1"
    assert server.requests[0].tools[0]["name"] == "search"


@pytest.mark.parametrize("stop", [(), (END,)], ids=["whole", "stream"])
@pytest.mark.parametrize("raw", ['{"query": ', "[1, 2]", "search for threads"])
async def test_arguments_that_are_no_object_are_an_error_not_an_exception(raw: str, stop: tuple[str, ...]) -> None:
    with ScriptedServer(Reply("let me look", tool_calls=(Call("search", raw),))) as server:
        reply = await model(server).chat("q", tools=[SEARCH], stop=stop)
    call = reply.tool_calls[0]
    assert (call.arguments, call.raw, reply.text) == ({}, raw, "let me look")
    assert call.error and call.id


async def test_the_callers_tools_are_left_as_they_are() -> None:
    strict = {**SEARCH, "strict": True, "parameters": {**SEARCH["parameters"], "additionalProperties": False}}
    before = copy.deepcopy(strict)
    with ScriptedServer(Reply(tool_calls=(Call("search", {"query": "x"}),))) as server:
        for name in "openai/scripted", "hosted_vllm/scripted":
            await model(server, name).chat("q", tools=[strict])
    assert strict == before


async def test_token_ids_and_logprobs_are_kept_when_given() -> None:
    extra = {"logprobs": True, "extra_body": {"return_token_ids": True}}
    with ScriptedServer("a b c") as server:
        whole = await model(server, extra=extra).chat("q")
        streamed = await model(server, extra=extra).chat("q", stop=["never"])
        plain = await model(server).chat("q")
    assert [text for text, _ in whole.logprobs or ()] == ["a", " b", " c"]
    assert len(whole.token_ids or ()) == 3
    assert (streamed.logprobs, streamed.token_ids) == (whole.logprobs, whole.token_ids)
    assert (plain.logprobs, plain.token_ids) == (None, None)


async def test_parameters_reach_the_server() -> None:
    options: dict[str, Any] = {"temperature": 0.7, "top_p": 0.8, "extra": {"presence_penalty": 0.5, "top_k": 20}}
    with ScriptedServer("x") as server:
        await model(server, **options).chat("q", temperature=0.1, max_tokens=7, json={"type": "object"})
    body = server.requests[0].body
    sent = {name: body[name] for name in ("temperature", "top_p", "presence_penalty", "top_k", "max_tokens")}
    assert sent == {"temperature": 0.1, "top_p": 0.8, "presence_penalty": 0.5, "top_k": 20, "max_tokens": 7}
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize("stop", [(), (END,)], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ["openai/scripted", "hosted_vllm/scripted"])
async def test_what_only_some_servers_know_reaches_them(name: str, stop: tuple[str, ...]) -> None:
    extra: dict[str, Any] = {
        "top_k": 20,
        "extra_body": {"min_p": 0.1, "chat_template_kwargs": {"enable_thinking": False}},
        "extra_headers": {"X-Team": "red"},
    }
    with ScriptedServer("x") as server:
        await model(server, name, api_key="sk-own", extra=extra).chat("q", stop=stop)
    (request,) = server.requests
    assert {**extra["extra_body"], "top_k": 20}.items() <= request.body.items()
    assert request.headers["x-team"] == "red" and request.authorized
    assert request.model == "scripted" and request.path == "/v1/chat/completions"


async def test_an_empty_reply_is_legal() -> None:
    with ScriptedServer([Reply(""), Reply(fault="null_content")]) as server:
        door = model(server)
        replies = [await door.chat("q"), await door.chat("q2")]
    assert [(reply.text, reply.finish) for reply in replies] == [("", "stop")] * 2
    assert server.count == 2


async def test_image_parts_go_through_unchanged() -> None:
    parts = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": "data:,x"}}]
    with ScriptedServer("a picture") as server:
        await model(server).chat([{"role": "system", "content": "Look."}, {"role": "user", "content": parts}])
    assert server.requests[0].messages[1]["content"] == parts


@pytest.mark.parametrize("messages", [[], [{"role": "robot", "content": "x"}], Transcript()])
async def test_messages_that_make_no_sense(messages: Any) -> None:
    with pytest.raises(ConfigError):
        await Model("openai/scripted", api_base="http://127.0.0.1:9/v1").chat(messages)


# Samples and seeds -----------------------------------------------------------------------------------------------


async def test_samples_are_effects_of_their_own_with_different_seeds(tmp_path: Path) -> None:
    with ScriptedServer([f"sample {i}" for i in range(4)]) as server:
        door = model(server)
        replies: list[Any] = []

        async def body() -> str:
            replies[:] = await door.sample("q", 4, temperature=1.0)
            return " ".join(sorted(reply.text for reply in replies))

        first = await in_run(tmp_path / "j.db", body)
        keys, texts = [reply.key for reply in replies], [reply.text for reply in replies]
        again = await in_run(tmp_path / "j.db", body, retry=("failed",))
    assert len(set(keys)) == 4 and len({request.body["seed"] for request in server.requests}) == 4
    assert first.text == again.text == "sample 0 sample 1 sample 2 sample 3"
    assert [reply.text for reply in replies] == texts and all(reply.replayed for reply in replies)
    assert server.count == 4


async def test_the_first_failure_in_order_is_raised_and_the_others_are_kept() -> None:
    def answer(request: Any) -> Reply:
        return Reply("refused", status=400) if request.body["seed"] in (11, 12) else Reply("fine")

    with ScriptedServer(answer) as server, pytest.raises(ModelError, match="refused"):
        await model(server, seed=10).sample("q", 4)
    assert sorted(request.body["seed"] for request in server.requests) == [10, 11, 12, 13]


async def test_a_seed_is_the_same_on_a_resume_and_differs_between_equal_calls(tmp_path: Path) -> None:
    replies: list[Any] = ["one", Reply("not now", status=400), "two", "three"]

    async def body() -> str:
        first = await door.chat("q")
        return f"{first.text} {(await door.chat('q')).text}"

    with ScriptedServer(replies) as server:
        door = model(server)
        assert (await in_run(tmp_path / "j.db", body)).status == "error"
        assert (await in_run(tmp_path / "j.db", body, retry=("failed",))).text == "one two"
        assert (await in_run(tmp_path / "j.db", body, run_id="r2")).status == "error"
    first, failed, again, other = (request.body.get("seed") for request in server.requests[:4])
    assert failed == again != first
    assert other not in (first, again)


async def test_a_fixed_seed_and_none() -> None:
    with ScriptedServer("x") as server:
        await model(server, seed=None).chat("q")
        await model(server, seed=5).chat("q")
        await model(server, seed=5).chat("q", seed=6)
    assert [request.body.get("seed") for request in server.requests] == [None, 5, 6]


# Money -----------------------------------------------------------------------------------------------------------


async def test_a_given_price_is_charged_by_the_servers_usage() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
    with ScriptedServer(Reply("x", usage=usage)) as server:
        reply = await model(server, price=(2e-6, 1e-5)).chat("q")
    assert reply.cost.usd == pytest.approx(1000 * 2e-6 + 10 * 1e-5)


async def test_a_money_limit_with_an_unknown_price_refuses_before_sending(tmp_path: Path) -> None:
    door = Model("openai/no-such-model-anywhere")
    answer = await in_run(tmp_path / "j.db", lambda: door.chat("q"), budget=Budget(usd=1.0))
    assert (answer.status, answer.stop_reason) == ("budget", "usd")


async def test_a_token_limit_counts_max_tokens_before_sending(tmp_path: Path) -> None:
    with ScriptedServer("x") as server:
        door = model(server, max_tokens=500)

        async def body() -> str:
            try:
                return (await door.chat("q")).text
            except Refused as refusal:
                return f"{refusal.limit}, then {(await door.chat('q', max_tokens=20)).text}"

        answer = await in_run(tmp_path / "j.db", body, budget=Budget(tokens=200))
    assert answer.text == "tokens, then x"
    assert server.count == 1


async def test_a_failure_that_costs_nothing_uses_no_budget(tmp_path: Path) -> None:
    async def body() -> str:
        try:
            await door.chat("q", max_tokens=150)
        except ModelError:
            return (await door.chat("q2", max_tokens=150)).text
        return "no error"

    with ScriptedServer([Reply(fault="auth"), "x"]) as server:
        door = model(server)
        assert (await in_run(tmp_path / "j.db", body, budget=Budget(tokens=200))).text == "x"


# Replay and progress ---------------------------------------------------------------------------------------------


async def test_a_resume_returns_the_recorded_reply_and_sends_nothing(tmp_path: Path) -> None:
    door: Model | None = None

    async def body() -> str:
        assert door is not None
        first = await door.chat("q", stop=[END])
        if current().performed:
            raise RuntimeError("the process dies here")
        return first.text

    with ScriptedServer([f"one{END}"]) as server:
        door = model(server)
        with pytest.raises(RuntimeError):
            await in_run(tmp_path / "j.db", body)
    with ScriptedServer() as moved:  # Another address, and it has nothing to say.
        door = model(moved, capabilities=Capabilities("completion", stop_kept=True))
        answer = await in_run(tmp_path / "j.db", body)
    assert (answer.text, server.count, moved.count) == ("one", 1, 0)


async def test_progress_is_told_while_text_streams(tmp_path: Path) -> None:
    told: list[str] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "delta":
            told.append(event["text"])

    with ScriptedServer(f"one two{END} three") as server:
        door = model(server)
        await in_run(tmp_path / "j.db", lambda: door.chat("q", stop=[END]), watch=watch)
    assert len(told) > 2 and "".join(told) == f"one two{END}"
