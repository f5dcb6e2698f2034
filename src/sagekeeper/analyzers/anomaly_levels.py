"""What a series is expected to cost on a day: a bank of robust levels, of which each series uses the one that erred least lately.

In: the amounts of one day after the other, (series,), in logarithms, for what varies in proportion to its size. Out: the
expected logarithm and the usual error. Levels are exponential smoothings whose steps are cut at three usual errors (Gelper,
Fried and Croux 2010), quick to slow, each once with and once without the series' profile of the week. What came on the same
day of the last three months is expected to come again. State is one array per quantity, so that nothing loops over series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_rhythm import DAYS_OF_WEEK

GAINS = (0.7, 0.35, 0.15, 0.06)
"""Steps of the levels: a memory of about 1, 3, 7 and 16 days."""
ERROR_GAIN, WEEK_GAIN = 0.05, 0.2
MOST_PULL = 0.7
"""A day moves the profile of the week as if it was at most twice, or half, as dear as the week."""
TO_STD = 1.2533
"""Standard deviation over mean absolute error, of the normal law."""
LEAST_ERROR = 0.02
"""No series is known better than to 2 %: below lie rounding, currency and the length of a month."""
CUT = 3.0
FEW = 8
"""Days with a cost before steps are cut and a series is judged."""
DENSE = 0.6
"""Share of days with a cost from which a series runs all the time and has a profile of the week."""


@dataclass(frozen=True)
class Day:
    """One day of all series."""

    number: int
    phase: int
    """Of the cycle: the weekday, or the hour of the day."""
    long_phase: int
    """Of the longer cycle, if there is one: the hour of the week."""
    before: tuple[int, ...]
    """Lines of the same day of the last months."""
    amount: Array
    known: Array
    on: Array
    """Something was spent."""
    log: Array
    dense: Array
    live: Array
    """From the first amount on."""


@dataclass(frozen=True)
class Expected:
    """Logarithms: ``log`` is what is expected, ``error`` its usual error (a standard deviation), ``residual`` what came."""

    log: Array
    week: Array
    error: Array
    residual: Array
    monthly: Array
    profiles: list[Array]
    """Of the cycle alone, and with the longer cycle."""


class Levels:
    """The bank and its state."""

    def __init__(self, days: int, series: int, cycle: int, long_cycle: int = 0) -> None:
        self.families = 3 if long_cycle else 2
        self.gains = np.array(GAINS * self.families, np.float32)[:, None]
        self.level = np.zeros((len(self.gains), series), np.float32)
        self.miss = np.zeros((len(self.gains), series), np.float32)
        self.week = np.zeros((cycle, series), np.float32)
        self.weeks = np.zeros((cycle, series), np.float32)
        self.longer = np.zeros((max(long_cycle, 1), series), np.float32)
        self.longer_seen = np.zeros((max(long_cycle, 1), series), np.float32)
        self.error_gain = min(ERROR_GAIN, 1 / (2 * cycle))
        self.slow = 2 if cycle <= DAYS_OF_WEEK else 3
        """The level whose memory is about a cycle: the profile of the cycle is what is left beside it."""
        self.count = np.zeros(series, np.float32)
        self.low = np.zeros(series, np.int16)
        self.past = np.zeros((days, series), np.float32)
        self.every = np.arange(series)

    def expect(self, day: Day) -> Expected:
        """For each series, by the predictor that has erred least."""
        profiles = [np.where(day.dense, self.week[day.phase], 0).astype(np.float32)]
        best = np.argmin(self.miss, 0)
        family = best // len(GAINS)
        if self.families == 3:
            profiles.append(profiles[0] + np.where(day.dense, self.longer[day.long_phase], 0).astype(np.float32))
        week = np.where(family == 1, profiles[-1], profiles[0])
        log = self.level[best, self.every] + np.where(family < self.families - 1, week, 0)
        log = np.where(self.count > 0, log, day.log)
        few = 1 + 4 / np.maximum(self.count, 1)
        error = np.maximum(self.miss[best, self.every] * TO_STD * few, LEAST_ERROR).astype(np.float32)
        monthly = np.zeros_like(log)
        for line in day.before:
            monthly = np.maximum(monthly, self.past[line])
        monthly = np.where(monthly > 2 * error, monthly, 0)
        residual = np.where(day.on, day.log - log, 0).astype(np.float32)
        return Expected(log, week, error, residual, monthly, profiles)

    def learn(self, day: Day, expected: Expected, learned: Array) -> None:
        """Move the levels of the ``learned`` series towards the day."""
        half = len(GAINS)
        plain = np.broadcast_to(day.log, (half, day.log.size))
        came = np.concatenate([*(plain - profile for profile in expected.profiles), plain])
        young, new = self.count < FEW, self.count == 0
        missed = came - self.level
        usual = np.maximum(self.miss * TO_STD, LEAST_ERROR)
        step = np.where(young, missed, np.clip(missed, -CUT * usual, CUT * usual))
        size = np.abs(missed)
        size = np.where(young, size, np.minimum(size, (CUT + 1) * usual))
        gain = np.maximum(self.error_gain, 1 / (self.count + 1))
        miss = np.where(
            self.count < 4,
            (self.miss + np.maximum(self.miss, size)) / 2,
            self.miss + gain * (size - self.miss),
        )
        miss = np.where(new, 0.3, miss)
        self.miss = np.where(learned, miss, self.miss).astype(np.float32)
        level = self.level + np.maximum(self.gains, 1 / (self.count + 1)) * step
        self.level = np.where(learned, np.where(new, came, level), self.level).astype(np.float32)
        self._learn_profiles(day, expected, learned & (self.count >= 5))
        self.weeks[day.phase] += learned
        self.longer_seen[day.long_phase] += learned
        self.count += learned
        self.past[day.number] = expected.residual  # told or not: what comes every month is no news
        self._fall(day, expected, learned)

    def _learn_profiles(self, day: Day, expected: Expected, learned: Array) -> None:
        cut = np.minimum(CUT * expected.error, MOST_PULL)
        pull = day.log - self.level[self.slow] - self.week[day.phase]
        if self.families == 3:
            left = np.clip(pull - self.longer[day.long_phase], -cut, cut)
            pace = np.maximum(WEEK_GAIN, 1 / (self.longer_seen[day.long_phase] + 2))
            self.longer[day.long_phase] += np.where(learned, pace * left, 0)
        pace = np.maximum(WEEK_GAIN, 1 / (self.weeks[day.phase] + 2))
        self.week[day.phase] += np.where(learned, pace * np.clip(pull, -cut, cut), 0)

    def _fall(self, day: Day, expected: Expected, learned: Array) -> None:
        """Three days far below the expected are a new level: a fall needs no alarm and no patience."""
        below = learned & (self.count > FEW) & (expected.residual < -CUT * expected.error)
        self.low = np.where(below, self.low + 1, np.where(learned, 0, self.low)).astype(np.int16)
        fallen = self.low >= 3
        if fallen.any():
            self.restart(fallen, (day.log - expected.week)[fallen])
            self.low[fallen] = 0

    def restart(self, which: Array, level: Array) -> None:
        """From here on at another level (logarithm, without the profile of the week)."""
        self.level[:, which] = level
