"""When something unusual begins, whether it goes on, and when it has become usual.

In: surprise and expected level of one day after the other. Out: which days belong to a spell, and which of them are elevated. A
spell begins on a surprising day, goes on while at least `STAYS` of its rise is there, ends after three days without, and is
accepted as the new level after a number of elevated days: then it is learned, and only a further rise is news. Nothing is
learned during a spell.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_levels import Day

BEGINS = 3.0
"""Surprise (-log10 of the chance) from which a day is set aside until it is known what it is."""
STAYS = 0.45
QUIET_DAYS = 3


class Spells:
    """State of the spell that each series is in, if any."""

    def __init__(self, series: int) -> None:
        self.on = np.zeros(series, bool)
        self.base = np.zeros(series, np.float32)
        self.rise = np.zeros(series, np.float32)
        self.age = np.zeros(series, np.int16)
        self.began = np.zeros(series, np.int32)
        self.quiet = np.zeros(series, np.int16)

    def step(self, day: Day, surprise: Array, expected: Array, week: Array) -> tuple[Array, Array]:
        """(begun, elevated) today. ``expected``: level before, a logarithm without the profile of the week."""
        came = day.log - week
        begun = ~self.on & (surprise >= BEGINS) & day.on
        self.base = np.where(begun, expected, self.base).astype(np.float32)
        self.rise = np.where(begun, came - expected, self.rise).astype(np.float32)
        self.began = np.where(begun, day.number, self.began)
        self.age = np.where(begun, 0, self.age).astype(np.int16)
        self.quiet = np.where(begun, 0, self.quiet).astype(np.int16)
        self.on = self.on | begun
        above = came - self.base
        grown = np.maximum(self.rise, np.minimum(above, 1.5 * self.rise))
        self.rise = np.where(self.on & day.on, grown, self.rise).astype(np.float32)
        elevated = self.on & day.on & (above > np.maximum(STAYS * self.rise, 0))
        self.age += elevated
        quiet = np.where(elevated, 0, self.quiet + day.known)
        self.quiet = np.where(self.on, quiet, 0).astype(np.int16)
        return begun, elevated

    def over(self) -> Array:
        """Series whose spell has ended by itself today."""
        return self.on & (self.quiet >= QUIET_DAYS)

    def usual(self, elevated: Array, days: int) -> Array:
        """Series whose spell has lasted for ``days`` elevated days."""
        return self.on & elevated & (self.age >= days)

    def end(self, which: Array) -> None:
        """Their spell is over."""
        self.on = self.on & ~which
