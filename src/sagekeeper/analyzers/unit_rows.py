"""What all units have in common: the days of cost they are counted from, how amounts are summed, and when too
little is known.

In: `DAILY_COSTS` of one bill. Out: one row per resource and day of usage, and the expressions that rows of
`UNIT_COSTS` are made of.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import BILL, AnalyzerSettings
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER

AMOUNTS = ("billed_cost", "effective_cost", "contracted_cost", "list_cost")
PLACE = ["account", "region", "name", "currency"]


class Settings(AnalyzerSettings):
    """From what on a cost per unit is said."""

    least_invocations: int = Field(1000, ge=1, description="fewer in a month are too few to say")
    least_runs: int = Field(3, ge=1, description="fewer runs, executions or trials in a month are too few to say")
    least_tokens: int = Field(100_000, ge=1, description="fewer in a month are too few to say")
    least_share: float = Field(
        0.8, gt=0, le=1, description="share of the days or runs that must be known to speak of the month"
    )


def usage_days(daily_costs: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """[account, region, name, currency, kind, day, `AMOUNTS`, certainty, provisional, owner].

    Usage only. An amount that is unknown for a part of a day is unknown for the day.
    """
    young = pl.col("day") >= (as_of - FINAL_AFTER).date()
    unsettled = pl.when(pl.col("dataset") == BILL).then(young).otherwise(pl.col("estimated").fill_null(value=False))
    return (
        daily_costs.filter((pl.col("charge_category") == "Usage") & pl.col("resource_name").is_not_null())
        .with_columns(unsettled=unsettled)
        .group_by("account", "region", "currency", "day", kind="resource_kind", name="resource_name")
        .agg(
            *summed(),
            certainty=certainty(pl.col("attribution")),
            provisional=pl.col("unsettled").any(),
            owner=pl.col("owner").drop_nulls().last(),
        )
    )


def summed(kept: pl.Expr | None = None, weight: pl.Expr | None = None) -> list[pl.Expr]:
    """Sums of `AMOUNTS` over the rows that are ``kept``, times ``weight``; unknown where one of them is."""
    sums = []
    for name in AMOUNTS:
        amount = pl.col(name) if weight is None else pl.col(name) * weight
        amount = amount if kept is None else amount.filter(kept)
        sums.append(pl.when(amount.is_not_null().all()).then(amount.sum()).alias(name))
    return sums


def certainty(column: pl.Expr) -> pl.Expr:
    """Measured only where all of it is."""
    return pl.when((column == "measured").all()).then(pl.lit("measured")).otherwise(pl.lit("derived"))


def too_little(settings: Settings, what: str) -> pl.Expr:
    """Why the month is not known although some of it is; null where enough is."""
    part = pl.format(f"{what} are known on {{}} of {{}} {{}} only", "found", "expected", "counted")
    return pl.when(pl.col("found") < settings.least_share * pl.col("expected")).then(part)


def too_few(least: float, noun: str) -> pl.Expr:
    """Why nothing is said although the quantity ``raw`` is known: it is smaller than ``least``; null otherwise."""
    said = pl.format(f"too few to say: {{}} {noun}", pl.col("raw").cast(pl.Int64))
    return pl.when(pl.col("raw") < least).then(said)
