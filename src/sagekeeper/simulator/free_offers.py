"""What is free of some kinds of usage each month, for accounts of any age, and how the bill shows it.

In: rows of usage of one month. Out: the same usage, what falls under an offer apart, at a rate of 0: Free Tier lines
have usage and cost nothing (aws-facts 4.5). The accounts are past the trial of SageMaker (its first two months), so what
is left are the offers that never end (aws-facts 3.4). An offer is used up in the order of the days, and on its last day
by all usage in proportion, so that a bill by the hour is the bill by the day.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl


class Offer(NamedTuple):
    """What is free of a kind of usage each month, over all regions and accounts together."""

    service: str
    usage_type: str
    operation: str
    limit: float
    unit: str


OFFERS = (
    Offer("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents", 5, "GB"),
    Offer("AmazonCloudWatch", "CW:Requests", "", 1_000_000, "Requests"),
    Offer("AmazonCloudWatch", "CW:MetricMonitorUsage", "", 10, "Metrics"),
    Offer("AmazonCloudWatch", "CW:AlarmMonitorUsage", "", 10, "Alarms"),
    Offer("AWS Lambda", "Request", "Invoke", 1_000_000, "Requests"),
    Offer("AWS Lambda", "Lambda-GB-Second", "Invoke", 400_000, "Lambda-GB-Second"),
    Offer("AWS Step Functions", "StateTransition", "", 4_000, "StateTransitions"),
    Offer("Amazon DynamoDB", "TimedStorage-ByteHrs", "StandardStorage", 25, "GB-Mo"),
)
"""aws-facts section 3.4: always free, for accounts of any age."""


def under(offer: Offer) -> pl.Expr:
    """Usage that the offer is about. A region stands before usage types everywhere but in us-east-1."""
    return (pl.col("service") == offer.service) & pl.col("usage_type").str.contains(f"(^|-){offer.usage_type}$")


def offered() -> pl.Expr:
    """Usage of services with an offer: most of a bill is of none, and need not be looked at again."""
    return pl.col("service").is_in(sorted({offer.service for offer in OFFERS}))


def free_shares(days: pl.DataFrame) -> pl.DataFrame:
    """Which share of each day of a month is free, by offer: ``offer`` (its place in `OFFERS`), ``day``, ``free``."""
    days = days.filter(offered())
    found = [_shares(days.filter(under(offer)), number, offer.limit) for number, offer in enumerate(OFFERS)]
    return pl.concat(found)


def with_free(usage: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """Usage with what is free of it in rows of its own (``note`` says so), which cost nothing."""
    usage = usage.with_columns(pl.lit(None, pl.String).alias("note"))
    if shares.is_empty():
        return usage
    offer = pl.coalesce(pl.when(under(item)).then(number) for number, item in enumerate(OFFERS))
    others = usage.filter(~offered())
    told = (
        usage.filter(offered())
        .with_columns(offer.alias("offer"), pl.col("start").dt.date().alias("day"))
        .join(shares, on=["offer", "day"], how="left", maintain_order="left")
    )
    free, words = (
        pl.col("free").fill_null(0.0),
        pl.lit("$0.00 per ")
        + pl.col("offer").replace_strict(
            {number: f"{item.unit} under the monthly global free tier" for number, item in enumerate(OFFERS)},
            return_dtype=pl.String,
            default=None,
        ),
    )
    paid = told.filter(free < 1).with_columns(
        pl.col("quantity") * (1 - free), (pl.col("cost") * (1 - free)).round(10).alias("cost")
    )
    given = told.filter(free > 0).with_columns(
        pl.col("quantity") * free,
        pl.lit(0.0).alias("cost"),
        pl.lit(0.0).alias("price"),
        words.alias("note"),
    )
    return pl.concat([others, *(frame.select(usage.columns) for frame in (paid, given))])


def _shares(days: pl.DataFrame, number: int, limit: float) -> pl.DataFrame:
    used = pl.col("quantity").sum()
    before = pl.col("used").cum_sum() - pl.col("used")
    return (
        days.group_by(pl.col("start").dt.date().alias("day"))
        .agg(used.alias("used"))
        .sort("day")
        .select(
            pl.lit(number, pl.Int32).alias("offer"),
            "day",
            ((limit - before).clip(0, pl.col("used")) / pl.col("used")).alias("free"),
        )
        .filter(pl.col("free") > 0)
    )
