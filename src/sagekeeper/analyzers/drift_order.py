"""What the records of a sample are worth when neighbours are alike: the effective sample size.

In: a column in the order of its rows. Out: the share of its records that independent ones would be (1: independent),
and whether the order goes with the values over the whole column. Traffic comes in bursts: a thousand requests of one
client say less about the population than a thousand clients. The variance of a mean then is that of n / tau records,
tau = 1 + 2 * (sum of autocorrelations), taken here of the ranks (and of their squared distance from the middle), up
to the first lag at which they are lost in noise (Geyer 1992). A sorted file has neighbours that are alike too, and
its order means nothing. Where correlation does not die away the column counts as sorted (``auto``), unless the caller
says that rows are in the order of time (``ordered``): then it is worth next to nothing.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal["auto", "shuffled", "ordered"]

FEWEST_WINDOWS = 24
BLOCK = 4096
BLOCKS = 8
SORTED = 0.9
MOST_LAGS = 400
NOISE = 3.0
"""Standard errors below which an autocorrelation is nothing."""
SURE = 5.0
"""The first one must exceed so many for the sample to count as dependent at all."""


def worth_of_numbers(values: NDArray[np.float64], order: Order) -> tuple[float, bool]:
    """Of a numeric column, without missing values."""
    if order == "shuffled" or len(values) < 30:
        return 1.0, False
    if order == "auto" and _sorted(values):
        return 1.0, True
    blocks = _blocks(values)
    pooled = np.sort(blocks, axis=None)
    ranks = (np.searchsorted(pooled, blocks, "left") + np.searchsorted(pooled, blocks, "right")) / (2 * pooled.size)
    place = ranks - ranks.mean()
    scores = [place, place**2 - (place**2).mean()]
    return _worst([_correlations(score) for score in scores], blocks.size, len(values), order)


def worth_of_codes(codes: NDArray[Any], order: Order) -> tuple[float, bool]:
    """Of a column of categories as integers: how much oftener than by chance a record equals one some rows later."""
    if order == "shuffled" or len(codes) < 30:
        return 1.0, False
    # A file sorted by this column: hardly more runs than values.
    if order == "auto" and np.count_nonzero(codes[1:] != codes[:-1]) < 2 * len(np.unique(codes)):
        return 1.0, True
    blocks = _blocks(codes)
    _, counts = np.unique(blocks, return_counts=True)
    chance = float(((counts / blocks.size) ** 2).sum())
    if chance > 1 - 1e-9:
        return 1.0, False
    found: list[float] = []
    for lag in range(1, min(blocks.shape[1] // 4, MOST_LAGS)):
        alike = float((blocks[:, lag:] == blocks[:, :-lag]).mean())
        found.append((alike - chance) / (1 - chance))
        if found[-1] < _noise(np.array(found), blocks.size)[-1]:
            break
    return _worst([np.array(found)], blocks.size, len(codes), order)


def _sorted(values: NDArray[np.float64]) -> bool:
    """Whether the rows were put in the order of this column, or nearly so."""
    some = values[:: max(1, len(values) // BLOCK)]
    ranks = np.argsort(np.argsort(some, kind="stable"), kind="stable")
    return abs(float(np.corrcoef(ranks, np.arange(len(some)))[0, 1])) > SORTED


def _blocks(values: NDArray[Any]) -> NDArray[Any]:
    """Runs of neighbours from all over the column: (runs, rows)."""
    if len(values) <= BLOCK * BLOCKS:
        return values[None, :]
    starts = np.linspace(0, len(values) - BLOCK, BLOCKS).astype(np.int64)
    return np.stack([values[start : start + BLOCK] for start in starts])


def _correlations(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    width = scores.shape[1]
    spectrum = np.abs(np.fft.rfft(scores, 2 * width, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, axis=1)[:, : width // 4].sum(axis=0)
    if covariance[0] <= 1e-12 * scores.size:
        return np.zeros(1)
    # Each lag has fewer pairs than the one before.
    scaled = covariance / (width - np.arange(len(covariance)))
    return np.asarray(scaled[1:] / scaled[0])


def _noise(lags: NDArray[np.float64], used: int) -> NDArray[np.float64]:
    """What an autocorrelation may be by chance, given those before it (Bartlett 1946)."""
    before = np.cumsum(np.concatenate([[0.0], lags[:-1]]) ** 2)
    return np.asarray(NOISE * np.sqrt((1 + 2 * before) / used))


def _worst(correlations: list[NDArray[np.float64]], used: int, records: int, order: Order) -> tuple[float, bool]:
    worth, unmixed = 1.0, False
    for lags in correlations:
        if not len(lags) or lags[0] < SURE / np.sqrt(used):
            continue
        lost = np.flatnonzero(lags < _noise(lags, used))
        if len(lost):
            worth = min(worth, 1 / (1 + 2 * float(lags[: lost[0]].sum())))
        else:
            unmixed = True
    if unmixed:
        return (min(worth, 4 / records), True) if order == "ordered" else (1.0, True)
    return worth, False


def worth_of_windows(counts: NDArray[np.float64]) -> float:
    """Of records counted by window (ascending in time) and cell: share of them that independent ones would be.

    Windows are compared with the next one and the sixth after it, the tenth that differ most left out: a change that came
    to stay is in one of them, and must not hide itself (von Neumann 1941).
    """
    return 1 / max([1.0, *(_apart(counts, lag) for lag in (1, 6))])


def worth_of_days(counts: NDArray[np.float64]) -> float:
    """The same of records counted by day. Neither a season (days differ, weeks do not) nor a change that came to stay (weeks
    differ, days do not) is how much days vary by themselves: it is the lesser of both."""
    return 1 / max(1.0, min(_apart(counts, lag) for lag in (1, 7)))


def _apart(counts: NDArray[np.float64], lag: int) -> float:
    """How many times further apart than by chance windows are that lie so far from each other; 1 where they are too few."""
    sizes = counts.sum(axis=1)
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    if len(sizes) < max(FEWEST_WINDOWS, 2 * lag):
        return 1.0
    shares, pooled = counts / sizes[:, None], counts.sum(axis=0) / sizes.sum()
    free = 1 - float((pooled**2).sum())
    if free <= 1e-9:
        return 1.0
    apart = ((shares[lag:] - shares[:-lag]) ** 2).sum(axis=1) / (free * (1 / sizes[lag:] + 1 / sizes[:-lag]))
    return float(np.sort(apart)[: int(np.ceil(0.9 * len(apart)))].mean())
