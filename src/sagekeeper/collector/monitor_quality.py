"""Model quality as Model Monitor publishes it: statistics.json and constraints.json of its model quality monitor.

In: parsed documents (monitoring-facts 2.4). Out: metrics with their standard deviation, which may be the text NaN (fewer than 200
samples): unknown. What is no single figure (the confusion matrix, the two curves) is kept whole, as JSON. A metric that cannot be
read is named, the rest counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sagekeeper.collector.monitor_numbers import number
from sagekeeper.collector.monitor_shapes import PROBLEMS


@dataclass(frozen=True)
class Metric:
    """One figure of a model, or (``detail``) a table of them as JSON."""

    problem: str
    metric: str
    value: float | None
    std: float | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Threshold:
    """``comparison`` is AWS's word for the violation: LessThanThreshold means less is a violation."""

    problem: str
    metric: str
    threshold: float | None
    comparison: str | None


@dataclass(frozen=True)
class Quality:
    """``records``: labelled ones that were compared, None if not stated."""

    metrics: list[Metric]
    records: int | None
    unread: list[str] = field(default_factory=list)


def quality(document: dict[str, Any]) -> Quality:
    """statistics.json of a model quality monitor."""
    metrics, unread = [], []
    for problem in PROBLEMS:
        section = document.get(f"{problem}_metrics")
        if section is None:
            continue
        if not isinstance(section, dict):
            unread.append(f"{problem}_metrics")
            continue
        for name, item in section.items():
            try:
                metrics.append(_metric(problem, name, item))
            except (TypeError, ValueError):
                unread.append(name)
    dataset = document.get("dataset")
    records = number(dataset.get("item_count")) if isinstance(dataset, dict) else None
    return Quality(metrics, None if records is None else int(records), unread)


def thresholds(document: dict[str, Any]) -> tuple[list[Threshold], list[str]]:
    """constraints.json of a model quality monitor, and the names of what cannot be read in it."""
    found, unread = [], []
    for problem in PROBLEMS:
        for name, rule in (document.get(f"{problem}_constraints") or {}).items():
            try:
                found.append(Threshold(problem, name, number(rule["threshold"]), str(rule["comparison_operator"])))
            except (KeyError, TypeError, ValueError):
                unread.append(str(name))
    return found, unread


def _metric(problem: str, name: str, item: Any) -> Metric:
    if isinstance(item, dict) and "value" in item:
        return Metric(problem, name, number(item["value"]), number(item.get("standard_deviation")))
    if isinstance(item, dict | list):
        return Metric(problem, name, None, detail=json.dumps(item, sort_keys=True))
    return Metric(problem, name, number(item))
