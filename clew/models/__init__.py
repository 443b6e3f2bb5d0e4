"""The door to language models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.models.asking import Messages, to_transcript
    from clew.models.capabilities import Capabilities, Transport, forget_probes
    from clew.models.model import Model
    from clew.models.reply import LogProb, Reply, ToolCall, Usage
    from clew.models.retry import Retries, Timeouts
    from clew.models.streaming import StopScanner

_HOMES = {
    "clew.models.asking": ("Messages", "to_transcript"),
    "clew.models.capabilities": ("Capabilities", "Transport", "forget_probes"),
    "clew.models.model": ("Model",),
    "clew.models.reply": ("LogProb", "Reply", "ToolCall", "Usage"),
    "clew.models.retry": ("Retries", "Timeouts"),
    "clew.models.streaming": ("StopScanner",),
}

__all__ = [
    "Capabilities",
    "LogProb",
    "Messages",
    "Model",
    "Reply",
    "Retries",
    "StopScanner",
    "Timeouts",
    "ToolCall",
    "Transport",
    "Usage",
    "forget_probes",
    "to_transcript",
]


def __getattr__(name: str) -> Any:
    import importlib

    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'clew.models' has no attribute {name!r}")
