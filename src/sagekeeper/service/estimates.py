"""Keeping ``estimates`` up to date: what has been used since the bill ends, extended to now at every run.

In: the lake, ``as_of``. Out: the days rewritten. Only the open days of `analyzers.estimate` are; what was estimated of older
days stays, to be compared with their bill. Run again for the same moment it changes no row.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.effective_rates import BILL_COLUMNS
from sagekeeper.analyzers.estimate import FIRST_DAYS, Known, estimate, open_days
from sagekeeper.analyzers.estimate_requests import BY_HOUR
from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.owners import OwnerRules, spelled
from sagekeeper.collector.history import latest_inventory, price_book
from sagekeeper.core.clock import day_start, month_start
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, ESTIMATES, JOBS, METRICS

LOOK_BACK = timedelta(days=FIRST_DAYS + 2)
BILL_BACK = timedelta(days=FIRST_DAYS + 33)
"""The bill's rates of a month before the first day that may be estimated."""
JOBS_BACK = timedelta(days=62)
"""Jobs that began this long ago may still run: SageMaker ends a job after 28 days at most (aws-facts 1.4)."""


def refresh_estimates(lake: Lake, settings: Settings, as_of: datetime) -> int:
    """Estimate all open days. Returns how many rows they have."""
    today = as_of.date()
    earlier = lake.scan(ESTIMATES).filter(pl.col("day").is_between(today - LOOK_BACK, today)).collect()
    days = open_days(earlier, as_of)
    begun = day_start(days[0])
    requests = (pl.col("metric") == "Invocations") & (pl.col("statistic") == "Sum")
    latency = (pl.col("metric") == "ModelLatency") & (pl.col("statistic") == "Average")
    hourly = (pl.col("period_seconds") == 3600) & (pl.col("day") >= days[-BY_HOUR]) & (requests | latency)
    daily = (pl.col("period_seconds") == 86400) & (pl.col("day") >= today - BILL_BACK) & requests
    on_bill = (
        (pl.col("x_Dataset") == BILL)
        & pl.col("x_ChargeDate").is_between(today - BILL_BACK, today)
        & (pl.col("ChargeCategory") == "Usage")
        & pl.col("ServiceName").str.contains("SageMaker")
    )
    rules = OwnerRules.of(settings)
    known = Known(
        as_of=as_of,
        inventory=latest_inventory(lake, today),
        jobs=lake.scan(JOBS)
        .filter(
            (pl.col("month") >= month_start(today - JOBS_BACK))
            & (pl.col("ended_at").is_null() | (pl.col("ended_at") >= begun - timedelta(days=1)))
        )
        .collect(),
        metrics=lake.scan(METRICS).filter((pl.col("day") <= today) & (hourly | daily)).collect(),
        costs=lake.scan(COSTS).filter(on_bill).select(BILL_COLUMNS).collect(),
        prices=price_book(lake, today),
        earlier=earlier,
        owner_tags=rules.keys("owner"),
    )
    rows = estimate(known).with_columns(spelled(pl.col("owner"), rules))
    lake.replace(ESTIMATES, rows, Scope(day_column="day", first=days[0], last=days[-1]))
    return rows.height
