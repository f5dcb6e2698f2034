"""The Resource Groups Tagging API finds and tags SageMaker's resources beside those of other services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import start

from .conformance import check_shape
from .hosted import Hosted

pytestmark = pytest.mark.integration
ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/sentiment-bert"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with start(tmp_path_factory.mktemp("tags"), speed=0) as running:
        yield Hosted(running)


def found(aws: Hosted, **given: Any) -> dict[str, dict[str, str]]:
    """Tags by ARN, of all pages."""
    pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(**given)
    rows = [row for page in pages for row in page["ResourceTagMappingList"]]
    assert len({row["ResourceARN"] for row in rows}) == len(rows)
    return {row["ResourceARN"]: {item["Key"]: item["Value"] for item in row["Tags"]} for row in rows}


def test_endpoints_are_found_by_type_with_the_tags_that_sagemaker_tells(aws: Hosted) -> None:
    listed = {row["EndpointArn"] for row in aws.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]}
    tagged = found(aws, ResourceTypeFilters=["sagemaker:endpoint"])
    assert set(tagged) <= listed
    told = aws.sagemaker.list_tags(ResourceArn=ENDPOINT)["Tags"]
    assert tagged[ENDPOINT] == {item["Key"]: item["Value"] for item in told}
    assert ENDPOINT in found(aws, TagFilters=[{"Key": "team", "Values": [tagged[ENDPOINT]["team"]]}])
    assert ENDPOINT not in found(aws, TagFilters=[{"Key": "team", "Values": ["nobody"]}])
    assert found(aws, ResourceARNList=[ENDPOINT]) == {ENDPOINT: tagged[ENDPOINT]}


def test_pages_are_of_the_size_asked_for_and_hold_everything_once(aws: Hosted) -> None:
    everything = found(aws)
    assert found(aws, ResourcesPerPage=7) == everything
    first = aws.client("resourcegroupstaggingapi").get_resources(ResourcesPerPage=7)
    check_shape("resourcegroupstaggingapi", "GetResources", first)
    assert len(first["ResourceTagMappingList"]) == 7
    assert first["PaginationToken"]


def test_a_tag_put_here_is_sagemakers_and_moves_with_its_resource(aws: Hosted) -> None:
    tags, bucket = aws.client("resourcegroupstaggingapi"), "arn:aws:s3:::tagged-bucket"
    aws.client("s3").create_bucket(Bucket="tagged-bucket")
    put = tags.tag_resources(ResourceARNList=[ENDPOINT, bucket, f"{ENDPOINT}-not"], Tags={"cost-centre": "42"})
    assert set(put["FailedResourcesMap"]) == {f"{ENDPOINT}-not"}
    assert {"Key": "cost-centre", "Value": "42"} in aws.sagemaker.list_tags(ResourceArn=ENDPOINT)["Tags"]
    assert set(found(aws, TagFilters=[{"Key": "cost-centre"}])) == {ENDPOINT, bucket}
    assert "cost-centre" in tags.get_tag_keys()["TagKeys"]
    assert tags.get_tag_values(Key="cost-centre")["TagValues"] == ["42"]
    tags.untag_resources(ResourceARNList=[ENDPOINT], TagKeys=["cost-centre"])
    assert set(found(aws, TagFilters=[{"Key": "cost-centre"}])) == {bucket}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"ResourcesPerPage": 101}, "InvalidParameterException"),
        ({"TagsPerPage": 99}, "InvalidParameterException"),
        ({"PaginationToken": "made up"}, "PaginationTokenExpiredException"),
        ({"ResourceARNList": [ENDPOINT], "TagFilters": [{"Key": "a"}]}, "InvalidParameterException"),
    ],
)
def test_wrong_requests_are_refused(aws: Hosted, given: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        aws.client("resourcegroupstaggingapi").get_resources(**given)
    assert caught.value.response["Error"]["Code"] == code


def test_a_tag_of_aws_own_is_refused(aws: Hosted) -> None:
    with pytest.raises(ClientError) as caught:
        aws.client("resourcegroupstaggingapi").tag_resources(ResourceARNList=[ENDPOINT], Tags={"aws:x": "1"})
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
