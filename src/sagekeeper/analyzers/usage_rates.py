"""What a unit of SageMaker's usage costs on a day: the bill's own rate of the days before, else AWS's list, else the book.

In: usage by day, account, region and usage type; the bill's rows; the price book. Out: the same with rate, currency, basis and
uncertainty, or why it is unknown. One rule for the estimate, the run rate and what a running job has cost.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.effective_rates import rates_before
from sagekeeper.analyzers.usage import with_usage
from sagekeeper.analyzers.usage_prices import listed_prices
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import SAGEMAKER

RATE_UNCERTAINTY = 0.0
DECIMALS = 9
"""Rates that are sums of the same rows differ in their last bits from run to run: rounded here, so that a repeat is equal."""
BY_BILL = "the bill's effective rate"
PLACE = ["account", "region", "usage_type"]


def an_hour(day: date) -> pl.Expr:
    """Units of the bill that an hour of a row's ``size`` is on ``day``: instance-hours, GB-months of the hours that month has."""
    month_hours = pl.lit(day).dt.days_in_month().cast(pl.Float64) * 24
    return pl.col("size") / pl.when(pl.col("usage_type").str.contains("VolumeUsage")).then(month_hours).otherwise(1.0)


def with_rates(rows: pl.DataFrame, costs: pl.DataFrame, prices: PriceBook, days: list[date]) -> pl.DataFrame:
    """``rows`` with usage_family, rate, list_rate, currency, rate_basis, uncertainty, unknown (why there is no rate).

    ``rows`` have at least day, account, region, usage_type; ``days`` are those they may be of.
    Rates are per unit of the bill: hour, GB-month, second.
    """
    usage = with_usage(
        rows.select("usage_type")
        .unique()
        .with_columns(service=pl.lit(SAGEMAKER), description=pl.lit(None, pl.String), charge_category=pl.lit("Usage"))
    ).select("usage_type", "usage_family")
    billed = rates_before(costs, days).select(*PLACE, "day", "rate", billed_in="currency")
    listed = listed_prices(prices, rows.select("region", "usage_type").unique())
    unit = pl.coalesce("rate", "list_rate").round(DECIMALS)
    return (
        rows.join(usage, on="usage_type", how="left")
        .join(billed.unique([*PLACE, "day"]), on=[*PLACE, "day"], how="left")
        .join(listed, on=["region", "usage_type"], how="left")
        .with_columns(
            currency=pl.coalesce("billed_in", pl.lit("USD")),
            rate_basis=pl.when(pl.col("rate").is_not_null()).then(pl.lit(BY_BILL)).otherwise("list_basis"),
            uncertainty=pl.when(pl.col("rate").is_not_null()).then(RATE_UNCERTAINTY).otherwise("list_uncertainty"),
            unknown=pl.when(unit.is_null()).then("why"),
            rate=unit,
        )
        .drop("billed_in", "list_basis", "list_uncertainty", "why")
    )
