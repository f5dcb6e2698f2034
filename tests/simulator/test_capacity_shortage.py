"""The incident of a capacity shortage, and what training jobs report: final metrics and the use of their instances."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.process import start

from .hosted import Hosted, refused
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration
SCARCE = "ml.g5.2xlarge"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("shortage"), scale="small") as running:
        yield Workplace(running)


def train(place: Workplace, name: str, kind: str = SCARCE, **more: Any) -> None:
    given = {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "team/net:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:accuracy", "Regex": "a"}, {"Name": "train:loss", "Regex": "l"}],
        },
        "OutputDataConfig": {"S3OutputPath": "s3://somewhere/models"},
        "ResourceConfig": {"InstanceType": kind, "InstanceCount": 2, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
        "HyperParameters": {"sagekeeper_run_seconds": "1800"},
    }
    place.ask("CreateTrainingJob", **(given | more))


def seen(place: Workplace, name: str) -> dict[str, Any]:
    return place.ask("DescribeTrainingJob", TrainingJobName=name)


def test_a_job_reports_the_metrics_that_its_algorithm_defines(place: Workplace) -> None:
    train(place, "told")
    assert "FinalMetricDataList" not in seen(place, "told")
    place.running.advance(hours=1)
    found = {item["MetricName"]: item["Value"] for item in seen(place, "told")["FinalMetricDataList"]}
    assert set(found) == {"validation:accuracy", "train:loss"}
    assert 0.5 < found["validation:accuracy"] < 1 and 0 < found["train:loss"] < 1


def test_the_hosts_of_a_job_report_their_use_each_minute_while_it_runs(place: Workplace) -> None:
    job, watch = seen(place, "told"), place.client("cloudwatch")
    host = [{"Name": "Host", "Value": "told/algo-2"}]

    def points(name: str, stat: str) -> list[dict[str, Any]]:
        answer = watch.get_metric_statistics(
            Namespace="/aws/sagemaker/TrainingJobs",
            MetricName=name,
            Dimensions=host,
            StartTime=job["TrainingStartTime"] - timedelta(hours=1),
            EndTime=job["TrainingEndTime"] + timedelta(hours=1),
            Period=60,
            Statistics=[stat],
        )
        return list(answer["Datapoints"])

    for name, most in (
        ("CPUUtilization", 800),
        ("MemoryUtilization", 100),
        ("GPUUtilization", 100),
        ("DiskUtilization", 100),
    ):
        values = [point["Average"] for point in points(name, "Average")]
        assert 30 <= len(values) <= 32 and all(0 <= value <= most for value in values), name
    assert max(point["Maximum"] for point in points("GPUUtilization", "Maximum")) > 25
    known = watch.list_metrics(Namespace="/aws/sagemaker/TrainingJobs", Dimensions=host)["Metrics"]
    assert {item["MetricName"] for item in known} >= {"CPUUtilization", "GPUMemoryUtilization"}


def test_in_a_shortage_jobs_wait_and_fail_and_endpoints_fail(place: Workplace) -> None:
    hosted = Hosted(place.running)
    hosted.config("wanted", SCARCE)
    truth = place.running.incident("capacity_shortage", SCARCE)
    assert (truth["kind"], truth["subject"], truth["usd_per_day"]) == ("capacity_shortage", SCARCE, None)
    train(place, "starved")
    limits = {"MaxRuntimeInSeconds": 7200, "MaxPendingTimeInSeconds": 43_200}
    train(place, "patient", StoppingCondition=limits)
    spot = {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 7200}
    train(place, "cheap", EnableManagedSpotTraining=True, StoppingCondition=spot)
    train(place, "other", kind="ml.m5.xlarge")
    place.sagemaker.create_endpoint(EndpointName="wanted", EndpointConfigName="wanted")
    place.running.advance(seconds=300)
    assert seen(place, "starved")["SecondaryStatus"] == "Pending"
    assert seen(place, "other")["SecondaryStatus"] == "Training"
    failed = place.ask("DescribeEndpoint", EndpointName="wanted")
    assert failed["EndpointStatus"] == "Failed" and "capacity" in failed["FailureReason"]
    day = place.running.now().date()
    place.running.advance(hours=8)
    starved = seen(place, "starved")
    assert starved["TrainingJobStatus"] == "Failed" and starved["FailureReason"].startswith("CapacityError:")
    assert "TrainingStartTime" not in starved and starved["BillableTimeInSeconds"] == 0
    assert seen(place, "cheap")["SecondaryStatus"] == "MaxWaitTimeExceeded"
    patient = seen(place, "patient")
    assert patient["TrainingJobStatus"] == "Completed"
    assert [item["Status"] for item in patient["SecondaryStatusTransitions"]][:2] == ["Pending", "Starting"]
    waited = patient["TrainingStartTime"] - patient["CreationTime"]
    assert timedelta(hours=5, minutes=59) < waited < timedelta(hours=6, minutes=10)
    hosted.endpoint("later", SCARCE)
    place.running.advance(days=4)
    assert place.bill(starved["TrainingJobArn"], day=day) == {}
    assert place.ask("DescribeEndpoint", EndpointName="later")["EndpointStatus"] == "InService"


def test_a_shortage_needs_a_type_that_there_is(place: Workplace) -> None:
    with pytest.raises(BadInput, match="no instance type"):
        place.running.incident("capacity_shortage", "ml.z9.huge")


def test_training_over_the_quota_is_refused(place: Workplace) -> None:
    cluster = {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 9, "VolumeSizeInGB": 50}
    with pytest.raises(place.sagemaker.exceptions.ResourceLimitExceeded, match="for training job usage"):
        train(place, "huge", ResourceConfig=cluster)
    refused("ValidationException", place.sagemaker.describe_training_job, TrainingJobName="huge")
