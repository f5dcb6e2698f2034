"""Monitoring schedules in the simulated account: definitions, runs on the clock, real-format reports, and their bill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator import monitor_clarify, monitor_data_quality, monitor_model_quality
from sagekeeper.simulator.process import start

from .hosted import refused
from .workplace import ROLE, Workplace, cents

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "monitor" / "model_monitor"
BUCKET = "ml-monitoring-123456789012-us-east-1"
ENDPOINT = "house-price-regression"
IMAGE = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
FEATURES = [
    *("median_income", "housing_median_age", "total_rooms", "total_bedrooms", "population", "households"),
    "ocean_proximity",
]
HOURLY = {"ScheduleExpression": "cron(0 * ? * * *)"}
COUNTS_A, COUNTS_D = (86, 57, 36, 277), (8, 9, 2, 191)
LARGE = PriceBook.bundled().hourly("ml.m5.large", "Processing", "us-east-1").usd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("monitoring")) as running:
        yield Workplace(running)


def definition(
    place: Workplace,
    name: str,
    kind: str = "DataQuality",
    baseline: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    program: dict[str, Any] | None = None,
    truth: str | None = None,
) -> str:
    """A job definition of any kind for the endpoint of the world."""
    watched = {"EndpointName": ENDPOINT, "LocalPath": "/opt/ml/processing/input"} | (given or {})
    job_input: dict[str, Any] = {"EndpointInput": watched}
    if truth is not None:
        job_input["GroundTruthS3Input"] = {"S3Uri": truth}
    place.ask(
        f"Create{kind}JobDefinition",
        JobDefinitionName=name,
        **{
            f"{kind}BaselineConfig": baseline or {},
            f"{kind}AppSpecification": {"ImageUri": IMAGE} | (program or {}),
            f"{kind}JobInput": job_input,
            f"{kind}JobOutputConfig": {
                "MonitoringOutputs": [
                    {"S3Output": {"S3Uri": f"s3://{BUCKET}/runs", "LocalPath": "/opt/ml/processing/output"}}
                ]
            },
        },
        JobResources={"ClusterConfig": {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}},
        RoleArn=ROLE,
    )
    return name


def schedule(
    place: Workplace, name: str, defined: str, kind: str = "DataQuality", plan: dict[str, str] = HOURLY
) -> dict[str, str]:
    config = {"ScheduleConfig": plan, "MonitoringJobDefinitionName": defined, "MonitoringType": kind}
    place.ask("CreateMonitoringSchedule", MonitoringScheduleName=name, MonitoringScheduleConfig=config)
    return {"MonitoringScheduleName": name}


def runs(place: Workplace, name: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    return list(place.ask("ListMonitoringExecutions", **name, **more)["MonitoringExecutionSummaries"])


def past_the_hour(place: Workplace, minutes: float) -> None:
    """To so many minutes after the next full hour."""
    now = place.running.now()
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    place.running.advance(seconds=(hour - now).total_seconds() + 60 * minutes)


def report(place: Workplace, name: str, run: dict[str, Any], file: str) -> Any:
    key = f"runs/{ENDPOINT}/{name}/{run['ScheduledTime']:%Y/%m/%d/%H}/{file}"
    return json.loads(place.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())


def keep(place: Workplace, key: str, document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    place.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    return f"s3://{BUCKET}/{key}"


def world_baseline() -> dict[str, Any]:
    return {
        "ConstraintsResource": {"S3Uri": f"s3://{BUCKET}/baseline/{ENDPOINT}/constraints.json"},
        "StatisticsResource": {"S3Uri": f"s3://{BUCKET}/baseline/{ENDPOINT}/statistics.json"},
    }


def captured(place: Workplace) -> list[dict[str, Any]]:
    """What the endpoint captured in the last full hour."""
    hour = place.running.now().replace(minute=0) - timedelta(hours=1)
    s3 = place.client("s3")
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        for item in page.get("Contents", [])
        if f"/{ENDPOINT}/AllTraffic/{hour:%Y/%m/%d/%H}/" in item["Key"]
    ]
    lines = s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read().decode().splitlines()
    return [json.loads(line) for line in lines]


def label(place: Workplace, labels: dict[str, str], prefix: str) -> str:
    hour = place.running.now().replace(minute=0) - timedelta(hours=1)
    lines = [
        json.dumps(
            {
                "groundTruthData": {"data": value, "encoding": "CSV"},
                "eventMetadata": {"eventId": key},
                "eventVersion": "0",
            }
        )
        for key, value in labels.items()
    ]
    keep(place, f"{prefix}/{hour:%Y/%m/%d/%H}/labels.jsonl", "\n".join(lines))
    return f"s3://{BUCKET}/{prefix}"


def now_plan(begin: str = "-PT1H") -> dict[str, str]:
    return {"ScheduleExpression": "NOW", "DataAnalysisStartTime": begin, "DataAnalysisEndTime": "-PT0H"}


@pytest.mark.integration
def test_a_run_goes_from_pending_to_violations_as_a_billed_processing_job(place: Workplace) -> None:
    name = schedule(place, "hourly", definition(place, "drifting", baseline=world_baseline()))
    assert place.ask("DescribeMonitoringSchedule", **name)["MonitoringScheduleStatus"] == "Pending"
    past_the_hour(place, 0)
    seen = [runs(place, name)[0]["MonitoringExecutionStatus"]]
    for _ in range(60):
        place.running.advance(seconds=60)
        run = min(runs(place, name), key=lambda row: row["ScheduledTime"])
        seen.append(run["MonitoringExecutionStatus"])
        if seen[-1].startswith("Completed"):
            break
    assert list(dict.fromkeys(seen)) == ["Pending", "InProgress", "CompletedWithViolations"]
    found = report(place, "hourly", run, "constraint_violations.json")["violations"]
    drifted = {row["feature_name"] for row in found if row["constraint_check_type"] == "baseline_drift_check"}
    assert {"median_income", "ocean_proximity"} <= drifted
    statistics = report(place, "hourly", run, "statistics.json")
    assert [item["name"] for item in statistics["features"]] == FEATURES
    job = place.ask("DescribeProcessingJob", ProcessingJobName=run["ProcessingJobArn"].rpartition("/")[2])
    assert job["MonitoringScheduleArn"].endswith("monitoring-schedule/hourly")
    assert "violations" in job["ExitMessage"]
    place.ask("StopMonitoringSchedule", **name)
    place.running.advance(days=4)
    seconds = (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds()
    bill = place.bill(run["ProcessingJobArn"].rpartition(":")[2])
    assert cents(bill["USE1-Processing:ml.m5.large"]) == cents(2 * LARGE * seconds / 3600)
    assert len(runs(place, name)) == 1


@pytest.mark.integration
def test_metrics_of_a_run_are_in_cloudwatch(place: Workplace) -> None:
    name = schedule(
        place, "measured", definition(place, "measured", baseline=world_baseline()), plan=now_plan("-PT24H")
    )
    place.running.advance(seconds=1200)
    assert runs(place, name)[0]["MonitoringExecutionStatus"] == "CompletedWithViolations"
    found = place.client("cloudwatch").get_metric_statistics(
        Namespace="aws/sagemaker/Endpoints/data-metrics",
        MetricName="feature_baseline_drift_median_income",
        Dimensions=[{"Name": "Endpoint", "Value": ENDPOINT}, {"Name": "MonitoringSchedule", "Value": "measured"}],
        StartTime=place.running.now() - timedelta(hours=2),
        EndTime=place.running.now(),
        Period=3600,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert max(point["Maximum"] for point in found) > 0.1


@pytest.mark.integration
def test_a_missing_baseline_fails_the_job_and_missing_data_the_run(place: Workplace) -> None:
    wrong = {"ConstraintsResource": {"S3Uri": f"s3://{BUCKET}/nowhere/constraints.json"}}
    lost = schedule(place, "lost", definition(place, "lost", baseline=wrong), plan=now_plan())
    silent = schedule(
        place, "silent", definition(place, "silent", given={"EndpointName": "hackathon-demo"}), plan=now_plan()
    )
    place.running.advance(seconds=1200)
    failed = runs(place, lost)[0]
    assert (failed["MonitoringExecutionStatus"], "nowhere/constraints.json" in failed["FailureReason"]) == (
        "Failed",
        True,
    )
    job = place.ask("DescribeProcessingJob", ProcessingJobName=failed["ProcessingJobArn"].rpartition("/")[2])
    assert job["ProcessingJobStatus"] == "Failed"
    empty = runs(place, silent)[0]
    assert (empty["FailureReason"], "ProcessingJobArn" in empty) == ("Job inputs had no data", False)
    assert [row["MonitoringScheduleName"] for row in runs(place, lost, StatusEquals="Failed")] == ["lost"]


@pytest.mark.integration
def test_model_quality_joins_ground_truth_and_breaks_its_threshold(place: Workplace) -> None:
    place.running.advance(hours=1)
    rows = captured(place)
    told = {row["eventMetadata"]["eventId"]: float(row["captureData"]["endpointOutput"]["data"]) for row in rows}
    truth = label(place, {key: str(value + 1.0) for key, value in list(told.items())[:50]}, "truth-quality")
    rule = {"rmse": {"threshold": 0.5, "comparison_operator": "GreaterThanThreshold"}}
    allowed = keep(place, "quality/constraints.json", {"version": 0.0, "regression_constraints": rule})
    defined = definition(
        place,
        "quality",
        "ModelQuality",
        baseline={"ConstraintsResource": {"S3Uri": allowed}},
        given={"InferenceAttribute": "0"},
        program={"ProblemType": "Regression"},
        truth=truth,
    )
    name = schedule(place, "quality", defined, "ModelQuality", now_plan())
    place.running.advance(seconds=1200)
    run = runs(place, name)[0]
    assert run["MonitoringExecutionStatus"] == "CompletedWithViolations"
    metrics = report(place, "quality", run, "statistics.json")["regression_metrics"]
    assert metrics["mae"] == {"value": pytest.approx(1.0), "standard_deviation": "NaN"}
    violations = report(place, "quality", run, "constraint_violations.json")["violations"]
    assert [(row["metric_name"], row["constraint_check_type"]) for row in violations] == [
        ("rmse", "GreaterThanThreshold")
    ]
    merged = place.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"runs/merge/{ENDPOINT}/AllTraffic/")["Contents"]
    body = place.client("s3").get_object(Bucket=BUCKET, Key=merged[0]["Key"])["Body"].read().decode()
    assert {"captureData", "groundTruthData", "eventMetadata"} <= set(json.loads(body.splitlines()[0]))
    assert len(body.splitlines()) == 50


@pytest.mark.integration
def test_bias_and_explainability_write_clarifys_analysis_and_violations(place: Workplace) -> None:
    place.running.advance(hours=1)
    rows = captured(place)
    labels = {}
    for row in rows:
        inland = row["captureData"]["endpointInput"]["data"].endswith("INLAND")
        price = float(row["captureData"]["endpointOutput"]["data"])
        labels[row["eventMetadata"]["eventId"]] = str(price + (2.0 if inland else 0.0))
    truth = label(place, labels, "truth-bias")
    config = {
        "headers": [*FEATURES, "price"],
        "label": "price",
        "label_values_or_threshold": [3.0],
        "facet": [{"name_or_index": "ocean_proximity", "value_or_threshold": ["INLAND"]}],
    }
    program = {"ConfigUri": keep(place, "clarify/analysis_config.json", config)}
    fair = {"name": "RD", "description": "Recall Difference (RD)", "value": 0.01}
    facets = {"ocean_proximity": [{"value_or_threshold": "INLAND", "metrics": [fair]}]}
    base = keep(place, "clarify/bias.json", {"version": "1.0", "post_training_bias_metrics": {"facets": facets}})
    defined = definition(
        place,
        "bias",
        "ModelBias",
        {"ConstraintsResource": {"S3Uri": base}},
        {"InferenceAttribute": "0"},
        program,
        truth,
    )
    name = schedule(place, "bias", defined, "ModelBias", now_plan())
    usual = {"global_shap_values": {"households": 5.0, "median_income": 0.01}, "expected_value": 2.0}
    told = {"version": "1.0", "explanations": {"kernel_shap": {"label0": usual}}}
    base = keep(place, "clarify/shap.json", told)
    defined = definition(place, "why", "ModelExplainability", {"ConstraintsResource": {"S3Uri": base}}, None, program)
    why = schedule(place, "why", defined, "ModelExplainability", now_plan())
    place.running.advance(seconds=1200)
    found = report(place, "bias", runs(place, name)[0], "analysis.json")["post_training_bias_metrics"]
    names = {item["name"] for item in found["facets"]["ocean_proximity"][0]["metrics"]}
    assert {"AD", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "GE", "RD", "SD", "TE"} == names
    broken = report(place, "bias", runs(place, name)[0], "constraint_violations.json")
    assert broken["version"] == "1.0"
    assert [(row["facet"], row["metric_name"], row["constraint_check_type"]) for row in broken["violations"]] == [
        ("ocean_proximity", "RD", "bias_drift_check")
    ]
    shares = report(place, "why", runs(place, why)[0], "analysis.json")["explanations"]["kernel_shap"]["label0"]
    assert max(shares["global_shap_values"], key=shares["global_shap_values"].get) == "median_income"
    violations = report(place, "why", runs(place, why)[0], "constraint_violations.json")["violations"]
    assert [row["constraint_check_type"] for row in violations] == ["feature_attribution_drift_check"]


@pytest.mark.integration
def test_a_stopped_schedule_runs_nothing_and_a_new_plan_holds_from_the_update_on(place: Workplace) -> None:
    name = schedule(place, "replanned", definition(place, "replanned", baseline=world_baseline()))
    place.ask("StopMonitoringSchedule", **name)
    place.running.advance(hours=3)
    assert runs(place, name) == []
    place.ask("StartMonitoringSchedule", **name)
    past_the_hour(place, 40)
    assert len(runs(place, name)) == 1
    config = place.ask("DescribeMonitoringSchedule", **name)["MonitoringScheduleConfig"]
    daily = config | {"ScheduleConfig": {"ScheduleExpression": "cron(0 3 ? * * *)"}}
    place.ask("UpdateMonitoringSchedule", **name, MonitoringScheduleConfig=daily)
    place.running.advance(days=2)
    found = runs(place, name)
    assert [row["ScheduledTime"].hour for row in found][:2] == [3, 3]
    assert len(found) == 3
    place.ask("DeleteMonitoringSchedule", **name)
    refused("ResourceNotFound", place.sagemaker.describe_monitoring_schedule, **name)


@pytest.mark.integration
def test_wrong_requests_are_refused_with_the_codes_of_aws(place: Workplace) -> None:
    api, defined = place.sagemaker, definition(place, "strict")

    def config(**plan: str) -> dict[str, Any]:
        return {"ScheduleConfig": plan, "MonitoringJobDefinitionName": defined, "MonitoringType": "DataQuality"}

    create, name = api.create_monitoring_schedule, {"MonitoringScheduleName": "wrong"}
    refused("ValidationException", create, **name, MonitoringScheduleConfig=config(ScheduleExpression="rate(1 hour)"))
    refused("ValidationException", create, **name, MonitoringScheduleConfig=config(ScheduleExpression="NOW"))
    unknown = config(ScheduleExpression="cron(0 * ? * * *)") | {"MonitoringJobDefinitionName": "unknown"}
    refused("ResourceNotFound", create, **name, MonitoringScheduleConfig=unknown)
    taken = schedule(place, "taken", defined)
    refused("ResourceInUse", create, **taken, MonitoringScheduleConfig=config(ScheduleExpression="cron(0 * ? * * *)"))
    refused("ValidationException", api.delete_data_quality_job_definition, JobDefinitionName="strict")
    refused("ResourceNotFound", api.describe_model_bias_job_definition, JobDefinitionName="strict")
    place.ask("DeleteMonitoringSchedule", **taken)
    place.ask("DeleteDataQualityJobDefinition", JobDefinitionName="strict")
    listed = place.ask("ListDataQualityJobDefinitions", NameContains="strict")["JobDefinitionSummaries"]
    assert listed == []


def test_statistics_of_a_real_dataset_are_those_that_model_monitor_published() -> None:
    if not REAL.exists():
        pytest.skip("the real files of Model Monitor are not here")
    data = pl.read_csv(REAL / "training-dataset-with-header.csv", infer_schema=False)
    columns = {name: data[name].fill_null("").to_numpy().astype(object) for name in data.columns}
    ours = {item["name"]: item for item in monitor_data_quality.statistics(columns)["features"]}
    published = pl.read_csv(REAL / "baseline_statistics.csv")
    assert published.height > 3
    for row in published.iter_rows(named=True):
        found = ours[row["name"]]
        assert found["inferred_type"] == row["inferred_type"]
        numbers = found["numerical_statistics"]
        for key in ("mean", "sum", "std_dev", "min", "max"):
            assert numbers[key] == pytest.approx(row[f"numerical_statistics.{key}"], abs=1e-5)


def test_bias_metrics_of_a_real_run_follow_from_its_counts() -> None:
    """Of 456 and 210 rows these are the only counts that give the published DPL, DPPL, DI and RD."""
    if not REAL.exists():
        pytest.skip("the real files of Clarify are not here")
    real = json.loads((REAL / "clarify_endpoint_cell72.json").read_text())
    published = {
        item["name"]: item["value"]
        for stage in ("pre_training_bias_metrics", "post_training_bias_metrics")
        for item in real[stage]["facets"]["Sex"][0]["metrics"]
    }
    others, women = rows_of(COUNTS_A), rows_of(COUNTS_D)
    inside = np.repeat([False, True], [len(others[0]), len(women[0])])
    ours = monitor_clarify.metrics(np.r_[others[0], women[0]], np.r_[others[1], women[1]], inside)
    for name, value in ours.items():
        assert value == pytest.approx(published[name], abs=1e-9), name


def rows_of(counts: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of so many (both, label only, prediction only, neither)."""
    true = np.repeat([True, True, False, False], counts)
    told = np.repeat([True, False, True, False], counts)
    return true, told


def test_binary_metrics_are_what_the_confusion_matrix_gives() -> None:
    labels, told = (np.array(values, dtype=float) for values in ([1, 1, 1, 0, 0], [1, 1, 0, 1, 0]))
    scores = np.array([0.9, 0.8, 0.3, 0.6, 0.1])
    found = monitor_model_quality.statistics("BinaryClassification", labels, told, scores)[
        "binary_classification_metrics"
    ]
    assert found["precision"]["value"] == pytest.approx(2 / 3)
    assert found["recall"]["value"] == pytest.approx(2 / 3)
    assert found["auc"]["value"] == pytest.approx(5 / 6)
    assert found["confusion_matrix"] == {"0.0": {"0.0": 1, "1.0": 1}, "1.0": {"0.0": 1, "1.0": 2}}
