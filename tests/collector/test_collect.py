"""The sources against a simulated account: what AWS says is what the lake has, once, whole, and in our units."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasketches
import polars as pl
import pytest
from sqlalchemy import select

from sagekeeper.analyzers.parents import parents, uppermost
from sagekeeper.collector import SOURCES
from sagekeeper.collector.run import SourceOutcome
from sagekeeper.core.ledger.models import ApiUseRow, SourceRunRow
from sagekeeper.core.tables import (
    ACTIVITY,
    COSTS,
    FEATURE_PROFILES,
    INVENTORY,
    JOBS,
    METRICS,
    MONITOR_VIOLATIONS,
    TOKEN_USE,
    TRIAL_COMPONENTS,
)
from sagekeeper.simulator.client import Simulator

from .conftest import OTHER, PAYER, REGIONS, Collector, open_collector, roles

pytestmark = pytest.mark.integration
MICRO = Decimal("0.000001")
"""Finer than a cent: at half a cent exact decimals and sums of floats would round apart."""
DRIFTING = "house-price-regression"


@dataclass(frozen=True)
class First:
    """The first collect of an empty lake."""

    house: Collector
    as_of: datetime
    outcomes: list[SourceOutcome]


@pytest.fixture(scope="module")
def first(collector: Collector) -> First:
    """Everything collected once, after somebody has put a file of rubbish among yesterday's captures and made a notebook."""
    open_notebook(collector)
    as_of = collector.clock()
    put_rubbish(collector, (as_of - timedelta(days=1)).date())
    return First(collector, as_of, collector.collect(as_of))


def open_notebook(collector: Collector) -> None:
    """A call that CloudTrail tells of."""
    collector.sessions.client("sagemaker", PAYER, "us-east-1").create_notebook_instance(
        NotebookInstanceName="somebodys",
        InstanceType="ml.t3.medium",
        RoleArn=f"arn:aws:iam::{PAYER}:role/SageMakerExecution",
    )


def put_rubbish(collector: Collector, day: date) -> None:
    """One line that is no JSON, one record with two values of seven, one good record, and an answer that states tokens."""
    event = '"eventMetadata": {"eventId": "e", "inferenceTime": "2026-11-19T10:00:00Z"}, "eventVersion": "0"'
    lines = [
        "{not json at all",
        *(
            '{"captureData": {"endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", '
            f'"data": "{data}", "encoding": "CSV"}}}}, {event}}}'
            for data in ("1.0,2.0", "3.1,20.0,2000.0,400.0,1000.0,300.0,INLAND")
        ),
        '{"captureData": {"endpointOutput": {"mode": "OUTPUT", "data": "{\\"usage\\": {\\"total_tokens\\": 7}}", '
        f'"encoding": "JSON"}}}}, {event}}}',
    ]
    collector.sessions.client("s3", PAYER, "us-east-1").put_object(
        Bucket=f"ml-monitoring-{PAYER}-us-east-1",
        Key=f"capture/{DRIFTING}/AllTraffic/{day:%Y/%m/%d}/10/00-00-000-rubbish.jsonl",
        Body="\n".join(lines).encode(),
    )


def monthly(collector: Collector, begin: date, end: date, **more: Any) -> dict[tuple[str, ...], Decimal]:
    """Cost Explorer's own answer by month and group, to a millionth."""
    client = collector.sessions.client("ce", PAYER, "us-east-1")
    found: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    request = {
        "TimePeriod": {"Start": str(begin), "End": str(end)},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
    } | more
    while True:
        answer = client.get_cost_and_usage(**request)
        for result in answer["ResultsByTime"]:
            month = result["TimePeriod"]["Start"][:7]
            if "GroupBy" not in more:
                found[(month,)] += Decimal(result["Total"]["UnblendedCost"]["Amount"])
            for group in result["Groups"]:
                found[(month, *group["Keys"])] += Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        if "NextPageToken" not in answer:
            return {key: amount.quantize(MICRO) for key, amount in found.items()}
        request["NextPageToken"] = answer["NextPageToken"]


def in_lake(collector: Collector, *columns: str) -> dict[tuple[str, ...], Decimal]:
    """The bill in the lake by month and columns, to a millionth."""
    sums = (
        collector.lake.scan(COSTS)
        .group_by(pl.col("x_ChargeDate").dt.strftime("%Y-%m").alias("month"), *columns)
        .agg(pl.col("BilledCost").sum())
        .collect()
    )
    return {tuple(row[:-1]): Decimal(repr(row[-1])).quantize(MICRO) for row in sums.iter_rows()}


def days_of_bill(collector: Collector) -> tuple[date, date]:
    days = collector.lake.scan(COSTS).select("x_ChargeDate").collect()["x_ChargeDate"]
    return days.min(), days.max()  # type: ignore[return-value]


def test_tokens_that_captured_answers_state_are_counted_by_day(first: First) -> None:
    found = first.house.lake.scan(TOKEN_USE).select("endpoint", "day", "answers", "told", "tokens").collect()
    assert found.rows() == [(DRIFTING, (first.as_of - timedelta(days=1)).date(), 1, 1, 7)]


def test_every_trial_of_an_experiment_is_known_with_the_job_that_ran_it(first: First) -> None:
    client = first.house.sessions.client("sagemaker", PAYER, "us-east-1")
    told = {
        (experiment["ExperimentName"], part["TrialComponentSource"]["SourceArn"])
        for experiment in client.list_experiments()["ExperimentSummaries"]
        for part in client.list_trial_components(ExperimentName=experiment["ExperimentName"], MaxResults=100)[
            "TrialComponentSummaries"
        ]
    }
    trials = first.house.lake.scan(TRIAL_COMPONENTS).collect()
    assert len(told) == trials.height > 0
    assert set(trials.select("experiment", "source_arn").rows()) == told
    jobs = first.house.lake.scan(JOBS).select(source_arn="arn").collect()
    assert trials.join(jobs, on="source_arn", how="anti").is_empty()


def test_every_source_reads_every_account_and_region(first: First) -> None:
    assert [item for item in first.outcomes if item.status != "ok"] == []
    expected = {
        (source.name, account, region)
        for source in SOURCES
        for account, region in (
            [(PAYER, "us-east-1")]
            if source.per == "payer"
            else [(account, region) for account in (PAYER, OTHER) for region in REGIONS]
        )
    }
    assert {(item.source, item.account, item.region) for item in first.outcomes} == expected
    with first.house.ledger.reading() as session:
        runs = session.scalars(select(SourceRunRow)).all()
    assert {(run.source, run.account, run.region) for run in runs} >= expected
    assert {run.status for run in runs} == {"ok"}


def test_bill_of_every_month_is_cost_explorers_own_total_to_the_cent(first: First) -> None:
    begin, last = days_of_bill(first.house)
    told = monthly(first.house, begin, last + timedelta(days=1))
    assert last == first.as_of.date() - timedelta(days=1)
    assert begin.day == 1
    assert len(told) >= 4
    assert all(amount > 0 for amount in told.values())
    assert in_lake(first.house) == told


def test_bill_agrees_by_account_and_by_service_not_only_in_sum(first: First) -> None:
    begin, last = days_of_bill(first.house)
    for dimension, column in (("LINKED_ACCOUNT", "SubAccountId"), ("SERVICE", "ServiceName")):
        grouped = [{"Type": "DIMENSION", "Key": dimension}]
        told = monthly(first.house, begin, last + timedelta(days=1), GroupBy=grouped)
        lake = {tuple(word or "" for word in key): amount for key, amount in in_lake(first.house, column).items()}
        assert lake == told


def test_tax_and_credits_are_lines_of_their_own_kind(first: First) -> None:
    kinds = dict(
        first.house.lake.scan(COSTS).group_by("ChargeCategory").agg(pl.col("BilledCost").sum()).collect().iter_rows()
    )
    assert kinds["Tax"] > 0
    assert kinds["Credit"] < 0
    assert None not in kinds


def test_recent_hosting_names_its_endpoint_and_older_does_not(first: First) -> None:
    bill = first.house.lake.scan(COSTS).filter(pl.col("ServiceName") == "Amazon SageMaker").collect()
    named = bill.filter(pl.col("ResourceId").is_not_null())
    assert named["x_ChargeDate"].min() == first.as_of.date() - timedelta(days=14)
    assert named["ResourceId"].str.contains("endpoint/fraud-scoring-prod").any()


COMPUTED = (
    *("daily_costs", "bill_versions", "unit_costs", "estimates", "run_rates", "model_requests"),
    *("model_quality", "bias", "attributions", "monitor_metrics"),
)
"""Tables that no source writes, or that no source has rows for: no multi-model endpoint, only data quality is monitored."""


def test_who_made_what_is_read_from_cloudtrails_history(first: First) -> None:
    (row,) = first.house.lake.scan(ACTIVITY).collect().to_dicts()
    assert (row["operation"], row["resource_kind"], row["resource_name"]) == (
        "CreateNotebookInstance",
        "notebook_instance",
        "somebodys",
    )
    assert row["by"].startswith("role Sagekeeper")
    assert abs(row["at"] - first.as_of) < timedelta(minutes=10)


def test_a_second_run_for_the_same_moment_changes_no_table(first: First) -> None:
    before = first.house.versions()
    assert {name for name, version in before.items() if version is None} - set(COMPUTED) == set()
    outcomes = first.house.collect(first.as_of)
    assert [item for item in outcomes if item.status != "ok"] == []
    assert first.house.versions() == before


def test_utilisation_is_a_percentage_of_the_machine(first: First) -> None:
    metrics = first.house.lake.scan(METRICS).filter(pl.col("unit") == "percent").collect()
    assert set(metrics["metric"]) == {
        "CPUUtilization",
        "MemoryUtilization",
        "GPUUtilization",
        "GPUMemoryUtilization",
    }
    highest = metrics.group_by("metric").agg(pl.col("value").max())
    assert all(0 < value <= 100 for value in highest["value"])
    raw = first.house.sessions.client("cloudwatch", PAYER, "us-east-1").get_metric_data(
        StartTime=first.as_of - timedelta(days=3),
        EndTime=first.as_of,
        MetricDataQueries=[
            {
                "Id": "m",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "/aws/sagemaker/Endpoints",
                        "MetricName": "CPUUtilization",
                        "Dimensions": [
                            {"Name": "EndpointName", "Value": "fraud-scoring-prod"},
                            {"Name": "VariantName", "Value": "AllTraffic"},
                        ],
                    },
                    "Period": 3600,
                    "Stat": "Average",
                },
            }
        ],
    )["MetricDataResults"][0]
    ours = metrics.filter(
        (pl.col("resource_name") == "fraud-scoring-prod")
        & (pl.col("metric") == "CPUUtilization")
        & (pl.col("statistic") == "Average")
    )
    ours_by_hour = dict(zip(ours["start"], ours["value"], strict=True))
    hour, sum_over_cores = raw["Timestamps"][5].astimezone(UTC), raw["Values"][5]
    assert ours_by_hour[hour] == pytest.approx(sum_over_cores / 8)  # ml.c5.2xlarge has 8 vCPU


def test_a_silent_hour_is_a_row_without_value_and_no_hour_is_missing(first: First) -> None:
    hours = (
        first.house.lake.scan(METRICS)
        .filter(
            (pl.col("resource_name") == "fraud-scoring-challenger")
            & (pl.col("metric") == "Invocations")
            & (pl.col("period_seconds") == 3600)
        )
        .sort("start")
        .collect()
    )
    expected = first.house.settings.collect.metric_days * 24 + first.as_of.hour
    assert hours.height == expected
    assert hours["start"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    assert hours["value"].null_count() == expected  # idle for longer than the window
    seasons = first.house.lake.scan(METRICS).filter(pl.col("period_seconds") == 86400).collect()
    of_it = seasons.filter(pl.col("resource_name") == "fraud-scoring-challenger")
    assert of_it["value"].drop_nulls().len() > 30  # and busy before that


def test_no_metric_is_older_than_its_endpoint(first: First) -> None:
    born = first.house.lake.scan(INVENTORY).filter(pl.col("kind") == "endpoint")
    early = (
        first.house.lake.scan(METRICS)
        .join(
            born.select("account", "region", pl.col("name").alias("resource_name"), "created_at"),
            on=["account", "region", "resource_name"],
        )
        .filter(pl.col("start") < pl.col("created_at"))
        .collect()
    )
    assert early.height == 0


def test_an_endpoints_row_carries_its_configuration_its_models_and_its_tags(first: First) -> None:
    row = (
        first.house.lake.scan(INVENTORY)
        .filter((pl.col("kind") == "endpoint") & (pl.col("name") == "fraud-scoring-prod"))
        .select(
            instance=pl.col("config").str.json_path_match("$.EndpointConfig.ProductionVariants[0].InstanceType"),
            model=pl.col("config").str.json_path_match("$.EndpointConfig.ProductionVariants[0].ModelName"),
            models=pl.col("config").str.json_path_match("$.Models"),
            tags="tags",
            status="status",
        )
        .collect()
        .row(0, named=True)
    )
    assert row["instance"] == "ml.c5.2xlarge"
    assert row["model"] in row["models"]
    assert "ana.ruiz@example.com" in row["tags"]
    assert row["status"] == "InService"


def test_every_training_job_of_search_is_there_once_with_its_billable_seconds(first: First) -> None:
    client = first.house.sessions.client("sagemaker", PAYER, "us-east-1")
    told = {
        result["TrainingJob"]["TrainingJobName"]: result["TrainingJob"].get("BillableTimeInSeconds")
        for page in client.get_paginator("search").paginate(Resource="TrainingJob", MaxResults=100)
        for result in page["Results"]
        if result["TrainingJob"]["CreationTime"] <= first.as_of
    }
    ours = (
        first.house.lake.scan(JOBS)
        .filter((pl.col("kind") == "training_job") & (pl.col("account") == PAYER) & (pl.col("region") == "us-east-1"))
        .collect()
    )
    assert ours.height == len(told) > 10
    assert dict(zip(ours["name"], ours["billable_seconds"], strict=True)) == told


def test_a_processing_job_is_billed_from_start_to_end_and_names_its_schedule(first: First) -> None:
    jobs = first.house.lake.scan(JOBS).filter(pl.col("kind") == "processing_job").collect()
    ended = jobs.filter(pl.col("ended_at").is_not_null())
    seconds = (ended["ended_at"] - ended["started_at"]).dt.total_seconds()
    assert ended.height > 10
    assert (ended["billable_seconds"] == seconds).all()
    assert jobs["parent_arn"].str.contains(f"monitoring-schedule/{DRIFTING}").any()


def test_a_job_that_a_pipeline_started_is_known_by_the_steps_of_its_run(first: First) -> None:
    client = first.house.sessions.client("sagemaker", PAYER, "us-east-1")
    told = {
        step["Metadata"]["TrainingJob"]["Arn"]: execution["PipelineExecutionArn"]
        for pipeline in client.list_pipelines()["PipelineSummaries"]
        for execution in client.list_pipeline_executions(PipelineName=pipeline["PipelineName"])[
            "PipelineExecutionSummaries"
        ]
        for step in client.list_pipeline_execution_steps(PipelineExecutionArn=execution["PipelineExecutionArn"])[
            "PipelineExecutionSteps"
        ]
        if "TrainingJob" in step["Metadata"]
    }
    links = parents(first.house.lake.scan(JOBS).collect())
    ours = links.filter(pl.col("key").is_in([arn.lower() for arn in told]))
    assert len(told) > 5
    assert dict(ours.select("key", "parent_arn").rows()) == {arn.lower(): run for arn, run in told.items()}
    assert set(uppermost(links)["parent_kind"]) == {"pipeline", "monitoring_schedule"}


def test_the_drifted_feature_differs_from_its_baseline_and_the_steady_one_does_not(first: First) -> None:
    profiles = first.house.lake.scan(FEATURE_PROFILES).filter(pl.col("endpoint") == DRIFTING).collect()
    captures = profiles.filter(pl.col("role") == "capture")
    recent = captures.filter(pl.col("day") >= first.as_of.date() - timedelta(days=3))

    def distance(feature: str) -> float:
        """Largest difference between the two cumulated shares, on the baseline's deciles."""
        base = datasketches.kll_doubles_sketch.deserialize(
            profiles.filter((pl.col("role") == "baseline") & (pl.col("feature") == feature))["sketch"][0]
        )
        now = datasketches.kll_doubles_sketch(2048)
        for part in recent.filter(pl.col("feature") == feature)["sketch"]:
            now.merge(datasketches.kll_doubles_sketch.deserialize(part))
        return max(
            abs(base.get_rank(base.get_quantile(n / 10)) - now.get_rank(base.get_quantile(n / 10)))
            for n in range(1, 10)
        )

    assert distance("median_income") > 0.25
    assert distance("housing_median_age") < 0.05
    whole_day = captures.filter(
        (pl.col("feature") == "population") & (pl.col("day") == first.as_of.date() - timedelta(days=3))
    )
    assert whole_day["records"].to_list() == [90 * 24]
    assert captures["day"].n_unique() == first.house.settings.collect.capture_days + 1


def test_a_baselines_sketch_has_the_weight_and_the_middle_that_were_published(first: First) -> None:
    row = (
        first.house.lake.scan(FEATURE_PROFILES)
        .filter(
            (pl.col("role") == "baseline") & (pl.col("feature") == "total_rooms") & (pl.col("endpoint") == DRIFTING)
        )
        .collect()
        .row(0, named=True)
    )
    sketch = datasketches.kll_doubles_sketch.deserialize(row["sketch"])
    assert sketch.n == row["records"] == 8192
    assert sketch.get_quantile(0.5) == pytest.approx(2636, rel=0.03)  # the mean of a normal distribution
    assert (first.as_of.date() - row["window_end"].date()).days == 60  # made with its schedule


def test_rubbish_among_captures_is_counted_told_and_stops_nothing(first: First) -> None:
    outcome = next(
        item
        for item in first.outcomes
        if (item.source, item.account, item.region) == ("data_capture", PAYER, "us-east-1")
    )
    assert "1 capture line" in outcome.message
    assert "1 record" in outcome.message
    yesterday = first.house.lake.scan(FEATURE_PROFILES).filter(
        (pl.col("role") == "capture") & (pl.col("day") == first.as_of.date() - timedelta(days=1))
    )
    records = yesterday.filter(pl.col("endpoint") == DRIFTING).select("records").collect()["records"]
    assert set(records) == {90 * 24 + 1}


def test_what_model_monitor_reported_is_there_by_feature(first: First) -> None:
    reported = first.house.lake.scan(MONITOR_VIOLATIONS).collect()
    assert set(reported["endpoint"]) == {DRIFTING}
    assert set(reported["feature"]) == {"median_income", "ocean_proximity"}
    assert set(reported["check"]) == {"baseline_drift_check"}
    assert reported["day"].n_unique() >= 10  # it reports once a day, and drifts for twelve


def test_what_collecting_itself_cost_is_on_record(first: First) -> None:
    with first.house.ledger.reading() as session:
        use = {(row.service, row.operation): row for row in session.scalars(select(ApiUseRow)) if row.account == PAYER}
    explorer = use["ce", "GetCostAndUsage"]
    assert explorer.cost_usd == Decimal("0.01") * explorer.calls
    assert use["cloudwatch", "GetMetricData"].billed_units > use["cloudwatch", "GetMetricData"].calls


def test_an_account_that_refuses_fails_alone(simulator: Simulator, tmp_path: Path) -> None:
    wrong = "NoRoleAtAll"  # the simulated account lets every role be assumed that has the form of one
    house = open_collector(simulator.url, tmp_path / "house", roles(**{f"account_{OTHER}": wrong}))
    outcomes = house.collect(house.clock(), only=["sagemaker_inventory"])
    failed = {item.account for item in outcomes if item.status == "failed"}
    assert failed == {OTHER}
    assert all("NoRoleAtAll" in item.message for item in outcomes if item.status == "failed")
    assert {item.account for item in outcomes if item.status == "ok"} == {PAYER}
    assert set(house.lake.scan(INVENTORY).select("account").collect()["account"]) == {PAYER}
    with house.ledger.reading() as session:
        recorded = {run.account: run.status for run in session.scalars(select(SourceRunRow))}
    assert recorded == {PAYER: "ok", OTHER: "failed"}
    house.ledger.close()


def test_a_week_later_every_month_still_agrees_and_days_read_with_resources_keep_them(
    first: First, simulator: Simulator
) -> None:
    old = (first.as_of - timedelta(days=14)).date()
    kept = first.house.lake.scan(COSTS).filter((pl.col("x_ChargeDate") == old) & pl.col("ResourceId").is_not_null())
    before = kept.select("ResourceId", "BilledCost").sort("ResourceId", "BilledCost").collect()
    simulator.advance(days=7)
    later = first.house.clock()
    assert [item for item in first.house.collect(later) if item.status != "ok"] == []
    after = kept.select("ResourceId", "BilledCost").sort("ResourceId", "BilledCost").collect()
    assert before.height > 3
    assert after.equals(before)
    begin, last = days_of_bill(first.house)
    assert last == later.date() - timedelta(days=1)
    assert in_lake(first.house) == monthly(first.house, begin, last + timedelta(days=1))
    assert (
        first.house.lake.scan(COSTS)
        .filter(pl.col("x_ChargeDate").is_between(old, last))
        .select("x_ChargeDate")
        .collect()["x_ChargeDate"]
        .n_unique()
        == (last - old).days + 1
    )
    hours = first.house.lake.scan(METRICS).filter(
        (pl.col("resource_name") == "fraud-scoring-prod")
        & (pl.col("metric") == "Invocations")
        & (pl.col("period_seconds") == 3600)
    )
    starts = hours.sort("start").collect()["start"]
    assert starts.diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    assert starts.max() > first.as_of + timedelta(days=6, hours=22)
