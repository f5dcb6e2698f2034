"""How surprising an excess is: the chance of one as high, from the tail that the series itself has shown.

In: excesses in usual errors, one day after the other. Out: natural logarithms of that chance. Peaks over a threshold: how often
a series exceeds 1.5 usual errors, by how much on average and how unevenly, decide what the next one means (generalized Pareto
law: Coles, An Introduction to Statistical Modeling of Extreme Values, ch. 4); few observations are held together by the normal
law's own numbers, and some heaviness is kept always.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array

THRESHOLD = 1.5
NORMAL_SHARE, NORMAL_MEAN = 0.067, 0.44
"""The normal law beyond 1.5: its share, and its mean excess."""
SHARE_PRIOR, MEAN_PRIOR = 20.0, 8.0
"""Worth of the normal law's numbers, in observations."""
NORMAL_SQUARE = 0.35
"""And the mean square of that excess."""
SHAPE_PRIOR = 20.0
"""Worth of the normal law's shape, in observations beyond the threshold."""
HEAVINESS, HEAVIEST = 0.1, 0.4
"""Least and most shape of the generalized Pareto law: a little is kept always, half and more has no mean square."""
FORGET = 0.998
LARGEST = 10.0
"""An excess counts for the tail with no more than this many usual errors: one incident must not hide the next."""


class Tail:
    """What each series has shown beyond the threshold so far."""

    def __init__(self, series: int) -> None:
        self.days = np.zeros(series, np.float32)
        self.peaks = np.zeros(series, np.float32)
        self.beyond = np.zeros(series, np.float32)
        self.squares = np.zeros(series, np.float32)

    def log_chance(self, excess: Array) -> Array:
        """Of an excess (in usual errors) at least as large."""
        share = np.log((self.peaks + NORMAL_SHARE * SHARE_PRIOR) / (self.days + SHARE_PRIOR))
        mean = (self.beyond + NORMAL_MEAN * MEAN_PRIOR) / (self.peaks + MEAN_PRIOR)
        square = (self.squares + NORMAL_SQUARE * SHAPE_PRIOR) / (self.peaks + SHAPE_PRIOR)
        centre = (self.beyond + NORMAL_MEAN * SHAPE_PRIOR) / (self.peaks + SHAPE_PRIOR)
        # Of a generalized Pareto law mean and mean square give the heaviness (Hosking and Wallis 1987).
        heaviness = np.clip(0.5 * (1 - centre**2 / np.maximum(square - centre**2, 1e-6)), HEAVINESS, HEAVIEST)
        scale = mean * (1 - heaviness)
        far = share - np.log1p(heaviness * np.maximum(excess - THRESHOLD, 0) / scale) / heaviness
        near = share * np.clip(excess / THRESHOLD, 0, 1)
        return np.where(excess > THRESHOLD, far, near).astype(np.float32)

    def learn(self, excess: Array, learned: Array) -> None:
        """Remember the day's excess of the ``learned`` series."""
        peak = learned & (excess > THRESHOLD)
        size = np.where(peak, np.clip(excess - THRESHOLD, 0, LARGEST), 0)
        keep = np.where(learned, FORGET, 1).astype(np.float32)
        self.days = self.days * keep + learned
        self.peaks = self.peaks * keep + peak
        self.beyond = self.beyond * keep + size
        self.squares = self.squares * keep + size**2


def normal(excess: Array) -> Array:
    """Natural logarithm of the chance of an excess (in standard deviations) under the normal law, from its middle on.

    Mills' ratio by Sampford (1953), within 5 %.
    """
    far = np.maximum(excess, 0)
    return (-0.5 * far**2 - np.log(1.2533 * (far + np.sqrt(far**2 + 2.5465)))).astype(np.float32)


def as_normal(excess: Array, freedom: Array) -> Array:
    """An excess under Student's law as that of the normal law which is as rare (Wallace 1959).

    Student's is what is left of the normal law when the spread itself is known from few looks.
    """
    same: Array = np.sqrt(freedom * np.log1p(excess**2 / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return np.copysign(same, excess).astype(np.float32)


def student(excess: Array, freedom: Array) -> Array:
    """As `normal`, under Student's law."""
    return normal(as_normal(excess, freedom))
