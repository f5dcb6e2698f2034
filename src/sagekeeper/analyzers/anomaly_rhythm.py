"""What repeats by the calendar: the days of a week and of a month, or the hours of a day and of a week.

In: the times of a calendar's lines. Out: for each line its place in the cycle, and the earlier lines at which the same is due to
have come before: this day of the last three months; this hour of yesterday and of a week ago.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array

DAYS_OF_WEEK, HOURS_OF_DAY = 7, 24
MONTHS = 3


@dataclass(frozen=True)
class Rhythm:
    """``phase``: per line, from 0 below ``cycle``. ``before``: per line, the lines at which the same may have come."""

    phase: Array
    cycle: int
    before: list[tuple[int, ...]]
    long_phase: Array
    long_cycle: int = 0
    """A longer cycle (the hours of a week), of which each place comes seldom; 0: there is none."""


def of_days(days: Array) -> Rhythm:
    """``days``: one after the other, datetime64[D]."""
    month = days.astype("datetime64[M]")
    of_month = (days - month.astype("datetime64[D]")).astype(np.int64)
    lines = []
    for back in range(1, MONTHS + 1):
        before = (month - back).astype("datetime64[D]") + of_month
        there = (before.astype("datetime64[M]") == month - back) & (before >= days[0])
        lines.append(np.where(there, (before - days[0]).astype(np.int64), -1))
    weekday = (days.astype(np.int64) + 3) % DAYS_OF_WEEK  # 1 January 1970 was a Thursday
    due = [tuple(int(line) for line in row if line >= 0) for row in np.stack(lines, 1)]
    return Rhythm(weekday, DAYS_OF_WEEK, due, np.zeros_like(weekday))


def of_hours(hours: Array) -> Rhythm:
    """``hours``: one after the other, datetime64[h]."""
    of_week = HOURS_OF_DAY * DAYS_OF_WEEK
    lags = (HOURS_OF_DAY, of_week)
    before = [tuple(line - lag for lag in lags if line >= lag) for line in range(len(hours))]
    number = hours.astype(np.int64)
    return Rhythm(number % HOURS_OF_DAY, HOURS_OF_DAY, before, number % of_week, of_week)
