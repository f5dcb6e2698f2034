"""A bill with a Savings Plan, a discount, a credit and a refund is collected whole: billed and amortised."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.analyzers.waterfall import waterfall
from sagekeeper.core.tables import COSTS
from sagekeeper.simulator.client import Simulator

from .conftest import PAYER, open_collector, roles

pytestmark = pytest.mark.integration
CENT = 0.005


def test_the_lake_has_cost_explorers_billed_and_amortised_cost_of_every_month(
    simulator: Simulator, tmp_path: Path
) -> None:
    house = open_collector(simulator.url, tmp_path / "house", roles())
    plans = house.sessions.client("savingsplans", PAYER, "us-east-1")
    offers = plans.describe_savings_plans_offerings(
        planTypes=["SageMaker"], durations=[31_536_000], paymentOptions=["Partial Upfront"]
    )
    plans.create_savings_plan(savingsPlanOfferingId=offers["searchResults"][0]["offeringId"], commitment="1.5")
    today = simulator.now().date()
    simulator.set_commercial(
        discounts=[{"kind": "EdpDiscount", "share": 0.07, "since": today.isoformat()}],
        credits=[{"name": "gift", "amount": 40, "expires": (today + timedelta(days=3)).isoformat()}],
        refunds=[{"service": "Amazon SageMaker", "amount": 5, "day": (today - timedelta(days=30)).isoformat()}],
    )
    simulator.advance(days=5)
    as_of = house.clock()
    house.collect(as_of, only=["cost_explorer"])
    lake = (
        house.lake.scan(COSTS)
        .filter(pl.col("x_ChargeDate").dt.month().is_in([10, 11]))
        .group_by(pl.col("x_ChargeDate").dt.truncate("1mo").dt.to_string("%Y-%m-%d").alias("month"))
        .agg(pl.col("BilledCost", "EffectiveCost").sum())
        .sort("month")
        .collect()
    )
    told = house.sessions.client("ce", PAYER, "us-east-1").get_cost_and_usage(
        TimePeriod={"Start": "2026-10-01", "End": as_of.date().isoformat()},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost", "AmortizedCost"],
    )["ResultsByTime"]
    for metric, column in (("UnblendedCost", "BilledCost"), ("AmortizedCost", "EffectiveCost")):
        expected = [float(month["Total"][metric]["Amount"]) for month in told]
        assert lake[column].to_list() == pytest.approx(expected, abs=CENT)
    # What was paid up front is billed at once, and effective by the hour.
    assert lake["BilledCost"][1] > lake["EffectiveCost"][1] + 5_000
    november = house.lake.scan(COSTS).filter(pl.col("x_ChargeDate") >= today.replace(day=1))
    found = waterfall(november)
    assert float(found.amount("Billed cost")) == pytest.approx(
        float(told[1]["Total"]["UnblendedCost"]["Amount"]), abs=CENT
    )
    assert found.amount("Paid upfront now") > 5_000
    assert found.amount("Saved by commitments") < 0 and found.amount("Discounts") < 0 and found.amount("Credits") < 0
    assert not found.amount("Other lines") and abs(found.amount("Discounts on payments")) < 0.001
    house.ledger.close()
