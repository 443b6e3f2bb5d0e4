"""Rows by hand, for figures that can be worked out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew.evals.rows import Candidate, Row


def candidate(right: bool, tokens: int = 100, **more: Any) -> Candidate:
    return Candidate(
        **{
            "text": "right" if right else "wrong", "status": "ok", "score": None, "accepted": None, "right": right,
            "tokens": tokens, "usd": tokens / 1e6, "model_calls": 1, **more,
        }
    )  # fmt: skip


def row(task: str, right: bool, tokens: int = 100, *, graph: str = "g", **more: Any) -> Row:
    fields: dict[str, Any] = {
        "command": "", "version": "", "config": "", "task": task, "kind": "qa", "type": "", "hops": None,
        "graph": graph, "model": "m", "repeat": 1, "seed": 0, "run": f"{graph}-{task}", "prediction": "",
        "status": "ok", "stop_reason": "", "answers": (), "em": float(right), "f1": float(right), "right": right,
        "recall": None,
        "searches": 0, "model_calls": 1, "tokens": tokens, "usd": tokens / 1e6, "seconds": 1.0, "error": False,
        "unjudged": False,
    }  # fmt: skip
    return Row(**{**fields, **more})


def sampled(task: str, right: Sequence[bool], right_at: Sequence[bool], *, extra: int = 0, graph: str = "g") -> Row:
    """A run with candidates of 100 tokens each, and `extra` tokens that belong to none of them."""
    found = tuple(map(candidate, right))
    tokens = 100 * len(found) + extra
    return row(
        task, right_at[-1], tokens, graph=graph, candidates=found, right_at=tuple(right_at), model_calls=len(found)
    )
