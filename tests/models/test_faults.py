"""Every fault of a server, over real HTTP: what is repeated, how often, and which error ends it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clew.errors import (
    BadReply,
    ClewError,
    ContentFiltered,
    ContextOverflow,
    ModelAuthError,
    ModelError,
    ModelNotFound,
    ModelRequestRejected,
    ModelTimeout,
    ModelUnreachable,
    RateLimited,
)
from clew.journal import Journal
from clew.models import Capabilities, Model, Retries, Timeouts
from clew.models.failures import Failure
from clew.testing import Faulty, Features, Reply, ScriptedServer
from tests.models.support import END, QUICK, in_run, model

pytestmark = pytest.mark.anyio

BARE = Features(stop_kept=False, stop_reason=False)
ONCE = Retries(rate_limit=1, server=1, connection=1, timeout=1, bad_reply=1, base=0.001)
SHORT = Timeouts(first_token=0.4, idle=0.4, per_token=0.0)
MODES = [pytest.param((), id="whole"), pytest.param((END,), id="stream")]
NAMES = ["openai/scripted", "hosted_vllm/scripted"]

REPEATED = [
    ("rate_limit", RateLimited),
    ("server_error", ModelError),
    ("overloaded", ModelError),
    ("bad_gateway", ModelError),
    ("disconnect", ModelUnreachable),
    ("malformed_json", BadReply),
    ("empty", BadReply),
    ("cut_stream", (BadReply, ModelUnreachable)),
]
SILENT = ["hang", "stall"]
FINAL = [
    ("auth", ModelAuthError),
    ("permission", ModelAuthError),
    ("wrong_model", ModelNotFound),
    ("quota", RateLimited),
    ("content_filter", ContentFiltered),
    ("context_overflow", ContextOverflow),
]


@pytest.mark.parametrize("stop", MODES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("fault", "error"), REPEATED, ids=[fault for fault, _ in REPEATED])
async def test_a_passing_fault_is_repeated(name: str, fault: Any, error: Any, stop: tuple[str, ...]) -> None:
    with ScriptedServer([Faulty(fault, then=f"all of the text{END}")], features=BARE) as server:
        reply = await model(server, name, retries=ONCE).chat("q", stop=stop)
    assert reply.text == ("all of the text" if stop else f"all of the text{END}")
    assert server.count == 2


@pytest.mark.parametrize("stop", MODES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("fault", "error"), REPEATED, ids=[fault for fault, _ in REPEATED])
async def test_a_lasting_fault_ends_in_its_error(name: str, fault: Any, error: Any, stop: tuple[str, ...]) -> None:
    with ScriptedServer(Reply("some text", fault=fault), features=BARE) as server:
        door = model(server, name, retries=ONCE)
        with pytest.raises(error) as raised:
            await door.chat("q", stop=stop)
    assert server.count == 2
    message = str(raised.value)
    assert name in message and server.url in message and "2 tries" in message
    assert "litellm" not in message.lower() and "Traceback" not in message


# On a busy machine a try may be over before its request arrives, so these count no requests.


@pytest.mark.parametrize("stop", MODES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", SILENT)
async def test_a_server_that_falls_silent_once(name: str, fault: Any, stop: tuple[str, ...]) -> None:
    with ScriptedServer([Faulty(fault, then="all of the text")], features=BARE) as server:
        reply = await model(server, name, retries=Retries(timeout=20, base=0.001), timeout=SHORT).chat("q", stop=stop)
    assert reply.text == "all of the text"
    assert reply.cost.tokens > reply.usage.total


@pytest.mark.parametrize("stop", MODES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", SILENT)
async def test_a_server_that_stays_silent(name: str, fault: Any, stop: tuple[str, ...]) -> None:
    with ScriptedServer(Reply("some text", fault=fault), features=BARE) as server:
        door = model(server, name, retries=ONCE, timeout=SHORT)
        with pytest.raises(ModelTimeout, match="in time after 2 tries"):
            await door.chat("q", stop=stop)


@pytest.mark.parametrize("stop", MODES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("fault", "error"), FINAL, ids=[fault for fault, _ in FINAL])
async def test_what_a_repetition_cannot_cure_is_not_repeated(
    name: str, fault: Any, error: type[ClewError], stop: tuple[str, ...]
) -> None:
    with ScriptedServer(Reply(fault=fault), features=BARE) as server, pytest.raises(error) as raised:
        await model(server, name).chat("q", stop=stop)
    assert server.count == 1
    assert name in str(raised.value) and "tries" not in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_that_ends_without_an_ending_is_not_a_reply(name: str) -> None:
    with ScriptedServer([Faulty("end_stream", then="the whole text")], features=BARE) as server:
        reply = await model(server, name).chat("q", stop=[END])
    assert (reply.text, server.count) == ("the whole text", 2)


async def test_nobody_listens() -> None:
    with ScriptedServer() as server:
        pass
    for name in NAMES:
        with pytest.raises(ModelUnreachable, match="cannot be reached after 2 tries"):
            await model(server, name, retries=ONCE).chat("q")


async def test_an_unknown_host() -> None:
    with ScriptedServer() as server:
        door = model(server, api_base="http://no-such-host.invalid/v1", retries=ONCE)
    with pytest.raises(ModelUnreachable, match=r"no-such-host\.invalid"):
        await door.chat("q")


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("no-such-model", ModelNotFound, "openai/"),
        ("openai/gpt-4o-mini", ModelAuthError, "api_key"),
        ("anthropic/claude-sonnet-4-5", ModelAuthError, "api_key"),
    ],
)
async def test_settings_that_fail_before_anything_is_sent(
    name: str, error: type[ClewError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE":
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(error) as raised:
        await Model(name, retries=QUICK).chat("q")
    assert words in str(raised.value) and "tries" not in str(raised.value)


@pytest.mark.parametrize("dialect", ["vllm", "openai", "anthropic"])
async def test_a_full_context_window(dialect: Any) -> None:
    features = Features(dialect=dialect, context=50)
    with ScriptedServer("x", features=features) as server, pytest.raises(ContextOverflow):
        await model(server).chat("many words " * 60)
    assert server.count == 1


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Requested token count exceeds the model's maximum context length of 32768 tokens.",
        "Please reduce the length of the messages or completion.",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
        "Input is too long for requested model.",
        "Range of input length should be [1, 30720]",
        "Requested tokens (5012) exceed context window of 4096",
    ],
)
async def test_words_for_a_full_context_window(words: str) -> None:
    for status in 400, 413, 422:
        with ScriptedServer(Reply(words, status=status)) as server, pytest.raises(ContextOverflow):
            await model(server).chat("q")


@pytest.mark.parametrize(
    ("status", "words", "error"),
    [
        (400, "temperature must be in [0, 2]", ModelRequestRejected),
        (422, "Extra inputs are not permitted: foo", ModelRequestRejected),
        (413, "payload too large", ModelRequestRejected),
        (402, "Insufficient balance", RateLimited),
        (400, "Your credit balance is too low to access the API: billing", ModelRequestRejected),
        (529, "Overloaded", ModelError),
        (408, "request timed out upstream", ModelTimeout),
        (504, "upstream timed out", ModelTimeout),
    ],
)
async def test_other_statuses(status: int, words: str, error: type[ClewError]) -> None:
    with ScriptedServer(Reply(words, status=status)) as server, pytest.raises(error) as raised:
        await model(server, retries=Retries(0, 0, 0, 0, 0)).chat("q")
    assert type(raised.value) is error and words.partition(":")[0] in str(raised.value)


async def test_a_server_may_forbid_a_repetition() -> None:
    refusing = Reply("no", status=500, headers={"x-should-retry": "false"})
    with ScriptedServer(refusing) as server, pytest.raises(ModelError):
        await model(server).chat("q")
    assert server.count == 1


# Waits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [0.3, timedelta(seconds=2)], ids=["seconds", "date"])
async def test_retry_after_is_honoured(asked: float | timedelta, tmp_path: Path) -> None:
    begun = time.time()
    with ScriptedServer([Faulty(Reply(fault="rate_limit", retry_after=asked), then="x")]) as server:
        await in_run(tmp_path / "j.db", lambda: model(server).chat("q"))
        first, second = (request.at for request in server.requests)
    # An HTTP date has whole seconds.
    least = asked if isinstance(asked, float) else int(begun + asked.total_seconds()) - first
    assert second - first >= least
    (tried,) = tries(tmp_path / "j.db")
    assert tried["cause"] == "rate_limit" and tried["try"] == 1 and tried["wait"] > 0


def test_waits_grow_and_are_capped() -> None:
    retries = Retries(base=1.0, cap=10.0, cap_asked=60.0)
    failure = Failure("server", "x")
    for n, full in enumerate([1.0, 2.0, 4.0, 8.0, 10.0, 10.0]):
        assert full / 2 <= retries.wait(failure, n) <= full
    assert 5.0 <= retries.wait(Failure("rate_limit", "x", retry_after=5.0), 0) <= 5.1
    assert 60.0 <= retries.wait(Failure("rate_limit", "x", retry_after=3600.0), 0) <= 60.1
    assert retries.wait(failure, 10_000) <= 10.0


async def test_causes_are_counted_apart() -> None:
    faults = [Reply(fault="rate_limit"), Reply(fault="server_error"), Reply(fault="malformed_json")]
    with ScriptedServer([*faults, "done"]) as server:
        reply = await model(server, retries=ONCE).chat("q")
    assert (reply.text, server.count) == ("done", 4)


# Records -------------------------------------------------------------------------------------------------------


def tries(path: Path) -> list[dict[str, Any]]:
    journal = Journal(path)
    try:
        return [event.request for event in journal.events("r1") if event.kind == "model.try"]
    finally:
        journal.close()


async def test_each_failed_try_is_an_event_of_the_effect(tmp_path: Path) -> None:
    with ScriptedServer([Faulty("server_error", times=2, then="x")]) as server:
        answer = await in_run(tmp_path / "j.db", lambda: model(server).chat("q"))
    assert answer.status == "ok"
    assert [(tried["try"], tried["cause"], tried["status"]) for tried in tries(tmp_path / "j.db")] == [
        (1, "server", 500),
        (2, "server", 500),
    ]


async def test_an_error_is_recorded_and_raised_again_alike(tmp_path: Path) -> None:
    seen: list[tuple[type, str]] = []

    async def body() -> str:
        try:
            await door.chat("q")
        except ModelError as error:
            seen.append((type(error), str(error)))
        if len(seen) == 1:
            raise RuntimeError("the process dies here")
        return "went on"

    with ScriptedServer(Reply(fault="auth")) as server:
        door = model(server)
        with pytest.raises(RuntimeError):
            await in_run(tmp_path / "j.db", body)
        assert (await in_run(tmp_path / "j.db", body)).text == "went on"
    assert seen[0] == seen[1] and seen[0][0] is ModelAuthError
    assert server.count == 1


async def test_a_try_that_may_have_been_billed_is_counted() -> None:
    question = "a question of many words " * 40
    with ScriptedServer([Faulty("malformed_json", then="x")]) as server:
        reply = await model(server).chat(question)
    assert reply.usage.total < 400 and not reply.usage.estimated
    assert reply.cost.tokens > reply.usage.total + 200 and reply.cost.estimated


async def test_a_cancelled_call_closes_its_connection() -> None:
    with ScriptedServer(Reply(fault="hang")) as server:
        task = asyncio.create_task(model(server).chat("q"))
        await server.arrived(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(200):
            if server.abandoned:
                break
            await asyncio.sleep(0.02)
        assert len(server.abandoned) == 1


async def test_a_slow_stream_is_no_stalled_one() -> None:
    patient = Timeouts(first_token=5.0, idle=0.5, per_token=1.0)
    with ScriptedServer(
        Reply("one two three four five six seven eight", fault="slow", delay=0.1), features=BARE
    ) as server:
        door = model(server, timeout=patient, capabilities=Capabilities("completion"), retries=Retries(timeout=0))
        reply = await door.extend("q", stop=[END])
    assert reply.text.endswith("eight")
