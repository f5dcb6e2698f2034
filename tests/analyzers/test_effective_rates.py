"""What a unit cost on the bill, and how much of a cost a commitment pays whatever runs."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers.commitments import uncommitted
from sagekeeper.analyzers.effective_rates import effective_rates, known_rates, rates_before

HOST = "USE1-Host:ml.m5.xlarge"
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)


def line(rows: SimpleNamespace, day: int, hours: float, billed: float, effective: float, **more: Any) -> dict[str, Any]:
    usage = more.pop("usage", HOST)
    spelled = {"x_ChargeDate": date(2026, 11, day), "EffectiveCost": effective}
    found: dict[str, Any] = rows.bill_line(usage, billed, hours, **(spelled | more))
    return found


def test_a_rate_is_effective_cost_over_quantity_by_month_with_what_it_rests_on(rows: SimpleNamespace) -> None:
    costs = rows.costs(
        line(rows, 10, 24.0, 5.52, 5.52),
        line(rows, 11, 24.0, 5.52, 2.76),
        line(rows, 10, 10.0, 1.0, 1.0, x_ChargeDate=date(2026, 10, 10)),
    )
    found = effective_rates(costs).sort("month").rows(named=True)
    assert [(row["month"].month, row["quantity"], row["days"]) for row in found] == [(10, 10.0, 1), (11, 48.0, 2)]
    assert found[1]["rate"] == pytest.approx(8.28 / 48)
    assert found[1]["billed_rate"] == pytest.approx(0.23)
    assert (found[1]["usage_type"], found[1]["component"], found[1]["machine"]) == (
        "Host:ml.m5.xlarge",
        "Host",
        "ml.m5.xlarge",
    )
    assert [row["committed"] for row in found] == [False, True]


def test_usage_without_quantity_or_with_unknown_cost_and_what_is_no_usage_has_no_rate(rows: SimpleNamespace) -> None:
    costs = rows.costs(
        rows.bill_line(HOST, 5.0, None),
        line(rows, 10, 24.0, 5.0, 5.0) | {"EffectiveCost": None},
        line(rows, 10, 24.0, 5.0, 5.0, ChargeCategory="Credit"),
        line(rows, 10, 24.0, 5.0, 5.0, x_Dataset="file:march"),
    )
    assert effective_rates(costs).is_empty()


def test_a_rate_as_it_was_known_rests_on_the_last_days_before(rows: SimpleNamespace) -> None:
    costs = rows.costs(*(line(rows, day, 10.0, float(day), float(day)) for day in (1, 2, 3, 4, 5)))
    found = rates_before(costs, [date(2026, 11, 4), date(2026, 11, 1)], recent=2)
    assert found.select("day", "rate", "days").rows() == [(date(2026, 11, 4), pytest.approx(0.25), 2)]


def test_a_few_hours_set_no_promise(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 10, 23.0, 5.0, 5.0), line(rows, 10, 24.0, 2.4, 2.4, usage="USE1-Host:ml.m5.large"))
    assert known_rates(costs) == {(rows.account, rows.region, "Host:ml.m5.large"): pytest.approx(0.1)}


def test_what_is_covered_whole_stops_nothing_and_what_is_covered_in_part_its_uncovered_part(
    rows: SimpleNamespace,
) -> None:
    whole, half, none = (rows.arn("endpoint", name) for name in ("whole", "half", "none"))
    costs = rows.costs(
        line(rows, 10, 24.0, 10.0, 6.0, ResourceId=whole),  # a plan at 40 % off
        line(rows, 10, 24.0, 10.0, 8.0, ResourceId=half),  # 5.00 of it covered for 3.00, 5.00 on demand
        line(rows, 10, 24.0, 10.0, 10.0, ResourceId=none),
        line(rows, 10, 24.0, 10.0, 10.0, ResourceId=none, usage="USE1-Train:ml.m5.xlarge"),
    )
    assert uncommitted(costs, FIRST, LAST) == {
        (rows.account, "endpoint/whole"): 0.0,
        (rows.account, "endpoint/half"): pytest.approx(5 / 8),
        (rows.account, "endpoint/none"): 1.0,
    }


def test_rounding_is_no_commitment(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 10, 24.0, 0.001, 0.00099999, ResourceId=rows.arn("endpoint", "tiny")))
    assert uncommitted(costs, FIRST, LAST) == {(rows.account, "endpoint/tiny"): 1.0}


def test_an_empty_bill_has_no_rates(rows: SimpleNamespace) -> None:
    assert effective_rates(rows.costs()).is_empty()
    assert rates_before(rows.costs(), [FIRST]).is_empty()
    assert uncommitted(rows.costs(), FIRST, LAST) == {}
