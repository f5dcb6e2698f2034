"""How far two samples of one feature lie apart, how sure that is, and whether chance alone explains it.

In: two `Sample`s, each a quantile sketch or counts per category, with their sizes. Out: a `Shift`: effect with a 95 % interval
and a p-value, or None where a sample is empty. The statistics are those of `sagekeeper drift`: total variation of values
(`drift_effects`), two-sample tests (`drift_tests`); what the sketches may err and what records that go together are worth
less widens both. Both samples err: a baseline is a sample too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from sagekeeper.analyzers.drift_cells import Categories, Cells, Numbers, category_cells, number_cells
from sagekeeper.analyzers.drift_effects import share_change, total_variation
from sagekeeper.analyzers.drift_kinds import Outline, name
from sagekeeper.analyzers.drift_tests import adjusted, p_value, two_shares

Unit = Literal["total variation", "share missing", "share of new words", "distance in spreads"]


@dataclass(frozen=True)
class Sample:
    """One feature over one time. Exactly one of ``sketch`` (datasketches kll_doubles_sketch) and ``counts`` is there.

    ``worth``: share of the records that independent ones would be.
    """

    records: int
    missing: int
    sketch: Any | None
    counts: Counter[str] | None
    worth: float = 1.0
    worth_missing: float = 1.0

    @property
    def present(self) -> int:
        """Records that had a value."""
        if self.counts is not None:
            return self.counts.total()
        return int(self.sketch.n) if self.sketch is not None else 0

    @property
    def values(self) -> Numbers | Categories:
        """As the tests take it."""
        if self.counts is not None:
            return Categories(self.counts, self.worth)
        return Numbers.of_sketches([] if self.sketch is None else [self.sketch], self.worth)


@dataclass(frozen=True)
class Shift:
    """``effect`` between 0 and 1 (a distance may be more), its 95 % interval,
    and the p-value of 'both samples come from one distribution'."""

    unit: Unit
    effect: float
    low: float
    high: float
    p_value: float


def value_shift(before: Sample, now: Sample) -> Shift | None:
    """Of the values. None where they cannot be compared: nothing on one side, or numbers here and categories there."""
    cells = _cells(before, now)
    if cells is None:
        return None
    effect = total_variation(cells)
    return Shift("total variation", effect.value, effect.low, effect.high, p_value(cells))


def _cells(before: Sample, now: Sample) -> Cells | None:
    if not before.present or not now.present:
        return None
    one, other = before.values, now.values
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return number_cells(one, other)
    if isinstance(one, Categories) and isinstance(other, Categories):
        return category_cells(one, other)
    return None


def missing_shift(before: Sample, now: Sample) -> Shift | None:
    """Of the share of records without a value."""
    if not before.records or not now.records:
        return None
    was, of_was = before.missing * before.worth_missing, before.records * before.worth_missing
    is_now, of_now = now.missing * now.worth_missing, now.records * now.worth_missing
    effect = share_change(was, of_was, is_now, of_now)
    return Shift("share missing", effect.value, effect.low, effect.high, two_shares(was, of_was, is_now, of_now))


def kind_of(before: Sample, now: Sample) -> str:
    """What happened to the values, in words; empty where they cannot be compared."""
    if _cells(before, now) is None:
        return ""
    found = name(Outline.of(before.values, _distinct(before)), Outline.of(now.values, _distinct(now)))
    return f"{found.kind}: {found.phrase}"


def _distinct(sample: Sample) -> int:
    values = sample.values
    return len(values.counts) if isinstance(values, Categories) else len(set(values.values.tolist()))


def false_discovery(p_values: list[float], rate: float) -> list[bool]:
    """Which may be called, so that on average at most ``rate`` of the called are chance (Benjamini and Hochberg 1995).

    >>> false_discovery([0.001, 0.2, 0.03], 0.05)
    [True, False, True]
    """
    return [p <= rate for p in adjusted(p_values)]
