"""A key is nowhere but in the request's header."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from clew.errors import ModelError
from clew.models import Model
from clew.testing import Reply, ScriptedServer
from tests.models.support import END, QUICK, in_run, model

pytestmark = pytest.mark.anyio

KEY = "geheim-0815-zebra-moon"


def echo(status: int) -> Reply:
    return Reply(f"Incorrect API key provided: {KEY}. Find yours at the usual place.", status=status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("name", ["openai/scripted", "hosted_vllm/scripted", "text-completion-openai/scripted"])
async def test_a_server_that_quotes_the_key(
    status: int, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([Reply(f"Your key is {KEY}."), *[echo(status)] * 20]) as server:
        door = model(server, name, api_key=KEY, extra={"extra_headers": {"X-Token": KEY}})

        async def body() -> str:
            first = await door.chat("q")
            try:
                await door.chat("q2", stop=[END])
            except ModelError as error:
                return first.text + "".join(traceback.format_exception(error))
            return "no error"

        answer = await in_run(tmp_path / "j.db", body)
    assert server.requests[0].authorized
    assert (
        "refused" in answer.text
        or "429" in answer.text
        or "fail" in answer.text
        or "know" in answer.text
        or "rejected" in answer.text
    )
    out, err = capfd.readouterr()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("j.db*"))
    for place in answer.text, repr(door), str(door.fingerprint()), out, err, caplog.text:
        assert KEY not in place
    assert KEY.encode() not in stored


async def test_a_key_of_the_environment_is_masked_and_kept_from_local_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    seen: list[str] = []

    with ScriptedServer("x", api_key=KEY) as server:
        with pytest.raises(ModelError) as raised:
            await Model("openai/scripted", api_base=server.url, retries=QUICK).chat("q")
        seen.append(str(raised.value))
        assert not server.requests[0].authorized
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert (await Model("openai/scripted", retries=QUICK).chat("q")).text == "x"
    assert KEY not in seen[0] and "api_key" in seen[0]


def test_an_address_with_a_password() -> None:
    door = Model("openai/scripted", api_base="https://me:pass-word-1@gate.example.com/v1?token=abc")
    assert door.where == "https://gate.example.com/v1"
    assert "pass-word-1" not in repr(door) + str(door.fingerprint())


def test_a_fingerprint_says_what_decides_replies() -> None:
    door = Model("openai/m", temperature=0.5, extra={"top_k": 3, "extra_headers": {"a": "b"}}, api_base="http://x/v1")
    assert door.fingerprint() == {"name": "openai/m", "temperature": 0.5, "top_k": 3, "max_tokens": 2048, "seed": "run"}
    moved = Model("openai/m", temperature=0.5, extra={"top_k": 3}, api_base="http://y/v1")
    assert moved.fingerprint() == door.fingerprint()
    assert Model("openai/m", temperature=0.6).fingerprint() != door.fingerprint()
