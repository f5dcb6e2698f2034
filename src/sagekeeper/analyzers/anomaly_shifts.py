"""Rises too small for one day: the mean of the last days against the weeks before, from a step to a creep of six weeks.

In: one day after the other, amounts evened of the week's and the month's profile. Out: per span the logarithm of the chance of
such a rise, and the level (logarithm) that was expected. Each span is judged against its own history of the same difference in
the same series, trend included, so that what wanders or grows by nature may; a short history is held together by the error of
single days. What has been as high lately is nothing new.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_levels import CUT, LEAST_ERROR, TO_STD, Day
from sagekeeper.analyzers.anomaly_tails import student

SPANS = ((3, 3), (7, 7), (14, 28), (14, 42))
"""Days that are averaged, and how many days before today their reference ends."""
LAGS = [lag for _, lag in SPANS]
REFERENCE = 14
"""Days of a reference. It is the highest of three such in a row."""
DELAY = 35
"""Days after which a difference is learned: what is being judged must not be part of its own yardstick."""
RECENT = 60
"""Days that are lately."""
MARGIN = 0.03
"""What is higher by less (logarithm) is as high."""
LEAST_RISE = 0.1
"""A lasting rise of less than a tenth is growth."""
WEEKS_IN_ORDER = float(np.log(6))
"""A creep must still rise: three weeks are in rising order by chance once in six times."""
SLOWEST = 0.02
"""Pace of learning: a memory of 50 days at least."""
PRIOR = 8.0
"""Independent looks that the error of single days is worth, as a guess of the error of a span."""


class Shifts:
    """Differences of means, for series that run all the time."""

    def __init__(self, days: int, series: int) -> None:
        self.widths = sorted({width for width, _ in SPANS})
        self.mean = {width: np.full((days, series), np.nan, np.float32) for width in self.widths}
        self.calm = {width: np.full((days, series), -np.inf, np.float32) for width in self.widths}
        self.before = np.full((days, series), np.nan, np.float32)
        self.centre = np.zeros((len(SPANS), series), np.float32)
        self.miss = np.zeros((len(SPANS), series), np.float32)
        self.count = np.zeros((len(SPANS), series), np.float32)
        self.rise = np.zeros((len(SPANS), series), np.float32)
        self.error = np.ones((len(SPANS), series), np.float32)
        self.past = np.full((days, len(SPANS), series), np.nan, np.float32)
        self.seen = np.zeros((len(SPANS), series), bool)

    def judge(self, day: Day, evened: Array, error: Array, since: Array) -> list[tuple[Array, Array]]:
        """Log chance and expected level per span. ``error``: of single days; ``since``: days from the first cost on.

        ``evened``: amounts up to today, without the profile of week and month, NaN before the first.
        """
        at, news = day.number, {}
        for width in self.widths:
            self.mean[width][at] = _log_mean(evened, at, width)
            recent = self.calm[width][max(0, at - RECENT) : max(at - width + 1, 0)]
            highest = recent.max(0) if len(recent) else np.full(day.log.size, np.inf)
            news[width] = day.on & (self.mean[width][at] > highest + MARGIN)
        self.before[at] = _log_mean(evened, at, REFERENCE)
        return [
            self._span(
                number, day, error, news[width] & (since >= REFERENCE + (2 * lag if lag > REFERENCE else lag + 7))
            )
            for number, (width, lag) in enumerate(SPANS)
        ]

    def _span(self, number: int, day: Day, error: Array, judged: Array) -> tuple[Array, Array]:
        at, (width, lag) = day.number, SPANS[number]
        if at < lag + REFERENCE:
            self.seen[number] = False
            return np.zeros_like(day.log), day.log
        # The highest of six weeks: a holiday, or a stop, makes no rise of what follows.
        reference = np.where(np.isnan(self.before[at - lag]), np.nan, self.highest(at - lag + 1))
        rise = self.mean[width][at] - reference
        self.seen[number] = day.dense & ~np.isnan(rise)
        self.rise[number] = np.where(self.seen[number], rise, 0)
        looks = self.count[number] / max(width, lag / 2)
        own, guess = self.miss[number] * TO_STD, np.maximum(error, LEAST_ERROR) * (1 + lag / max(LAGS))
        spread = (PRIOR * guess**2 + looks * own**2) / (PRIOR + looks)
        self.error[number] = np.sqrt(np.maximum(spread, LEAST_ERROR**2))
        trend = self.centre[number] * looks / (looks + 1)
        if lag > REFERENCE and at >= 2 * lag:
            # What has grown as fast before goes on growing.
            trend = np.fmax(trend, self.before[at - lag] - self.before[at - 2 * lag])
        chance = student((self.rise[number] - trend) / self.error[number], PRIOR + looks)
        judged = judged & self.seen[number] & (self.rise[number] > LEAST_RISE)
        if lag > REFERENCE:
            week = self.mean[7]
            judged &= (week[at] > week[at - 7]) & (week[at - 7] > week[at - 14])
            chance -= WEEKS_IN_ORDER
        return np.where(judged, chance, 0), np.where(self.seen[number], reference, 0) + trend

    def highest(self, at: int) -> Array:
        """The highest of the three fortnights before a day (logarithm), NaN where there was none."""
        back = [self.before[at - 1 - more] for more in (0, REFERENCE, 2 * REFERENCE) if at >= 1 + more]
        highest: Array = np.fmax.reduce(back) if back else self.before[at]
        return highest

    def learn(self, day: Day, learned: Array) -> None:
        """Remember the day's differences for the ``learned`` series."""
        at = day.number
        self.past[at] = np.where(learned & self.seen, self.rise, np.nan)
        for width in self.widths:
            mean = self.mean[width][at]
            self.calm[width][at] = np.where((learned & self.seen).any(0) & ~np.isnan(mean), mean, -np.inf)
        if at >= DELAY:
            then = self.past[at - DELAY]
            due = ~np.isnan(then)
            off, cut = np.where(due, then, 0) - self.centre, CUT * self.error
            pace = np.maximum(SLOWEST, 1 / (self.count + 1))
            self.centre += np.where(due, pace * np.clip(off, -cut, cut), 0)
            self.miss += np.where(due, pace * (np.minimum(np.abs(off), cut) - self.miss), 0)
            self.count += due

    def amend(self, at: int, which: Array, evened: Array) -> None:
        """The amounts of these series have been corrected up to today: their means are taken again."""
        first = max(0, at - RECENT - REFERENCE)
        for width, matrix in (*self.mean.items(), (REFERENCE, self.before)):
            begin = max(first, width - 1)
            if at >= begin:
                summed = np.cumsum(evened[begin - width + 1 : at + 1, which], 0, dtype=np.float64)
                total = summed[width - 1 :].copy()
                total[1:] -= summed[:-width]
                means = np.where(total > 1e-9, np.log(np.maximum(total / width, 1e-30)), np.nan)
                matrix[begin : at + 1, which] = means
                if width in self.calm:
                    calm = self.calm[width][begin : at + 1, which]
                    self.calm[width][begin : at + 1, which] = np.where(
                        np.isinf(calm), calm, np.nan_to_num(means, nan=-np.inf)
                    )


def _log_mean(evened: Array, at: int, days: int) -> Array:
    if at + 1 < days:
        return np.full(evened.shape[1], np.nan, np.float32)
    total = evened[at - days + 1 : at + 1].sum(0)
    return np.where(total > 0, np.log(np.maximum(total / days, 1e-30)), np.nan).astype(np.float32)
