"""Bootstrap intervals over items, and paired differences.

Items are what varies between one evaluation and another, so they are what is drawn again (Efron and Tibshirani, An
Introduction to the Bootstrap, chapters 6 and 13); several runs of one item are drawn together, as one cluster. The
generator has a fixed seed: equal values give equal intervals.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from clew.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item", bound=Hashable)

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` values with a `LEVEL` interval from `low` to `high`."""

    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much larger the mean of the first of two paired samples is, over the `n` items that both have. `share` is the
    share of resamples, both tails together, in which the difference vanishes or has the other sign: read it like a
    p-value, small is clear."""

    n: int
    mean: float
    low: float
    high: float
    share: float


def estimate(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, bounds: tuple[float, float] | None = (0.0, 1.0)
) -> Estimate | None:
    """The mean of `values` with its percentile bootstrap interval; None without values.

    `clusters` names the item of each value (default: each is one of its own). Where all items agree a bootstrap has
    nothing to draw from and would claim certainty; for values within `bounds` the exact binomial limits at the edges
    then say how little is known: five right answers of five are at least 48%, one of one at least 2.5%.

    Raises `ConfigError` for values outside of `bounds`, or `clusters` of another length.
    """
    sums, counts = _by_cluster(values, clusters)
    if not len(counts):
        return None
    if bounds is not None and not all(bounds[0] <= value <= bounds[1] for value in values):
        raise ConfigError(f"values from {min(values)!r} to {max(values)!r} do not lie within {bounds!r}")
    mean = float(sums.sum() / counts.sum())
    low, high = _percentiles(_resampled(sums, counts))
    means = sums / counts
    if bounds is not None and means.max() - means.min() < 1e-12:
        low, high = _without_spread(mean, len(counts), bounds)
    return Estimate(len(values), mean, min(low, mean), max(high, mean))


def difference(first: Mapping[Item, Sequence[float]], second: Mapping[Item, Sequence[float]]) -> Difference | None:
    """The paired difference of two graphs, `first` minus `second`: values in [0, 1] per item, one per run. Only items
    that both have count; None without any."""
    import numpy as np

    common = [item for item, values in first.items() if values and second.get(item)]
    if not common:
        return None
    apart = np.array([float(np.mean(first[item]) - np.mean(second[item])) for item in common])
    mean = float(apart.mean())
    # The same samples for both directions, so that a difference turns round exactly.
    sign = next((float(np.sign(value)) for value in (mean, *apart) if value), 1.0)
    drawn = sign * _resampled(sign * apart, np.ones(len(common)))
    low, high = _percentiles(drawn)
    if apart.max() - apart.min() < 1e-12:
        low, high = _without_spread(mean, len(common), (-1.0, 1.0))
    # A sum of differences is a float: what is zero must count as zero.
    share = 2 * min(float((drawn <= 1e-12).mean()), float((drawn >= -1e-12).mean()))
    return Difference(len(common), mean, min(low, mean), max(high, mean), min(share, 1.0))


def pass_at_k(n: int, right: int, k: int) -> float:
    """The chance that `k` of `n` samples, drawn without replacement, hold one of the c = `right` ones:
    1 - C(n - c, k) / C(n, k), which estimates pass@k without bias (Chen et al., arXiv 2107.03374, section 2.1). Raises
    `ConfigError` unless 0 <= c <= n and 1 <= k <= n."""
    if not (0 <= right <= n and 1 <= k <= n):
        raise ConfigError(f"pass@{k} cannot be estimated from {right} right samples of {n}: give k from 1 to n")
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def _by_cluster(
    values: Sequence[float], clusters: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values of each cluster, in the order of first appearance."""
    import numpy as np

    names = range(len(values)) if clusters is None else clusters
    if len(names) != len(values):
        raise ConfigError(f"{len(values)} values have {len(names)} clusters: give one for each value")
    places: dict[Any, int] = {}
    which = [places.setdefault(name, len(places)) for name in names]
    sums, counts = np.zeros(len(places)), np.zeros(len(places))
    np.add.at(sums, which, values)
    np.add.at(counts, which, 1)
    return sums, counts


def _resampled(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means of `RESAMPLES` samples of clusters, drawn with replacement. How often each distinct cluster is drawn is
    multinomial, which is the same distribution as that of single draws, and scores take few values."""
    import numpy as np

    distinct, frequencies = np.unique(np.stack([sums, counts]), axis=1, return_counts=True)
    size = len(counts)
    drawn = np.random.default_rng(0).multinomial(size, frequencies / size, RESAMPLES)
    means: NDArray[np.float64] = (drawn @ distinct[0]) / (drawn @ distinct[1])
    return means


def _percentiles(means: NDArray[np.float64]) -> tuple[float, float]:
    import numpy as np

    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def _without_spread(mean: float, n: int, bounds: tuple[float, float]) -> tuple[float, float]:
    """Clopper and Pearson's limits where all of `n` values are equal, carried over to means between the bounds."""
    below, above = bounds
    width = above - below
    share = (mean - below) / width
    edge = ((1 - LEVEL) / 2) ** (1 / n)
    return below + width * share * edge, below + width * (1 - (1 - share) * edge)
