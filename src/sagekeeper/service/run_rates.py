"""Keeping ``run_rates``: what ran in each hour and what it cost, so that the next weeks know what is usual for an hour.

In: the lake, ``as_of``. Out: the rows of this hour, rewritten. Nothing is asked of AWS: what the hourly looks found is enough.
Run again in the same hour it replaces that hour; older hours are never touched.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.effective_rates import BILL_COLUMNS
from sagekeeper.analyzers.estimate_standing import HOLDS
from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.run_rate import hour_of, running_now
from sagekeeper.core.clock import month_start
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, JOBS, RUN_RATES
from sagekeeper.service.facts import latest_inventory, price_book

LONGEST_JOB = timedelta(days=29)
"""SageMaker ends a training job after 28 days (aws-facts 1.4)."""
BILL_BACK = timedelta(days=33)


def refresh_run_rates(lake: Lake, settings: Settings, as_of: datetime) -> int:
    """Record this hour. Returns how many rows the hour has."""
    running, looked = running_of(lake, settings, as_of)
    rows = hour_of(running, looked, as_of)
    if rows.is_empty():
        return 0
    today = as_of.date()
    before = lake.scan(RUN_RATES).filter(pl.col("day") == today).collect()
    kept = before.filter(pl.col("hour") != rows["hour"][0])
    lake.replace(RUN_RATES, pl.concat([kept, rows]).sort(RUN_RATES.keys), Scope({"day": today}))
    return rows.height


def running_of(lake: Lake, settings: Settings, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`run_rate.RUNNING`, and [account, region] of all places that were looked at within `HOLDS`."""
    today = as_of.date()
    inventory = latest_inventory(lake, today)
    jobs = lake.scan(JOBS).filter(
        (pl.col("month") >= month_start(today - LONGEST_JOB))
        & (pl.col("ended_at").is_null() | (pl.col("ended_at") >= as_of - timedelta(days=1)))
    )
    on_bill = (
        (pl.col("x_Dataset") == BILL)
        & pl.col("x_ChargeDate").is_between(today - BILL_BACK, today)
        & (pl.col("ChargeCategory") == "Usage")
        & pl.col("ServiceName").str.contains("SageMaker")
    )
    costs = lake.scan(COSTS).filter(on_bill).select(BILL_COLUMNS).collect()
    tags = OwnerRules.of(settings).keys("owner")
    looked = inventory.filter(pl.col("observed_at") >= as_of - HOLDS).select("account", "region").unique()
    return running_now(inventory, jobs.collect(), costs, price_book(lake, today), as_of, tags), looked
