"""Scores of given text."""

from __future__ import annotations

import pytest

from clew.errors import Unsupported
from clew.journal import Transcript
from clew.models import Capabilities
from clew.testing import Features, ScriptedServer, openai
from clew.testing.tokens import score
from tests.models.support import KEPT, model

pytestmark = pytest.mark.anyio

RAW = Capabilities("completion", stop_kept=True, raw=True)
BEGUN = Transcript().add("user", "Is the sky blue?", "prompt").add("assistant", "The answer is", "model")


@pytest.mark.parametrize("name", ["openai/scripted", "hosted_vllm/scripted"])
@pytest.mark.parametrize("capabilities", [KEPT, RAW], ids=["chat", "raw"])
async def test_the_score_is_the_servers_own(name: str, capabilities: Capabilities) -> None:
    with ScriptedServer() as server:
        found = await model(server, name, capabilities=capabilities).logprob(BEGUN, " yes, surely")
    prompt = server.requests[0].prompt
    expected = score(" yes, surely", prompt.removesuffix(" yes, surely"))
    assert [text for text, _ in found.tokens] == [" yes", ",", " surely"]
    assert found.total == pytest.approx(sum(token.logprob for token in expected))
    assert server.requests[0].max_tokens == 1


async def test_likelier_text_scores_higher() -> None:
    def sky(context: str, token: str) -> float:
        return -0.1 if token.strip() == "blue" else -5.0

    with ScriptedServer(logprob=sky) as server:
        door = model(server, capabilities=KEPT)
        blue, green = [(await door.logprob("The sky is", word)).total for word in ("blue", "green")]
    assert (blue, green) == (-0.1, -5.0)


async def test_a_token_that_reaches_into_the_prompt_counts_whole() -> None:
    with ScriptedServer() as server:
        found = await model(server, capabilities=RAW).logprob("The sky is bl", "ue today")
    assert [text for text, _ in found.tokens] == [" blue", " today"]


@pytest.mark.parametrize("features", [openai, Features(prompt_logprobs=False)], ids=["rejects", "ignores"])
async def test_a_server_that_cannot(features: Features) -> None:
    with ScriptedServer("x", features=features) as server, pytest.raises(Unsupported, match="score"):
        await model(server, capabilities=KEPT).logprob("q", " a")
    assert server.count == 1


async def test_plain_completions_without_scores() -> None:
    features = Features(prompt_logprobs=False)
    with ScriptedServer("x", features=features) as server, pytest.raises(Unsupported, match="score"):
        await model(server, capabilities=RAW).logprob("q", " a")


async def test_nothing_scores_zero() -> None:
    with ScriptedServer() as server:
        found = await model(server).logprob("q", "")
    assert (found.total, found.tokens, server.count) == (0.0, (), 0)
