"""The choice of tokens against the distribution that it should have."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from clew.models.local.sampling import Sampling, choose

LOGITS = torch.tensor([[2.0, 1.0, 0.5, -1.0, -30.0]])
GRID = [(index + 0.5) / 2000 for index in range(2000)]


def shares(way: Sampling) -> list[float]:
    """How often each token is chosen when the draws cover [0, 1) evenly."""
    tokens, _ = choose(LOGITS.expand(len(GRID), -1), [way] * len(GRID), GRID)
    counts = Counter(tokens)
    return [counts[token] / len(GRID) for token in range(LOGITS.shape[1])]


def expected(temperature: float, allowed: int) -> list[float]:
    kept = torch.softmax(LOGITS[0, :allowed] / temperature, -1).tolist()
    return [*kept, *([0.0] * (LOGITS.shape[1] - allowed))]


@pytest.mark.parametrize(
    ("way", "allowed"),
    [
        (Sampling(), 5),
        (Sampling(temperature=0.5), 5),
        (Sampling(top_k=2), 2),
        (Sampling(top_p=0.9), 3),  # the masses are 0.61, 0.22, 0.14, 0.03
        (Sampling(top_p=0.5), 1),
        (Sampling(top_p=0.0), 1),
        (Sampling(temperature=2.0, top_p=0.99, top_k=3), 3),
        (Sampling(temperature=0.0), 1),
    ],
)
def test_shares(way: Sampling, allowed: int) -> None:
    assert shares(way) == pytest.approx(expected(max(way.temperature, 1e-3), allowed), abs=2e-3)


@pytest.mark.parametrize("draw", [0.0, 1.0 - 2**-53])
@pytest.mark.parametrize("way", [Sampling(), Sampling(top_p=0.9), Sampling(top_k=2)])
def test_the_ends_of_the_draw_choose_a_possible_token(draw: float, way: Sampling) -> None:
    logits = torch.tensor([[float("-inf"), 1.0, 2.0, float("-inf")]])
    tokens, logprobs = choose(logits, [way], [draw])
    assert tokens[0] in (1, 2) and logprobs[0] == pytest.approx(torch.log_softmax(logits, -1)[0, tokens[0]].item())


def test_neighbours_change_nothing() -> None:
    torch.manual_seed(1)
    logits = torch.randn(40, 300)
    ways = [(Sampling(), Sampling(top_p=0.8), Sampling(0.0), Sampling(0.7, top_k=9))[row % 4] for row in range(40)]
    draws = [(row * 0.37) % 1 for row in range(40)]
    together, _ = choose(logits, ways, draws)
    alone = [choose(logits[row : row + 1], [ways[row]], [draws[row]])[0][0] for row in range(40)]
    assert together == alone
