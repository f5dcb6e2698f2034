"""Model Monitor's statistics.json of data quality as feature profiles.

In: parsed JSON as AWS's containers wrote it over the years (monitoring-facts 2.1). Out: dicts of `feature_profiles` columns.
Parsing is lenient: a feature that cannot be read is left out and named, the rest counts.

The published KLL sketch lists items by level, an item of level i standing for 2^i values. It is rebuilt exactly in
weight: from the top level down, all that is there is doubled by merging it with itself, then the level's own items
are added.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from datasketches import kll_doubles_sketch

from sagekeeper.collector.monitor_json import MALFORMED
from sagekeeper.collector.monitor_numbers import finite

NUMERIC = ("Fractional", "Integral")
SKETCH_K = 2048
"""What Model Monitor uses itself."""
MOST_LEVELS = 40
"""2,048 values on level 40 would stand for 10^15."""
NOT_PUBLISHED = dict.fromkeys(
    ("invalid", "frequent_numbers", "frequent_error", "distinct", "distinct_count", "vector_sum", "sampling_percent")
)


def profiles(statistics: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """A profile per feature in the file's order (with its name under ``feature``), and the names of those that cannot be read."""
    return _each(statistics, lambda feature: {"feature": str(feature["name"])} | _profile(feature))


def published(statistics: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """As `profiles`, in `monitor_statistics` columns: sketch and buckets as they stand in the file, nothing rebuilt."""
    return _each(statistics, _published)


def feature_names(statistics: dict[str, Any]) -> list[str]:
    """The features in the order of the monitored columns."""
    listed = statistics.get("features") or []
    there = listed if isinstance(listed, list) else []
    return [str(feature["name"]) for feature in there if isinstance(feature, dict) and "name" in feature]


def rebuilt_sketch(levels: list[list[float]], k: int = SKETCH_K) -> Any:
    """A sketch of the same items with the same weights. Raises ValueError for more levels than any real sample has."""
    if len(levels) > MOST_LEVELS:
        raise ValueError(f"{len(levels)} levels")
    sketch = kll_doubles_sketch(k)
    for items in reversed(levels):
        if not sketch.is_empty():
            sketch.merge(kll_doubles_sketch.deserialize(sketch.serialize()))
        if items:
            sketch.update(np.asarray(items, dtype=np.float64))
    return sketch


def _each(
    statistics: dict[str, Any], read: Callable[[dict[str, Any]], dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    made: list[dict[str, Any]] = []
    unread: list[str] = []
    listed = statistics.get("features") or []
    if not isinstance(listed, list):
        return [], ["features"]
    for feature in listed:
        try:
            made.append(read(feature))
        except MALFORMED:
            unread.append(str(feature.get("name", "?")) if isinstance(feature, dict) else "?")
    return made, unread


def _profile(feature: dict[str, Any]) -> dict[str, Any]:
    if "numerical_statistics" in feature:
        numbers = feature["numerical_statistics"]
        kll = numbers.get("distribution", {}).get("kll", {}).get("sketch", {})
        levels = kll.get("data") or []
        sketch = rebuilt_sketch(levels) if any(levels) else None
        return (
            _counts(numbers["common"])
            | {
                "type": "numeric",
                "mean": finite(numbers.get("mean")),
                "total": finite(numbers.get("sum")),
                "std": finite(numbers.get("std_dev")),
                "minimum": finite(numbers.get("min")),
                "maximum": finite(numbers.get("max")),
                "sketch": None if sketch is None else sketch.serialize(),
                "categories": None,
            }
            | NOT_PUBLISHED
        )
    texts = feature["string_statistics"]
    buckets = texts.get("distribution", {}).get("categorical", {}).get("buckets", [])
    shares = {str(bucket["value"]): int(bucket["count"]) for bucket in buckets}
    return (
        _counts(texts["common"])
        | {
            "type": "categorical",
            "mean": None,
            "total": None,
            "std": None,
            "minimum": None,
            "maximum": None,
            "sketch": None,
            "categories": json.dumps(dict(sorted(shares.items()))),
        }
        | NOT_PUBLISHED
        | {"distinct_count": finite(texts.get("distinct_count"))}
    )


def _published(feature: dict[str, Any]) -> dict[str, Any]:
    numbers = feature.get("numerical_statistics")
    texts = feature.get("string_statistics")
    about: dict[str, Any] = {"feature": str(feature["name"]), "inferred_type": feature.get("inferred_type")}
    blank = dict.fromkeys(
        ("mean", "total", "std", "minimum", "maximum", "sketch", "buckets", "distinct_count", "categories")
    )
    if numbers is not None:
        kll = (numbers.get("distribution") or {}).get("kll") or {}
        given = ("mean", "mean"), ("total", "sum"), ("std", "std_dev"), ("minimum", "min"), ("maximum", "max")
        return (
            about
            | {"type": "numeric"}
            | _counts(numbers["common"])
            | blank
            | {ours: finite(numbers.get(theirs)) for ours, theirs in given}
            | {"sketch": _json(kll.get("sketch")), "buckets": _json(kll.get("buckets"))}
        )
    if texts is None:  # a column without a single value: inferred_type Unknown
        return about | {"type": None, "records": None, "missing": None} | blank
    buckets = (texts.get("distribution") or {}).get("categorical", {}).get("buckets", [])
    counts = {str(bucket["value"]): int(bucket["count"]) for bucket in buckets}
    own = {"distinct_count": finite(texts.get("distinct_count")), "categories": _json(counts)}
    return about | {"type": "categorical"} | _counts(texts["common"]) | blank | own


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)


def _counts(common: dict[str, Any]) -> dict[str, int]:
    missing, present = int(common.get("num_missing") or 0), int(common["num_present"])
    if missing < 0 or present < 0:
        raise ValueError("a negative count")
    return {"records": present + missing, "missing": missing}
