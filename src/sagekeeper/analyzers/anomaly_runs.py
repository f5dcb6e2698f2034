"""Series that cost now and then (training, experiments): is this day, or this run of days, unlike its own past?

In: one day after the other. Out: the logarithm of the chance of a run of days as long and as dear. A run is as rare as spending
at all on each of its days (weekday, days in a row until then) times as rare as its amounts among the series' own positive ones:
by rank, and by Student's law of their logarithms. Amounts of a run are taken together (Stouffer 1949), as far as the series'
amounts of days in a row are independent. Amounts that repeat to half a percent speak of a machine that runs around the clock,
where a series does not always do that.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_levels import CUT, FEW, Day
from sagekeeper.analyzers.anomaly_tails import as_normal, normal

RUNS = (1, 2, 3, 5, 8)
"""Days in a row that are judged together."""
REMEMBERED = 180
"""Days whose amounts are ranked."""
NEARLY = 0.97
"""Amounts from this share of today's on are as high as today's."""
REPEATS = 0.005
LEAST_CHANCE = 0.02
"""Nothing is so unusual for a day of the week that it is rarer than this."""
AMOUNT_PRIOR, AMOUNT_SPREAD = 4.0, 0.6
"""What is known of the spread of a series' amounts (logarithm) before there are any, and how many amounts that is worth."""
GOES_ON, GOES_ON_PRIOR = 0.5, 2.0
"""Chance that what runs today runs tomorrow, before it has been seen, and how many days that is worth."""
ALIKE, ALIKE_PRIOR = 0.2, 5.0
"""Correlation of amounts of days in a row, before it has been seen."""
MOST_LOOKS = 60.0
"""Amounts after which older ones fade."""
TRIED = 1.2
"""Natural logarithm of how many independent looks the lengths of `RUNS` are worth: about three."""


class Runs:
    """Counts of what each series did before."""

    def __init__(self, days: int, series: int, cycle: int) -> None:
        self.weekday_days = np.zeros((cycle, series), np.float32)
        self.weekday_on = np.zeros((cycle, series), np.float32)
        self.after = np.zeros((4, series), np.float32)
        self.after_on = np.zeros((4, series), np.float32)
        self.row = np.zeros(series, np.int16)
        self.amounts = np.zeros((days, series), np.float32)
        self.surprise = np.zeros((days, series), np.float32)
        self.last = np.zeros(series, np.float32)
        self.pairs = np.zeros(series, np.float32)
        self.repeats = np.zeros(series, np.float32)
        self.far = np.zeros((days, series), np.float32)
        self.alike = np.zeros(series, np.float32)
        self.centre = np.zeros(series, np.float32)
        self.spread = np.zeros(series, np.float32)
        self.looks = np.zeros(series, np.float32)
        self.every = np.arange(series)

    def share(self) -> Array:
        """Share of days with a cost."""
        share: Array = (self.weekday_on.sum(0) + 1) / (self.weekday_days.sum(0) + 2)
        return share

    def chance_on(self, day: Day) -> Array:
        """Of a cost on such a day."""
        usual = self.share()
        weekday = (self.weekday_on[day.phase] + 3 * usual) / (self.weekday_days[day.phase] + 3)
        row = np.minimum(self.row, 3), self.every
        after = (self.after_on[row] + GOES_ON_PRIOR * np.where(self.row > 0, GOES_ON, usual)) / (
            self.after[row] + GOES_ON_PRIOR
        )
        chance: Array = np.where(day.dense, weekday, np.maximum(weekday, after)).clip(LEAST_CHANCE, 1)
        return chance.astype(np.float32)

    def log_chance(self, day: Day, chance_on: Array, count: Array) -> Array:
        """Of the run up to today, for series that cost now and then; 0 elsewhere."""
        lowest = np.zeros_like(chance_on)
        self.surprise[day.number] = 0
        self.far[day.number] = 0
        at = np.flatnonzero(day.on & ~day.dense & (count >= FEW))
        if not at.size:
            return lowest
        past, amount, log = self.amounts[max(0, day.number - REMEMBERED) : day.number, at], day.amount[at], day.log[at]
        as_high = ((past >= NEARLY * amount).sum(0) + 1) / ((past > 0).sum(0) + 2)
        looks = self.looks[at]
        spread = np.sqrt((AMOUNT_PRIOR * AMOUNT_SPREAD**2 + looks * self.spread[at]) / (AMOUNT_PRIOR + looks))
        far = np.maximum(as_normal((log - self.centre[at]) / spread, AMOUNT_PRIOR + looks), -ndtri(as_high))
        self.far[day.number, at] = far
        repeated = (np.abs(log - self.last[at]) < REPEATS) & (self.row[at] > 0)
        repeat = np.where(repeated, (self.repeats[at] + 0.5) / (self.pairs[at] + 10), 1)
        self.surprise[day.number, at] = -np.log(np.minimum(chance_on[at] * repeat, 1))
        alike = np.clip((self.alike[at] + ALIKE_PRIOR * ALIKE) / (self.pairs[at] + ALIKE_PRIOR), 0, 0.9)
        for length in RUNS:
            days = slice(max(0, day.number - length + 1), day.number + 1)
            # Amounts of days in a row resemble each other, and all are held against one centre that is itself not known.
            together = self.far[days, at].sum(0) / np.sqrt(length * (1 + (length - 1) * alike + length / looks))
            both = self.surprise[days, at].sum(0) - normal(together)
            lowest[at] = np.where(self.row[at] + 1 >= length, np.minimum(lowest[at], TRIED - both), lowest[at])
        return lowest

    def learn(self, day: Day, learned: Array) -> None:
        """Count the day for the ``learned`` series."""
        on = learned & day.on
        self.weekday_days[day.phase] += learned
        self.weekday_on[day.phase] += on
        row = np.minimum(self.row, 3)
        self.after[row, self.every] += learned
        self.after_on[row, self.every] += on
        pair = on & (self.row > 0)
        self.pairs += pair
        near = self.far[day.number] * self.far[day.number - 1] if day.number else 0
        self.alike += np.where(pair, np.clip(near, -4, 4), 0)
        self.repeats += pair & (np.abs(day.log - self.last) < REPEATS)
        self.amounts[day.number] = np.where(learned, day.amount, 0)
        self._learn_amounts(day, on)

    def _learn_amounts(self, day: Day, on: Array) -> None:
        off = np.where(self.looks > 0, day.log - self.centre, 0)
        cut = CUT * np.sqrt(np.maximum(self.spread, AMOUNT_SPREAD**2))
        off = np.clip(off, -cut, cut)
        pace = np.maximum(1 / (self.looks + 1), 1 / MOST_LOOKS)
        first = on & (self.looks == 0)
        self.centre = np.where(first, day.log, self.centre + np.where(on, pace * off, 0)).astype(np.float32)
        self.spread += np.where(on, pace * (off**2 - self.spread), 0)
        self.looks = np.minimum(self.looks + on, MOST_LOOKS).astype(np.float32)

    def step(self, day: Day) -> None:
        """The day is over: it is the day before."""
        self.row = np.where(day.known, np.where(day.on, self.row + 1, 0), self.row).astype(np.int16)
        self.last = np.where(day.on, day.log, self.last).astype(np.float32)
