"""A rise is found with its day, its money and why it is; noise is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.analyzers.overspend_rows import LAST, STEP, days, event, steady, told, told_with

from sagekeeper.analyzers.facts import KNOWN_RISES
from sagekeeper.analyzers.overspend import Settings, find


def test_a_step_nine_days_ago_is_found_with_its_day_and_its_excess(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    costs = days(rows, "grown", lambda day: 218.0 if day >= step else 73.0, owner="risk")
    (finding,) = told(rows, *costs, *days(rows, "other", steady(500)))
    assert (finding.subject.kind, finding.subject.name, finding.owner) == ("endpoint", "grown", "risk")
    assert finding.first_seen.date() == step
    figures = {figure.label: figure.value for figure in finding.evidence.figures}
    assert figures["Usual cost a day"] == 73.0
    assert figures["Too much so far"] == pytest.approx(9 * 145.0)  # 11 to 19 November
    assert float(finding.impact_per_month or 0) == pytest.approx(145.0 * 730 / 24, rel=1e-4)


def test_an_even_spend_a_weekend_rhythm_and_noise_are_not_told(rows: SimpleNamespace) -> None:
    rng = np.random.default_rng(3)
    noise = {LAST - timedelta(days=n): float(rng.normal(100, 8)) for n in range(80)}
    costs = [
        *days(rows, "even", lambda day: 50.0),
        *days(rows, "weekly", lambda day: 20.0 if day.weekday() >= 5 else 200.0),
        *days(rows, "noisy", noise.__getitem__),
    ]
    assert told(rows, *costs) == []


def test_days_younger_than_48_hours_are_never_the_only_ground(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 500.0 if day >= date(2026, 11, 18) else 50.0)) == []


def test_one_high_day_is_not_yet_a_rise(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 500.0 if day == date(2026, 11, 17) else 50.0)) == []


def test_a_rise_that_is_over_is_not_told(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 500.0 if 8 <= day.day <= 14 and day.month == 11 else 50.0)) == []


def test_what_has_been_as_high_lately_is_nothing_new(rows: SimpleNamespace) -> None:
    def cost(day: date) -> float:
        return 200.0 if day >= date(2026, 11, 12) or day in (date(2026, 10, 20), date(2026, 10, 21)) else 50.0

    assert told(rows, *days(rows, "e", cost)) == []


def test_a_small_amount_is_not_told_however_steep(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 1.0 if day >= date(2026, 11, 11) else 0.1)) == []


def test_a_family_of_weekly_jobs_is_compared_with_its_own_runs(rows: SimpleNamespace) -> None:
    def jobs(prefix: str, cost: Callable[[date], float]) -> list[dict[str, Any]]:
        kind = {"resource_kind": "training_job", "usage_family": "training"}
        return [
            rows.daily(f"{prefix}-{day:%Y-%m-%d}", day, cost(day), **kind)
            for day in (date(2026, 11, 17) - timedelta(days=7 * n) for n in range(9))
        ]

    calm = jobs("calm", lambda day: 40.0 + day.day % 3)
    grown = jobs("grown", lambda day: 200.0 if day >= date(2026, 11, 10) else 40.0)
    (finding,) = told(rows, *calm, *grown, *days(rows, "hosting", steady(300)))
    assert (finding.subject.kind, finding.subject.name) == ("training_family", "grown")
    # Two runs of 160 too much in 14 days.
    assert float(finding.impact_per_month or 0) == pytest.approx(320 / 14 * 730 / 24, rel=1e-4)


def occasional(rows: SimpleNamespace, *costs: float) -> list[dict[str, Any]]:
    """One family of jobs, a run every seven days, the last on 17 November."""
    kind = {"resource_kind": "training_job", "usage_family": "training"}
    start = date(2026, 11, 17) - timedelta(days=7 * (len(costs) - 1))
    calendar = [start + timedelta(days=7 * n) for n in range(len(costs))]
    return [rows.daily(f"adhoc-{day:%Y-%m-%d}", day, cost, **kind) for day, cost in zip(calendar, costs, strict=True)]


def test_occasional_jobs_that_had_a_long_run_before_are_not_told_for_two_of_that_size(rows: SimpleNamespace) -> None:
    # 66 and 68 are three times the usual run and a tenth above the longest one.
    costs = occasional(rows, 20, 21, 60, 22, 21, 20, 66, 68)
    assert told(rows, *costs, *days(rows, "hosting", steady(300))) == []


def test_after_three_runs_nobody_can_say_what_a_run_usually_costs(rows: SimpleNamespace) -> None:
    assert told(rows, *occasional(rows, 40, 41, 40, 200, 210), *days(rows, "hosting", steady(300))) == []
    (finding,) = told(rows, *occasional(rows, 40, 41, 40, 41, 200, 210), *days(rows, "hosting", steady(300)))
    assert finding.subject.name == "adhoc"


def test_a_nameless_rise_is_told_at_its_usage_family_once(rows: SimpleNamespace) -> None:
    costs = days(rows, None, lambda day: 90.0 if day >= date(2026, 11, 10) else 20.0, usage_family="studio")
    (finding,) = told(rows, *costs, *days(rows, "e", steady(40)))
    assert (finding.subject.kind, finding.subject.name) == ("usage_family", "Amazon SageMaker, studio")


def test_a_new_endpoint_is_not_an_overspend_of_its_own(rows: SimpleNamespace) -> None:
    new = days(rows, "canary", lambda day: 9.8, length=5)
    assert told(rows, *new, *days(rows, "old", steady(300))) == []


def test_a_resource_that_the_bill_only_names_since_two_weeks_is_not_dearer_for_that(rows: SimpleNamespace) -> None:
    named_from = date(2026, 11, 6)
    notebook = {"usage_family": "notebook", "resource_kind": "notebook_instance"}
    costs = [
        *days(rows, "lab", lambda day: 30.0 if day >= named_from else 0.0, **notebook),
        *days(rows, "lab", lambda day: 0.0 if day >= named_from else 1.0, **(notebook | {"attribution": "derived"})),
        *days(rows, None, lambda day: 0.0 if day >= named_from else 29.0, usage_family="notebook"),
    ]
    assert told(rows, *costs) == []


def test_what_comes_every_month_on_this_day_is_no_surprise(rows: SimpleNamespace) -> None:
    def cost(day: date) -> float:
        return 400.0 if day.day in (16, 17) else 50.0

    assert told(rows, *days(rows, "e", cost)) == []


def test_the_same_rise_has_the_same_fingerprint_a_day_later(rows: SimpleNamespace) -> None:
    costs = days(rows, "grown", lambda day: 218.0 if day >= date(2026, 11, 11) else 73.0)
    later = find(rows.facts(as_of=rows.as_of + timedelta(days=1), daily_costs=costs), Settings())
    assert [item.fingerprint for item in later] == [item.fingerprint for item in told(rows, *costs)]


def test_a_rise_is_told_with_what_was_done_to_it_and_when(rows: SimpleNamespace) -> None:
    costs = days(rows, "grown", lambda day: 292.0 if day > STEP.date() else 73.0)
    resized = event("resized", "grown", STEP, before="2 x ml.g5.2xlarge", after="8 x ml.g5.2xlarge", by="ana")
    other = event("resized", "old", STEP, before="1 x ml.m5.xlarge", after="2 x ml.m5.xlarge")
    (finding,) = told_with(rows, [other, resized], *costs, *days(rows, "old", steady(500)))
    assert finding.stake is not None
    assert (finding.stake.cause, finding.stake.planned) == ("resized", None)
    assert finding.stake.because == (
        "Endpoint grown went from 2 to 8 ml.g5.2xlarge on Tuesday 10 November 14:10 UTC by ana."
    )
    assert finding.stake.because in finding.explanation


@pytest.mark.parametrize(("known", "still"), [(True, True), (False, False)])
def test_a_rise_that_is_told_of_stays_too_much_when_it_has_gone_on_for_weeks(
    rows: SimpleNamespace, known: bool, still: bool
) -> None:
    step = date(2026, 10, 25)
    costs = days(rows, "grown", lambda day: 292.0 if day >= step else 73.0)
    told_of = {
        "account": "123456789012", "region": "us-east-1", "subject_kind": "endpoint", "subject_name": "grown",
        "known_since": step,
    }  # fmt: skip
    rises = pl.DataFrame([told_of] if known else [], schema=KNOWN_RISES)
    found = find(replace(rows.facts(daily_costs=costs), known_rises=rises), Settings())
    assert [item.subject.name for item in found] == (["grown"] if still else [])
    for finding in found:
        assert finding.stake is not None
        assert finding.stake.since.date() == step
        assert float(finding.stake.excess) == pytest.approx(26 * 219.0)  # 25 October to 19 November


def test_a_planned_rise_is_told_as_planned(rows: SimpleNamespace) -> None:
    costs = days(rows, "grown", lambda day: 292.0 if day > STEP.date() else 73.0)
    done = event("resized", "grown", STEP, before="1 x ml.m5.large", after="1 x ml.m5.4xlarge", planned="change CHG-7")
    (finding,) = told_with(rows, [done], *costs)
    assert finding.stake is not None
    assert finding.stake.planned == "change CHG-7"
    assert "went from 1 x ml.m5.large to 1 x ml.m5.4xlarge" in finding.stake.because


def test_what_scales_is_dearer_for_the_requests_it_answers(rows: SimpleNamespace) -> None:
    costs = days(rows, "grown", lambda day: 292.0 if day > STEP.date() else 73.0)
    scaled = event("scaled", "grown", STEP, before="1 instance", after="4 instances")
    asked = rows.metrics(
        "grown", "Invocations", "Sum", lambda at: 8000.0 if at.date() > STEP.date() else 2000.0, days=40, period=86400
    )
    (finding,) = told_with(rows, [scaled], *costs, metrics=asked)
    assert finding.stake is not None
    assert finding.stake.cause == "more_use"
    assert finding.stake.because.startswith(
        "It gets 8,000 requests a day instead of 2,000. Endpoint grown went from 1 in"
    )


def test_a_change_before_the_first_look_is_told_as_far_as_it_is_known(rows: SimpleNamespace) -> None:
    costs = days(rows, "grown", lambda day: 292.0 if day > STEP.date() else 73.0)
    (finding,) = told_with(rows, [event("changed", "grown", STEP, after="8 x ml.g5.2xlarge", role="Serving")], *costs)
    assert finding.stake is not None
    assert finding.stake.because == (
        "Endpoint grown was changed to 8 x ml.g5.2xlarge (what it was before was not seen) on Tuesday 10 November 14:10 UTC. "
        "It runs as role Serving."
    )


def test_what_was_done_a_week_before_explains_nothing(rows: SimpleNamespace) -> None:
    costs = days(rows, "grown", lambda day: 292.0 if day > STEP.date() else 73.0)
    (finding,) = told_with(rows, [event("resized", "grown", STEP - timedelta(days=7))], *costs)
    assert finding.stake is not None
    assert finding.stake.cause == "unknown"


def logs(rows: SimpleNamespace, used: Callable[[date], float], price: Callable[[date], float]) -> Any:
    """A service whose bill names no resource: usage and cost, and bill lines of 60 days."""
    calendar = [LAST - timedelta(days=n) for n in range(60)]
    service = {"ServiceName": "AmazonCloudWatch"}
    lines = [
        rows.bill_line(
            "USE1-DataProcessing-Bytes",
            used(day) * price(day),
            used(day),
            x_ChargeDate=day,
            ConsumedUnit="GB",
            **service,
        )
        for day in calendar
    ] + [rows.bill_line("USE1-CW:Requests", 5.0, 500.0, x_ChargeDate=day, **service) for day in calendar]
    more = {"service": "AmazonCloudWatch", "usage_family": "cloudwatch"}
    return lines, days(rows, None, lambda day: used(day) * price(day) + 5.0, 60, **more)


def test_of_a_sum_without_resources_its_usage_type_is_named_and_its_rise_is_split(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    lines, costs = logs(rows, lambda day: 400.0 if day >= step else 40.0, lambda day: 0.5)
    (finding,) = told_with(rows, [], *costs, costs=lines)
    assert finding.stake is not None
    assert finding.stake.cause == "more_use"
    assert "100 % of it is USE1-DataProcessing-Bytes: more of it is used." in finding.stake.because
    figures = {figure.label: figure.value for figure in finding.evidence.figures}
    # 11 to 17 November: 7 final days of 180 more.
    assert figures["Of it more use"] == pytest.approx(7 * 180.0)
    assert "Of it prices" not in figures


def test_a_price_that_rose_is_no_overspend_of_its_users(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    costs = days(rows, "dearer", lambda day: 60.0 if day >= step else 30.0)
    bill = [
        rows.bill_line("USE1-Host:ml.m5.4xlarge", 60.0 if day >= step else 30.0, 24.0, x_ChargeDate=day)
        for day in (LAST - timedelta(days=n) for n in range(40))
    ]
    standing = [rows.endpoint("dearer", "ml.m5.4xlarge")]
    assert told_with(rows, [], *costs, costs=bill, inventory=standing) == []
    (without,) = told_with(rows, [], *costs, inventory=standing)
    assert without.subject.name == "dearer"


def runs(
    rows: SimpleNamespace,
    takes: Callable[[date], float],
    each_day: Callable[[date], int],
    machine: Callable[[date], str],
) -> list[dict[str, Any]]:
    """Jobs of the family "train" of the last 60 days: minutes, how many, on what."""
    return [
        rows.job(
            f"train-{day:%Y-%m-%d}-{number}",
            machine(day),
            datetime(day.year, day.month, day.day, 3 + number, tzinfo=UTC),
            takes(day),
        )
        for day in (LAST - timedelta(days=n) for n in range(60))
        for number in range(each_day(day))
    ]


@pytest.mark.parametrize(
    ("what", "cause", "said"),
    [
        ("takes", "ran_long", "A run of it takes 3.0 h instead of 1.0 h (medians)."),
        ("each_day", "more_runs", "times a day instead of 1.0."),
        (
            "machine",
            "resized",
            "Its runs moved from 1 x ml.m5.xlarge to 1 x ml.m5.4xlarge on Wednesday 11 November 03:00 UTC.",
        ),
    ],
)
def test_a_family_of_jobs_is_dearer_for_longer_more_or_larger_runs(
    rows: SimpleNamespace, what: str, cause: str, said: str
) -> None:
    step = date(2026, 11, 11)
    changed: dict[str, tuple[Any, Any]] = {
        "takes": (60.0, 180.0), "each_day": (1, 3), "machine": ("ml.m5.xlarge", "ml.m5.4xlarge"),
    }  # fmt: skip

    def of(name: str) -> Callable[[date], Any]:
        return lambda day: changed[name][name == what and day >= step]

    jobs = runs(rows, of("takes"), of("each_day"), of("machine"))
    kind = {"resource_kind": "training_job", "usage_family": "training"}
    costs = days(rows, "train-1", lambda day: 90.0 if day >= step else 30.0, **kind)
    (finding,) = told_with(rows, [], *costs, jobs=jobs)
    assert finding.stake is not None
    assert finding.stake.cause == cause
    assert said in finding.stake.because
