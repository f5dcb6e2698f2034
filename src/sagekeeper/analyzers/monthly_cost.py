"""What a resource costs per month of 730 hours, and how well that is known.

In: `DAILY_COSTS` and ``as_of``. Out: the mean of each endpoint's last full, final days times 730/24. It is the same arithmetic as
that of the lifecycle's measurement, so that a promise made from it can be held against the bill later: usage only, Cost
Explorer's bill, up to 14 days older than 48 hours, not the day it was made. Without such days the list price stands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from sagekeeper.analyzers.commitments import ALIKE, uncommitted
from sagekeeper.analyzers.effective_rates import Rates
from sagekeeper.analyzers.endpoints import counts
from sagekeeper.analyzers.facts import BILL, Facts
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.types import HOURS_PER_MONTH, Certainty, CostBasis, Severity

FINAL_AFTER = timedelta(hours=48)
BASELINE_DAYS = 14
DAYS_PER_MONTH = HOURS_PER_MONTH / 24


@dataclass(frozen=True)
class MonthlyCost:
    """``per_month`` in ``currency``. ``uncertainty`` is relative; ``days`` 0 where it is a list price. ``realisable``: share
    that stops with the resource; the rest is paid by a commitment, whatever runs (`commitments.py`)."""

    per_month: float
    currency: str
    basis: CostBasis
    certainty: Certainty
    uncertainty: float
    days: int
    realisable: float = 1.0


def endpoint_costs(facts: Facts) -> dict[tuple[str, str, str], MonthlyCost]:
    """By account, region and endpoint name, from the bill. An endpoint that is not on it is absent."""
    final = pl.lit((facts.as_of - FINAL_AFTER).date())
    first = final - pl.duration(days=BASELINE_DAYS)
    created = facts.inventory.filter(pl.col("kind") == "endpoint").select(
        "account", "region", resource_name="name", born=pl.col("created_at").dt.date()
    )
    own = (
        facts.daily_costs.filter(
            (pl.col("dataset") == BILL)
            & (pl.col("resource_kind") == "endpoint")
            & (pl.col("charge_category") == "Usage")
            & pl.col("day").is_between(first, final, closed="left")
        )
        .join(created, on=["account", "region", "resource_name"], how="left")
        .filter(pl.col("born").is_null() | (pl.col("day") > pl.col("born")))
    )
    keys = ["account", "region", "resource_name", "currency"]
    days = own.group_by(*keys, "day").agg(
        # The effective cost spreads commitments; where the bill does not know it the billed one stands in.
        cost=pl.col("effective_cost").sum(),
        billed=pl.col("billed_cost").sum(),
        effective=pl.col("effective_cost").is_not_null().all(),
        measured=(pl.col("attribution") == "measured").all(),
    )
    # Days on which the bill itself names the resource are better than shared ones, if there are enough.
    days = days.filter(pl.col("measured") | (pl.col("measured").sum().over(keys) < 3))
    amount = pl.when(pl.col("effective").all()).then(pl.col("cost").mean()).otherwise(pl.col("billed").mean())
    until = (facts.as_of - FINAL_AFTER).date()
    shares = uncommitted(facts.costs, until - timedelta(days=BASELINE_DAYS), until)
    means = days.group_by(keys).agg(
        (pl.col("cost").sum() < pl.col("billed").sum() * (1 - ALIKE)).alias("covered"),
        pl.col("effective").all(),
        pl.col("measured").all(),
        mean=amount,
        days=pl.len(),
        currencies=pl.col("currency").first(),
    )
    return {
        (row["account"], row["region"], row["resource_name"]): MonthlyCost(
            per_month=row["mean"] * DAYS_PER_MONTH,
            currency=row["currency"],
            basis="effective" if row["effective"] else "billed",
            certainty="measured" if row["measured"] else "derived",
            uncertainty=0.0,
            days=row["days"],
            # Of a cost that was shared out by hours it is not known which of them were covered: none is called free.
            realisable=shares.get((row["account"], f"endpoint/{row['resource_name']}"), 0.0)
            if row["effective"] and row["covered"]
            else 1.0,
        )
        for row in means.sort(keys).iter_rows(named=True)
    }


def list_cost(facts: Facts, endpoint: dict[str, Any], machines: dict[str, str] | None = None) -> MonthlyCost:
    """At list price, of a row of `endpoints.standing`; ``machines``: other instance types by variant. Raises PriceUnknown."""
    running = counts(endpoint)
    total, worst = 0.0, 0.0
    for variant in endpoint["variants"]:
        name = variant["VariantName"]
        kind = (machines or {}).get(name) or variant["InstanceType"]
        if kind is None or name not in running:
            raise PriceUnknown(f"What {endpoint['name']} runs on is not known: its cost is unknown.")
        price = facts.prices.hourly(kind, "Hosting", endpoint["region"])
        total += price.usd * running[name] * HOURS_PER_MONTH
        worst = max(worst, price.uncertainty)
    return MonthlyCost(total, "USD", "list", "assumed", worst, 0)


def hosting_cost(
    facts: Facts, endpoint: dict[str, Any], known: Rates, machines: dict[str, str], discount: float
) -> float:
    """Its instance hours of a month, ``machines`` in place of those that it has: at the bill's rate for the type where the bill
    has it, else at list price times the discount that the bill gives the type it has, else times ``discount``.

    Raises PriceUnknown.
    """
    running = counts(endpoint)
    total = 0.0
    for variant in endpoint["variants"]:
        old = variant["InstanceType"]
        kind = machines.get(variant["VariantName"]) or old
        rate, now = (known.get((endpoint["account"], endpoint["region"], f"Host:{name}")) for name in (kind, old))
        if rate is None:
            own = min(1.0, now / facts.prices.hourly(old, "Hosting", endpoint["region"]).usd) if now else discount
            rate = facts.prices.hourly(kind, "Hosting", endpoint["region"]).usd * own
        total += rate * running[variant["VariantName"]] * HOURS_PER_MONTH
    return total


def cost_of(
    facts: Facts, endpoint: dict[str, Any], billed: dict[tuple[str, str, str], MonthlyCost]
) -> MonthlyCost | None:
    """The bill's word, else the list price, else unknown."""
    known = billed.get((endpoint["account"], endpoint["region"], endpoint["name"]))
    if known is not None:
        return known
    try:
        return list_cost(facts, endpoint)
    except PriceUnknown:
        return None


STEPS: tuple[tuple[float, Severity], ...] = (
    (2000, "critical"),
    (500, "high"),
    (100, "medium"),
    (10, "low"),
    (0, "info"),
)
"""By money a month, in the bill's currency."""


def severity(impact_per_month: float | None, certainty: Certainty = "measured") -> Severity:
    """How loud a finding about money is: by the money, and a step lower where that is only assumed. Unknown money is medium."""
    if impact_per_month is None:
        return "medium"
    reached = next((step for step, (least, _) in enumerate(STEPS) if impact_per_month >= least), len(STEPS) - 1)
    lowered = reached + (certainty == "assumed")
    return STEPS[min(lowered, len(STEPS) - 1)][1]
