"""What failed and stopped runs cost, by family; and when the same failure, tried again and again, is an incident."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers.failed_jobs import Settings, find

FAILED = {"status": "Failed", "failure_reason": "AlgorithmError: exit code 137 in s3://bucket/run-4711."}
STOPPED = {"status": "Stopped"}


def run(rows: SimpleNamespace, days_ago: float, cost: float | None, name: str = "fraud-train", **more: Any) -> Any:
    """A run that took an hour, and its day on the bill where it has a cost."""
    ended = rows.as_of - timedelta(days=days_ago)
    job = rows.job(
        f"{name}-{ended:%Y%m%d%H%M}", more.pop("machine", "ml.m5.xlarge"), ended - timedelta(hours=1), 60, **more
    )
    if cost is None:
        return job, None
    return job, rows.daily(
        job["name"], ended.date(), cost, resource_kind="training_job", usage_family="training", owner="risk"
    )


def found(rows: SimpleNamespace, *runs: Any, **settings: Any) -> list[Any]:
    jobs, days = [job for job, _ in runs], [day for _, day in runs if day is not None]
    return find(rows.facts(jobs=jobs, daily_costs=days), Settings(**settings))


def test_failed_and_stopped_runs_are_told_apart_with_their_money_and_the_rest_is_not_lost(
    rows: SimpleNamespace,
) -> None:
    finding = found(
        rows, run(rows, 20, 40.0), run(rows, 15, 30.0, **FAILED), run(rows, 10, 8.0, **STOPPED), run(rows, 5, 42.0)
    )[0]
    assert finding.title == "fraud-train: of 4 runs 1 failed and 1 was stopped, 38.00 USD for nothing"
    figures = {item.label: item.value for item in finding.evidence.figures}
    assert (figures["Cost of failed runs"], figures["Cost of stopped runs"]) == (30.0, 8.0)
    assert figures["Of what the family cost"] == pytest.approx(31.7)  # 38 of 120
    assert (finding.subject.kind, finding.subject.name, finding.owner) == ("training_family", "fraud-train", "risk")
    assert (finding.basis, finding.certainty) == ("effective", "measured")
    assert finding.stake is None  # it completes again: no incident


def test_the_same_failure_three_times_in_a_row_is_an_incident_since_the_first_of_them(rows: SimpleNamespace) -> None:
    other = FAILED | {"failure_reason": "AlgorithmError: exit code 1 in s3://bucket/run-4712."}
    finding = found(
        rows,
        run(rows, 12, 20.0, **FAILED),
        run(rows, 8, 20.0),
        run(rows, 6, 10.0, **FAILED),
        run(rows, 4, 10.0, **other),
        run(rows, 3, 10.0, **FAILED),
    )[0]
    assert finding.stake.cause == "failed_jobs"
    assert finding.stake.since.date() == (rows.as_of - timedelta(days=6)).date()
    assert float(finding.stake.excess) == 30.0 and float(finding.stake.per_day) == 5.0
    assert finding.stake.because == (
        "3 runs in a row failed since 14 November, 4 of them with: AlgorithmError: exit code # in #. They cost 30.00 USD."
    )


def test_half_of_the_money_lost_lately_is_an_incident_though_some_runs_complete(rows: SimpleNamespace) -> None:
    mixed = [run(rows, day, 10.0, **(FAILED if day % 2 else {})) for day in range(3, 11)]
    assert found(rows, *mixed)[0].stake is not None
    dear = [run(rows, day + 0.5, 30.0) for day in range(3, 11)]
    assert found(rows, *mixed, *dear)[0].stake is None


def test_failures_that_ended_long_ago_are_told_and_are_no_incident(rows: SimpleNamespace) -> None:
    (finding,) = found(rows, *(run(rows, day, 20.0, **FAILED) for day in (20, 21, 22)))
    assert finding.stake is None


def test_a_single_failure_and_small_money_are_quiet(rows: SimpleNamespace) -> None:
    assert found(rows, run(rows, 5, 500.0, **FAILED)) == []
    assert found(rows, *(run(rows, day, 1.0, **FAILED) for day in (4, 5, 6))) == []


def test_trials_that_a_tuning_job_stopped_early_are_no_waste_and_those_that_failed_are(rows: SimpleNamespace) -> None:
    trial = {"parent_arn": rows.arn("hyper-parameter-tuning-job", "tune")}
    assert found(rows, *(run(rows, day, 20.0, **STOPPED, **trial) for day in (4, 5, 6))) == []
    assert len(found(rows, *(run(rows, day, 20.0, **FAILED, **trial) for day in (4, 5, 6)))) == 1


def test_a_run_that_is_not_on_the_bill_is_priced_and_one_without_a_price_is_unknown_not_free(
    rows: SimpleNamespace,
) -> None:
    big = {"machine": "ml.p3.16xlarge"}
    (priced,) = found(rows, *(run(rows, day, None, **big, **FAILED) for day in (0.5, 1)))
    assert priced.basis == "list" and float(priced.evidence.figures[3].value) > 2 * 20
    nameless = run(rows, 2, None, machine="ml.unheard.of", **FAILED)
    (finding,) = found(rows, run(rows, 5, 30.0, **FAILED), nameless)
    assert "at least 30.00 USD" in finding.title and finding.unknowns == [
        "what 1 of these runs cost: they are not on the bill and have no price"
    ]
    assert (finding.completeness.found, finding.completeness.expected, finding.certainty) == (1, 2, "derived")


def test_a_run_that_was_not_yet_whole_on_the_bill_counts_with_its_price(rows: SimpleNamespace) -> None:
    big = {"machine": "ml.p3.16xlarge"}
    (finding,) = found(rows, *(run(rows, day, 0.5, **big, **FAILED) for day in (0.5, 1)))
    assert float(finding.evidence.figures[3].value) > 2 * 20


def test_families_are_judged_apart_and_the_dearest_comes_first(rows: SimpleNamespace) -> None:
    cheap = [run(rows, day, 10.0, "churn-train", **FAILED) for day in (4, 5)]
    dear = [run(rows, day, 90.0, "rank-train", **FAILED) for day in (4, 5)]
    assert [item.subject.name for item in found(rows, *cheap, *dear)] == ["rank-train", "churn-train"]


def test_whose_the_lost_runs_were_is_said_where_several_people_run_a_family(rows: SimpleNamespace) -> None:
    mine, (job, day) = run(rows, 5, 30.0, **FAILED), run(rows, 4, 20.0, **FAILED)
    (finding,) = found(rows, mine, (job, day | {"owner": "search"}))
    told = {item.label: item.value for item in finding.evidence.figures if item.label.startswith("Of that")}
    assert told == {"Of that, by risk": 30.0, "Of that, by search": 20.0} and finding.owner == "search"
