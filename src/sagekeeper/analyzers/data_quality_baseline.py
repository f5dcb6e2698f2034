"""What should data look like that come after these: the constraints.json that a baseline suggests.

In: columns, read (`data_quality.py`). Out: the document in Model Monitor's shape (monitoring-facts 2.2). What is suggested
follows the rules of deequ, on which Model Monitor stands: completeness is the lower end of its interval, rounded down, so that
a clean run does not fall below it by chance; a domain is suggested where values come back, ten times each on average.
"""

from __future__ import annotations

import math
from typing import Any

from sagekeeper.analyzers.data_quality import Column

Z = 1.96
MOST_OF_A_DOMAIN, LARGEST_DOMAIN = 0.1, 1000
"""Distinct values a record at most (deequ's CategoricalRangeRule), and in all."""
COMPARISON: dict[str, Any] = {
    "perform_comparison": "Enabled",
    "comparison_threshold": 0.1,
    "comparison_method": "Robust",
    "categorical_comparison_threshold": 0.1,
    "categorical_drift_method": "LInfinity",
}


def constraints(read_columns: dict[str, Column], *, emit_metrics: bool = True) -> dict[str, Any]:
    """constraints.json."""
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled" if emit_metrics else "Disabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": dict(COMPARISON),
    }
    features = [_feature(name, column) for name, column in read_columns.items()]
    return {"version": 0.0, "features": features, "monitoring_config": config}


def _feature(name: str, column: Column) -> dict[str, Any]:
    head: dict[str, Any] = {"name": name, "inferred_type": column.kind, "completeness": _completeness(column)}
    if column.numeric:
        return head | {"num_constraints": {"is_non_negative": bool((column.numbers >= 0).all())}}
    if column.kind == "String":
        domain = column.texts.unique().sort()
        if len(domain) <= min(LARGEST_DOMAIN, max(1.0, MOST_OF_A_DOMAIN * len(column.texts))):
            return head | {"string_constraints": {"domains": domain.to_list()}}
    return head


def _completeness(column: Column) -> float:
    n, present = column.records, len(column.texts)
    if present == n:
        return 1.0
    share = present / n
    lowest = share - Z * math.sqrt(share * (1 - share) / n)
    return max(0.0, math.floor(lowest * 100) / 100)
