"""Managed spot: for families that can wait, at the discount the account really gets."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Recommendation, SpotTraining
from sagekeeper.recommender.run import recommend


def runs(rows: SimpleNamespace, prefix: str, count: int = 4, minutes: float = 60, **more: Any) -> list[dict[str, Any]]:
    """Weekly runs, the newest three days ago."""
    starts = [rows.as_of - timedelta(days=3 + 7 * n) for n in range(count)]
    known = {"checkpoint_s3_uri": f"s3://ck/{prefix}", "max_runtime_seconds": 7200} | more
    return [
        rows.job(f"{prefix}-{at:%Y-%m-%d-%H-%M-%S}-{n:03d}", "ml.m5.4xlarge", at, minutes, **known)
        for n, at in enumerate(starts)
    ]


def proposals(rows: SimpleNamespace, *jobs: dict[str, Any], **more: Any) -> list[Recommendation]:
    """What is proposed."""
    made, errors = recommend(rows.facts(jobs=list(jobs), **more), {}, Lifecycle())
    assert errors == {}
    return made


def test_a_weekly_family_on_demand_is_proposed_by_its_name_without_dates(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows, *runs(rows, "churn-weekly"))
    assert item.subjects[0].name == "churn-weekly"
    assert isinstance(item.change, SpotTraining)
    assert item.change.max_wait_seconds == 14400
    assert item.change.checkpoint_s3_uri == "s3://ck/churn-weekly"
    # 4 runs of 1 h at $0.922 in 30 days, per month of 730 h; half to 60 % of it is saved.
    month = 4 * 0.922 * 730 / 720
    assert float(item.cost_per_month) == pytest.approx(month, abs=1e-4)
    assert float(item.saving.low) == pytest.approx(month * 0.5, abs=1e-4)
    assert float(item.saving.high) == pytest.approx(month * 0.6, abs=1e-4)
    assert item.saving.certainty == "assumed"


def test_it_is_advice_and_never_one_click(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows, *runs(rows, "churn-weekly"))
    assert [gate.state for gate in item.gates if gate.name == "made where it is defined"] == ["fail"]
    assert not item.one_click


def test_the_accounts_own_spot_jobs_say_the_discount(rows: SimpleNamespace) -> None:
    own = runs(rows, "hpo", spot=True, billable_seconds=1080)  # 30 % of an hour is billed
    (item,) = proposals(rows, *runs(rows, "churn-weekly"), *own)
    assert float(item.saving.expected / item.cost_per_month) == pytest.approx(0.7, abs=1e-3)
    assert "4 spot jobs" in item.saving.explanation


def test_the_bill_comes_before_the_list_price(rows: SimpleNamespace) -> None:
    jobs = runs(rows, "churn-weekly")
    costs = [
        rows.daily(job["name"], job["started_at"].date(), 0.5, resource_kind="training_job", usage_family="training")
        for job in jobs
    ]
    (item,) = proposals(rows, *jobs, daily_costs=costs)
    assert float(item.cost_per_month) == pytest.approx(2.0 * 730 / 720, abs=1e-4)
    assert item.saving.basis == "effective"


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("too few runs", {"count": 2}),
        ("too short", {"minutes": 14}),
        ("long without checkpoint", {"minutes": 61, "checkpoint_s3_uri": None}),
        ("a deadline", {"tags": '{"deadline": "06:00"}'}),
        ("failed", {"status": "Failed"}),
        ("on spot already", {"spot": True}),
        ("keeps a warm pool", {"config": '{"ResourceConfig": {"KeepAlivePeriodInSeconds": 1800}}'}),
        ("reserved capacity", {"config": '{"ResourceConfig": {"TrainingPlanArn": "arn:aws:sagemaker:plan"}}'}),
    ],
)
def test_who_cannot_wait_or_gains_little_is_left_alone(rows: SimpleNamespace, why: str, more: dict[str, Any]) -> None:
    assert proposals(rows, *runs(rows, "family", **more)) == [], why


def test_a_warm_pool_that_was_switched_off_does_not_count(rows: SimpleNamespace) -> None:
    off = '{"ResourceConfig": {"KeepAlivePeriodInSeconds": 0}}'
    assert len(proposals(rows, *runs(rows, "family", config=off))) == 1


def test_a_short_run_without_checkpoint_may_wait_an_hour_at_most_beyond_its_limit(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows, *runs(rows, "short", minutes=30, checkpoint_s3_uri=None, max_runtime_seconds=1800))
    assert isinstance(item.change, SpotTraining) and item.change.max_wait_seconds == 3600
    assert item.unknowns


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("churn-weekly-2026-11-10-03-00-00-123", "churn-weekly"),
        ("pytorch-training-20261110T030000Z", "pytorch-training"),
        ("tune-9f8e7d6c5b4a-001", "tune"),
        ("model-v2-2026-11-10", "model-v2"),
        ("plain", "plain"),
    ],
)
def test_families_are_names_without_dates_numbers_and_hashes(rows: SimpleNamespace, name: str, family: str) -> None:
    starts = [rows.as_of - timedelta(days=3 + n) for n in range(3)]
    jobs = [rows.job(name, "ml.m5.4xlarge", at, 60, checkpoint_s3_uri="s3://c/k") for at in starts]
    (item,) = proposals(rows, *jobs)
    assert item.subjects[0].name == family
