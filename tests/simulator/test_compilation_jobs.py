"""Neo's compilation jobs in the simulated account: states, failures, stops, lists, refusals; they cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagekeeper.simulator.process import start

from .hosted import refused
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("compilation"), scale="small") as running:
        yield Workplace(running)


def request(name: str, version: str = "1.3.3", target: str = "ml_c5", most: int = 900, **more: Any) -> dict[str, Any]:
    return {
        "CompilationJobName": name,
        "RoleArn": ROLE,
        "InputConfig": {"S3Uri": "s3://somewhere/model.tar.gz", "Framework": "XGBOOST", "FrameworkVersion": version},
        "OutputConfig": {"S3OutputLocation": "s3://somewhere/compiled", "TargetDevice": target},
        "StoppingCondition": {"MaxRuntimeInSeconds": most},
    } | more


def seen(place: Workplace, name: str) -> dict[str, Any]:
    return place.ask("DescribeCompilationJob", CompilationJobName=name)


def test_a_job_passes_leaves_a_model_and_costs_nothing(place: Workplace) -> None:
    place.ask("CreateCompilationJob", **request("plain", Tags=[{"Key": "team", "Value": "risk"}]))
    begun = seen(place, "plain")
    assert begun["CompilationJobStatus"] == "STARTING" and "CompilationStartTime" not in begun
    day = place.running.now().date()
    place.running.advance(seconds=60)
    running = seen(place, "plain")
    assert running["CompilationJobStatus"] == "INPROGRESS" and "CompilationEndTime" not in running
    place.running.advance(days=4)
    done = seen(place, "plain")
    assert (done["CompilationJobStatus"], done["FailureReason"]) == ("COMPLETED", "")
    assert 180 <= (done["CompilationEndTime"] - done["CompilationStartTime"]).total_seconds() <= 720
    assert done["ModelArtifacts"]["S3ModelArtifacts"] == "s3://somewhere/compiled/plain-ml_c5.tar.gz"
    assert "xgboost" in done["InferenceImage"]
    arn = done["CompilationJobArn"]
    assert place.ask("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "risk"}]
    assert place.bill(arn, day=day) == {}


def test_a_version_that_neo_does_not_compile_fails_the_job(place: Workplace) -> None:
    place.ask("CreateCompilationJob", **request("new", version="2.1.0"))
    place.running.advance(hours=1)
    found = seen(place, "new")
    assert found["CompilationJobStatus"] == "FAILED" and "2.1.0 is not supported" in found["FailureReason"]
    assert found["ModelArtifacts"]["S3ModelArtifacts"] == ""


def test_a_job_is_stopped_by_hand_or_at_its_longest_runtime(place: Workplace) -> None:
    place.ask("CreateCompilationJob", **request("halted"))
    place.ask("CreateCompilationJob", **request("short", most=60))
    place.running.advance(seconds=50)
    refused("ValidationException", place.sagemaker.delete_compilation_job, CompilationJobName="halted")
    place.ask("StopCompilationJob", CompilationJobName="halted")
    assert seen(place, "halted")["CompilationJobStatus"] == "STOPPING"
    place.running.advance(hours=1)
    found = {name: seen(place, name) for name in ("halted", "short")}
    assert {item["CompilationJobStatus"] for item in found.values()} == {"STOPPED"}
    assert (found["short"]["CompilationEndTime"] - found["short"]["CompilationStartTime"]).total_seconds() == 60
    refused("ValidationException", place.sagemaker.stop_compilation_job, CompilationJobName="halted")


def test_lists_are_filtered_and_paged_and_what_ended_can_be_deleted(place: Workplace) -> None:
    stopped = place.ask("ListCompilationJobs", StatusEquals="STOPPED", SortBy="Name", SortOrder="Ascending")
    rows = stopped["CompilationJobSummaries"]
    assert [(row["CompilationJobName"], row["CompilationTargetDevice"]) for row in rows] == [
        ("halted", "ml_c5"),
        ("short", "ml_c5"),
    ]
    first = place.ask("ListCompilationJobs", MaxResults=3)
    rest = place.ask("ListCompilationJobs", MaxResults=3, NextToken=first["NextToken"])
    names = [row["CompilationJobName"] for row in first["CompilationJobSummaries"] + rest["CompilationJobSummaries"]]
    assert sorted(names) == ["halted", "new", "plain", "short"] and "NextToken" not in rest
    place.ask("DeleteCompilationJob", CompilationJobName="short")
    refused("ResourceNotFound", place.sagemaker.describe_compilation_job, CompilationJobName="short")


def test_wrong_requests_are_refused(place: Workplace) -> None:
    create = place.sagemaker.create_compilation_job
    refused("ResourceInUse", create, **request("plain"))
    refused("ValidationException", create, **request("odd", target="ml_z9"))
    refused("ValidationException", create, match="only supported in us-east-2", **request("far", target="ml_inf2"))
    both = {"S3OutputLocation": "s3://b/o", "TargetDevice": "ml_c5", "TargetPlatform": {"Os": "LINUX", "Arch": "ARM64"}}
    refused("ValidationException", create, **request("both", OutputConfig=both))
    shapes = {"S3Uri": "s3://b/m", "Framework": "PYTORCH", "DataInputConfig": "{input"}
    refused("ValidationException", create, match="not valid JSON", **request("shapes", InputConfig=shapes))
    for ask in (
        place.sagemaker.describe_compilation_job,
        place.sagemaker.stop_compilation_job,
        place.sagemaker.delete_compilation_job,
    ):
        refused("ResourceNotFound", ask, CompilationJobName="nobody")
