"""What is used since the bill ends: hours by what stood and worked, at the bill's rate or the list's, extended at every run."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.estimate import Known, estimate, open_days
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import COSTS, ESTIMATES, INVENTORY, JOBS, METRICS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY, YESTERDAY = date(2026, 11, 20), date(2026, 11, 19)
M5 = 0.23
"""ml.m5.xlarge by the hour in us-east-1."""


def known(rows: SimpleNamespace, as_of: datetime = NOON, earlier: pl.DataFrame | None = None, **more: Any) -> Known:
    """What is known at a moment: rows of each table, the rest empty."""
    tables = {"inventory": INVENTORY, "jobs": JOBS, "metrics": METRICS, "costs": COSTS}
    looked = [{**row, "observed_at": as_of, "observed_on": as_of.date()} for row in more.pop("inventory", [])]
    here = {"account": rows.account, "region": rows.region, "observed_at": as_of, "observed_on": as_of.date()}
    looked = looked or [{**here, "kind": "region", "name": rows.region}]
    jobs = [{"observed_at": as_of, **row} for row in more.pop("jobs", [])]
    given_rows = {"inventory": looked, "jobs": jobs, **more}
    return Known(
        as_of=as_of,
        prices=PriceBook.bundled(),
        earlier=ESTIMATES.empty() if earlier is None else earlier,
        owner_tags=("owner",),
        **{name: rows.frame(table, given_rows.get(name, [])) for name, table in tables.items()},
    )


def hours(frame: pl.DataFrame, usage: str = "Host:ml.m5.xlarge", name: str = "scorer") -> dict[date, float]:
    """Quantity by day of one resource's usage."""
    own = frame.filter((pl.col("usage_type") == usage) & (pl.col("resource_name") == name))
    return {day: round(quantity, 6) for day, quantity in own.select("day", "quantity").iter_rows()}


def at(rows: SimpleNamespace, count: int = 1, machine: str = "ml.m5.xlarge", **more: Any) -> dict[str, Any]:
    """The endpoint `scorer` as a look finds it."""
    found: dict[str, Any] = rows.endpoint("scorer", machine, count, **more)
    return found


def test_an_endpoint_is_paid_for_whole_days_and_today_until_now(rows: SimpleNamespace) -> None:
    found = estimate(known(rows, inventory=[at(rows, 2)]))
    used = hours(found)
    assert len(used) == 15  # the first run tells the last fortnight, too
    assert (used[YESTERDAY], used[TODAY]) == (48.0, 24.0)
    today = found.filter(pl.col("day") == TODAY).row(0, named=True)
    assert today["cost"] == pytest.approx(24 * M5)
    assert today["rate_basis"].startswith("bundled price of ")
    assert (today["usage_family"], today["upto"], today["uncertainty"]) == ("hosting", NOON, 0.03)


def test_a_new_endpoint_is_paid_for_from_when_it_was_made(rows: SimpleNamespace) -> None:
    found = estimate(known(rows, inventory=[at(rows, created_at=NOON - timedelta(hours=3))]))
    assert hours(found) == {TODAY: 3.0}


def test_an_asynchronous_endpoint_its_volume_and_a_stopped_notebooks_volume_are_of_their_own_kind(
    rows: SimpleNamespace,
) -> None:
    queue = at(rows, asynchronous=True)
    document = json.loads(queue["config"])
    document["EndpointConfig"]["ProductionVariants"][0]["VolumeSizeInGB"] = 30
    notebook = queue | {
        "kind": "notebook_instance",
        "name": "book",
        "status": "Stopped",
        "config": json.dumps({"InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 72}),
    }
    found = estimate(known(rows, inventory=[queue | {"config": json.dumps(document)}, notebook]))
    today = {row["usage_type"]: row["quantity"] for row in found.filter(pl.col("day") == TODAY).iter_rows(named=True)}
    # November has 720 hours.
    assert today == {
        "AsyncInf:ml.m5.xlarge": 12.0,
        "AsyncInf:VolumeUsage.gp2": pytest.approx(30 * 12 / 720),
        "Notebk:VolumeUsage.gp2": pytest.approx(72 * 12 / 720),
    }


def after(rows: SimpleNamespace, now: list[dict[str, Any]], minutes: int = 120, count: int = 2) -> pl.DataFrame:
    """Two estimates: `scorer` on ``count`` machines at ten, then what a look at noon finds."""
    first = estimate(known(rows, NOON - timedelta(minutes=minutes), inventory=[at(rows, count)]))
    return estimate(known(rows, NOON, first, inventory=now))


def test_a_second_run_goes_on_from_the_first_and_leaves_closed_days_alone(rows: SimpleNamespace) -> None:
    again = after(rows, [at(rows, 2)])
    assert hours(again) == {YESTERDAY: 48.0, TODAY: 24.0}


def test_what_is_scaled_counts_as_before_until_the_moment_of_its_change(rows: SimpleNamespace) -> None:
    changed = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
    again = after(rows, [at(rows, 6, changed_at=changed)])
    assert hours(again)[TODAY] == 2 * 11.5 + 6 * 0.5


def test_a_change_that_was_asked_for_just_before_the_last_look_came_right_after_it(rows: SimpleNamespace) -> None:
    asked = datetime(2026, 11, 20, 9, 55, tzinfo=UTC)
    again = after(rows, [at(rows, 6, changed_at=asked)])
    assert hours(again)[TODAY] == 2 * 10 + 6 * 2
    long_ago = after(rows, [at(rows, 6, changed_at=asked - timedelta(hours=3))])
    assert hours(long_ago)[TODAY] == 2 * 11 + 6 * 1


def test_another_machine_takes_over_at_the_moment_of_the_change(rows: SimpleNamespace) -> None:
    changed = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
    again = after(rows, [at(rows, 2, "ml.m5.large", changed_at=changed)])
    assert hours(again)[TODAY] == 2 * 11.5
    assert hours(again, "Host:ml.m5.large") == {TODAY: 1.0}


def test_what_is_gone_is_taken_to_have_ended_half_way_between_the_looks(rows: SimpleNamespace) -> None:
    again = after(rows, [])
    assert hours(again) == {YESTERDAY: 48.0, TODAY: 2 * 11.0}
    later = estimate(known(rows, NOON + timedelta(hours=1), again))
    assert hours(later) == hours(again)


def test_what_no_look_confirms_is_carried_on_for_a_day_and_no_longer(rows: SimpleNamespace) -> None:
    seen = known(rows, NOON, inventory=[at(rows, 1)])
    later = NOON + timedelta(days=3)
    again = estimate(Known(**{**vars(seen), "as_of": later, "earlier": estimate(seen)}))
    assert hours(again) == {TODAY: 24.0, TODAY + timedelta(days=1): 14.0}


def test_the_same_moment_twice_gives_the_same_rows(rows: SimpleNamespace) -> None:
    first = known(rows, inventory=[at(rows, 2)], jobs=[rows.job("fit", "ml.m5.xlarge", NOON, 30)])
    once = estimate(first)
    twice = estimate(Known(**{**vars(first), "earlier": once}))
    assert twice.equals(once.filter(pl.col("day") >= YESTERDAY))


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 24 * 60 - 1), max_size=5))
def test_a_day_comes_to_the_same_however_often_it_was_estimated(rows: SimpleNamespace, cuts: set[int]) -> None:
    earlier: pl.DataFrame | None = None
    for minute in [*sorted(cuts), 24 * 60]:
        now = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=minute)
        new = estimate(known(rows, now, earlier, inventory=[at(rows, 3)]))
        old = new.clear() if earlier is None else earlier.join(new.select("day").unique(), on="day", how="anti")
        earlier = pl.concat([old, new])
    assert earlier is not None
    assert hours(earlier)[TODAY] == pytest.approx(72.0, abs=1e-5)


def test_a_job_is_paid_for_its_billable_seconds_and_one_that_runs_until_now(rows: SimpleNamespace) -> None:
    start = NOON - timedelta(hours=4)
    spot = rows.job("spot", "ml.m5.xlarge", start, 120, billable_seconds=1800, volume_gb=None)
    runs = rows.job("runs", "ml.m5.xlarge", start, 0, ended_at=None, billable_seconds=None, run_seconds=None)
    runs |= {"status": "InProgress", "instance_count": 3, "volume_gb": 72}
    waits = rows.job("waits", "ml.m5.xlarge", start, 0, started_at=None, ended_at=None)
    found = estimate(known(rows, jobs=[spot, runs, waits]))
    assert hours(found, "Train:ml.m5.xlarge", "spot") == {TODAY: 0.5}
    assert hours(found, "Train:ml.m5.xlarge", "runs") == {TODAY: 12.0}
    assert hours(found, "Train:VolumeUsage.gp2", "runs") == {TODAY: pytest.approx(3 * 72 * 4 / 720)}
    assert set(found["resource_name"]) == {"spot", "runs"}
    assert dict(found.select("resource_name", "method").unique().iter_rows()) == {
        "spot": "billable time",
        "runs": "running so far",
    }


def test_a_warm_pool_is_paid_for_after_its_job_and_groups_of_machines_each(rows: SimpleNamespace) -> None:
    groups = [
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
    ]
    detail = {
        "ResourceConfig": {"InstanceGroups": groups, "KeepAlivePeriodInSeconds": 3600},
        "WarmPoolStatus": {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 3600},
    }
    job = rows.job("fit", "", NOON - timedelta(hours=4), 60, config=json.dumps(detail), volume_gb=None)
    found = estimate(known(rows, jobs=[job | {"instance_type": None}]))
    assert {row[0]: row[1] for row in found.select("usage_type", "quantity").iter_rows()} == {
        "Train:ml.m5.xlarge": 2.0,
        "Train:ml.g5.xlarge": 1.0,
        "WarmPool:ml.m5.xlarge": 2.0,
        "WarmPool:ml.g5.xlarge": 1.0,
    }


def test_requests_cost_what_a_request_used_on_the_last_final_days_of_the_bill(rows: SimpleNamespace) -> None:
    endpoint = at(rows, 1, None)  # serverless, 2 GB
    day, resource = date(2026, 11, 12), rows.arn("endpoint", "scorer")
    line = rows.bill_line("USE1-ServerlessInf:Mem-2GB", 0.02, 500.0, ResourceId=resource, x_ChargeDate=day)
    metrics = [
        *rows.metrics("scorer", "Invocations", "Sum", lambda moment: 1000.0, days=14, period=86400),
        *rows.metrics("scorer", "Invocations", "Sum", lambda moment: 10.0, days=1),
    ]
    found = estimate(known(rows, inventory=[endpoint], metrics=metrics, costs=[line]))
    # Half a second a request, at 0.02 / 500 a second; the examples' metrics end at eight.
    row = found.filter(pl.col("day") == TODAY).row(0, named=True)
    assert (row["quantity"], row["upto"].hour) == (pytest.approx(8 * 10 * 0.5), 8)
    assert row["cost"] == pytest.approx(40 * 0.02 / 500)
    assert row["rate_basis"] == "the bill's effective rate"


def test_a_serverless_endpoint_that_is_on_no_bill_is_counted_by_latency_and_memory(rows: SimpleNamespace) -> None:
    metrics = [
        *rows.metrics("scorer", "Invocations", "Sum", lambda moment: 10.0, days=1),
        *rows.metrics("scorer", "ModelLatency", "Average", lambda moment: 250_000.0, days=1),
    ]
    found = estimate(known(rows, inventory=[at(rows, 1, None)], metrics=metrics))
    row = found.filter(pl.col("day") == TODAY).row(0, named=True)
    assert (row["usage_type"], row["quantity"]) == ("ServerlessInf:Mem-2GB", pytest.approx(8 * 10 * 0.25))
    assert row["cost"] == pytest.approx(20 * 2 * 0.00002)
    assert row["method"] == "requests x latency"


def test_the_bills_rate_goes_before_the_list_and_only_days_before_are_asked(rows: SimpleNamespace) -> None:
    lines = [
        rows.bill_line("USE1-Host:ml.m5.xlarge", hours * 0.115, hours, x_ChargeDate=date(2026, 11, day))
        for day, hours in ((10, 24.0), (11, 24.0))
    ]
    found = estimate(known(rows, inventory=[at(rows)], costs=lines))
    rates = dict(found.filter(pl.col("usage_type") == "Host:ml.m5.xlarge").select("day", "rate").iter_rows())
    assert rates[date(2026, 11, 10)] == M5
    assert rates[date(2026, 11, 11)] == pytest.approx(0.115)
    assert rates[TODAY] == pytest.approx(0.115)


def test_what_has_no_price_is_unknown_and_says_why(rows: SimpleNamespace) -> None:
    found = estimate(known(rows, inventory=[at(rows, 1, "ml.x9.huge")]))
    row = found.filter(pl.col("day") == TODAY).row(0, named=True)
    assert (row["cost"], row["quantity"]) == (None, 12.0)
    assert "No price is known for ml.x9.huge" in row["unknown"]


def test_the_open_days_reach_back_to_where_the_last_run_stopped_and_a_fortnight_at_most(rows: SimpleNamespace) -> None:
    once = estimate(known(rows, inventory=[at(rows)]))
    assert open_days(once, NOON + timedelta(hours=1)) == [YESTERDAY, TODAY]
    assert open_days(once, NOON + timedelta(days=4))[0] == TODAY
    assert len(open_days(once, NOON + timedelta(days=40))) == 15
