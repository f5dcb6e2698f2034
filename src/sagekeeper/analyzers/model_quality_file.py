"""Model quality as Model Monitor writes it: statistics.json, the thresholds that a baseline suggests, what a run breaks.

In: the frame of `quality.py` and the rows that it was made of. Out: documents in the shapes of monitoring-facts 2.4, with only
the metrics that Model Monitor names. A standard deviation is what the 95 % interval says; where there is none, or fewer
records than Model Monitor asks for, it is the text NaN, as in its files. A suggested threshold is the bad end of the
baseline's interval, so that a model which has not changed does not break it by chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sagekeeper.analyzers import quality_binary
from sagekeeper.analyzers.quality import classes
from sagekeeper.analyzers.quality_intervals import Z
from sagekeeper.collector.monitor_quality import thresholds

LEAST_FOR_STD = 200
ERRORS = ("mae", "mse", "rmse")
SECTIONS: dict[str, tuple[str, ...]] = {
    "regression": (*ERRORS, "r2"),
    "binary_classification": (
        *("recall", "precision", "accuracy", "accuracy_best_constant_classifier"),
        *("true_positive_rate", "true_negative_rate", "false_positive_rate", "false_negative_rate"),
        *("auc", "f0_5", "f1", "f2"),
    ),
    "multiclass_classification": (
        *("accuracy", "weighted_recall", "weighted_precision"),
        *("weighted_f0_5", "weighted_f1", "weighted_f2"),
    ),
}
WORSE_WHEN_MORE = (*ERRORS, "false_positive_rate", "false_negative_rate")
NOT_A_LINE = ("accuracy_best_constant_classifier",)


def statistics(found: pl.DataFrame, rows: pl.DataFrame, positive: str) -> dict[str, Any]:
    """statistics.json. ``found``: rows of `quality.quality` for all records; ``rows``: what they were made of."""
    whole = found.filter((pl.col("segment") == "") & pl.col("value").is_not_null())
    problem = str(found["problem"][0])
    metrics: dict[str, Any] = {
        row["metric"]: {"value": row["value"], "standard_deviation": _std(row)}
        for row in whole.iter_rows(named=True)
        if row["metric"] in SECTIONS[problem]
    }
    known = rows.drop_nulls(["label", "prediction"])
    if problem != "regression":
        metrics = {"confusion_matrix": _confusion(known)} | metrics
    if problem == "binary_classification" and "score" in known.columns:
        metrics |= _curves(known, positive)
    return {
        "version": 0.0,
        "dataset": {"item_count": int(found["records"][0])},
        f"{problem}_metrics": metrics,
    }


def constraints(found: pl.DataFrame) -> dict[str, Any]:
    """constraints.json that a baseline of this quality suggests."""
    problem = str(found["problem"][0])
    rules: dict[str, Any] = {}
    for row in found.filter((pl.col("segment") == "") & pl.col("value").is_not_null()).iter_rows(named=True):
        name = row["metric"]
        if name in SECTIONS[problem] and name not in NOT_A_LINE:
            more = name in WORSE_WHEN_MORE
            end = row["high" if more else "low"]
            rules[name] = {
                "threshold": row["value"] if end is None else end,
                "comparison_operator": "GreaterThanThreshold" if more else "LessThanThreshold",
            }
    return {"version": 0.0, f"{problem}_constraints": rules}


def violations(document: dict[str, Any], allowed: dict[str, Any]) -> list[dict[str, str]]:
    """What statistics.json breaks of constraints.json. A metric that the run does not have breaks nothing."""
    rules, _ = thresholds(allowed)
    broken = []
    for rule in rules:
        value = document.get(f"{rule.problem}_metrics", {}).get(rule.metric, {}).get("value")
        if not isinstance(value, int | float) or rule.threshold is None:
            continue
        if value < rule.threshold if rule.comparison == "LessThanThreshold" else value > rule.threshold:
            told = f"Metric {rule.metric} with {value} was {rule.comparison} {rule.threshold}"
            kind = str(rule.comparison)
            broken.append({"constraint_check_type": kind, "description": told, "metric_name": rule.metric})
    return broken


def _std(row: dict[str, Any]) -> float | str:
    if row["low"] is None or row["records"] < LEAST_FOR_STD:
        return "NaN"
    return float((row["high"] - row["low"]) / (2 * Z))


def _confusion(known: pl.DataFrame) -> dict[str, dict[str, int]]:
    counted = known.select(classes("label"), classes("prediction")).group_by("label", "prediction").len()
    cells = {(label, told): int(count) for label, told, count in counted.iter_rows()}
    names = sorted({name for pair in cells for name in pair})
    return {label: {told: cells.get((label, told), 0) for told in names} for label in names}


def _curves(known: pl.DataFrame, positive: str) -> dict[str, Any]:
    scored = known.with_columns(pl.col("score").cast(pl.Float64, strict=False)).drop_nulls("score")
    (wanted,) = pl.select(pl.lit(positive).alias("yes")).select(classes("yes"))["yes"]
    true = (scored.select(classes("label"))["label"] == wanted).to_numpy()
    if not true.any() or true.all():
        return {}
    found = quality_binary.curves(true, scored["score"].to_numpy())

    def listed(values: np.ndarray) -> list[float]:
        return [float(value) for value in values]

    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": listed(found.false_positive_rates),
            "true_positive_rates": listed(found.true_positive_rates),
        },
        "precision_recall_curve": {"precisions": listed(found.precisions), "recalls": listed(found.recalls)},
    }
