"""Model Monitor's own files as our rows: statistics.json as feature profiles, constraint_violations.json as violations.

In: parsed JSON as AWS's containers wrote it over the years (monitoring-facts 2.1 to 2.3). Out: dicts of
`feature_profiles` and `monitor_violations` columns. Parsing is lenient: a feature that cannot be read is left out and
named, the rest counts.

The published KLL sketch lists items by level, an item of level i standing for 2^i values. It is rebuilt exactly in
weight: from the top level down, all that is there is doubled by merging it with itself, then the level's own items
are added.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
from datasketches import kll_doubles_sketch

NUMERIC = ("Fractional", "Integral")
SKETCH_K = 2048
"""What Model Monitor uses itself."""
NOT_PUBLISHED = dict.fromkeys(
    ("invalid", "frequent_numbers", "frequent_error", "distinct", "distinct_count", "vector_sum", "sampling_percent")
)


def profiles(statistics: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """A profile per feature in the file's order (with its name under ``feature``), and the names of those that cannot be read."""
    made, unread = [], []
    for feature in statistics.get("features", []):
        try:
            made.append({"feature": feature["name"]} | _profile(feature))
        except (KeyError, TypeError, ValueError):
            unread.append(str(feature.get("name", "?")) if isinstance(feature, dict) else "?")
    return made, unread


def feature_names(statistics: dict[str, Any]) -> list[str]:
    """The features in the order of the monitored columns."""
    return [feature["name"] for feature in statistics.get("features", []) if "name" in feature]


def violations(found: dict[str, Any]) -> list[dict[str, str]]:
    """feature, check and description; several of one feature and check become one."""
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in found.get("violations") or []:
        check = str(item.get("constraint_check_type", "unknown"))
        texts[_subject(item), check].append(str(item.get("description", "")).strip())
    return [
        {"feature": feature, "check": check, "description": " | ".join(dict.fromkeys(said))}
        for (feature, check), said in texts.items()
    ]


def rebuilt_sketch(levels: list[list[float]], k: int = SKETCH_K) -> Any:
    """A sketch of the same items with the same weights."""
    sketch = kll_doubles_sketch(k)
    for items in reversed(levels):
        if not sketch.is_empty():
            sketch.merge(kll_doubles_sketch.deserialize(sketch.serialize()))
        if items:
            sketch.update(np.asarray(items, dtype=np.float64))
    return sketch


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
                "mean": _number(numbers.get("mean")),
                "total": _number(numbers.get("sum")),
                "std": _number(numbers.get("std_dev")),
                "minimum": _number(numbers.get("min")),
                "maximum": _number(numbers.get("max")),
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
        | {"distinct_count": _number(texts.get("distinct_count"))}
    )


def _counts(common: dict[str, Any]) -> dict[str, int]:
    missing = int(common.get("num_missing", 0))
    return {"records": int(common["num_present"]) + missing, "missing": missing}


def _number(value: Any) -> float | None:
    """Standard deviations may be the text NaN."""
    number = None if value is None else float(value)
    return number if number is not None and np.isfinite(number) else None


def _subject(item: dict[str, Any]) -> str:
    """The feature; for bias the facet and its metric, for explanations and model quality the label or metric."""
    if "feature_name" in item:
        return str(item["feature_name"])
    facet = f"{item['facet']}={item.get('facet_value', '')}" if "facet" in item else item.get("label")
    return " ".join(str(part) for part in (facet, item.get("metric_name")) if part) or "(dataset)"
