"""All bills of one account over HTTP, with every commercial term at once: what boto3 is told and what lies in the bucket.

A SageMaker and a Compute Savings Plan are bought; a credit, a refund, two discounts and a correction agreed on; a legacy
report, a CUR 2.0 and a FOCUS export ordered. FOCUS is read at moments at which days are open and get restated; in the end,
closed days of all four are compared by service and by resource, billed and amortised, before and after discounts.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
import pytest

from sagekeeper.simulator.bill_names import CODES
from sagekeeper.simulator.bill_orders import TAKES, Order
from sagekeeper.simulator.process import start

from .hosted import Hosted
from .report_frames import COVERED, LEGACY, NEGATION, added, amortised, order, same

pytestmark = pytest.mark.integration
FIRST = date(2026, 11, 20)
CLOSED = pl.col("day").is_between(FIRST + timedelta(days=1), FIRST + timedelta(days=3))
CE_NAMES = {
    "cost": "UnblendedCost",
    "net": "NetUnblendedCost",
    "amortized": "AmortizedCost",
    "net_amortized": "NetAmortizedCost",
}
TERMS: dict[str, Any] = {
    "credits": [
        {
            "name": "startup",
            "amount": 250,
            "begins": "2026-11-21",
            "expires": "2027-02-01",
            "services": ["Amazon SageMaker"],
        }
    ],
    "discounts": [
        {"kind": "EdpDiscount", "share": 0.07, "since": "2026-11-21"},
        {"kind": "PrivateRateDiscount", "share": 0.2, "since": "2026-11-20", "usage_types": ["DataProcessing-Bytes"]},
    ],
    "corrections": [{"usage_type": "Host:ml.c5.2xlarge", "first": "2026-11-10", "last": "2026-11-22", "factor": 0.5}],
    "refunds": [{"service": "Amazon SageMaker", "amount": 12.5, "day": "2026-11-22"}],
}


class Bills(NamedTuple):
    """Costs of closed days: reports by (day, service code, resource), Cost Explorer's by day and one of the two."""

    legacy: pl.DataFrame
    cur: pl.DataFrame
    focus: pl.DataFrame
    services: pl.DataFrame
    resources: pl.DataFrame


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with start(tmp_path_factory.mktemp("bills"), speed=0) as running:
        aws = Hosted(running)
        running.set_commercial(**TERMS)
        buy(aws, "SageMaker", "Partial Upfront", "0.6")
        buy(aws, "Compute", "No Upfront", "0.15")
        ec2 = aws.client("ec2")
        image = ec2.describe_images()["Images"][0]["ImageId"]
        ec2.run_instances(ImageId=image, InstanceType="m5.2xlarge", MinCount=1, MaxCount=1)
        aws.client("s3").create_bucket(Bucket="bills")
        aws.client("cur").put_report_definition(ReportDefinition=LEGACY)
        yield aws


def buy(aws: Hosted, kind: str, payment: str, commitment: str) -> None:
    plans = aws.client("savingsplans")
    (offer,) = plans.describe_savings_plans_offerings(
        planTypes=[kind], paymentOptions=[payment], durations=[365 * 86_400]
    )["searchResults"]
    plans.create_savings_plan(savingsPlanOfferingId=offer["offeringId"], commitment=commitment)


def export(aws: Hosted, table: str, settings: dict[str, str]) -> tuple[str, datetime]:
    """Order it; its ARN and when."""
    exports, wish = aws.client("bcm-data-exports"), order(table, settings)
    arn = exports.create_export(Export={key: wish[key] for key in wish if key != "ExportArn"})["ExportArn"]
    return arn, exports.get_export(ExportArn=arn)["ExportStatus"]["CreatedAt"]


def delivered(aws: Hosted, manifest_key: str, files: str) -> pl.DataFrame:
    """What lies in the bucket by its manifest."""
    s3 = aws.client("s3")
    manifest = json.loads(s3.get_object(Bucket="bills", Key=manifest_key)["Body"].read())
    keys = [key.removeprefix("s3://bills/") for key in manifest[files]]
    found = [s3.get_object(Bucket="bills", Key=key)["Body"].read() for key in keys]
    read = [
        pl.read_csv(io.BytesIO(gzip.decompress(body))) if key.endswith(".gz") else pl.read_parquet(io.BytesIO(body))
        for key, body in zip(keys, found, strict=True)
    ]
    return pl.concat(read)


def told(aws: Hosted, key: str, end: date) -> pl.DataFrame:
    """Cost Explorer by day and one dimension, all pages, all of its four costs."""
    ce, rows = aws.client("ce"), []
    call = ce.get_cost_and_usage_with_resources if key == "RESOURCE_ID" else ce.get_cost_and_usage
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": str(FIRST), "End": str(end)},
        "Granularity": "DAILY",
        "Metrics": list(CE_NAMES.values()),
        "GroupBy": [{"Type": "DIMENSION", "Key": key}],
        "Filter": {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": ["123456789012", "210987654321"]}},
    }
    while True:
        answer = call(**asked)
        for day in answer["ResultsByTime"]:
            for group in day["Groups"]:
                named = None if group["Keys"][0] in ("NoResourceId", "") else group["Keys"][0]
                amounts = {name: float(group["Metrics"][told]["Amount"]) for name, told in CE_NAMES.items()}
                rows.append({"day": date.fromisoformat(day["TimePeriod"]["Start"]), "key": named} | amounts)
        if "NextPageToken" not in answer:
            return pl.DataFrame(rows)
        asked["NextPageToken"] = answer["NextPageToken"]


def test_an_export_of_open_days_is_what_cost_explorer_says_at_that_moment(aws: Hosted) -> None:
    arn, created = export(aws, "FOCUS_1_2_AWS", {"TIME_GRANULARITY": "DAILY"})
    seen = []
    for at in list(Order(arn, {}, created, created, {}).due(created, created + timedelta(days=4)))[::3]:
        aws.running.advance_until(at)
        said = told(aws, "SERVICE", at.date() + timedelta(days=1))
        aws.running.advance(seconds=TAKES.total_seconds() + 1)
        rows = focus(aws).filter(pl.col("day") >= FIRST)
        assert rows.height
        seen.append(added(rows, ["day", "ServiceName"], "BilledCost"))
        same(seen[-1], added(said, ["day", "key"], "net"))
    assert len(seen) > 1
    assert any(abs(seen[0][key] - seen[-1][key]) > 0.005 for key in seen[0])


def focus(aws: Hosted) -> pl.DataFrame:
    key = "de/FOCUS_1_2_AWS/metadata/BILLING_PERIOD=2026-11/FOCUS_1_2_AWS-Manifest.json"
    return delivered(aws, key, "dataFiles").with_columns(pl.col("ChargePeriodStart").dt.date().alias("day"))


@pytest.fixture(scope="module")
def bills(aws: Hosted) -> Bills:
    """Once the days are closed and delivered."""
    export(aws, "COST_AND_USAGE_REPORT", {"TIME_GRANULARITY": "DAILY", "INCLUDE_RESOURCES": "TRUE"})
    if "FOCUS_1_2_AWS" not in str(aws.client("bcm-data-exports").list_exports()):
        export(aws, "FOCUS_1_2_AWS", {"TIME_GRANULARITY": "DAILY"})
    aws.running.advance(days=8)
    end = aws.running.now().date()
    cur = "de/COST_AND_USAGE_REPORT/metadata/BILLING_PERIOD=2026-11/COST_AND_USAGE_REPORT-Manifest.json"
    codes = pl.col("key").replace_strict(CODES, default=pl.col("key").str.replace_all(" ", ""))
    return Bills(
        amortised(delivered(aws, "cur/legacy/20261101-20261201/legacy-Manifest.json", "reportKeys")).filter(CLOSED),
        amortised(delivered(aws, cur, "dataFiles")).filter(CLOSED),
        focus(aws).rename({"x_ServiceCode": "service_code", "ResourceId": "resource_id"}).filter(CLOSED),
        told(aws, "SERVICE", end).with_columns(codes.alias("service_code")).filter(CLOSED),
        told(aws, "RESOURCE_ID", end).rename({"key": "resource_id"}).filter(CLOSED),
    )


@pytest.mark.parametrize("key", ["service_code", "resource_id"])
@pytest.mark.parametrize("amount", ["cost", "amortized"])
def test_both_reports_are_cost_explorer_to_the_cent(bills: Bills, key: str, amount: str) -> None:
    said = added(bills.services if key == "service_code" else bills.resources, ["day", key], amount)
    same(added(bills.legacy, ["day", key], amount), said)
    same(added(bills.cur, ["day", key], amount), said)


@pytest.mark.parametrize("key", ["service_code", "resource_id"])
@pytest.mark.parametrize(("column", "amount"), [("BilledCost", "net"), ("EffectiveCost", "net_amortized")])
def test_focus_is_cost_explorers_net_cost_to_the_cent(bills: Bills, key: str, column: str, amount: str) -> None:
    told_by = bills.services if key == "service_code" else bills.resources
    found, said = added(bills.focus, ["day", key], column), added(told_by, ["day", key], amount)
    if column == "BilledCost" and key == "resource_id":
        # FOCUS leaves covered usage and what cancels it out of billed cost: on resources, only the sum of a day is the same.
        found, said = (added(frame, ["day"], name) for frame, name in ((bills.focus, column), (told_by, amount)))
    same(found, said)


def test_every_term_is_on_those_days(bills: Bills) -> None:
    kinds = set(bills.legacy["line_item_line_item_type"])
    assert {"Usage", COVERED, NEGATION, "SavingsPlanRecurringFee", "EdpDiscount", "PrivateRateDiscount"} <= kinds
    assert {"Refund", "Credit"} <= kinds
    arns = set(bills.legacy.filter(pl.col("line_item_line_item_type") == COVERED)["product_servicecode"])
    assert arns == {"AmazonSageMaker", "AmazonEC2"}
    corrected = bills.legacy.filter(pl.col("line_item_line_item_description").str.starts_with("Correction"))
    assert corrected["cost"].sum() < 0
