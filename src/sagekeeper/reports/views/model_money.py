"""What the models' quality costs, for people: `analyzers.model_money` of the last 30 days of the bill.

In: the lake. Out: its frame, with the period. Bounded by a month of daily rows; profiles are summed in the scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers import model_money
from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.traffic import USED, in_service, traffic
from sagekeeper.analyzers.unit_rows import usage_days
from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import DAILY_COSTS, FEATURE_PROFILES, INVENTORY, JOBS, METRICS, MODEL_QUALITY, MONITOR_RUNS

DAYS = 30
TRAINED = 400
"""Days of training runs that retraining is judged by."""


@dataclass(frozen=True)
class Money:
    """``rows``: of `model_money.SCHEMA`. ``first`` and ``last``: days of the bill that it is of; None: there is no bill."""

    rows: pl.DataFrame
    first: date | None
    last: date | None


def money(lake: Lake, as_of: datetime) -> Money:
    """Of the 30 days up to the newest day that the bill has."""
    bill = lake.scan(DAILY_COSTS).filter((pl.col("dataset") == BILL) & (pl.col("day") <= as_of.date()))
    last = bill.select(pl.col("day").max()).collect().item()
    if last is None:
        return Money(pl.DataFrame(schema=model_money.SCHEMA), None, None)
    first = last - timedelta(days=DAYS - 1)
    within = pl.col("day").is_between(first, last)
    metrics = lake.scan(METRICS).filter(within & pl.col("metric").is_in(USED)).collect()
    seen = (
        lake.scan(INVENTORY).filter((pl.col("kind") == "endpoint") & (pl.col("observed_on") <= as_of.date())).collect()
    )
    newest = seen.filter(pl.col("observed_on") == pl.col("observed_on").max().over("account", "region"))
    trained = bill.filter(
        (pl.col("resource_kind") == "training_job") & (pl.col("day") > last - timedelta(days=TRAINED))
    )
    known = model_money.Known(
        usage=usage_days(bill.filter(within).collect(), as_of),
        requests=traffic(metrics, in_service(seen)).requests,
        quality=lake.scan(MODEL_QUALITY)
        .filter(pl.col("day").is_between(first - model_money.HOLDS, last) & (pl.col("basis") == "labels"))
        .collect(),
        runs=lake.scan(MONITOR_RUNS).filter(within).collect(),
        endpoints=newest,
        jobs=lake.scan(JOBS).filter(pl.col("kind") == "training_job").collect(),
        training=usage_days(trained.collect(), as_of)
        .group_by("account", "name")
        .agg(cost=pl.when(pl.col("effective_cost").is_not_null().all()).then(pl.col("effective_cost").sum())),
        profiles=lake.scan(FEATURE_PROFILES)
        .filter(within | (pl.col("role") == "baseline"))
        .group_by("account", "region", "endpoint", "role", "window_start")
        .agg(pl.col("records").max())
        .group_by("account", "region", "endpoint", "role")
        .agg(pl.col("records").sum())
        .collect(),
    )
    return Money(model_money.money(known), first, last)
