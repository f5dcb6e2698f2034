"""The sagemaker SDK (an extra, imported only here) reads the same Model Monitor report: both must see the same violations."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest

from sagekeeper.collector.monitor_violations import violations
from sagekeeper.simulator.process import start

pytestmark = [pytest.mark.scale, pytest.mark.timeout(600)]


def test_the_sdk_and_we_read_the_same_violations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = pytest.importorskip("sagemaker.core.model_monitor", reason="the sagemaker extra is not installed")
    with start(tmp_path) as account:
        for name, value in (
            ("AWS_ENDPOINT_URL", account.url),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        bucket, folder = "ml-monitoring-123456789012-us-east-1", "reports/house-price-regression"
        s3 = boto3.client("s3", endpoint_url=account.url)
        listed = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
        keys = [item["Key"] for page in listed for item in page["Contents"]]
        newest = max(key for key in keys if key.endswith("constraint_violations.json"))
        theirs = monitor.ConstraintViolations.from_s3_uri(f"s3://{bucket}/{newest}").body_dict["violations"]
        ours = violations(json.loads(s3.get_object(Bucket=bucket, Key=newest)["Body"].read()))
    assert len(ours) == 2
    assert {(item.subject, item.check) for item in ours} == {
        (item["feature_name"], item["constraint_check_type"]) for item in theirs
    }
