"""Endpoints of the simulated account: made, updated, scaled, deleted; each change moves the bill by the price book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.simulator.hosted import Hosted, conforms, refused

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

pytestmark = pytest.mark.integration
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """One account; time stands still but for what tests advance."""
    with start(tmp_path_factory.mktemp("endpoints"), speed=0.001) as running:
        yield Hosted(running)


def price(kind: str) -> Decimal:
    return Decimal(str(PriceBook.bundled().hourly(kind, "Hosting", "us-east-1").usd))


def midnight(aws: Hosted) -> str:
    """Advance to the next midnight; the day that begins."""
    now = aws.running.now()
    seconds = 86_400 - (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    return f"{aws.running.advance(seconds=seconds + 0.5):%Y-%m-%d}"


def test_an_endpoint_is_created_serves_and_is_deleted_in_its_own_time(aws: Hosted) -> None:
    aws.config("short-lived")
    aws.sagemaker.create_endpoint(EndpointName="short-lived", EndpointConfigName="short-lived")
    making = aws.sagemaker.describe_endpoint(EndpointName="short-lived")
    conforms("sagemaker", "DescribeEndpoint", making)
    assert making["EndpointStatus"] == "Creating"
    assert "ProductionVariants" not in making
    assert making["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Creating"
    refused(
        "ValidationException",
        aws.sagemaker.delete_endpoint,
        "Cannot update in-progress endpoint",
        EndpointName="short-lived",
    )
    aws.running.advance(seconds=25)
    there = aws.sagemaker.describe_endpoint(EndpointName="short-lived")
    conforms("sagemaker", "DescribeEndpoint", there)
    assert there["EndpointStatus"] == "InService"
    assert there["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    aws.sagemaker.delete_endpoint(EndpointName="short-lived")
    assert aws.status("short-lived") == "Deleting"
    refused(
        "ValidationException",
        aws.sagemaker.create_endpoint,
        "already existing",
        EndpointName="short-lived",
        EndpointConfigName="short-lived",
    )
    aws.running.advance(seconds=5)
    refused(
        "ValidationException",
        aws.sagemaker.describe_endpoint,
        'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/short-lived"',
        EndpointName="short-lived",
    )


def test_every_instance_type_of_aws_is_accepted_and_no_other(aws: Hosted) -> None:
    aws.config("rare", "ml.g6e.48xlarge")
    assert (
        aws.sagemaker.describe_endpoint_config(EndpointConfigName="rare")["ProductionVariants"][0]["InstanceType"]
        == "ml.g6e.48xlarge"
    )
    wrong = [{"VariantName": "main", "ModelName": "rare", "InstanceType": "ml.z9.huge", "InitialInstanceCount": 1}]
    refused(
        "ValidationException",
        aws.sagemaker.create_endpoint_config,
        "Member must satisfy enum value set",
        EndpointConfigName="wrong",
        ProductionVariants=wrong,
    )


def test_endpoints_are_listed_by_name_time_and_status_in_pages(aws: Hosted) -> None:
    for name in ("list-b", "list-a", "list-c"):
        aws.endpoint(name)
    by_name = aws.sagemaker.list_endpoints(NameContains="LIST-", SortBy="Name", MaxResults=2)
    conforms("sagemaker", "ListEndpoints", by_name)
    rest = aws.sagemaker.list_endpoints(
        NameContains="LIST-", SortBy="Name", MaxResults=2, NextToken=by_name["NextToken"]
    )
    names = [item["EndpointName"] for item in by_name["Endpoints"] + rest["Endpoints"]]
    assert names == ["list-a", "list-b", "list-c"]
    newest = aws.sagemaker.list_endpoints(NameContains="list-")["Endpoints"]
    assert [item["EndpointName"] for item in newest] == ["list-c", "list-a", "list-b"]
    since = newest[1]["CreationTime"] + timedelta(seconds=1)
    later = aws.sagemaker.list_endpoints(NameContains="list-", CreationTimeAfter=since)["Endpoints"]
    assert [item["EndpointName"] for item in later] == ["list-c"]
    assert aws.sagemaker.list_endpoints(NameContains="list-", StatusEquals="Failed")["Endpoints"] == []
    oldest = aws.sagemaker.list_endpoints(CreationTimeBefore=datetime(2026, 11, 1, tzinfo=UTC), SortOrder="Ascending")
    assert all(item["CreationTime"].year == 2026 for item in oldest["Endpoints"])
    assert oldest["Endpoints"]


def test_moving_to_a_smaller_type_moves_the_bill_by_the_difference_of_the_prices(aws: Hosted) -> None:
    aws.endpoint("resized", "ml.m5.2xlarge", 2)
    aws.config("resized-small", "ml.m5.large", 2)
    before = midnight(aws)
    after = midnight(aws)
    aws.sagemaker.update_endpoint(EndpointName="resized", EndpointConfigName="resized-small")
    aws.running.advance(days=5)
    bought = [aws.bill("resized", day, "Host:ml") for day in (before, after)]
    # Both fleets stand for the twenty seconds of the update, one second of which had passed of the day.
    overlap = price("ml.m5.2xlarge") * 2 * Decimal("20.5") / 3600
    assert abs(bought[0] - price("ml.m5.2xlarge") * 48) < CENT
    assert abs(bought[1] - price("ml.m5.large") * 48 - overlap) < CENT


def test_more_instances_cost_more_from_their_second_on(aws: Hosted) -> None:
    aws.endpoint("wider", "ml.c5.xlarge")
    day = midnight(aws)
    aws.running.advance(hours=12)
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="wider", DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 4}]
    )
    on_the_way = aws.sagemaker.describe_endpoint(EndpointName="wider")
    assert on_the_way["EndpointStatus"] == "Updating"
    assert on_the_way["ProductionVariants"][0]["DesiredInstanceCount"] == 4
    assert on_the_way["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    aws.running.advance(seconds=25)
    assert aws.count("wider") == 4
    aws.running.advance(days=4)
    assert abs(aws.bill("wider", day, "Host:ml") - price("ml.c5.xlarge") * (12 + 4 * 12)) < CENT


def test_a_deleted_endpoint_costs_nothing_from_then_on(aws: Hosted) -> None:
    aws.endpoint("leaving", "ml.m5.4xlarge")
    day = midnight(aws)
    aws.running.advance(hours=6)
    aws.sagemaker.delete_endpoint(EndpointName="leaving")
    following = midnight(aws)
    aws.running.advance(days=4)
    assert abs(aws.bill("leaving", day, "Host:ml") - price("ml.m5.4xlarge") * 6) < CENT
    assert aws.bill("leaving", following) == 0


def test_properties_that_are_retained_outlive_the_update(aws: Hosted) -> None:
    aws.endpoint("retained", "ml.m5.large", 1)
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="retained",
        DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 3, "DesiredWeight": 0.5}],
    )
    aws.running.advance(seconds=25)
    aws.config("retained-2", "ml.m5.xlarge", 1)
    aws.sagemaker.update_endpoint(
        EndpointName="retained", EndpointConfigName="retained-2", RetainAllVariantProperties=True
    )
    aws.running.advance(seconds=25)
    kept = aws.sagemaker.describe_endpoint(EndpointName="retained")["ProductionVariants"][0]
    assert (kept["CurrentInstanceCount"], kept["CurrentWeight"]) == (3, 0.5)
    aws.config("retained-3", "ml.m5.xlarge", 2)
    aws.sagemaker.update_endpoint(
        EndpointName="retained",
        EndpointConfigName="retained-3",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )
    aws.running.advance(seconds=25)
    kept = aws.sagemaker.describe_endpoint(EndpointName="retained")["ProductionVariants"][0]
    assert (kept["CurrentInstanceCount"], kept["CurrentWeight"]) == (2, 0.5)


def test_an_instance_too_many_meets_the_quota(aws: Hosted) -> None:
    aws.running.set_hosting("quota", instance_type="ml.p4d.24xlarge", instances=1)
    aws.config("greedy", "ml.p4d.24xlarge", 2)
    message = refused(
        "ResourceLimitExceeded",
        aws.sagemaker.create_endpoint,
        EndpointName="greedy",
        EndpointConfigName="greedy",
    )
    assert "'ml.p4d.24xlarge for endpoint usage' is 1 Instances" in message
    assert "a request delta of 2 Instances" in message


def test_without_capacity_a_new_endpoint_fails_and_costs_nothing(aws: Hosted) -> None:
    aws.running.set_hosting("capacity", instance_type="ml.g5.48xlarge")
    aws.config("unlucky", "ml.g5.48xlarge")
    aws.sagemaker.create_endpoint(EndpointName="unlucky", EndpointConfigName="unlucky")
    assert aws.status("unlucky") == "Creating"
    aws.running.advance(seconds=25)
    failed = aws.sagemaker.describe_endpoint(EndpointName="unlucky")
    conforms("sagemaker", "DescribeEndpoint", failed)
    assert failed["EndpointStatus"] == "Failed"
    assert "Unable to provision requested ML compute capacity" in failed["FailureReason"]
    refused("ValidationException", aws.sagemaker.update_endpoint, EndpointName="unlucky", EndpointConfigName="unlucky")
    day = f"{aws.running.now():%Y-%m-%d}"
    aws.running.advance(days=3)
    assert aws.bill("unlucky", day) == 0
    aws.sagemaker.delete_endpoint(EndpointName="unlucky")


def test_without_capacity_an_update_goes_back_to_what_served(aws: Hosted) -> None:
    aws.running.set_hosting("capacity", instance_type="ml.g6.48xlarge")
    aws.endpoint("cautious")
    aws.config("cautious-gpu", "ml.g6.48xlarge")
    aws.sagemaker.update_endpoint(EndpointName="cautious", EndpointConfigName="cautious-gpu")
    seen = [aws.status("cautious")]
    for _ in range(2):
        aws.running.advance(seconds=21)
        seen.append(aws.status("cautious"))
    assert seen == ["Updating", "RollingBack", "InService"]
    after = aws.sagemaker.describe_endpoint(EndpointName="cautious")
    assert after["EndpointConfigName"] == "cautious"
    assert "capacity" in after["FailureReason"]


def test_an_endpoint_under_maintenance_can_not_be_changed(aws: Hosted) -> None:
    aws.endpoint("maintained")
    aws.running.set_hosting("maintenance", endpoint="maintained", minutes=10)
    assert aws.status("maintained") == "SystemUpdating"
    refused(
        "ValidationException", aws.sagemaker.update_endpoint, EndpointName="maintained", EndpointConfigName="maintained"
    )
    aws.running.advance(seconds=601)
    assert aws.status("maintained") == "InService"


def test_an_endpoint_on_instances_does_not_become_serverless(aws: Hosted) -> None:
    aws.endpoint("stays")
    aws.config("stays-serverless", "", variant={"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}})
    refused(
        "ValidationException",
        aws.sagemaker.update_endpoint,
        EndpointName="stays",
        EndpointConfigName="stays-serverless",
    )
