"""When bills are delivered, and what of them stays: closed months, corrections, time that was jumped over."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from moto.s3.models import s3_backends

from sagekeeper.simulator.bill_delivery import MISSING, bring_up_to, problem
from sagekeeper.simulator.bill_orders import Order
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.operations import House
from sagekeeper.simulator.world import PAYER, PriceChange, World
from sagekeeper.simulator.worlds import WORLDS

CREATED = datetime(2026, 11, 20, 8, tzinfo=UTC)
CLOSED = datetime(2026, 12, 10, tzinfo=UTC)
LEGACY: dict[str, Any] = {
    "ReportName": "report",
    "TimeUnit": "DAILY",
    "Format": "Parquet",
    "Compression": "Parquet",
    "AdditionalSchemaElements": ["RESOURCES"],
    "AdditionalArtifacts": [],
    "S3Prefix": "p",
    "S3Region": "us-east-1",
    "RefreshClosedReports": False,
    "ReportVersioning": "OVERWRITE_REPORT",
}
NOVEMBER_FILE = "p/report/20261101-20261201/report-00001.snappy.parquet"
Ordered = Callable[..., House]


@pytest.fixture
def ordered(request: pytest.FixtureRequest) -> Ordered:
    """An account with one report that goes into a bucket of this test's name."""

    def made(bucket: str, **changes: Any) -> House:
        world = World()
        WORLDS["small"](world, CREATED, 7)
        s3_backends[PAYER]["aws"].create_bucket(bucket, "us-east-1")
        request.addfinalizer(lambda: s3_backends[PAYER]["aws"].buckets.pop(bucket, None))
        request.addfinalizer(lambda: s3_backends.bucket_accounts.pop(bucket, None))
        told = LEGACY | {"S3Bucket": bucket} | changes
        world.at(PAYER, "us-east-1").orders.reports["report"] = Order("arn:report", told, CREATED, CREATED, {})
        return House(world, None, Meter(world), None)  # type: ignore[arg-type]

    return made


def files(bucket: str) -> dict[str, str]:
    """What lies in the bucket, with a digest of each file."""
    keys = s3_backends[PAYER]["aws"].get_bucket(bucket).keys
    return {name: hashlib.sha256(key.value).hexdigest() for name, key in keys.items()}


def correct_november(house: House) -> None:
    """A price of November turns out to have been another one."""
    for here in house.world.standing.values():
        usages = {
            variant["InstanceType"]
            for config in here.configs.values()
            for variant in config["ProductionVariants"]
            if "InstanceType" in variant
        }
        here.price_changes += [
            PriceChange(f"Host:{kind}", datetime(2026, 11, 5, tzinfo=UTC).date(), 0.5) for kind in usages
        ]
        here.version += 1


def test_jumping_over_weeks_leaves_what_going_through_them_leaves(ordered: Ordered) -> None:
    until = CREATED + timedelta(days=20)
    walked, jumped = ordered("walked"), ordered("jumped")
    for day in range(21):
        bring_up_to(walked, CREATED + timedelta(days=day))
    bring_up_to(jumped, until)
    data = [name for name in files("walked") if name.endswith("parquet")]
    assert len(data) == 2
    assert files("walked").keys() == files("jumped").keys()
    assert [files("walked")[name] for name in data] == [files("jumped")[name] for name in data]


def test_every_month_that_was_jumped_over_is_delivered(ordered: Ordered) -> None:
    house = ordered("long")
    bring_up_to(house, CREATED + timedelta(days=170))
    months = sorted(name.split("/")[2][:6] for name in files("long") if name.endswith("parquet"))
    assert months == ["202611", "202612", "202701", "202702", "202703", "202704", "202705"]


def test_a_closed_month_is_written_again_only_when_it_was_corrected(ordered: Ordered) -> None:
    house = ordered("refreshed", RefreshClosedReports=True)
    bring_up_to(house, CLOSED)
    before = files("refreshed")
    bring_up_to(house, CLOSED + timedelta(days=2))
    unchanged = files("refreshed")
    correct_november(house)
    bring_up_to(house, CLOSED + timedelta(days=4))
    assert unchanged[NOVEMBER_FILE] == before[NOVEMBER_FILE]
    assert files("refreshed")[NOVEMBER_FILE] != before[NOVEMBER_FILE]


def test_without_refreshing_an_invoiced_month_stays_as_it_is(ordered: Ordered) -> None:
    house = ordered("frozen")
    bring_up_to(house, CLOSED)
    before = files("frozen")
    correct_november(house)
    bring_up_to(house, CLOSED + timedelta(days=4))
    assert files("frozen")[NOVEMBER_FILE] == before[NOVEMBER_FILE]


def test_new_versions_of_a_closed_month_come_only_with_a_change(ordered: Ordered) -> None:
    house = ordered("versions", ReportVersioning="CREATE_NEW_REPORT", RefreshClosedReports=True)

    def versions() -> int:
        return sum("20261101" in name and name.endswith("parquet") for name in files("versions"))

    bring_up_to(house, CLOSED)
    before = versions()
    bring_up_to(house, CLOSED + timedelta(days=3))
    quiet = versions()
    correct_november(house)
    bring_up_to(house, CLOSED + timedelta(days=6))
    assert (quiet, versions()) == (before, before + 1)


def test_a_bucket_that_lets_billing_in_can_be_written_to(ordered: Ordered) -> None:
    ordered("asked")
    bucket = s3_backends[PAYER]["aws"].get_bucket("asked")
    statement = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "*"}
    for service, found in (("billingreports.amazonaws.com", None), ("ec2.amazonaws.com", "DENIED")):
        bucket.policy = json.dumps({"Statement": [statement | {"Principal": {"Service": service}}]}).encode()
        assert problem(PAYER, "asked") == found
    assert problem(PAYER, "nobodys") == MISSING


def test_by_the_hour_a_day_has_its_hours_and_the_same_sum(ordered: Ordered) -> None:
    house = ordered("hours")
    first, last = datetime(2026, 11, 3, tzinfo=UTC).date(), datetime(2026, 11, 4, tzinfo=UTC).date()
    days, hours = (house.meter.lines(first, last, CREATED, step) for step in ("day", "hour"))
    endpoint = days.filter(pl.col("usage_type").str.contains("Host:ml")).row(0, named=True)
    same = hours.filter((pl.col("resource_id") == endpoint["resource_id"]) & (pl.col("day") == endpoint["day"]))
    one = same.filter(pl.col("usage_type") == endpoint["usage_type"]).sort("start")
    assert one.height == 24
    assert set(one["end"] - one["start"]) == {timedelta(hours=1)}
    assert one["cost"].sum() == pytest.approx(endpoint["cost"])
    assert hours["cost"].sum() == pytest.approx(days["cost"].sum(), abs=1e-7)


def test_an_hourly_report_has_lines_of_an_hour(ordered: Ordered) -> None:
    house = ordered("hourly", TimeUnit="HOURLY")
    bring_up_to(house, CREATED + timedelta(days=1))
    file = s3_backends[PAYER]["aws"].get_bucket("hourly").keys[NOVEMBER_FILE]
    rows = pl.read_parquet(io.BytesIO(file.value)).filter(pl.col("line_item_line_item_type") == "Usage")
    lengths = rows["line_item_usage_end_date"] - rows["line_item_usage_start_date"]
    assert set(lengths) == {timedelta(hours=1)}
