"""Savings are what would really stop: at the bill's own rates, and nothing of what a commitment pays for whatever runs."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Recommendation
from sagekeeper.recommender.run import recommend

DAYS = [date(2026, 11, 4) + timedelta(days=n) for n in range(14)]
CREATED = datetime.fromisoformat("2026-08-01T00:00:00Z")
MONTH = 730 / 24


def idle(rows: SimpleNamespace, billed: float, effective: float, *bill: dict[str, Any]) -> Recommendation:
    """What is proposed for an endpoint that nobody calls and that costs this much a day."""
    metrics = rows.metrics("quiet", "Invocations", "Sum", lambda at: None)
    metrics += rows.metrics("quiet", "CPUUtilization", "Average", lambda at: 0.5)
    costs = [rows.daily("quiet", day, billed, effective_cost=effective) for day in DAYS]
    endpoint = rows.endpoint("quiet", created_at=CREATED)
    facts = rows.facts(inventory=[endpoint], metrics=metrics, daily_costs=costs, costs=list(bill))
    made, errors = recommend(facts, {}, Lifecycle())
    assert errors == {}
    (item,) = [item for item in made if item.lever == "idle_endpoint"]
    return item


def lines(rows: SimpleNamespace, name: str, billed: float, effective: float) -> list[dict[str, Any]]:
    """The bill's lines of one endpoint on ml.m5.xlarge."""
    return [
        rows.bill_line(
            "USE1-Host:ml.m5.xlarge",
            billed,
            24.0,
            EffectiveCost=effective,
            x_ChargeDate=day,
            ResourceId=rows.arn("endpoint", name),
        )
        for day in DAYS
    ]


def test_an_idle_endpoint_that_a_commitment_covers_saves_nothing_until_that_is_used_elsewhere(
    rows: SimpleNamespace,
) -> None:
    item = idle(rows, 5.52, 3.312, *lines(rows, "quiet", 5.52, 3.312))
    assert (item.saving.low, item.saving.expected) == (Decimal(0), Decimal(0))
    assert float(item.saving.high) == pytest.approx(3.312 * MONTH, abs=0.01)
    assert "A commitment pays for 100 % of it" in item.saving.explanation
    assert item.saving.basis == "effective"


def test_of_one_that_is_covered_in_part_the_uncovered_part_is_saved(rows: SimpleNamespace) -> None:
    # Another endpoint shows what whole cover takes off: 40 %. Half of 5.52 at 40 % off is 4.416.
    item = idle(rows, 5.52, 4.416, *lines(rows, "quiet", 5.52, 4.416), *lines(rows, "covered", 5.52, 3.312))
    assert float(item.saving.expected) == pytest.approx(2.76 * MONTH, abs=0.01)
    assert item.saving.low < item.saving.expected < item.saving.high


def test_where_it_is_not_known_which_hours_were_covered_none_is_promised(rows: SimpleNamespace) -> None:
    assert idle(rows, 5.52, 3.312).saving.expected == Decimal(0)


def test_where_the_bill_names_resources_the_accounts_share_is_not_taken_off_a_second_time(
    rows: SimpleNamespace,
) -> None:
    negation = rows.bill_line("", -5.52, x_UsageType=None, x_RecordType="SavingsPlanNegation")
    item = idle(rows, 5.52, 5.52, *lines(rows, "quiet", 5.52, 5.52), *lines(rows, "covered", 5.52, 3.312), negation)
    assert float(item.saving.expected) == pytest.approx(5.52 * MONTH, abs=0.01)
    assert item.saving.low > 0


def test_without_a_commitment_all_of_it_is_saved(rows: SimpleNamespace) -> None:
    item = idle(rows, 5.52, 5.52, *lines(rows, "quiet", 5.52, 5.52))
    assert float(item.saving.expected) == pytest.approx(5.52 * MONTH, abs=0.01)
    assert "commitment" not in item.saving.explanation


def smaller(rows: SimpleNamespace, cost: float, *bill: dict[str, Any]) -> Recommendation:
    """What is proposed for a barely busy ml.m5.4xlarge (0.922 an hour) that costs this much a day: ml.m5.large (0.115)."""
    readings = {
        ("Invocations", "Sum"): 100.0,
        ("CPUUtilization", "Maximum"): 8.0,
        ("MemoryUtilization", "Maximum"): 7.0,
    }
    metrics = [
        row
        for (metric, statistic), value in readings.items()
        for row in rows.metrics("busy", metric, statistic, lambda at, value=value: value)
    ]
    facts = rows.facts(
        inventory=[rows.endpoint("busy", "ml.m5.4xlarge")],
        metrics=metrics,
        daily_costs=[rows.daily("busy", day, cost) for day in DAYS],
        costs=list(bill),
    )
    made, errors = recommend(facts, {}, Lifecycle())
    assert errors == {}
    (item,) = [item for item in made if item.lever == "smaller_instance"]
    return item


def hours(rows: SimpleNamespace, machine: str, rate: float) -> dict[str, Any]:
    """A hundred hours of a machine on the bill, at a rate of the house's own."""
    found: dict[str, Any] = rows.bill_line(f"USE1-Host:{machine}", 100 * rate, 100.0)
    return found


def test_a_move_is_priced_at_the_bills_own_rates_where_it_has_them(rows: SimpleNamespace) -> None:
    item = smaller(rows, 24 * 0.8, hours(rows, "ml.m5.4xlarge", 0.8), hours(rows, "ml.m5.large", 0.1))
    assert float(item.saving.expected) == pytest.approx(0.7 * 730, abs=0.01)
    assert "at the bill's own rates" in item.saving.explanation
    assert item.saving.certainty == "derived"


def test_a_machine_that_is_not_on_the_bill_is_priced_by_the_list_at_the_bills_discount(rows: SimpleNamespace) -> None:
    item = smaller(rows, 24 * 0.461, hours(rows, "ml.m5.4xlarge", 0.461))
    assert float(item.saving.expected) == pytest.approx((0.461 - 0.115 / 2) * 730, abs=0.01)
    assert "at list price and the 50% of it that the bill shows" in item.saving.explanation


def test_of_an_endpoint_that_is_scaled_the_saving_is_in_proportion_to_its_cost_and_never_above_it(
    rows: SimpleNamespace,
) -> None:
    item = smaller(rows, 10.0, hours(rows, "ml.m5.4xlarge", 0.9), hours(rows, "ml.m5.large", 0.1))
    assert float(item.saving.expected) == pytest.approx(10 * MONTH * (1 - 0.1 / 0.9), abs=0.01)
    assert item.saving.low <= item.saving.expected <= item.saving.high <= item.cost_per_month
