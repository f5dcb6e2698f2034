"""Training jobs in the simulated account: their phases, managed spot, warm pools, stops, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

from .hosted import refused
from .workplace import ROLE, Workplace, cents

pytestmark = pytest.mark.integration
HOUR = PriceBook.bundled().hourly("ml.m5.xlarge", "Training", "us-east-1").usd
STORAGE = PriceBook.bundled().unit("training_storage", "us-east-1").usd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("training"), scale="small") as running:
        yield Workplace(running)


def job(place: Workplace, name: str, seconds: int = 3600, keep: int = 0, **more: Any) -> None:
    given = {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": "xgboost:1", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://somewhere/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50}
        | ({"KeepAlivePeriodInSeconds": keep} if keep else {}),
        "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
        "HyperParameters": {"sagekeeper_run_seconds": str(seconds)} | more.pop("hyper", {}),
    }
    place.ask("CreateTrainingJob", **(given | more))


def spot(place: Workplace, name: str, wait: int = 20_000, **more: Any) -> dict[str, Any]:
    limits = {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": wait}
    job(place, name, EnableManagedSpotTraining=True, StoppingCondition=limits, **more)
    place.running.advance(hours=6)
    return seen(place, name)


def seen(place: Workplace, name: str) -> dict[str, Any]:
    return place.ask("DescribeTrainingJob", TrainingJobName=name)


def statuses(found: dict[str, Any]) -> list[str]:
    return [item["Status"] for item in found["SecondaryStatusTransitions"]]


def test_a_job_goes_through_its_phases_and_ends_with_a_model(place: Workplace) -> None:
    job(place, "plain")
    begun = seen(place, "plain")
    assert (begun["TrainingJobStatus"], begun["SecondaryStatus"]) == ("InProgress", "Starting")
    assert "TrainingStartTime" not in begun and "BillableTimeInSeconds" not in begun
    place.running.advance(hours=2)
    done = seen(place, "plain")
    assert statuses(done) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert done["BillableTimeInSeconds"] == done["TrainingTimeInSeconds"] == 3650
    assert done["ModelArtifacts"]["S3ModelArtifacts"] == "s3://somewhere/models/plain/output/model.tar.gz"


def test_a_job_costs_what_the_price_book_says(place: Workplace) -> None:
    job(place, "billed")
    day = place.running.now().date()
    place.running.advance(days=4)
    bill = place.bill(seen(place, "billed")["TrainingJobArn"], day=day)
    hours = 2 * 3650 / 3600
    assert cents(bill["USE1-Train:ml.m5.xlarge"]) == cents(hours * HOUR)
    assert cents(bill["USE1-Train:VolumeUsage.gp2"]) == cents(hours * 50 / 730 * STORAGE)


def test_managed_spot_bills_fewer_seconds_than_it_trains(place: Workplace) -> None:
    found = spot(place, "cheap", hyper={"sagekeeper_interruptions": "0"})
    assert 0.28 <= found["BillableTimeInSeconds"] / found["TrainingTimeInSeconds"] <= 0.45


def test_an_interrupted_job_begins_again_unless_it_has_checkpoints(place: Workplace) -> None:
    again = spot(place, "again", hyper={"sagekeeper_interruptions": "1"})
    hyper, where = {"sagekeeper_interruptions": "1"}, {"S3Uri": "s3://somewhere/checkpoints"}
    kept = spot(place, "kept", hyper=hyper, CheckpointConfig=where)
    assert statuses(again)[2:5] == statuses(kept)[2:5] == ["Training", "Interrupted", "Restarting"]
    assert again["TrainingTimeInSeconds"] - kept["TrainingTimeInSeconds"] == 1800


def test_a_spot_job_that_waits_too_long_is_stopped(place: Workplace) -> None:
    found = spot(place, "late", wait=7200, hyper={"sagekeeper_interruptions": "5"})
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")


def test_a_job_is_stopped_at_its_longest_runtime(place: Workplace) -> None:
    job(place, "endless", seconds=99_999)
    place.running.advance(hours=4)
    assert seen(place, "endless")["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_a_stopped_job_pays_only_until_it_stopped(place: Workplace) -> None:
    job(place, "halted")
    place.running.advance(seconds=1000)
    place.ask("StopTrainingJob", TrainingJobName="halted")
    assert seen(place, "halted")["TrainingJobStatus"] == "Stopping"
    place.running.advance(seconds=60)
    found = seen(place, "halted")
    assert found["TrainingJobStatus"] == "Stopped"
    assert 905 <= found["BillableTimeInSeconds"] <= 925
    refused("ValidationException", place.sagemaker.stop_training_job, TrainingJobName="halted")


def test_a_failed_job_says_why(place: Workplace) -> None:
    job(place, "broken", hyper={"sagekeeper_failure": "AlgorithmError: exit code 1"})
    place.running.advance(hours=2)
    assert seen(place, "broken")["FailureReason"] == "AlgorithmError: exit code 1"


def test_a_warm_pool_is_taken_over_by_the_next_job_and_billed_meanwhile(place: Workplace) -> None:
    job(place, "first", seconds=600, keep=3600)
    assert seen(place, "first")["WarmPoolStatus"] == {"Status": "InUse"}
    place.running.advance(seconds=1270)
    assert seen(place, "first")["WarmPoolStatus"]["Status"] == "Available"
    job(place, "second", seconds=600, keep=600)
    pool = seen(place, "first")["WarmPoolStatus"]
    assert (pool["Status"], pool["ReusedByJob"]) == ("Reused", "second")
    day = place.running.now().date()
    place.running.advance(days=4)
    assert seen(place, "second")["WarmPoolStatus"]["Status"] == "Terminated"
    cost = 2 * 600 / 3600 * HOUR
    bill = place.bill(seen(place, "second")["TrainingJobArn"], day=day)
    assert cents(bill["USE1-WarmPool:ml.m5.xlarge"]) == cents(cost)


def test_wrong_spot_requests_are_refused(place: Workplace) -> None:
    limits = {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 60}
    refused(
        "ValidationException",
        lambda: job(place, "no", EnableManagedSpotTraining=True, StoppingCondition=limits),
        match="greater than or equal",
    )


def test_a_name_is_taken_once(place: Workplace) -> None:
    job(place, "twice")
    refused("ResourceInUse", lambda: job(place, "twice"))


def test_jobs_are_listed_by_name_and_state_in_pages(place: Workplace) -> None:
    for number in range(3):
        job(place, f"paged-{number}")
    asked = {"NameContains": "paged", "StatusEquals": "InProgress", "SortBy": "Name", "MaxResults": 2}
    first = place.ask("ListTrainingJobs", **asked, SortOrder="Ascending")
    rest = place.ask("ListTrainingJobs", **asked, SortOrder="Ascending", NextToken=first["NextToken"])
    found = first["TrainingJobSummaries"] + rest["TrainingJobSummaries"]
    assert [row["TrainingJobName"] for row in found] == ["paged-0", "paged-1", "paged-2"]
    assert "NextToken" not in rest


def test_each_group_of_a_heterogeneous_cluster_is_billed(place: Workplace) -> None:
    groups = [
        {"InstanceType": kind, "InstanceCount": count, "InstanceGroupName": kind[3:].replace(".", "-")}
        for kind, count in (("ml.m5.xlarge", 1), ("ml.g5.xlarge", 2))
    ]
    job(place, "mixed", ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 50})
    day = place.running.now().date()
    place.running.advance(days=4)
    bill = place.bill(seen(place, "mixed")["TrainingJobArn"], day=day)
    large = PriceBook.bundled().hourly("ml.g5.xlarge", "Training", "us-east-1").usd
    assert cents(bill["USE1-Train:ml.m5.xlarge"]) == cents(3650 / 3600 * HOUR)
    assert cents(bill["USE1-Train:ml.g5.xlarge"]) == cents(2 * 3650 / 3600 * large)
