"""Which series may err alike: by how often they cost anything, and how much a day differs from the same weekday a week before.

In: ``costs[day, series]``. Out: a number per series, the same for series of a kind. A machine that runs all day errs rarely and
then by a step, bursts of training err always: one range for both would be wrong for each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sagekeeper.analyzers.forecast_series import Matrix, born

LOOK_DAYS = 84
BUSY = (0.08, 0.25, 0.5, 0.9)
"""Edges of the share of days that cost anything."""
UNEASE = (0.01, 0.04, 0.12, 0.3)
"""Edges of the usual difference of a day and the one a week before, as a share of both together."""


def kinds(costs: Matrix) -> npt.NDArray[np.int64]:
    """``[series]``."""
    recent = costs[-LOOK_DAYS:]
    # Days before its first are no days of rest.
    age = np.clip(len(costs) - born(costs), 1, len(recent))
    busy = (recent != 0).sum(axis=0) / age
    if len(recent) <= 7:
        return np.asarray(np.digitize(busy, BUSY), dtype=np.int64)
    now, before = np.abs(recent[7:]), np.abs(recent[:-7])
    both = (now > 0) & (before > 0)
    # Where both were never there, the largest there is: it sorts to the end, and the median of the pairs comes before it.
    apart = np.where(both, np.abs(now - before) / np.where(both, now + before, 1.0), np.inf)
    pairs = both.sum(axis=0)
    middle = np.sort(apart, axis=0)[np.maximum(pairs - 1, 0) // 2, np.arange(costs.shape[1])]
    unease = np.where(pairs > 0, middle, 1.0)
    return np.asarray(np.digitize(busy, BUSY) * (len(UNEASE) + 1) + np.digitize(unease, UNEASE), dtype=np.int64)
