"""No money in two findings: the kind that says most of why it is tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sagekeeper.analyzers.told_once import told_once
from sagekeeper.core.types import Finding, ResourceRef, Stake

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)


def finding(
    kind: str, name: str, excess: float | None, resource: str = "endpoint", region: str = "us-east-1", days: int = 10
) -> Finding:
    money = None
    if excess is not None:
        amount = Decimal(str(excess))
        money = Stake(
            cause="unknown",
            because="",
            since=AT - timedelta(days=days),
            excess=amount,
            per_day=amount / days,
            month_excess=2 * amount,
        )
    return Finding(
        fingerprint=f"{kind} {name}",
        kind=kind,
        subject=ResourceRef(account="123456789012", region=region, kind=resource, name=name),
        severity="high",
        title=name,
        explanation="",
        first_seen=AT,
        last_seen=AT,
        stake=money,
    )


def told(*found: Finding) -> dict[str, float | None]:
    return {item.fingerprint: None if item.stake is None else float(item.stake.excess) for item in told_once(found)}


def test_a_forgotten_endpoint_is_no_new_one_as_well() -> None:
    assert told(finding("overspend", "x", 600), finding("idle_endpoint", "x", 500)) == {"idle_endpoint x": 500}


def test_a_runaway_job_is_not_its_dear_family_too_and_two_of_them_are_two() -> None:
    jobs = [finding("runaway_job", f"sweep-{number}", 300, "training_job") for number in (7, 8)]
    assert told(*jobs, finding("overspend", "sweep", 650, "training_family")) == {
        "runaway_job sweep-7": 300,
        "runaway_job sweep-8": 300,
    }


def test_what_no_other_tells_is_left_where_it_is_most_of_it() -> None:
    kept = told_once(
        [finding("runaway_job", "a-1", 100, "training_job"), finding("overspend", "a", 1000, "training_family")]
    )
    (rest,) = (item.stake for item in kept if item.kind == "overspend")
    assert rest is not None
    assert (rest.excess, rest.per_day, rest.month_excess) == (900, 90, 1800)


def test_a_sum_is_not_told_for_a_runaway_job_that_is_most_of_it() -> None:
    job = finding("runaway_job", "sweep-9", 900, "training_job")
    training = finding("overspend", "Amazon SageMaker, training", 1000, "usage_family", region="")
    hosting = finding("overspend", "Amazon SageMaker, hosting", 1000, "usage_family", region="")
    assert told(job, training, hosting) == {
        "runaway_job sweep-9": 900,
        "overspend Amazon SageMaker, hosting": 1000,
    }


def test_a_runaway_family_that_is_told_was_taken_out_of_its_sum_before() -> None:
    job = finding("runaway_job", "sweep-9", 900, "training_job")
    family = finding("overspend", "sweep", 800, "training_family")
    rest = finding("overspend", "Amazon SageMaker, training", 1000, "usage_family", region="")
    assert told(job, family, rest) == {
        "runaway_job sweep-9": 900,
        "overspend Amazon SageMaker, training": 1000,
    }


def test_a_runaway_job_is_taken_out_of_its_account_unless_a_sum_in_it_is_told_and_holds_it() -> None:
    job = finding("runaway_job", "sweep-9", 300, "training_job")
    account = finding("overspend", "123456789012", 1000, "account", region="")
    training = finding("overspend", "Amazon SageMaker, training", 1000, "usage_family", region="")
    hosting = finding("overspend", "Amazon SageMaker, hosting", 1000, "usage_family", region="")
    of_the_job = {"runaway_job sweep-9": 300}
    of_hosting = {"overspend Amazon SageMaker, hosting": 1000}
    assert told(job, account, hosting) == of_the_job | of_hosting | {"overspend 123456789012": 700}
    assert told(job, account, training) == of_the_job | {
        "overspend 123456789012": 1000,
        "overspend Amazon SageMaker, training": 700,
    }


def test_of_failures_that_go_on_for_long_only_the_days_of_the_rise_are_taken_out_of_it() -> None:
    failed = finding("failed_jobs", "a", 900, "training_job", days=30)
    assert told(failed, finding("overspend", "a", 500, "training_family", days=5)) == {
        "failed_jobs a": 900,
        "overspend a": 350,
    }


def test_a_running_job_and_failed_ones_of_its_family_are_two() -> None:
    running = finding("runaway_job", "a-1", 900, "training_job")
    assert len(told(running, finding("failed_jobs", "a", 500, "training_job"))) == 2


def test_a_view_of_the_same_money_keeps_what_it_says_without_it() -> None:
    assert told(finding("unit_cost", "x", 400), finding("overspend", "x", 500)) == {
        "unit_cost x": None,
        "overspend x": 500,
    }


def test_others_are_left_as_they_are_and_in_their_order() -> None:
    found = [finding("monitor_violation", "x", None), finding("overspend", "y", 5), finding("idle_endpoint", "x", 9)]
    assert told_once(found) == found
    elsewhere = [finding("overspend", "x", 5, region="eu-west-1"), finding("idle_endpoint", "x", 9)]
    assert told_once(elsewhere) == elsewhere
