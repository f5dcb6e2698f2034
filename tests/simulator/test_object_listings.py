"""Listings of S3 in the simulated account: pages go on where they stopped, and wrong ones fail as in S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import start

pytestmark = pytest.mark.integration
BUCKET = "ml-monitoring-123456789012-us-east-1"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with start(tmp_path_factory.mktemp("account")) as account:
        yield boto3.client(
            "s3",
            endpoint_url=account.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def test_pages_of_a_listing_are_all_of_it(objects: Any) -> None:
    first = objects.list_objects_v2(Bucket=BUCKET, MaxKeys=1)
    assert first["IsTruncated"] and first["KeyCount"] == 1
    second = objects.list_objects_v2(Bucket=BUCKET, MaxKeys=1, ContinuationToken=first["NextContinuationToken"])
    whole = [item["Key"] for item in objects.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert [first["Contents"][0]["Key"], second["Contents"][0]["Key"]] == whole[:2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ContinuationToken": "junk"}, "The continuation token provided is incorrect"),
        ({"MaxKeys": -1}, "maxKeys must be an integer"),
        ({"MaxKeys": 2**31}, "maxKeys must be an integer"),
    ],
)
def test_a_wrong_listing_is_an_invalid_argument(objects: Any, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said) as refused:
        objects.list_objects_v2(Bucket=BUCKET, **wrong)
    assert refused.value.response["Error"]["Code"] == "InvalidArgument"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
