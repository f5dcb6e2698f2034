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
EVERY_OTHER = "\0every other"
"""The category of all that are not kept by name."""
SURELY = 4.0
"""Standard deviations of a count."""


@dataclass(frozen=True)
class Sample:
    """One feature over one time. Exactly one of ``sketch`` (datasketches kll_doubles_sketch) and ``counts`` is there.

    ``worth``: share of the records that independent ones would be. ``invalid``: how many of the missing are of another type.
    ``unsure``: how many records more than counted any category may have, where not all are kept by name (`EVERY_OTHER`).
    """

    records: int
    missing: int
    sketch: Any | None
    counts: Counter[str] | None
    worth: float = 1.0
    worth_missing: float = 1.0
    invalid: int = 0
    unsure: int = 0

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
    one, other = values_of(before, now)
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return number_cells(one, other)
    if isinstance(one, Categories) and isinstance(other, Categories):
        return category_cells(one, other)
    return None


def values_of(before: Sample, now: Sample) -> tuple[Numbers | Categories, Numbers | Categories]:
    """Of both, with the categories that both tell apart. Which rare names a sample keeps is chance: a name stands by itself only
    if, were nothing changed, either sample would surely have kept it. All others are one category together."""
    if before.counts is None or now.counts is None or not (before.unsure or now.unsure):
        return before.values, now.values
    sizes = before.present, now.present
    least = max(_surely(one.unsure) / size for one, size in zip((before, now), sizes, strict=True))
    pooled = before.counts + now.counts
    alone = {name for name, count in pooled.items() if count >= least * sum(sizes) and name != EVERY_OTHER}

    def told(sample: Sample, counts: Counter[str]) -> Categories:
        kept = Counter({name: count for name, count in counts.items() if name in alone})
        kept[EVERY_OTHER] = counts.total() - kept.total()
        return Categories(kept, sample.worth)

    return told(before, before.counts), told(now, now.counts)


def _surely(count: int) -> float:
    """A count whose chance to come out as small as this is nil."""
    return count + SURELY * (count + SURELY) ** 0.5 + SURELY if count else 0.0


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
    found = name(outline_of(before), outline_of(now))
    return f"{found.kind}: {found.phrase}"


def outline_of(sample: Sample) -> Outline:
    """Of a sample that has values."""
    return Outline.of(sample.values, _distinct(sample))


def _distinct(sample: Sample) -> int:
    values = sample.values
    return len(values.counts) if isinstance(values, Categories) else len(set(values.values.tolist()))


def false_discovery(p_values: list[float], rate: float) -> list[bool]:
    """Which may be called, so that on average at most ``rate`` of the called are chance (Benjamini and Hochberg 1995).

    >>> false_discovery([0.001, 0.2, 0.03], 0.05)
    [True, False, True]
    """
    return [p <= rate for p in adjusted(p_values)]
