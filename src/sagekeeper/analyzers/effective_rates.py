"""What a unit of usage really cost: the bill's effective cost over its quantity, by account, region, usage type and month.

In: bill rows (`COSTS`). Out: the frame `RATES`. An effective rate holds what a list price cannot: private discounts,
commitments, free usage, a price that has changed. It says on how much it rests; a rate that commitments lower is marked,
because stopping such usage saves nothing until the commitment is used elsewhere (aws-facts 4.4).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.usage import PREFIX, with_usage

RATES: dict[str, pl.DataType] = {
    "account": pl.String(),
    "region": pl.String(),
    "usage_type": pl.String(),  # without the region before it: Host:ml.m5.xlarge
    "usage_family": pl.String(),
    "component": pl.String(),
    "machine": pl.String(),  # ml.m5.xlarge, VolumeUsage, or null
    "month": pl.Date(),
    "currency": pl.String(),
    "quantity": pl.Float64(),  # in the bill's unit: hours of a machine
    "effective_cost": pl.Float64(),
    "rate": pl.Float64(),  # effective cost of a unit
    "billed_rate": pl.Float64(),
    "days": pl.UInt32(),  # on how many days of the bill it rests
    "committed": pl.Boolean(),  # commitments pay for some of it
}
BILL_COLUMNS = (
    *("x_Dataset", "x_ChargeDate", "SubAccountId", "RegionId", "ServiceName", "x_UsageType", "ChargeDescription"),
    *("ChargeCategory", "ResourceId", "ConsumedQuantity", "BilledCost", "EffectiveCost", "BillingCurrency"),
    "CommitmentDiscountStatus",
)
"""What rates, and the estimate, ask of the bill's rows: by far the largest table."""
_KEY = ("account", "region", "usage_type", "usage_family", "component", "machine", "currency")
LEAST_HOURS = 24.0
"""Fewer are too few to set a month's promise by."""
Rates = dict[tuple[str, str, str], float]
"""Effective cost of an hour by account, region and usage type (``Host:ml.m5.xlarge``)."""
_ALIKE = 1e-6
"""Relative difference below which billed and effective cost are the same: rounding."""


def effective_rates(costs: pl.DataFrame) -> pl.DataFrame:
    """`RATES` of all months in ``costs``; usage without quantity or with unknown effective cost has none."""
    days = used_by_day(costs).with_columns(month=pl.col("day").dt.truncate("1mo"))
    return _rated(days, [*_KEY, "month"]).select(RATES.keys())


def newest_rates(costs: pl.DataFrame) -> pl.DataFrame:
    """`RATES` of each usage type by the hour, in its newest month that rests on at least `LEAST_HOURS`."""
    enough = effective_rates(costs).filter(
        (pl.col("quantity") >= LEAST_HOURS) & pl.col("machine").str.starts_with("ml.") & (pl.col("rate") > 0)
    )
    return enough.sort("month", "quantity").group_by("account", "region", "usage_type", maintain_order=True).last()


def known_rates(costs: pl.DataFrame) -> Rates:
    """The rates of `newest_rates` by account, region and usage type."""
    return {
        (account, region, usage): rate
        for account, region, usage, rate in newest_rates(costs)
        .select("account", "region", "usage_type", "rate")
        .iter_rows()
    }


def rates_before(costs: pl.DataFrame, days: list[date], recent: int = 3, within: int = 31) -> pl.DataFrame:
    """Rates as they were known before each of ``days``: [`_KEY`, day, rate, days, committed].

    Of the last ``recent`` days before it on which the usage is on the bill, at most ``within`` days back.
    """
    used = used_by_day(costs)
    asked = pl.DataFrame({"asked": days}, schema={"asked": pl.Date()})
    before = used.join_where(
        asked, pl.col("day") < pl.col("asked"), pl.col("day") >= pl.col("asked").dt.offset_by(f"-{within}d")
    )
    latest = before.sort("day").group_by(*_KEY, "asked", maintain_order=True).tail(recent)
    return _rated(latest, [*_KEY, "asked"]).rename({"asked": "day"}).drop("quantity", "effective_cost", "billed_rate")


def used_by_day(costs: pl.DataFrame) -> pl.DataFrame:
    """[`_KEY`, day, quantity, billed, effective, covered] of SageMaker's usage on the bill."""
    lines = costs.filter(
        (pl.col("x_Dataset") == BILL)
        & (pl.col("ChargeCategory") == "Usage")
        & pl.col("ServiceName").str.contains("SageMaker")
        & (pl.col("ConsumedQuantity") > 0)
        & pl.col("EffectiveCost").is_not_null()
    ).select(
        account="SubAccountId",
        region="RegionId",
        service="ServiceName",
        usage_type="x_UsageType",
        description="ChargeDescription",
        charge_category="ChargeCategory",
        currency="BillingCurrency",
        day="x_ChargeDate",
        quantity="ConsumedQuantity",
        billed="BilledCost",
        effective="EffectiveCost",
        covered=pl.col("CommitmentDiscountStatus").eq("Used").fill_null(False),
    )
    return (
        with_usage(lines)
        .with_columns(pl.col("usage_type").str.replace(PREFIX, ""))
        .group_by(*_KEY, "day")
        .agg(pl.col("quantity", "billed", "effective").sum(), pl.col("covered").any())
    )


def _rated(days: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    # Cost Explorer bills covered usage at its on-demand price and spreads the commitment in the effective cost alone.
    lowered = pl.col("effective") < pl.col("billed") * (1 - _ALIKE)
    return days.group_by(key).agg(
        pl.col("quantity").sum(),
        effective_cost=pl.col("effective").sum(),
        rate=pl.col("effective").sum() / pl.col("quantity").sum(),
        billed_rate=pl.col("billed").sum() / pl.col("quantity").sum(),
        days=pl.col("day").n_unique(),
        committed=(pl.col("covered") | lowered.fill_null(False)).any(),
    )
