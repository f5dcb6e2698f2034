"""What is done to a month's usage before it is a bill: corrections, private discounts, refunds, credits, tax.

In: rows of days (`bill_lines.ROWS`) and the organisation's terms (`commercial.py`). Out: the same rows with their net
amounts, and rows of their own for each of these. Discounts lower the net cost of the lines that they are on, and stand
beside them as lines that lower the cost and have no net cost. Credits pay what is left of usage, those that expire first
first, then the more special ones (AWS's order). Tax is on everything but credits, by account and service.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from sagekeeper.simulator.bill_lines import DIGITS, empty, rows
from sagekeeper.simulator.bill_names import CODES
from sagekeeper.simulator.commercial import Commercial, Correction, Credit, PrivateDiscount, Refund
from sagekeeper.simulator.savings_plan_lines import FEES

PLAN_FEES = ("SavingsPlanRecurringFee", "SavingsPlanUpfrontFee")
DISCOUNTED = ("Usage", "SavingsPlanCoveredUsage", *PLAN_FEES)
WHERE = ("start", "account", "region", "service")


def corrected(frame: pl.DataFrame, corrections: list[Correction], now: datetime) -> pl.DataFrame:
    """Rows with those of the corrections that are out: what the usage turned out to cost, more or less than billed."""
    return pl.concat([frame, *(_correction(frame, item) for item in corrections if item.posted <= now)])


def discounted(frame: pl.DataFrame, discounts: list[PrivateDiscount]) -> pl.DataFrame:
    """Rows with net amounts: what is left of one discount is what the next is taken off."""
    for item in discounts:
        share = pl.when(_discounts(item)).then(item.share).otherwise(0.0)
        # Covered usage is cancelled out: its plan's fee is what a discount is on, and with it the plan's rate.
        billed = pl.when(pl.col("record_type") == "SavingsPlanCoveredUsage").then(0.0).otherwise(share)
        frame = frame.with_columns(
            (pl.col("net_cost") * (1 - billed)).round(DIGITS),
            (pl.col("net_amortized") * (1 - share)).round(DIGITS),
        )
    return frame


def discount_rows(frame: pl.DataFrame, discounts: list[PrivateDiscount]) -> pl.DataFrame:
    """What the discounts take off, by day, account and service."""
    made, left = (
        [empty()],
        frame.with_columns(pl.col("cost").alias("net_cost"), pl.col("amortized").alias("net_amortized")),
    )
    for item in discounts:
        lowered = discounted(left, [item])
        off = lowered.with_columns((pl.col("net_cost") - left["net_cost"]).alias("cost")).filter(pl.col("cost") != 0)
        days = off.with_columns(pl.col("start").dt.truncate("1d")).group_by(WHERE, maintain_order=True)
        told = days.agg(pl.col("cost").sum().round(DIGITS)).with_columns(pl.col("cost").alias("amortized"))
        made.append(rows(told, record_type=item.kind, note=_words(item)))
        left = lowered
    return pl.concat(made)


def refund_rows(refunds: list[Refund], period: date, now: datetime) -> pl.DataFrame:
    """Refunds that are out, on the days that they are for."""
    found = [item for item in refunds if item.posted <= now and item.day.replace(day=1) == period]
    return pl.concat([empty(), *(_refund(item) for item in found)])


def charges_by_day(frame: pl.DataFrame) -> pl.DataFrame:
    """What credits may pay: the net cost of usage by day, account, region and service."""
    usage = frame.filter(pl.col("record_type") == "Usage")
    summed = usage.group_by(pl.col("start").dt.truncate("1d"), *WHERE[1:]).agg(pl.col("net_cost").sum().alias("owed"))
    return summed.filter(pl.col("owed") > 0).sort(WHERE)


def credit_rows(charges: pl.DataFrame, credits: list[Credit]) -> pl.DataFrame:
    """Credits as they are used up, on charges of all days since the first of them."""
    made = [empty()]
    for item in sorted(credits, key=lambda item: (item.expires, len(item.services) or 99, item.begins, item.name)):
        paid = _paid(charges, item)
        charges = (
            charges.join(paid, on=WHERE, how="left", maintain_order="left")
            .with_columns((pl.col("owed") - pl.col("paid").fill_null(0.0)).round(DIGITS).alias("owed"))
            .drop("paid")
        )
        spent = paid.with_columns((-pl.col("paid")).alias("cost")).drop("paid")
        same = [pl.col("cost").alias(name) for name in ("net_cost", "amortized", "net_amortized")]
        made.append(rows(spent.with_columns(same), record_type="Credit", note=f"Credit {item.name}"))
    return pl.concat(made)


def tax_rows(frame: pl.DataFrame, period: date, terms: Commercial) -> pl.DataFrame:
    """One line by account and service over the month."""
    taxed = frame.filter(~pl.col("record_type").is_in(["Tax", "Credit"]))
    owed = (pl.col("net_cost").sum() * terms.tax_rate).round(DIGITS)
    codes = pl.col("service").replace_strict(CODES, default=pl.col("service"))
    summed = taxed.group_by("account", "service").agg(owed.alias("cost")).sort("account", "service")
    same = [pl.col("cost").alias(name) for name in ("net_cost", "amortized", "net_amortized")]
    told = summed.filter(pl.col("cost") != 0).with_columns(
        pl.lit(midnight(period)).alias("start"), pl.format("Tax for product code {}", codes).alias("note"), *same
    )
    return rows(told, record_type="Tax", region="us-east-1")


def midnight(day: date) -> datetime:
    """Its first moment, UTC."""
    return datetime.combine(day, time(), UTC)


def months(first: date, last: date) -> Iterator[date]:
    """The firsts of all months that these days are in."""
    period = first.replace(day=1)
    while period <= last:
        yield period
        period = following(period)


def following(period: date) -> date:
    """The first of the next month."""
    return (period.replace(day=28) + timedelta(days=4)).replace(day=1)


def _correction(frame: pl.DataFrame, item: Correction) -> pl.DataFrame:
    usage = pl.col("usage_type").str.replace("^[A-Z]{2,4}[0-9]?-", "") == item.usage_type
    found = frame.filter(
        (pl.col("record_type") == "Usage")
        & pl.col("note").is_null()
        & usage
        & pl.col("start").dt.date().is_between(item.first, item.last)
        & (pl.lit(value=True) if item.account is None else pl.col("account") == item.account)
    )
    more = (pl.col("cost") * (item.factor - 1)).round(DIGITS)
    names = ("list_cost", "net_cost", "amortized", "net_amortized")
    words = f"Correction of {item.usage_type}, {item.first} to {item.last}, posted on {item.posted:%Y-%m-%d}"
    return (
        found.with_columns(more.alias("cost"))
        .with_columns(
            *(pl.col("cost").alias(name) for name in names),
            pl.lit(0.0).alias("quantity"),
            pl.lit(None, pl.Float64).alias("rate"),
            pl.lit(words).alias("note"),
        )
        .filter(pl.col("cost") != 0)
    )


def _discounts(item: PrivateDiscount) -> pl.Expr:
    """Which rows a discount is on. Covered usage counts as what its plan's fee is."""
    day = pl.col("start").dt.date()
    on = pl.col("record_type").is_in(DISCOUNTED) & (day >= item.since)
    if item.until is not None:
        on &= day < item.until
    if item.usage_types:
        bare = pl.col("usage_type").str.replace("^[A-Z]{2,4}[0-9]?-", "")
        on &= (pl.col("record_type") == "Usage") & bare.is_in(item.usage_types)
    if item.services:
        fee = pl.when(pl.col("service") == "Amazon SageMaker").then(pl.lit(FEES["MachineLearning"][0]))
        service = (
            pl.when(pl.col("record_type") == "SavingsPlanCoveredUsage")
            .then(fee.otherwise(pl.lit(FEES["Compute"][0])))
            .otherwise(pl.col("service"))
        )
        on &= service.is_in(item.services)
    return on


def _words(item: PrivateDiscount) -> str:
    kinds = {
        "EdpDiscount": "Enterprise Program Discount",
        "PrivateRateDiscount": "Private Rate Card Discount",
        "BundledDiscount": "Bundled Discount",
    }
    return f"{kinds[item.kind]} of {item.share:.2%}"


def _refund(item: Refund) -> pl.DataFrame:
    amount = -round(item.amount, DIGITS)
    at = pl.DataFrame({"start": [midnight(item.day)]}, schema={"start": pl.Datetime("us", "UTC")})
    money = dict.fromkeys(("cost", "net_cost", "amortized", "net_amortized"), amount)
    return rows(
        at,
        account=item.account,
        region="us-east-1",
        service=item.service,
        record_type="Refund",
        note=f"Refund: {item.reason}",
        **money,
    )


def _paid(charges: pl.DataFrame, item: Credit) -> pl.DataFrame:
    """What a credit pays of the charges, day by day, its owner's first."""
    day = pl.col("start").dt.date()
    found = charges.filter(
        day.is_between(item.begins, item.expires, closed="left")
        & (pl.col("service").is_in(item.services) | (not item.services))
    )
    own = pl.col("account") != item.account
    order = found.with_columns(own.alias("other")).sort("start", "other", "account", "region", "service")
    before = pl.col("owed").cum_sum() - pl.col("owed")
    paid = (item.amount - before).clip(0, pl.col("owed")).round(DIGITS)
    return order.select(*WHERE, paid.alias("paid")).filter(pl.col("paid") > 0)
