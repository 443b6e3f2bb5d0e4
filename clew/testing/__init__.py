"""What tests of graphs need: a model server and a searcher that say what a script tells them to.

    with ScriptedServer(["Paris."]) as server:
        reply = await litellm.acompletion("openai/scripted", messages, api_base=server.url, api_key="none")
        assert server.requests[0].last == "What is the capital of France?"

The server is real HTTP; only the model's words are scripted. See docs/testing.md.
"""

from clew.testing.features import (
    PRESETS,
    Features,
    anthropic_like_prefill,
    hidden_reasoning,
    openai,
    vllm,
)
from clew.testing.random_text import RandomText
from clew.testing.replies import Call, Fault, Faulty, Reply, Rule, Template
from clew.testing.request import Request
from clew.testing.searcher import ScriptedSearcher
from clew.testing.server import ScriptedServer, Unexpected

__all__ = [
    "PRESETS",
    "Call",
    "Fault",
    "Faulty",
    "Features",
    "RandomText",
    "Reply",
    "Request",
    "Rule",
    "ScriptedSearcher",
    "ScriptedServer",
    "Template",
    "Unexpected",
    "anthropic_like_prefill",
    "hidden_reasoning",
    "openai",
    "vllm",
]
