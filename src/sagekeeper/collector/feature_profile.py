"""The profile of one feature over one window: counts, moments, and a distribution that can be merged with other windows.

In: the values of a window, or a feature of Model Monitor's ``statistics.json``. Out: the figures of a
`feature_profiles` row. A number's distribution is a KLL sketch (rank error 0.1 % at its size, monitoring-facts 3), a
word's the counts of its most frequent values. A sketch draws lots: one made again of the same values differs in
bytes, so `known_sketches` keeps the one that is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import datasketches
import numpy as np
import polars as pl

from sagekeeper.core.tables import FEATURE_PROFILES

SKETCH_SIZE = 2048
"""Model Monitor's own (deequ's sketchSize): both sides of a comparison are equally fine."""
MOST_CATEGORIES = 200
FIGURES = ("type", "records", "missing", "mean", "std", "minimum", "maximum", "sketch", "categories")


def numeric_profile(values: pl.Series) -> dict[str, Any]:
    """Figures of a numeric feature; a null or NaN is a missing value."""
    present = values.cast(pl.Float64).fill_nan(None).drop_nulls()
    return {
        "type": "numeric",
        "records": values.len(),
        "missing": values.len() - present.len(),
        "mean": present.mean(),
        "std": present.std(ddof=0),
        "minimum": present.min(),
        "maximum": present.max(),
        "sketch": _sketch([(present.to_numpy(), 1)]),
        "categories": None,
    }


def categorical_profile(values: pl.Series) -> dict[str, Any]:
    """Figures of a categorical feature; a null is a missing value. Only the most frequent values are kept by name."""
    present = values.drop_nulls()
    counts = present.value_counts(name="seen").sort(["seen", values.name], descending=[True, False])
    top = counts.head(MOST_CATEGORIES)
    return _categorical(values.len(), values.null_count(), dict(zip(top[values.name], top["seen"], strict=True)))


def published_profile(feature: dict[str, Any]) -> dict[str, Any] | None:
    """Figures of a feature of ``statistics.json`` (monitoring-facts 2.1), None if it states no distribution."""
    if "numerical_statistics" in feature:
        stated = feature["numerical_statistics"]
        sketch = stated.get("distribution", {}).get("kll", {}).get("sketch", {}).get("data", [])
        missing = int(stated["common"]["num_missing"])
        return {
            "type": "numeric",
            "records": int(stated["common"]["num_present"]) + missing,
            "missing": missing,
            "mean": stated.get("mean"),
            "std": stated.get("std_dev"),
            "minimum": stated.get("min"),
            "maximum": stated.get("max"),
            # An item of level i stands for 2^i values (deequ QuantileNonSample).
            "sketch": _sketch((np.asarray(items, dtype=np.float64), 2**level) for level, items in enumerate(sketch)),
            "categories": None,
        }
    if "string_statistics" in feature:
        stated = feature["string_statistics"]
        buckets = stated.get("distribution", {}).get("categorical", {}).get("buckets", [])
        missing = int(stated["common"]["num_missing"])
        top = sorted(
            ((str(item["value"]), int(item["count"])) for item in buckets), key=lambda item: (-item[1], item[0])
        )
        return _categorical(int(stated["common"]["num_present"]) + missing, missing, dict(top[:MOST_CATEGORIES]))
    return None


def known_sketches(made: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """``made`` with the sketches of ``before`` where every exact figure is the same: a repeat then changes no row."""
    same = [*FEATURE_PROFILES.keys, "window_end", *(name for name in FIGURES if name != "sketch")]
    earlier = before.select(*same, pl.col("sketch").alias("earlier"))
    return (
        made.join(earlier, on=same, how="left", nulls_equal=True)
        .with_columns(pl.coalesce("earlier", "sketch").alias("sketch"))
        .select(FEATURE_PROFILES.columns.keys())
    )


def _categorical(records: int, missing: int, counts: dict[str, int]) -> dict[str, Any]:
    return dict.fromkeys(FIGURES) | {
        "type": "categorical",
        "records": records,
        "missing": missing,
        "categories": json.dumps(counts, ensure_ascii=False),
    }


def _sketch(weighted: Iterable[tuple[Any, int]]) -> bytes | None:
    sketch = datasketches.kll_doubles_sketch(SKETCH_SIZE)
    for values, weight in weighted:
        if len(values):
            sketch.update(np.repeat(values, weight))
    return None if sketch.is_empty() else bytes(sketch.serialize())
