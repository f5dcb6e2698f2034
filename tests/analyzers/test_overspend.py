"""A rise is told once, at the smallest thing that explains it, and noise is not told at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.facts import EVENTS, KNOWN_RISES
from sagekeeper.analyzers.overspend import Settings, find
from sagekeeper.core.types import Finding

LAST = date(2026, 11, 19)  # AS_OF is 20 November, 08:00: final up to 17 November


def days(
    rows: SimpleNamespace, name: str | None, cost: Callable[[date], float], length: int = 70, **more: Any
) -> list[dict[str, Any]]:
    """Daily costs up to yesterday; a zero is no row."""
    calendar = [LAST - timedelta(days=length - 1 - n) for n in range(length)]
    nameless = {} if name else {"resource_kind": None, "resource_arn": None, "attribution": "unattributed"}
    return [rows.daily(name, day, cost(day), **(nameless | more)) for day in calendar if cost(day)]


def told(rows: SimpleNamespace, *costs: dict[str, Any]) -> list[Finding]:
    """The findings."""
    return find(rows.facts(daily_costs=list(costs)), Settings())


def steady(level: float) -> Callable[[date], float]:
    """The same every day, with a small wobble."""
    return lambda day: level * (1 + 0.02 * ((day.toordinal() * 7919) % 11 - 5) / 5)


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


def event(kind: str, name: str, at: datetime, **more: Any) -> dict[str, Any]:
    """Something done to an endpoint."""
    blank = dict.fromkeys(EVENTS)
    here = {"account": "123456789012", "region": "us-east-1", "resource_kind": "endpoint", "exact": True}
    return blank | here | {"kind": kind, "name": name, "at": at} | more


def told_with(rows: SimpleNamespace, done: list[dict[str, Any]], *costs: dict[str, Any], **facts: Any) -> list[Finding]:
    """The findings where something was done."""
    known = rows.facts(daily_costs=list(costs), **facts)
    return find(replace(known, events=pl.DataFrame(done, schema=EVENTS)), Settings())


STEP = datetime(2026, 11, 10, 14, 10, tzinfo=UTC)  # a Tuesday; costs are higher from the next day on


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


def new(rows: SimpleNamespace, name: str, cost: float, since: date = date(2026, 11, 11)) -> list[dict[str, Any]]:
    return days(rows, name, lambda day: cost if day >= since else 0.0)


def made(name: str, **more: Any) -> dict[str, Any]:
    return event("created", name, STEP + timedelta(hours=12), after="1 x ml.g5.2xlarge", **more)


def test_what_is_new_is_told_where_it_is_why_its_sum_has_risen_and_the_sum_is_not_told_too(
    rows: SimpleNamespace,
) -> None:
    costs = [*new(rows, "canary", 40.0), *days(rows, "old", steady(100))]
    (finding,) = told_with(rows, [made("canary")], *costs)
    assert finding.stake is not None
    assert (finding.subject.name, finding.stake.cause) == ("canary", "new_resource")
    assert finding.first_seen.date() == date(2026, 11, 11)
    assert float(finding.stake.excess) == pytest.approx(9 * 40.0)


def test_a_new_thing_of_the_same_name_in_another_account_explains_nothing_there(rows: SimpleNamespace) -> None:
    elsewhere = {"account": "210987654321"}
    costs = [
        *new(rows, "canary", 40.0),
        *days(rows, "old", steady(100)),
        *days(rows, "canary", lambda day: 40.0 if day >= date(2026, 11, 11) else 0.0, **elsewhere),
        *days(rows, "large", steady(2000), **elsewhere),
    ]
    (finding,) = told_with(rows, [made("canary"), made("canary") | elsewhere], *costs)
    assert finding.subject.account == "123456789012"


def test_a_small_new_thing_beside_a_large_sum_that_has_not_risen_is_not_told_and_a_dear_one_is(
    rows: SimpleNamespace,
) -> None:
    around = days(rows, "old", steady(1000))
    assert told_with(rows, [made("canary")], *new(rows, "canary", 40.0), *around) == []
    (finding,) = told_with(rows, [made("canary")], *new(rows, "canary", 80.0), *around)  # 2,433 a month
    assert finding.subject.name == "canary"


def test_what_took_the_place_of_another_is_not_new_money(rows: SimpleNamespace) -> None:
    before = days(rows, "scorer-v1", lambda day: 100.0 if day < date(2026, 11, 11) else 0.0)
    assert (
        told_with(rows, [made("scorer-v2")], *before, *new(rows, "scorer-v2", 100.0), *days(rows, "old", steady(300)))
        == []
    )


def test_a_new_thing_that_is_gone_again_is_not_told(rows: SimpleNamespace) -> None:
    gone = days(rows, "trial", lambda day: 90.0 if 11 <= day.day <= 13 and day.month == 11 else 0.0)
    assert told_with(rows, [made("trial")], *gone, *days(rows, "old", steady(100))) == []


@pytest.mark.parametrize(("ended", "told_of"), [(14, True), (8, False)])
def test_new_jobs_that_have_ended_are_told_for_a_week_with_what_they_took(
    rows: SimpleNamespace, ended: int, told_of: bool
) -> None:
    last = date(2026, 11, ended)
    kind = {"resource_kind": "training_job", "usage_family": "training"}
    costs = days(rows, "sweep-9", lambda day: 1200.0 if last - timedelta(days=2) < day <= last else 0.0, **kind)
    start = datetime(2026, 11, ended - 1, 0, 5, tzinfo=UTC)
    begun = event("job_started", "sweep-9", start) | {"resource_kind": "training_job"}
    job = rows.job("sweep-9", "ml.g5.12xlarge", start, 2870)
    found = told_with(rows, [begun], *costs, *days(rows, "old", steady(100)), jobs=[job])
    assert [finding.title for finding in found] == (["sweep is new and has cost 2,400 USD"] if told_of else [])
    for finding in found:
        assert finding.stake is not None
        assert (finding.stake.excess, finding.stake.month_excess) == (2400, 2400)


def test_a_resource_and_its_sum_are_told_once_and_what_is_left_of_the_sum_is_told_without_it(
    rows: SimpleNamespace,
) -> None:
    step = date(2026, 11, 11)
    grown = days(rows, "grown", lambda day: 300.0 if day >= step else 100.0)
    steadily = days(rows, "old", steady(100))
    # Nobody saw these two begin: the bill may only name them since.
    unseen = [line for name in ("a", "b") for line in days(rows, name, lambda day: 200.0 if day >= step else 0.0)]
    one, other = told_with(rows, [], *grown, *steadily, *unseen)
    assert {item.subject.name for item in (one, other)} == {"grown", "Amazon SageMaker, hosting"}
    amounts = {item.subject.name: float(item.stake.excess) for item in (one, other) if item.stake}
    assert amounts == {
        "grown": pytest.approx(9 * 200.0),
        "Amazon SageMaker, hosting": pytest.approx(9 * 400.0, rel=0.01),
    }
    assert "besides what is told of its parts" in one.title + other.title


def test_a_service_is_told_without_its_families_and_what_is_left_of_these(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)

    def since(before: float, after: float) -> Callable[[date], float]:
        return lambda day: after if day >= step else before

    # Hosting: 200 of one endpoint and 400 of what nobody saw begin; 90 of studio apps nobody saw begin, in a family of its own.
    costs = [
        *days(rows, "grown", since(100, 300)),
        *days(rows, "old", steady(100)),
        *days(rows, "a", since(0, 400)),
        *days(rows, "b", since(0, 90), usage_family="studio"),
    ]
    found = told_with(rows, [], *costs)
    amounts = {item.subject.name: float(item.stake.excess) for item in found if item.stake}
    assert amounts["grown"] == pytest.approx(9 * 200)
    assert amounts["Amazon SageMaker, hosting"] == pytest.approx(9 * 400, rel=0.01)
    assert sum(amounts.values()) <= 9 * 690 * 1.01


def test_resources_that_all_rose_alike_are_one_cause(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    costs = [
        line
        for number in range(1, 6)
        for line in days(rows, f"e{number}", lambda day, size=100.0 * number: size * (1.5 if day >= step else 1.0))
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.subject.name == "Amazon SageMaker, hosting"
    assert finding.stake is not None
    assert float(finding.stake.excess) == pytest.approx(9 * 750.0)
    assert "same ratio" in finding.stake.because


def test_all_of_one_region_that_rose_alike_are_one_cause(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    costs = [
        line
        for number in range(1, 5)
        for region, ratio in (("us-east-1", 1.0), ("eu-west-1", 2.0))
        for line in days(
            rows,
            f"e{number}-{region}",
            lambda day, size=100.0 * number, ratio=ratio: size * (ratio if day >= step else 1.0),
            region=region,
        )
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.stake is not None
    assert finding.subject.name == "Amazon SageMaker, hosting"
    assert finding.stake.because == "The money is in: all 4 of eu-west-1, alike 100 %."


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


STEPS = st.sampled_from([1.0, 1.2, 1.5, 3.0, 0.5])
THINGS = st.lists(
    st.tuples(st.floats(20, 500), STEPS, st.booleans(), st.sampled_from(["hosting", "notebook"])),
    min_size=1,
    max_size=6,
)


@example([(20.0, 1.0, True, "hosting"), (40.0, 0.5, True, "notebook"), (63.0, 3.0, True, "hosting")])
@settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(THINGS)
def test_what_is_told_in_all_is_never_more_than_what_there_is_too_much_of(
    rows: SimpleNamespace, things: list[tuple[float, float, bool, str]]
) -> None:
    step = date(2026, 11, 11)
    costs, done, rises = [], [], []
    for number, (level, ratio, is_new, family) in enumerate(things):
        before = 0.0 if is_new else level
        after = level * ratio
        costs += days(rows, f"e{number}", lambda day, a=after, b=before: a if day >= step else b, usage_family=family)
        done += [made(f"e{number}")] if is_new else []
        rises.append(9 * (after - before))
    found = told_with(rows, done, *costs, *days(rows, "old", steady(50), usage_family="hosting"))
    told_in_all = sum(float(item.stake.excess) for item in found if item.stake)
    assert told_in_all <= sum(rise for rise in rises if rise > 0) + 9 * 0.02 * 50 + 1e-6
    names = [(item.subject.kind, item.subject.name) for item in found]
    assert len(set(names)) == len(names)
