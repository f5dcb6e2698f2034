"""What the organisation agreed on with AWS, over the wire: a plan bought, a discount, a credit that runs out, a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
CLOSED = 3
"""So many days after its end, a day of use is final."""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account"), speed=0.0) as running:
        yield running


def aws(account: RunningSimulator, service: str) -> Any:
    return boto3.client(service, endpoint_url=account.url, **KEYS)


def day_of(account: RunningSimulator, day: date, metric: str = "UnblendedCost") -> dict[str, float]:
    """A day's bill by record type."""
    answer = aws(account, "ce").get_cost_and_usage(
        TimePeriod={"Start": day.isoformat(), "End": (day + timedelta(days=1)).isoformat()},
        Granularity="DAILY",
        Metrics=[metric],
        GroupBy=[{"Type": "DIMENSION", "Key": "RECORD_TYPE"}],
    )
    (found,) = answer["ResultsByTime"]
    return {group["Keys"][0]: float(group["Metrics"][metric]["Amount"]) for group in found["Groups"]}


def test_a_plan_that_is_bought_covers_usage_from_its_first_hour(account: RunningSimulator) -> None:
    plans = aws(account, "savingsplans")
    (offer, *_) = plans.describe_savings_plans_offerings(
        planTypes=["SageMaker"], durations=[31_536_000], paymentOptions=["Partial Upfront"]
    )["searchResults"]
    plans.create_savings_plan(savingsPlanOfferingId=offer["offeringId"], commitment="0.4")
    bought = account.now().date()
    account.advance(days=2 + CLOSED)
    day = bought + timedelta(days=1)
    cost, amortized = day_of(account, day), day_of(account, day, "AmortizedCost")
    assert cost["SavingsPlanCoveredUsage"] > 0
    assert cost["SavingsPlanCoveredUsage"] + cost["SavingsPlanNegation"] == pytest.approx(0, abs=1e-6)
    assert cost["SavingsPlanRecurringFee"] == pytest.approx(24 * 0.4 / 2)
    assert day_of(account, bought)["SavingsPlanUpfrontFee"] == pytest.approx(0.4 * 8_760 / 2)
    used = amortized["SavingsPlanCoveredUsage"]
    assert used + amortized.get("SavingsPlanRecurringFee", 0.0) == pytest.approx(24 * 0.4)
    period = {"Start": day.isoformat(), "End": (day + timedelta(days=1)).isoformat()}
    told = aws(account, "ce").get_savings_plans_utilization(TimePeriod=period, Granularity="DAILY")["Total"]
    assert float(told["Utilization"]["TotalCommitment"]) == pytest.approx(24 * 0.4)
    assert float(told["Utilization"]["UsedCommitment"]) == pytest.approx(used)
    assert float(told["Savings"]["NetSavings"]) == pytest.approx(cost["SavingsPlanCoveredUsage"] - 24 * 0.4)
    coverage = aws(account, "ce").get_savings_plans_coverage(TimePeriod=period, Granularity="DAILY")
    covered = float(coverage["SavingsPlansCoverages"][0]["Coverage"]["SpendCoveredBySavingsPlans"])
    assert covered == pytest.approx(cost["SavingsPlanCoveredUsage"])


def test_a_budget_of_amortised_cost_counts_the_plan_by_the_hour(account: RunningSimulator) -> None:
    budgets = aws(account, "budgets")
    told = {}
    for amortised in (False, True):
        name = f"amortised-{amortised}"
        wish = {
            "BudgetName": name,
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
            "BudgetLimit": {"Amount": "1000", "Unit": "USD"},
            "CostTypes": {"UseAmortized": amortised},
        }
        budgets.create_budget(AccountId="123456789012", Budget=wish)
        found = budgets.describe_budget(AccountId="123456789012", BudgetName=name)["Budget"]
        told[amortised] = float(found["CalculatedSpend"]["ActualSpend"]["Amount"])
    assert told[False] > told[True] + 1_000, "what was paid up front is not in the month's amortised cost"


def test_a_discount_is_in_the_net_cost_and_a_line_of_its_own(account: RunningSimulator) -> None:
    tomorrow = account.now().date() + timedelta(days=1)
    account.set_commercial(discounts=[{"kind": "EdpDiscount", "share": 0.1, "since": tomorrow.isoformat()}])
    account.advance(days=2 + CLOSED)
    cost, net = day_of(account, tomorrow), day_of(account, tomorrow, "NetUnblendedCost")
    assert net["Usage"] == pytest.approx(cost["Usage"] * 0.9)
    off = 0.1 * (cost["Usage"] + cost["SavingsPlanRecurringFee"])
    assert cost["Enterprise Discount Program Discount"] == pytest.approx(-off)
    assert sum(net.values()) == pytest.approx(sum(cost.values()))


def test_a_credit_that_expires_leaves_the_bill_higher_by_what_the_truth_says(account: RunningSimulator) -> None:
    truth = account.incident("credit_expiry", "startup-programme")
    assert truth in account.truth()
    expiry = date.fromisoformat(truth["start"][:10])
    account.advance(days=12 + CLOSED)
    # On the first day without it, the month's small credit pays, which it had spared.
    while_it_lasted, after = (day_of(account, expiry + timedelta(days=number)) for number in (-1, 1))
    assert "Credit" not in after
    # The truth is the week before the credit, in which the discount of the test before was young.
    assert -while_it_lasted["Credit"] == pytest.approx(truth["usd_per_day"], rel=0.2)
    assert while_it_lasted["Usage"] + while_it_lasted["Credit"] < 0.15 * while_it_lasted["Usage"]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "Commercial terms are"),
        ({"prices": []}, "not prices"),
        ({"tax_rate": 20}, "tax_rate is a share"),
        ({"credits": [{"name": "a"}]}, "amount"),
        ({"credits": [{"name": "a", "amount": -1, "expires": "2027-01-01"}]}, "not negative"),
        ({"discounts": [{"kind": "Rebate", "share": 0.1}]}, "kind is one of"),
        ({"refunds": [{"service": "AmazonCloudWatch", "amount": 1, "day": "2026-11-01", "colour": "red"}]}, "colour"),
    ],
)
def test_terms_that_cannot_be_read_change_nothing(
    account: RunningSimulator, terms: dict[str, Any], message: str
) -> None:
    before = account.commercial()
    with pytest.raises(BadInput, match=message):
        account.set_commercial(**terms)
    assert account.commercial() == before


def test_terms_survive_a_restart(tmp_path: Path) -> None:
    with start(tmp_path, speed=0.0, scale="small") as running:
        day = running.now().date() - timedelta(days=6)
        running.set_commercial(
            refunds=[{"service": "Amazon SageMaker", "amount": 5, "day": day.isoformat()}], tax_rate=0.2
        )
        running.incident("credit_expiry")
        told, bill = running.commercial(), day_of(running, day)
    assert bill["Refund"] == -5.0
    with start(tmp_path, speed=0.0, scale="small") as again:
        assert again.commercial() == told
        assert day_of(again, day) == bill
