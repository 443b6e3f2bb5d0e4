"""The capability probe against every kind of server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ModelAuthError, ModelNotFound, ModelUnreachable
from clew.journal import Budget, Journal, replay
from clew.models import Capabilities, Model, Retries, forget_probes
from clew.testing import (
    Features,
    RandomText,
    Reply,
    Rule,
    ScriptedServer,
    anthropic_like_prefill,
    hidden_reasoning,
    openai,
    vllm,
)
from tests.models.support import PROBE, PROBE_TOOLS, graph_of, in_run, model

pytestmark = pytest.mark.anyio

SERVERS = [
    pytest.param(vllm, "completion", True, 1, id="vllm"),
    pytest.param(Features(), "completion", True, 1, id="all"),
    pytest.param(Features(prefill=False, stop_kept=False), "completion", True, 1, id="stop-named"),
    pytest.param(Features(prefill=False, stop_kept=False, stop_reason=False), "completion", False, 2, id="stop-cut"),
    pytest.param(anthropic_like_prefill, "prefill", False, 2, id="prefill"),
    pytest.param(Features(continue_final_message=False, strict=True), "prefill", False, 2, id="strict-prefill"),
    pytest.param(openai, "tools", False, 3, id="openai"),
    pytest.param(hidden_reasoning, "tools", False, 3, id="hidden-reasoning"),
    pytest.param(
        Features(continue_final_message=False, prefill="refuse", strict=True), "tools", False, 3, id="prefill-refused"
    ),
    pytest.param(Features(continue_final_message=False, prefill=False, tools=False), "prefill", False, 3, id="nothing"),
]


@pytest.mark.parametrize(("features", "transport", "stop_kept", "requests"), SERVERS)
async def test_finds_the_transport(features: Features, transport: str, stop_kept: bool, requests: int) -> None:
    with ScriptedServer([PROBE, PROBE_TOOLS], features=features) as server:
        found = await model(server).capabilities()
    assert (found.transport, found.stop_kept, found.source) == (transport, stop_kept, "probe")
    assert server.count == requests


@pytest.mark.parametrize(
    "said",
    ["", "Paris is the capital of France.", "The quick brown fox jumps.", "\x00\ufffd {{{", "ju mps over"],
)
async def test_nonsense_ends_in_a_safe_default(said: str) -> None:
    with ScriptedServer(said) as server:
        found = await model(server).capabilities()
    assert found.transport == "tools"
    with ScriptedServer(RandomText(seed=1), features=Features(tools=False)) as server:
        assert (await model(server).capabilities()).transport == "prefill"


@pytest.mark.parametrize("fault", ["server_error", "malformed_json", "empty", "content_filter", "bad_gateway"])
async def test_a_server_that_fails_on_unknown_parameters(fault: Any) -> None:
    broken = Rule(lambda request: "continue_final_message" in request.body, Reply(fault=fault))
    with ScriptedServer([broken, PROBE], features=anthropic_like_prefill) as server:
        found = await model(server).capabilities()
    assert found.transport == "prefill"


async def test_hidden_thinking_is_no_open_text() -> None:
    thinking = Rule("quick brown fox", Reply("mps over the lazy dog.", reasoning="The user wants the rest."))
    with ScriptedServer([thinking, PROBE_TOOLS]) as server:
        assert (await model(server).capabilities()).transport == "tools"


async def test_errors_that_forbid_every_call_are_raised() -> None:
    with ScriptedServer([PROBE], api_key="right") as server, pytest.raises(ModelAuthError):
        await model(server, api_key="wrong").capabilities()
    with ScriptedServer([PROBE], models=["other"]) as server, pytest.raises(ModelNotFound):
        await model(server).capabilities()
    with pytest.raises(ModelUnreachable):
        await model(server, retries=Retries(connection=1, base=0.001)).capabilities()


async def test_one_probe_serves_all_models_of_a_server() -> None:
    with ScriptedServer([PROBE, Rule("go", "on")], features=vllm) as server:
        await asyncio.gather(*(model(server).capabilities() for _ in range(5)))
        assert server.count == 1
        await model(server).extend("go")
        assert server.count == 2
        forget_probes()
        await model(server).capabilities()
        assert server.count == 3


async def test_given_capabilities_send_nothing() -> None:
    given = Capabilities("prefill", stop_kept=False)
    with ScriptedServer() as server:
        assert await model(server, capabilities=given).capabilities() == given
    assert server.count == 0


@pytest.mark.parametrize(
    ("name", "transport"),
    [
        ("anthropic/claude-sonnet-4-5", "prefill"),
        ("claude-sonnet-4-5", "prefill"),
        ("anthropic/claude-opus-4-6", "tools"),
        ("openai/gpt-4o", "tools"),
        ("openai/gpt-5-mini", "tools"),
        ("gemini/gemini-2.5-pro", "tools"),
        ("deepseek/deepseek-chat", "prefill"),
        ("deepseek/deepseek-v3.2", "tools"),
    ],
)
async def test_hosted_models_are_known_without_asking(name: str, transport: str) -> None:
    found = await Model(name).capabilities()
    assert (found.transport, found.source) == (transport, "table")


async def test_a_probe_is_recorded_charged_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with ScriptedServer([PROBE, Rule("go", "on")], features=vllm) as server:
        door = model(server, price=(1e-3, 1e-3))

        async def body() -> str:
            found = await door.capabilities()
            return f"{found.transport} {(await door.extend('go')).text}"

        assert (await in_run(path, body, budget=Budget(usd=10.0, model_calls=1))).text == "completion on"
    journal = Journal(path)
    kinds = [event.kind for event in journal.events("r1")]
    assert kinds.count("probe") == 1 and "model" in kinds
    forget_probes()
    replayed = await replay("r1", journal=journal, graph=graph_of(body))
    assert replayed.same and replayed.unused == []
    journal.close()
    assert server.count == 2
