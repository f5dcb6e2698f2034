"""What a unit costs, on a month that can be checked by hand: nothing is divided by what is not known, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.endpoints import described
from sagekeeper.analyzers.traffic import in_service, traffic
from sagekeeper.analyzers.unit_costs import Counted, unit_costs
from sagekeeper.analyzers.unit_rows import Settings
from sagekeeper.analyzers.unit_trend import trend
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import DAILY_COSTS, INVENTORY, JOBS, METRICS, TOKEN_USE, UNIT_COSTS

MONTH = date(2026, 10, 1)
DAYS = [date(2026, 10, day) for day in (1, 2, 3, 4)]
AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
NO_EXPERIMENTS = pl.DataFrame(schema={"experiment": pl.String, "trial": pl.String, "source_arn": pl.String})


def priced(rows: SimpleNamespace, name: str, day: date, cost: float, **more: Any) -> dict[str, Any]:
    """A day of cost, the same by all four notions unless told."""
    return rows.daily(name, day, cost, contracted_cost=cost, list_cost=cost) | more


def metric(rows: SimpleNamespace, name: str, day: date, value: float | None, **more: Any) -> dict[str, Any]:
    """One daily sum of invocations, or whatever ``more`` makes of it."""
    return {
        "account": rows.account,
        "region": rows.region,
        "resource_kind": "endpoint",
        "resource_name": name,
        "variant": "AllTraffic",
        "metric": "Invocations",
        "statistic": "Sum",
        "period_seconds": 86400,
        "start": datetime(day.year, day.month, day.day, tzinfo=UTC),
        "day": day,
        "value": value,
    } | more


def hourly(rows: SimpleNamespace, name: str, day: date, what: str, value: Callable[[int], float | None], **more: Any):
    """The 24 hours of a day of one metric."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return [
        metric(
            rows,
            name,
            day,
            value(hour),
            metric=what,
            statistic="Average" if what == "CPUUtilization" else "Sum",
            period_seconds=3600,
            start=midnight + timedelta(hours=hour),
            **more,
        )
        for hour in range(24)
    ]


@pytest.fixture
def work_out(rows: SimpleNamespace) -> Callable[..., pl.DataFrame]:
    """Unit costs of October 2026 from rows."""

    def month(
        costs: list[dict[str, Any]],
        metrics: list[dict[str, Any]] | None = None,
        inventory: list[dict[str, Any]] | None = None,
        jobs: list[dict[str, Any]] | None = None,
        experiments: pl.DataFrame = NO_EXPERIMENTS,
        token_use: list[dict[str, Any]] | None = None,
        as_of: datetime = AS_OF,
    ) -> pl.DataFrame:
        measured, seen = rows.frame(METRICS, metrics or []), rows.frame(INVENTORY, inventory or [])
        counted = Counted(
            traffic(measured, in_service(seen)),
            described(seen, ("owner",)),
            rows.frame(TOKEN_USE, token_use or []),
            rows.frame(JOBS, jobs or []),
            experiments,
            PriceBook.bundled(),
        )
        found = unit_costs(rows.frame(DAILY_COSTS, costs), MONTH, counted, as_of, Settings())
        assert found.schema == pl.Schema(UNIT_COSTS.columns)
        return found

    return month


def row(found: pl.DataFrame, unit: str, **where: Any) -> dict[str, Any]:
    """The only row of that unit."""
    (only,) = found.filter(pl.col("unit") == unit, **where).to_dicts()
    return only


def test_cost_per_thousand_invocations_is_the_days_cost_over_the_same_days_requests(rows, work_out) -> None:
    found = work_out(
        [priced(rows, "fraud", day, 6.0, effective_cost=5.0) for day in DAYS],
        [metric(rows, "fraud", day, 2500.0) for day in DAYS],
        [rows.endpoint("fraud", tags={"owner": "ana"})],
    )
    unit = row(found, "1,000 invocations")
    assert (unit["quantity"], unit["billed_cost"], unit["effective_cost"]) == (10.0, 24.0, 20.0)
    assert (unit["found"], unit["expected"], unit["counted"], unit["unknown"]) == (4, 4, "days", None)
    assert (unit["certainty"], unit["provisional"]) == ("measured", False)


def test_a_day_whose_requests_are_unknown_counts_neither_in_cost_nor_in_quantity(rows, work_out) -> None:
    # Changed on the 3rd: whether it stood in service all that day is not known, and CloudWatch has nothing of it.
    days = [date(2026, 10, day) for day in range(1, 11)]
    changed = datetime(2026, 10, 3, 12, tzinfo=UTC)
    found = work_out(
        [priced(rows, "fraud", day, 6.0) for day in days],
        [metric(rows, "fraud", day, None if day == DAYS[2] else 2000.0) for day in days],
        [rows.endpoint("fraud", changed_at=changed)],
    )
    unit = row(found, "1,000 invocations")
    assert (unit["quantity"], unit["billed_cost"]) == (18.0, 54.0)
    assert (unit["found"], unit["expected"]) == (9, 10)


def test_too_many_unknown_days_make_the_month_unknown_and_keep_its_cost(rows, work_out) -> None:
    found = work_out(
        [priced(rows, "fraud", day, 6.0) for day in DAYS],
        [metric(rows, "fraud", day, 2000.0 if day < DAYS[2] else None) for day in DAYS],
        [rows.endpoint("fraud", changed_at=datetime(2026, 10, 9, tzinfo=UTC))],
    )
    unit = row(found, "1,000 invocations")
    assert (unit["quantity"], unit["billed_cost"]) == (None, 24.0)
    assert unit["unknown"] == "requests are known on 2 of 4 days only"


def test_no_datapoint_of_an_endpoint_that_stood_in_service_unchanged_is_no_request(rows, work_out) -> None:
    found = work_out(
        [priced(rows, "fraud", day, 6.0) for day in DAYS],
        [metric(rows, "fraud", day, None) for day in DAYS],
        [rows.endpoint("fraud")],
    )
    assert row(found, "1,000 invocations")["unknown"] == "too few to say: 0 invocations"
    silent = row(found, "hours without requests")
    assert (silent["quantity"], silent["billed_cost"]) == (96.0, 24.0)


def test_cost_without_traffic_is_that_of_the_hours_in_which_machines_reported_and_nobody_asked(rows, work_out) -> None:
    day = DAYS[0]
    found = work_out(
        [priced(rows, "fraud", day, 24.0)],
        [
            *hourly(rows, "fraud", day, "Invocations", lambda hour: 50.0 if hour < 8 else None),
            # From 20 o'clock on the machines say nothing either: those four hours are unknown, not quiet.
            *hourly(rows, "fraud", day, "CPUUtilization", lambda hour: 1.0 if hour < 20 else None),
        ],
        [rows.endpoint("fraud")],
    )
    costs = {unit: row(found, f"hours {unit}")["billed_cost"] for unit in ("with requests", "without requests")}
    assert costs == {"with requests": 8.0, "without requests": 12.0}
    unclear = row(found, "hours with unknown requests")
    assert unclear["billed_cost"] == 4.0
    assert unclear["unknown"] == "for these hours no metrics say whether a request came"


def test_an_asynchronous_endpoint_of_which_nothing_is_told_is_unknown_and_never_without_traffic(rows, work_out) -> None:
    found = work_out(
        [priced(rows, "speech", day, 6.0) for day in DAYS],
        [
            *(metric(rows, "speech", day, None, metric="InvocationsProcesssed") for day in DAYS),
            *hourly(rows, "speech", DAYS[0], "InvocationsProcesssed", lambda _: None),
            *hourly(rows, "speech", DAYS[0], "CPUUtilization", lambda _: 1.0),
        ],
        [rows.endpoint("speech", asynchronous=True)],
    )
    assert found["unit"].to_list() == ["1,000 invocations", "hours with unknown requests"]
    assert set(found["unknown"]) == {
        "an asynchronous endpoint publishes no Invocations, and CloudWatch tells of nothing that it processed"
    }
    assert found["billed_cost"].to_list() == [24.0, 24.0]


def test_a_host_of_components_of_which_nothing_is_told_is_unknown_and_never_without_traffic(rows, work_out) -> None:
    host = rows.endpoint("shared")
    document = json.loads(host["config"])
    del document["EndpointConfig"]["ProductionVariants"][0]["ModelName"]
    found = work_out(
        [priced(rows, "shared", day, 6.0) for day in DAYS],
        [
            *(metric(rows, "shared", day, None) for day in DAYS),
            *hourly(rows, "shared", DAYS[0], "Invocations", lambda _: None),
            *hourly(rows, "shared", DAYS[0], "CPUUtilization", lambda _: 1.0),
        ],
        [host | {"config": json.dumps(document)}],
    )
    assert found["unit"].to_list() == ["1,000 invocations", "hours with unknown requests"]
    assert found["billed_cost"].to_list() == [24.0, 24.0]
    assert found["unknown"].str.starts_with("it hosts inference components").all()


def test_what_an_asynchronous_endpoint_has_processed_are_its_requests_whichever_way_it_is_spelt(rows, work_out) -> None:
    found = work_out(
        [priced(rows, "speech", DAYS[0], 24.0)],
        [
            metric(rows, "speech", DAYS[0], None, metric="InvocationsProcessed"),
            metric(rows, "speech", DAYS[0], 2000.0, metric="InvocationsProcesssed"),
            *hourly(rows, "speech", DAYS[0], "InvocationsProcessed", lambda _: None),
            *hourly(rows, "speech", DAYS[0], "InvocationsProcesssed", lambda hour: 200.0 if hour < 10 else None),
            *hourly(rows, "speech", DAYS[0], "CPUUtilization", lambda _: 1.0),
        ],
        [rows.endpoint("speech", asynchronous=True)],
    )
    assert row(found, "1,000 invocations")["quantity"] == 2.0
    assert row(found, "hours with requests")["billed_cost"] == 10.0
    assert row(found, "hours without requests")["billed_cost"] == 14.0


def test_a_serverless_endpoint_has_no_hours_without_traffic(rows, work_out) -> None:
    found = work_out(
        [priced(rows, "burst", day, 0.5) for day in DAYS],
        [metric(rows, "burst", day, 1000.0 if day == DAYS[0] else None) for day in DAYS],
        [rows.endpoint("burst", machine=None)],
    )
    assert found["unit"].to_list() == ["1,000 invocations"]
    assert (found["quantity"][0], found["billed_cost"][0]) == (1.0, 2.0)


def test_variants_share_their_endpoints_cost_by_the_price_of_their_machines(rows, work_out) -> None:
    two = rows.endpoint("ab", count=2)
    document = json.loads(two["config"])
    # 2 x ml.m5.xlarge at 0.23 beside 1 x ml.m5.2xlarge at 0.461 an hour.
    document["EndpointConfig"]["ProductionVariants"].append(
        {"VariantName": "B", "ModelName": "b", "InstanceType": "ml.m5.2xlarge", "InitialInstanceCount": 1}
    )
    document["ProductionVariants"].append({"VariantName": "B", "CurrentInstanceCount": 1})
    found = work_out(
        [priced(rows, "ab", day, 9.21) for day in DAYS],
        [
            metric(rows, "ab", day, value, variant=variant)
            for day in DAYS
            for variant, value in (("AllTraffic", 1000.0), ("B", 3000.0))
        ],
        [two | {"config": json.dumps(document)}],
    )
    costs = {item["variant"]: item for item in found.filter(pl.col("subject_kind") == "endpoint_variant").to_dicts()}
    assert costs["AllTraffic"]["billed_cost"] == pytest.approx(4 * 9.21 * 0.46 / 0.921)
    assert costs["B"]["billed_cost"] == pytest.approx(4 * 9.21 * 0.461 / 0.921)
    assert (costs["B"]["quantity"], costs["B"]["certainty"]) == (12.0, "derived")
    assert row(found, "1,000 invocations", subject_kind="endpoint")["quantity"] == 16.0


def run_days(rows: SimpleNamespace, name: str, day: date, cost: float) -> dict[str, Any]:
    arn = rows.arn("training-job", name)
    return priced(rows, name, day, cost, resource_kind="training_job", usage_family="training", resource_arn=arn)


def test_cost_per_run_counts_every_run_of_the_family_that_ended_in_the_month_with_all_its_days(rows, work_out) -> None:
    ends = [datetime(2026, 10, day, 1, tzinfo=UTC) for day in (1, 8, 15)]
    names = ["fraud-2026-09-30", "fraud-2026-10-08", "fraud-2026-10-15"]
    jobs = [
        rows.job(
            name, "ml.m5.xlarge", end - timedelta(hours=2), 120, status="Failed" if name == names[2] else "Completed"
        )
        for name, end in zip(names, ends, strict=True)
    ]
    costs = [
        run_days(rows, names[0], date(2026, 9, 30), 3.0),
        run_days(rows, names[0], date(2026, 10, 1), 1.0),
        run_days(rows, names[1], date(2026, 10, 8), 5.0),
        run_days(rows, names[2], date(2026, 10, 15), 6.0),
    ]
    unit = row(work_out(costs, jobs=jobs), "run")
    assert (unit["subject_kind"], unit["subject"]) == ("training_family", "fraud")
    assert (unit["quantity"], unit["billed_cost"], unit["unknown"]) == (3.0, 15.0, None)


def test_a_run_that_is_not_on_the_bill_is_unknown_not_free(rows, work_out) -> None:
    days = [date(2026, 10, day) for day in (1, 2, 3, 4, 5)]
    jobs = [
        rows.job(f"fraud-{day:%Y%m%d}", "ml.m5.xlarge", datetime(2026, 10, day.day, 3, tzinfo=UTC), 60) for day in days
    ]
    costs = [run_days(rows, f"fraud-{day:%Y%m%d}", day, 5.0) for day in days[:4]]
    unit = row(work_out(costs, jobs=jobs), "run")
    assert (unit["quantity"], unit["billed_cost"], unit["found"], unit["expected"]) == (4.0, 20.0, 4, 5)
    unit = row(work_out(costs[:2], jobs=jobs), "run")
    assert unit["unknown"] == "costs are known on 2 of 5 runs only"


def test_two_runs_are_too_few_to_say(rows, work_out) -> None:
    jobs = [rows.job(f"fraud-{n}", "ml.m5.xlarge", datetime(2026, 10, n, 3, tzinfo=UTC), 60) for n in (1, 2)]
    found = work_out([run_days(rows, f"fraud-{n}", date(2026, 10, n), 5.0) for n in (1, 2)], jobs=jobs)
    assert row(found, "run")["unknown"] == "too few to say: 2 runs"


def test_tokens_are_known_where_aws_bills_by_them_and_unknown_elsewhere(rows, work_out) -> None:
    at = [datetime(2026, 10, n, 3, tzinfo=UTC) for n in (1, 2, 3)]
    jobs = [
        rows.job(f"tune-{n}", None, start, 60, config='{"BillableTokenCount": 2000000}') for n, start in enumerate(at)
    ]
    costs = [run_days(rows, f"tune-{n}", start.date(), 8.0) for n, start in enumerate(at)]
    tokens = row(work_out(costs, jobs=jobs), "1M tokens")
    assert (tokens["quantity"], tokens["billed_cost"]) == (6.0, 24.0)
    assert "1M tokens" not in work_out(costs, jobs=[{**job, "config": "{}"} for job in jobs])["unit"].to_list()


def test_an_endpoints_tokens_are_its_requests_times_the_tokens_of_a_captured_answer(rows, work_out) -> None:
    def captured(day: date, told: int, answers: int = 10) -> dict[str, Any]:
        place = {"account": rows.account, "region": rows.region, "endpoint": "chat", "variant": "AllTraffic"}
        return place | {"day": day, "answers": answers, "told": told, "tokens": told * 400}

    costs = [priced(rows, "chat", day, 24.0) for day in DAYS]
    metrics = [metric(rows, "chat", day, 2500.0) for day in DAYS]
    told = [captured(day, 10) for day in DAYS]
    tokens = row(work_out(costs, metrics, [rows.endpoint("chat")], token_use=told), "1M tokens")
    assert (tokens["quantity"], tokens["billed_cost"], tokens["certainty"]) == (4.0, 96.0, "derived")
    few = [captured(day, 7) for day in DAYS]
    tokens = row(work_out(costs, metrics, [rows.endpoint("chat")], token_use=few), "1M tokens")
    assert tokens["unknown"] == "28 of 40 captured answers state their tokens"
    none = [captured(day, 0) for day in DAYS]
    assert "1M tokens" not in work_out(costs, metrics, [rows.endpoint("chat")], token_use=none)["unit"].to_list()


def test_a_job_in_two_experiments_is_shared_evenly_and_counted_once_in_all(rows, work_out) -> None:
    at = {n: datetime(2026, 10, n, 3, tzinfo=UTC) for n in (1, 2, 3)}
    jobs = [rows.job(f"try-{n}", "ml.m5.xlarge", start, 60) for n, start in at.items()]
    members = pl.DataFrame(
        [("fraud", f"t{n}", rows.arn("training-job", f"try-{n}").upper()) for n in at]
        + [("house", "t9", rows.arn("training-job", "try-3"))],
        schema=["experiment", "trial", "source_arn"],
        orient="row",
    )
    found = work_out([run_days(rows, f"try-{n}", at[n].date(), 4.0) for n in at], jobs=jobs, experiments=members)
    fraud, house = row(found, "trial", subject="fraud"), row(found, "trial", subject="house")
    assert (fraud["quantity"], fraud["billed_cost"]) == (3.0, 10.0)
    assert (house["quantity"], house["billed_cost"]) == (1.0, 2.0)


def test_an_execution_costs_what_all_its_jobs_cost(rows, work_out) -> None:
    at = {n: datetime(2026, 10, n, 3, tzinfo=UTC) for n in (1, 2, 3)}
    parent = f"arn:aws:sagemaker:{rows.region}:{rows.account}:pipeline/retrain/execution/x"
    jobs = [
        rows.job(f"{step}-{n}", "ml.m5.xlarge", start, 30, parent_arn=f"{parent}{n}")
        for n, start in at.items()
        for step in ("prepare", "train")
    ]
    costs = [run_days(rows, f"{step}-{n}", at[n].date(), 2.0) for n in at for step in ("prepare", "train")]
    unit = row(work_out(costs, jobs=jobs), "execution")
    assert (unit["subject"], unit["quantity"], unit["billed_cost"]) == ("retrain", 3.0, 12.0)


def test_an_unknown_amount_stays_unknown_and_a_young_bill_is_provisional(rows, work_out) -> None:
    costs = [priced(rows, "fraud", day, 6.0) for day in DAYS[:3]]
    costs.append(priced(rows, "fraud", DAYS[3], 6.0) | {"list_cost": None})
    metrics = [metric(rows, "fraud", day, 2500.0) for day in DAYS]
    found = work_out(costs, metrics, [rows.endpoint("fraud")], as_of=datetime(2026, 10, 5, 8, tzinfo=UTC))
    unit = row(found, "1,000 invocations")
    assert (unit["list_cost"], unit["billed_cost"], unit["provisional"]) == (None, 24.0, True)


@settings(max_examples=60, deadline=None)
@given(
    before=st.tuples(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.integers(1, 31)),
    now=st.tuples(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.integers(1, 31)),
)
def test_change_of_cost_is_always_that_of_price_and_that_of_volume(before, now) -> None:
    moved = trend(of_month(*before), of_month(*now), "effective").to_dicts()[0]
    # Floats of that size know no more digits.
    digits = 1e-9 + 1e-12 * abs(moved["by_price"])
    assert moved["by_price"] + moved["by_volume"] == pytest.approx(moved["change"], rel=1e-9, abs=digits)
    assert moved["change"] == pytest.approx(now[0] - before[0] * now[2] / before[2], rel=1e-9, abs=1e-6)


def test_twice_the_requests_at_the_same_cost_is_volume_up_and_price_down() -> None:
    moved = trend(of_month(100.0, 10.0, 30), of_month(100.0, 20.0, 30), "effective").to_dicts()[0]
    assert (moved["unit_cost_before"], moved["unit_cost"]) == (10.0, 5.0)
    assert (moved["by_volume"], moved["by_price"], moved["change"]) == (100.0, -100.0, 0.0)


def of_month(cost: float, quantity: float, days: int) -> pl.DataFrame:
    blank: dict[str, Any] = dict.fromkeys(UNIT_COSTS.columns)
    about = {"subject": "fraud", "unit": "run", "effective_cost": cost, "quantity": quantity, "bill_days": days}
    return pl.DataFrame([blank | about], schema=UNIT_COSTS.columns)
