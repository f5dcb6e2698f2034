"""A few figures per feature that move when its distribution does: what is followed hour by hour.

In: the records of the reference by cell. Out: `Scores`: a matrix that turns counts by cell into sums of scores. Numbers
(ordered cells): three orthonormal polynomials of the mid-ranks (place, spread, skew), and the records in the outer
tails. Categories: the records of each frequent one. Each score has variance 1 per record (polynomials) or is a count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagekeeper.analyzers.drift_cells import Array
from sagekeeper.analyzers.drift_tests import polynomials

NAMES = ("place", "spread", "skew")
TAIL = 0.02
MOST_CATEGORIES = 32


@dataclass(frozen=True)
class Scores:
    """``matrix``: (cells, scores). ``counted``: which scores are counts of records. ``ranges``: largest less smallest.

    ``spreads``: variance of each over the reference's records. ``heavy``: not by the bell curve where it varies by
    itself: spread and tails go with powers of a place that swings; only the place itself is left to it.
    """

    matrix: Array
    names: tuple[str, ...]
    counted: NDArray[np.bool_]
    ranges: Array
    spreads: Array
    heavy: NDArray[np.bool_]

    def standard(self, seen: Array, awaited: Array, n: Array, shared: Array, fewest: float) -> Array:
        """Standard normal, if records are independent and nothing changed; arguments are (windows, scores or 1).

        ``seen`` and ``awaited``: sums of scores. ``shared``: variance of what is awaited by the reference's own error,
        in records.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            plain = (seen - awaited) / np.sqrt((n + shared) * self.spreads)
            # Of a share, as if the reference had so many records.
            home = n**2 / np.maximum(shared, 1e-9)
            share = np.clip(awaited / n, 1e-12, 1 - 1e-12)
            both = (seen + share * home) / (n + home)
            fits = _likely(seen, n, both) + _likely(share * home, home, both)
            free = _likely(seen, n, seen / n) + _likely(share * home, home, share)
            root = np.sign(seen - awaited) * np.sqrt(2 * np.maximum(free - fits, 0.0))
            few = np.minimum(awaited, n - awaited) < fewest
        counted = np.where(few, 0.0, root)
        return np.nan_to_num(np.where(self.counted, counted, plain))


def _likely(x: Array, n: Array, share: Array) -> Array:
    """Log likelihood of x of n at a share."""
    safe = np.clip(share, 1e-300, 1 - 1e-16)
    return np.asarray(x * np.log(safe) + (n - x) * np.log1p(-safe))


def scores_of(reference: Array, ordered: bool) -> Scores | None:
    """Scores that the reference's records by cell call for; None if all lie in one cell."""
    if np.count_nonzero(reference) < 2:
        return None
    return _of_numbers(reference) if ordered else _of_categories(reference)


def _of_numbers(reference: Array) -> Scores:
    # A cell that the reference never had still has its place among the ranks.
    shares = np.maximum(reference, 0.5) / np.maximum(reference, 0.5).sum()
    upto = np.cumsum(shares)
    smooth = polynomials(upto - shares / 2, shares)[:, : len(NAMES)]
    low, high = upto <= max(TAIL, float(shares[0])) + 1e-12, upto - shares >= min(1 - TAIL, float(upto[-2])) - 1e-12
    tails = np.stack([low, high], axis=1).astype(np.float64)
    matrix = np.concatenate([smooth, tails], axis=1)
    names = (*NAMES[: smooth.shape[1]], "low tail", "high tail")
    counted = np.array([False] * smooth.shape[1] + [True, True])
    ranges = matrix.max(axis=0) - matrix.min(axis=0)
    return Scores(
        matrix, names, counted, ranges, _spreads(matrix, shares), np.array([False] + [True] * (len(names) - 1))
    )


def _spreads(matrix: Array, shares: Array) -> Array:
    means = shares @ matrix
    return np.maximum(shares @ matrix**2 - means**2, 1e-12)


def _of_categories(reference: Array) -> Scores:
    frequent = np.argsort(-reference, kind="stable")[:MOST_CATEGORIES]
    frequent = frequent[reference[frequent] > 0] if len(reference) > 2 else frequent[:1]
    matrix = np.zeros((len(reference), len(frequent) + (len(reference) > len(frequent) and len(reference) > 2)))
    matrix[frequent, np.arange(len(frequent))] = 1.0
    names = tuple(f"category {place}" for place in frequent)
    if matrix.shape[1] > len(frequent):
        rest = np.ones(len(reference), dtype=bool)
        rest[frequent] = False
        matrix[rest, -1] = 1.0
        names = (*names, "every other category")
    width = matrix.shape[1]
    return Scores(
        matrix,
        names,
        np.ones(width, dtype=bool),
        np.ones(width),
        _spreads(matrix, reference / reference.sum()),
        np.ones(width, dtype=bool),
    )
