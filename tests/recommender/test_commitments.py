"""Savings where a Savings Plan pays: never promised as if the bill would fall by all of it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Recommendation
from sagekeeper.recommender.run import recommend


def proposal(rows: SimpleNamespace, *bill: dict[str, Any]) -> Recommendation:
    """The proposal to delete one idle endpoint on ml.m5.xlarge: $0.23 an hour, $167.90 a month."""
    metrics = rows.metrics("quiet", "Invocations", "Sum", lambda at: None)
    metrics += rows.metrics("quiet", "CPUUtilization", "Average", lambda at: 0.5)
    created = datetime.fromisoformat("2026-08-01T00:00:00Z")
    facts = rows.facts(inventory=[rows.endpoint("quiet", created_at=created)], metrics=metrics, costs=list(bill))
    ((item,), errors) = recommend(facts, {}, Lifecycle())
    assert errors == {}
    return item


def usage(rows: SimpleNamespace, cost: float, **more: Any) -> dict[str, Any]:
    """A line of SageMaker usage of a final day, as Cost Explorer gives it."""
    return rows.bill_line("Host:ml.m5.xlarge", cost, x_RecordType="Usage", **more)


def cancelled(rows: SimpleNamespace, cost: float, **more: Any) -> dict[str, Any]:
    """What a plan takes back of it."""
    return rows.bill_line("", -cost, x_UsageType=None, x_RecordType="SavingsPlanNegation", **more)


def test_what_a_plan_covers_is_not_expected_to_be_saved_and_the_least_is_nothing(rows: SimpleNamespace) -> None:
    item = proposal(rows, usage(rows, 100.0), usage(rows, 60.0), cancelled(rows, 40.0))
    # A quarter of 160 is covered.
    assert item.saving.low == 0
    assert float(item.saving.expected) == pytest.approx(167.90 * 0.75)
    assert item.saving.high == item.cost_per_month == Decimal("167.9000")
    assert "pays for 25% of this account's SageMaker usage" in item.saving.explanation
    assert any("Savings Plan" in unknown for unknown in item.unknowns)


def test_a_plan_that_covers_everything_leaves_nothing_to_expect(rows: SimpleNamespace) -> None:
    assert proposal(rows, usage(rows, 100.0), cancelled(rows, 100.0)).saving.expected == 0


@pytest.mark.parametrize(
    "more",
    [
        {"SubAccountId": "999999999999"},
        {"ServiceName": "Amazon Elastic Compute Cloud - Compute"},
        {"x_ChargeDate": date(2026, 10, 1)},
    ],
)
def test_a_plan_elsewhere_or_long_ago_changes_nothing(rows: SimpleNamespace, more: dict[str, Any]) -> None:
    item = proposal(rows, usage(rows, 100.0), usage(rows, 100.0, **more), cancelled(rows, 100.0, **more))
    assert float(item.saving.expected) == pytest.approx(167.90)
    assert item.saving.low > 0


def test_days_that_are_not_final_do_not_count(rows: SimpleNamespace) -> None:
    young = {"x_ChargeDate": (rows.as_of - timedelta(days=1)).date()}
    assert proposal(rows, usage(rows, 100.0), cancelled(rows, 100.0, **young)).saving.low > 0
