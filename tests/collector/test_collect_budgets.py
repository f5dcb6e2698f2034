"""AWS's own budgets over HTTP: read with thresholds and subscribers, judged on our bill, or shown with AWS's own figures."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sagekeeper.collector.aws_budgets import AWS
from sagekeeper.core.ledger.models import BudgetRow
from sagekeeper.reports.views.budget_rows import means_of
from sagekeeper.reports.views.budgets import BudgetState, all_budgets, budget_states
from sagekeeper.reports.views.spend import COST_EXPLORER, load_cube
from sagekeeper.service.daily_costs import refresh_daily_costs

from .conftest import OTHER, PAYER, Collector

pytestmark = pytest.mark.integration
ML = {"Service": ["Amazon SageMaker"]}


def make(collector: Collector, account: str, name: str, *notices: dict[str, Any], **more: Any) -> None:
    client = collector.sessions.client("budgets", account, "us-east-1")
    limit = {} if "PlannedBudgetLimits" in more else {"BudgetLimit": {"Amount": "5000", "Unit": "USD"}}
    budget = {"BudgetName": name, "BudgetType": "COST", "TimeUnit": "MONTHLY"} | limit | more
    client.create_budget(AccountId=account, Budget=budget, NotificationsWithSubscribers=list(notices))


def notice(kind: str, threshold: float, *mails: str, **more: Any) -> dict[str, Any]:
    given = {"NotificationType": kind, "ComparisonOperator": "GREATER_THAN", "Threshold": threshold} | more
    return {
        "Notification": given,
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": mail} for mail in mails],
    }


@pytest.fixture(scope="module")
def states(collector: Collector) -> dict[str, BudgetState]:
    """Seven budgets of two accounts, collected and judged."""
    make(
        collector,
        PAYER,
        "ml",
        notice("ACTUAL", 50, "ana@example.com", "bo@example.com"),
        notice("FORECASTED", 100, "ana@example.com"),
        notice("ACTUAL", 2500, "bo@example.com", ThresholdType="ABSOLUTE_VALUE"),
        CostFilters=ML,
    )
    make(collector, OTHER, "ml", CostFilters=ML)
    make(collector, PAYER, "hours", BudgetType="USAGE", BudgetLimit={"Amount": "10", "Unit": "Hrs"})
    make(collector, PAYER, "types", CostFilters={"UsageType": ["USE1-Host:ml.m5.xlarge"]})
    make(collector, PAYER, "quarter", TimeUnit="QUARTERLY")
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12)]
    planned = {str(int(start.timestamp())): {"Amount": str(start.month * 100), "Unit": "USD"} for start in months}
    make(collector, PAYER, "planned", PlannedBudgetLimits=planned)
    expression = {
        "And": [
            {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [PAYER]}},
            {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
        ]
    }
    make(collector, PAYER, "expression", FilterExpression=expression, Metrics=["UnblendedCost"])
    as_of = collector.clock()
    assert {item.status for item in collector.collect(as_of, only=["cost_explorer", "aws_budgets"])} == {"ok"}
    refresh_daily_costs(collector.lake, collector.ledger, collector.settings, as_of)
    known = all_budgets(collector.ledger, [])
    means = means_of(collector.lake, collector.settings, known, as_of)
    return {
        item.name: item for item in budget_states(load_cube(collector.lake, COST_EXPLORER, as_of), known, as_of, means)
    }


def test_a_budget_has_its_thresholds_and_whom_aws_tells(states: dict[str, BudgetState], collector: Collector) -> None:
    levels = [(item.kind, item.percent) for item in states[f"{PAYER}:ml"].thresholds]
    assert levels == [("actual", 50), ("forecast", 100), ("actual", 50)]
    with collector.ledger.reading() as session:
        row = session.get_one(BudgetRow, f"{PAYER}:ml")
    assert row.document is not None
    assert row.document["subscribers"] == ["ana@example.com", "bo@example.com"]
    assert row.recipients == [], "AWS tells them; two mails about one thing are one too many"


@pytest.mark.parametrize("name", [f"{PAYER}:ml", f"{OTHER}:ml", f"{PAYER}:expression", f"{PAYER}:quarter"])
def test_what_we_say_was_spent_is_what_aws_says(states: dict[str, BudgetState], name: str) -> None:
    state = states[name]
    assert state.spent is not None and state.spent > 0
    # AWS counts what has come of today; Cost Explorer's whole days do not hold it.
    assert state.spent <= float(state.told["actual"]) + 0.01
    assert state.spent == pytest.approx(float(state.told["actual"]), rel=0.07)


def test_a_planned_limit_is_that_of_the_month(states: dict[str, BudgetState]) -> None:
    assert states[f"{PAYER}:planned"].amount == Decimal(1100)


@pytest.mark.parametrize(("name", "why"), [("hours", "USAGE budget"), ("types", "filtered by UsageType")])
def test_what_cannot_be_judged_here_is_shown_with_awss_own_figures(
    states: dict[str, BudgetState], name: str, why: str
) -> None:
    state = states[f"{PAYER}:{name}"]
    assert why in state.why
    assert (state.spent, state.p_breach) == (None, None)
    assert "actual" in state.told
    assert not any(item.reached for item in state.thresholds)


def test_a_budget_that_is_deleted_goes_and_an_unchanged_one_is_not_written_again(
    states: dict[str, BudgetState], collector: Collector
) -> None:
    collector.sessions.client("budgets", OTHER, "us-east-1").delete_budget(AccountId=OTHER, BudgetName="ml")
    with collector.ledger.reading() as session:
        before = {row.name: row.updated_at for row in session.query(BudgetRow) if row.source == AWS}
    collector.collect(collector.clock(), only=["aws_budgets"])
    with collector.ledger.reading() as session:
        after = {row.name: row.updated_at for row in session.query(BudgetRow) if row.source == AWS}
    assert set(before) - set(after) == {f"{OTHER}:ml"}
    assert all(before[name] == moment for name, moment in after.items())
