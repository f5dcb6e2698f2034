"""Which constraints do these data break, judged as Model Monitor judges: the list of constraint_violations.json?

In: columns, read; the baseline's constraints.json and statistics.json as documents. Out: violations in Model Monitor's words, and
each feature's distance from its baseline. Checks and distances: monitoring-facts 2.2 and 2.3. A number's distance is the largest
gap between the two cumulative distributions, the baseline's from its sketch (an item of level i stands for 2^i values), ours of
the data themselves; robust: less what chance alone would make of it, 1.8 x sqrt((n + m) / (n m)). A text's is the largest gap
between two shares. ChiSquared: a two-sample test, violated below the threshold as p-value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2_contingency

from sagekeeper.analyzers.data_quality import Column
from sagekeeper.collector.monitor_constraints import Constraints, FeatureConstraint, Monitoring
from sagekeeper.collector.monitor_constraints import constraints as read_constraints

ROBUST = 1.8
"""c(alpha) of the two-sample Kolmogorov-Smirnov test for an alpha of 0.003, as in deequ."""
THRESHOLD, ALL = 0.1, 1.0
"""What holds where constraints.json states nothing."""


class Distance(NamedTuple):
    """``value`` is worse than ``threshold`` when above it; of a p-value (``below``) when below it."""

    feature: str
    value: float
    threshold: float
    below: bool


class Judged(NamedTuple):
    """What a run found. ``violations``: entries of constraint_violations.json."""

    violations: list[dict[str, str]]
    distances: list[Distance]


def judged(now: dict[str, Column], allowed: dict[str, Any] | None, usual: dict[str, Any] | None) -> Judged:
    """Violations of ``allowed`` (constraints.json) and ``usual`` (statistics.json); nothing is judged by what is None."""
    rules = read_constraints(allowed or {})
    before = {str(item["name"]): item for item in (usual or {}).get("features", []) if isinstance(item, dict)}
    found = [] if allowed is None else _columns(now, rules)
    expected = {rule.name: rule for rule in rules.features}
    distances = []
    for name, column in now.items():
        rule = expected.get(name)
        config = _merged(rules.monitoring, rule.overrides if rule else None)
        if config.evaluate is False:
            continue
        if rule is not None:
            found += _broken(column, rule, config)
        if name in before and config.compare is not False:
            distance = _distance(name, column, before[name], config)
            if distance is not None:
                distances.append(distance)
                found += _drifted(distance)
    return Judged(found, distances)


def _columns(now: dict[str, Column], rules: Constraints) -> list[dict[str, str]]:
    expected = [rule.name for rule in rules.features]
    sizes = (
        f"Number of columns in current dataset: {len(now)}, Number of columns in baseline constraints: {len(expected)}"
    )
    missing, extra = [name for name in expected if name not in now], [name for name in now if name not in expected]
    return [
        *(
            _violation(name, "missing_column_check", f"There are missing columns in current dataset. {sizes}")
            for name in missing
        ),
        *(
            _violation(name, "extra_column_check", f"There are extra columns in current dataset. {sizes}")
            for name in extra
        ),
    ]


def _broken(column: Column, rule: FeatureConstraint, config: Monitoring) -> list[dict[str, str]]:
    found, present = [], len(column.texts)
    least = ALL if config.datatype_threshold is None else config.datatype_threshold
    if rule.inferred_type in ("Integral", "Fractional") and present:
        right = (column.integral if rule.inferred_type == "Integral" else len(column.numbers)) / present
        if right < least:
            told = (
                f"Data type match requirement is not met. Expected data type: {rule.inferred_type}, "
                f"Expected match: {100 * least}%. Observed: Only {100 * right}% of data is {rule.inferred_type}."
            )
            found.append(_violation(rule.name, "data_type_check", told))
    complete = present / column.records if column.records else 0.0
    if rule.completeness is not None and complete < rule.completeness:
        wanted = f"Completeness requirement is not met. Expected: {rule.completeness}"
        told = f"{wanted}, Observed: Only {complete} of data is complete."
        found.append(_violation(rule.name, "completeness_check", told))
    if rule.domains is not None and present:
        known = float(column.texts.is_in(list(rule.domains)).mean())  # type: ignore[arg-type]
        least = ALL if config.domain_threshold is None else config.domain_threshold
        if known < least:
            wanted = f"Domain requirement is not met. Expected match: {100 * least}%"
            told = f"{wanted}. Observed: Only {100 * known}% of values are known."
            found.append(_violation(rule.name, "categorical_values_check", told))
    return found


def _distance(name: str, column: Column, before: dict[str, Any], config: Monitoring) -> Distance | None:
    threshold = THRESHOLD if config.comparison_threshold is None else config.comparison_threshold
    numbers, texts = before.get("numerical_statistics"), before.get("string_statistics")
    if numbers is not None and len(column.numbers):
        items, weights = _sketched(numbers.get("distribution", {}).get("kll", {}))
        if not weights.sum():
            return None
        value = largest_gap(items, weights, column.numbers)
        if not (config.comparison_method or "Robust").lower().endswith("simple"):
            value = _robust(value, float(weights.sum()), len(column.numbers))
        return Distance(name, value, threshold, below=False)
    if texts is None or not len(column.texts):
        return None
    threshold = threshold if config.categorical_threshold is None else config.categorical_threshold
    buckets = texts.get("distribution", {}).get("categorical", {}).get("buckets", [])
    counts = {str(item["value"]): float(item["count"]) for item in buckets}
    present = float(texts.get("common", {}).get("num_present") or sum(counts.values()))
    return _of_texts(name, column, counts, present, threshold, config) if present else None


def _of_texts(
    name: str, column: Column, counts: dict[str, float], present: float, threshold: float, config: Monitoring
) -> Distance:
    seen = dict(column.texts.alias("value").value_counts().iter_rows())
    names = sorted({*counts, *seen})
    before, now = (np.array([float(found.get(value, 0)) for value in names]) for found in (counts, seen))
    here = float(len(column.texts))
    if (config.categorical_method or "LInfinity").lower() == "chisquared":
        p = 1.0 if len(names) < 2 else float(chi2_contingency(np.stack((before, now)), correction=False).pvalue)
        return Distance(name, p, threshold, below=True)
    # Where the baseline names only its most frequent values, the others are one.
    rest = present - before.sum()
    if rest > 0:
        known = before > 0
        now = np.append(now[known], now[~known].sum())
        before = np.append(before[known], rest)
    value = float(np.abs(before / present - now / here).max())
    if not (config.comparison_method or "Robust").lower().endswith("simple"):
        value = _robust(value, present, here)
    return Distance(name, value, threshold, below=False)


def largest_gap(items: np.ndarray, weights: np.ndarray, numbers: np.ndarray) -> float:
    """sup |F1 - F2| of a weighted sample and a plain one. It lies at an item, or just before one: between items F1 is level."""
    order = np.argsort(items, kind="stable")
    points, upto = items[order], np.cumsum(weights[order])
    ends = np.flatnonzero(np.append(np.diff(points) != 0, True))
    grid, whole = points[ends], upto[-1]
    old = upto[ends] / whole
    before = np.concatenate(([0.0], old[:-1]))
    sample = np.sort(numbers)
    after, ahead = (np.searchsorted(sample, grid, side=side) / len(sample) for side in ("right", "left"))
    return float(max(np.abs(old - after).max(), np.abs(before - ahead).max()))


def _sketched(kll: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Items and weights of a published sketch."""
    data = (kll.get("sketch") or {}).get("data") or []
    items = np.array([item for level in data for item in level], dtype=np.float64)
    weights = np.array([2.0**level for level, part in enumerate(data) for _ in part])
    return items, weights


def _robust(distance: float, n: float, m: float) -> float:
    return max(0.0, distance - ROBUST * float(np.sqrt((n + m) / (n * m))))


def _drifted(distance: Distance) -> list[dict[str, str]]:
    beyond = distance.value < distance.threshold if distance.below else distance.value > distance.threshold
    if not beyond:
        return []
    what = "p-value" if distance.below else "distance"
    word = "is below" if distance.below else "exceeds"
    told = f"Baseline drift {what}: {distance.value} {word} threshold: {distance.threshold}"
    return [_violation(distance.feature, "baseline_drift_check", told)]


def _merged(whole: Monitoring, own: Monitoring | None) -> Monitoring:
    """A feature's own settings before those of all."""
    if own is None:
        return whole
    stated = {name: value for name, value in vars(own).items() if value is not None}
    return Monitoring(**{**vars(whole), **stated})


def _violation(name: str, check: str, told: str) -> dict[str, str]:
    return {"feature_name": name, "constraint_check_type": check, "description": told}
