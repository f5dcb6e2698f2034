"""How far each feature of one model has moved, drifting or not: the analyzer's own verdicts, as rows to rank and to
draw.

In: the profiles of one endpoint variant, ``as_of``, the analyzer's settings. Out: a frame in the schema `SHIFTS`, the
largest shift first, features that could not be judged last with the reason. The rule is `analyzers.drift_judge`'s, asked
here of a single model.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from sagekeeper.analyzers import drift_judge
from sagekeeper.analyzers.facts import Facts
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import COSTS, DAILY_COSTS, INVENTORY, JOBS, METRICS, MONITOR_VIOLATIONS

SHIFTS: dict[str, pl.DataType] = {
    "feature": pl.String(),
    "status": pl.String(),  # drift, stable, unknown
    "effect": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "unit": pl.String(),
    "since": pl.Date(),
    "records": pl.Int64(),
    "why": pl.String(),
}


def shifts(profiles: pl.DataFrame, as_of: datetime, thresholds: dict[str, Any]) -> pl.DataFrame:
    """One row per feature of the model that ``profiles`` are of."""
    facts = Facts(
        as_of=as_of,
        costs=COSTS.empty(),
        daily_costs=DAILY_COSTS.empty(),
        metrics=METRICS.empty(),
        inventory=INVENTORY.empty(),
        jobs=JOBS.empty(),
        feature_profiles=profiles,
        violations=MONITOR_VIOLATIONS.empty(),
        prices=PriceBook.bundled(),
        owner_tags=(),
    )
    rows = [
        {
            "feature": one.feature,
            "status": one.status,
            "effect": one.shift.effect if one.shift else None,
            "low": one.shift.low if one.shift else None,
            "high": one.shift.high if one.shift else None,
            "unit": one.shift.unit if one.shift else None,
            "since": one.since,
            "records": one.records,
            "why": one.why,
        }
        for one in drift_judge.judge(facts, drift_judge.Settings.model_validate(thresholds))
    ]
    by_gravity = pl.col("status").replace_strict({"drift": 0, "stable": 1, "unknown": 2}, return_dtype=pl.Int8)
    frame = pl.DataFrame(rows, schema=SHIFTS)
    return frame.sort(by_gravity, pl.col("low"), pl.col("effect"), descending=[False, True, True], nulls_last=True)
