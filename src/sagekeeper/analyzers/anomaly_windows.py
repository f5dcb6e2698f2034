"""Shifts too small for one day: the mean of the last days against the level before them, and a slow creep over four weeks.

In: one day after the other. Out: per window the logarithm of the chance and the level (logarithm) that was expected. Each
window is judged against its own history of the same difference, so that what wanders by nature may wander. A creep is a
weekly mean that rose in each of the last four weeks, against the series' own long trend.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_levels import LEAST_ERROR, TO_STD, Day
from sagekeeper.analyzers.anomaly_tails import Tail

RECENT = 60
"""Days that are lately: what has been as high lately is nothing new."""
NOTHING_NEW = float(np.log(0.05))
MARGIN = 0.03
LEAST_CREEP = 0.2


class Window:
    """Means over ``length`` days, for series that run all the time."""

    def __init__(self, length: int, days: int, series: int) -> None:
        self.length = length
        self.mean = np.full((days, series), np.nan, np.float32)
        self.calm = np.full((days, series), -np.inf, np.float32)
        self.before = np.zeros((days, series), np.float32)
        self.level = np.zeros(series, np.float32)
        self.miss = np.full(series, 0.3, np.float32)
        self.count = np.zeros(series, np.float32)
        self.tail = Tail(series)

    def judge(self, day: Day, evened: Array) -> tuple[Array, Array]:
        """Log chance, expected level. ``evened``: amounts without the profile of the week (days x series), up to today."""
        at, length = day.number, self.length
        if at < length:
            return np.zeros_like(day.log), self.level
        total = evened[at - length + 1 : at + 1].sum(0)
        mean = np.log(np.maximum(total / length, 1e-30)).astype(np.float32)
        self.mean[at] = np.where((total > 0) & day.live, mean, np.nan)
        expected = self.before[at - length]
        self.rise = np.where((total > 0) & (self.count > 0), mean - expected, 0)
        self.error = np.maximum(self.miss * TO_STD * (1 + 4 * length / np.maximum(self.count, 1)), LEAST_ERROR)
        recent = self.calm[max(0, at - RECENT) : max(at - length + 1, 0)]
        highest = recent.max(0) if len(recent) else np.full_like(mean, -np.inf)
        log = np.where((total > 0) & day.on & day.dense, self.tail.log_chance(self.rise / self.error), 0)
        quiet = (mean <= highest + MARGIN) | (self.count < 28)
        return np.where(quiet, np.maximum(log, NOTHING_NEW), log), expected

    def learn(self, day: Day, learned: Array) -> None:
        """Remember the day's window for the ``learned`` series."""
        at = day.number
        if at >= self.length:
            learned = learned & ~np.isnan(self.mean[at])
            mean = np.nan_to_num(self.mean[at])
            cut = 3 * self.error
            gain = np.maximum(0.05, 1 / (self.count + 1))
            moved = self.level + gain * np.clip(mean - self.level, -cut, cut)
            self.level = np.where(learned, np.where(self.count == 0, mean, moved), self.level).astype(np.float32)
            told = learned & (self.count > self.length)
            missed = np.minimum(np.abs(self.rise), 4 * self.error) - self.miss
            pace = np.maximum(0.03, 1 / (self.count + 1))
            self.miss = np.where(told, self.miss + pace * missed, self.miss).astype(np.float32)
            self.tail.learn(self.rise / self.error, told)
            self.count += learned
            self.calm[at] = np.where(learned, mean, -np.inf)
        self.before[at] = self.level

    def restart(self, at: int, which: Array, level: Array) -> None:
        """From here on at another level."""
        self.level[which] = level
        self.before[max(0, at - self.length) : at + 1, which] = level


class Creep:
    """Weekly means now against four weeks ago."""

    def __init__(self, series: int) -> None:
        self.trend = np.zeros(series, np.float32)
        self.miss = np.full(series, 0.3, np.float32)
        self.count = np.zeros(series, np.float32)

    def judge(self, day: Day, weekly: Window, calm_days: Array) -> tuple[Array, Array]:
        """Log chance, expected level."""
        at, mean = day.number, weekly.mean
        if at < 35:
            self.told = np.zeros(day.log.size, bool)
            return np.zeros_like(day.log), weekly.level
        now, before = mean[at], mean[at - 28]
        self.rise = now - before
        self.told = day.dense & ~np.isnan(self.rise) & (calm_days > 35)
        self.rise = np.nan_to_num(self.rise)
        own = self.miss * TO_STD * (1 + 30 / np.maximum(self.count, 1))
        self.error = np.maximum(own, 1.3 * weekly.error)
        far = np.maximum((self.rise - self.trend) / self.error, 0)
        steps = (mean[at] > mean[at - 7]) & (mean[at - 7] > mean[at - 14])
        steps &= (mean[at - 14] > mean[at - 21]) & (mean[at - 21] > before)
        highest = weekly.calm[max(0, at - RECENT) : at - 7].max(0)
        judged = self.told & (self.count > 0) & steps & (now > highest) & (self.rise > LEAST_CREEP)
        # Mills' bound of the normal tail; five weeks in rising order come by chance once in 120.
        log = np.where(judged, -0.5 * far**2 - np.log1p(far) - 3.0, 0)
        return log.astype(np.float32), np.nan_to_num(before) + self.trend

    def learn(self, learned: Array) -> None:
        """Remember the day's rise over four weeks."""
        learned = learned & self.told
        if learned.any():
            pace = np.maximum(0.02, 1 / (self.count + 20))
            off = self.rise - self.trend
            moved = np.where(self.count == 0, 0, self.trend + pace * np.clip(off, -2 * self.error, 2 * self.error))
            missed = np.minimum(np.abs(off), 4 * self.error) - self.miss
            self.miss = np.where(learned, self.miss + pace * missed, self.miss).astype(np.float32)
            self.trend = np.where(learned, moved, self.trend).astype(np.float32)
            self.count += learned
