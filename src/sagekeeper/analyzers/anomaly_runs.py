"""Series that cost now and then (training, experiments): is this day, or this run of days, unlike its own past?

In: one day after the other. Out: the logarithm of the chance of a day as dear or dearer, and of the run of the last days. A day
is as rare as spending at all on such a day (weekday, days in a row until yesterday) times as rare as its amount among the series'
own amounts. Days in a row are judged together (the sum of k such logarithms is a gamma(k) variable, Fisher 1932). Amounts that
repeat to half a percent speak of a machine that runs around the clock, where a series does not always do that.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincc

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_levels import FEW, Day

RUNS = (2, 3, 5, 8)
REMEMBERED = 180
NEARLY = 0.97
"""Amounts from this share of today's on are as high as today's."""
REPEATS = 0.005
LEAST_CHANCE = 0.02
TRIED = 0.7
"""Natural logarithm of about how many looks of this kind at one day are worth one: they are far from independent."""


class Runs:
    """Counts of what each series did before."""

    def __init__(self, days: int, series: int) -> None:
        self.weekday_days = np.zeros((7, series), np.float32)
        self.weekday_on = np.zeros((7, series), np.float32)
        self.after = np.zeros((4, series), np.float32)
        self.after_on = np.zeros((4, series), np.float32)
        self.row = np.zeros(series, np.int16)
        self.amounts = np.zeros((days, series), np.float32)
        self.surprise = np.zeros((days, series), np.float32)
        self.last = np.zeros(series, np.float32)
        self.pairs = np.zeros(series, np.float32)
        self.repeats = np.zeros(series, np.float32)
        self.every = np.arange(series)

    def share(self) -> Array:
        """Share of days with a cost."""
        share: Array = (self.weekday_on.sum(0) + 1) / (self.weekday_days.sum(0) + 2)
        return share

    def chance_on(self, day: Day) -> Array:
        """Of a cost on such a day."""
        usual = self.share()
        weekday = (self.weekday_on[day.weekday] + 3 * usual) / (self.weekday_days[day.weekday] + 3)
        row = np.minimum(self.row, 3), self.every
        after = (self.after_on[row] + 2 * usual) / (self.after[row] + 2)
        chance: Array = np.clip(np.where(day.dense, weekday, np.maximum(weekday, after)), LEAST_CHANCE, 1).astype(
            np.float32
        )
        return chance

    def log_chance(self, day: Day, chance_on: Array, count: Array) -> Array:
        """Of the run up to today, for series that cost now and then; 0 elsewhere."""
        past = self.amounts[max(0, day.number - REMEMBERED) : day.number]
        as_high = (past >= NEARLY * np.where(day.on, day.amount, np.inf)).sum(0)
        amount = (as_high + 1) / ((past > 0).sum(0) + 2)
        repeated = day.on & (np.abs(day.log - self.last) < REPEATS) & (self.row > 0)
        repeat = np.where(repeated, (self.repeats + 0.5) / (self.pairs + 10), 1)
        self.surprise[day.number] = np.where(day.on, -np.log(np.minimum(chance_on * amount * repeat, 1)), 0)
        lowest = np.zeros_like(chance_on)
        judged = day.on & ~day.dense & (count >= FEW)
        for length in RUNS:
            if day.number >= length:
                together = self.surprise[day.number - length + 1 : day.number + 1].sum(0)
                log = np.log(np.maximum(gammaincc(length, together), 1e-30)) + TRIED
                lowest = np.minimum(lowest, np.where(judged, log, 0))
        return lowest.astype(np.float32)

    def learn(self, day: Day, learned: Array) -> None:
        """Count the day for the ``learned`` series."""
        on = learned & day.on
        self.weekday_days[day.weekday] += learned
        self.weekday_on[day.weekday] += on
        row = np.minimum(self.row, 3)
        self.after[row, self.every] += learned
        self.after_on[row, self.every] += on
        pair = on & (self.row > 0)
        self.pairs += pair
        self.repeats += pair & (np.abs(day.log - self.last) < REPEATS)
        self.amounts[day.number] = np.where(learned, day.amount, 0)

    def step(self, day: Day) -> None:
        """The day is over: it is the day before."""
        self.row = np.where(day.known, np.where(day.on, self.row + 1, 0), self.row).astype(np.int16)
        self.last = np.where(day.on, day.log, self.last).astype(np.float32)
