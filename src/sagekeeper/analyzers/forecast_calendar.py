"""Which day of the week a day is like: public holidays are like Sundays.

In: the first day and how many, and the days on which people are away (``12-25`` of every year, or ``2026-04-03``). Out: 0
(Monday) to 6 per day, and for series that follow office days (notebooks, what people ask for) their past as if they had not
rested on holidays, so that a level is no lower after them. Machines and schedules do not know holidays and are left alone.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from sagekeeper.analyzers.forecast_given import filled
from sagekeeper.analyzers.forecast_series import Matrix

SUNDAY = 6
RESTS = 0.5
"""Of a week's mean: what follows office days costs less on either day of the weekend, and more on every other day."""


def weekdays(first: date, days: int, holidays: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """``[day]``: the weekday it is like."""
    away = set(holidays)
    every = [first + timedelta(days=offset) for offset in range(days)]
    return np.array(
        [SUNDAY if f"{day:%m-%d}" in away or day.isoformat() in away else day.weekday() for day in every],
        dtype=np.int64,
    )


def rests(shape: Matrix) -> npt.NDArray[np.bool_]:
    """``[series]``: whether it follows office days. ``shape[weekday, series]``: beside the mean of the week."""
    return np.asarray((shape[5:] < RESTS).all(axis=0) & (shape[:5] > RESTS).all(axis=0))


def without_holidays(costs: Matrix, away: npt.NDArray[np.bool_], resting: npt.NDArray[np.bool_]) -> Matrix:
    """``costs[day, series]`` with the usual cost of the weekday on days ``away``, of those that are ``resting``."""
    if not away.any() or not resting.any():
        return costs
    return filled(costs, away[:, None] & resting)
