"""Dollars an hour now: what stands and works, at the bill's rate or the list's; what is usual for such an hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.run_rate import WHOLE, hour_of, running_now, usual
from sagekeeper.analyzers.run_rate_finding import Settings, find
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import RUN_RATES

M5 = 0.23


def now(rows: SimpleNamespace, inventory: list[Any], jobs: list[Any] | None = None, *bill: Any) -> pl.DataFrame:
    looked = [item | {"observed_at": rows.as_of} for item in inventory]
    return running_now(
        rows.inventory(*looked),
        rows.jobs(*(jobs or [])),
        rows.costs(*bill),
        PriceBook.bundled(),
        rows.as_of,
        ("owner",),
    )


def job(rows: SimpleNamespace, **more: Any) -> dict[str, Any]:
    started: dict[str, Any] = rows.job("churn-1", "ml.g5.xlarge", rows.as_of - timedelta(hours=2), 30)
    return started | {"volume_gb": 0, "observed_at": rows.as_of} | more


def test_endpoints_and_running_jobs_are_summed_and_finished_ones_are_not(rows: SimpleNamespace) -> None:
    running = job(rows, ended_at=None, run_seconds=None, billable_seconds=None, status="InProgress")
    found = now(rows, [rows.endpoint("scorer", count=2)], [running, job(rows) | {"name": "churn-0"}])
    assert found.select("resource_name", "per_hour").rows() == [
        ("churn-1", pytest.approx(1.408)),
        ("scorer", pytest.approx(2 * M5)),
    ]
    assert found["rate_basis"].str.contains("bundled price").all()


def test_the_bills_own_rate_goes_before_the_list(rows: SimpleNamespace) -> None:
    billed = rows.bill_line("USE1-Host:ml.m5.xlarge", 2.4, 24.0, x_ChargeDate=(rows.as_of - timedelta(days=2)).date())
    found = now(rows, [rows.endpoint("scorer")], None, billed)
    assert found["per_hour"].to_list() == [pytest.approx(0.1)]
    assert found["rate_basis"].to_list() == ["the bill's effective rate"]


def test_what_has_no_price_runs_with_an_unknown_amount(rows: SimpleNamespace) -> None:
    found = now(rows, [rows.endpoint("scorer", "ml.zz9.large")])
    assert found["per_hour"].to_list() == [None]
    assert hour_of(found, _place(rows), rows.as_of).filter(pl.col("resource_kind") == WHOLE)["unknown"].to_list() == [1]


def test_a_look_of_the_day_before_yesterday_says_nothing_about_now(rows: SimpleNamespace) -> None:
    old = rows.endpoint("scorer") | {"observed_at": rows.as_of - timedelta(hours=40)}
    found = running_now(rows.inventory(old), rows.jobs(), rows.costs(), PriceBook.bundled(), rows.as_of, ("owner",))
    assert found.is_empty()


def test_an_hour_in_which_nothing_ran_is_recorded_as_nothing(rows: SimpleNamespace) -> None:
    hour = hour_of(now(rows, []), _place(rows), rows.as_of).row(0, named=True)
    assert (hour["resource_kind"], hour["per_hour"], hour["resources"]) == (WHOLE, 0.0, 0)


def recorded(rows: SimpleNamespace, amounts: dict[int, float]) -> pl.DataFrame:
    """{hours ago: per hour}."""
    return pl.DataFrame(
        [
            dict.fromkeys(RUN_RATES.columns)
            | {"hour": rows.as_of - timedelta(hours=ago), "resource_kind": WHOLE, "currency": "USD", "per_hour": amount}
            for ago, amount in amounts.items()
        ],
        schema=RUN_RATES.columns,
    )


def test_usual_is_the_same_hour_of_the_week(rows: SimpleNamespace) -> None:
    weeks = {168 * week: 10.0 + week for week in (1, 2, 3)} | {24 * day: 99.0 for day in (1, 2, 3, 4)}
    seen = usual(recorded(rows, weeks), rows.as_of, "USD")
    assert (seen.per_hour, seen.basis) == (12.0, "median of the same hour in the last 3 weeks")


def test_with_few_weeks_it_is_the_same_hour_of_the_day_and_with_few_days_it_is_unknown(rows: SimpleNamespace) -> None:
    assert usual(recorded(rows, {24 * day: 5.0 for day in range(1, 8)}), rows.as_of, "USD").per_hour == 5.0
    assert usual(recorded(rows, {24 * day: 5.0 for day in range(1, 4)}), rows.as_of, "USD").per_hour is None


def _place(rows: SimpleNamespace) -> pl.DataFrame:
    return pl.DataFrame({"account": [rows.account], "region": [rows.region]})


def hours(rows: SimpleNamespace, amounts: list[float], now: float, kind: str = "endpoint") -> pl.DataFrame:
    """Recorded hours before now (a missing amount: looked, none ran), two days old and more, and this hour."""
    line = dict.fromkeys(RUN_RATES.columns) | {"account": rows.account, "region": rows.region, "currency": "USD"}
    line |= {"resources": 1, "unknown": 0}
    found = [line | {"hour": rows.as_of, "resource_kind": kind, "per_hour": now}]
    for number, amount in enumerate(amounts):
        moment = {"hour": rows.as_of - timedelta(hours=30 + number)}
        found.append(line | moment | {"resource_kind": WHOLE, "per_hour": amount})
        if amount:
            found.append(line | moment | {"resource_kind": kind, "per_hour": amount})
    return pl.DataFrame(found, schema=RUN_RATES.columns)


def above(rows: SimpleNamespace, recorded: pl.DataFrame, **settings: Any) -> list[Any]:
    return find(replace(rows.facts(), run_rates=recorded), Settings(**settings))


def test_an_hour_above_all_that_was_recorded_is_told_with_what_a_day_of_it_costs(rows: SimpleNamespace) -> None:
    finding = above(rows, hours(rows, [10.0] * 400, now=60.0))[0]
    assert finding.title == "Endpoints cost 60.00 USD an hour now, usually 10.00"
    assert "A day of it costs 1,200 USD more than usual" in finding.explanation


def test_bursts_that_were_seen_before_and_small_rises_are_quiet(rows: SimpleNamespace) -> None:
    assert above(rows, hours(rows, [10.0] * 399 + [55.0], now=60.0)) == []
    assert above(rows, hours(rows, [10.0] * 400, now=20.0)) == []
    assert above(rows, hours(rows, [0.5] * 400, now=4.0)) == []


def test_with_less_than_two_weeks_recorded_nothing_can_be_said(rows: SimpleNamespace) -> None:
    assert above(rows, hours(rows, [10.0] * 300, now=60.0)) == []


def test_hours_in_which_none_of_the_kind_ran_count_as_nothing(rows: SimpleNamespace) -> None:
    assert len(above(rows, hours(rows, [0.0] * 399 + [10.0], now=60.0))) == 1
