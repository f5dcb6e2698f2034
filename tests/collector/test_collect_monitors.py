"""Monitors of all four kinds, of endpoints and of batch transform, run in the simulated account and collected over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest

from sagekeeper.collector.run import SourceOutcome
from sagekeeper.core.tables import (
    ATTRIBUTIONS,
    BIAS,
    MODEL_QUALITY,
    MONITOR_CONSTRAINTS,
    MONITOR_METRICS,
    MONITOR_RUNS,
    MONITOR_STATISTICS,
    MONITOR_VIOLATIONS,
    Table,
)
from sagekeeper.simulator.client import Simulator

from .conftest import PAYER, Collector

pytestmark = pytest.mark.integration
REGION = "us-east-1"
BUCKET = f"ml-monitoring-{PAYER}-{REGION}"
ENDPOINT = "house-price-regression"
FEATURES = [
    *("median_income", "housing_median_age", "total_rooms", "total_bedrooms", "population", "households"),
    "ocean_proximity",
]
IMAGE = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
NOW = {"ScheduleExpression": "NOW", "DataAnalysisStartTime": "-PT24H", "DataAnalysisEndTime": "-PT0H"}
SOURCES = ["sagemaker_inventory", "sagemaker_jobs", "model_monitor", "monitor_metrics"]


SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "monitor"
REAL = {
    "statistics.json": "samples/sdk_statistics.json",
    "constraints.json": "samples/sdk_constraints.json",
    "constraint_violations.json": "model_monitor/clarify_endpoint_violations.json",
    "analysis.json": "model_monitor/clarify_endpoint_cell72.json",
}


class Account:
    """The account's own people, who set monitors up with boto3."""

    def __init__(self, url: str) -> None:
        def client(service: str) -> Any:
            return boto3.client(service, region_name=REGION, endpoint_url=url)

        self.sagemaker, self.s3, self.cloudwatch = client("sagemaker"), client("s3"), client("cloudwatch")

    def keep(self, key: str, document: Any) -> str:
        text = document if isinstance(document, str) else json.dumps(document)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return f"s3://{BUCKET}/{key}"

    def monitor(self, name: str, kind: str, constraints: str, given: dict[str, Any], program: dict[str, Any]) -> None:
        """A job definition, and a schedule that runs it once, now, over the last day."""
        output = {"S3Output": {"S3Uri": f"s3://{BUCKET}/runs", "LocalPath": "/opt/ml/processing/output"}}
        base = {"ConstraintsResource": {"S3Uri": constraints}}
        operation = {
            "DataQuality": self.sagemaker.create_data_quality_job_definition,
            "ModelQuality": self.sagemaker.create_model_quality_job_definition,
            "ModelBias": self.sagemaker.create_model_bias_job_definition,
            "ModelExplainability": self.sagemaker.create_model_explainability_job_definition,
        }[kind]
        operation(
            JobDefinitionName=name,
            RoleArn=f"arn:aws:iam::{PAYER}:role/SageMakerExecution",
            JobResources={"ClusterConfig": {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}},
            **{
                f"{kind}BaselineConfig": base,
                f"{kind}AppSpecification": {"ImageUri": IMAGE} | program,
                f"{kind}JobInput": given,
                f"{kind}JobOutputConfig": {"MonitoringOutputs": [output]},
            },
        )
        self.sagemaker.create_monitoring_schedule(
            MonitoringScheduleName=name,
            MonitoringScheduleConfig={
                "ScheduleConfig": NOW,
                "MonitoringJobDefinitionName": name,
                "MonitoringType": kind,
            },
        )


@dataclass(frozen=True)
class Collected:
    """The lake after the monitors have run, and how the sources ended."""

    house: Collector
    as_of: datetime
    outcomes: list[SourceOutcome]

    def rows(self, table: Table, schedule: str) -> pl.DataFrame:
        return self.house.lake.scan(table).filter(pl.col("schedule") == schedule).collect()


@pytest.fixture(scope="module")
def collected(simulator: Simulator, collector: Collector) -> Collected:
    """Five monitors have run; one of their reports has been overwritten with rubbish."""
    account = Account(simulator.url)
    watched = {"EndpointInput": {"EndpointName": ENDPOINT, "LocalPath": "/opt/ml/processing/input"}}
    truth = {"GroundTruthS3Input": {"S3Uri": f"s3://{BUCKET}/ground-truth/{ENDPOINT}"}}
    told = {"EndpointInput": watched["EndpointInput"] | {"InferenceAttribute": "0"}}
    rule = {"rmse": {"threshold": 0.01, "comparison_operator": "GreaterThanThreshold"}}
    quality = account.keep("quality/constraints.json", {"version": 0.0, "regression_constraints": rule})
    account.monitor("quality", "ModelQuality", quality, told | truth, {"ProblemType": "Regression"})
    config = {
        "headers": [*FEATURES, "price"],
        "label": "price",
        "label_values_or_threshold": [2.0],
        "facet": [{"name_or_index": "ocean_proximity", "value_or_threshold": ["INLAND"]}],
    }
    program = {"ConfigUri": account.keep("clarify/analysis_config.json", config)}
    fair = {"name": "DPPL", "description": "Difference in Positive Proportions in Predicted Labels", "value": 0.001}
    facets = {"ocean_proximity": [{"value_or_threshold": "INLAND", "metrics": [fair]}]}
    base = account.keep("clarify/bias.json", {"version": "1.0", "post_training_bias_metrics": {"facets": facets}})
    account.monitor("bias", "ModelBias", base, told | truth, program)
    usual = {"global_shap_values": {"households": 5.0, "median_income": 0.01}, "expected_value": 2.0}
    base = account.keep("clarify/shap.json", {"version": "1.0", "explanations": {"kernel_shap": {"label0": usual}}})
    account.monitor("why", "ModelExplainability", base, watched, program)
    hour = collector.clock() - timedelta(hours=2)
    account.keep("batch-data/houses.csv", "1.5,10\n2.5,\n3.5,30\n")
    manifest = [{"prefix": f"s3://{BUCKET}/batch-data/"}, "houses.csv"]
    account.keep(f"batch/input/{hour:%Y/%m/%d/%H}/job-1.json", manifest)
    complete = {"name": "rooms", "inferred_type": "Integral", "completeness": 1.0}
    income = {"name": "income", "inferred_type": "Fractional", "completeness": 1.0}
    base = account.keep("batch/constraints.json", {"version": 0.0, "features": [income, complete]})
    batch = {
        "BatchTransformInput": {
            "DataCapturedDestinationS3Uri": f"s3://{BUCKET}/batch",
            "DatasetFormat": {"Csv": {"Header": False}},
            "LocalPath": "/opt/ml/processing/input",
        }
    }
    account.monitor("nightly-batch", "DataQuality", base, batch, {})
    account.monitor("lost", "DataQuality", f"s3://{BUCKET}/nowhere/constraints.json", watched, {})
    named = (("EndpointName", ENDPOINT), ("ScheduleName", "by-hand"))
    dimensions = [{"Name": name, "Value": value} for name, value in named]
    point = {
        "MetricName": "feature_data_x",
        "Dimensions": dimensions,
        "Timestamp": collector.clock(),
        "Values": [1.0, 3.0],
    }
    account.cloudwatch.put_metric_data(Namespace="/aws/sagemaker/Endpoints/data-metric", MetricData=[point])
    day = collector.clock() - timedelta(days=1)
    for name, real in REAL.items() if SHARED.is_dir() else ():
        account.keep(f"runs/{ENDPOINT}/lost/{day:%Y/%m/%d}/03/{name}", (SHARED / real).read_text())
    simulator.advance(hours=2)
    spoiled = account.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"runs/{ENDPOINT}/bias/")["Contents"]
    violations = next(item["Key"] for item in spoiled if item["Key"].endswith("constraint_violations.json"))
    account.keep(violations, '{"violations": [')
    as_of = collector.clock()
    return Collected(collector, as_of, collector.collect(as_of, only=SOURCES))


def test_every_run_is_there_with_its_outcome_and_the_job_that_did_it(collected: Collected) -> None:
    assert [item for item in collected.outcomes if item.status != "ok"] == []
    runs = collected.house.lake.scan(MONITOR_RUNS).filter(pl.col("day") == collected.as_of.date()).collect()
    told = {row["schedule"]: row for row in runs.iter_rows(named=True)}
    expected = {
        "quality": ("ModelQuality", "endpoint", "CompletedWithViolations", 1),
        "bias": ("ModelBias", "endpoint", "Completed", None),
        "why": ("ModelExplainability", "endpoint", "CompletedWithViolations", 1),
        "nightly-batch": ("DataQuality", "batch_transform", "CompletedWithViolations", 1),
    }
    for name, facts in expected.items():
        row = told[name]
        assert (row["monitor"], row["input"], row["status"], row["violations"]) == facts, name
        assert (row["instance_type"], row["instance_count"]) == ("ml.m5.large", 2)
        assert 200 < row["billable_seconds"] < 400
        assert row["window_end"] - row["window_start"] == timedelta(hours=24)


def test_a_failed_run_says_why_and_what_its_job_took(collected: Collected) -> None:
    (row,) = collected.rows(MONITOR_RUNS, "lost").filter(pl.col("status").is_not_null()).to_dicts()
    assert (row["status"], row["violations"], row["billable_seconds"]) == ("Failed", None, 60)
    assert "nowhere/constraints.json" in row["failure_reason"]


def test_a_spoiled_file_is_recorded_with_its_run_and_the_rest_of_the_run_is_read(collected: Collected) -> None:
    (run,) = collected.rows(MONITOR_RUNS, "bias").to_dicts()
    assert json.loads(run["files"]) == {"analysis.json": "analysis"}
    assert "constraint_violations.json is no JSON" in json.loads(run["unread"])[0]
    assert any("constraint_violations.json is no JSON" in item.message for item in collected.outcomes)
    found = collected.rows(BIAS, "bias")
    assert {"CI", "DPL", "DI", "RD"} <= set(found["metric"])
    limits = found.filter(pl.col("baseline").is_not_null())
    assert limits.select("stage", "facet", "facet_value", "metric", "baseline").rows() == [
        ("post", "ocean_proximity", "INLAND", "DPPL", 0.001)
    ]


def test_model_quality_is_there_beside_its_line(collected: Collected) -> None:
    found = {row["metric"]: row for row in collected.rows(MODEL_QUALITY, "quality").iter_rows(named=True)}
    assert set(found) == {"mae", "mse", "rmse", "r2"}
    assert found["rmse"]["value"] == pytest.approx(found["mse"]["value"] ** 0.5)
    assert (found["rmse"]["threshold"], found["rmse"]["comparison"]) == (0.01, "GreaterThanThreshold")
    assert found["mae"]["threshold"] is None
    assert found["rmse"]["records"] > 200
    assert found["rmse"]["std"] > 0
    (violation,) = collected.rows(MONITOR_VIOLATIONS, "quality").to_dicts()
    assert (violation["feature"], violation["check"], violation["required"]) == ("rmse", "GreaterThanThreshold", 0.01)


def test_attributions_stand_beside_those_of_the_baseline(collected: Collected) -> None:
    found = collected.rows(ATTRIBUTIONS, "why")
    assert set(found["feature"]) == set(FEATURES)
    assert found.sort("value")["feature"][-1] == "median_income"
    assert dict(found.drop_nulls("baseline").select("feature", "baseline").rows()) == {
        "households": 5.0,
        "median_income": 0.01,
    }


def test_a_batch_monitors_statistics_and_suggestions_are_kept_by_feature(collected: Collected) -> None:
    found = {row["feature"]: row for row in collected.rows(MONITOR_STATISTICS, "nightly-batch").iter_rows(named=True)}
    rooms = found["rooms"]
    assert (rooms["endpoint"], rooms["records"], rooms["missing"]) == ("", 3, 1)
    assert (rooms["mean"], rooms["total"], rooms["std"], rooms["minimum"], rooms["maximum"]) == (20, 40, 10, 10, 30)
    assert rooms["completeness"] == pytest.approx(2 / 3)
    assert sum(bucket["count"] for bucket in json.loads(rooms["buckets"])) == 2
    assert json.loads(rooms["sketch"])["parameters"]["k"] == 2048
    assert found["income"]["inferred_type"] == "Fractional"


def test_what_every_monitor_allows_is_there(collected: Collected) -> None:
    rules = collected.house.lake.scan(MONITOR_CONSTRAINTS).filter(pl.col("account") == PAYER).collect()
    told = {(row["schedule"], row["subject"]): row for row in rules.iter_rows(named=True)}
    assert told["quality", "rmse"]["threshold"] == 0.01
    assert told["bias", "post ocean_proximity=INLAND DPPL"]["threshold"] == 0.001
    assert told["why", "label0 households"]["threshold"] == 5.0
    assert told["nightly-batch", "rooms"]["completeness"] == 1.0
    own = next(row for (name, subject), row in told.items() if ENDPOINT in name and subject == "")
    assert (own["threshold"], own["comparison"]) == (0.1, "Robust")


def test_what_monitors_publish_is_read_under_every_name_of_their_namespaces(collected: Collected) -> None:
    def published(schedule: str) -> dict[str, str]:
        return dict(collected.rows(MONITOR_METRICS, schedule).select("metric", "namespace").rows())

    assert published("quality")["rmse"] == "aws/sagemaker/Endpoints/model-metrics"
    assert published("bias")["bias_metric_DI"] == "aws/sagemaker/Endpoints/bias-metrics"
    assert published("why")["feature_households"] == "aws/sagemaker/Endpoints/explainability-metrics"
    assert published("nightly-batch")["feature_non_null_rooms"] == "aws/sagemaker/ModelMonitoring/data-metrics"
    (by_hand,) = collected.rows(MONITOR_METRICS, "by-hand").to_dicts()
    assert (by_hand["namespace"], by_hand["endpoint"]) == ("/aws/sagemaker/Endpoints/data-metric", ENDPOINT)
    assert (by_hand["samples"], by_hand["minimum"], by_hand["maximum"], by_hand["total"]) == (2, 1, 3, 4)


def test_real_files_in_a_schedules_folder_are_read_whole_although_no_execution_is_listed(collected: Collected) -> None:
    if not SHARED.is_dir():
        pytest.skip("the real files of Model Monitor are not beside this project")
    (run,) = collected.rows(MONITOR_RUNS, "lost").filter(pl.col("status").is_null()).to_dicts()
    assert json.loads(run["files"]) == {
        "statistics.json": "statistics",
        "constraints.json": "constraints",
        "constraint_violations.json": "violations",
        "analysis.json": "analysis",
    }
    assert (json.loads(run["unread"]), run["violations"]) == ([], 9)
    published = json.loads((SHARED / REAL["statistics.json"]).read_text())["features"]
    assert collected.rows(MONITOR_STATISTICS, "lost").height == len(published)
    found = collected.rows(MONITOR_VIOLATIONS, "lost")
    assert set(found["check"]) == {"bias_drift_check"}
    bias = collected.rows(BIAS, "lost").filter((pl.col("metric") == "AD") & (pl.col("stage") == "post"))
    assert bias["value"].to_list() == [-0.15156641604010024]


def test_collecting_again_changes_nothing(collected: Collected) -> None:
    before = collected.house.versions()
    assert [item for item in collected.house.collect(collected.as_of, only=SOURCES) if item.status != "ok"] == []
    assert collected.house.versions() == before
