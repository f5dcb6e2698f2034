"""Drift looked for every hour, for ever, and never called by chance: one monitor's features against the hours before.

In: per feature a `Stream` of counts by hour and cell, of the reference and of the hours since. Out: `Alarm`s. Without
drift a monitor (all features of one endpoint variant together) gives any alarm at all in at most ``level`` of months,
however often it is asked. How:

* An hour is compared with the same hour of the week (of the day where the reference is shorter): the season is no drift.
* What is compared are a few scores per feature: three polynomials of the ranks and the outer tails of numbers, shares of
  categories. Shares go through the signed root of their likelihood ratio, which holds far out, where counts are few.
* How much scores vary between like hours is measured on the reference, block by block (1 hour to 3 days), not taken from
  a formula: bursts, sessions and slow swings of traffic count as what they are. The blocks are few: Student's t with so
  many degrees; and what swings by itself may do so with a longer tail than the bell curve's.
* Windows of an hour to a week end at every look. The level is spent over scores, features, windows and looks of a month
  (a union bound): valid for any dependence between them, such as the reference they share.
* It must matter: a lower bound of the total variation (|mean score difference| / range of the score) must exceed
  ``least_effect``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import special

from sagekeeper.analyzers.drift_cells import Array
from sagekeeper.analyzers.drift_scores import Scores, scores_of

DAY, WEEK, MONTH = 24, 168, 720
BLOCKS = (1, 6, DAY, 3 * DAY)
TAIL = 0.15
"""Share of blocks from which the tail of what varies by itself is read."""
SURELY = 2.0


class SequenceRules(BaseModel):
    """When a monitor raises its voice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float = Field(0.01, gt=0, le=0.5, description="chance of any false alarm of a monitor in a month")
    windows: tuple[int, ...] = Field((1, 6, 24, 72, 168), description="hours that are looked at together")
    least_effect: float = Field(0.02, ge=0, le=1, description="smallest total variation that matters; lower end counts")
    fewest_records: int = Field(100, ge=30, description="records of a window, below which it is not judged")
    fewest_expected: float = Field(10.0, ge=1, description="records that a cell must expect to be judged by itself")
    fewest_blocks: int = Field(20, ge=3, description="blocks of the reference needed to know how much they vary")


@dataclass(frozen=True)
class Stream:
    """Records by hour and cell. ``hours``: ascending hours since 1970 (UTC); hours without records may be left out."""

    hours: NDArray[np.int64]
    counts: Array
    ordered: bool


@dataclass(frozen=True)
class Alarm:
    """One feature, at the look that first called it."""

    feature: str
    hour: int
    """The hour after which it was called."""
    since: int
    """First hour of the window that says it most clearly."""
    p_value: float
    """Times all that was asked in a month: at most ``level``."""
    effect_low: float
    """Lower end (95 %) of how far apart, in total variation."""
    score: str


def watch(reference: Mapping[str, Stream], current: Mapping[str, Stream], rules: SequenceRules) -> list[Alarm]:
    """First alarm of each feature that has one, by hour. Features without enough reference are not judged."""
    judged = [name for name in current if name in reference]
    found = [alarm for name in judged if (alarm := _first(name, reference[name], current[name], len(judged), rules))]
    return sorted(found, key=lambda alarm: (alarm.hour, alarm.p_value, alarm.feature))


def _first(name: str, before: Stream, now: Stream, features: int, rules: SequenceRules) -> Alarm | None:
    scores = scores_of(before.counts.sum(axis=0), before.ordered)
    if scores is None or not len(now.hours):
        return None
    period = _period(before.hours)
    home = _Home.of(before, scores, period)
    first = int(now.hours[0])
    length = int(now.hours[-1]) - first + 1
    counts = np.zeros((length, now.counts.shape[1]))
    counts[now.hours - first] = now.counts
    phases = (np.arange(length) + first) % period
    best: Alarm | None = None
    for window in rules.windows:
        varies = home.varies(window, rules)
        if varies is None:
            continue
        step = max(1, window // 4)
        ends = np.arange(window, length + 1)
        ends = ends[(ends + first) % step == 0]
        asked = features * len(rules.windows) * (MONTH / step) * scores.matrix.shape[1]
        alarm = _look(name, home, counts, phases, ends, window, varies, asked, first, rules)
        if alarm is not None and (best is None or (alarm.hour, alarm.p_value) < (best.hour, best.p_value)):
            best = alarm
    return best


def _period(hours: NDArray[np.int64]) -> int:
    """A week where the reference has three, a day where it has three, else no season is known."""
    span = int(hours[-1] - hours[0]) + 1
    return WEEK if span >= 3 * WEEK else DAY if span >= 3 * DAY else 1


@dataclass(frozen=True)
class _Home:
    """The reference: per phase, records and mean scores; and what is left of each hour without them."""

    scores: Scores
    records: Array
    means: Array
    hours: NDArray[np.int64]
    sizes: Array
    left: Array
    spare: Array
    """Variance of what is left of an hour, if records were independent: less than its records, as they made the mean."""

    @classmethod
    def of(cls, before: Stream, scores: Scores, period: int) -> _Home:
        phases = before.hours % period
        sizes = before.counts.sum(axis=1)
        totals = before.counts @ scores.matrix
        records = np.bincount(phases, sizes, period)
        sums = np.stack([np.bincount(phases, column, period) for column in totals.T], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums / records[:, None]
            spare = sizes * (1 - sizes / records[phases])
        return cls(
            scores,
            records.astype(np.float64),
            means,
            before.hours,
            sizes,
            totals - sizes[:, None] * means[phases],
            spare,
        )

    def varies(self, window: int, rules: SequenceRules) -> _Varies | None:
        """How many times more than by chance each score varies over such windows; None where blocks are too few."""
        found = [(length, self._blocks(length)) for length in BLOCKS]
        usable = [(length, squares) for length, squares in found if len(squares) >= rules.fewest_blocks]
        if not usable:
            return None
        longest = np.max([squares.mean(axis=0) for _, squares in usable], axis=0)
        best: _Varies | None = None
        for place, (length, squares) in enumerate(usable):
            ratio, count = squares.mean(axis=0), len(squares)
            if length > window and best is not None:
                break
            if window > length and place == len(usable) - 1 and place > 0:
                # What still grows with the length of blocks will go on growing.
                shorter, before = usable[place - 1]
                grows = np.maximum(ratio, 1.0) / np.maximum(before.mean(axis=0), 1.0)
                beyond = np.log(window / length) / np.log(length / shorter)
                ratio = ratio * np.maximum(grows, 1.0) ** beyond
            # Each phase's mean was made of these very blocks; blocks that go with their neighbours count for less.
            degrees = np.maximum(
                count * self.free * np.minimum(np.maximum(ratio, 1.0) / np.maximum(longest, 1.0), 1.0), 3.0
            )
            hourly = float(self.sizes.sum() / len(self.sizes))
            start, excess = _tail(squares, self.scores.heavy)
            new = _Varies(np.maximum(ratio, 1.0), degrees, start, excess, hourly)
            best = new if best is None else best.worse(new)
        return best

    @property
    def free(self) -> float:
        """Share of the degrees of freedom that the phases' means left."""
        return max(1 - np.count_nonzero(self.records) / len(self.hours), 0.1)

    def _blocks(self, length: int) -> Array:
        """Squares of what is left of each block, by what independent records would leave: (blocks, scores)."""
        block = (self.hours - self.hours[0]) // length
        sums = np.stack([np.bincount(block, column) for column in self.left.T], axis=1)
        spare = np.bincount(block, np.nan_to_num(self.spare))
        used = spare > 0
        return np.asarray(sums[used] ** 2 / spare[used, None] / self.scores.spreads)


@dataclass(frozen=True)
class _Varies:
    """Per score: variance over that of independent records, and the degrees of freedom it is known with."""

    ratio: Array
    degrees: Array
    start: Array
    """From here on (in standard deviations) the tail falls off as a Weibull of shape 1/2, of the mean `excess` at its start."""
    excess: Array
    hourly: float
    """Records of an hour in which that was seen."""

    def worse(self, other: _Varies) -> _Varies:
        """Of each score the one that pushes the bar further."""
        higher = other.ratio * other.bar**2 > self.ratio * self.bar**2

        def of(mine: Array, others: Array) -> Array:
            return np.asarray(np.where(higher, others, mine))

        return _Varies(
            of(self.ratio, other.ratio),
            of(self.degrees, other.degrees),
            of(self.start, other.start),
            of(self.excess, other.excess),
            self.hourly,
        )

    @property
    def bar(self) -> Array:
        """Standard deviations that chance exceeds once in ten million."""
        beyond = (np.log(TAIL / 1e-7) / 2 + 1) ** 2 - 1
        return np.asarray(np.maximum(special.stdtrit(self.degrees, 1 - 5e-8), self.start + self.excess * beyond))

    def chance(self, z: Array) -> Array:
        """Of a score at least so far out, on either side."""
        beyond = np.maximum(np.abs(z) - self.start, 0.0) / np.maximum(self.excess, 1e-9)
        far = TAIL * np.exp(-2 * (np.sqrt(1 + beyond) - 1))
        return np.asarray(np.maximum(2 * special.stdtr(self.degrees, -np.abs(z)), far))

    def over(self, n: Array, window: int) -> Array:
        """Of windows with so many records: what swings together weighs more in busy hours. (windows, scores)."""
        busier = np.maximum(n / (window * self.hourly), 1.0)
        return np.asarray(1 + (self.ratio - 1) * busier[:, None])


def _tail(squares: Array, heavy: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Where the blocks' tail begins and its mean excess; nothing where blocks vary no more than by chance.

    What varies by itself need not do so by the bell curve: the spread of a place that swings has a long tail.
    """
    count = len(squares)
    ratio = squares.mean(axis=0)
    standard = np.sqrt(squares / np.maximum(ratio, 1e-12))
    start = np.quantile(standard, 1 - TAIL, axis=0)
    above = standard > start
    excess = np.where(above, standard - start, 0.0).sum(axis=0) / np.maximum(above.sum(axis=0), 1)
    # As unsure as the few blocks beyond it make it.
    excess = excess * (1 + 1 / np.sqrt(np.maximum(above.sum(axis=0), 1)))
    own = heavy & (ratio - 1 > SURELY * np.sqrt(2 / count)).any()
    return np.where(own, start, 0.0), np.where(own, excess, 0.0)


def _look(
    name: str,
    home: _Home,
    counts: Array,
    phases: NDArray[np.int64],
    ends: NDArray[np.int64],
    window: int,
    varies: _Varies,
    asked: float,
    first: int,
    rules: SequenceRules,
) -> Alarm | None:
    """The first look of this window that is an alarm."""
    if not len(ends):
        return None
    sizes = counts.sum(axis=1)
    known = home.records[phases] > 0
    used = np.where(known, sizes, 0.0)
    here = np.where(known[:, None], counts @ home.scores.matrix, 0.0)
    expected = used[:, None] * np.nan_to_num(home.means[phases])

    def over(values: Array) -> Array:
        summed = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
        return np.asarray(summed[ends] - summed[ends - window])

    n, seen, awaited = over(used), over(here), over(expected)
    # The mean of a phase is as unsure as its records are few; where a phase comes again, its error adds up whole.
    again = max(1.0, window / len(home.records)) if len(home.records) > 1 else 1.0
    shared = over(np.where(known, used**2 / np.maximum(home.records[phases], 1.0), 0.0)) * again
    if len(home.records) == 1:
        shared = n**2 / max(float(home.records[0]), 1.0)
    # Records that go together are worth one: what is counted is counted in such.
    ratio = varies.over(n, window)
    z = home.scores.standard(
        seen / ratio, awaited / ratio, n[:, None] / ratio, shared[:, None] / ratio, rules.fewest_expected
    )
    z = np.where((n >= rules.fewest_records)[:, None], z, 0.0)
    p = varies.chance(z) * asked
    error = np.sqrt((n + shared)[:, None] * ratio * home.scores.spreads) * 1.96
    with np.errstate(invalid="ignore", divide="ignore"):
        low = (np.abs(seen - awaited) - error) / (n[:, None] * home.scores.ranges)
    called = (p <= rules.level) & (np.nan_to_num(low) > rules.least_effect)
    rows = np.flatnonzero(called.any(axis=1))
    if not len(rows):
        return None
    row = int(rows[0])
    column = int(np.where(called[row], p[row], np.inf).argmin())
    hour = int(ends[row]) + first
    return Alarm(
        feature=name,
        hour=hour,
        since=hour - window,
        p_value=float(min(p[row, column], 1.0)),
        effect_low=float(low[row, column]),
        score=home.scores.names[column],
    )
