"""Whether two samples may well come from one distribution: p-values for ordered cells, for cells by name, and for two
shares.

In: `Cells`, or two counts with their sizes. Out: a p-value that holds both samples' chance. All tests condition on
the samples put together (permutation reasoning), so they hold for any distribution: ties, atoms, heavy tails.

* Ordered cells: (a) place and spread of the ranks; (b) a smooth rank test, the sum of squares of four orthonormal
  polynomials of the mid-ranks (Neyman 1937; two samples: Janic-Wróblewska and Ledwina 2000): skew and weight of tails,
  too; (c) the two-sample distance of distribution functions (Kolmogorov, Smirnov) for what is more local; (d) the
  records beyond the outer percents of both; (e) the cell that differs most, which one value that stands for others
  fills (a default, a clip). Joined by weights (Bonferroni).
* Cells by name: two-sample chi-square, its tail from a gamma distribution with the statistic's permutation mean and
  variance.
* Two shares: hypergeometric (Fisher) while counts are small, chi-square with Yates' correction after that.
* Few records: the statistic is drawn again under shuffled labels (multivariate hypergeometric) instead of trusted to an
  asymptotic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import special
from scipy.stats import false_discovery_control

from sagekeeper.analyzers.drift_cells import Array, Cells

WEIGHTS = {
    "place": 0.35,
    "spread": 0.2,
    "smooth": 0.1,
    "distance": 0.1,
    "cell": 0.11,
    "low tail": 0.07,
    "high tail": 0.07,
}
TAIL = 0.01
COMPONENTS = 4
FEW_RECORDS = 200.0
"""With fewer in the smaller sample, p-values below `WORTH_DRAWING` are drawn by permutation."""
WORTH_DRAWING = 0.2
DRAWS = (2_000, 20_000)
EXACT_COUNT = 200.0
SEED = 20_261_129


def p_value(cells: Cells) -> float:
    """Of 'both samples come from one distribution'."""
    n, m = cells.sizes
    if n < 1 or m < 1 or len(cells.reference) < 2:
        return 1.0
    statistic = (_ordered if cells.ordered else _unordered)(cells)
    p = float(statistic(cells.reference[None, :])[0])
    if min(n, m) >= FEW_RECORDS or p > WORTH_DRAWING:
        return p
    return _drawn(cells, statistic, p)


def _ordered(cells: Cells) -> Callable[[Array], Array]:
    pooled = cells.reference + cells.current
    n, m = cells.sizes
    whole = n + m
    upto = np.cumsum(pooled)
    smooth = polynomials((upto - pooled / 2) / whole, pooled / whole)
    spread = np.sqrt((whole / (whole - 1)) * m / (n * whole)) if whole > 1 else 1.0
    expected = pooled * n / whole
    deviation = np.sqrt(np.maximum(expected * (1 - pooled / whole) * m / whole, 1e-300))
    low, high = upto <= max(TAIL * whole, pooled[0]), upto - pooled >= min((1 - TAIL) * whole, upto[-2])

    def p(reference: Array) -> Array:
        # The pooled mean of every polynomial is 0, so the reference alone says how far both are apart.
        z = np.einsum("ij,jk->ik", reference / n, smooth) / spread
        parts = {"smooth": special.chdtrc(smooth.shape[1], (z**2).sum(axis=1))}
        parts |= {name: 2 * special.ndtr(-np.abs(one)) for name, one in zip(("place", "spread"), z.T, strict=False)}
        apart = np.abs(np.cumsum(reference, axis=1) / n - np.cumsum(pooled - reference, axis=1) / m).max(axis=1)
        parts["distance"] = special.kolmogorov(apart * np.sqrt(n * m / whole))
        for name, side in (("low tail", low), ("high tail", high)):
            beyond = float(pooled[side].sum())
            parts[name] = np.array([two_shares(x, n, beyond - x, m) for x in reference[:, side].sum(axis=1)])
        most = np.abs((reference - expected) / deviation).argmax(axis=1)
        found = zip(reference[np.arange(len(most)), most], pooled[most], strict=True)
        parts["cell"] = np.array([two_shares(x, n, of - x, m) for x, of in found]) * len(pooled)
        return np.asarray(np.minimum(1.0, np.min([part / WEIGHTS[name] for name, part in parts.items()], axis=0)))

    return p


def polynomials(ranks: Array, shares: Array) -> Array:
    """Polynomials of the ranks, orthonormal under the pooled shares, without the constant: (cells, up to 4)."""
    root = np.sqrt(shares)[:, None]
    basis = np.polynomial.legendre.legvander(2 * ranks - 1, min(COMPONENTS, len(ranks) - 1))
    orthonormal, triangle = np.linalg.qr(basis * root)
    kept = np.abs(np.diag(triangle)) > 1e-9
    kept[0] = False
    return np.asarray(orthonormal[:, kept] / np.maximum(root, 1e-300))


def _unordered(cells: Cells) -> Callable[[Array], Array]:
    pooled = cells.reference + cells.current
    n, m = cells.sizes
    whole, share = n + m, n / (n + m)
    variance = pooled * share * (1 - share)
    degrees = len(pooled) - 1
    mean = degrees * whole / max(whole - 1, 1.0)
    # Of a binomial count's squared standard score: 2 + excess kurtosis.
    spread = float((2 + (1 - 6 * share * (1 - share)) / variance).sum()) * degrees / len(pooled)

    def p(reference: Array) -> Array:
        score = ((reference - pooled * share) ** 2 / variance).sum(axis=1)
        return np.asarray(special.gammaincc(mean**2 / spread, score * mean / spread))

    return p


def _drawn(cells: Cells, statistic: Callable[[Array], Array], p: float) -> float:
    """The p-value of ``p`` as a statistic, among shuffled labels.

    Beyond what draws can tell, the smaller of both stands.
    """
    pooled = np.rint(cells.reference + cells.current).astype(np.int64)
    whole = int(pooled.sum())
    taken = min(max(round(cells.sizes[0]), 1), whole - 1)
    chance = np.random.default_rng(SEED)
    drawn = p
    for draws in DRAWS:
        shuffled = chance.multivariate_hypergeometric(pooled, taken, size=draws, method="marginals").astype(np.float64)
        at_least = int((_again(cells, pooled, shuffled, statistic) <= p * (1 + 1e-9)).sum())
        drawn = (at_least + 1) / (draws + 1)
        if drawn > 10 / draws:
            return float(drawn)
    return min(float(drawn), p) if drawn <= 1 / DRAWS[-1] else float(drawn)


def _again(cells: Cells, pooled: np.ndarray, shuffled: Array, statistic: Callable[[Array], Array]) -> Array:
    # Rounded effective counts differ a little from the counts that the statistic was made for.
    whole = cells.reference + cells.current
    return statistic(shuffled * np.where(pooled > 0, whole / np.maximum(pooled, 1), 0.0))


@lru_cache(maxsize=100_000)
def two_shares(x: float, n: float, y: float, m: float) -> float:
    """Of 'x of n and y of m differ by chance only', two-sided.

    >>> round(two_shares(1, 10, 9, 10), 4)
    0.0011
    >>> two_shares(0, 50, 0, 80)
    1.0
    """
    whole, hits = n + m, x + y
    if hits <= 0 or hits >= whole or n <= 0 or m <= 0:
        return 1.0
    # The cell that expects least must expect many, or the bell curve says too little of the tail.
    least = min(hits, whole - hits) * min(n, m) / whole
    if least > EXACT_COUNT:
        expected = hits * n / whole
        off = max(abs(x - expected) - 0.5, 0.0)
        return float(special.erfc(off / np.sqrt(2 * expected * (1 - hits / whole) * m / whole)))
    hits, x, n, whole = round(hits), round(x), round(n), round(whole)
    lowest, highest = max(0, hits - (whole - n)), min(hits, n)
    x = min(max(x, lowest), highest)
    middle = hits * n / whole
    # Far from the middle there is nothing to add up.
    reach = max(abs(x - middle) + 1, 40 * np.sqrt(least + 1))
    support = np.arange(max(lowest, int(middle - reach)), min(highest, int(middle + reach) + 1) + 1)
    log = _log_choose(n, support) + _log_choose(whole - n, hits - support) - _log_choose(whole, np.array([hits]))[0]
    chances = np.exp(log)
    return float(min(chances[chances <= chances[x - support[0]] * (1 + 1e-7)].sum(), 1.0))


def _log_choose(n: int, k: np.ndarray) -> Array:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


def adjusted(p_values: list[float], dependence: str = "positive") -> list[float]:
    """False-discovery adjusted p-values.

    Benjamini and Hochberg 1995 (``positive`` dependence or none), or Benjamini and Yekutieli 2001 (``any``).

    >>> [round(p, 3) for p in adjusted([0.001, 0.2, 0.03])]
    [0.003, 0.2, 0.045]
    """
    found = false_discovery_control(np.clip(p_values, 0.0, 1.0), method="by" if dependence == "any" else "bh")
    return [float(value) for value in found]
