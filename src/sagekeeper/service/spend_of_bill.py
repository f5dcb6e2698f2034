"""The bill as spend series: what each resource, and each use without one, has cost per day.

In: the lake, which bill, the day it is. Out: long rows like those of a file of spend (`spend_file.py`), finished days. Tax is
charged when a month closes and is left out; of several currencies the one of most rows is taken.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import DAILY_COSTS

LEAF = ("account", "region", "service", "usage_family", "resource_kind", "resource_name")


def spend_of_bill(lake: Lake, dataset: str, today: date) -> pl.DataFrame:
    """`series_id, account, service, usage_type, resource, ts, cost, currency`. Raises BadInput where the bill is empty."""
    there = (
        lake.scan(DAILY_COSTS)
        .filter((pl.col("dataset") == dataset) & (pl.col("day") < today) & (pl.col("charge_category") != "Tax"))
        .group_by("currency", *LEAF, ts="day")
        .agg(cost=pl.col("billed_cost").sum())
        .collect()
    )
    if there.is_empty():
        raise BadInput(f"The bill {dataset} is empty. Next: sagekeeper collect, or --in FILE.")
    currency = there.group_by("currency").len().sort("len", "currency")["currency"][-1]
    name = pl.concat_str([pl.col(part).fill_null("unattributed") for part in LEAF], separator=" / ")
    return there.filter(pl.col("currency") == currency).select(
        "account",
        "service",
        "ts",
        "cost",
        "currency",
        series_id=name,
        usage_type=pl.concat_str("region", "usage_family", separator=" ", ignore_nulls=True),
        resource="resource_name",
    )
