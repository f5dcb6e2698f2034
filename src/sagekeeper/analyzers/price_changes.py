"""Prices that have risen: the same usage costs more a unit than it did, and what that alone comes to.

In: bill rows. Out: one finding per account, region and usage type whose unit price was steady, rose, and is steady since. The
excess is the price effect alone, quantity x (price - price before), so that more or less use changes nothing of it. Usage
without a quantity has no unit price; days younger than 48 hours count into the excess, never into the prices compared.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import BILL, Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, FINAL_AFTER, severity
from sagekeeper.analyzers.stakes import stake
from sagekeeper.core.clock import day_start
from sagekeeper.core.types import Evidence, Figure, Finding, Money, ResourceRef, Series, fingerprint

KEY = ["account", "region", "service", "usage_type", "currency"]
STEADY = 0.01
"""Relative spread of a day's unit price below which it is one price: rounding of small amounts."""


class Settings(AnalyzerSettings):
    """Which rises are told."""

    least_rise: float = Field(0.02, gt=STEADY, description="relative rise of the unit price below which it is not told")
    least_excess_per_month: float = Field(50, ge=0, description="in the bill's currency, below which it is not told")
    days_before: int = Field(7, ge=3, description="how many days the old price must have held")
    days_since: int = Field(2, ge=2, description="how many final days the new price must have held")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per usage type whose price has risen."""
    days = unit_prices(facts.costs)
    return [_finding(facts, row, days) for row in risen(days, facts.as_of, settings).iter_rows(named=True)]


def unit_prices(costs: pl.DataFrame) -> pl.DataFrame:
    """[`KEY`, day, quantity, cost, price] of usage with a quantity, sorted by day."""
    used = (pl.col("x_Dataset") == BILL) & (pl.col("ChargeCategory") == "Usage") & (pl.col("ConsumedQuantity") > 0)
    return (
        costs.filter(used & pl.col("BilledCost").is_not_null() & pl.col("x_UsageType").is_not_null())
        .group_by(
            account="SubAccountId",
            region="RegionId",
            service="ServiceName",
            usage_type="x_UsageType",
            currency="BillingCurrency",
            day="x_ChargeDate",
        )
        .agg(quantity=pl.col("ConsumedQuantity").sum(), cost=pl.col("BilledCost").sum())
        .with_columns(price=pl.col("cost") / pl.col("quantity"))
        .sort(*KEY, "day", nulls_last=True)
    )


def risen(days: pl.DataFrame, as_of: datetime, settings: Settings) -> pl.DataFrame:
    """[`KEY`, since, before, now, excess, per_month], the most money first."""
    price, day = pl.col("price"), pl.col("day")
    final = days.filter(day < (as_of - FINAL_AFTER).date())
    marked = final.with_columns(now=price.last().over(KEY))
    other = (price / pl.col("now") - 1).abs() > STEADY
    split = marked.with_columns(changed=day.filter(other).max().over(KEY)).filter(pl.col("changed").is_not_null())
    after = day > pl.col("changed")
    old, lately = price.filter(~after).tail(settings.days_before), price.filter(after)
    steps = (
        split.group_by(KEY)
        .agg(
            pl.col("now").first(),
            since=day.filter(after).min(),
            before=old.median(),
            spread=(old.max() - old.min()) / old.median(),
            held=old.len(),
            holds=lately.len(),
        )
        .filter(
            (pl.col("held") >= settings.days_before)
            & (pl.col("holds") >= settings.days_since)
            & (pl.col("spread") < STEADY)
            & (pl.col("now") >= pl.col("before") * (1 + settings.least_rise))
        )
    )
    whole = day < (as_of - FINAL_AFTER).date()
    effect = pl.col("cost") - pl.col("quantity") * pl.col("before")
    return (
        days.join(steps, on=KEY, how="inner", nulls_equal=True)
        .filter(day >= pl.col("since"))
        .group_by(KEY)
        .agg(
            pl.col("since", "before", "now").first(),
            excess=effect.sum(),
            # A day without this usage is a day without excess: the mean is over all days, not over those with usage.
            per_month=effect.filter(whole).sum()
            / ((day.filter(whole).max() - pl.col("since").first()).dt.total_days() + 1)
            * DAYS_PER_MONTH,
        )
        .filter(pl.col("per_month") >= settings.least_excess_per_month)
        .sort("per_month", descending=True)
    )


def _finding(facts: Facts, row: dict[str, Any], days: pl.DataFrame) -> Finding:
    since: date = row["since"]
    money, usage = row["currency"], row["usage_type"]
    rise = f"{row['now'] / row['before'] - 1:.1%}".replace("%", " %")
    because = f"The price of {usage} went from {row['before']:.4g} to {row['now']:.4g} {money} a unit on {since:%A %-d %B %Y}."
    period = f"since {since:%-d %b %Y}"
    own = days.filter(*(pl.col(name).eq_missing(pl.lit(row[name])) for name in KEY))
    drawn = own.with_columns(at=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    figures = [
        (
            "Price before",
            row["before"],
            f"{money} a unit",
            f"the days before {since:%-d %b %Y}",
            "billed cost / quantity",
        ),
        ("Price now", row["now"], f"{money} a unit", period, "billed cost / quantity"),
        ("Too much so far", round(row["excess"], 2), money, period, "quantity x rise of the price"),
    ]
    return Finding(
        fingerprint=fingerprint("price_change", *(str(row[name]) for name in KEY)),
        kind="price_change",
        subject=ResourceRef(account=row["account"], region=row["region"] or "", kind="usage_type", name=usage),
        severity=severity(row["per_month"]),
        title=f"{usage} costs {rise} more a unit",
        explanation=f"{because} At today's use that is {row['per_month']:,.0f} {money} a month.",
        impact_per_month=Money.of(row["per_month"]).amount,
        currency=money,
        basis="billed",
        certainty="measured",
        first_seen=day_start(since),
        last_seen=facts.as_of,
        evidence=Evidence(
            figures=[Figure(label=a, value=b, unit=c, period=d, basis=e) for a, b, c, d, e in figures],
            series=[Series(name="Price of a unit", unit=money, points=list(drawn.select("at", "price").rows()))],
        ),
        stake=stake(facts.as_of, since, row["excess"], row["per_month"] / DAYS_PER_MONTH, "price", because),
    )


ANALYZER = Analyzer(
    name="price_change",
    kinds=("price_change",),
    description="Usage whose price has risen, whatever its quantity",
    settings=Settings,
    find=find,
)
