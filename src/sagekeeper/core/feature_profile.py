"""What the values of one feature looked like over a time, in constant memory and so that times can be added up.

In: profiles of any windows, or rows of `feature_profiles`. Out: their merge, and what can be asked of it: the distribution
function, quantiles, the frequent values, how many different ones. Any window, reference or roll-up is a `merge`, never a
second reading of the values. Counts and moments of a merge are those of the whole (moments by Chan, Golub, LeVeque 1979);
quantiles come from a KLL sketch (Karnin, Lang, Liberty 2016) and distinct counts from HyperLogLog, both of Apache DataSketches;
frequent values are kept with a bound of what may have been dropped. `collector/profile.py` makes profiles of values.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from datasketches import hll_sketch, hll_union, kll_doubles_sketch, tgt_hll_type

FeatureType = Literal["numeric", "categorical", "vector"]
SKETCH_K = 1024
"""A rank error of about 0.3 % at 99 % confidence, far below any drift worth telling; up to 1,024 numbers it is exact."""
DISTINCT_LOG2 = 11
"""2,048 registers: a standard error of 2.3 %, 1 KB at most."""
MOST_CATEGORIES = 1000
MOST_NUMBERS = 64
"""Numbers kept by value: enough for those that stand for something else (-1, 999) or for a few discrete ones."""


@dataclass(frozen=True)
class Profile:
    """One feature over one time. ``records = present + missing + invalid``.

    ``missing``: null, absent, or a spelling of it. ``invalid``: there, but of another type than the feature. ``mean`` and
    ``squares`` (sum of squared deviations from it) are None where they are unknown, such as without any number. ``sketch``: a
    kll_doubles_sketch of the numbers. ``frequent``: value -> count; the true count of *any* value, also of one that is not
    there, is at most ``frequent_error`` higher. ``distinct``: an hll_sketch. ``vector_sum``: of a feature that is a vector,
    whose ``squares`` are distances from the mean vector.
    """

    type: FeatureType
    records: int = 0
    missing: int = 0
    invalid: int = 0
    mean: float | None = None
    squares: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    sketch: Any | None = None
    frequent: Mapping[str, int] = field(default_factory=dict)
    frequent_error: int = 0
    distinct: Any | None = None
    vector_sum: npt.NDArray[np.float64] | None = None

    @property
    def present(self) -> int:
        """Records with a value of the feature's type."""
        return self.records - self.missing - self.invalid

    @property
    def std(self) -> float | None:
        """Population standard deviation (ddof 0), as Model Monitor publishes it."""
        return None if self.squares is None or not self.present else math.sqrt(max(self.squares, 0.0) / self.present)

    @property
    def total(self) -> float | None:
        """Sum of the numbers."""
        return None if self.mean is None else self.mean * self.present


def merge(profiles: Iterable[Profile]) -> Profile:
    """All of them as one. Raises ValueError for none; numbers merged with categories are categories.

    >>> one = Profile("categorical", 3, 1, frequent={"a": 2})
    >>> merge([one, one]).frequent
    {'a': 4}
    """
    parts = list(profiles)
    if not parts:
        raise ValueError("nothing to merge")
    kinds = {part.type for part in parts}
    kind: FeatureType = kinds.pop() if len(kinds) == 1 else "categorical"
    mean, squares = _moments([part for part in parts if part.type == "numeric"])
    numeric = kind == "numeric"
    frequent, error = kept(_summed(parts), MOST_NUMBERS if numeric else MOST_CATEGORIES)
    return Profile(
        type=kind,
        records=sum(part.records for part in parts),
        missing=sum(part.missing for part in parts),
        invalid=sum(part.invalid for part in parts),
        mean=mean if numeric else None,
        squares=squares if numeric else _spread(parts) if kind == "vector" else None,
        minimum=min((part.minimum for part in parts if part.minimum is not None), default=None) if numeric else None,
        maximum=max((part.maximum for part in parts if part.maximum is not None), default=None) if numeric else None,
        sketch=_sketch(parts) if numeric else None,
        frequent=frequent,
        frequent_error=sum(part.frequent_error for part in parts) + error,
        distinct=_union(parts),
        vector_sum=_vectors(parts) if kind == "vector" else None,
    )


def cdf(profile: Profile, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share of the numbers at or below each of ``points`` (ascending, unique). Raises ValueError without a sketch."""
    if profile.sketch is None or profile.sketch.is_empty():
        raise ValueError("this profile has no numbers")
    asked = np.asarray(points, dtype=np.float64)
    return np.asarray(profile.sketch.get_cdf(asked, True), dtype=np.float64)[:-1]


def quantiles(profile: Profile, shares: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The numbers below which these shares lie. Raises ValueError without a sketch."""
    if profile.sketch is None or profile.sketch.is_empty():
        raise ValueError("this profile has no numbers")
    return np.asarray(profile.sketch.get_quantiles(np.asarray(shares, dtype=np.float64)), dtype=np.float64)


def top(profile: Profile, most: int | None = None) -> list[tuple[str, int]]:
    """The most frequent values with their counts, by count and then by name. What is left is ``present`` less their sum."""
    return sorted(profile.frequent.items(), key=lambda item: (-item[1], item[0]))[:most]


def distinct_count(profile: Profile) -> float | None:
    """How many different values: exact while all are kept by name, else estimated; None where it was not counted."""
    if not profile.frequent_error and sum(profile.frequent.values()) == profile.present:
        return float(len(profile.frequent))
    return None if profile.distinct is None else float(profile.distinct.get_estimate())


def kept(counts: Mapping[str, int], most: int) -> tuple[dict[str, int], int]:
    """The ``most`` frequent values, and the largest count among those that were dropped."""
    if len(counts) <= most:
        return dict(counts), 0
    # By count, then by name: the same values give the same profile in any order of ties.
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:most]), ordered[most][1]


def columns(profile: Profile) -> dict[str, Any]:
    """As columns of `feature_profiles`."""
    values = json.dumps(dict(sorted(profile.frequent.items())))
    return {
        "type": profile.type,
        "records": profile.records,
        "missing": profile.missing,
        "invalid": profile.invalid,
        "mean": profile.mean,
        "total": profile.total,
        "std": profile.std,
        "minimum": profile.minimum,
        "maximum": profile.maximum,
        "sketch": None if profile.sketch is None or profile.sketch.is_empty() else profile.sketch.serialize(),
        "categories": values if profile.type == "categorical" else None,
        "frequent_numbers": values if profile.type == "numeric" and profile.frequent else None,
        "frequent_error": profile.frequent_error,
        "distinct": None if profile.distinct is None else profile.distinct.serialize_compact(),
        "distinct_count": distinct_count(profile),
        "vector_sum": None if profile.vector_sum is None else profile.vector_sum.tobytes(),
    }


def of_row(row: Mapping[str, Any]) -> Profile:
    """The profile that a row of `feature_profiles` holds. Columns that a row of older days lacks are unknown."""
    present = row["records"] - row["missing"] - (row.get("invalid") or 0)
    sketch, distinct, vectors = row.get("sketch"), row.get("distinct"), row.get("vector_sum")
    frequent = json.loads(row.get("categories") or row.get("frequent_numbers") or "{}")
    error = row.get("frequent_error")
    std = row.get("std")
    return Profile(
        type=row["type"],
        records=row["records"],
        missing=row["missing"],
        invalid=row.get("invalid") or 0,
        mean=row.get("mean"),
        squares=None if std is None else std**2 * present,
        minimum=row.get("minimum"),
        maximum=row.get("maximum"),
        sketch=None if sketch is None else kll_doubles_sketch.deserialize(sketch),
        frequent=frequent,
        # Where nobody said, what is not there by name may be any value.
        frequent_error=max(present - sum(frequent.values()), 0) if error is None else error,
        distinct=None if distinct is None else hll_sketch.deserialize(distinct),
        vector_sum=None if vectors is None else np.frombuffer(vectors, dtype=np.float64),
    )


def _moments(parts: list[Profile]) -> tuple[float | None, float | None]:
    """Mean and squares of all; unknown as soon as those of a part with numbers are."""
    there = [part for part in parts if part.present]
    if not there or any(part.mean is None for part in there):
        return None, None
    counts = np.array([part.present for part in there], dtype=np.float64)
    means = np.array([part.mean for part in there], dtype=np.float64)
    # Deviations from a common point near all means: nothing cancels however far from zero they are.
    mean = float(means[0] + np.average(means - means[0], weights=counts))
    if any(part.squares is None for part in there):
        return mean, None
    within = math.fsum(part.squares for part in there if part.squares is not None)
    return mean, within + float(np.sum(counts * (means - mean) ** 2))


def _summed(parts: list[Profile]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.frequent)
    return counts


def _sketch(parts: list[Profile]) -> Any | None:
    with_numbers = [part for part in parts if part.present]
    there = [part.sketch for part in with_numbers if part.sketch is not None]
    if not there or len(there) < len(with_numbers):
        return None  # a distribution that leaves out a part is not that of the whole
    whole = kll_doubles_sketch(max(sketch.k for sketch in there))
    for sketch in there:
        whole.merge(sketch)
    return whole


def _union(parts: list[Profile]) -> Any | None:
    there = [part for part in parts if part.present]
    if not there or any(part.distinct is None for part in there):
        return None
    whole = hll_union(DISTINCT_LOG2)
    for part in there:
        whole.update(part.distinct)
    return whole.get_result(tgt_hll_type.HLL_4)


def _vectors(parts: list[Profile]) -> npt.NDArray[np.float64] | None:
    there = [part.vector_sum for part in parts if part.vector_sum is not None]
    if not there or len({len(one) for one in there}) > 1:
        return None
    return np.asarray(np.sum(there, axis=0), dtype=np.float64)


def _spread(parts: list[Profile]) -> float | None:
    """Sum of squared distances of all vectors from their mean."""
    there = [part for part in parts if part.present]
    whole = _vectors(there)
    if whole is None or any(part.squares is None for part in there):
        return None
    counts = np.array([part.present for part in there], dtype=np.float64)
    means = np.array([part.vector_sum for part in there]) / counts[:, None]
    away = means - whole / counts.sum()
    return math.fsum(part.squares or 0.0 for part in there) + float(np.sum(counts[:, None] * away**2))
