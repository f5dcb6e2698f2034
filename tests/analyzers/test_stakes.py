"""What an incident comes to by the end of the month."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from sagekeeper.analyzers.monthly_cost import severity
from sagekeeper.analyzers.stakes import stake

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)  # 11 days of November are still to come, today among them


@pytest.mark.parametrize(
    ("since", "excess", "over", "by_month_end"),
    [
        (date(2026, 11, 10), 1000, False, 1000 + 11 * 100),
        (date(2026, 10, 31), 2000, False, 1900 + 11 * 100),  # 19 of its 20 days are of this month
        (date(2026, 11, 10), 1000, True, 1000),
    ],
)
def test_a_month_ends_with_what_was_too_much_in_it_and_its_days_to_come(
    since: date, excess: float, over: bool, by_month_end: float
) -> None:
    assert stake(AS_OF, since, excess, 100, "resized", "it grew", over=over).month_excess == Decimal(by_month_end)


@pytest.mark.parametrize(
    ("per_month", "measured", "assumed"),
    [
        (2000, "critical", "high"),
        (1999.99, "high", "medium"),
        (100, "medium", "low"),
        (10, "low", "info"),
        (9.99, "info", "info"),
    ],
)
def test_how_loud_an_incident_is_follows_its_money_and_a_step_lower_where_that_is_only_assumed(
    per_month: float, measured: str, assumed: str
) -> None:
    assert severity(per_month) == severity(per_month, "derived") == measured
    assert severity(per_month, "assumed") == assumed


def test_money_that_is_not_known_is_neither_quiet_nor_loud() -> None:
    assert severity(None) == severity(None, "assumed") == "medium"
