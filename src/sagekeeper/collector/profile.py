"""Values of one feature, as they were captured, into a profile (`core/feature_profile.py`).

In: values as text (null: missing). Out: a `Profile`. A number that is spelled as missing (``nan``, ``None`` ...) is missing;
other text in a numeric feature, and infinity, is invalid: there, but of another type. 1.0 and 1 are one number.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import polars as pl
from datasketches import hll_sketch, kll_doubles_sketch

from sagekeeper.core.feature_profile import (
    DISTINCT_LOG2,
    MOST_CATEGORIES,
    MOST_NUMBERS,
    SKETCH_K,
    FeatureType,
    Profile,
    merge,
)

MISSING = ("", "nan", "null", "none", "na", "n/a", "\\n")
"""How libraries spell a number that is not there (pandas, JSON, R, Hive's \\N)."""


SPELLED_NUMBERS = 0.9
"""Share of the values that must be numbers for the feature to be one. The rest are type errors, which are worth knowing."""
TYPED_BY = 10_000
"""So many values that are there tell the type."""
ONE = "group"


def profile_of(values: pl.Series, kind: FeatureType, absent: int = 0) -> Profile:
    """Of ``values`` and of ``absent`` records that do not have the feature at all."""
    made = profiles_of(values, pl.repeat(0, len(values), dtype=pl.UInt32, eager=True), kind)
    return merge([*made.values(), Profile(kind, absent, absent)])


def profiles_of(values: pl.Series, group: pl.Series, kind: FeatureType, sketch_k: int = SKETCH_K) -> dict[int, Profile]:
    """A profile for each number in ``group`` (as long as ``values``): an hour of a model, say."""
    frame = pl.DataFrame({ONE: group, "value": values})
    if kind == "vector":
        return _of_vectors(frame)
    return _of_categories(frame) if kind == "categorical" else _of_numbers(frame, sketch_k)


def type_of(values: pl.Series) -> FeatureType:
    """Numeric when nearly all values that are there are numbers."""
    if values.dtype == pl.List:
        return "vector"
    if values.dtype.is_numeric():
        return "numeric"
    some = values.drop_nulls().head(TYPED_BY)
    there = some.filter(~_missing(some))
    numbers = len(there) - _numbers(there).null_count()
    return "numeric" if len(there) and numbers >= SPELLED_NUMBERS * len(there) else "categorical"


def _of_categories(frame: pl.DataFrame) -> dict[int, Profile]:
    sizes = frame.group_by(ONE).agg(records=pl.len(), missing=pl.col("value").null_count())
    counted = _counted(frame.drop_nulls("value"), MOST_CATEGORIES)
    return {
        row[ONE]: Profile("categorical", records=row["records"], missing=row["missing"], **counted.get(row[ONE], {}))
        for row in sizes.iter_rows(named=True)
    }


def _of_numbers(frame: pl.DataFrame, sketch_k: int) -> dict[int, Profile]:
    number = _numbers(frame["value"])
    unread = frame.filter(number.is_null())  # missing, or of another type: few, and only they are looked at twice
    missing = unread.filter(_missing(unread["value"])).group_by(ONE).len("missing")
    read = frame.select(ONE, number=number)
    there = read.filter(pl.col("number").is_not_null()).sort(ONE)
    value = pl.col("number")
    measured = read.group_by(ONE).agg(
        records=pl.len(),
        present=value.count(),
        mean=value.mean(),
        variance=value.var(ddof=0),
        minimum=value.min(),
        maximum=value.max(),
    )
    sizes = measured.join(missing, on=ONE, how="left").with_columns(pl.col("missing").fill_null(0))
    counted = _counted(there.rename({"number": "value"}), MOST_NUMBERS)
    sketches = dict(_sketches(there, sketch_k))
    found = {}
    for row in sizes.iter_rows(named=True):
        squares = None if row["variance"] is None else row["variance"] * row["present"]
        found[row[ONE]] = Profile(
            "numeric",
            records=row["records"],
            missing=row["missing"],
            invalid=row["records"] - row["missing"] - row["present"],
            mean=_finite(row["mean"]),  # of numbers near the largest there are, it is unknown
            squares=_finite(squares),
            minimum=row["minimum"],
            maximum=row["maximum"],
            sketch=sketches.get(row[ONE]),
            **counted.get(row[ONE], {}),
        )
    return found


def _of_vectors(frame: pl.DataFrame) -> dict[int, Profile]:
    width = frame["value"].list.len().drop_nulls().mode().sort()
    found = {}
    for (group,), rows in frame.group_by(ONE):
        there = rows["value"].drop_nulls()
        alike = there.filter(
            (there.list.len() == (width[0] if len(width) else 0)) & ~there.list.eval(pl.element().is_null()).list.any()
        )
        sizes: dict[str, Any] = {
            "records": rows.height,
            "missing": rows.height - len(there),
            "invalid": len(there) - len(alike),
        }
        if alike.is_empty():
            found[int(str(group))] = Profile("vector", **sizes)
            continue
        vectors = alike.explode().to_numpy().reshape(len(alike), -1)
        squares = float(((vectors - vectors.mean(axis=0)) ** 2).sum())
        found[int(str(group))] = Profile("vector", **sizes, squares=squares, vector_sum=vectors.sum(axis=0))
    return found


def _numbers(values: pl.Series) -> pl.Series:
    """As finite numbers, null where a value is none."""
    read = values if values.dtype.is_numeric() else values.str.strip_chars().cast(pl.Float64, strict=False)
    numbers = read.cast(pl.Float64)
    return numbers.set(~numbers.is_finite(), None)


def _missing(values: pl.Series) -> pl.Series:
    if values.dtype.is_float():
        return values.is_null() | values.is_nan().fill_null(value=False)
    if values.dtype.is_numeric() or values.dtype == pl.List:
        return values.is_null()
    return values.is_null() | values.str.strip_chars().str.to_lowercase().is_in(MISSING).fill_null(value=False)


def _counted(there: pl.DataFrame, most: int) -> dict[int, dict[str, Any]]:
    """By group: the most frequent values, the largest count among those that were dropped, how many different ones."""
    counts = there.group_by(ONE, "value").len("count")
    several = counts.with_columns(different=pl.len().over(ONE)).filter(
        (pl.col("count") > 1) | (pl.col("different") <= most)
    )
    # What occurs once among more values than are kept says nothing: it is not even sorted.
    frequent = several.sort(ONE, "count", "value", descending=[False, True, False]).group_by(ONE, maintain_order=True)
    named = {
        group: (values, seen)
        for group, values, seen in frequent.agg(pl.col("value").head(most), pl.col("count").head(most + 1)).iter_rows()
    }
    spelled = _spelled if there.schema["value"].is_numeric() else str
    found: dict[int, dict[str, Any]] = {}
    for group, every in counts.group_by(ONE).agg("value").iter_rows():
        distinct = hll_sketch(DISTINCT_LOG2)
        deque(map(distinct.update, every), maxlen=0)
        values, seen = named.get(group, ((), ()))
        error = seen[most] if len(seen) > most else int(len(every) > most)
        # What is no more frequent than a value that was dropped says nothing beside the bound.
        kept = {spelled(value): count for value, count in zip(values, seen, strict=False) if count > error}
        found[group] = {"frequent": kept, "frequent_error": error, "distinct": distinct}
    return found


def _sketches(there: pl.DataFrame, sketch_k: int) -> Iterator[tuple[int, Any]]:
    """``there``: sorted by group."""
    numbers = there["number"].to_numpy(writable=True)  # the sketch takes no read-only array
    begin = 0
    for group, size in there.group_by(ONE, maintain_order=True).len().iter_rows():
        sketch = kll_doubles_sketch(sketch_k)
        sketch.update(numbers[begin : begin + size])
        begin += size
        yield group, sketch


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _spelled(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
