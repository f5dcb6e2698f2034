"""What a run of a family costs drifts: by ranks against its earlier runs, and why, by what a run is made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.run_costs import RUNS
from sagekeeper.analyzers.run_drift import Settings, find, judged

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
USUAL = [19.0, 21.0, 20.0, 20.5, 19.5, 20.0, 22.0, 18.0, 20.0, 21.0, 19.0, 20.0]


def family(
    rows: SimpleNamespace, *costs: float, last_days_ago: int = 3, **by_position: Any
) -> tuple[list[Any], list[Any]]:
    """Runs a day apart, the last one so many days ago, and their days on the bill. ``late``: what the last runs are made of."""
    jobs, days = [], []
    late, many = by_position.get("late", {}), by_position.get("many", 0)
    for number, cost in enumerate(costs):
        ended = rows.as_of - timedelta(days=last_days_ago + len(costs) - 1 - number)
        more = dict(late) if number >= len(costs) - many else {}
        minutes, machine = more.pop("minutes", 60), more.pop("machine", "ml.m5.xlarge")
        job = rows.job(f"rank-train-{ended:%Y%m%d}", machine, ended - timedelta(minutes=minutes), minutes, **more)
        jobs.append(job)
        days.append(
            rows.daily(
                job["name"], ended.date(), cost, resource_kind="training_job", usage_family="training", owner="search"
            )
        )
    return jobs, days


def found(rows: SimpleNamespace, *costs: float, **more: Any) -> list[Any]:
    jobs, days = family(rows, *costs, **more)
    return find(rows.facts(jobs=jobs, daily_costs=days), Settings())


def test_runs_that_cost_more_are_told_with_the_medians_the_money_and_why(rows: SimpleNamespace) -> None:
    dear = [30.0, 31.0, 29.0, 30.0, 32.0, 28.0]
    (finding,) = found(rows, *USUAL, *dear, many=6, late={"minutes": 90})
    assert finding.title == "A run of rank-train costs 1.5 times what it used to"
    assert "Its last 6 completed runs cost 30.00 USD (median), the 12 before them 20.00." in finding.explanation
    assert finding.stake.because == "A run costs more. A run takes 1.50 paid hours instead of 1.00 (medians)."
    assert float(finding.stake.excess) == pytest.approx(180 - 6 * 20)
    assert float(finding.stake.per_day) == pytest.approx(60 / 8)  # since eight days ago
    assert (finding.subject.kind, finding.subject.name, finding.owner) == ("training_family", "rank-train", "search")
    assert finding.evidence.series[0].points[-1][1] == 28.0


def test_larger_machines_and_dearer_hours_are_named_as_such(rows: SimpleNamespace) -> None:
    dear = [30.0, 31.0, 29.0, 30.0, 32.0, 28.0]
    (machines,) = found(rows, *USUAL, *dear, many=6, late={"machine": "ml.m5.2xlarge"})
    assert "moved from 1 x ml.m5.xlarge to 1 x ml.m5.2xlarge" in machines.explanation
    (price,) = found(rows, *USUAL, *dear)
    assert "an hour of them costs more" in price.explanation


def test_a_slow_creep_is_told_though_no_run_stands_out(rows: SimpleNamespace) -> None:
    creep = [20 * 1.02**number for number in range(30)]
    (finding,) = found(rows, *creep)
    assert finding.stake.cause == "unit_cost"


def test_one_dear_run_few_runs_cheaper_runs_and_small_money_are_no_drift(rows: SimpleNamespace) -> None:
    assert found(rows, *USUAL, 200.0) == []
    assert found(rows, *USUAL[:6], *[40.0] * 6) == []
    assert found(rows, *USUAL, *[10.0] * 8) == []
    assert found(rows, *[cost / 100 for cost in USUAL], *[0.4] * 8) == []


def test_failed_runs_and_runs_that_are_not_whole_on_the_bill_do_not_count(rows: SimpleNamespace) -> None:
    dear = [30.0, 31.0, 29.0, 30.0, 32.0, 28.0]
    assert found(rows, *USUAL, *dear, many=6, late={"status": "Failed"}) == []
    young = [31.0, 29.0, 30.0, 32.0, 28.0, 30.0]
    assert found(rows, *USUAL, *young[:2], last_days_ago=0) == []
    jobs, days = family(rows, *USUAL, *dear)
    assert find(rows.facts(jobs=jobs, daily_costs=days[: len(USUAL)]), Settings()) == []


def runs(costs: list[float]) -> pl.DataFrame:
    """A family's runs, the newest first, a day apart."""
    known = {
        "account": "1",
        "region": "r",
        "kind": "training_family",
        "family": "f",
        "currency": "USD",
        "basis": "billed",
    }
    found = [
        dict.fromkeys(RUNS)
        | known
        | {"cost": cost, "ended_at": AS_OF - timedelta(days=3 + back), "certainty": "measured"}
        for back, cost in enumerate(costs)
    ]
    return pl.DataFrame(found, schema=RUNS).with_columns(back=pl.int_range(pl.len()))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 50).map(float), min_size=12, max_size=50), st.sampled_from([0.25, 2.0, 1024.0]))
def test_what_is_told_does_not_depend_on_the_scale_and_is_dearer_in_the_middle(
    costs: list[float], scale: float
) -> None:
    limits = Settings(least_money=0)
    told = judged(runs(costs), limits, AS_OF)
    scaled = judged(runs([cost * scale for cost in costs]), limits, AS_OF)
    assert told["stretch"].to_list() == scaled["stretch"].to_list()
    for row in told.iter_rows(named=True):
        assert row["now"] >= 1.2 * row["usual"] and row["surprise"] > 3.29


@settings(deadline=None, max_examples=60)
@given(st.floats(0.01, 1e6), st.integers(12, 60))
def test_a_family_whose_runs_cost_the_same_never_drifts(cost: float, many: int) -> None:
    assert judged(runs([cost] * many), Settings(least_money=0), AS_OF).is_empty()
