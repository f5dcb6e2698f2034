"""Processing jobs in the simulated account: their states, failures, stops, lists, refusals, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

from .hosted import refused
from .workplace import ROLE, Workplace, cents

pytestmark = pytest.mark.integration
HOUR = PriceBook.bundled().hourly("ml.m5.xlarge", "Processing", "us-east-1").usd
STORAGE = PriceBook.bundled().unit("processing_storage", "us-east-1").usd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("processing"), scale="small") as running:
        yield Workplace(running)


def request(name: str, seconds: int = 3600, count: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "sklearn:1"},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": count, "VolumeSizeInGB": 500}
        },
        "Environment": {"sagekeeper_run_seconds": str(seconds)} | more.pop("environment", {}),
    } | more


def job(place: Workplace, name: str, **more: Any) -> None:
    place.ask("CreateProcessingJob", **request(name, **more))


def seen(place: Workplace, name: str) -> dict[str, Any]:
    return place.ask("DescribeProcessingJob", ProcessingJobName=name)


def test_a_job_starts_runs_and_ends_as_time_passes(place: Workplace) -> None:
    job(place, "plain", environment={"sagekeeper_message": "12 files written"})
    waiting = seen(place, "plain")
    assert waiting["ProcessingJobStatus"] == "InProgress" and "ProcessingStartTime" not in waiting
    assert waiting["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    place.running.advance(seconds=200)
    running = seen(place, "plain")
    assert running["LastModifiedTime"] == running["ProcessingStartTime"] and "ProcessingEndTime" not in running
    place.running.advance(hours=1)
    done = seen(place, "plain")
    assert (done["ProcessingJobStatus"], done["ExitMessage"]) == ("Completed", "12 files written")
    assert done["ProcessingEndTime"] - done["ProcessingStartTime"] == timedelta(seconds=3600)
    assert done["LastModifiedTime"] == done["ProcessingEndTime"]


def test_how_long_a_job_runs_follows_from_its_name(place: Workplace) -> None:
    wish = request("unnamed")
    del wish["Environment"]
    place.ask("CreateProcessingJob", **wish)
    place.running.advance(hours=2)
    found = seen(place, "unnamed")
    assert 240 <= (found["ProcessingEndTime"] - found["ProcessingStartTime"]).total_seconds() <= 2400


def test_a_job_costs_instances_and_volumes_by_the_second(place: Workplace) -> None:
    job(place, "billed", seconds=3601, Tags=[{"Key": "team", "Value": "risk"}])
    day, arn = place.running.now().date(), seen(place, "billed")["ProcessingJobArn"]
    assert place.ask("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "risk"}]
    place.running.advance(days=4)
    bill, hours = place.bill(arn, day=day), 2 * 3601 / 3600
    assert set(bill) == {"USE1-Processing:ml.m5.xlarge", "USE1-Processing:VolumeUsage.gp2"}
    assert cents(bill["USE1-Processing:ml.m5.xlarge"]) == cents(hours * HOUR)
    assert cents(bill["USE1-Processing:VolumeUsage.gp2"]) == cents(hours * 500 / 730 * STORAGE) == cents("0.14")


def test_a_failed_job_says_why_and_pays_until_then(place: Workplace) -> None:
    job(place, "broken", environment={"sagekeeper_failure": "AlgorithmError: exit code 1"})
    place.running.advance(hours=2)
    found = seen(place, "broken")
    assert (found["ProcessingJobStatus"], found["FailureReason"]) == ("Failed", "AlgorithmError: exit code 1")
    assert found["ProcessingEndTime"] - found["ProcessingStartTime"] == timedelta(seconds=1800)


def test_a_job_is_taken_down_at_its_longest_runtime(place: Workplace) -> None:
    job(place, "endless", seconds=99_999, StoppingCondition={"MaxRuntimeInSeconds": 600})
    place.running.advance(hours=2)
    found = seen(place, "endless")
    assert found["ProcessingJobStatus"] == "Stopped"
    assert found["ProcessingEndTime"] - found["ProcessingStartTime"] == timedelta(seconds=600)


def test_a_stopped_job_pays_only_until_it_stopped(place: Workplace) -> None:
    job(place, "halted")
    place.running.advance(seconds=1150)
    place.ask("StopProcessingJob", ProcessingJobName="halted")
    assert seen(place, "halted")["ProcessingJobStatus"] == "Stopping"
    refused("ValidationException", place.sagemaker.stop_processing_job, ProcessingJobName="halted")
    place.running.advance(seconds=60)
    found = seen(place, "halted")
    assert found["ProcessingJobStatus"] == "Stopped"
    assert 1030 <= (found["ProcessingEndTime"] - found["ProcessingStartTime"]).total_seconds() <= 1040


def test_a_job_stopped_before_it_started_costs_nothing(place: Workplace) -> None:
    job(place, "early")
    place.ask("StopProcessingJob", ProcessingJobName="early")
    day = place.running.now().date()
    place.running.advance(days=4)
    found = seen(place, "early")
    assert found["ProcessingJobStatus"] == "Stopped" and "ProcessingStartTime" not in found
    assert place.bill(found["ProcessingJobArn"], day=day) == {}


def test_lists_are_filtered_sorted_and_paged(place: Workplace) -> None:
    for number in range(3):
        job(place, f"listed-{number}", environment={"sagekeeper_failure": "no"} if number == 1 else {})
        place.running.advance(seconds=10)
    place.running.advance(hours=2)
    first = place.ask("ListProcessingJobs", NameContains="listed-", MaxResults=2)
    assert [row["ProcessingJobName"] for row in first["ProcessingJobSummaries"]] == ["listed-2", "listed-1"]
    assert first["ProcessingJobSummaries"][1]["FailureReason"] == "no"
    rest = place.ask("ListProcessingJobs", NameContains="listed-", MaxResults=2, NextToken=first["NextToken"])
    assert [row["ProcessingJobName"] for row in rest["ProcessingJobSummaries"]] == ["listed-0"]
    assert "NextToken" not in rest
    failed = place.ask("ListProcessingJobs", NameContains="listed-", StatusEquals="Failed")
    assert [row["ProcessingJobName"] for row in failed["ProcessingJobSummaries"]] == ["listed-1"]
    named = place.ask("ListProcessingJobs", NameContains="listed-", SortBy="Name", SortOrder="Ascending")
    assert [row["ProcessingJobName"][-1] for row in named["ProcessingJobSummaries"]] == ["0", "1", "2"]
    after = first["ProcessingJobSummaries"][1]["CreationTime"] + timedelta(seconds=5)
    later = place.ask("ListProcessingJobs", CreationTimeAfter=after)
    assert [row["ProcessingJobName"] for row in later["ProcessingJobSummaries"]] == ["listed-2"]


def test_wrong_requests_are_refused(place: Workplace) -> None:
    create = place.sagemaker.create_processing_job
    job(place, "twice")
    refused("ResourceInUse", create, **request("twice"))
    refused("ValidationException", create, **request("huge", count=500))
    refused("ValidationException", create, **request("no_such_name"))
    wrong = request("wrong-type")
    wrong["ProcessingResources"]["ClusterConfig"]["InstanceType"] = "ml.m6g.large"
    refused("ValidationException", create, **wrong)
    source = {"S3Uri": "s3://b/in", "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix"}
    inputs = [{"InputName": name, "S3Input": source} for name in ("one", "other")]
    refused("ValidationException", create, **request("same-path", ProcessingInputs=inputs))
    refused("ValidationException", create, **request("no-source", ProcessingInputs=[{"InputName": "one"}]))
    for ask in (place.sagemaker.describe_processing_job, place.sagemaker.stop_processing_job):
        refused("ValidationException", ask, ProcessingJobName="nobody")


def test_a_quota_counts_what_runs(place: Workplace) -> None:
    place.running.advance(hours=3)
    for name in ("many", "as-many"):
        job(place, name, count=75)
    create = place.sagemaker.create_processing_job
    refused("ResourceLimitExceeded", create, match="for processing job usage", **request("more", count=60))
    place.running.advance(hours=2)
    job(place, "more", count=60)
