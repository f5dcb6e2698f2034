"""What 1,000 invocations cost drifts: told against an endpoint's own weeks, with enough traffic, and never by a quiet Sunday."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.unit_drift import Settings, find, judged

LAST = date(2026, 11, 17)
"""The last final day at AS_OF, 20 November 08:00."""
Days = Callable[[date], float | None]


def facts(rows: SimpleNamespace, cost: Days, requests: Days, days: int = 140, **more: Any) -> Any:
    """An endpoint's days up to yesterday: what it cost and how often it was asked."""
    calendar = [rows.as_of.date() - timedelta(days=back) for back in range(1, days + 1)]
    daily = [rows.daily("fraud", day, amount, owner="risk") for day in calendar if (amount := cost(day)) is not None]
    metrics = rows.metrics("fraud", "Invocations", "Sum", lambda at: requests(at.date()), days=days, period=86400)
    return rows.facts(daily_costs=daily, metrics=metrics, inventory=[rows.endpoint("fraud", **more)])


def found(rows: SimpleNamespace, cost: Days, requests: Days, days: int = 140, **more: Any) -> list[Any]:
    return find(facts(rows, cost, requests, days, **more), Settings())


def weekday(day: date) -> float:
    """2,000 requests on a working day, 200 at weekends."""
    return 200.0 if day.weekday() >= 5 else 2000.0


def since(day: date, before: float, after: float) -> Callable[[date], float]:
    return lambda at: after if at >= day else before


def test_a_flat_cost_for_half_the_requests_is_told_with_since_when_and_how_much(rows: SimpleNamespace) -> None:
    start = LAST - timedelta(days=20)  # three whole weeks
    halved = since(start, 1.0, 0.5)
    (finding,) = found(rows, lambda _: 22.0, lambda day: halved(day) * weekday(day))
    assert (finding.kind, finding.subject.name, finding.owner) == ("unit_cost_drift", "fraud", "risk")
    assert finding.title == "1,000 invocations of fraud cost 2.0 times what they used to"
    # a week: 154 USD; 10,400 requests, then 5,200: 77 USD of it are for nothing
    assert finding.stake.because == (
        "It costs as much as before (154.00 USD a week instead of 154.00) and is asked less: "
        "5,200 requests instead of 10,400 a week."
    )
    assert (finding.stake.cause, finding.stake.since.date()) == ("unit_cost", start)
    assert float(finding.stake.excess) == pytest.approx(3 * 77) and float(finding.stake.per_day) == pytest.approx(11)
    figures = {item.label: item.value for item in finding.evidence.figures}
    assert figures["They used to cost"] == pytest.approx(154 / 10.4, rel=1e-6)
    assert (finding.basis, finding.certainty) == ("effective", "measured")


def test_a_dearer_endpoint_for_the_same_requests_is_told_as_such(rows: SimpleNamespace) -> None:
    (finding,) = found(rows, since(LAST - timedelta(days=20), 22.0, 44.0), weekday)
    assert "It costs more (308.00 USD a week instead of 154.00) for about as much work" in finding.explanation


def test_weekends_seasons_within_a_week_and_traffic_that_pays_for_itself_are_no_drift(rows: SimpleNamespace) -> None:
    assert found(rows, lambda _: 22.0, weekday) == []
    doubled = since(LAST - timedelta(days=20), 1.0, 2.0)
    assert found(rows, lambda day: 22 * doubled(day), lambda day: doubled(day) * weekday(day)) == []
    assert found(rows, lambda _: 22.0, lambda day: doubled(day) * weekday(day)) == []  # cheaper


def test_a_single_quiet_week_is_no_drift(rows: SimpleNamespace) -> None:
    quiet = LAST - timedelta(days=6)
    assert found(rows, lambda _: 22.0, lambda day: weekday(day) * (0.5 if day >= quiet else 1.0)) == []


def test_what_was_as_dear_before_is_no_drift(rows: SimpleNamespace) -> None:
    august = (LAST - timedelta(days=62), LAST - timedelta(days=49))
    late = LAST - timedelta(days=20)

    def asked(day: date) -> float:
        return weekday(day) * (0.5 if day >= late or august[0] <= day <= august[1] else 1.0)

    assert found(rows, lambda _: 22.0, asked) == []


def test_too_little_traffic_too_little_past_and_small_money_say_nothing(rows: SimpleNamespace) -> None:
    halved = since(LAST - timedelta(days=20), 1.0, 0.5)
    assert found(rows, lambda _: 22.0, lambda day: halved(day) * weekday(day) / 10) == []
    assert found(rows, lambda _: 22.0, lambda day: halved(day) * weekday(day), days=50) == []
    assert found(rows, lambda _: 1.0, lambda day: halved(day) * weekday(day)) == []


def test_days_whose_requests_are_unknown_count_in_neither_and_weeks_of_them_not_at_all(rows: SimpleNamespace) -> None:
    late = LAST - timedelta(days=20)
    # Asked as ever, but CloudWatch lost half of the days: taken for zero they would halve the requests.
    lost = found(
        rows, lambda _: 22.0, lambda day: None if day >= late and day.day % 2 else weekday(day), status="Updating"
    )
    assert lost == []


def test_who_asked_to_be_left_alone_is(rows: SimpleNamespace) -> None:
    halved = since(LAST - timedelta(days=20), 1.0, 0.5)
    alone = facts(rows, lambda _: 22.0, lambda day: halved(day) * weekday(day), tags={"cost-optimizer": "ignore"})
    assert find(replace(alone, opt_out_tag="cost-optimizer=ignore"), Settings()) == []


def weeks(unit_costs: list[float], scale: float = 1.0) -> pl.DataFrame:
    """Weeks of 10,000 requests, the newest first."""
    return pl.DataFrame(
        {
            "week": range(len(unit_costs)),
            "unit_cost": [cost * scale for cost in unit_costs],
            "cost": [cost * scale * 10 for cost in unit_costs],
        }
    ).with_columns(
        account=pl.lit("1"), region=pl.lit("r"), name=pl.lit("e"), currency=pl.lit("USD"), owner=pl.lit(None, pl.String),
        requests=pl.lit(10_000.0), effective=pl.lit(True), measured=pl.lit(True),
        first=pl.lit(LAST) - pl.duration(days=7 * pl.col("week") + 6),
    )  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(1, 3), min_size=8, max_size=20), st.floats(1, 1000))
def test_what_is_told_does_not_depend_on_the_scale_and_every_week_told_is_dearer_than_every_one_before(
    costs: list[float], scale: float
) -> None:
    limits = Settings(least_money=0)
    told, scaled = judged(weeks(costs), limits), judged(weeks(costs, scale), limits)
    assert told["weeks"].to_list() == scaled["weeks"].to_list()
    for row in told.iter_rows(named=True):
        split = row["weeks"]
        assert min(costs[:split]) > max(costs[split : split + 12])
        assert min(costs[:split]) > 1.25 * row["usual"]


@settings(deadline=None, max_examples=60)
@given(st.floats(0.001, 1000), st.integers(8, 20))
def test_a_constant_unit_cost_is_never_told(cost: float, many: int) -> None:
    assert judged(weeks([cost] * many), Settings(least_money=0)).is_empty()
