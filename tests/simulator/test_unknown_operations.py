"""What the simulated account does not have: a clear refusal in the protocol of the service, over HTTP through boto3."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration


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
        config=boto3.session.Config(retries={"max_attempts": 0}),
    )


@pytest.mark.parametrize(
    ("service", "operation", "asked"),
    [
        pytest.param("sagemaker", "ListEdgeDeploymentPlans", {}, id="json"),
        pytest.param("glue", "ListBlueprints", {}, id="json, all of it moto's"),
        pytest.param("lambda", "ListCodeSigningConfigs", {}, id="rest-json"),
        pytest.param("rds", "DescribeAccountAttributes", {}, id="query"),
        pytest.param("ec2", "DescribeFpgaImages", {}, id="ec2"),
        pytest.param("cloudfront", "ListStreamingDistributions", {}, id="rest-xml"),
        pytest.param("health", "DescribeEvents", {}, id="a service that nobody has, json"),
        pytest.param("wellarchitected", "ListWorkloads", {}, id="a service that nobody has, rest-json"),
        pytest.param("cloudsearch", "DescribeDomains", {}, id="a service that nobody has, query"),
        pytest.param(
            "sagemaker-edge", "GetDeviceRegistration", {"DeviceName": "a", "DeviceFleetName": "b"}, id="shared"
        ),
    ],
)
def test_an_operation_that_nobody_has_is_refused_by_name(
    account: RunningSimulator, service: str, operation: str, asked: dict[str, Any]
) -> None:
    api = client(account, service)
    with pytest.raises(ClientError) as refused:
        api._make_api_call(operation, asked)
    error = refused.value.response
    assert error["Error"]["Code"] == "NotImplemented"
    assert error["Error"]["Message"].startswith(
        f"The simulated account does not have the operation {operation} of the service {service}"
    )
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_service_that_botocore_does_not_know_is_refused_as_well(account: RunningSimulator) -> None:
    request = urllib.request.Request(
        account.url + "/2020/things",
        headers={
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/tomorrow/aws4_request, "
            "SignedHeaders=host, Signature=none"
        },
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 501
    assert "service tomorrow" in refused.value.read().decode()


def test_what_is_not_found_is_still_not_found(account: RunningSimulator) -> None:
    with pytest.raises(ClientError) as nothing:
        client(account, "s3").head_object(Bucket="nowhere", Key="nothing")
    assert nothing.value.response["Error"]["Code"] == "404"
    with pytest.raises(ClientError) as no_function:
        client(account, "lambda").get_function(FunctionName="nothing")
    assert no_function.value.response["Error"]["Code"] == "ResourceNotFoundException"
