"""A price that rose is taken out of what its users cost, and of nothing else."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers.at_old_prices import at_old_prices

RISE, DAY = date(2026, 11, 8), date(2026, 11, 16)


def bill(rows: SimpleNamespace, machine: str, price: float, now: float) -> list[dict[str, Any]]:
    """Thirty days of 100 hours."""
    days = [date(2026, 11, 18) - timedelta(days=n) for n in range(30)]
    return [
        rows.bill_line(f"USE1-Host:{machine}", 100 * (now if day >= RISE else price), 100.0, x_ChargeDate=day)
        for day in days
    ]


def net(rows: SimpleNamespace, usage: list[dict[str, Any]], **facts: Any) -> list[float]:
    known = rows.facts(daily_costs=usage, **facts)
    return at_old_prices(known.daily_costs, known)["billed_cost"].to_list()


def test_only_the_users_of_the_machine_whose_price_rose_are_cheaper(rows: SimpleNamespace) -> None:
    costs = bill(rows, "ml.m5.4xlarge", 1.0, 1.25) + bill(rows, "ml.g5.xlarge", 1.4, 1.4)
    standing = [rows.endpoint("dearer", "ml.m5.4xlarge"), rows.endpoint("same", "ml.g5.xlarge")]
    usage = [
        rows.daily("dearer", DAY, 125.0),
        rows.daily("same", DAY, 140.0),
        rows.daily("dearer", RISE - timedelta(days=1), 100.0),
    ]
    assert net(rows, usage, costs=costs, inventory=standing) == pytest.approx([100.0, 140.0, 100.0])


def test_what_names_no_machine_bears_what_is_left_of_the_effect(rows: SimpleNamespace) -> None:
    usage = [rows.daily("dearer", DAY, 50.0), rows.daily(None, DAY, 75.0, resource_kind=None)]
    costs = bill(rows, "ml.m5.4xlarge", 1.0, 1.25)
    found = net(rows, usage, costs=costs, inventory=[rows.endpoint("dearer", "ml.m5.4xlarge")])
    assert found == pytest.approx([40.0, 60.0])
    assert sum(found) == pytest.approx(125 - 25)


def test_other_charges_and_other_bills_are_as_they_were_and_effective_cost_falls_in_proportion(
    rows: SimpleNamespace,
) -> None:
    standing = [rows.endpoint("dearer", "ml.m5.4xlarge")]
    usage = [
        rows.daily("dearer", DAY, 125.0, effective_cost=100.0),
        rows.daily("dearer", DAY, -10.0, charge_category="Credit"),
        rows.daily("dearer", DAY, 125.0, dataset="file:cur"),
    ]
    known = rows.facts(daily_costs=usage, costs=bill(rows, "ml.m5.4xlarge", 1.0, 1.25), inventory=standing)
    found = at_old_prices(known.daily_costs, known)
    assert found["billed_cost"].to_list() == pytest.approx([100.0, -10.0, 125.0])
    assert found["effective_cost"].to_list() == pytest.approx([80.0, -10.0, 125.0])


def test_where_no_price_rose_every_row_is_as_it_was(rows: SimpleNamespace) -> None:
    costs = bill(rows, "ml.m5.4xlarge", 1.0, 1.0)
    assert net(rows, [rows.daily("x", DAY, 100.0)], costs=costs) == [100.0]
