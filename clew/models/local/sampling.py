"""The next token of each row: greedy, or drawn by the row's own random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

# Below this a division by the temperature says nothing but "the likeliest".
_COLD = 1e-5


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a row's tokens are chosen. Temperature 0 is greedy; `top_p=1` and `top_k=0` leave all tokens in."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0

    @property
    def greedy(self) -> bool:
        return self.temperature < _COLD

    @property
    def narrowed(self) -> bool:
        return self.top_p < 1.0 or self.top_k > 0


def choose(logits: torch.Tensor, ways: Sequence[Sampling], draws: Sequence[float]) -> tuple[list[int], list[float]]:
    """Tokens for `logits` (rows, vocabulary; float32) and their natural log probabilities under the model itself,
    before temperature and truncation. `draws` holds one number from [0, 1) per row.

    What a row gets depends on its own logits, way and draw alone, whatever its neighbours ask for.
    """
    tokens = logits.argmax(-1)
    drawn = [row for row, way in enumerate(ways) if not way.greedy]
    for narrowed in (False, True):
        rows = [row for row in drawn if ways[row].narrowed is narrowed]
        if rows:
            draw = _narrowly if narrowed else _widely
            tokens[rows] = draw(
                _scaled(logits, rows, ways), [ways[row] for row in rows], _column([draws[row] for row in rows], logits)
            )
    chosen = logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return tokens.tolist(), chosen.tolist()


def _scaled(logits: torch.Tensor, rows: list[int], ways: Sequence[Sampling]) -> torch.Tensor:
    """Probabilities at each row's temperature."""
    return torch.softmax(logits[rows] / _column([ways[row].temperature for row in rows], logits), -1)


def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    # In double precision the end of a cumulative sum over a large vocabulary can still be told from 1.
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]


def _widely(probabilities: torch.Tensor, _: Sequence[Sampling], draws: torch.Tensor) -> torch.Tensor:
    return _at(probabilities.double().cumsum(-1), draws)


def _narrowly(probabilities: torch.Tensor, ways: Sequence[Sampling], draws: torch.Tensor) -> torch.Tensor:
    """Top-k and nucleus sampling (Holtzman et al. 2020, section 3.1): the fewest tokens with `top_p` of the mass."""
    ordered, order = probabilities.double().sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    ranks = torch.arange(ordered.shape[-1], device=ordered.device)
    limits = _column([float(way.top_k or ordered.shape[-1]) for way in ways], ordered)
    kept = (before < _column([way.top_p for way in ways], ordered)) & (ranks < limits)
    kept[:, 0] = True
    at = _at((ordered * kept).cumsum(-1), draws)
    return order.gather(-1, at[:, None])[:, 0]


def _at(cumulative: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """The first index at which the cumulative mass passes the draw's part of the whole."""
    whole = cumulative[:, -1:]
    found: torch.Tensor = torch.searchsorted(cumulative, draws * whole, right=True)[:, 0]
    # Rounding may put a draw at the very end; the last index with mass is the first that reaches the whole.
    last = (cumulative < whole).sum(-1)
    return torch.minimum(found, last)
