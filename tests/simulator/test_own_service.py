"""Services that are ours alone, over HTTP: found by whom a request is signed for, parsed and answered by the model."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import RunningSimulator, start

from .conformance import check_shape, shape_errors

Client = Callable[..., Any]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """One account for the tests that only look."""
    with start(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture(scope="module")
def client(account: RunningSimulator) -> Client:
    def made(service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=account.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return made


@pytest.mark.integration
def test_an_own_service_answers_in_the_shape_of_its_model(client: Client) -> None:
    answer = client("freetier").get_free_tier_usage()
    check_shape("freetier", "GetFreeTierUsage", answer)
    assert [row["usageType"] for row in answer["freeTierUsages"]] == ["Global-DataProcessing-Bytes"]
    row = answer["freeTierUsages"][0]
    assert row["limit"] == 5
    assert row["forecastedUsageAmount"] > row["actualUsageAmount"] > 5


@pytest.mark.integration
def test_a_filter_keeps_what_it_names(client: Client) -> None:
    def rows(**wanted: Any) -> int:
        return len(client("freetier").get_free_tier_usage(filter=wanted)["freeTierUsages"])

    logs = {"Dimensions": {"Key": "SERVICE", "Values": ["AmazonCloudWatch"], "MatchOptions": ["EQUALS"]}}
    assert rows(**logs) == 1
    assert rows(Not=logs) == 0
    assert rows(And=[logs, {"Not": logs}]) == 0
    over = {"Dimensions": {"Key": "USAGE_PERCENTAGE", "Values": ["101"], "MatchOptions": ["GREATER_THAN_OR_EQUAL"]}}
    assert rows(Or=[over, {"Not": logs}]) == 1


@pytest.mark.integration
def test_a_request_that_breaks_the_model_is_refused_with_the_services_code(account: RunningSimulator) -> None:
    lax = boto3.client(
        "freetier",
        region_name="us-east-1",
        endpoint_url=account.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=boto3.session.Config(parameter_validation=False),
    )
    with pytest.raises(ClientError) as refused:
        lax.get_account_activity()
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "activityId" in refused.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as unknown:
        lax.get_account_activity(activityId="a" * 32)
    assert unknown.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert unknown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.integration
def test_an_unsigned_request_is_known_by_its_target(account: RunningSimulator) -> None:
    def asked(operation: str, body: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
        request = urllib.request.Request(
            account.url,
            data=body,
            headers={
                "X-Amz-Target": f"AWSFreeTierService.{operation}",
                "Content-Type": "application/x-amz-json-1.0",
            },
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, dict(answer.headers), json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), json.load(error)

    status, _, answer = asked("GetAccountPlanState", b"{}")
    assert (status, answer["accountPlanType"]) == (200, "PAID")
    status, headers, answer = asked("GetNothing", b"{}")
    assert status == 400
    assert headers["X-Amzn-Errortype"].endswith("UnknownOperationException")
    status, headers, answer = asked("GetFreeTierUsage", b"{broken")
    assert status == 400
    assert answer["__type"].endswith("SerializationException")


def test_conformance_names_what_is_unknown_missing_and_of_another_type() -> None:
    wrong = shape_errors("freetier", "GetAccountPlanState", {"accountId": 5, "accountPlanType": "CHEAP", "more": 1})
    assert len(wrong) == 4
    assert any("unknown member more" in item for item in wrong)
    assert any("lacks the member accountPlanStatus" in item for item in wrong)
    assert any("accountId is int" in item for item in wrong)
    assert any("CHEAP" in item for item in wrong)


def test_conformance_reads_lists_and_maps_down_to_their_leaves() -> None:
    rows = [{"service": "a", "limit": 1.0}, {"service": "b", "limit": "5"}]
    assert shape_errors("freetier", "GetFreeTierUsage", {"freeTierUsages": rows}) == [
        "freeTierUsages[1].limit is str '5', not double"
    ]
