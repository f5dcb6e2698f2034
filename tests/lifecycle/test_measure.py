"""The realised saving, on literal bills that can be checked by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.lifecycle.measure import Case, Realised, realised_saving, verdict

CHANGED = date(2026, 11, 10)
AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
ENDPOINT = Case("123456789012", "us-east-1", "fraud", date(2026, 1, 1), CHANGED, None, "billed", "USD")


def row(day: date, cost: float, name: str | None = "fraud", **other: Any) -> dict[str, Any]:
    return {
        "day": day,
        "dataset": "cost-explorer",
        "account": "123456789012",
        "region": "us-east-1",
        "service": "Amazon SageMaker",
        "charge_category": "Usage",
        "usage_family": "hosting",
        "resource_kind": "endpoint" if name else None,
        "resource_name": name,
        "resource_arn": None,
        "owner": None,
        "attribution": "measured" if name else "unattributed",
        "billed_cost": cost,
        "effective_cost": cost * 0.8,
        "currency": "USD",
        "estimated": False,
    } | other


def bill(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=DAILY_COSTS.columns)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(count)]


BEFORE = [row(day, 24.0) for day in days(date(2026, 10, 20), 21)]
OTHERS = [row(day, 5.0, "other") for day in days(date(2026, 10, 20), 32)]


def test_a_deleted_endpoint_saves_all_it_cost_per_month_of_730_hours():
    found = realised_saving(bill(*BEFORE, *OTHERS), ENDPOINT, AS_OF)
    assert found is not None
    assert found.baseline_per_day == 24.0
    assert found.actual_per_day == 0.0
    assert found.saved_per_month == pytest.approx(730.0)
    # full days after the 10th that ended 48 h before the 20th 08:00: the 11th to the 17th
    assert (found.first_day, found.last_day, found.days) == (date(2026, 11, 11), date(2026, 11, 17), 7)
    assert found.saved_to_date == 7 * 24.0


def test_a_day_younger_than_48_hours_does_not_count():
    just_short = datetime(2026, 11, 13, 23, 59, tzinfo=UTC)
    assert realised_saving(bill(*BEFORE, *OTHERS), ENDPOINT, just_short) is None
    found = realised_saving(bill(*BEFORE, *OTHERS), ENDPOINT, just_short + timedelta(minutes=1))
    assert found is not None and found.last_day == date(2026, 11, 11)


def test_absent_rows_on_a_day_without_a_bill_are_unknown_not_zero():
    only_two_days = [row(day, 5.0, "other") for day in days(date(2026, 11, 11), 2)]
    found = realised_saving(bill(*BEFORE, *only_two_days, row(date(2026, 11, 14), 5.0, "other")), ENDPOINT, AS_OF)
    assert found is not None
    assert (found.days, found.days_without_bill) == (3, 1)
    assert realised_saving(bill(*BEFORE), ENDPOINT, AS_OF) is None


def test_another_accounts_bill_does_not_make_a_day_known():
    elsewhere = [row(day, 5.0, "other", account="210987654321") for day in days(date(2026, 11, 11), 7)]
    assert realised_saving(bill(*BEFORE, *elsewhere), ENDPOINT, AS_OF) is None


def test_the_day_of_the_change_and_the_day_of_creation_are_no_full_days():
    young = Case("123456789012", "us-east-1", "fraud", date(2026, 11, 7), CHANGED, None, "billed", "USD")
    costs = [row(date(2026, 11, 7), 3.0), row(date(2026, 11, 8), 24.0), row(date(2026, 11, 9), 24.0)]
    found = realised_saving(bill(*costs, row(CHANGED, 11.0), *OTHERS), young, AS_OF)
    assert found is not None
    assert (found.baseline_per_day, found.baseline_days) == (24.0, 2)
    assert found.actual_per_day == 0.0


def test_days_before_the_endpoint_was_billed_are_not_zeros_in_the_baseline():
    found = realised_saving(bill(*BEFORE[-3:], *OTHERS), ENDPOINT, AS_OF)
    assert found is not None and found.baseline_per_day == 24.0 and found.baseline_days == 3


def test_an_undone_action_is_measured_until_the_undo():
    undone = Case("123456789012", "us-east-1", "fraud", None, CHANGED, date(2026, 11, 14), "billed", "USD")
    again = [row(day, 24.0) for day in days(date(2026, 11, 14), 7)]
    found = realised_saving(bill(*BEFORE, *again, *OTHERS), undone, AS_OF)
    assert found is not None
    assert (found.first_day, found.last_day) == (date(2026, 11, 11), date(2026, 11, 13))
    assert found.saved_to_date == 3 * 24.0


def test_effective_promises_are_compared_with_effective_cost_and_credits_are_not_savings():
    effective = Case("123456789012", "us-east-1", "fraud", None, CHANGED, None, "effective", "USD")
    credit = [row(day, -24.0, charge_category="Credit") for day in days(date(2026, 11, 1), 9)]
    found = realised_saving(bill(*BEFORE, *OTHERS, *credit), effective, AS_OF)
    assert found is not None
    assert found.baseline_per_day == pytest.approx(24.0 * 0.8)


def test_an_ingested_bill_and_another_currency_are_never_mixed_in():
    foreign = [row(day, 99.0, dataset="file:x") for day in days(date(2026, 11, 1), 20)]
    euros = [row(day, 99.0, currency="EUR") for day in days(date(2026, 11, 1), 20)]
    found = realised_saving(bill(*BEFORE, *OTHERS, *foreign, *euros), ENDPOINT, AS_OF)
    assert found is not None and found.baseline_per_day == 24.0 and found.actual_per_day == 0.0


@pytest.mark.parametrize(
    ("after", "count", "said"),
    [(12.0, 7, "within range"), (2.0, 7, "above range"), (20.0, 7, "below range"), (12.0, 2, "too early")],
)
def test_the_verdict_compares_the_bill_with_the_promise(after: float, count: int, said: str):
    costs = [row(day, after) for day in days(date(2026, 11, 11), count)]
    found = realised_saving(bill(*BEFORE, *costs), ENDPOINT, AS_OF)
    assert found is not None
    assert verdict(found, Decimal(300), Decimal(400)) == said


def test_a_saving_equal_to_the_promise_to_the_cent_is_within_range():
    exact = Realised(CHANGED, CHANGED, 7, 14, 24.0, 0.0, 168.0, 0, 0)
    assert verdict(exact, Decimal("730.0000"), Decimal("730.0000")) == "within range"


amounts = st.lists(st.decimals(min_value=0, max_value=1000, places=4), min_size=1, max_size=14)


@given(before=amounts, after=amounts)
def test_the_saving_is_the_difference_of_the_daily_means_whatever_the_days_cost(before, after):
    costs = [row(CHANGED - timedelta(days=n + 1), float(cost)) for n, cost in enumerate(before)]
    costs += [row(CHANGED + timedelta(days=n + 1), float(cost)) for n, cost in enumerate(after)]
    found = realised_saving(bill(*costs), ENDPOINT, datetime(2027, 1, 1, tzinfo=UTC))
    assert found is not None
    exact = (sum(before) / len(before) - sum(after) / len(after)) * Decimal(730) / 24
    assert found.saved_per_month == pytest.approx(float(exact), abs=1e-6)
    assert found.saved_per_month <= found.baseline_per_day * 730 / 24 + 1e-6  # never saves more than it cost
    assert found.saved_to_date == pytest.approx(found.saved_per_month * 24 / 730 * found.days, abs=1e-6)
