"""Each kind of drift is seen by the monitor that looks for it, and by no other: four schedules on an endpoint of its own kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from sagekeeper.simulator.process import start
from sagekeeper.simulator.worlds.house_answers import NOISE

from .test_monitoring_schedules import BUCKET, FEATURES, IMAGE, keep
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration
KINDS = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
THRESHOLD = 2.1
"""A house is dear from 210,000 dollars on."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("kinds"), speed=0) as running:
        yield Workplace(running)


def endpoint(place: Workplace, name: str) -> str:
    """An endpoint with capture, two hours old."""
    place.ask(
        "CreateModel",
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://b/m"},
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    place.ask(
        "CreateEndpointConfig",
        EndpointConfigName=name,
        ProductionVariants=[variant],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{BUCKET}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
    )
    place.ask("CreateEndpoint", EndpointName=name, EndpointConfigName=name)
    place.running.advance(hours=2)
    return name


def lines(place: Workplace, prefix: str) -> list[dict[str, Any]]:
    """The newest full hour below the prefix."""
    s3 = place.client("s3")
    newest = max(item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"])
    return [json.loads(line) for line in s3.get_object(Bucket=BUCKET, Key=newest)["Body"].read().decode().splitlines()]


def error(place: Workplace, name: str) -> float:
    """Root mean square error of the newest hour, from captures and ground truth."""
    told = {
        row["eventMetadata"]["eventId"]: float(row["captureData"]["endpointOutput"]["data"])
        for row in lines(place, f"capture/{name}/")
    }
    truth = {
        row["eventMetadata"]["eventId"]: float(row["groundTruthData"]["data"])
        for row in lines(place, f"ground-truth/{name}/")
    }
    assert told.keys() == truth.keys()
    return float(np.sqrt(np.mean([(told[key] - truth[key]) ** 2 for key in told])))


def watch(place: Workplace, name: str) -> None:
    """All four monitors, each with the baseline of a healthy model."""
    config = {
        "headers": [*FEATURES, "price"],
        "label": "price",
        "label_values_or_threshold": [THRESHOLD],
        "facet": [{"name_or_index": "ocean_proximity", "value_or_threshold": ["INLAND"]}],
    }
    program = {"ImageUri": IMAGE, "ConfigUri": keep(place, f"{name}/analysis_config.json", config)}
    fair = {"name": "DPPL", "description": "Difference in Positive Proportions", "value": 0.1}
    facets = {"ocean_proximity": [{"value_or_threshold": "INLAND", "metrics": [fair]}]}
    shares = dict.fromkeys(FEATURES, 0.01) | {"median_income": 0.6}
    usual = {"label0": {"global_shap_values": shares, "expected_value": 2.1}}
    rule = {"rmse": {"threshold": 1.3 * NOISE, "comparison_operator": "GreaterThanThreshold"}}
    documents = {
        "DataQuality": None,
        "ModelQuality": {"version": 0.0, "regression_constraints": rule},
        "ModelBias": {"version": "1.0", "post_training_bias_metrics": {"facets": facets}},
        "ModelExplainability": {"version": "1.0", "explanations": {"kernel_shap": usual}},
    }
    base = f"s3://{BUCKET}/baseline/house-price-regression"
    for kind in KINDS:
        given: dict[str, Any] = {"EndpointName": name, "LocalPath": "/opt/ml/processing/input"}
        # A day's captures: an hour has too few rows for a distance of 0.1 to mean anything.
        given |= {"StartTimeOffset": "-P1D", "EndTimeOffset": "-PT0H"} if kind in ("ModelQuality", "ModelBias") else {}
        given |= {} if kind == "DataQuality" else {"InferenceAttribute": "0"}
        job_input: dict[str, Any] = {"EndpointInput": given}
        if kind in ("ModelQuality", "ModelBias"):
            job_input["GroundTruthS3Input"] = {"S3Uri": f"s3://{BUCKET}/ground-truth/{name}"}
        document = documents[kind]
        baseline: dict[str, Any] = (
            {
                "ConstraintsResource": {"S3Uri": f"{base}/constraints.json"},
                "StatisticsResource": {"S3Uri": f"{base}/statistics.json"},
            }
            if document is None
            else {"ConstraintsResource": {"S3Uri": keep(place, f"{name}/{kind}.json", document)}}
        )
        place.ask(
            f"Create{kind}JobDefinition",
            JobDefinitionName=f"{name}-{kind}",
            **{
                f"{kind}BaselineConfig": baseline,
                f"{kind}AppSpecification": {
                    "DataQuality": {"ImageUri": IMAGE},
                    "ModelQuality": {"ImageUri": IMAGE, "ProblemType": "Regression"},
                }.get(kind, program),
                f"{kind}JobInput": job_input,
                f"{kind}JobOutputConfig": {
                    "MonitoringOutputs": [{"S3Output": {"S3Uri": f"s3://{BUCKET}/runs", "LocalPath": "/out"}}]
                },
            },
            JobResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}},
            RoleArn=ROLE,
        )
        place.ask(
            "CreateMonitoringSchedule",
            MonitoringScheduleName=f"{name}-{kind}",
            MonitoringScheduleConfig={
                "ScheduleConfig": {"ScheduleExpression": "cron(0 0 ? * * *)"},
                "MonitoringJobDefinitionName": f"{name}-{kind}",
                "MonitoringType": kind,
            },
        )


def seen_by(place: Workplace, name: str) -> set[str]:
    """Which monitors' newest run has violations."""
    statuses = {}
    for kind in KINDS:
        (newest, *_) = place.ask(
            "ListMonitoringExecutions", MonitoringScheduleName=f"{name}-{kind}", SortBy="ScheduledTime"
        )["MonitoringExecutionSummaries"]
        statuses[kind] = newest["MonitoringExecutionStatus"]
        assert statuses[kind] in ("Completed", "CompletedWithViolations"), (kind, newest)
    return {kind for kind, status in statuses.items() if status == "CompletedWithViolations"}


EXPECTED = {
    "healthy": set(),
    "label_drift": {"DataQuality"},
    "concept_drift": {"ModelQuality"},
    "bias": {"ModelQuality", "ModelBias"},
    "leakage": {"ModelExplainability"},
}


@pytest.fixture(scope="module")
def watched(place: Workplace) -> Workplace:
    """One endpoint a kind, each with all four monitors, a day and a half after its drift began."""
    names = {kind: endpoint(place, f"house-{kind.replace('_', '-')}") for kind in EXPECTED}
    for kind, name in names.items():
        watch(place, name)
        if kind != "healthy":
            place.running.incident(kind, name)
    # To the second midnight, so that the newest run has a whole day of drift, and an hour more for the runs to end.
    now = place.running.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    place.running.advance(seconds=(midnight - now).total_seconds() + 3600)
    return place


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_kind_is_seen_by_its_own_monitors_only(watched: Workplace, kind: str) -> None:
    assert seen_by(watched, f"house-{kind.replace('_', '-')}") == EXPECTED[kind]


def test_the_model_errs_as_much_as_the_truth_says(watched: Workplace) -> None:
    errors = {kind: error(watched, f"house-{kind.replace('_', '-')}") for kind in EXPECTED}
    assert errors["healthy"] == pytest.approx(NOISE, rel=0.3)
    assert errors["label_drift"] == pytest.approx(NOISE, rel=0.3)
    assert errors["concept_drift"] > 1.5 * NOISE
    assert errors["leakage"] < NOISE / 3


def test_every_kind_is_in_the_truth_with_its_subject(watched: Workplace) -> None:
    told = {(item["kind"], item["subject"]) for item in watched.running.truth()}
    assert {(kind, f"house-{kind.replace('_', '-')}") for kind in EXPECTED if kind != "healthy"} <= told
