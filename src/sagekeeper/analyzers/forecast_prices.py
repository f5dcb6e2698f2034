"""What usage from before a price rose lacks of what it would cost today: a rise is known on the day it is found, and not learned.

In: bill rows (`COSTS`). Out: by day before the rise, what was billed less quantity x price now: negative amounts, which lift what
is learned from to today's prices when they are taken out of it (`forecast_known.apart`), and leave what is spent as it is
(`with_known`). Rises are those that `price_changes` finds by its defaults. A price that fell is not found there: the forecast
learns it like any level.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.analyzers.price_changes import KEY, Settings, risen, unit_prices
from sagekeeper.analyzers.usage import with_usage

LACKS = ("account", "region", "service", "usage_family", "charge_category", "currency", "day")

COLUMNS = (
    "x_Dataset",
    "x_ChargeDate",
    "SubAccountId",
    "RegionId",
    "ServiceName",
    "x_UsageType",
    "ChargeCategory",
    "ConsumedQuantity",
    "BilledCost",
    "BillingCurrency",
)
"""Of `COSTS`, what is looked at."""


def lacking(costs: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """[*`LACKS`, billed]: a row per usage family and day before one of its prices rose, ``billed`` below zero."""
    days = unit_prices(costs)
    rises = risen(days, as_of, Settings()).select(*KEY, "since", "now")
    before = (
        days.join(rises, on=KEY, how="inner", nulls_equal=True)
        .filter(pl.col("day") < pl.col("since"))
        .with_columns(
            billed=pl.col("cost") - pl.col("quantity") * pl.col("now"),
            description=pl.lit(None, dtype=pl.String),
            charge_category=pl.lit("Usage"),
        )
    )
    return with_usage(before).group_by(LACKS).agg(pl.col("billed").sum()).sort(LACKS)
