"""Inference Recommender in the simulated account: tests over time, what they find, what they cost, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start
from sagekeeper.simulator.recommender_tests import most_per_minute

from .hosted import refused
from .workplace import ROLE, Workplace, cents

pytestmark = pytest.mark.integration
LARGE, XLARGE = (
    PriceBook.bundled().hourly(f"ml.c5.{size}", "Hosting", "us-east-1").usd for size in ("large", "xlarge")
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("recommender"), scale="small") as running:
        there = Workplace(running)
        there.ask("CreateModel", ModelName="scorer", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "xgboost:1"})
        yield there


def request(name: str, kind: str = "Default", model: str = "scorer", **more: Any) -> dict[str, Any]:
    config = {"ModelName": model, "ContainerConfig": {"SupportedInstanceTypes": ["ml.c5.large", "ml.c5.xlarge"]}}
    return {
        "JobName": name,
        "JobType": kind,
        "RoleArn": ROLE,
        "InputConfig": config | more.pop("config", {}),
    } | more


def seen(place: Workplace, name: str) -> dict[str, Any]:
    return place.ask("DescribeInferenceRecommendationsJob", JobName=name)


def steps(place: Workplace, name: str, **more: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = place.ask("ListInferenceRecommendationsJobSteps", JobName=name, **more)["Steps"]
    return rows


def test_a_job_tests_each_candidate_recommends_and_is_billed_for_the_tests(place: Workplace) -> None:
    place.ask("CreateInferenceRecommendationsJob", **request("plain", Tags=[{"Key": "team", "Value": "risk"}]))
    assert seen(place, "plain")["Status"] == "PENDING"
    day = place.running.now().date()
    place.running.advance(seconds=600)
    running = seen(place, "plain")
    assert running["Status"] == "IN_PROGRESS" and "InferenceRecommendations" not in running
    assert [row["Status"] for row in steps(place, "plain")] == ["IN_PROGRESS", "IN_PROGRESS"]
    place.running.advance(days=4)
    done = seen(place, "plain")
    assert done["Status"] == "COMPLETED"
    metrics = {
        item["EndpointConfiguration"]["InstanceType"]: item["Metrics"] for item in done["InferenceRecommendations"]
    }
    assert metrics["ml.c5.large"]["CostPerHour"] == pytest.approx(LARGE)
    assert metrics["ml.c5.xlarge"]["CostPerHour"] == pytest.approx(XLARGE)
    assert metrics["ml.c5.xlarge"]["MaxInvocations"] > 1.9 * metrics["ml.c5.large"]["MaxInvocations"]
    for item in metrics.values():
        each = item["CostPerHour"] / 60 / item["MaxInvocations"]
        assert item["CostPerInference"] == pytest.approx(each, rel=1e-5)
    costs = [item["Metrics"]["CostPerInference"] for item in done["InferenceRecommendations"]]
    assert costs == sorted(costs)
    bill = place.bill(done["JobArn"], day=day)
    assert set(bill) == {"USE1-Host:ml.c5.large", "USE1-Host:ml.c5.xlarge"}
    assert cents(bill["USE1-Host:ml.c5.large"]) == cents(1200 / 3600 * LARGE)
    assert cents(bill["USE1-Host:ml.c5.xlarge"]) == cents(1200 / 3600 * XLARGE)


def test_an_advanced_job_keeps_to_the_latency_asked_for(place: Workplace) -> None:
    wishes = [
        {"InstanceType": "ml.c5.xlarge"},
        {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}},
    ]
    phases = {
        "TrafficType": "PHASES",
        "Phases": [{"InitialNumberOfUsers": 1, "SpawnRate": 1, "DurationInSeconds": 300}],
    }
    config = {"EndpointConfigurations": wishes, "TrafficPattern": phases}
    limits = {"MaxInvocations": 100, "ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 200}]}
    wish = request("careful", "Advanced", config=config, StoppingConditions=limits)
    place.ask("CreateInferenceRecommendationsJob", **wish)
    place.running.advance(hours=2)
    found = seen(place, "careful")["InferenceRecommendations"]
    assert len(found) == 2
    assert all(item["Metrics"]["MaxInvocations"] <= 100 and item["Metrics"]["ModelLatency"] <= 200 for item in found)
    rows = steps(place, "careful")
    spans = [row["InferenceBenchmark"] for row in rows]
    assert spans[1]["InvocationStartTime"] == spans[0]["InvocationEndTime"]


def test_the_most_requests_fall_with_the_latency_allowed() -> None:
    def most(milliseconds: int) -> int:
        limit = {"ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": milliseconds}]}
        return most_per_minute(0.02, 4, limit)

    assert most(10) == 0
    assert 0 < most(25) < most(40) <= most_per_minute(0.02, 4, {}) == pytest.approx(0.9 * 4 / 0.02 * 60, rel=0.01)


def test_a_stopped_job_pays_for_what_it_tested(place: Workplace) -> None:
    place.ask("CreateInferenceRecommendationsJob", **request("halted"))
    day = place.running.now().date()
    place.running.advance(seconds=800)
    place.ask("StopInferenceRecommendationsJob", JobName="halted")
    assert seen(place, "halted")["Status"] == "STOPPING"
    place.running.advance(days=4)
    found = seen(place, "halted")
    assert found["Status"] == "STOPPED" and "InferenceRecommendations" not in found
    assert {row["Status"] for row in steps(place, "halted")} == {"STOPPED"}
    bill = place.bill(found["JobArn"], day=day)
    assert 590 / 3600 * LARGE <= float(bill["USE1-Host:ml.c5.large"]) <= 630 / 3600 * LARGE
    refused("ValidationException", place.sagemaker.stop_inference_recommendations_job, JobName="halted")


def test_lists_are_filtered_and_paged(place: Workplace) -> None:
    rows = place.ask("ListInferenceRecommendationsJobs", StatusEquals="STOPPED")["InferenceRecommendationsJobs"]
    assert [(row["JobName"], row["ModelName"]) for row in rows] == [("halted", "scorer")]
    first = place.ask("ListInferenceRecommendationsJobs", MaxResults=2, SortBy="Name", SortOrder="Ascending")
    assert [row["JobName"] for row in first["InferenceRecommendationsJobs"]] == ["careful", "halted"]
    rest = place.ask(
        "ListInferenceRecommendationsJobs",
        MaxResults=2,
        SortBy="Name",
        SortOrder="Ascending",
        NextToken=first["NextToken"],
    )
    assert [row["JobName"] for row in rest["InferenceRecommendationsJobs"]] == ["plain"]
    assert place.ask("ListInferenceRecommendationsJobs", ModelNameEquals="other")["InferenceRecommendationsJobs"] == []
    page = place.ask("ListInferenceRecommendationsJobSteps", JobName="plain", MaxResults=1)
    assert len(page["Steps"]) == 1 and page["NextToken"]


def test_wrong_requests_are_refused(place: Workplace) -> None:
    create = place.sagemaker.create_inference_recommendations_job
    refused("ResourceInUse", create, **request("plain"))
    refused("ValidationException", create, match="Could not find model", **request("lonely", model="nobody"))
    refused("ValidationException", create, **request("empty", "Advanced"))
    refused("ValidationException", create, **request("odd", "Sometimes"))
    many = {
        "EndpointConfigurations": [{"InstanceType": "ml.p4d.24xlarge"}] * 9,
        "ResourceLimit": {"MaxNumberOfTests": 9, "MaxParallelOfTests": 9},
    }
    refused("ResourceLimitExceeded", create, match="endpoint usage", **request("huge", "Advanced", config=many))
    for ask in (
        place.sagemaker.describe_inference_recommendations_job,
        place.sagemaker.stop_inference_recommendations_job,
        place.sagemaker.list_inference_recommendations_job_steps,
    ):
        refused("ResourceNotFound", ask, JobName="nobody")
