"""Model Monitor's data quality analysis of any columns: statistics.json, suggested constraints, violations of a baseline.

Formats, checks and distances: monitoring-facts 2.1 to 2.3. In: columns of text ("" is missing), and the baseline's
constraints and statistics. Out: the three documents. A distance compares the baseline's sketch with the data itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from sagekeeper.simulator.monitor_records import Columns

SKETCH_SIZE, BUCKETS, MOST_CATEGORIES = 2048, 10, 100
ROBUST = 1.8
"""c_a of the robust distance, for an alpha of 0.003."""


class Column(NamedTuple):
    """A column, read: its type, its numbers (of those that are some) and its texts (of those that are there)."""

    kind: str
    numbers: np.ndarray
    texts: np.ndarray
    total: int

    @property
    def present(self) -> int:
        """How many values are there."""
        return len(self.texts)


def read(values: np.ndarray) -> Column:
    """A column of text by what it holds: Integral, Fractional, String, or Unknown when nothing is there."""
    texts = values[values != ""].astype(str)
    series = pl.Series(texts.tolist(), dtype=pl.String)
    numbers = series.cast(pl.Float64, strict=False).drop_nulls().to_numpy()
    if not len(texts):
        kind = "Unknown"
    elif len(numbers) < len(texts) / 2:
        kind = "String"
    else:
        whole = bool(series.str.contains(r"^[+-]?\d+$").all())
        kind = "Integral" if whole else "Fractional"
    return Column(kind, numbers, texts, len(values))


def statistics(columns: Columns) -> dict[str, Any]:
    """statistics.json."""
    count = len(next(iter(columns.values()))) if columns else 0
    features = [_feature(name, read(values)) for name, values in columns.items()]
    return {"version": 0.0, "dataset": {"item_count": count}, "features": features}


def constraints(columns: Columns) -> dict[str, Any]:
    """constraints.json as Model Monitor suggests it for these columns."""
    features = []
    for name, values in columns.items():
        column = read(values)
        found: dict[str, Any] = {
            "name": name,
            "inferred_type": column.kind,
            "completeness": column.present / max(1, column.total),
        }
        if column.kind in ("Integral", "Fractional"):
            found["num_constraints"] = {"is_non_negative": bool((column.numbers >= 0).all())}
        elif column.kind == "String":
            domain = np.unique(column.texts)
            found |= {"string_constraints": {"domains": domain.tolist()}} if len(domain) <= MOST_CATEGORIES else {}
        features.append(found)
    comparison = {
        "perform_comparison": "Enabled",
        "comparison_threshold": 0.1,
        "comparison_method": "Robust",
        "categorical_comparison_threshold": 0.1,
        "categorical_drift_method": "LInfinity",
    }
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": comparison,
    }
    return {"version": 0.0, "features": features, "monitoring_config": config}


def violations(columns: Columns, allowed: dict[str, Any], usual: dict[str, Any] | None) -> list[dict[str, str]]:
    """constraint_violations.json's list: what the columns break of a baseline."""
    config = allowed.get("monitoring_config", {})
    if config.get("evaluate_constraints", "Enabled") != "Enabled":
        return []
    found: list[dict[str, str]] = []
    expected = {item["name"]: item for item in allowed["features"]}
    before = {item["name"]: item for item in (usual or {}).get("features", [])}
    sizes = f"Number of columns in current dataset: {len(columns)}, in baseline constraints: {len(expected)}"
    for check, names in (
        ("missing_column_check", sorted(set(expected) - set(columns))),
        ("extra_column_check", sorted(set(columns) - set(expected))),
    ):
        kind = check.split("_")[0]
        found += [
            _violation(name, check, f"There are {kind} columns in current dataset. {sizes}") for name in names[:1]
        ]
    for name in [name for name in expected if name in columns]:
        column = read(columns[name])
        found += [_violation(name, check, told) for check, told in _broken(column, expected[name], config)]
        comparison = config.get("distribution_constraints", {})
        if name in before and comparison.get("perform_comparison", "Enabled") == "Enabled":
            distance, threshold = drift(column, before[name], comparison)
            if distance is not None and distance > threshold:
                told = f"Baseline drift distance: {distance} exceeds threshold: {threshold}"
                found.append(_violation(name, "baseline_drift_check", told))
    return found


def drift(column: Column, before: dict[str, Any], comparison: dict[str, Any]) -> tuple[float | None, float]:
    """The distance of a column from its baseline's distribution, None where there is none; and the threshold."""
    threshold = float(comparison.get("comparison_threshold", 0.1))
    if "numerical_statistics" in before and len(column.numbers):
        values, weights = _sketched(before["numerical_statistics"]["distribution"]["kll"])
        if not len(values):
            return None, threshold
        distance = _between(values, weights, np.sort(column.numbers))
        size = weights.sum()
        if comparison.get("comparison_method", "Robust").lower().endswith("robust"):
            many = len(column.numbers)
            distance = max(0.0, distance - ROBUST * float(np.sqrt((size + many) / (size * many))))
        return distance, threshold
    if "string_statistics" in before and column.present:
        buckets = before["string_statistics"]["distribution"]["categorical"]["buckets"]
        counts = {item["value"]: float(item["count"]) for item in buckets}
        whole, (values, seen) = sum(counts.values()) or 1.0, np.unique(column.texts, return_counts=True)
        now = dict(zip(values.tolist(), (seen / column.present).tolist(), strict=True))
        distance = max(abs(now.get(value, 0.0) - counts.get(value, 0.0) / whole) for value in {*now, *counts})
        return distance, float(comparison.get("categorical_comparison_threshold", threshold))
    return None, threshold


def _feature(name: str, column: Column) -> dict[str, Any]:
    common = {"num_present": column.present, "num_missing": column.total - column.present}
    head: dict[str, Any] = {"name": name, "inferred_type": column.kind}
    if column.kind in ("Integral", "Fractional"):
        numbers = np.sort(column.numbers)
        low, high = float(numbers[0]), float(numbers[-1])
        counts, edges = np.histogram(numbers, BUCKETS, (low, high if high > low else low + 1))
        buckets = [
            {"lower_bound": float(edges[place]), "upper_bound": float(edges[place + 1]), "count": float(counts[place])}
            for place in range(BUCKETS)
        ]
        level = max(0, int(np.ceil(np.log2(len(numbers) / SKETCH_SIZE))))
        kept = numbers[2**level // 2 :: 2**level]
        data = [[] for _ in range(level)] + [kept.tolist()]
        sketch = {"parameters": {"c": 0.64, "k": float(SKETCH_SIZE)}, "data": data}
        head["numerical_statistics"] = {
            "common": common,
            "mean": float(numbers.mean()),
            "sum": float(numbers.sum()),
            "std_dev": float(numbers.std()),
            "min": low,
            "max": high,
            "distribution": {"kll": {"buckets": buckets, "sketch": sketch}},
        }
    elif column.kind == "String":
        values, counts = np.unique(column.texts, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
        told = [{"value": str(values[place]), "count": int(counts[place])} for place in order]
        distribution = {"categorical": {"buckets": told}}
        head["string_statistics"] = {
            "common": common,
            "distinct_count": float(len(values)),
            "distribution": distribution,
        }
    return head


def _broken(column: Column, expected: dict[str, Any], config: dict[str, Any]) -> list[tuple[str, str]]:
    found, kind = [], expected["inferred_type"]
    if kind in ("Integral", "Fractional") and column.present:
        right = len(column.numbers) / column.present
        if kind == "Integral":
            right = float(np.mean(column.numbers == np.floor(column.numbers))) * right if len(column.numbers) else 0.0
        if right < float(config.get("datatype_check_threshold", 1.0)):
            wanted = 100 * float(config.get("datatype_check_threshold", 1.0))
            told = (
                f"Data type match requirement is not met. Expected data type: {kind}, Expected match: {wanted}%. "
                f"Observed: Only {100 * right}% of data is {kind}."
            )
            found.append(("data_type_check", told))
    complete = column.present / max(1, column.total)
    if complete < float(expected.get("completeness", 0.0)):
        found.append(("completeness_check", f"Value: {complete} does not meet the constraint requirement! "))
    domain = expected.get("string_constraints", {}).get("domains")
    if domain and column.present:
        known = float(np.mean(np.isin(column.texts, domain)))
        if known < float(config.get("domain_content_threshold", 1.0)):
            found.append(("categorical_values_check", f"Value: {known} does not meet the constraint requirement! "))
    return found


def _sketched(kll: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Values and weights of a sketch: an item of level i stands for 2^i; else the middles of the buckets."""
    levels = kll.get("sketch", {}).get("data", [])
    values = np.array([value for level in levels for value in level], dtype=float)
    weights = np.array([2.0**number for number, level in enumerate(levels) for _ in level])
    if not len(values):
        buckets = kll.get("buckets", [])
        values = np.array([(item["lower_bound"] + item["upper_bound"]) / 2 for item in buckets])
        weights = np.array([float(item["count"]) for item in buckets])
    order = np.argsort(values)
    return values[order], weights[order]


def _between(values: np.ndarray, weights: np.ndarray, numbers: np.ndarray) -> float:
    grid = np.union1d(values, numbers)
    whole = np.concatenate(([0.0], np.cumsum(weights)))
    old = whole[np.searchsorted(values, grid, side="right")] / whole[-1]
    new = np.searchsorted(numbers, grid, side="right") / len(numbers)
    return float(np.abs(old - new).max())


def _violation(name: str, check: str, told: str) -> dict[str, str]:
    return {"feature_name": name, "constraint_check_type": check, "description": told}
