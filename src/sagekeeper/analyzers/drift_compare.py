"""How one feature differs between reference and current data, aspect by aspect, each with size, interval and p-value.

In: a `Pair` of columns, or samples merged from profiles. Out: `Aspect`s: the values' distribution, the share missing,
the share of values not of the type, values never seen before, values that are gone, values outside the range ever
seen. The last three are asked of what the samples themselves show to be new, so their p-values are those of that very
question when both samples come from one distribution: a category with c records lies in the current data alone with
probability about (m / (n + m))^c, times how many categories are as frequent; the k largest of all records are all
current ones with probability m (m-1) .. / (N (N-1) ..).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import special

from sagekeeper.analyzers.drift_cells import Categories, Cells, Numbers, Sample, category_cells, number_cells
from sagekeeper.analyzers.drift_columns import Column, Pair
from sagekeeper.analyzers.drift_effects import Effect, Moved, moved, share_change, total_variation
from sagekeeper.analyzers.drift_tests import p_value, two_shares

Name = Literal["values", "missing", "wrong type", "new values", "vanished values", "range", "length", "shape"]
NAMED = 20


class Rules(BaseModel):
    """What counts as drift between two data sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float = Field(
        0.01, gt=0, le=0.5, description="false-discovery rate over features; without drift, the chance of any alarm"
    )
    dependence: Literal["positive", "any"] = Field(
        "positive", description="positive: Benjamini-Hochberg; any: Benjamini-Yekutieli"
    )
    least_effect: float = Field(
        0.003, ge=0, le=1, description="smallest total variation that matters; the lower end of its interval counts"
    )
    least_share: float = Field(
        0.005, ge=0, le=1, description="smallest change that matters of a share: missing, wrong type, new, out of range"
    )
    fewest_records: int = Field(
        50, ge=20, description="independent records on either side, below which a feature is unknown"
    )


@dataclass(frozen=True)
class Aspect:
    """One way to differ. ``floor``: what the lower bound must exceed to matter."""

    name: Name
    effect: Effect
    p_value: float
    floor: float
    names: tuple[str, ...] = ()
    """The values that are new or gone, most frequent first."""
    signed: float = 0.0
    """Change with its direction, where there is one: share now less share before."""


def aspects(pair: Pair, rules: Rules) -> list[Aspect]:
    """Everything that can be asked of the pair. Empty where either side has no records."""
    before, now = pair.reference, pair.current
    if not before.records or not now.records:
        return []
    found = [_share("missing", before.missing, before.records, now.missing, now.records, rules)]
    there, there_now = before.present + before.wrong, now.present + now.wrong
    if there and there_now and (before.wrong or now.wrong):
        found.append(_share("wrong type", before.wrong, there, now.wrong, there_now, rules))
    if before.sample is not None and now.sample is not None and enough(before, now, rules):
        found += list(of_samples(before.sample, now.sample, rules))
    for name in ("length", "shape"):
        if name in before.parts and name in now.parts:
            one, other = before.parts[name], now.parts[name]
            if min(one.effective, other.effective) < rules.fewest_records:
                continue
            effect, p, _ = of_values(one, other)
            found.append(Aspect("length" if name == "length" else "shape", effect, p, rules.least_effect))
    return found


def enough(before: Column, now: Column, rules: Rules) -> bool:
    """Whether the values of both sides are enough to be judged."""
    return all(one.sample is not None and one.sample.effective >= rules.fewest_records for one in (before, now))


def of_samples(before: Sample, now: Sample, rules: Rules) -> Iterator[Aspect]:
    """Of the values, from columns or from profiles. Both samples must hold values."""
    effect, p, _ = of_values(before, now)
    yield Aspect("values", effect, p, rules.least_effect)
    if isinstance(before, Categories) and isinstance(now, Categories):
        for name, one, other in (("new values", before, now), ("vanished values", now, before)):
            yield _unseen("new values" if name == "new values" else "vanished values", one, other, rules)
    if isinstance(before, Numbers) and isinstance(now, Numbers):
        yield _beyond(before, now, rules)


def of_values(before: Sample, now: Sample) -> tuple[Effect, float, Cells]:
    """Size and p-value of the difference of two distributions."""
    if isinstance(before, Numbers) and isinstance(now, Numbers):
        cells = number_cells(before, now)
    else:
        cells = category_cells(_categories(before), _categories(now))
    return total_variation(cells), p_value(cells), cells


def _categories(sample: Sample) -> Categories:
    if isinstance(sample, Categories):
        return sample
    values, places = np.unique(sample.values, return_inverse=True)
    counts = np.bincount(places, sample.weights)
    names = (f"{value:g}" for value in values)
    return Categories({name: int(count) for name, count in zip(names, counts, strict=True)}, worth=sample.worth)


def how_moved(before: Numbers, now: Numbers) -> Moved:
    """Direction and shape of a numeric change."""
    return moved(number_cells(before, now), before, now)


def _share(name: Name, x: float, n: float, y: float, m: float, rules: Rules) -> Aspect:
    return Aspect(name, share_change(x, n, y, m), two_shares(x, n, y, m), rules.least_share, (), y / m - x / n)


def _unseen(name: Name, known: Categories, asked: Categories, rules: Rules) -> Aspect:
    """Values of ``asked`` that ``known`` never had, as far as each of them is there by more than chance."""
    n, m = known.effective, asked.effective
    unseen = sorted(
        ((count, value) for value, count in asked.counts.items() if value not in known.counts), reverse=True
    )
    if not unseen:
        return Aspect(name, Effect(0.0, 0.0, 0.0, "share of records"), 1.0, rules.least_share)
    every = known.counts.keys() | asked.counts.keys()
    pooled = np.array([known.counts.get(value, 0) + asked.counts.get(value, 0) for value in every])
    counts = np.array([count for count, _ in unseen], dtype=np.float64)
    # How many categories are at least as frequent: each could have been the one.
    rivals = len(pooled) - np.searchsorted(np.sort(pooled), counts, "left")
    alone = np.minimum(1.0, rivals * np.exp(_all_in(np.maximum(counts * asked.worth, 1.0), m, n + m)))
    certain = alone <= rules.level
    total = float(counts[certain].sum()) * asked.worth
    effect = share_change(0.0, n, total, m) if total else Effect(0.0, 0.0, 0.0, "share of records")
    names = tuple(value for (_, value), sure in zip(unseen, certain, strict=True) if sure)[:NAMED]
    signed = effect.value if name == "new values" else -effect.value
    return Aspect(name, effect, float(alone[0]), rules.least_share, names, signed)


def _beyond(before: Numbers, now: Numbers, rules: Rules) -> Aspect:
    """Values below the smallest or above the largest of the reference."""
    n, m = before.effective, now.effective
    low, high = before.values[0], before.values[-1]
    above = (now.present - float(now.below(np.array([high]))[0])) * m / now.present
    under = float(now.below(np.array([np.nextafter(low, -np.inf)]))[0]) * m / now.present
    p = min(1.0, 2 * min(float(np.exp(_all_in(np.array([k]), m, n + m))[0]) for k in (above, under)))
    # One new record in n + 1 lies beyond n others by chance, on either side.
    effect = share_change(min(2 * m / (n + 1), m) / m * n, n, above + under, m)
    return Aspect("range", effect, p, rules.least_share, (), (above + under) / m)


def _all_in(k: np.ndarray, m: float, whole: float) -> np.ndarray:
    """Log probability that k given records are all among the m of the whole."""
    k = np.minimum(k, m)
    return np.asarray(
        special.gammaln(m + 1)
        - special.gammaln(m - k + 1)
        + special.gammaln(whole - k + 1)
        - special.gammaln(whole + 1)
    )
