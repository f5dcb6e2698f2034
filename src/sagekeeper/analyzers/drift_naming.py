"""What happened to the features of one model that drift, in the words of the person who must mend it.

In: of each drifting feature the reference and the days *since it drifts* (days before them in the mix, and a factor of 100
looks like a change of shape). Out: a phrase each: missing, of another type, new or vanished categories, a unit, columns that
changed places (told only of all of them together), or how place and spread went (`drift_kinds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from sagekeeper.analyzers.distribution_shift import EVERY_OTHER, Sample, Unit, kind_of, outline_of, values_of
from sagekeeper.analyzers.drift_cells import Categories
from sagekeeper.analyzers.drift_kinds import Outline, permuted
from sagekeeper.analyzers.drift_samples import Worth, sample_of

SHOWN = 3


@dataclass(frozen=True)
class Changed:
    """One feature; ``unit``: of the shift that it is called for."""

    before: Sample
    now: Sample
    unit: Unit


def since_then(rows: pl.DataFrame, worth: Worth, since: date, first: date, fewest_records: int) -> Sample:
    """The days of the drift, from ``first`` on. Its first day may have begun without it: left out if others are enough."""
    whole = rows.filter(pl.col("day") >= max(since, first))
    later = whole.filter(pl.col("day") > since)
    return sample_of(later if later["records"].sum() >= fewest_records else whole, worth)


def named(changed: Mapping[str, Changed]) -> dict[str, str]:
    """Phrase by feature."""
    outlines = {
        name: pair
        for name, one in changed.items()
        if one.unit == "total variation" and (pair := _outlines(one)) is not None
    }
    holds = permuted(outlines)
    return {
        name: f"swapped columns: it holds what {holds[name]} held" if name in holds else _phrase(one)
        for name, one in changed.items()
    }


def _outlines(one: Changed) -> tuple[Outline, Outline] | None:
    if not one.before.present or not one.now.present:
        return None
    return outline_of(one.before), outline_of(one.now)


def _phrase(one: Changed) -> str:
    before, now = one.before, one.now
    if one.unit == "share missing":
        wrong = before.invalid / before.records, now.invalid / now.records
        if abs(wrong[1] - wrong[0]) > abs(now.missing / now.records - before.missing / before.records) / 2:
            return f"type change: of another type {wrong[0]:.1%} before, {wrong[1]:.1%} now"
        return f"missing {before.missing / before.records:.1%} before, {now.missing / now.records:.1%} now"
    return _came_or_went(before, now) or kind_of(before, now)


def _came_or_went(before: Sample, now: Sample) -> str:
    """Categories that are most of the change, and that one side does not have at all."""
    one, other = values_of(before, now)
    if not isinstance(one, Categories) or not isinstance(other, Categories):
        return ""
    was = {name: count / one.present for name, count in one.counts.items() if count}
    is_now = {name: count / other.present for name, count in other.counts.items() if count}
    moved = sum(abs(is_now.get(name, 0.0) - was.get(name, 0.0)) for name in was.keys() | is_now.keys()) / 2
    told = []
    for word, here, there in (("new", is_now, was), ("vanished", was, is_now)):
        alone = {name: share for name, share in here.items() if name not in there and name != EVERY_OTHER}
        if sum(alone.values()) > moved / 2:
            most = sorted(alone.items(), key=lambda item: (-item[1], item[0]))
            listed = ", ".join(f"{name} {share:.1%}" for name, share in most[:SHOWN])
            rest = f" and {len(most) - SHOWN} more" if len(most) > SHOWN else ""
            told.append(f"{word} categories: {listed}{rest} of records")
    return "; ".join(told)
