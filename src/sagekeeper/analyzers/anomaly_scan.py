"""One pass over the days, all series at once: surprise, what was expected, and the spells of unusual days.

In: amounts (days x series), days, which cells are known or set aside. Out: matrices of the same shape. Whatever is said of a day
rests on that day and the ones before it, and on the series itself and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_levels import DENSE as DENSE_SHARE
from sagekeeper.analyzers.anomaly_levels import FEW, Day, Expected, Levels
from sagekeeper.analyzers.anomaly_rhythm import Rhythm
from sagekeeper.analyzers.anomaly_runs import Runs
from sagekeeper.analyzers.anomaly_shifts import MARGIN, RECENT, REFERENCE, Shifts
from sagekeeper.analyzers.anomaly_spells import Spells
from sagekeeper.analyzers.anomaly_tails import Tail

NOTHING_NEW = float(np.log(0.05))
"""The chance that is left of a day on which the series has been as high lately."""
CERTAIN = 4.0
"""Surprise of a spell from which its level, once accepted, is taken for a new one, not for a part of a slow rise."""
MONTHLY_DAYS = 3
"""A spell of more elevated days is no event of the month's day, which could be expected to come again."""
FRESH_CYCLES = 3
"""Weeks from its first cost on in which a series is only learned."""
LATELY = RECENT + 2 * REFERENCE


@dataclass(frozen=True)
class Scan:
    """Matrices (days x series). ``surprise`` -log10 of the chance, ``expected`` an amount, ``view`` which look saw it."""

    surprise: Array
    expected: Array
    spell: Array
    begun: Array
    elevated: Array
    judged: Array
    view: Array

    def ratio(self, at: int, some: Array, amounts: Array) -> Array:
        """Logarithm of amount over expected of some series on a day."""
        both = np.stack([amounts[at, some], self.expected[at, some]])
        above, below = np.log(np.maximum(both, 1e-30))
        ratio: Array = above - below
        return ratio


def scan(amounts: Array, rhythm: Rhythm, set_aside: Array, accept_after: int) -> Scan:
    """See the module. ``set_aside``: cells that are neither judged nor learned; ``accept_after``: elevated days."""
    state = _Pass(amounts.shape, rhythm, accept_after)
    for at in range(len(amounts)):
        known = ~np.isnan(amounts[at]) & ~set_aside[at]
        amount = np.where(known, amounts[at], 0).astype(np.float32)
        on = amount > 0
        log = np.log(np.maximum(amount, 1e-30)).astype(np.float32)
        live = on | (state.levels.count > 0)
        dense = state.runs.share() > DENSE_SHARE
        phase, long_phase = int(rhythm.phase[at]), int(rhythm.long_phase[at])
        state.step(Day(at, phase, long_phase, rhythm.before[at], amount, known, on, log, dense, live))
    return state.out


class _Pass:
    """What is known of each series up to a day."""

    def __init__(self, shape: tuple[int, ...], rhythm: Rhythm, accept_after: int) -> None:
        length, series = shape
        cycle = rhythm.cycle
        self.accept_after, self.fresh = accept_after, FRESH_CYCLES * cycle
        self.levels, self.runs, self.tail = (
            Levels(length, series, cycle, rhythm.long_cycle),
            Runs(length, series, cycle),
            Tail(series),
        )
        self.shifts, self.spells = Shifts(length, series), Spells(series)
        self.evened = np.zeros(shape, np.float32)
        """Amounts without the profile of the week and the month; NaN before the first."""
        self.calm = np.full(shape, -np.inf, np.float32)
        """Logarithm of the same on the days outside spells."""
        self.since, self.most = np.zeros(series, np.int32), np.zeros(series, np.float32)
        self.odd, self.passed = np.zeros((2, series), np.float32)
        surprise, expected = np.zeros((2, *shape), np.float32)
        spell, begun, elevated, judged = np.zeros((4, *shape), bool)
        self.out = Scan(surprise, expected, spell, begun, elevated, judged, np.zeros(shape, np.int8))

    def step(self, day: Day) -> None:
        """Judge the day, then learn from it, then close the spells that are over."""
        at, out, spells = day.number, self.out, self.spells
        expected = self.levels.expect(day)
        surprise, level = self._judge(day, expected)
        begun, elevated = spells.step(day, surprise, level, expected.week)
        usual = np.where(spells.on, spells.base + expected.week, expected.log + expected.monthly)
        out.surprise[at], out.expected[at] = surprise, np.exp(np.minimum(usual, 80))
        out.spell[at], out.begun[at], out.elevated[at] = spells.on, begun, elevated
        self.most = np.where(begun, surprise, np.where(spells.on, np.maximum(self.most, surprise), 0))
        excess = (expected.residual - expected.monthly) / expected.error
        self.odd = np.where(begun, excess, np.where(spells.on, np.maximum(self.odd, excess), 0))
        self._learn(day, expected)
        self._close(day, expected, spells.usual(elevated, self.accept_after), spells.over())

    def _judge(self, day: Day, expected: Expected) -> tuple[Array, Array]:
        """Surprise, and the level (logarithm) that the most surprising look expected."""
        at, plain = day.number, day.log - expected.week
        without_month = plain - np.minimum(expected.monthly, np.maximum(expected.residual, 0))
        spent = np.where(day.on, np.exp(np.clip(without_month, -60, 80)), 0)
        self.evened[at] = np.where(day.live, np.where(day.known, spent, self.evened[at - 1]), np.nan)

        chance_on, evened_level = self.runs.chance_on(day), expected.log - expected.week
        # A level of the last six weeks is no news: what follows a holiday or a stop is held against what was before it.
        lift = np.maximum(np.fmax(self.shifts.highest(at) - evened_level, 0), expected.monthly)
        single = self.tail.log_chance((expected.residual - lift) / expected.error) + np.log(chance_on)
        recent = self.calm[max(0, at - RECENT) : at]
        news = (plain > (recent.max(0) if at else -np.inf) + MARGIN) & (self.levels.count >= FEW)
        single = np.where(day.on & day.dense, np.where(news, single, np.maximum(single, NOTHING_NEW)), 0)
        looks = [
            (single, evened_level + lift),
            (self.runs.log_chance(day, chance_on, self.levels.count), evened_level + np.log(chance_on)),
            *self.shifts.judge(day, self.evened, expected.error, self.since),
        ]
        chances = np.stack([chance for chance, _ in looks])
        view = chances.argmin(0)
        level = np.stack([base for _, base in looks])[view, self.levels.every]
        self.out.view[at], self.out.judged[at] = view, day.known & day.live & (self.since >= self.fresh)
        surprise = chances.min(0) / -np.log(10) - np.log10(1 + self.passed)
        return np.where(self.out.judged[at], np.maximum(surprise, 0), 0), level

    def _learn(self, day: Day, expected: Expected) -> None:
        """Nothing is learned from a spell."""
        free = day.known & day.live & ~self.spells.on
        self.tail.learn((expected.residual - expected.monthly) / expected.error, free & day.on)
        self.levels.learn(day, expected, free & day.on)
        self.runs.learn(day, free)
        self.runs.step(day)
        self.shifts.learn(day, free)
        self.calm[day.number] = np.where(free & day.on, day.log - expected.week, -np.inf)
        self.since += day.live & day.known

    def _close(self, day: Day, expected: Expected, accepted: Array, over: Array) -> None:
        """What has lasted is the level from now on; what has passed is taken out of the past."""
        at, spells, evened = day.number, self.spells, self.evened
        lately = np.arange(max(0, at - LATELY), at + 1)
        if accepted.any():
            level = np.log(np.maximum(evened[max(0, at - self.accept_after + 1) : at + 1].mean(0), 1e-30))
            self.levels.restart(accepted, level[accepted])
            certain = np.flatnonzero(accepted & (self.most >= CERTAIN))
            # The past of a level that has changed, as if it had always been the new one: the change is no news any more.
            by = np.where(lately[:, None] < spells.began[certain], (level - spells.base)[certain], 0)
            evened[np.ix_(lately, certain)] *= np.exp(by)
            self.calm[np.ix_(lately, certain)] += by
            self.shifts.amend(at, certain, evened)
            self.calm[at, accepted] = (day.log - expected.week)[accepted]
        if over.any():
            # What passes by itself belongs to the series: its tail is heavier, and the next of the kind is less news.
            self.tail.learn(self.odd, over & (spells.age <= MONTHLY_DAYS))
            self.passed += over
            passed = np.flatnonzero(over)
            raised = self.out.elevated[np.ix_(lately, passed)] & (lately[:, None] >= spells.began[passed])
            evened[np.ix_(lately, passed)] = np.where(
                raised, np.exp(spells.base[passed]), evened[np.ix_(lately, passed)]
            )
            self.shifts.amend(at, passed, evened)
        lasting = np.flatnonzero((accepted | over) & (spells.age > MONTHLY_DAYS))
        self.levels.past[np.ix_(lately, lasting)] *= lately[:, None] < spells.began[lasting]
        spells.end(accepted | over)
