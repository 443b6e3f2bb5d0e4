"""A plain HTTP client for tests of the scripted server."""

from __future__ import annotations

import json
from typing import Any

import httpx

from clew.testing import ScriptedServer

USER = [{"role": "user", "content": "What is the capital of France?"}]
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}, "k": {"type": "integer"}}},
    },
}


# One client: each new one reads all certificates, which takes longer than most tests here.
CLIENT = httpx.Client(timeout=30)


def post(server: ScriptedServer, path: str = "/chat/completions", /, **body: Any) -> httpx.Response:
    body.setdefault("model", "scripted")
    if path == "/chat/completions":
        body.setdefault("messages", USER)
    return CLIENT.post(server.url + path, json=body, headers={"Authorization": "Bearer sk-test"})


def chat(server: ScriptedServer, **body: Any) -> dict[str, Any]:
    """The first choice of a chat request that succeeds."""
    response = post(server, **body)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def complete(server: ScriptedServer, prompt: str, **body: Any) -> dict[str, Any]:
    """The first choice of a completions request that succeeds."""
    response = post(server, "/completions", prompt=prompt, **body)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of a whole stream, whose last line must be [DONE]."""
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def stream(server: ScriptedServer, path: str = "/chat/completions", /, **body: Any) -> list[dict[str, Any]]:
    response = post(server, path, stream=True, **body)
    assert response.headers["content-type"].startswith("text/event-stream"), response.text
    return events(response)


def streamed_text(chunks: list[dict[str, Any]], index: int = 0) -> str:
    choices = [c for chunk in chunks for c in chunk["choices"] if c["index"] == index]
    return "".join(c["delta"].get("content") or "" if "delta" in c else c["text"] for c in choices)
