"""Local models through `Model`, beside the same model run by transformers alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ConfigError, ContextOverflow, ModelRequestRejected, Unsupported
from clew.journal import Budget, Transcript
from clew.models import Capabilities, Model
from tests.models.local.making import Plain, save, save_script
from tests.models.support import in_run

pytestmark = pytest.mark.anyio

SEARCH = {"name": "search", "parameters": {"type": "object", "properties": {"query": {"type": "string"}}}}


def model(name: str, **options: Any) -> Model:
    return Model(name, **{"temperature": 0.0, "max_tokens": 24, **options})


def questions(number: int) -> list[str]:
    """Prompts of 20 to some 200 tokens."""
    return [f"Question {index}: " + "what is a clew, and who gave it? " * (index % 7) for index in range(number)]


# Bloom and Mamba are written one at a time; Mistral and Gemma look back no further than a window of 16 tokens.
SHORT, LONG = ("llama", "gpt2", "mistral", "bloom"), ("qwen3", "gemma3", "mamba")


@pytest.fixture(scope="module", params=[*SHORT, *(pytest.param(kind, marks=pytest.mark.long) for kind in LONG)])
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("models") / request.param, request.param)


async def test_every_architecture_writes_what_transformers_writes(any_model: str) -> None:
    plain, asked = Plain(any_model), questions(6)
    replies = await asyncio.gather(*(model(any_model).chat(question, max_tokens=20) for question in asked))
    for question, reply in zip(asked, replies, strict=True):
        prompt = plain.prompt(question)
        assert list(reply.token_ids or ()) == plain.greedy(prompt, 20)
        expected = plain.logprobs(prompt, list(reply.token_ids or ()))
        assert [value for _, value in reply.logprobs or ()] == pytest.approx(expected, abs=1e-4)
        assert reply.usage.to_json() == {"input": len(prompt), "output": len(expected)}


async def test_a_batch_changes_no_greedy_text(llama: str) -> None:
    asked = questions(64)
    together = await asyncio.gather(*(model(llama).chat(question) for question in asked))
    alone = [await model(llama).chat(question) for question in asked]
    assert [reply.token_ids for reply in together] == [reply.token_ids for reply in alone]
    assert len({reply.text for reply in alone}) > 32


async def test_sampled_tokens_come_with_their_probabilities(llama: str) -> None:
    plain, door = Plain(llama), model(llama, temperature=1.3, top_p=0.9, seed=5)
    replies = await door.sample("What is a clew?", 4)
    assert len({reply.text for reply in replies}) == 4
    for reply in replies:
        expected = plain.logprobs(plain.prompt("What is a clew?"), list(reply.token_ids or ()))
        assert [value for _, value in reply.logprobs or ()] == pytest.approx(expected, abs=1e-4)
        assert "".join(text for text, _ in reply.logprobs or ()) == reply.text


async def test_a_seed_gives_one_text_alone_and_among_others(llama: str) -> None:
    door = model(llama, temperature=1.0, seed=7)
    alone = await door.chat("Why?")
    crowd = [model(llama, temperature=0.5, top_p=0.5, seed=n, max_tokens=9).chat(f"Other {n}?") for n in range(20)]
    first, *_ = await asyncio.gather(door.chat("Why?"), *crowd)
    assert first.token_ids == alone.token_ids
    other = await model(llama, temperature=1.0, seed=8).chat("Why?")
    assert other.token_ids != alone.token_ids


async def test_extend_goes_on_where_the_text_ends(llama: str) -> None:
    plain, door = Plain(llama), model(llama)
    begun = Transcript().add("user", "Why?", "prompt").add("assistant", "A clew is a ", "model")
    reply = await door.extend(begun, max_tokens=12)
    prompt = plain.prompt("Why?", "A clew is a ")
    assert list(reply.token_ids or ()) == plain.greedy(prompt, 12)
    expected = plain.logprobs(prompt, list(reply.token_ids or ()))
    assert [value for _, value in reply.logprobs or ()] == pytest.approx(expected, abs=1e-4)
    assert reply.transcript.text("assistant") == "A clew is a " + reply.text
    assert (await door.capabilities()).transport == "completion"


async def test_stop_strings_wherever_they_lie(llama: str) -> None:
    door = model(llama, temperature=1.0, seed=3, max_tokens=30)
    whole = (await door.extend("Why?")).text
    stops = {whole[at : at + size] for at in range(0, len(whole), 3) for size in (1, 2, 5)} - {""}
    asked = sorted(stop for stop in stops if "\ufffd" not in stop)
    extended, chatted = [], []
    for begin in range(0, len(asked), 16):
        part = asked[begin : begin + 16]
        extended += await asyncio.gather(*(door.extend("Why?", stop=[stop, "never said"]) for stop in part))
        chatted += await asyncio.gather(*(door.chat("Why?", stop=[stop]) for stop in part))
    for stop, long, short in zip(asked, extended, chatted, strict=True):
        assert (long.text, long.stop) == (whole[: whole.index(stop) + len(stop)], stop)
        assert (short.text, short.stop, short.finish) == (whole[: whole.index(stop)], stop, "stop")
        assert not long.usage.estimated and long.usage.output == len(long.token_ids or ())


async def test_the_end_token_ends_and_is_no_text(llama: str) -> None:
    plain, door = Plain(llama), model(llama, temperature=1.5, max_tokens=900)
    replies = await asyncio.gather(*(door.chat("Why?", seed=seed) for seed in range(4)))
    ended = [reply for reply in replies if reply.finish == "stop"]
    assert ended
    for reply in ended:
        ids = list(reply.token_ids or ())
        assert ids[-1] == plain.tokenizer.eos_token_id
        assert reply.text == plain.tokenizer.decode(ids[:-1]) and reply.usage.output == len(ids)


@pytest.mark.parametrize("continuation", [" a ball of thread", "thread", "糸の玉", "\n\nNo", "é"])
async def test_scores_of_given_text(llama: str, continuation: str) -> None:
    plain, begun = Plain(llama), "It is"
    transcript = Transcript().add("user", "What?", "prompt").add("assistant", begun, "model")
    found = await model(llama).logprob(transcript, continuation)
    whole = plain.prompt("What?", begun + continuation)
    prompt = plain.prompt("What?", begun)
    assert whole[: len(prompt)] == prompt  # no token lies on the border
    expected = plain.logprobs(prompt, whole[len(prompt) :])
    assert [value for _, value in found.tokens] == pytest.approx(expected, abs=1e-4)
    assert found.total == pytest.approx(sum(expected), abs=1e-4)
    assert "".join(text for text, _ in found.tokens) == continuation


async def test_a_token_on_the_border_counts_whole(llama: str) -> None:
    plain = Plain(llama)
    transcript = Transcript().add("user", "What?", "prompt").add("assistant", "the thr", "model")
    found = await model(llama).logprob(transcript, "ead")
    whole = plain.prompt("What?", "the thread")
    assert found.tokens[0][0] == " thread" and len(found.tokens) == 1
    assert found.total == pytest.approx(plain.logprobs(whole[:-1], whole[-1:])[0], abs=1e-4)


async def test_many_scores_at_once_are_the_same(llama: str) -> None:
    door = model(llama)
    texts = [" thread" * (1 + n % 9) + "?" * (n % 3) for n in range(24)]
    together = await asyncio.gather(*(door.logprob("What?", text) for text in texts))
    for text, found in zip(texts[:8], together, strict=False):
        assert found.total == pytest.approx((await door.logprob("What?", text)).total, abs=1e-4)


async def test_raw_text_without_a_template(llama: str) -> None:
    plain = Plain(llama)
    door = model(llama, capabilities=Capabilities("completion", stop_kept=True, raw=True))
    ids = plain.tokenizer("A ball of")["input_ids"]
    assert list((await door.extend("A ball of")).token_ids or ()) == plain.greedy(ids, 24)
    found = await door.logprob("A ball of", " thread")
    assert found.total == pytest.approx(sum(plain.logprobs(ids, plain.tokenizer(" thread")["input_ids"])), abs=1e-4)


async def test_a_prompt_that_does_not_fit(llama: str) -> None:
    with pytest.raises(ContextOverflow, match="holds 1024; shorten the prompt or lower max_tokens"):
        await model(llama).chat("Why?", max_tokens=1020)
    with pytest.raises(ContextOverflow):
        await model(llama).logprob("Why?", " thread" * 2000)


async def test_parameters_that_make_no_sense(llama: str) -> None:
    with pytest.raises(Unsupported, match=r"frequency_penalty=0\.5"):
        await model(llama).chat("Why?", frequency_penalty=0.5)
    for wrong in {"top_p": 2.0}, {"top_k": -1}, {"batch_rows": 0}, {"dtype": "int3"}, {"device": "moon"}:
        with pytest.raises(ConfigError, match=str(next(iter(wrong)))):
            await model(llama).chat("Why?", **wrong)


async def test_wishes_that_are_not_granted_are_named(llama: str, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "finished":
            seen.append(event["outcome"])

    await in_run(tmp_path / "j.db", lambda: model(llama).chat("Why?", json=True), watch=watch)
    assert seen[0]["dropped"] == ["response_format"]


async def test_tools_are_written_by_the_template(llama: str) -> None:
    door, plain = model(llama), Plain(llama)
    reply = await door.chat("Find it.", tools=[SEARCH])
    definition = json.dumps([{"type": "function", "function": SEARCH}])
    assert reply.usage.input > len(plain.prompt("Find it.")) + len(plain.tokenizer(definition)["input_ids"]) - 5
    assert reply.tool_calls == ()


async def test_a_call_of_a_tool(tmp_path: Path) -> None:
    question, tool = {"role": "user", "content": "Find it."}, {"type": "function", "function": SEARCH}
    written = 'I look. <tool_call>{"name": "search", "arguments": {"query": "thread"}}</tool_call>'
    scripted = model(save_script(tmp_path / "scripted", written, [question], [tool]), max_tokens=100)
    reply = await scripted.chat([question], tools=[SEARCH])
    assert (reply.text, reply.finish) == ("I look.", "tool_calls")
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("search", {"query": "thread"})]


async def test_a_model_without_tools_says_so(tmp_path: Path) -> None:
    bare = save(tmp_path / "bare", template="{% for m in messages %}{{ m.content }}{% endfor %}")
    with pytest.raises(Unsupported, match=r"takes no tools: .* use another model"):
        await model(bare).chat("Find it.", tools=[SEARCH])


async def test_no_template_means_plain_text(tmp_path: Path) -> None:
    bare = save(tmp_path / "bare", template=None)
    plain = Plain(bare)
    reply = await model(bare).extend([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}])
    prompt = plain.tokenizer("Be brief.\n\nWhy?\n\n")["input_ids"]
    assert list(reply.token_ids or ()) == plain.greedy(prompt, 24)
    with pytest.raises(Unsupported, match="no chat template"):
        await model(bare).chat("Find it.", tools=[SEARCH])


async def test_a_template_that_refuses(tmp_path: Path) -> None:
    strict = save(tmp_path / "strict", template="{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ModelRequestRejected, match="roles must alternate"):
        await model(strict).chat("Why?")


async def test_it_costs_nothing_and_is_counted(llama: str, tmp_path: Path) -> None:
    deltas: list[str] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "delta":
            deltas.append(event["text"])

    door = model(llama, api_base="http://a.server.far.away/v1", max_tokens=400, temperature=1.0)
    answer = await in_run(tmp_path / "j.db", lambda: door.chat("Why?"), budget=Budget(usd=0.0), watch=watch)
    assert answer.text.strip() and "".join(deltas).strip() == answer.text.strip()
    assert door.price is not None and door.price.usd(1000, 1000) == 0.0
    assert door.where == "this process"


async def test_placement_is_part_of_the_fingerprint_and_limits_are_not(llama: str) -> None:
    door = model(llama, extra={"device": "cpu", "dtype": "bfloat16", "batch_rows": 2})
    assert door.fingerprint().items() >= {"device": "cpu", "dtype": "bfloat16"}.items()
    assert "batch_rows" not in door.fingerprint()
    assert (await door.chat("Why?")).usage.output > 0


async def test_litellm_itself_reaches_it(llama: str) -> None:
    import litellm

    first = await model(llama).chat("Why?", stop=["e"])  # registers the provider
    messages = [{"role": "user", "content": "Why?"}]
    options: dict[str, Any] = {"temperature": 0.0, "max_tokens": 24, "stop": ["e"], "n": 2}
    response = await litellm.acompletion(model=llama, messages=messages, **options)
    assert [choice.message.content for choice in response.choices] == [first.text] * 2
    assert response.usage.completion_tokens == 2 * first.usage.output
