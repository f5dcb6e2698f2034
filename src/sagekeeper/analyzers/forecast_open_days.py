"""Are the last days whole, or does AWS still fill them up?

In: ``costs[day, series]``. Out: how many of the last days are open. AWS restates up to 48 hours (aws-facts), but a file may end
with whole days, and taking these for open ones forgets what they say. Told by the series themselves: a whole day is below each of
the same weekdays of four weeks in one series of five, an open one in most. Where too few series can tell, the days count as open.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.forecast_series import Matrix

MOST = 2
WEEKS = 4
STEADY = 0.1
"""Series whose four weekdays lie within this share of their mean are asked first: they show a missing hour."""
LEAST_SERIES = 5
SHARE = 0.5


def open_days(costs: Matrix) -> int:
    """0, 1 or 2."""
    if len(costs) <= 7 * WEEKS + MOST:
        return min(MOST, len(costs) - 1)
    for back in range(MOST, 0, -1):
        if _open(costs[: len(costs) - back + 1]):
            return back
    return 0


def _open(costs: Matrix) -> bool:
    today = costs[-1]
    before = np.stack([costs[-1 - 7 * week] for week in range(1, WEEKS + 1)])
    asked = (before > 0).all(axis=0)
    mean = before.mean(axis=0)
    steady = asked & (before.max(axis=0) - before.min(axis=0) <= STEADY * mean)
    asked = steady if steady.sum() >= LEAST_SERIES else asked
    if asked.sum() < LEAST_SERIES:
        return True
    return bool((today < before.min(axis=0) * (1 - 1e-9))[asked].mean() > SHARE)
