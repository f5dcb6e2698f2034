"""The last word of a monitor's runs, and monitors that fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers import monitor, monitor_failing, monitor_idle

RUN = ("account", "region", "endpoint", "schedule", "execution_time", "day", "monitor")


def run(rows: SimpleNamespace, hours_ago: int, status: str | None, **more: Any) -> dict[str, Any]:
    """One execution of the schedule prices-quality."""
    at = (rows.as_of - timedelta(hours=hours_ago)).replace(minute=0, second=0, microsecond=0)
    return {
        "account": rows.account,
        "region": rows.region,
        "endpoint": "prices",
        "schedule": "prices-quality",
        "execution_time": at,
        "scheduled_at": at,
        "day": at.date(),
        "monitor": "DataQuality",
        "input": "endpoint",
        "status": status,
        "unread": "[]",
    } | more


def violation(rows: SimpleNamespace, hours_ago: int, feature: str = "income", **more: Any) -> dict[str, Any]:
    """What such a run has complained about."""
    own = run(rows, hours_ago, None)
    said = {"feature": feature, "check": "baseline_drift_check", "description": "distance 0.3 exceeds 0.1"}
    return {key: own[key] for key in RUN} | said | more


def standing(rows: SimpleNamespace) -> list[dict[str, Any]]:
    """The endpoint and its schedule."""
    schedule = rows.endpoint("prices-quality") | {"kind": "monitoring_schedule"}
    return [rows.endpoint("prices", tags={"team": "pricing"}), schedule]


def test_a_violation_holds_until_a_later_run_completes_without_one(rows: SimpleNamespace) -> None:
    seen = [violation(rows, 170)]
    runs = [run(rows, 170, "CompletedWithViolations", violations=1, records=90)]

    def found(*later: dict[str, Any]) -> int:
        facts = rows.facts(violations=seen, monitor_runs=[*runs, *later], inventory=standing(rows))
        return len(monitor.find(facts, monitor.Settings()))

    assert found() == 1  # a weekly schedule has said nothing since
    assert found(run(rows, 2, "Failed")) == 1
    assert found(run(rows, 2, "Completed", violations=0)) == 0
    assert found(run(rows, 2, None, violations=0)) == 0


def test_a_schedule_that_is_gone_is_told_of_for_two_days_only(rows: SimpleNamespace) -> None:
    for hours, expected in ((40, 1), (60, 0)):
        facts = rows.facts(
            violations=[violation(rows, hours)], monitor_runs=[run(rows, hours, "CompletedWithViolations")]
        )
        assert len(monitor.find(facts, monitor.Settings())) == expected


def test_violations_that_cannot_be_read_are_told_with_what_is_wrong(rows: SimpleNamespace) -> None:
    spoiled = run(rows, 3, "CompletedWithViolations", unread='["constraint_violations.json is no JSON."]')
    (finding,) = monitor.find(rows.facts(monitor_runs=[spoiled], inventory=standing(rows)), monitor.Settings())
    assert finding.evidence.figures[0].value == "constraint_violations.json is no JSON."
    assert finding.unknowns == ["constraint_violations.json is no JSON."]


def test_a_monitor_of_batches_is_named_by_its_schedule(rows: SimpleNamespace) -> None:
    seen = [violation(rows, 3, endpoint="", schedule="nightly", monitor="ModelBias", feature="Sex=0 DI")]
    (finding,) = monitor.find(rows.facts(violations=seen), monitor.Settings())
    assert (finding.subject.kind, finding.subject.name) == ("monitoring_schedule", "nightly")
    assert finding.title == "Clarify reports 1 bias violation in the batches of nightly"


def test_a_violated_metric_is_drawn_over_its_runs(rows: SimpleNamespace) -> None:
    quality = [
        violation(rows, ago)
        | {"problem": "regression", "metric": metric, "segment": "", "basis": "labels", "value": value}
        for ago, metric, value in ((3, "rmse", 0.9), (4, "rmse", 0.4), (3, "mae", 0.1))
    ]
    seen = [violation(rows, 3, "rmse", monitor="ModelQuality", check="GreaterThanThreshold")]
    (finding,) = monitor.find(rows.facts(violations=seen, model_quality=quality), monitor.Settings())
    series = {item.name: [value for _, value in item.points] for item in finding.evidence.series}
    assert series == {"Violations a run": [1], "rmse a run": [0.4, 0.9]}


def test_the_published_distance_of_a_drifted_feature_is_drawn(rows: SimpleNamespace) -> None:
    own = violation(rows, 3)
    place = {key: own[key] for key in ("account", "region", "endpoint", "schedule")} | {"dimensions": "{}"}
    metrics = [
        place
        | {
            "metric": f"feature_baseline_drift_{name}",
            "start": own["execution_time"] - timedelta(hours=ago),
            "maximum": far,
        }
        for name, ago, far in (("income", 1, 0.1), ("income", 0, 0.3), ("age", 0, 0.9))
    ]
    (finding,) = monitor.find(rows.facts(violations=[own], monitor_metrics=metrics), monitor.Settings())
    drawn = {item.name: [value for _, value in item.points] for item in finding.evidence.series}
    assert drawn["Distance of income from its baseline"] == [0.1, 0.3]
    assert len(drawn) == 2


def test_runs_that_fail_in_a_row_are_one_finding_with_their_reason_and_cost(rows: SimpleNamespace) -> None:
    start = rows.as_of - timedelta(hours=4)
    jobs = [rows.job(name, "ml.m5.large", start, 60, kind="processing_job", volume_gb=None) for name in ("a", "b")]
    runs = [
        run(rows, 9, "Completed"),
        run(rows, 3, "Failed", failure_reason="No S3 objects found", job_arn=jobs[0]["arn"]),
        run(rows, 2, "Failed", failure_reason="No S3 objects found", job_arn=jobs[1]["arn"]),
        run(rows, 1, "Failed", failure_reason="Job inputs had no data"),
    ]
    facts = rows.facts(monitor_runs=runs, jobs=jobs, inventory=standing(rows))
    (finding,) = monitor_failing.find(facts, monitor_failing.Settings())
    figures = {item.label: item.value for item in finding.evidence.figures}
    price = facts.prices.hourly("ml.m5.large", "Processing", rows.region).usd
    assert figures["Cost of these runs"] == pytest.approx(2 * float(price))
    assert (figures["Failed runs in a row"], finding.severity, finding.owner) == (3, "low", "pricing")
    assert "Nobody may have asked the endpoint" in finding.explanation


def test_one_failure_or_one_that_a_success_followed_is_no_finding(rows: SimpleNamespace) -> None:
    settings = monitor_failing.Settings()
    assert monitor_failing.find(rows.facts(monitor_runs=[run(rows, 1, "Failed")]), settings) == []
    runs = [run(rows, 3, "Failed"), run(rows, 2, "Failed"), run(rows, 1, "CompletedWithViolations")]
    assert monitor_failing.find(rows.facts(monitor_runs=runs), settings) == []


def test_a_failed_run_whose_job_is_not_known_has_no_known_cost(rows: SimpleNamespace) -> None:
    runs = [run(rows, ago, "Failed", job_arn=rows.arn("processing-job", "gone")) for ago in (2, 1)]
    (finding,) = monitor_failing.find(rows.facts(monitor_runs=runs), monitor_failing.Settings())
    figures = {item.label: item.value for item in finding.evidence.figures}
    assert figures["Cost of these runs"] is None
    assert finding.unknowns


def quiet_facts(rows: SimpleNamespace, busy_day: int | None = None) -> Any:
    """Four days of daily runs of a job of 36 minutes; nobody asks, except perhaps on one day."""
    start = rows.as_of - timedelta(days=5)
    jobs = [rows.job(f"j{ago}", "ml.m5.large", start, 36, kind="processing_job", volume_gb=None) for ago in range(1, 5)]
    runs = [run(rows, 24 * ago, "Completed", job_arn=jobs[ago - 1]["arn"]) for ago in range(1, 5)]
    busy = None if busy_day is None else (rows.as_of - timedelta(days=busy_day)).date()
    asked = rows.metrics(
        "prices", "Invocations", "Sum", lambda at: 7.0 if at.date() == busy else 0.0, days=10, period=86400
    )
    return rows.facts(monitor_runs=runs, jobs=jobs, metrics=asked, inventory=standing(rows))


def test_a_monitor_whose_endpoint_nobody_asks_is_told_with_what_it_costs_a_month(rows: SimpleNamespace) -> None:
    facts = quiet_facts(rows)
    (finding,) = monitor_idle.find(facts, monitor_idle.Settings())
    price = float(facts.prices.hourly("ml.m5.large", "Processing", rows.region).usd)
    assert float(finding.impact_per_month or 0) == pytest.approx(4 * 0.6 * price / 7 * 730 / 24, abs=0.006)
    assert (finding.subject.name, finding.owner) == ("prices", "pricing")


def test_one_busy_or_unknown_day_and_the_monitor_is_not_idle(rows: SimpleNamespace) -> None:
    assert monitor_idle.find(quiet_facts(rows, busy_day=2), monitor_idle.Settings()) == []
    unknown = replace(quiet_facts(rows), metrics=quiet_facts(rows).metrics.clear())
    assert monitor_idle.find(unknown, monitor_idle.Settings()) == []
