"""Objects in S3 as the sources need them: listed below a prefix, read as JSON, fetched to disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.collector.source import is_gone


@dataclass(frozen=True)
class Stored:
    """An object that is there."""

    bucket: str
    key: str
    size: int
    changed_at: datetime
    etag: str = ""


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``.

    >>> split_uri("s3://bucket/some/key/")
    ('bucket', 'some/key')
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def listed(client: Any, bucket: str, prefix: str) -> Iterator[Stored]:
    """All objects below ``prefix``, by key."""
    token: dict[str, str] = {}
    while True:
        answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix, **token)
        for item in answer.get("Contents", []):
            yield Stored(bucket, item["Key"], item["Size"], item["LastModified"], item.get("ETag", ""))
        if not answer.get("IsTruncated"):
            return
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def folders(client: Any, bucket: str, prefix: str) -> list[str]:
    """Names of what has something below it, right below ``prefix`` (which ends with a slash)."""
    token: dict[str, str] = {}
    found: list[str] = []
    while True:
        answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/", **token)
        found += [item["Prefix"].removeprefix(prefix).rstrip("/") for item in answer.get("CommonPrefixes", [])]
        if not answer.get("IsTruncated"):
            return found
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def read_json(client: Any, bucket: str, key: str) -> tuple[Any, datetime] | None:
    """The parsed object and when it was written; None when it is not there. Raises ValueError when it is not JSON."""
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return json.loads(answer["Body"].read()), answer["LastModified"]


def contents(client: Any, stored: Stored) -> bytes:
    """The object, in memory."""
    body: bytes = client.get_object(Bucket=stored.bucket, Key=stored.key)["Body"].read()
    return body


def fetch(client: Any, stored: Stored, path: Path) -> Path:
    """The object as a file, streamed."""
    answer = client.get_object(Bucket=stored.bucket, Key=stored.key)
    with path.open("wb") as file:
        shutil.copyfileobj(answer["Body"], file)
    return path
