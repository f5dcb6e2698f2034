"""Captures of an endpoint into the lake: every request once, by its hour, whatever comes late, breaks, or is in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import polars as pl
import pytest
from pydantic import SecretStr

from sagekeeper.collector.run import SourceOutcome
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.profile_rows import profiles
from sagekeeper.core.tables import (
    CAPTURE_HOURS,
    CAPTURE_REJECTS,
    FEATURE_HOURS,
    FEATURE_PROFILES,
    INVENTORY,
    TABLES,
    Table,
)
from sagekeeper.simulator.client import Simulator

from .conftest import PAYER, Collector, open_collector, roles

pytestmark = pytest.mark.integration
BUCKET, ENDPOINT = "captured", "film-reviews"


@dataclass
class Captures:
    """An endpoint that captures a tenth of its requests, and what lies in its bucket."""

    house: Collector
    s3: Any
    start: datetime

    def put(self, hour: int, name: str, *requests: str, folder: str = "main", cut: str = "") -> None:
        """A file of that hour after ``start``: a line for each of ``requests`` (CSV), answered with its first value."""
        at = self.start + timedelta(hours=hour)
        lines = [
            json.dumps(
                {
                    "captureData": {
                        "endpointInput": {"observedContentType": "text/csv", "data": request, "encoding": "CSV"},
                        "endpointOutput": {"data": request.split(",")[0], "encoding": "CSV"},
                    },
                    "eventMetadata": {"eventId": f"{name}-{number}", "inferenceTime": at.isoformat()},
                    "eventVersion": "0",
                }
            )
            for number, request in enumerate(requests)
        ]
        self.s3.put_object(
            Bucket=BUCKET,
            Key=f"all/{ENDPOINT}/{folder}/{at:%Y/%m/%d/%H}/{name}.jsonl",
            Body=("".join(line + "\n" for line in lines) + cut).encode(),
        )

    def read(self, hours: int, house: Collector | None = None) -> SourceOutcome:
        """Collect as it would be so many hours after ``start``."""
        (outcome,) = [
            item
            for item in (house or self.house).collect(self.start + timedelta(hours=hours, minutes=30), ["data_capture"])
            if item.region == "us-east-1"
        ]
        return outcome

    def rows(self, table: Table, *columns: str) -> list[tuple[Any, ...]]:
        rows = (
            self.house.lake.scan(table).filter(pl.col("endpoint") == ENDPOINT).select(*columns).sort(columns).collect()
        )
        return rows.rows()

    def requests(self) -> int:
        return sum(row[0] for row in self.rows(CAPTURE_HOURS, "requests"))


@pytest.fixture(scope="module")
def account(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captures]:
    def client(service: str) -> Any:
        return boto3.client(service, region_name="us-east-1", endpoint_url=simulator.url)  # type: ignore[call-overload]

    sagemaker, s3 = client("sagemaker"), client("s3")
    s3.create_bucket(Bucket=BUCKET)
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    sagemaker.create_model(
        ModelName="reviews",
        ExecutionRoleArn=f"arn:aws:iam::{PAYER}:role/Any",
        PrimaryContainer={"Image": image, "ModelDataUrl": "s3://captured/model.tar.gz"},
    )
    variant = {"VariantName": "main", "ModelName": "reviews", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=ENDPOINT,
        ProductionVariants=[variant],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 10,
            "DestinationS3Uri": f"s3://{BUCKET}/all",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    simulator.advance(days=1)
    house = open_collector(simulator.url, tmp_path_factory.mktemp("house"), roles()[:1])
    house.settings.aws.regions[:] = ["us-east-1"]
    house.settings.collect.capture_features = {"film-*": ["stars", "genre", "review"]}
    start = house.clock().replace(minute=0, second=0, microsecond=0)
    house.collect(house.clock(), ["sagemaker_inventory"])
    simulator.advance(days=1)
    yield Captures(house, s3, start)
    house.ledger.close()


@pytest.fixture
def captures(account: Captures, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captures]:
    """The endpoint with an empty bucket, and a lake that knows it and has read nothing."""
    for item in account.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        account.s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    fresh = open_collector(str(account.house.settings.aws.endpoint_url), tmp_path_factory.mktemp("own"), roles()[:1])
    settings = account.house.settings.model_copy(deep=True)
    settings.data_dir = fresh.settings.data_dir
    settings.collect.capture_buckets = [BUCKET]
    fresh.lake.replace(INVENTORY, account.house.lake.scan(INVENTORY).collect(), Scope())
    house = replace(fresh, settings=settings)
    yield Captures(house, account.s3, account.start)
    house.ledger.close()


def test_each_request_is_counted_once_however_often_it_is_read(captures: Captures) -> None:
    captures.put(0, "one", "5,drama,good", "1,crime,bad")
    captures.put(1, "two", "4,drama,fine")
    captures.read(1)
    assert captures.requests() == 2  # the second hour is not over
    captures.read(2)
    versions = {table.name: captures.house.lake.version(table) for table in TABLES}
    captures.read(2)
    captures.read(3)
    assert {table.name: captures.house.lake.version(table) for table in TABLES} == versions
    assert captures.rows(CAPTURE_HOURS, "requests", "records", "answers", "sampling_percent", "estimated_requests") == [
        (1, 1, 1, 10.0, 10.0),
        (2, 2, 2, 10.0, 20.0),
    ]
    whole = profiles(captures.house.lake, captures.start, captures.start + timedelta(hours=2))
    stars = whole.row(by_predicate=(pl.col("role") == "capture") & (pl.col("feature") == "stars"), named=True)
    assert (stars["records"], stars["mean"], stars["minimum"], stars["maximum"]) == (3, pytest.approx(10 / 3), 1.0, 5.0)
    answered = whole.filter(pl.col("role") == "prediction").select("feature", "records", "mean").rows()
    assert answered == [("prediction", 3, pytest.approx(10 / 3))]


def test_a_file_that_comes_late_is_added_to_its_hour_and_to_its_day(captures: Captures) -> None:
    captures.put(0, "one", "5,drama,good")
    captures.put(1, "two", "4,drama,fine")
    captures.read(3)
    captures.put(0, "late", "2,crime,bad", "3,crime,so-so")
    captures.read(5)
    assert captures.rows(FEATURE_HOURS, "window_start", "role", "feature", "records")[:3] == [
        (captures.start, "capture", "genre", 3),
        (captures.start, "capture", "review", 3),
        (captures.start, "capture", "stars", 3),
    ]
    days = captures.house.lake.scan(FEATURE_PROFILES).filter(pl.col("feature") == "stars").collect()
    assert (days["records"].sum(), days["total"].sum()) == (4, pytest.approx(14.0))


def test_a_run_that_dies_between_its_writes_leaves_nothing_that_counts_twice(
    captures: Captures, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures.put(0, "one", "5,drama,good", "1,crime,bad")
    for dies_at in ("feature_hours", "feature_profiles", "capture_rejects", "token_use", "capture_hours"):
        whole = Lake.replace

        def dying(self: Lake, table: Table, *rest: Any, dies_at: str = dies_at, whole: Any = whole) -> bool:
            if table.name == dies_at:
                raise RuntimeError("the machine is gone")
            return bool(whole(self, table, *rest))

        with monkeypatch.context() as patch:
            patch.setattr(Lake, "replace", dying)
            assert captures.read(1).status == "failed"
    assert captures.rows(CAPTURE_HOURS, "requests") == []
    assert captures.read(1).status == "ok"
    assert captures.rows(CAPTURE_HOURS, "requests") == [(2,)]
    assert {row[0] for row in captures.rows(FEATURE_PROFILES, "records")} == {2}


def test_files_that_a_lifecycle_rule_removes_take_nothing_back(captures: Captures) -> None:
    captures.put(0, "one", "5,drama,good")
    captures.put(0, "two", "4,drama,fine")
    captures.read(1)
    for item in captures.s3.list_objects_v2(Bucket=BUCKET)["Contents"][:1]:
        captures.s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    captures.read(2)
    assert captures.requests() == 2


def test_what_cannot_be_read_is_kept_by_its_place_and_never_by_its_content(captures: Captures) -> None:
    captures.put(0, "odd", "5,drama,good", "1,crime", "2,crime,bad", cut='{"captureData": {"secret')
    outcome = captures.read(1)
    assert "1 capture lines" in outcome.message
    assert "1 records" in outcome.message
    file = f"s3://{BUCKET}/all/{ENDPOINT}/main/{captures.start:%Y/%m/%d/%H}/odd.jsonl"
    assert captures.rows(CAPTURE_REJECTS, "file", "line", "record", "side", "why") == [
        (file, 2, 0, "input", "record has another number of values than the others"),
        (file, 4, None, "input", "file ends within the line"),
    ]
    assert captures.rows(CAPTURE_HOURS, "requests", "records", "poison_lines", "left_out") == [(3, 2, 1, 1)]


def test_folders_of_other_variants_and_of_components_are_models_of_their_own(captures: Captures) -> None:
    captures.put(0, "one", "5,drama,good")
    captures.put(0, "one", "1,drama,bad", folder="canary")
    captures.put(0, "one", "3,drama,fine", folder="main/small-component")
    captures.read(1)
    stars = captures.house.lake.scan(FEATURE_HOURS).filter(
        (pl.col("feature") == "stars") & (pl.col("role") == "capture")
    )
    assert stars.select("variant", "mean").sort("variant").collect().rows() == [
        ("canary", 1.0),
        ("main", 5.0),
        ("main/small-component", 3.0),
    ]


def test_what_the_settings_name_is_dropped_or_hashed_before_anything_is_written(captures: Captures) -> None:
    captures.house.settings.collect.capture_drop = ["rev*"]
    captures.house.settings.collect.capture_hash = [f"{ENDPOINT}/genre"]
    captures.house.settings.collect.capture_hash_key = SecretStr("kept elsewhere")
    captures.put(0, "one", "5,drama,Ada wrote this", "1,drama,by Bob")
    captures.read(1)
    genre = captures.house.lake.scan(FEATURE_HOURS).filter(pl.col("feature") == "genre").collect()
    assert list(json.loads(genre["categories"][0]).values()) == [2]
    assert {row[0] for row in captures.rows(FEATURE_HOURS, "feature")} == {"stars", "genre", "prediction"}
    folder = captures.house.settings.data_dir
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    everything = str(captures.house.lake.scan(FEATURE_PROFILES).collect().to_dicts()).encode() + written
    assert not [word for word in (b"drama", b"Ada wrote", b"by Bob") if word in everything]


def test_a_feature_that_vanishes_is_missing_from_then_on(captures: Captures) -> None:
    captures.put(0, "one", "5,drama,good")
    captures.read(1)
    captures.house.settings.collect.capture_features = {"film-*": ["stars", "genre"]}
    captures.put(1, "two", "4,drama")
    captures.read(2)
    review = captures.house.lake.scan(FEATURE_HOURS).filter(pl.col("feature") == "review").sort("window_start")
    assert review.select("records", "missing").collect().rows() == [(1, 0), (1, 1)]


def test_hours_are_forgotten_when_their_days_are_enough(captures: Captures) -> None:
    captures.put(0, "one", "5,drama,good")
    captures.read(1)
    captures.house.settings.collect.capture_keep_days = 8
    captures.read(24 * 9)
    assert captures.rows(FEATURE_HOURS, "feature") == []
    assert len(captures.rows(FEATURE_PROFILES, "feature")) == 4
    assert captures.requests() == 1


def test_a_bucket_that_refuses_is_told_and_read_once_it_no_longer_does(captures: Captures) -> None:
    captures.put(0, "one", "5,drama,good")
    captures.read(1)
    captures.put(1, "two", "4,drama,fine")
    captures.house.settings.collect.capture_late_hours = 1
    there = captures.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    kept = {item["Key"]: captures.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read() for item in there}
    for key in kept:
        captures.s3.delete_object(Bucket=BUCKET, Key=key)
    captures.s3.delete_bucket(Bucket=BUCKET)
    try:
        outcome = captures.read(24 * 3)
    finally:
        captures.s3.create_bucket(Bucket=BUCKET)
        for key, body in kept.items():
            captures.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert outcome.status == "ok"
    assert f"Captures of {ENDPOINT}" in outcome.message
    captures.read(24 * 3)
    assert captures.requests() == 2
