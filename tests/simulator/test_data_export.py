"""Data exports: the query, CUR 2.0 and FOCUS rows, their files, and the service that orders them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from tests.simulator.bill_frames import (
    COVERED,
    CREDIT,
    DISCOUNT,
    ENDPOINT,
    FEE,
    NEGATION,
    NOVEMBER,
    PLAN,
    REFUND,
    TAX,
    bill,
    books,
)
from tests.simulator.conformance import check_shape

from sagekeeper.simulator.bill_orders import Order
from sagekeeper.simulator.cur_export import Delivered
from sagekeeper.simulator.data_export import BadQuery, export_files, read_query
from sagekeeper.simulator.export_tables import TABLES
from sagekeeper.simulator.process import RunningSimulator, start

CUR, FOCUS = "COST_AND_USAGE_REPORT", "FOCUS_1_2_AWS"
AT = datetime(2026, 11, 20, 8, tzinfo=UTC)


def query_of(table: str, columns: str | None = None, **settings: str) -> dict[str, Any]:
    selected = columns or ", ".join(TABLES[table].schema(settings))
    return {"QueryStatement": f"SELECT {selected} FROM {table}", "TableConfigurations": {table: settings}}


def order(query: dict[str, Any], name: str = "costs", parquet: bool = True, overwrite: bool = True) -> dict[str, Any]:
    output = {
        "OutputType": "CUSTOM",
        "Format": "PARQUET" if parquet else "TEXT_OR_CSV",
        "Compression": "PARQUET" if parquet else "GZIP",
        "Overwrite": "OVERWRITE_REPORT" if overwrite else "CREATE_NEW_REPORT",
    }
    target = {"S3Bucket": "bills", "S3Prefix": "exports", "S3Region": "us-east-1", "S3OutputConfigurations": output}
    return {
        "Name": name,
        "DataQuery": query,
        "DestinationConfigurations": {"S3Destination": target},
        "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
    }


def focus(*rows: dict[str, Any]) -> pl.DataFrame:
    return read_query(query_of(FOCUS)).rows(bill(*rows), books())


def files(export: dict[str, Any], lines: pl.DataFrame, **more: Any) -> list[Delivered]:
    return export_files(export | {"ExportArn": "arn"}, lines, books(), NOVEMBER, "run", AT, **more)


def test_focus_has_the_columns_of_its_versions() -> None:
    assert len(TABLES["FOCUS_1_0_AWS"].columns) == 48
    assert len(TABLES[FOCUS].columns) == 60
    gone = set(TABLES["FOCUS_1_0_AWS"].columns) - set(TABLES[FOCUS].columns)
    assert gone == {"x_CostCategories", "x_UsageType"}


def test_usage_is_told_by_what_it_is_and_costs() -> None:
    (row,) = focus({}).to_dicts()
    assert (row["ChargeCategory"], row["ChargeFrequency"], row["PricingCategory"]) == (
        "Usage",
        "Usage-Based",
        "Standard",
    )
    assert [row[name] for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")] == [5.52] * 4
    assert (row["ConsumedQuantity"], row["ConsumedUnit"], row["ListUnitPrice"]) == (24.0, "Hours", 0.23)
    assert (row["ServiceCategory"], row["ServiceName"]) == ("AI and Machine Learning", "Amazon SageMaker")
    assert (row["RegionId"], row["RegionName"]) == ("us-east-1", "US East (N. Virginia)")
    assert (row["ResourceId"], row["ResourceType"]) == (ENDPOINT, "endpoint")
    assert json.loads(row["Tags"]) == {"team": "risk"}
    assert row["SkuMeter"] == "USE1-Host:ml.m5.xlarge"
    assert row["SkuPriceId"].startswith(row["SkuId"])


def test_usage_under_a_plan_bills_nothing_and_costs_the_plans_rate() -> None:
    rows = focus(COVERED, NEGATION)
    assert rows.select("BilledCost", "EffectiveCost", "ListCost").rows() == [(0.0, 3.6, 5.52)]
    told = rows.select("PricingCategory", "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountId")
    assert told.rows() == [("Committed", "Used", "Savings Plan", PLAN)]


def test_a_plans_fee_is_a_purchase_and_what_was_not_used_a_row_of_its_own() -> None:
    rows = focus(FEE)
    told = rows.select("ChargeCategory", "ChargeFrequency", "BilledCost", "EffectiveCost", "CommitmentDiscountStatus")
    assert told.rows() == [
        ("Purchase", "Recurring", 4.8, 0.0, None),
        ("Usage", "Usage-Based", 0.0, 1.2, "Unused"),
    ]


def test_a_plan_used_to_the_last_cent_leaves_no_unused_row() -> None:
    full = FEE | {"plan_used": 4.8, "amortized": 0.0}
    assert focus(full)["CommitmentDiscountStatus"].to_list() == [None]


def test_credits_taxes_and_refunds_bill_what_they_cost() -> None:
    told = focus(CREDIT, TAX, REFUND).select("ChargeCategory", "BilledCost", "EffectiveCost", "ListCost").rows()
    assert told == [
        ("Credit", -2.0, -2.0, -2.0),
        ("Tax", 0.5, 0.5, 0.5),
        ("Adjustment", -1.25, -1.25, -1.25),
    ]


def test_a_discount_is_in_the_charge_that_it_belongs_to() -> None:
    rows = focus({"net_cost": 4.968}, DISCOUNT)
    assert rows.select("BilledCost", "ListCost", "ContractedCost", "ContractedUnitPrice").rows() == [
        (4.968, 5.52, 4.968, 0.207)
    ]
    assert json.loads(rows["x_Discounts"][0]) == {"PrivateRateDiscount": -0.552}


def test_billed_is_the_invoice_and_effective_the_net_amortised_cost() -> None:
    lines = bill({"net_cost": 4.968}, DISCOUNT, COVERED, NEGATION, FEE, CREDIT, TAX, REFUND)
    rows = read_query(query_of(FOCUS)).rows(lines, books())
    assert rows["BilledCost"].sum() == pytest.approx(lines["cost"].sum())
    assert rows["EffectiveCost"].sum() == pytest.approx(lines["net_amortized"].sum())


def test_an_invoice_number_comes_with_the_closed_month() -> None:
    query = read_query(query_of(FOCUS, "InvoiceId"))
    assert query.rows(bill({}), books()).item() is None
    assert query.rows(bill({}), books(datetime(2026, 12, 4, tzinfo=UTC))).item().isdigit()


def test_cur_2_is_the_legacy_report_with_maps() -> None:
    columns = "line_item_unblended_cost, resource_tags, product, discount, line_item_resource_id, product_sku"
    query = read_query(query_of(CUR, columns, INCLUDE_RESOURCES="TRUE"))
    (row,) = query.rows(bill({"net_cost": 4.968}), books()).to_dicts()
    assert json.loads(row["resource_tags"]) == {"user_team": "risk"}
    assert json.loads(row["discount"]) == {"private_rate_discount": -0.552}
    assert json.loads(row["product"])["product_name"] == "Amazon SageMaker"
    assert (row["line_item_unblended_cost"], row["line_item_resource_id"]) == (5.52, ENDPOINT)


def test_settings_change_the_columns_that_there_are() -> None:
    table = TABLES[CUR]
    assert "line_item_resource_id" not in table.schema({})
    assert "line_item_resource_id" in table.schema({"INCLUDE_RESOURCES": "TRUE"})
    assert "discount" not in table.schema({"INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY": "TRUE"})
    assert "split_line_item_split_cost" in table.schema({"INCLUDE_SPLIT_COST_ALLOCATION_DATA": "TRUE"})


def test_a_query_renames_reads_out_of_maps_filters_and_limits() -> None:
    statement = (
        "select line_item_unblended_cost as usd, product.region AS place, resource_tags.user_team\n"
        f"from {CUR} where line_item_line_item_type = 'Usage' and line_item_unblended_cost > 1 limit 1"
    )
    query = read_query({"QueryStatement": statement})
    found = query.rows(bill({}, {}, CREDIT), books())
    assert found.to_dicts() == [{"usd": 11.04, "place": "us-east-1", "resource_tags_user_team": "risk"}]
    assert query.types() == {"usd": "double", "place": "string", "resource_tags_user_team": "string"}


@pytest.mark.parametrize(
    ("statement", "settings", "said"),
    [
        (f"SELECT * FROM {CUR}", {}, "cannot select *"),
        ("SELECT a FROM NOWHERE", {}, "NOWHERE does not exist"),
        (f"SELECT nothing FROM {CUR}", {}, "nothing does not exist"),
        (f"SELECT line_item_resource_id FROM {CUR}", {}, "line_item_resource_id does not exist"),
        (f"SELECT sum(line_item_unblended_cost) FROM {CUR}", {}, "cannot select sum"),
        (f"SELECT line_item_operation, line_item_operation FROM {CUR}", {}, "more than once"),
        (f"SELECT line_item_operation FROM {CUR} WHERE nothing = 1", {}, "nothing does not exist"),
        (f"DELETE FROM {CUR}", {}, "not of the form"),
        (f"SELECT line_item_operation FROM {CUR}", {"TIME_GRANULARITY": "YEARLY"}, "HOURLY, DAILY, MONTHLY"),
        (f"SELECT line_item_operation FROM {CUR}", {"COLOUR": "RED"}, "no property COLOUR"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(statement: str, settings: dict[str, str], said: str) -> None:
    with pytest.raises(BadQuery, match=said.replace("*", r"\*")):
        read_query({"QueryStatement": statement, "TableConfigurations": {CUR: settings}})


def test_parquet_holds_real_maps_and_milliseconds() -> None:
    data, _ = files(order(query_of(FOCUS)), bill({}, {"tags": "{}"}))
    table = pq.read_table(io.BytesIO(data.data))
    assert str(table.schema.field("Tags").type).startswith("map<string, string")
    assert str(table.schema.field("x_Discounts").type).startswith("map<string, double")
    assert str(table.schema.field("ChargePeriodStart").type) == "timestamp[ms]"
    assert table.column("Tags").to_pylist() == [[("team", "risk")], []]


def test_csv_holds_maps_as_json_and_exact_amounts() -> None:
    data, _ = files(order(query_of(FOCUS), parquet=False), bill({"cost": 0.0000012345}))
    (row,) = csv.DictReader(io.StringIO(gzip.decompress(data.data).decode()))
    assert json.loads(row["Tags"]) == {"team": "risk"}
    assert Decimal(row["BilledCost"]) == Decimal("0.0000012345")
    assert row["ChargePeriodStart"] == "2026-11-03T00:00:00.000Z"


def test_files_lie_by_billing_period_and_new_versions_by_run() -> None:
    lines = bill(*({"resource_id": f"{ENDPOINT}-{number}"} for number in range(3)))
    over = [file.key for file in files(order(query_of(FOCUS)), lines, rows=2)]
    new = [file.key for file in files(order(query_of(FOCUS), overwrite=False), lines)]
    base = "exports/costs"
    assert over == [
        f"{base}/data/BILLING_PERIOD=2026-11/costs-00001.snappy.parquet",
        f"{base}/data/BILLING_PERIOD=2026-11/costs-00002.snappy.parquet",
        f"{base}/metadata/BILLING_PERIOD=2026-11/costs-Manifest.json",
    ]
    run = "2026-11-20T08:00:00.000Z-run"
    assert new == [
        f"{base}/data/BILLING_PERIOD=2026-11/{run}/costs-00001.snappy.parquet",
        f"{base}/metadata/BILLING_PERIOD=2026-11/{run}/costs-Manifest.json",
    ]


def test_the_manifest_names_files_columns_and_period() -> None:
    data, last = files(order(query_of(FOCUS, "BilledCost, Tags")), bill({}))
    manifest = json.loads(last.data)
    assert manifest["dataFiles"] == [f"s3://bills/{data.key}"]
    assert manifest["columns"] == [
        {"name": "BilledCost", "type": "double"},
        {"name": "Tags", "type": "map<string,string>"},
    ]
    assert manifest["billingPeriod"] == {"start": "2026-11-01", "end": "2026-12-01"}


def test_an_order_is_due_within_a_day_and_then_daily() -> None:
    given = Order("arn:x", {}, AT, AT, {})
    moments = list(given.due(AT, datetime(2026, 11, 24, 8, tzinfo=UTC)))
    assert len(moments) == 4
    assert 2 <= (moments[0] - AT).total_seconds() / 3600 <= 24
    assert {(after - before).days for before, after in pairwise(moments)} == {1}
    assert list(given.due(moments[1], moments[3])) == moments[2:]


Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("exports")) as running:
        yield running


@pytest.fixture(scope="module")
def client(account: RunningSimulator) -> Client:
    made = clients(account.url)
    made("s3").create_bucket(Bucket="bills")
    return made


def clients(url: str) -> Client:
    """Every answer of the service under test is held to its model."""

    def check(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if parsed["ResponseMetadata"]["HTTPStatusCode"] < 300:
            check_shape("bcm-data-exports", model.name, parsed)

    def made(service: str) -> Any:
        client = boto3.client(
            service, region_name="us-east-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.meta.events.register("after-call.bcm-data-exports", check)
        return client

    return made


def refused(call: Callable[..., Any], **given: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**given)
    return str(raised.value.response["Error"]["Code"])


def keys(client: Client, prefix: str) -> list[str]:
    found = client("s3").list_objects_v2(Bucket="bills", Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


@pytest.mark.integration
def test_tables_and_their_schemas_are_told(client: Client) -> None:
    service = client("bcm-data-exports")
    tables = {table["TableName"]: table for table in service.list_tables()["Tables"]}
    assert set(tables) == {CUR, "FOCUS_1_0_AWS", FOCUS}
    (grain,) = tables[FOCUS]["TableProperties"]
    assert (grain["Name"], grain["DefaultValue"]) == ("TIME_GRANULARITY", "HOURLY")
    told = service.get_table(TableName=CUR, TableProperties={"INCLUDE_RESOURCES": "TRUE"})
    schema = {column["Name"]: column["Type"] for column in told["Schema"]}
    assert schema["line_item_resource_id"] == "string"
    assert schema["resource_tags"] == "map<string,string>"
    assert told["TableProperties"]["TIME_GRANULARITY"] == "HOURLY"
    assert refused(service.get_table, TableName="NOWHERE") == "ValidationException"
    assert refused(service.get_table, TableName=CUR, TableProperties={"A": "B"}) == "ValidationException"
    first = service.list_tables(MaxResults=2)
    assert len(first["Tables"]) == 2
    assert len(service.list_tables(NextToken=first["NextToken"])["Tables"]) == 1


@pytest.mark.integration
def test_a_wrong_export_is_refused_as_aws_refuses_it(client: Client) -> None:
    service = client("bcm-data-exports")
    good = order(query_of(FOCUS), name="refused")
    target = good["DestinationConfigurations"]["S3Destination"]
    mixed = target | {"S3OutputConfigurations": target["S3OutputConfigurations"] | {"Compression": "GZIP"}}
    for wrong in (
        {"Name": "not a name"},
        {"DataQuery": {"QueryStatement": "SELECT * FROM " + FOCUS}},
        {"DestinationConfigurations": {"S3Destination": target | {"S3Bucket": "nobodys"}}},
        {"DestinationConfigurations": {"S3Destination": mixed}},
        {"RefreshCadence": {"Frequency": "SOMETIMES"}},
    ):
        assert refused(service.create_export, Export=good | wrong) == "ValidationException", wrong
    missing = "arn:aws:bcm-data-exports:us-east-1:123456789012:export/none-1"
    for call in (service.get_export, service.delete_export, service.list_executions):
        assert refused(call, ExportArn=missing) == "ResourceNotFoundException"
    assert refused(service.list_tags_for_resource, ResourceArn=missing) == "ResourceNotFoundException"
    assert service.list_exports()["Exports"] == []


@pytest.mark.integration
def test_an_export_lives_from_its_order_to_its_end(client: Client, account: RunningSimulator) -> None:
    service = client("bcm-data-exports")
    export = order(query_of(FOCUS, TIME_GRANULARITY="DAILY"), name="focus")
    arn = service.create_export(Export=export, ResourceTags=[{"Key": "team", "Value": "finance"}])["ExportArn"]
    assert refused(service.create_export, Export=export) == "ValidationException"
    service.create_export(Export=export | {"Name": "second"})
    assert refused(service.create_export, Export=export | {"Name": "third"}) == "ServiceQuotaExceededException"
    (second,) = [item for item in service.list_exports()["Exports"] if item["ExportName"] == "second"]
    service.delete_export(ExportArn=second["ExportArn"])
    assert service.list_executions(ExportArn=arn)["Executions"] == []
    assert "LastRefreshedAt" not in service.get_export(ExportArn=arn)["ExportStatus"]

    account.advance(days=1)
    base = "exports/focus"
    assert keys(client, base) == [
        f"{base}/data/BILLING_PERIOD=2026-11/focus-00001.snappy.parquet",
        f"{base}/metadata/BILLING_PERIOD=2026-11/focus-Manifest.json",
    ]
    (run,) = service.list_executions(ExportArn=arn)["Executions"]
    told = service.get_execution(ExportArn=arn, ExecutionId=run["ExecutionId"])
    assert told["ExecutionStatus"]["StatusCode"] == "DELIVERY_SUCCESS"
    assert told["Export"] == export | {"ExportArn": arn}
    assert refused(service.get_execution, ExportArn=arn, ExecutionId="none") == "ResourceNotFoundException"

    account.advance(days=15)
    assert [key.split("/")[3] for key in keys(client, f"{base}/data")] == [
        "BILLING_PERIOD=2026-11",
        "BILLING_PERIOD=2026-12",
    ]
    runs = service.list_executions(ExportArn=arn)["Executions"]
    assert len({run["ExecutionId"] for run in runs}) == 16
    page = service.list_executions(ExportArn=arn, MaxResults=10)
    rest = service.list_executions(ExportArn=arn, NextToken=page["NextToken"])
    assert page["Executions"] + rest["Executions"] == runs

    service.tag_resource(ResourceArn=arn, ResourceTags=[{"Key": "use", "Value": "report"}])
    service.untag_resource(ResourceArn=arn, ResourceTagKeys=["team"])
    assert service.list_tags_for_resource(ResourceArn=arn)["ResourceTags"] == [{"Key": "use", "Value": "report"}]

    changed = order(query_of(FOCUS, "BilledCost", TIME_GRANULARITY="MONTHLY"), name="focus", parquet=False)
    service.update_export(ExportArn=arn, Export=changed)
    account.advance(days=1)
    assert f"{base}/data/BILLING_PERIOD=2026-12/focus-00001.csv.gz" in keys(client, base)
    service.delete_export(ExportArn=arn)
    assert refused(service.get_export, ExportArn=arn) == "ResourceNotFoundException"


@pytest.mark.integration
def test_an_export_whose_bucket_is_gone_fails_and_recovers(client: Client, account: RunningSimulator) -> None:
    service, s3 = client("bcm-data-exports"), client("s3")
    s3.create_bucket(Bucket="passing")
    export = order(query_of(CUR, TIME_GRANULARITY="DAILY"), name="passing")
    export["DestinationConfigurations"]["S3Destination"]["S3Bucket"] = "passing"
    arn = service.create_export(Export=export)["ExportArn"]
    s3.delete_bucket(Bucket="passing")
    account.advance(days=1)
    (run,) = service.list_executions(ExportArn=arn)["Executions"]
    assert run["ExecutionStatus"]["StatusCode"] == "DELIVERY_FAILURE"
    assert run["ExecutionStatus"]["StatusReason"] == "INSUFFICIENT_PERMISSION"
    status = service.get_export(ExportArn=arn)["ExportStatus"]
    assert (status["StatusCode"], status["StatusReason"]) == ("UNHEALTHY", "INSUFFICIENT_PERMISSION")
    s3.create_bucket(Bucket="passing")
    account.advance(days=1)
    assert service.get_export(ExportArn=arn)["ExportStatus"]["StatusCode"] == "HEALTHY"
    assert s3.list_objects_v2(Bucket="passing")["KeyCount"] == 2
    service.delete_export(ExportArn=arn)


@pytest.mark.integration
def test_what_was_delivered_is_there_again_after_a_restart(tmp_path: Path) -> None:
    def state(url: str) -> dict[str, str]:
        found = clients(url)("s3").list_objects_v2(Bucket="bills")
        return {item["Key"]: item["ETag"] for item in found["Contents"]}

    with start(tmp_path, speed=0.001) as running:
        made = clients(running.url)
        made("s3").create_bucket(Bucket="bills")
        export = order(query_of(FOCUS, TIME_GRANULARITY="DAILY"), overwrite=False)
        made("bcm-data-exports").create_export(Export=export)
        for _ in range(6):
            running.advance(hours=12)
        before = state(running.url)
    with start(tmp_path, speed=0.001) as running:
        assert state(running.url) == before
    assert len(before) == 6
