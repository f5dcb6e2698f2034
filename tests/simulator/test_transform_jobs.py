"""Batch transform in the simulated account: states, stops, lists, refusals, and what it costs."""

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
HOUR = PriceBook.bundled().hourly("ml.c5.2xlarge", "BatchTransform", "us-east-1").usd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("transform"), scale="small") as running:
        there = Workplace(running)
        there.ask("CreateModel", ModelName="scorer", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "xgboost:1"})
        yield there


def request(name: str, seconds: int = 1800, model: str = "scorer", count: int = 3, **more: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://somewhere/in"}}
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {"DataSource": source, "ContentType": "text/csv"},
        "TransformOutput": {"S3OutputPath": "s3://somewhere/out"},
        "TransformResources": {"InstanceType": "ml.c5.2xlarge", "InstanceCount": count},
        "Environment": {"sagekeeper_run_seconds": str(seconds)} | more.pop("environment", {}),
    } | more


def seen(place: Workplace, name: str) -> dict[str, Any]:
    return place.ask("DescribeTransformJob", TransformJobName=name)


def test_a_job_passes_and_costs_what_the_price_book_says(place: Workplace) -> None:
    place.ask("CreateTransformJob", **request("billed", Tags=[{"Key": "team", "Value": "risk"}]))
    begun = seen(place, "billed")
    assert begun["TransformJobStatus"] == "InProgress" and "TransformStartTime" not in begun
    assert place.ask("ListTags", ResourceArn=begun["TransformJobArn"])["Tags"] == [{"Key": "team", "Value": "risk"}]
    day = place.running.now().date()
    place.running.advance(days=4)
    done = seen(place, "billed")
    assert done["TransformJobStatus"] == "Completed"
    assert done["TransformEndTime"] - done["TransformStartTime"] == timedelta(seconds=1800)
    bill = place.bill(done["TransformJobArn"], day=day)
    assert set(bill) == {"USE1-Tsform:ml.c5.2xlarge"}
    assert cents(bill["USE1-Tsform:ml.c5.2xlarge"]) == cents(3 * 0.5 * HOUR)


def test_a_stopped_job_pays_only_until_it_stopped(place: Workplace) -> None:
    place.ask("CreateTransformJob", **request("halted"))
    day = place.running.now().date()
    place.running.advance(seconds=750)
    place.ask("StopTransformJob", TransformJobName="halted")
    assert seen(place, "halted")["TransformJobStatus"] == "Stopping"
    place.running.advance(days=4)
    found = seen(place, "halted")
    assert found["TransformJobStatus"] == "Stopped"
    seconds = (found["TransformEndTime"] - found["TransformStartTime"]).total_seconds()
    assert 625 <= seconds <= 640
    bill = place.bill(found["TransformJobArn"], day=day)
    assert float(bill["USE1-Tsform:ml.c5.2xlarge"]) == pytest.approx(3 * seconds / 3600 * HOUR, abs=0.005)
    refused("ValidationException", place.sagemaker.stop_transform_job, TransformJobName="halted")


def test_its_hosts_report_their_use_but_no_disk(place: Workplace) -> None:
    watch, namespace = place.client("cloudwatch"), "/aws/sagemaker/TransformJobs"
    place.ask("CreateTransformJob", **request("watched", count=2))
    place.running.advance(hours=1)
    rows = watch.list_metrics(Namespace=namespace)["Metrics"]
    hosts = {item["Dimensions"][0]["Value"] for item in rows}
    assert len([host for host in hosts if host.startswith("watched/i-")]) == 2
    assert {item["MetricName"] for item in rows} == {"CPUUtilization", "MemoryUtilization"}


def test_lists_are_filtered_and_paged(place: Workplace) -> None:
    for number in range(3):
        wish = {"environment": {"sagekeeper_failure": "ClientError: no"}} if number == 1 else {}
        place.ask("CreateTransformJob", **request(f"listed-{number}", **wish))
        place.running.advance(seconds=5)
    place.running.advance(hours=2)
    failed = place.ask("ListTransformJobs", NameContains="listed", StatusEquals="Failed")["TransformJobSummaries"]
    assert [(row["TransformJobName"], row["FailureReason"]) for row in failed] == [("listed-1", "ClientError: no")]
    first = place.ask("ListTransformJobs", NameContains="listed", MaxResults=2)
    rest = place.ask("ListTransformJobs", NameContains="listed", MaxResults=2, NextToken=first["NextToken"])
    rows = first["TransformJobSummaries"] + rest["TransformJobSummaries"]
    assert [row["TransformJobName"] for row in rows] == ["listed-2", "listed-1", "listed-0"]
    assert "NextToken" not in rest


def test_wrong_requests_are_refused(place: Workplace) -> None:
    create = place.sagemaker.create_transform_job
    place.ask("CreateTransformJob", **request("twice"))
    refused("ResourceInUse", create, **request("twice"))
    refused("ValidationException", create, match="Could not find model", **request("lonely", model="nobody"))
    scarce = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 9}
    over = request("huge", TransformResources=scarce)
    refused("ResourceLimitExceeded", create, match="for transform job usage", **over)
    refused("ValidationException", create, **request("fat", MaxConcurrentTransforms=20, MaxPayloadInMB=10))
    refused("ValidationException", create, **request("odd", BatchStrategy="Both"))
    for ask in (place.sagemaker.describe_transform_job, place.sagemaker.stop_transform_job):
        refused("ValidationException", ask, match="Could not find requested job", TransformJobName="nobody")
