"""The legacy Cost and Usage Report: its columns, files and manifest, and the service that orders it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import polars as pl
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

from sagekeeper.simulator.bill_grain import at_grain
from sagekeeper.simulator.cur_export import Delivered, report_files, report_table, snake
from sagekeeper.simulator.process import RunningSimulator, start

REAL_CUR = Path(__file__).parents[2].parent / "shared" / "data" / "billing" / "aws_cur_anonymised" / "cur.csv"
TEXT: dict[str, Any] = {
    "ReportName": "monthly",
    "TimeUnit": "DAILY",
    "Format": "textORcsv",
    "Compression": "GZIP",
    "AdditionalSchemaElements": ["RESOURCES"],
    "AdditionalArtifacts": [],
    "S3Bucket": "bills",
    "S3Prefix": "cur",
    "S3Region": "us-east-1",
    "RefreshClosedReports": True,
    "ReportVersioning": "CREATE_NEW_REPORT",
}
PARQUET = TEXT | {"Format": "Parquet", "Compression": "Parquet"}
ASSEMBLY = "20261120-assembly"


def rows(file: Delivered) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(file.data).decode())))


def written(definition: dict[str, Any], lines: pl.DataFrame, **more: Any) -> list[Delivered]:
    return report_files(definition, lines, books(), NOVEMBER, ASSEMBLY, **more)


def test_csv_has_the_columns_of_a_real_report_in_their_order() -> None:
    if not REAL_CUR.exists():
        pytest.skip("the shared billing data is not there")
    with REAL_CUR.open() as real:
        known = [name for name in next(csv.reader(real)) if not name.startswith("product/")]
    ours = list(rows(written(TEXT, bill({}))[0])[0])
    missing = [name for name in known if name not in ours]
    assert missing == []
    assert [name for name in ours if name in known] == known


def test_parquet_names_are_the_csv_names_in_snake_case() -> None:
    assert snake("savingsPlan/SavingsPlanARN") == "savings_plan_savings_plan_a_r_n"
    assert snake("pricing/publicOnDemandCost") == "pricing_public_on_demand_cost"
    _, text = report_table(TEXT, bill({}, COVERED), books())
    _, typed = report_table(PARQUET, bill({}, COVERED), books())
    assert typed.columns == [snake(name) if "Tags" not in name else "resource_tags_user_team" for name in text.columns]
    assert typed.schema["line_item_unblended_cost"] == pl.Float64
    assert typed.schema["line_item_usage_start_date"] == pl.Datetime("ms")


def test_amounts_are_written_to_the_last_digit_and_without_exponents() -> None:
    cost = 0.0000012345
    (data, *_) = written(TEXT, bill({"cost": cost, "list_cost": cost, "rate": cost / 24}))
    row = rows(data)[0]
    assert Decimal(row["lineItem/UnblendedCost"]) == Decimal("0.0000012345")
    assert "e" not in row["lineItem/UnblendedCost"] + row["lineItem/UnblendedRate"]


def test_tags_have_a_column_each_only_where_a_line_has_them() -> None:
    lines = bill({}, {"tags": json.dumps({"costCenter": "9", "aws:createdBy": "x"})}, {"tags": "{}"})
    found = rows(written(TEXT, lines)[0])
    tags = [{key: value for key, value in row.items() if key.startswith("resourceTags/")} for row in found]
    assert tags[0] == {
        "resourceTags/aws:createdBy": "",
        "resourceTags/user:costCenter": "",
        "resourceTags/user:team": "risk",
    }
    assert tags[1]["resourceTags/user:costCenter"] == "9"
    assert set(tags[2].values()) == {""}


def test_net_columns_are_there_only_for_an_account_with_discounts() -> None:
    plain = list(rows(written(TEXT, bill({}))[0])[0])
    reduced = rows(written(TEXT, bill({"net_cost": 4.968}, DISCOUNT))[0])
    assert not any("/Net" in name for name in plain)
    assert [row["lineItem/NetUnblendedCost"] for row in reduced] == ["4.968", "0"]
    assert [row["discount/TotalDiscount"] for row in reduced] == ["-0.552", ""]


def test_amortised_cost_by_the_usual_rule_is_the_meters() -> None:
    lines = bill({}, COVERED, NEGATION, FEE, CREDIT, TAX, REFUND)
    _, frame = report_table(PARQUET, lines, books())
    kind = pl.col("line_item_line_item_type")
    unused = pl.col("savings_plan_total_commitment_to_date") - pl.col("savings_plan_used_commitment")
    amortised = (
        pl.when(kind == "SavingsPlanCoveredUsage")
        .then(pl.col("savings_plan_savings_plan_effective_cost"))
        .when(kind == "SavingsPlanRecurringFee")
        .then(unused)
        .when(kind == "SavingsPlanNegation")
        .then(0.0)
        .otherwise(pl.col("line_item_unblended_cost"))
    )
    assert frame.select(amortised).to_series().round(10).to_list() == lines["amortized"].round(10).to_list()
    assert frame["line_item_unblended_cost"].sum() == pytest.approx(5.52 + 4.8 - 2 + 0.5 - 1.25)


def test_a_line_of_a_plan_tells_which_plan_and_on_what_terms() -> None:
    covered, fee = rows(written(TEXT, bill(COVERED, FEE))[0])
    assert covered["savingsPlan/SavingsPlanARN"] == fee["savingsPlan/SavingsPlanARN"] == PLAN
    assert (covered["savingsPlan/SavingsPlanRate"], covered["savingsPlan/SavingsPlanEffectiveCost"]) == ("0.15", "3.6")
    assert (fee["savingsPlan/TotalCommitmentToDate"], fee["savingsPlan/UsedCommitment"]) == ("4.8", "3.6")
    assert fee["savingsPlan/OfferingType"] == "SageMakerSavingsPlans"
    assert fee["savingsPlan/RecurringCommitmentForBillingPeriod"] == "4.8"


def test_an_open_month_has_no_invoice_and_a_closed_one_has() -> None:
    closed = books(datetime(2026, 12, 4, tzinfo=UTC))
    open_row = rows(written(TEXT, bill({}))[0])[0]
    closed_row = rows(report_files(TEXT, bill({}), closed, NOVEMBER, ASSEMBLY)[0])[0]
    assert open_row["bill/InvoiceId"] == ""
    assert closed_row["bill/InvoiceId"].isdigit()


def test_without_resources_lines_of_different_resources_are_one() -> None:
    lines = bill({}, {"resource_id": ENDPOINT + "-2"})
    _, frame = report_table(TEXT | {"AdditionalSchemaElements": []}, lines, books())
    assert "lineItem/ResourceId" not in frame.columns
    assert frame["lineItem/UnblendedCost"].to_list() == [11.04]
    assert frame["lineItem/UsageAmount"].to_list() == [48.0]


def test_by_the_month_days_are_added_up_and_prices_stay_apart() -> None:
    second = {"day": date(2026, 11, 4)}
    dearer = second | {"day": date(2026, 11, 5), "rate": 0.25, "cost": 6.0}
    summed = at_grain(bill({}, second, dearer), "MONTHLY", resources=True)
    assert summed.select("rate", "quantity", "cost").rows() == [(0.23, 48.0, 11.04), (0.25, 24.0, 6.0)]
    assert summed["start"].to_list() == [datetime(2026, 11, 1, tzinfo=UTC)] * 2
    assert summed["end"].to_list() == [datetime(2026, 12, 1, tzinfo=UTC)] * 2


def test_a_member_account_sees_its_own_lines_only() -> None:
    lines = bill({}, {"account": "210987654321"})
    _, own = report_table(TEXT, lines, books(account="210987654321"))
    _, all_of_it = report_table(TEXT, lines, books())
    assert own["lineItem/UsageAccountId"].to_list() == ["210987654321"]
    assert all_of_it.height == 2


def test_a_large_month_comes_in_several_files_that_the_manifest_names() -> None:
    lines = bill(*({"resource_id": f"{ENDPOINT}-{number}"} for number in range(5)))
    files = written(TEXT, lines, rows=2)
    manifest = json.loads(files[-1].data)
    data = [file for file in files if file.key.endswith(".csv.gz")]
    base = "cur/monthly/20261101-20261201"
    assert [file.key for file in data] == [f"{base}/{ASSEMBLY}/monthly-0000{n}.csv.gz" for n in (1, 2, 3)]
    assert manifest["reportKeys"] == [file.key for file in data]
    assert sum(len(rows(file)) for file in data) == 5


def test_the_manifest_names_every_column_and_the_period() -> None:
    *_, file = written(TEXT, bill({}))
    manifest = json.loads(file.data)
    named = [f"{column['category']}/{column['name']}" for column in manifest["columns"]]
    assert named == list(rows(written(TEXT, bill({}))[0])[0])
    assert manifest["billingPeriod"] == {"start": "20261101T000000.000Z", "end": "20261201T000000.000Z"}
    assert (manifest["assemblyId"], manifest["account"]) == (ASSEMBLY, "123456789012")


def test_new_versions_get_a_folder_each_and_overwritten_ones_do_not() -> None:
    base = "cur/monthly/20261101-20261201"
    new = [file.key for file in written(TEXT, bill({}))]
    over = [file.key for file in written(TEXT | {"ReportVersioning": "OVERWRITE_REPORT"}, bill({}))]
    assert new[1:] == [f"{base}/{ASSEMBLY}/monthly-Manifest.json", f"{base}/monthly-Manifest.json"]
    assert over == [f"{base}/monthly-00001.csv.gz", f"{base}/monthly-Manifest.json"]


def test_for_athena_the_data_lies_in_partitions() -> None:
    athena = PARQUET | {"ReportVersioning": "OVERWRITE_REPORT", "AdditionalArtifacts": ["ATHENA"]}
    data, manifest = written(athena, bill({}))
    assert data.key == "cur/monthly/monthly/year=2026/month=11/monthly-00001.snappy.parquet"
    assert manifest.key == "cur/monthly/20261101-20261201/monthly-Manifest.json"
    assert pl.read_parquet(io.BytesIO(data.data))["line_item_unblended_cost"].to_list() == [5.52]


def test_a_zipped_report_holds_the_csv_by_its_name() -> None:
    (file, *_) = written(TEXT | {"Compression": "ZIP"}, bill({}))
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        assert archive.namelist() == ["monthly-00001.csv"]
        assert b"identity/LineItemId" in archive.read("monthly-00001.csv")


def test_the_same_lines_are_the_same_bytes() -> None:
    assert written(TEXT, bill({}, COVERED, FEE)) == written(TEXT, bill({}, COVERED, FEE))
    assert written(PARQUET, bill({}, COVERED, FEE)) == written(PARQUET, bill({}, COVERED, FEE))


Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("reports")) as running:
        yield running


@pytest.fixture(scope="module")
def client(account: RunningSimulator) -> Client:
    def check(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if parsed["ResponseMetadata"]["HTTPStatusCode"] < 300:
            check_shape("cur", model.name, parsed)

    def made(service: str) -> Any:
        client = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=account.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        # Every answer of the service under test is held to its model.
        client.meta.events.register("after-call.cost-and-usage-report-service", check)
        return client

    made("s3").create_bucket(Bucket="bills")
    return made


def refused(call: Callable[..., Any], **given: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**given)
    return str(raised.value.response["Error"]["Code"])


@pytest.mark.integration
def test_a_wrong_definition_is_refused_as_aws_refuses_it(client: Client) -> None:
    put = client("cur").put_report_definition
    for wrong in (
        {"S3Bucket": "nobodys"},
        {"S3Region": "eu-west-1"},
        {"Compression": "Parquet"},
        {"Format": "Parquet"},
        {"AdditionalArtifacts": ["ATHENA"]},
        {"TimeUnit": "WEEKLY"},
        {"ReportName": "not a name"},
    ):
        assert refused(put, ReportDefinition=TEXT | wrong) == "ValidationException", wrong
    cur = client("cur")
    assert refused(cur.delete_report_definition, ReportName="none") == "ValidationException"
    assert refused(cur.modify_report_definition, ReportName="none", ReportDefinition=TEXT) == "ValidationException"
    assert refused(cur.list_tags_for_resource, ReportName="none") == "ResourceNotFoundException"


@pytest.mark.integration
def test_a_bucket_policy_must_let_billing_in(client: Client) -> None:
    s3, put = client("s3"), client("cur").put_report_definition
    s3.create_bucket(Bucket="closed")
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "s3:*", "Resource": "*"}
    s3.put_bucket_policy(Bucket="closed", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert refused(put, ReportDefinition=TEXT | {"S3Bucket": "closed"}) == "ValidationException"


@pytest.mark.integration
def test_a_report_lives_from_its_order_to_its_end(client: Client, account: RunningSimulator) -> None:
    cur, s3 = client("cur"), client("s3")
    cur.put_report_definition(ReportDefinition=TEXT, Tags=[{"Key": "team", "Value": "finance"}])
    assert refused(cur.put_report_definition, ReportDefinition=TEXT) == "DuplicateReportNameException"
    for number in range(4):
        cur.put_report_definition(ReportDefinition=PARQUET | {"ReportName": f"other-{number}"})
    assert (
        refused(cur.put_report_definition, ReportDefinition=TEXT | {"ReportName": "x"}) == "ReportLimitReachedException"
    )
    for number in range(4):
        cur.delete_report_definition(ReportName=f"other-{number}")
    (shown,) = cur.describe_report_definitions()["ReportDefinitions"]
    assert shown == TEXT
    assert cur.list_tags_for_resource(ReportName="monthly")["Tags"] == [{"Key": "team", "Value": "finance"}]

    account.advance(days=1)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="bills")["Contents"]]
    manifest = json.loads(
        s3.get_object(Bucket="bills", Key="cur/monthly/20261101-20261201/monthly-Manifest.json")["Body"].read()
    )
    assert set(manifest["reportKeys"]) < set(keys)
    (shown,) = cur.describe_report_definitions()["ReportDefinitions"]
    assert shown["ReportStatus"]["lastStatus"] == "SUCCESS"
    assert shown["ReportStatus"]["lastDelivery"].startswith("2026112")

    account.advance(days=3)
    assemblies = {
        item["Key"].split("/")[3]
        for item in s3.list_objects_v2(Bucket="bills", Prefix="cur/monthly/20261101-20261201/")["Contents"]
        if item["Key"].endswith(".csv.gz")
    }
    assert len(assemblies) == 4

    changed = TEXT | {"ReportVersioning": "OVERWRITE_REPORT", "TimeUnit": "MONTHLY", "S3Prefix": "other"}
    cur.modify_report_definition(ReportName="monthly", ReportDefinition=changed)
    account.advance(days=1)
    again = [item["Key"] for item in s3.list_objects_v2(Bucket="bills", Prefix="other/")["Contents"]]
    assert again == [f"other/monthly/20261101-20261201/monthly-{end}" for end in ("00001.csv.gz", "Manifest.json")]

    for item in s3.list_objects_v2(Bucket="bills")["Contents"]:
        s3.delete_object(Bucket="bills", Key=item["Key"])
    s3.delete_bucket(Bucket="bills")
    account.advance(days=1)
    (shown,) = cur.describe_report_definitions()["ReportDefinitions"]
    assert shown["ReportStatus"]["lastStatus"] == "ERROR_NO_BUCKET"
    cur.delete_report_definition(ReportName="monthly")
    assert cur.describe_report_definitions()["ReportDefinitions"] == []
