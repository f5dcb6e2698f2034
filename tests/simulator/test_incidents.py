"""Things that go wrong on demand: the bill, the metrics and the captures follow, and the truth is written down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account")) as running:
        yield running


def aws(account: RunningSimulator, service: str) -> Any:
    return boto3.client(service, endpoint_url=account.url, **KEYS)


def spent(account: RunningSimulator, day: Any, usage_type: str) -> float:
    answer = aws(account, "ce").get_cost_and_usage(
        TimePeriod={"Start": day.isoformat(), "End": (day + timedelta(days=1)).isoformat()},
        Granularity="DAILY",
        Metrics=["UnblendedCost"],
        Filter={
            "And": [
                {"Dimensions": {"Key": "USAGE_TYPE", "Values": [usage_type]}},
                {"Dimensions": {"Key": "REGION", "Values": ["us-east-1"]}},
            ]
        },
    )
    return float(answer["ResultsByTime"][0]["Total"]["UnblendedCost"]["Amount"])


@pytest.mark.parametrize(
    ("kind", "subject", "usage_type"),
    [
        ("runaway_job", "", "USE1-Train:ml.g5.12xlarge"),
        ("forgotten_endpoint", "", "USE1-Host:ml.g5.2xlarge"),
        ("upsizing", "churn-xgb", ""),
        ("upsizing", "fraud-scoring-prod", "USE1-Host:ml.c5.2xlarge"),
        ("notebook_left_on", "", "USE1-Notebk:ml.p3.8xlarge"),
        ("planned_launch", "", "USE1-Host:ml.g5.2xlarge"),
        ("log_explosion", "", "DataProcessing-Bytes"),
    ],
)
def test_the_bill_of_the_days_after_rises_by_what_the_truth_says(
    account: RunningSimulator, kind: str, subject: str, usage_type: str
) -> None:
    if subject == "churn-xgb":  # stands in the other account: the payer has no such endpoint
        with pytest.raises(BadInput, match="There is no endpoint churn-xgb in 123456789012"):
            account.incident(kind, subject)
        return
    before = account.now().date() - timedelta(days=4)
    truth = account.incident(kind, subject)
    assert truth in account.truth()
    account.advance(days=6)
    after = account.now().date() - timedelta(days=4)
    more = spent(account, after, usage_type) - spent(account, before, usage_type)
    assert more == pytest.approx(truth["usd_per_day"], rel=1e-6)


def test_a_price_change_moves_the_cost_and_not_the_use(account: RunningSimulator) -> None:
    usage_type = "USE1-Host:ml.m5.4xlarge"
    account.incident("price_change", "Host:ml.m5.4xlarge")
    day = account.now().date()
    account.advance(days=6)
    before, after = (spent(account, day + timedelta(days=number), usage_type) for number in (0, 1))
    assert after == pytest.approx(before * 1.25)


def newest_capture(account: RunningSimulator, endpoint: str) -> list[str]:
    s3, bucket = aws(account, "s3"), "ml-monitoring-123456789012-us-east-1"
    hour = (account.now() - timedelta(hours=2)).strftime("%Y/%m/%d/%H")
    (item,) = s3.list_objects_v2(Bucket=bucket, Prefix=f"capture/{endpoint}/AllTraffic/{hour}")["Contents"]
    lines = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode().splitlines()
    return [json.loads(line)["captureData"]["endpointInput"]["data"] for line in lines]


def newest_violations(account: RunningSimulator, endpoint: str) -> set[tuple[str, str]]:
    s3, bucket = aws(account, "s3"), "ml-monitoring-123456789012-us-east-1"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"reports/{endpoint}/")["Contents"]
    key = max(item["Key"] for item in listed if item["Key"].endswith("constraint_violations.json"))
    found = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["violations"]
    return {(item["feature_name"], item["constraint_check_type"]) for item in found}


def test_drift_of_each_kind_shows_in_the_captures_and_in_model_monitors_report(account: RunningSimulator) -> None:
    endpoint = "house-price-regression"
    account.incident("missing_drift", endpoint)
    account.advance(days=2)
    rows = newest_capture(account, endpoint)
    assert 0.15 < sum(row.startswith(",") for row in rows) / len(rows) < 0.55
    assert ("median_income", "completeness_check") in newest_violations(account, endpoint)
    account.incident("schema_drift", endpoint)
    account.incident("unit_drift", endpoint)
    account.advance(days=2)
    assert any("rooms" in row for row in newest_capture(account, endpoint))
    assert {
        ("total_bedrooms", "data_type_check"),
        ("ocean_proximity", "categorical_values_check"),
    } <= newest_violations(account, endpoint)
    assert max(float(row.split(",")[0] or 0) for row in newest_capture(account, endpoint)) > 20_000


def test_a_latency_fault_is_there_at_once_and_gone_when_cleared(account: RunningSimulator) -> None:
    def latency() -> float:
        now = account.now()
        answer = aws(account, "cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="ModelLatency",
            Dimensions=[
                {"Name": "EndpointName", "Value": "sentiment-bert"},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=now - timedelta(minutes=30),
            EndTime=now,
            Period=1800,
            Statistics=["Average"],
        )
        return float(answer["Datapoints"][-1]["Average"])

    usual = latency()
    account.incident("latency_fault", "sentiment-bert")
    account.advance(hours=24)
    assert latency() > 4 * usual
    account.set_fault("sentiment-bert", None)
    assert latency() < 2 * usual


def test_the_truth_survives_a_restart_and_is_no_call_from_outside(tmp_path: Path) -> None:
    with start(tmp_path) as account:
        told = [account.incident("runaway_job", "sweep-9"), account.incident("forgotten_endpoint", "try-out")]
        assert account.journal() == []
    with start(tmp_path) as account:
        assert account.truth() == told
        assert aws(account, "sagemaker").describe_endpoint(EndpointName="try-out")["EndpointName"] == "try-out"


@pytest.mark.parametrize(
    ("kind", "said"),
    [("flood", "There is no incident flood: use one of"), ("unit_drift", "is no endpoint with data capture")],
)
def test_a_wrong_incident_is_refused_in_one_sentence(account: RunningSimulator, kind: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        account.incident(kind, "nothing")
