"""How sure is a number that was computed from a sample? Intervals at 95 %.

In: counts or per-row figures. Out: (low, high). Sources: Wilson 1927 for a share; the delta method for means and what is made of
them; DeLong, DeLong and Clarke-Pearson 1988 in the form of Sun and Xu 2014 for AUC; the multinomial bootstrap (resampling the
cells of a table is resampling its rows) for what is computed from a confusion matrix.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import norm, rankdata

Z = float(norm.ppf(0.975))
DRAWS = 1_000
SEED = 20_250
"""Of the bootstrap: the same table gives the same interval on every run."""
Interval = tuple[float, float]


def wilson(hits: float, of: float) -> Interval | None:
    """Of a share. None: of nothing.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    return of_share(hits, of) if of > 0 else None


def of_share(hits: float, of: float) -> Interval:
    """Wilson's, of a share of something; ``of`` may be an effective number, no whole one."""
    share, z2 = hits / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z * np.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def of_mean(values: np.ndarray) -> Interval | None:
    """Of the mean of independent figures, one per row. None: fewer than two."""
    if len(values) < 2:
        return None
    half = Z * float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half


def of_table(cells: np.ndarray, measure: Callable[[np.ndarray], np.ndarray]) -> Interval | None:
    """Of what ``measure`` makes of a table of counts; it takes many at once, along the first axis. Percentile bootstrap.

    None: the measure exists for less than nine in ten of the tables that might as well have been seen.
    """
    whole = int(cells.sum())
    if not whole:
        return None
    drawn = np.random.default_rng(SEED).multinomial(whole, cells.ravel() / whole, DRAWS)
    found = measure(drawn.reshape(DRAWS, *cells.shape))
    known = found[np.isfinite(found)]
    if len(known) < 0.9 * DRAWS:
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def auc(true: np.ndarray, scores: np.ndarray) -> tuple[float, Interval | None]:
    """Area under the ROC curve, exact, a tie counting half; NaN without both classes. DeLong's interval on the logit scale."""
    positive, negative = scores[true], scores[~true]
    m, n = len(positive), len(negative)
    if not m or not n:
        return float("nan"), None
    ranks = rankdata(np.concatenate((positive, negative)))
    area = float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))
    if m < 2 or n < 2:
        return area, None
    above = (ranks[:m] - rankdata(positive)) / n
    below = 1 - (ranks[m:] - rankdata(negative)) / m
    spread = float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))
    if not 0 < area < 1 or spread == 0:
        # Perfect separation has no estimated spread: what a single exchanged pair would do bounds it (rule of three).
        return area, (max(0.0, area - 3 / min(m, n)), min(1.0, area + 3 / min(m, n)))
    at, half = np.log(area / (1 - area)), Z * spread / (area * (1 - area))
    return area, (float(1 / (1 + np.exp(half - at))), float(1 / (1 + np.exp(-half - at))))
