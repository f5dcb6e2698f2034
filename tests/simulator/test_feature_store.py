"""The Feature Store in the simulated account: groups, records online and offline, units on the bill and in CloudWatch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from sagekeeper.simulator.feature_book import FeatureBook, Row
from sagekeeper.simulator.feature_charges import (
    USD_A_READ,
    USD_A_READ_UNIT_HOUR,
    USD_A_WRITE,
    USD_A_WRITE_UNIT_HOUR,
)
from sagekeeper.simulator.process import start
from sagekeeper.simulator.server import DEFAULT_NOW

from .conformance import check_shape
from .hosted import refused
from .workplace import ROLE, Workplace, cents

GROUP = {
    "RecordIdentifierFeatureName": "customer",
    "EventTimeFeatureName": "at",
    "FeatureDefinitions": [
        {"FeatureName": "customer", "FeatureType": "String"},
        {"FeatureName": "at", "FeatureType": "Fractional"},
        {"FeatureName": "orders", "FeatureType": "Integral"},
    ],
    "RoleArn": ROLE,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("features")) as running:
        found = Workplace(running)
        found.client("s3").create_bucket(Bucket="features")
        yield found


def group(place: Workplace, name: str, offline: bool = False, **more: Any) -> dict[str, str]:
    """A feature group with an online store that takes records."""
    stores: dict[str, Any] = {"OnlineStoreConfig": {"EnableOnlineStore": True}}
    if offline:
        stores["OfflineStoreConfig"] = {"S3StorageConfig": {"S3Uri": "s3://features/offline"}}
    place.ask("CreateFeatureGroup", FeatureGroupName=name, **GROUP, **stores | more)
    place.running.advance(seconds=25)
    return {"FeatureGroupName": name}


def runtime(place: Workplace, operation: str, **parameters: Any) -> dict[str, Any]:
    method = "".join("_" + letter.lower() if letter.isupper() else letter for letter in operation).lstrip("_")
    answer: dict[str, Any] = getattr(place.client("sagemaker-featurestore-runtime"), method)(**parameters)
    check_shape("sagemaker-featurestore-runtime", operation, answer)
    return answer


def put(place: Workplace, name: dict[str, str], customer: str, at: float, orders: str = "1", **more: Any) -> None:
    values = {"customer": customer, "at": str(at), "orders": orders}
    record = [{"FeatureName": key, "ValueAsString": value} for key, value in values.items()]
    runtime(place, "PutRecord", **name, Record=record, **more)


def get(place: Workplace, name: dict[str, str], customer: str, **more: Any) -> dict[str, str]:
    answer = runtime(place, "GetRecord", **name, RecordIdentifierValueAsString=customer, **more)
    return {item["FeatureName"]: item["ValueAsString"] for item in answer.get("Record", [])}


@pytest.mark.integration
def test_a_group_is_created_described_and_deleted_in_time(place: Workplace) -> None:
    name = {"FeatureGroupName": "living"}
    place.ask("CreateFeatureGroup", **name, **GROUP, OnlineStoreConfig={"EnableOnlineStore": True})
    assert place.ask("DescribeFeatureGroup", **name)["FeatureGroupStatus"] == "Creating"
    place.running.advance(seconds=25)
    found = place.ask("DescribeFeatureGroup", **name)
    assert found["FeatureGroupStatus"] == "Created"
    assert found["OnlineStoreConfig"]["StorageType"] == "Standard"
    assert found["ThroughputConfig"] == {"ThroughputMode": "OnDemand"}
    place.ask("DeleteFeatureGroup", **name)
    assert place.ask("DescribeFeatureGroup", **name)["FeatureGroupStatus"] == "Deleting"
    place.running.advance(seconds=25)
    refused("ResourceNotFound", place.sagemaker.describe_feature_group, **name)


@pytest.mark.integration
def test_a_group_without_its_bucket_fails(place: Workplace) -> None:
    store = {"S3StorageConfig": {"S3Uri": "s3://no-such-bucket/offline"}}
    place.ask("CreateFeatureGroup", FeatureGroupName="lost", **GROUP, OfflineStoreConfig=store)
    place.running.advance(seconds=25)
    found = place.ask("DescribeFeatureGroup", FeatureGroupName="lost")
    assert (found["FeatureGroupStatus"], "no-such-bucket" in found["FailureReason"]) == ("CreateFailed", True)
    listed = place.ask("ListFeatureGroups", FeatureGroupStatusEquals="CreateFailed")["FeatureGroupSummaries"]
    assert [row["FeatureGroupName"] for row in listed] == ["lost"]


@pytest.mark.integration
def test_the_youngest_record_by_event_time_stands_online(place: Workplace) -> None:
    name = group(place, "ordered")
    put(place, name, "ana", 1000.0, "5")
    put(place, name, "ana", 900.0, "4")
    assert get(place, name, "ana") == {"customer": "ana", "at": "1000.0", "orders": "5"}
    assert get(place, name, "ana", FeatureNames=["orders"]) == {"orders": "5"}
    runtime(place, "DeleteRecord", **name, RecordIdentifierValueAsString="ana", EventTime="1100")
    assert get(place, name, "ana") == {}
    put(place, name, "ana", 1050.0)
    assert get(place, name, "ana") == {}
    put(place, name, "ana", 1200.0, "9")
    assert get(place, name, "ana")["orders"] == "9"


@pytest.mark.integration
def test_a_record_is_gone_after_its_time_to_live(place: Workplace) -> None:
    name = group(place, "mortal")
    put(place, name, "ana", place.running.now().timestamp(), TtlDuration={"Unit": "Hours", "Value": 2})
    place.running.advance(hours=1.9)
    assert get(place, name, "ana")["customer"] == "ana"
    place.running.advance(hours=0.2)
    assert get(place, name, "ana") == {}
    assert place.ask("DescribeFeatureGroup", **name)["OnlineStoreTotalSizeBytes"] == 0


@pytest.mark.integration
def test_a_batch_answers_what_it_finds_and_names_what_it_cannot(place: Workplace) -> None:
    name = group(place, "batched")
    put(place, name, "ana", 1.0)
    wanted = [
        {**name, "RecordIdentifiersValueAsString": ["ana", "nobody"]},
        {"FeatureGroupName": "unknown", "RecordIdentifiersValueAsString": ["ana"]},
    ]
    answer = runtime(place, "BatchGetRecord", Identifiers=wanted)
    assert [row["RecordIdentifierValueAsString"] for row in answer["Records"]] == ["ana"]
    assert [row["ErrorCode"] for row in answer["Errors"]] == ["ResourceNotFound"]


@pytest.mark.integration
def test_wrong_records_and_groups_are_refused_with_the_codes_of_aws(place: Workplace) -> None:
    name, api = group(place, "strict"), place.client("sagemaker-featurestore-runtime")

    def record(**values: str) -> list[dict[str, str]]:
        return [{"FeatureName": key, "ValueAsString": value} for key, value in values.items()]

    refused("ValidationError", api.put_record, **name, Record=record(customer="a", at="1", colour="red"))
    refused("ValidationError", api.put_record, **name, Record=record(customer="a"))
    refused("ValidationError", api.put_record, **name, Record=record(customer="a", at="1", orders="many"))
    refused("ResourceNotFound", api.get_record, FeatureGroupName="unknown", RecordIdentifierValueAsString="a")
    known = GROUP | {"EventTimeFeatureName": "when"}
    online = {"OnlineStoreConfig": {"EnableOnlineStore": True}}
    refused("ValidationException", place.sagemaker.create_feature_group, FeatureGroupName="x", **known, **online)
    refused("ResourceInUse", place.sagemaker.create_feature_group, **name, **GROUP, **online)
    mode = {"ThroughputMode": "ON_DEMAND"}
    refused("ValidationException", place.sagemaker.update_feature_group, **name, ThroughputConfig=mode)


@pytest.mark.integration
def test_the_offline_store_gets_rows_as_parquet_after_a_quarter_of_an_hour(place: Workplace) -> None:
    name, s3 = group(place, "analysed", offline=True), place.client("s3")
    put(place, name, "ana", place.running.now().timestamp(), "3")
    uri = place.ask("DescribeFeatureGroup", **name)["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    prefix = uri.removeprefix("s3://features/")
    assert "Contents" not in s3.list_objects_v2(Bucket="features", Prefix=prefix)
    place.running.advance(seconds=16 * 60)
    found = s3.list_objects_v2(Bucket="features", Prefix=prefix)["Contents"]
    frame = pl.read_parquet(io.BytesIO(s3.get_object(Bucket="features", Key=found[0]["Key"])["Body"].read()))
    assert frame.select("customer", "orders", "is_deleted").rows() == [("ana", 3, False)]


@pytest.mark.integration
def test_features_are_added_and_described(place: Workplace) -> None:
    name = group(place, "described")
    more = [{"FeatureName": "colour", "FeatureType": "String"}]
    place.ask("UpdateFeatureGroup", **name, FeatureAdditions=more)
    assert place.ask("DescribeFeatureGroup", **name)["LastUpdateStatus"] == {"Status": "InProgress"}
    place.running.advance(seconds=20)
    assert place.ask("DescribeFeatureGroup", **name)["LastUpdateStatus"] == {"Status": "Successful"}
    which = name | {"FeatureName": "colour"}
    place.ask(
        "UpdateFeatureMetadata", **which, Description="of the car", ParameterAdditions=[{"Key": "a", "Value": "b"}]
    )
    found = place.ask("DescribeFeatureMetadata", **which)
    assert (found["Description"], found["Parameters"]) == ("of the car", [{"Key": "a", "Value": "b"}])
    refused("ResourceNotFound", place.sagemaker.describe_feature_metadata, **name | {"FeatureName": "unknown"})


@pytest.mark.integration
def test_writes_and_reads_are_billed_by_the_unit_and_measured_by_cloudwatch(place: Workplace) -> None:
    name = group(place, "metered")
    since = place.running.now() - timedelta(minutes=1)
    for number in range(5):
        put(place, name, f"c{number}", 1.0)
    put(place, name, "large" + "x" * 3000, 1.0)
    get(place, name, "c0")
    get(place, name, "large" + "x" * 3000)
    asked = {
        "Namespace": "AWS/SageMaker/FeatureStore",
        "StartTime": since,
        "EndTime": since + timedelta(hours=1),
        "Period": 3600,
        "Statistics": ["Sum"],
        "MetricName": "ConsumedWriteRequestsUnits",
        "Dimensions": [
            {"Name": "FeatureGroupName", "Value": "metered"},
            {"Name": "OperationName", "Value": "PutRecord"},
        ],
    }
    cloudwatch = place.client("cloudwatch")
    assert sum(point["Sum"] for point in cloudwatch.get_metric_statistics(**asked)["Datapoints"]) == 8
    place.running.advance(days=4)
    bill = place.bill("feature-group/metered")
    assert float(bill["USE1-FeatureStore:WriteRequestUnits"]) == pytest.approx(8 * USD_A_WRITE, abs=1e-9)
    assert float(bill["USE1-FeatureStore:ReadRequestUnits"]) == pytest.approx(2 * USD_A_READ, abs=1e-9)


@pytest.mark.integration
def test_provisioned_capacity_is_billed_by_the_hour_and_goes_back_once_a_day(place: Workplace) -> None:
    units = {"ProvisionedReadCapacityUnits": 2000, "ProvisionedWriteCapacityUnits": 1000}
    name = group(place, "steady", ThroughputConfig={"ThroughputMode": "Provisioned", **units})
    place.running.advance(seconds=10 * 3600 - 25)
    place.ask("UpdateFeatureGroup", **name, ThroughputConfig={"ThroughputMode": "OnDemand"})
    place.running.advance(seconds=20)
    back = {"ThroughputMode": "Provisioned", "ProvisionedReadCapacityUnits": 1, "ProvisionedWriteCapacityUnits": 1}
    place.ask("UpdateFeatureGroup", **name, ThroughputConfig=back)
    place.running.advance(seconds=20)
    again = {"ThroughputMode": "OnDemand"}
    refused("ValidationException", place.sagemaker.update_feature_group, **name, ThroughputConfig=again)
    place.ask("DeleteFeatureGroup", **name)
    place.running.advance(days=4)
    bill = place.bill("feature-group/steady")
    assert cents(bill["USE1-FeatureStore:WriteCapacityUnit-Hrs"]) == cents(10 * 1000 * USD_A_WRITE_UNIT_HOUR)
    assert cents(bill["USE1-FeatureStore:ReadCapacityUnit-Hrs"]) == cents(10 * 2000 * USD_A_READ_UNIT_HOUR)


def test_the_online_store_is_measured_by_bytes_and_seconds() -> None:
    book, zero = FeatureBook(), DEFAULT_NOW
    book.put("a", Row(1.0, {"a": 1}, 1024**3, None), zero)
    book.put("a", Row(2.0, {"a": 1}, 3 * 1024**3, None), zero + timedelta(hours=1))
    book.remove("a", 3.0, zero + timedelta(hours=2), keep_mark=True)
    moments = np.array([(zero + timedelta(hours=hours)).timestamp() for hours in (0, 1, 2, 10)])
    assert book.gigabyte_seconds(moments) == pytest.approx([0, 3600, 4 * 3600, 4 * 3600])
