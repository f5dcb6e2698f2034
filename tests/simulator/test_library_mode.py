"""The account inside the test's own process: the same answers as over HTTP, and moto as it was before afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import moto.core.utils
import pytest
from botocore.exceptions import ClientError
from moto.ce.responses import CostExplorerResponse
from moto.core.responses import BaseResponse

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.library import in_process
from sagekeeper.simulator.process import start

pytestmark = pytest.mark.integration
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


def asked(url: str | None) -> dict[str, Any]:
    """One answer of each sort of service: ours alone, moto's with ours hung in, moto's own, JSON, query, REST."""

    def client(service: str, region: str = "us-east-1") -> Any:
        return boto3.client(service, endpoint_url=url, **(KEYS | {"region_name": region}))

    endpoints = client("sagemaker").list_endpoints(SortBy="Name", SortOrder="Ascending")["Endpoints"]
    s3 = client("s3")
    s3.create_bucket(Bucket="my-bucket")
    s3.put_object(Bucket="my-bucket", Key="a folder/ä+b.txt", Body=b"content", Metadata={"owner": "me"})
    found = s3.get_object(Bucket="my-bucket", Key="a folder/ä+b.txt")
    with pytest.raises(ClientError) as refused:
        client("sagemaker").describe_endpoint(EndpointName="nothing-here")
    costs = client("ce").get_cost_and_usage(
        TimePeriod={"Start": "2026-10-01", "End": "2026-11-01"},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}],
    )
    return {
        "endpoints": endpoints,
        "object": (found["Body"].read(), found["Metadata"], found["ContentLength"]),
        "keys": [item["Key"] for item in s3.list_objects_v2(Bucket="my-bucket")["Contents"]],
        "error": refused.value.response["Error"],
        "costs": costs["ResultsByTime"],
        "plans": client("savingsplans").describe_savings_plans_offerings()["searchResults"],
        "caller": client("sts").get_caller_identity()["Account"],
        "metrics": client("cloudwatch").list_metrics(Namespace="AWS/SageMaker", MetricName="Invocations")["Metrics"],
        "elsewhere": client("sagemaker", "eu-west-1").list_endpoints()["Endpoints"],
    }


def test_answers_are_those_of_the_server(tmp_path: Path) -> None:
    with start(tmp_path) as running:
        over_http = asked(running.url)
    with in_process():
        inside = asked(None)
    assert len(over_http["endpoints"]) > 5
    for name, answer in over_http.items():
        assert inside[name] == answer, name


def test_time_advances_and_what_was_done_is_journalled() -> None:
    with in_process() as account:
        before = account.now()
        boto3.client("sagemaker", **KEYS).delete_endpoint(EndpointName="hackathon-demo")
        assert account.advance(days=2) > before
        assert [entry["operation"] for entry in account.journal()] == ["DeleteEndpoint"]
        assert account.health()["ready"]


def test_an_account_with_a_folder_is_there_again(tmp_path: Path) -> None:
    with in_process(tmp_path) as account:
        boto3.client("sagemaker", **KEYS).delete_endpoint(EndpointName="hackathon-demo")
        boto3.client("s3", **KEYS).create_bucket(Bucket="kept")
        account.advance(hours=1)
    with in_process(tmp_path):
        names = [item["EndpointName"] for item in boto3.client("sagemaker", **KEYS).list_endpoints()["Endpoints"]]
        assert names
        assert "hackathon-demo" not in names
        assert "kept" in [item["Name"] for item in boto3.client("s3", **KEYS).list_buckets()["Buckets"]]


def test_one_account_does_not_see_another(tmp_path: Path) -> None:
    with in_process():
        boto3.client("s3", **KEYS).create_bucket(Bucket="first")
    with in_process(tmp_path):
        assert "first" not in [item["Name"] for item in boto3.client("s3", **KEYS).list_buckets()["Buckets"]]


def test_moto_is_afterwards_what_it_was_before() -> None:
    def state() -> tuple[Any, ...]:
        return (
            BaseResponse.setup_class,
            BaseResponse.call_action,
            moto.core.utils.utcnow.__code__,
            CostExplorerResponse.get_cost_and_usage,
            hasattr(CostExplorerResponse, "get_dimension_values"),
        )

    before = state()
    with in_process():
        assert state() != before
    assert state() == before


def test_a_client_made_before_talks_to_the_account_inside() -> None:
    client = boto3.client("freetier", **KEYS)
    with in_process():
        assert client.get_account_plan_state()["accountPlanType"] == "PAID"


def test_there_is_one_account_at_a_time() -> None:
    with in_process(), pytest.raises(BadInput, match="already"), in_process():
        pass
