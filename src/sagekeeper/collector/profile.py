"""Values of one feature, as they were captured, into a profile (`core/feature_profile.py`).

In: values as text (null: missing). Out: a `Profile`. A number that is spelled as missing (``nan``, ``None`` ...) is missing;
other text in a numeric feature, and infinity, is invalid: there, but of another type. 1.0 and 1 are one number.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import polars as pl
from datasketches import hll_sketch, kll_doubles_sketch

from sagekeeper.core.feature_profile import (
    DISTINCT_LOG2,
    MOST_CATEGORIES,
    MOST_NUMBERS,
    SKETCH_K,
    FeatureType,
    Profile,
)

MISSING = ("", "nan", "null", "none", "na", "n/a", "\\n")
"""How libraries spell a number that is not there (pandas, JSON, R, Hive's \\N)."""


def profile_of(values: pl.Series, kind: FeatureType, absent: int = 0) -> Profile:
    """Of ``values`` and of ``absent`` records that do not have the feature at all."""
    if kind == "categorical":
        return _of_categories(values, absent)
    return _of_numbers(values, absent)


def type_of(values: pl.Series) -> FeatureType:
    """Numeric when every value there is a number."""
    present = values.drop_nulls()
    numbers = present.str.strip_chars().cast(pl.Float64, strict=False)
    return "numeric" if len(present) and numbers.null_count() == 0 else "categorical"


def _of_categories(values: pl.Series, absent: int) -> Profile:
    present = values.drop_nulls()
    counted = present.value_counts()
    frequent, error = _kept(counted, MOST_CATEGORIES)
    return Profile(
        "categorical",
        records=len(values) + absent,
        missing=len(values) - len(present) + absent,
        frequent=frequent,
        frequent_error=error,
        distinct=_distinct(counted.to_series(0)),
    )


def _of_numbers(values: pl.Series, absent: int) -> Profile:
    read = values if values.dtype.is_numeric() else values.str.strip_chars().cast(pl.Float64, strict=False)
    numbers = read.cast(pl.Float64).drop_nulls().drop_nans()
    numbers = numbers.filter(numbers.is_finite())
    unread = len(values) - len(numbers)
    missing = _missing(values) if unread else 0
    present = len(numbers)
    made: dict[str, Any] = {"records": len(values) + absent, "missing": missing + absent, "invalid": unread - missing}
    if not present:
        return Profile("numeric", **made)
    array = numbers.to_numpy(writable=True)  # the sketch takes no read-only array
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest there are, it is unknown
        mean = float(array.mean())
        squares = float(((array - mean) ** 2).sum())
    sketch = kll_doubles_sketch(SKETCH_K)
    sketch.update(array)
    counted = numbers.value_counts()
    frequent, error = _kept(counted, MOST_NUMBERS)
    return Profile(
        "numeric",
        **made,
        mean=mean if np.isfinite(mean) else None,
        squares=squares if np.isfinite(squares) else None,
        minimum=float(array.min()),
        maximum=float(array.max()),
        sketch=sketch,
        frequent={_spelled(value): count for value, count in frequent.items()},
        frequent_error=error,
        distinct=_distinct(counted.to_series(0)),
    )


def _missing(values: pl.Series) -> int:
    if values.dtype.is_numeric():
        return values.null_count() + int(values.is_nan().sum() if values.dtype.is_float() else 0)
    spelled = values.str.strip_chars().str.to_lowercase().is_in(MISSING)
    return values.null_count() + int(spelled.sum())


def _kept(counted: pl.DataFrame, most: int) -> tuple[dict[Any, int], int]:
    """The most frequent values, and the largest count among those that were dropped."""
    value = counted.columns[0]
    ordered = counted.top_k(most + 1, by=["count", value], reverse=[False, True])
    ordered = ordered.sort(["count", value], descending=[True, False])
    error = int(ordered["count"][most]) if ordered.height > most else 0
    return dict(ordered.head(most).iter_rows()), error


def _distinct(unique: pl.Series) -> Any:
    sketch = hll_sketch(DISTINCT_LOG2)
    deque(map(sketch.update, unique.to_list()), maxlen=0)
    return sketch


def _spelled(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
