"""A model's words per transport, for tests that say the same thing through each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clew.graphs.search_o1 import BEGIN_QUERY, END_QUERY
from clew.models import Capabilities, Model
from clew.testing import (
    Call,
    Features,
    Reply,
    Request,
    Rule,
    ScriptedServer,
    Template,
    anthropic_like_prefill,
    hidden_reasoning,
    vllm,
)

READING = r"You help someone who is solving a problem"


@dataclass(frozen=True)
class Transport:
    """How a model is reached: the server's features, and the words that a model of this kind would write."""

    name: str
    features: Features
    capabilities: Capabilities

    @property
    def native(self) -> bool:
        return self.name == "tools"

    def ask(self, query: str, thought: str = "I need a fact.") -> Reply:
        """The model thinks and searches."""
        if self.native:
            return Reply(text=thought, tool_calls=(Call("search", {"query": query}),))
        return Reply(text=f"{thought}\n{BEGIN_QUERY}{query}{END_QUERY}")

    def model(self, server: ScriptedServer, **options: Any) -> Model:
        options.setdefault("capabilities", self.capabilities)
        return Model("hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789", **options)

    def server(self, *replies: Any, reading: Any = None, **options: Any) -> ScriptedServer:
        """A server that gives the main chain `replies` in turn and every Reason-in-Documents call `reading`."""
        reading = reading or information("{{ prompt | after('Pages:') | find('(?s)--- Page 1:.*? ---.(.{0,200})') }}")
        if len(replies) == 1 and callable(replies[0]):
            replies = (Rule(lambda request: True, replies[0]),)
        return ScriptedServer([Rule(READING, reading), *replies], features=self.features, **options)


TRANSPORTS = [
    Transport("completion", vllm, Capabilities("completion", stop_kept=True, tools=False)),
    Transport("prefill", anthropic_like_prefill, Capabilities("prefill", stop_kept=False, tools=False)),
    Transport("tools", hidden_reasoning, Capabilities("tools", tools=True)),
]


def information(template: str, pages: str = "1") -> Template:
    """A Reason-in-Documents reply filled from what the request really holds."""
    return Template(f"**Final Information**\n{template}\nPages: {pages}")


def chain(server: ScriptedServer) -> list[Request]:
    """The requests of the main chain, without those of Reason-in-Documents."""
    return [request for request in server.requests if READING[:20] not in sent(request)]


def readings(server: ScriptedServer) -> list[Request]:
    return [request for request in server.requests if READING[:20] in sent(request)]


def sent(request: Request) -> str:
    """All text of a request in order, whatever messages it is cut into."""
    body = request.body
    if "prompt" in body:
        return str(body["prompt"])
    return "".join(str(message.get("content") or "") for message in body["messages"])
