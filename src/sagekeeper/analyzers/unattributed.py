"""Money without a name: what of the machine learning bill belongs to no resource or to nobody.

In: daily costs. Out: one finding per account whose share of cost without a resource is worth a look. Two questions are kept
apart: cost that the bill gives to no resource, and cost of resources that no owner tag names.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import BILL, Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, FINAL_AFTER
from sagekeeper.core.clock import day_start
from sagekeeper.core.types import Completeness, Evidence, Figure, Finding, Money, ResourceRef, Series, fingerprint

WINDOW_DAYS = 28
KEY = ["account", "currency"]


class Settings(AnalyzerSettings):
    """What is worth a look."""

    least_share: float = Field(
        0.05, ge=0, le=1, description="share of an account's usage cost without resource or owner"
    )
    least_per_month: float = Field(20, ge=0, description="in the bill's currency")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per account and currency."""
    final = (facts.as_of - FINAL_AFTER).date()
    usage = facts.daily_costs.filter(
        (pl.col("dataset") == BILL)
        & (pl.col("charge_category") == "Usage")
        & pl.col("day").is_between(final - timedelta(days=WINDOW_DAYS), final, closed="left")
    )
    cost = pl.col("billed_cost")
    nameless = pl.col("resource_kind").is_null()
    sums = (
        usage.group_by(KEY)
        .agg(
            total=cost.sum(),
            nameless=cost.filter(nameless).sum(),
            ownerless=cost.filter(~nameless & pl.col("owner").is_null()).sum(),
            days=pl.col("day").n_unique(),
        )
        .with_columns(lost=pl.col("nameless") + pl.col("ownerless"))
        .filter(
            (pl.col("lost") >= settings.least_share * pl.col("total"))
            & (pl.col("lost") / pl.col("days") * DAYS_PER_MONTH >= settings.least_per_month)
        )
        .sort(KEY)
    )
    return [_finding(facts, row, usage) for row in sums.iter_rows(named=True)]


def _finding(facts: Facts, row: dict[str, Any], usage: pl.DataFrame) -> Finding:
    own = usage.filter((pl.col("account") == row["account"]) & (pl.col("currency") == row["currency"]))
    money, period = row["currency"], f"last {row['days']} final days"
    lost = own.filter(pl.col("resource_kind").is_null() | pl.col("owner").is_null())
    places = (
        lost.group_by("service", "usage_family", "resource_name")
        .agg(pl.col("billed_cost").sum())
        .sort("billed_cost", "resource_name", descending=[True, False])
        .head(8)
    )
    daily = lost.group_by("day").agg(pl.col("billed_cost").sum()).sort("day")
    per_month = row["lost"] / row["days"] * DAYS_PER_MONTH
    return Finding(
        fingerprint=fingerprint("unattributed_cost", row["account"], row["currency"]),
        kind="unattributed_cost",
        subject=ResourceRef(account=row["account"], region="", kind="account", name=row["account"]),
        severity="info",
        title=f"{row['lost'] / row['total']:.0%} of account {row['account']} has no resource or no owner",
        explanation=(
            f"Of {row['total']:,.0f} {money} in {row['days']} days, {row['nameless']:,.0f} belong to no resource and "
            f"{row['ownerless']:,.0f} to resources without an owner tag, so nobody is asked about them."
        ),
        impact_per_month=Money.of(per_month).amount,
        currency=money,
        basis="billed",
        certainty="measured",
        first_seen=facts.as_of,
        last_seen=facts.as_of,
        evidence=Evidence(
            figures=[
                Figure(
                    label="No resource", value=round(row["nameless"], 2), unit=money, period=period, basis="billed cost"
                ),
                Figure(
                    label="No owner", value=round(row["ownerless"], 2), unit=money, period=period, basis="billed cost"
                ),
                *(
                    Figure(
                        label=item["resource_name"] or f"{item['service']}, {item['usage_family']}",
                        value=round(item["billed_cost"], 2),
                        unit=money,
                        period=period,
                        basis="no owner tag" if item["resource_name"] else "the bill names no resource",
                    )
                    for item in places.iter_rows(named=True)
                ),
            ],
            series=[
                Series(
                    name="Cost without resource or owner, a day",
                    unit=money,
                    points=[(day_start(day), cost) for day, cost in daily.iter_rows()],
                )
            ],
        ),
        completeness=Completeness(found=row["days"], expected=WINDOW_DAYS),
    )


ANALYZER = Analyzer(
    name="unattributed_cost",
    kinds=("unattributed_cost",),
    description="Cost that belongs to no resource or to nobody",
    settings=Settings,
    find=find,
)
