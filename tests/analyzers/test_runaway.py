"""Jobs that run away: beyond their family's range in time or money, told while they run; healthy long ones are not."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers.runaway import Settings, find

M5 = 0.23
VOLUME = 30 * 0.14 / 720
"""An hour of 30 GB in November."""


def past(rows: SimpleNamespace, *minutes: float, name: str = "churn-train", machine: str = "ml.m5.xlarge") -> list[Any]:
    """Completed runs, a day apart."""
    start = rows.as_of - timedelta(days=len(minutes) + 1)
    return [
        rows.job(f"{name}-2026-11-{number:02}", machine, start + timedelta(days=number), took)
        for number, took in enumerate(minutes)
    ]


def running(rows: SimpleNamespace, hours: float, name: str = "churn-train-2026-11-20", **more: Any) -> dict[str, Any]:
    """A job that has run for so many hours and still does."""
    job: dict[str, Any] = rows.job(name, more.pop("machine", "ml.m5.xlarge"), rows.as_of - timedelta(hours=hours), 0)
    ended = {"ended_at": None, "run_seconds": None, "billable_seconds": None, "status": "InProgress"}
    return job | ended | {"observed_at": rows.as_of, "max_runtime_seconds": 5 * 86_400} | more


def found(rows: SimpleNamespace, *jobs: Any, **settings: Any) -> list[Any]:
    return find(rows.facts(jobs=list(jobs)), Settings(**settings))


def test_a_job_beyond_its_familys_range_is_told_with_what_it_costs_at_its_limit(rows: SimpleNamespace) -> None:
    finding = found(rows, *past(rows, 60, 62, 58, 61, 60), running(rows, 3.0))[0]
    assert (finding.kind, finding.subject.name) == ("runaway_job", "churn-train-2026-11-20")
    figures = {item.label: item.value for item in finding.evidence.figures}
    assert figures["Has run for"] == 3.0
    assert figures["Its family takes"] == 1.0
    assert figures["Has cost"] == pytest.approx(3 * (M5 + VOLUME), abs=0.01)
    assert figures["Will have cost at its limit"] == pytest.approx(120 * (M5 + VOLUME), abs=0.01)
    assert finding.stake.cause == "ran_long"
    assert finding.certainty == "derived"


def test_a_job_within_its_familys_range_is_healthy_however_long_it_runs(rows: SimpleNamespace) -> None:
    long = [60 * hours for hours in (20, 26, 30, 22, 41)]
    assert found(rows, *past(rows, *long), running(rows, 45.0, machine="ml.m5.xlarge")) == []


def test_a_family_that_always_took_about_an_hour_is_told_after_an_hour_and_a_half(rows: SimpleNamespace) -> None:
    family = past(rows, 60, 60, 60, 60, 60)
    assert found(rows, *family, running(rows, 1.4)) == []
    assert len(found(rows, *family, running(rows, 1.6))) == 1


def test_a_job_on_dearer_machines_is_told_by_its_cost_before_it_is_late(rows: SimpleNamespace) -> None:
    finding = found(rows, *past(rows, 60, 60, 60, 60, 60), running(rows, 0.9, machine="ml.g5.12xlarge"))[0]
    assert finding.title == "churn-train-2026-11-20 has cost 6.39 USD, its family costs 0.24"


def test_failed_runs_say_nothing_about_how_long_a_family_takes(rows: SimpleNamespace) -> None:
    failed = [run | {"status": "Failed"} for run in past(rows, 1, 1, 1, 1, 1)]
    assert found(rows, *failed, running(rows, 3.0)) == []


def test_a_job_without_a_family_is_told_by_money_alone_and_says_so(rows: SimpleNamespace) -> None:
    sweep = running(rows, 0.95, "sweep-9", machine="ml.g5.12xlarge", instance_count=8)
    finding = found(rows, sweep)[0]
    assert "rests on money alone" in finding.explanation
    assert (finding.certainty, finding.completeness.found) == ("assumed", 0)
    assert found(rows, sweep, without_history=100.0) == []


def test_in_an_account_whose_jobs_are_dear_a_new_one_must_be_dearer_than_nearly_all(rows: SimpleNamespace) -> None:
    dear = past(rows, *[600.0] * 24, name="giant-train", machine="ml.p4d.24xlarge")
    assert found(rows, *dear, running(rows, 3.0, "sweep-9", machine="ml.g5.12xlarge", instance_count=8)) == []


def test_a_job_without_a_family_that_is_about_to_be_stopped_is_told(rows: SimpleNamespace) -> None:
    job = running(rows, 9.5, "sweep-9", machine="ml.g5.xlarge", max_runtime_seconds=36_000)
    assert "about to be stopped by its limit" in found(rows, job)[0].title


def test_what_nobody_has_looked_at_for_long_is_not_believed_to_run_on(rows: SimpleNamespace) -> None:
    job = running(rows, 60.0) | {"observed_at": rows.as_of - timedelta(hours=30)}
    assert found(rows, *past(rows, 60, 62, 58, 61, 60), job) == []


def test_a_job_without_a_price_is_told_by_its_duration_and_its_cost_is_unknown(rows: SimpleNamespace) -> None:
    family = past(rows, 60, 62, 58, 61, 60, machine="ml.zz9.large")
    finding = found(rows, *family, running(rows, 3.0, machine="ml.zz9.large"))[0]
    assert (finding.impact_per_month, finding.stake) == (None, None)
    assert finding.unknowns == ["what an hour of it costs: " + _figure(finding)]
    assert {item.value for item in finding.evidence.figures if item.label == "Has cost"} == {None}


def _figure(finding: Any) -> str:
    return str(finding.explanation.split("What it costs is unknown: ")[1])


def test_small_money_is_no_finding(rows: SimpleNamespace) -> None:
    small = running(rows, 3.0) | {"max_runtime_seconds": 4 * 3600}
    assert found(rows, *past(rows, 60, 62, 58, 61, 60), small) == []


def test_it_is_the_same_finding_an_hour_later(rows: SimpleNamespace) -> None:
    family = past(rows, 60, 62, 58, 61, 60)
    first, later = (found(rows, *family, running(rows, hours))[0] for hours in (3.0, 4.0))
    assert first.fingerprint == later.fingerprint
