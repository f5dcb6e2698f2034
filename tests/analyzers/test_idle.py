"""Silence is called idle only where it is certain."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.idle import Settings, find
from sagekeeper.core.tables import METRICS
from sagekeeper.core.types import HOURS_PER_MONTH


def silence(_: datetime) -> float | None:
    """No datapoint."""
    return None


def cpu(_: datetime) -> float | None:
    """A machine that idles."""
    return 0.7


def world(
    rows: SimpleNamespace, *endpoints: dict[str, Any], requests: Any = silence, alive: Any = cpu, **more: Any
) -> Facts:
    """Endpoints, all with the same traffic."""
    metrics = []
    for item in endpoints:
        metrics += rows.metrics(item["name"], "Invocations", "Sum", requests)
        metrics += rows.metrics(item["name"], "CPUUtilization", "Average", alive)
    return rows.facts(inventory=list(endpoints), metrics=metrics, **more)


def found(facts: Facts) -> list[str]:
    """Names of the idle."""
    return [item.subject.name for item in find(facts, Settings())]


def test_an_endpoint_without_a_request_while_its_machines_report_is_idle(rows: SimpleNamespace) -> None:
    facts = world(rows, rows.endpoint("quiet", tags={"owner": "ana"}))
    (finding,) = find(facts, Settings())
    assert (finding.subject.name, finding.owner, finding.kind) == ("quiet", "ana", "idle_endpoint")
    assert finding.completeness is not None and finding.completeness.ratio == 1.0
    # ml.m5.xlarge costs $0.23 an hour on the list: no bill yet.
    assert float(finding.impact_per_month or 0) == pytest.approx(0.23 * HOURS_PER_MONTH)
    assert (finding.basis, finding.certainty) == ("list", "assumed")


def test_no_datapoint_is_unknown_not_zero_while_the_machines_do_not_report(rows: SimpleNamespace) -> None:
    assert found(world(rows, rows.endpoint("dark"), alive=silence)) == []


@pytest.mark.parametrize(("missing_hours", "idle"), [(33, True), (34, False)])
def test_nine_tenths_of_the_hours_must_be_known(rows: SimpleNamespace, missing_hours: int, idle: bool) -> None:
    # 336 hours: at least 302.4 of them, so 303, must have a reading.
    gap_ends = rows.as_of - timedelta(days=14) + timedelta(hours=missing_hours)
    facts = world(rows, rows.endpoint("e"), alive=lambda at: None if at < gap_ends else 1.0)
    assert found(facts) == (["e"] if idle else [])


def test_one_request_in_the_window_is_use(rows: SimpleNamespace) -> None:
    once = rows.as_of - timedelta(days=13)
    assert found(world(rows, rows.endpoint("rare"), requests=lambda at: 1.0 if at == once else None)) == []


def test_a_request_before_the_window_does_not_count(rows: SimpleNamespace) -> None:
    before = rows.as_of - timedelta(days=14, hours=1)
    assert found(world(rows, rows.endpoint("once"), requests=lambda at: 9.0 if at == before else None)) == ["once"]


def test_async_endpoint_without_invocations_metric_is_never_called_idle(rows: SimpleNamespace) -> None:
    assert found(world(rows, rows.endpoint("queue", "ml.g5.xlarge", asynchronous=True))) == []


def test_requests_to_inference_components_are_not_counted_by_variant_so_their_host_is_never_called_idle(
    rows: SimpleNamespace,
) -> None:
    assert found(world(rows, rows.endpoint("host", "ml.g5.xlarge", model=None))) == []


def test_what_its_owner_opted_out_by_tag_is_not_called_idle(rows: SimpleNamespace) -> None:
    standby = rows.endpoint("standby", tags={"cost-optimizer": "ignore"})
    other = rows.endpoint("other", tags={"cost-optimizer": "managed"})
    unread = rows.endpoint("unread") | {"tags": None}
    assert found(world(rows, standby, other, unread, opt_out_tag="cost-optimizer=ignore")) == ["other", "unread"]


def test_one_that_came_back_after_such_a_silence_before_is_said_to_be_seasonal_not_idle(rows: SimpleNamespace) -> None:
    used = {(rows.as_of - timedelta(days=ago)).date() for ago in (100, 40)}
    endpoint = rows.endpoint("quarterly", created_at=datetime.fromisoformat("2026-08-01T00:00:00Z"))
    facts = world(rows, endpoint)
    days = rows.metrics(
        "quarterly", "Invocations", "Sum", lambda at: 5.0 if at.date() in used else None, days=112, period=86400
    )
    (finding,) = find(replace(facts, metrics=pl.concat([facts.metrics, rows.frame(METRICS, days)])), Settings())
    assert finding.title == "quarterly runs all the time and is used now and then"
    assert finding.severity == "info"
    assert "silent for 60 days" in finding.explanation


def test_serverless_endpoint_costs_nothing_at_rest_and_is_never_called_idle(rows: SimpleNamespace) -> None:
    assert found(world(rows, rows.endpoint("lambda-like", None))) == []


@pytest.mark.parametrize(
    "more", [{"status": "Updating"}, {"created_at": datetime.fromisoformat("2026-11-08T00:00:00Z")}]
)
def test_one_that_is_being_changed_or_is_younger_than_the_window_is_left_alone(
    rows: SimpleNamespace, more: dict[str, Any]
) -> None:
    assert found(world(rows, rows.endpoint("e", **more))) == []


def test_an_endpoint_whose_traffic_was_never_asked_for_is_unknown(rows: SimpleNamespace) -> None:
    metrics = rows.metrics("e", "CPUUtilization", "Average", cpu)
    assert found(rows.facts(inventory=[rows.endpoint("e")], metrics=metrics)) == []


def test_the_impact_is_what_the_last_full_days_cost(rows: SimpleNamespace) -> None:
    # 18 and 19 November are younger than 48 h; the mean of 4 to 17 November counts.
    costs = [rows.daily("quiet", date(2026, 11, 4) + timedelta(days=n), 5.52) for n in range(14)]
    costs += [rows.daily("quiet", date(2026, 11, 18), 2.0, estimated=True)]
    (finding,) = find(world(rows, rows.endpoint("quiet"), daily_costs=costs), Settings())
    assert float(finding.impact_per_month or 0) == pytest.approx(5.52 * 730 / 24)
    assert (finding.basis, finding.certainty) == ("effective", "measured")


def test_the_same_endpoint_has_the_same_fingerprint_on_another_day(rows: SimpleNamespace) -> None:
    facts = world(rows, rows.endpoint("quiet"))
    later = rows.facts(
        as_of=rows.as_of - timedelta(hours=20),
        inventory=[rows.endpoint("quiet")],
        metrics=[
            *rows.metrics("quiet", "Invocations", "Sum", silence, days=16),
            *rows.metrics("quiet", "CPUUtilization", "Average", cpu, days=16),
        ],
    )
    assert [item.fingerprint for item in find(facts, Settings())] == [
        item.fingerprint for item in find(later, Settings())
    ]
