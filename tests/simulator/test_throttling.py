"""Who is throttled is told so in AWS's words, and who tries again gets through: boto3 does, and so does the collector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration

ASKED: list[tuple[str, str, dict[str, Any], str, int]] = [
    ("sagemaker", "ListEndpoints", {}, "ThrottlingException", 400),
    ("cloudwatch", "DescribeAlarms", {}, "Throttling", 400),
    (
        "application-autoscaling",
        "DescribeScalableTargets",
        {"ServiceNamespace": "sagemaker"},
        "ThrottlingException",
        400,
    ),
    ("sts", "GetCallerIdentity", {}, "Throttling", 400),
    ("s3", "ListBuckets", {}, "SlowDown", 503),
    (
        "ce",
        "GetCostAndUsage",
        {
            "TimePeriod": {"Start": "2026-11-10", "End": "2026-11-11"},
            "Granularity": "DAILY",
            "Metrics": ["UnblendedCost"],
        },
        "LimitExceededException",
        400,
    ),
]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("throttled")) as running:
        yield running


def call(
    account: RunningSimulator, service: str, operation: str, given: dict[str, Any], attempts: int
) -> dict[str, Any]:
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]
        region_name="us-east-1",
        endpoint_url=account.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )
    name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in operation).lstrip("_")
    answer: dict[str, Any] = getattr(client, name)(**given)
    return answer


@pytest.mark.parametrize(("service", "operation", "given", "code", "status"), ASKED, ids=[item[0] for item in ASKED])
def test_a_throttled_call_is_refused_once_and_passes_the_next_time(
    account: RunningSimulator, service: str, operation: str, given: dict[str, Any], code: str, status: int
) -> None:
    account.throttle(service, operation)
    with pytest.raises(ClientError) as caught:
        call(account, service, operation, given, attempts=1)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    account.throttle(service, operation, 2)
    answer = call(account, service, operation, given, attempts=4)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_other_operations_are_not_touched(account: RunningSimulator) -> None:
    account.throttle("sagemaker", "ListModels", 5)
    assert call(account, "sagemaker", "ListEndpoints", {}, attempts=1)["Endpoints"]
    account.throttle("sagemaker", "ListModels", 0)
    assert call(account, "sagemaker", "ListModels", {}, attempts=1)["Models"]


def test_an_operation_that_is_not_there_cannot_be_throttled(account: RunningSimulator) -> None:
    with pytest.raises(BadInput, match="it has no MakeTea"):
        account.throttle("sagemaker", "MakeTea")
