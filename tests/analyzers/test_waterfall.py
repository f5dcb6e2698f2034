"""The way from list price to the invoice: every amount is in one step, the steps add up, and each says what it says it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.analyzers.waterfall import Waterfall, waterfall
from sagekeeper.core.tables import COSTS

PLAN = {"CommitmentDiscountId": "arn:plan", "CommitmentDiscountType": "Savings Plan"}
NAMES = ("ListCost", "ContractedCost", "EffectiveCost", "BilledCost")


def row(category: str, record: str | None, costs: tuple[float | None, ...], **more: Any) -> dict[str, Any]:
    """A charge with its list, contracted, effective and billed cost."""
    return {"ChargeCategory": category, "x_RecordType": record} | dict(zip(NAMES, costs, strict=True)) | more


def steps(*rows: dict[str, Any]) -> Waterfall:
    return waterfall(pl.DataFrame(rows, schema=COSTS.columns).lazy())


def told(found: Waterfall) -> dict[str, float]:
    return {step.name: float(step.amount) for step in found.steps}


def test_a_plan_with_credit_refund_and_tax_is_explained_from_list_price_to_the_invoice() -> None:
    """10 h at list 1.00, 0.90 by private rate; 4 h under a plan of 0.50, a fifth of which nobody used, half paid upfront."""
    found = steps(
        row("Usage", "Usage", (6.0, 5.4, 5.4, 5.4)),
        row("Usage", "SavingsPlanCoveredUsage", (4.0, 3.6, 2.0, 3.6), CommitmentDiscountStatus="Used", **PLAN),
        row("Usage", "SavingsPlanNegation", (0.0, 0.0, 0.0, -3.6), **PLAN),
        row(
            "Purchase",
            "SavingsPlanRecurringFee",
            (0.0, 0.0, 0.5, 1.25),
            CommitmentDiscountStatus="Unused",
            ChargeFrequency="Recurring",
            **PLAN,
        ),
        row("Credit", "Credit", (None, -1.0, -1.0, -1.0)),
        row("Adjustment", "Refund", (0.0, -0.3, -0.3, -0.3)),
        row("Tax", "Tax", (None, 0.66, 0.66, 0.66)),
    )
    assert told(found) == {
        "List price": 10.0,
        "Discounts": -1.0,
        "Contracted cost": 9.0,
        "Saved by commitments": -1.6,
        "Unused commitment": 0.5,
        "Effective cost": 7.9,
        "Paid upfront before": -1.25,
        "Billed, before credits and tax": 6.65,
        "Credits": -1.0,
        "Refunds and corrections": -0.3,
        "Tax": 0.66,
        "Billed cost": 6.01,
    }


def test_an_upfront_payment_is_billed_and_costs_the_month_nothing() -> None:
    fee = {"ChargeFrequency": "One-Time"}
    found = steps(
        row("Usage", "Usage", (1.0, 1.0, 1.0, 1.0)),
        row("Purchase", "SavingsPlanUpfrontFee", (0.0, 0.0, 0.0, 4380.0), **fee, **PLAN),
        row("Purchase", "Fee", (0.0, 0.0, 0.0, 365.0), CommitmentDiscountId="arn:reservation", **fee),
        row("Purchase", "Fee", (None, 29.0, 29.0, 29.0), **fee),  # a support fee is no prepayment
    )
    assert found.amount("Effective cost") == 30
    assert found.amount("Paid upfront now") == 4745
    assert found.amount("Billed cost") == 4775


def test_a_reservation_costs_its_share_and_what_of_it_was_unused() -> None:
    ri = {"CommitmentDiscountId": "arn:reservation", "CommitmentDiscountType": "Reserved Instance"}
    found = steps(
        row("Usage", "DiscountedUsage", (5.0, 5.0, 3.25, 0.0), CommitmentDiscountStatus="Used", **ri),
        row("Purchase", "RIFee", (0.0, 0.0, 0.75, 2.5), CommitmentDiscountStatus="Unused", **ri),
    )
    assert told(found) == {
        "List price": 5.0,
        "Contracted cost": 5.0,
        "Saved by commitments": -1.75,
        "Unused commitment": 0.75,
        "Effective cost": 4.0,
        "Paid upfront before": -1.5,
        "Billed, before credits and tax": 2.5,
        "Billed cost": 2.5,
    }


def test_focus_states_the_same_without_record_types() -> None:
    """FOCUS bills covered usage as nothing, and the fee as a purchase without effective cost."""
    found = steps(
        row("Usage", None, (4.0, 3.6, 2.0, 0.0), CommitmentDiscountStatus="Used", **PLAN),
        row("Usage", None, (0.5, 0.5, 0.5, 0.0), CommitmentDiscountStatus="Unused", **PLAN),
        row("Purchase", None, (1.25, 1.25, 0.0, 1.25), ChargeFrequency="Recurring", **PLAN),
        row("Usage", None, (2.0, 0.6, 0.6, 0.6), PricingCategory="Dynamic"),
    )
    assert told(found) == {
        "List price": 6.0,
        "Spot": -1.4,
        "Discounts": -0.4,
        "Contracted cost": 4.2,
        "Saved by commitments": -1.6,
        "Unused commitment": 0.5,
        "Effective cost": 3.1,
        "Paid upfront before": -1.25,
        "Billed, before credits and tax": 1.85,
        "Billed cost": 1.85,
    }


def test_a_discount_is_one_whether_it_has_a_line_of_its_own_or_net_columns() -> None:
    apart = steps(
        row("Usage", "Usage", (10.0, 10.0, 10.0, 10.0)), row("Adjustment", "EdpDiscount", (0.0, -0.7, -0.7, -0.7))
    )
    net = steps(row("Usage", "Usage", (10.0, 9.3, 9.3, 10.0)), row("Adjustment", "EdpDiscount", (0.0, 0.0, 0.0, -0.7)))
    assert told(apart) == told(net)
    assert told(net)["Discounts"] == -0.7


def test_what_a_bill_does_not_state_is_no_discount_and_is_told() -> None:
    """Cost Explorer states billed and effective cost only; a plan's usage is billed there at its on-demand price."""
    found = steps(
        row("Usage", "Usage", (None, None, 5.0, 5.0)),
        row("Usage", "SavingsPlanCoveredUsage", (None, None, 2.0, 3.6)),
        row("Usage", "SavingsPlanNegation", (None, None, 0.0, -3.6)),
        row("Purchase", "SavingsPlanRecurringFee", (None, None, 0.5, 2.5)),
    )
    assert found.amount("List price") == found.amount("Contracted cost") == Decimal("8.6")
    assert found.amount("Saved by commitments") == Decimal("-1.6")
    assert found.amount("Billed cost") == Decimal("7.5")
    assert found.unstated == 7


def test_cost_explorers_usage_that_a_plan_covers_in_part_is_explained_too() -> None:
    """Ten hours at 1.00, of which a plan covers four at 0.50: one row of Cost Explorer, by usage type."""
    asked = {"x_Source": "cost_explorer"}
    found = steps(
        row("Usage", "Usage", (None, None, 8.0, 10.0), **asked),
        row("Usage", "Usage", (None, None, 3.0, 3.0), **asked),
        row("Usage", "SavingsPlanNegation", (None, None, 0.0, -4.0), **asked),
        row("Purchase", "SavingsPlanRecurringFee", (None, None, 0.5, 2.5), ChargeFrequency="Recurring", **asked),
        row("Adjustment", "EdpDiscount", (None, None, -0.7, -0.7), **asked),
    )
    assert told(found) == {
        "List price": 13.0,
        "Discounts": -0.7,
        "Contracted cost": 12.3,
        "Saved by commitments": -2.0,
        "Unused commitment": 0.5,
        "Effective cost": 10.8,
        "Billed, before credits and tax": 10.8,
        "Billed cost": 10.8,
    }


def test_no_rows_are_a_month_of_nothing() -> None:
    assert set(told(steps()).values()) == {0.0}


amounts = st.one_of(st.none(), st.decimals(-(10**6), 10**6, places=10).map(float))
RECORDS = (None, "Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee", "RIFee")
charges = st.builds(
    row,
    st.sampled_from(["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
    st.sampled_from((*RECORDS, "SavingsPlanUpfrontFee", "DiscountedUsage", "Fee", "Refund", "EdpDiscount", "Surprise")),
    st.tuples(amounts, amounts, amounts, st.decimals(-(10**6), 10**6, places=10).map(float)),
    CommitmentDiscountStatus=st.sampled_from([None, "Used", "Unused"]),
    CommitmentDiscountId=st.sampled_from([None, "arn:plan"]),
    ChargeFrequency=st.sampled_from([None, "One-Time", "Recurring", "Usage-Based"]),
    PricingCategory=st.sampled_from([None, "Standard", "Dynamic"]),
)


@given(st.lists(charges, max_size=12), st.randoms(use_true_random=False))
def test_whatever_the_rows_say_the_steps_add_up_to_what_was_billed(rows: list[dict[str, Any]], chance: Any) -> None:
    found = steps(*rows)
    level = Decimal(0)
    for number, step in enumerate(found.steps):
        level = step.amount if step.total and not number else level if step.total else level + step.amount
        assert not step.total or step.amount == level, step
    assert found.steps[-1].name == "Billed cost"
    assert abs(level - sum((Decimal(repr(item["BilledCost"])) for item in rows), Decimal(0))) < Decimal("1e-8")
    chance.shuffle(rows)
    assert abs(steps(*rows).amount("Billed cost") - level) < Decimal("1e-8")
