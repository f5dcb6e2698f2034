"""What a bill said when: "March as seen on April 3", and what moved after it closed.

In: the rows of a bill (`COSTS`) each time they were read. Out: `BILL_VERSIONS`: sums by day, account, service, usage type
and charge category, each with the time from which it was seen (``seen_at``) until it was no more (``gone_at``). Only sums
that changed get a new row, so a month that is read a hundred times and moves twice is kept thrice.
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from sagekeeper.core.clock import day_start, next_month
from sagekeeper.core.tables import BILL_VERSIONS

SUMMED = ("billed_cost", "effective_cost")
KEY = tuple(name for name in BILL_VERSIONS.keys if name != "seen_at")
DIGITS = 10
"""Sums of floats differ in their last bits with the order of rows; a bill has at most ten decimal places."""


def period_of() -> pl.Expr:
    """The billing month of a `COSTS` row; of a bill that does not state it, the month of the charge."""
    return pl.coalesce(pl.col("BillingPeriodStart").dt.date(), pl.col("x_ChargeDate")).dt.truncate("1mo")


def in_period(period: date) -> pl.Expr:
    """Whether a row's `period_of` begins with this day; said so that a reader may leave out files of other months."""
    after = next_month(period)
    begun = pl.col("BillingPeriodStart")
    return begun.is_between(day_start(period), day_start(after), closed="left") | (
        begun.is_null() & pl.col("x_ChargeDate").is_between(period, after, closed="left")
    )


def versions(kept: pl.DataFrame, costs: pl.LazyFrame, seen_at: datetime) -> pl.DataFrame:
    """``kept`` versions of some months, brought up to what ``costs``, all rows of these months, say at ``seen_at``."""
    now = _summed(costs, seen_at)
    open_, closed = kept.filter(pl.col("gone_at").is_null()), kept.filter(pl.col("gone_at").is_not_null())
    same = [*KEY, *SUMMED, "rows"]
    unchanged = open_.join(now, on=same, how="semi", nulls_equal=True)
    gone = open_.join(now, on=same, how="anti", nulls_equal=True)
    new = now.join(open_, on=same, how="anti", nulls_equal=True)
    ended = gone.with_columns(gone_at=pl.lit(seen_at, BILL_VERSIONS.columns["gone_at"])).filter(
        pl.col("seen_at") < pl.col("gone_at")  # read twice at one moment: the first was never looked at
    )
    return pl.concat([closed, unchanged, ended, new]).sort([*KEY, "seen_at"])


def as_seen(kept: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """The sums that stood at ``at``."""
    return kept.filter((pl.col("seen_at") <= at) & (pl.col("gone_at").is_null() | (pl.col("gone_at") > at)))


def moved(kept: pl.LazyFrame, since: datetime, until: datetime) -> pl.LazyFrame:
    """[*key, before, after, moved]: every sum whose billed cost at ``until`` is not the one of ``since``. Absent is 0."""
    sides = [
        as_seen(kept, at).select(*KEY, pl.col("billed_cost").alias(name))
        for at, name in ((since, "before"), (until, "after"))
    ]
    return (
        sides[0]
        .join(sides[1], on=KEY, how="full", coalesce=True, nulls_equal=True)
        .with_columns(pl.col("before", "after").fill_null(0.0))
        .with_columns(moved=(pl.col("after") - pl.col("before")).round(DIGITS))
        .filter(pl.col("moved") != 0)
        .sort(pl.col("moved").abs(), descending=True)
    )


def _summed(costs: pl.LazyFrame, seen_at: datetime) -> pl.DataFrame:
    sums = [
        # A null amount is unknown, and stays so only where nothing is known.
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum().round(DIGITS)).alias(alias)
        for name, alias in zip(("BilledCost", "EffectiveCost"), SUMMED, strict=True)
    ]
    return (
        costs.group_by(
            dataset="x_Dataset",
            period=period_of(),
            day="x_ChargeDate",
            account="SubAccountId",
            service="ServiceName",
            usage_type="x_UsageType",
            charge_category="ChargeCategory",
            currency="BillingCurrency",
        )
        .agg(*sums, rows=pl.len().cast(pl.Int64))
        .with_columns(
            seen_at=pl.lit(seen_at).dt.cast_time_unit("us"), gone_at=pl.lit(None, BILL_VERSIONS.columns["gone_at"])
        )
        .select(BILL_VERSIONS.columns.keys())
        .collect(engine="streaming")
    )
