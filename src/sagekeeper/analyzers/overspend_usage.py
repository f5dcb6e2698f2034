"""What of a risen sum is price, quantity and mix, and of which usage types: what the bill's own lines say of it.

In: a sum of an account, a service or a usage family that is told whole, bill rows of the last weeks. Out: a `UsageSplit`; None
where the bill's lines do not reach back or the sum runs now and then. Now is the days since it rose, before the learned days
brought to as many days and to what was expected, so that the effects add up to what is told as too much on final days. Costs are
those at the prices from before they rose: what a price change took is told by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import polars as pl

from sagekeeper.analyzers.at_old_prices import price_effects
from sagekeeper.analyzers.causes import explain
from sagekeeper.analyzers.effects import EFFECTS, effects
from sagekeeper.analyzers.facts import BILL, Facts
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.analyzers.usage import with_usage

SAYS = {
    "quantity": ("more_use", "more of it is used"),
    "price": ("price", "a unit of it costs more"),
    "mix": ("dearer_mix", "dearer kinds of it are used"),
    "unsplit": ("unknown", "the bill does not say how much of it is used"),
}
"""The largest effect as a cause (`Stake`) and in words."""
ACCOUNT = 3
LINE = ["account", "region", "service", "usage_type", "currency", "day"]


@dataclass(frozen=True)
class UsageSplit:
    """``amounts`` by effect, in the row's currency, over its final days; ``cause`` and ``sentence`` of the largest usage type."""

    amounts: dict[str, float]
    cause: str
    sentence: str


def usage_split(facts: Facts, row: dict[str, Any], learned_days: int, judged_days: int) -> UsageSplit | None:
    """Of a ``row`` of `overspend_told` that is a sum."""
    final = (facts.as_of - FINAL_AFTER).date()
    split = final - timedelta(days=judged_days)
    lines = _lines(facts, row)
    lines = lines.filter((pl.col("day") >= split - timedelta(days=learned_days)) & (pl.col("day") < final))
    learned = lines.filter(pl.col("day") < min(split, row["since"]))
    days, before = (final - row["since"]).days, learned["day"].n_unique()
    paid = float(learned["cost"].sum())
    if row["sparse"] or not before or paid <= 0 or days <= 0:
        return None
    scale = row["usual"] * days / paid
    keys = ["usage_type", "region", "unit"]
    sides = (
        lines.filter(pl.col("day") >= row["since"])
        .group_by(keys)
        .agg(pl.col("quantity").sum(), pl.col("cost").sum())
        .join(
            learned.group_by(keys).agg(
                quantity_before=pl.col("quantity").sum() * scale, cost_before=pl.col("cost").sum() * scale
            ),
            on=keys,
            how="full",
            coalesce=True,
            nulls_equal=True,
        )
    )
    whole = effects(sides.with_columns(of=pl.lit("")), ["of"]).row(0, named=True)
    found = explain(
        sides.select(
            "usage_type", "region", actual=pl.col("cost").fill_null(0.0), expected=pl.col("cost_before").fill_null(0.0)
        ),
        ("usage_type", "region"),
    ).nodes
    if found.is_empty():
        return None
    top = found.row(0, named=True)
    inside = pl.col("usage_type").eq_missing(pl.lit(top["usage_type"]))
    if top["region"] is not None:
        inside &= pl.col("region") == top["region"]
    own = effects(sides.filter(inside).with_columns(of=pl.lit("")), ["of"]).row(0, named=True)
    cause, says = SAYS[max(EFFECTS, key=lambda name: own[name])]
    if row["level"] == ACCOUNT:
        # Its largest usage type is one of many.
        cause, _ = SAYS[max(EFFECTS, key=lambda name: whole[name])]
    share = f"{top['share']:.0%}".replace("%", " %")
    return UsageSplit(
        {name: whole[name] for name in EFFECTS},
        cause,
        f"{share} of it is {top['usage_type'] or 'without a usage type'}: {says}.",
    )


def _lines(facts: Facts, row: dict[str, Any]) -> pl.DataFrame:
    """[*LINE, unit, quantity, cost]: usage of the sum, at old prices."""
    own = facts.costs.filter(
        (pl.col("x_Dataset") == BILL)
        & (pl.col("ChargeCategory") == "Usage")
        & (pl.col("SubAccountId") == row["account"])
        & (pl.col("BillingCurrency") == row["currency"])
        & pl.col("BilledCost").is_not_null()
    )
    if row["level"] != ACCOUNT:
        own = own.filter(pl.col("ServiceName") == row["service"])
    whole = own.select(
        account="SubAccountId", region="RegionId", service="ServiceName", usage_type="x_UsageType",
        currency="BillingCurrency", day="x_ChargeDate", unit="ConsumedUnit", quantity="ConsumedQuantity", cost="BilledCost",
        description="ChargeDescription", charge_category="ChargeCategory",
    )  # fmt: skip
    if row["level"] == 1:
        whole = with_usage(whole).filter(pl.col("usage_family") == row["usage_family"])
    told = price_effects(replace(facts, costs=own)).group_by(LINE).agg(effect=pl.col("effect").sum())
    return (
        whole.group_by(*LINE, "unit")
        .agg(pl.col("quantity").sum(), pl.col("cost").sum())
        .join(told, on=LINE, how="left", nulls_equal=True)
        .with_columns(cost=pl.col("cost") - pl.col("effect").fill_null(0.0))
        .drop("effect")
    )
