"""AWS's own advice in the simulated account: Compute Optimizer and Cost Optimization Hub over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.compute_optimizer import WITHOUT_METRICS
from sagekeeper.simulator.process import RunningSimulator, start

from .conformance import check_shape

pytestmark = pytest.mark.integration
HUB, OPTIMIZER = "cost-optimization-hub", "compute-optimizer"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account")) as running:
        yield running


def client(account: RunningSimulator, service: str) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=account.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def optimizer(account: RunningSimulator) -> Any:
    return client(account, OPTIMIZER)


@pytest.fixture(scope="module")
def hub(account: RunningSimulator) -> Any:
    return client(account, HUB)


def idle(optimizer: Any, **asked: Any) -> dict[str, dict[str, Any]]:
    answer = optimizer.get_idle_recommendations(**asked)
    check_shape(OPTIMIZER, "GetIdleRecommendations", answer)
    return {item["resourceId"]: item for item in answer["idleRecommendations"]}


def test_an_endpoint_that_nobody_asks_is_idle_and_worth_its_list_price(
    optimizer: Any, account: RunningSimulator
) -> None:
    found = idle(optimizer)
    assert "hackathon-demo" in found
    for name in ("fraud-scoring-prod", "speech-to-text", "thumbnail-scorer", "voice-intent-test"):
        assert name not in found, name
    sagemaker = client(account, "sagemaker")
    config = sagemaker.describe_endpoint(EndpointName="hackathon-demo")["EndpointConfigName"]
    (variant,) = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    hourly = PriceBook.bundled().hourly(variant["InstanceType"], "Hosting", "us-east-1").usd
    saving = found["hackathon-demo"]["savingsOpportunity"]["estimatedMonthlySavings"]["value"]
    assert saving == pytest.approx(hourly * variant["InitialInstanceCount"] * 730, abs=0.01)


def test_idle_endpoints_can_be_asked_for_by_name_kind_and_order(optimizer: Any) -> None:
    found = idle(optimizer)
    one = found["hackathon-demo"]["resourceArn"]
    assert list(idle(optimizer, resourceArns=[one])) == ["hackathon-demo"]
    assert idle(optimizer, filters=[{"name": "ResourceType", "values": ["NatGateway"]}]) == {}
    rising = idle(optimizer, orderBy={"dimension": "SavingsValue", "order": "Asc"})
    assert list(rising) == list(found)[::-1]
    first = optimizer.get_idle_recommendations(maxResults=1)
    assert len(first["idleRecommendations"]) == 1
    summaries = optimizer.get_recommendation_summaries()
    check_shape(OPTIMIZER, "GetRecommendationSummaries", summaries)
    counted = sum(item["idleSummaries"][0]["value"] for item in summaries["recommendationSummaries"])
    assert counted == len(found)


def test_nothing_is_said_about_what_has_no_metrics(optimizer: Any) -> None:
    for operation, member in WITHOUT_METRICS.items():
        answer = optimizer._make_api_call(operation, {})
        check_shape(OPTIMIZER, operation, answer)
        assert answer[member] == []


def test_the_hub_lists_the_same_endpoints_and_a_savings_plan(hub: Any, optimizer: Any) -> None:
    answer = hub.list_recommendations()
    check_shape(HUB, "ListRecommendations", answer)
    rows = {item.get("resourceId", item["actionType"]): item for item in answer["items"]}
    assert set(rows) == set(idle(optimizer)) | {"PurchaseSavingsPlans"}
    savings = [item["estimatedMonthlySavings"] for item in answer["items"]]
    assert savings == sorted(savings, reverse=True)
    plan = rows["PurchaseSavingsPlans"]
    assert 0 < plan["estimatedMonthlySavings"] < plan["estimatedMonthlyCost"] * 0.2 + 0.01
    deleted = hub.list_recommendations(filter={"actionTypes": ["Delete"]})["items"]
    assert {item["currentResourceType"] for item in deleted} == {"SageMakerEndpoint"}


def test_the_hub_sums_by_group_and_shows_each_in_full(hub: Any) -> None:
    rows = hub.list_recommendations()["items"]
    for by in ("ResourceType", "AccountId", "ActionType"):
        answer = hub.list_recommendation_summaries(groupBy=by)
        check_shape(HUB, "ListRecommendationSummaries", answer)
        assert sum(item["recommendationCount"] for item in answer["items"]) == len(rows)
        total = sum(item["estimatedMonthlySavings"] for item in rows)
        assert answer["estimatedTotalDedupedSavings"] == pytest.approx(total, abs=0.01)
    for row in rows:
        full = hub.get_recommendation(recommendationId=row["recommendationId"])
        check_shape(HUB, "GetRecommendation", full)
        assert full["estimatedMonthlySavings"] == row["estimatedMonthlySavings"]


def test_wrong_questions_are_refused(hub: Any) -> None:
    for call, asked, code in (
        (hub.get_recommendation, {"recommendationId": "none"}, "ResourceNotFoundException"),
        (hub.list_recommendation_summaries, {"groupBy": "Colour"}, "ValidationException"),
        (hub.list_recommendations, {"orderBy": {"dimension": "Colour"}}, "ValidationException"),
    ):
        with pytest.raises(ClientError) as refused:
            call(**asked)
        assert refused.value.response["Error"]["Code"] == code


def test_who_does_not_take_part_gets_no_advice(hub: Any, optimizer: Any) -> None:
    hub.update_enrollment_status(status="Inactive")
    optimizer.update_enrollment_status(status="Inactive")
    try:
        answer = hub.list_enrollment_statuses()
        check_shape(HUB, "ListEnrollmentStatuses", answer)
        assert answer["items"][0]["status"] == "Inactive"
        for call, code in (
            (hub.list_recommendations, "AccessDeniedException"),
            (optimizer.get_idle_recommendations, "OptInRequiredException"),
            (optimizer.get_ec2_instance_recommendations, "OptInRequiredException"),
        ):
            with pytest.raises(ClientError) as refused:
                call()
            assert refused.value.response["Error"]["Code"] == code
    finally:
        hub.update_enrollment_status(status="Active")
        optimizer.update_enrollment_status(status="Active")
    status = optimizer.get_enrollment_status()
    check_shape(OPTIMIZER, "GetEnrollmentStatus", status)
    assert status["status"] == "Active"


def test_preferences_are_kept(hub: Any) -> None:
    answer = hub.update_preferences(savingsEstimationMode="AfterDiscounts")
    check_shape(HUB, "UpdatePreferences", answer)
    assert hub.get_preferences()["savingsEstimationMode"] == "AfterDiscounts"
