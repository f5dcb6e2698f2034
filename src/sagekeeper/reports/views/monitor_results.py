"""What the monitors of one endpoint, or of batches, have said: their runs, quality beside its line, bias and attributions.

In: the lake. Out: small frames for people; what is absent is an empty frame. Whether it is a finding is the analyzers' word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.attribution_drift import ndcg
from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import ATTRIBUTIONS, BIAS, MODEL_QUALITY, MONITOR_RUNS, Table

RECENT = timedelta(days=45)
MOST = 100


@dataclass(frozen=True)
class Results:
    """``quality``: [execution_time, schedule, metric, value, std, threshold, comparison, broken] of every run. ``bias`` and
    ``attributions``: of the newest run. ``order``: Clarify's NDCG of the attributions against the baseline, None: unknown."""

    runs: pl.DataFrame
    quality: pl.DataFrame
    bias: pl.DataFrame
    attributions: pl.DataFrame
    order: float | None


def results(lake: Lake, account: str, region: str, name: str, as_of: datetime) -> Results:
    """Of one endpoint, or of one schedule that watches batch transform, up to 45 days back."""
    batches = (pl.col("endpoint") == "") & (pl.col("schedule") == name)

    def own(table: Table) -> pl.DataFrame:
        return (
            lake.scan(table)
            .filter(
                (pl.col("account") == account)
                & (pl.col("region") == region)
                & ((pl.col("endpoint") == name) | batches)
                & pl.col("day").is_between((as_of - RECENT).date(), as_of.date())
            )
            .collect()
        )

    broken = (
        pl.when(pl.col("comparison") == "LessThanThreshold")
        .then(pl.col("value") < pl.col("threshold"))
        .otherwise(pl.col("value") > pl.col("threshold"))
    )
    quality = own(MODEL_QUALITY).filter((pl.col("segment") == "") & pl.col("value").is_not_null())
    attributions = _newest(own(ATTRIBUTIONS))
    return Results(
        runs=_runs(own(MONITOR_RUNS)),
        quality=quality.select(
            "execution_time", "schedule", "metric", "value", "std", "threshold", "comparison", broken=broken
        ).sort("execution_time", "metric"),
        bias=_newest(own(BIAS)).select("facet", "facet_value", "stage", "metric", "value", "baseline", "error"),
        attributions=attributions.select("label", "feature", "value", "baseline").sort("value", descending=True),
        order=_order(attributions),
    )


def _runs(runs: pl.DataFrame) -> pl.DataFrame:
    said = pl.col("unread").str.json_decode(pl.List(pl.String)).list.join(" ")
    return (
        runs.sort("scheduled_at", descending=True)
        .head(MOST)
        .select(
            "scheduled_at",
            "schedule",
            "monitor",
            "status",
            "violations",
            "records",
            "instance_type",
            minutes=pl.col("billable_seconds") / 60,
            note=pl.concat_str(
                pl.col("failure_reason").fill_null(""), said.fill_null(""), separator=" "
            ).str.strip_chars(),
        )
    )


def _newest(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("execution_time") == pl.col("execution_time").max())


def _order(rows: pl.DataFrame) -> float | None:
    """Of the label that has kept its order least."""
    scores = []
    for _, label in rows.drop_nulls("value").group_by("label"):
        known = label.drop_nulls("baseline")
        if known.height:
            before = dict(known.select("feature", "baseline").iter_rows())
            scores.append(ndcg(before, dict(label.select("feature", "value").iter_rows())))
    return min((score for score in scores if score is not None), default=None)
