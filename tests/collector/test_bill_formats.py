"""One bill is the same bill in every format that AWS writes: csv or parquet, legacy CUR, its Athena names or CUR 2.0."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sagekeeper.collector.checked_bill import IngestReport
from sagekeeper.collector.ingest import ingest_file
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.tables import COSTS

from .bills import CUR_ROW, FOCUS_ROW, cur

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
ATHENA = {
    "bill_payer_account_id": "123456789012",
    "bill_invoice_id": "1",
    "bill_billing_period_start_date": datetime(2023, 11, 1, tzinfo=UTC),
    "line_item_usage_account_id": "210987654321",
    "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": datetime(2023, 11, 4, 23, tzinfo=UTC),
    "line_item_usage_end_date": datetime(2023, 11, 5, tzinfo=UTC),
    "line_item_product_code": "AmazonSageMaker",
    "line_item_usage_type": "USE1-Host:ml.m5.xlarge",
    "line_item_usage_amount": 1.0,
    "line_item_currency_code": "USD",
    "line_item_unblended_cost": 0.1 + 0.2,
    "pricing_public_on_demand_cost": 4e-7,
    "resource_tags_user_team": "risk",
}


def parquet(path: Path, *rows: dict[str, object], schema: pa.Schema | None = None) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    return path


def total(report: IngestReport, column: str) -> Decimal:
    return sum((totals[column] for totals in report.totals.values() if column in totals), Decimal(0))


def test_a_parquet_cur_keeps_every_digit_of_its_floats(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    report = ingest_file(parquet(tmp_path / "cur.parquet", ATHENA, ATHENA), lake, sqlite_ledger, NOW)
    assert (report.format, report.rows) == ("cur", 2)
    assert total(report, "BilledCost") == Decimal("0.60000000000000008")
    assert total(report, "ListCost") == Decimal("8E-7")
    row = lake.scan(COSTS).collect().row(0, named=True)
    assert row["ChargePeriodStart"] == datetime(2023, 11, 4, 23, tzinfo=UTC)
    assert row["x_ChargeDate"].isoformat() == "2023-11-04"
    assert json.loads(row["Tags"]) == {"team": "risk"}


def test_the_maps_of_cur_2_give_tags_and_the_service(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    row = {name: value for name, value in ATHENA.items() if not name.startswith("resource_tags")}
    maps = {"resource_tags": pa.map_(pa.string(), pa.string()), "product": pa.map_(pa.string(), pa.string())}
    plain = pa.Table.from_pylist([row]).schema
    schema = pa.schema([*plain, *(pa.field(name, kind) for name, kind in maps.items())])
    tags = [("user_team", 'a "quoted" , "user_x" one'), ("aws_created_by", "Root")]
    whole = row | {"resource_tags": tags, "product": [("product_name", "Amazon SageMaker")]}
    ingest_file(parquet(tmp_path / "cur2.parquet", whole, schema=schema), lake, sqlite_ledger, NOW)
    found = lake.scan(COSTS).collect().row(0, named=True)
    assert json.loads(found["Tags"]) == {"team": 'a "quoted" , "user_x" one', "aws_created_by": "Root"}
    assert found["ServiceName"] == "Amazon SageMaker"


def test_a_parquet_focus_export_is_read_like_its_csv(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    amounts = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity")
    row: dict[str, object] = {name: float(text) if name in amounts else text for name, text in FOCUS_ROW.items()}
    tags = pa.field("Tags", pa.map_(pa.string(), pa.string()))
    plain = pa.Table.from_pylist([{name: value for name, value in row.items() if name != "Tags"}]).schema
    whole = row | {"Tags": [("team", "risk")], "ChargePeriodStart": "2024-09-18T22:00:00Z"}
    path = parquet(tmp_path / "focus.parquet", whole, schema=pa.schema([*plain, tags]))
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert (report.format, total(report, "EffectiveCost")) == ("focus", Decimal("1.25"))
    assert lake.scan(COSTS).collect()["Tags"].to_list() == ['{"team":"risk"}']


def test_a_parquet_file_that_is_cut_off_is_refused(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = parquet(tmp_path / "cur.parquet", ATHENA)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"cur.parquet is a damaged or truncated parquet file"):
        ingest_file(path, lake, sqlite_ledger, NOW)
    assert lake.version(COSTS) is None


def test_a_parquet_amount_that_is_no_number_is_named(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = parquet(tmp_path / "cur.parquet", ATHENA, ATHENA | {"line_item_unblended_cost": float("nan")})
    with pytest.raises(BadInput, match="row 2: line_item_unblended_cost is 'nan', which is no decimal number"):
        ingest_file(path, lake, sqlite_ledger, NOW)


def test_net_columns_carry_the_discount_to_what_it_was_given_on(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    """A discount of 10 %: billed has it as a line of its own, effective and contracted where it was given, and all agree."""
    net = "lineItem/NetUnblendedCost"
    discount = {"lineItem/LineItemType": "EdpDiscount", "lineItem/UnblendedCost": "-0.1", net: ""}
    path = cur(tmp_path / "cur.csv", {"lineItem/UnblendedCost": "1.0", net: "0.9"}, CUR_ROW | discount)
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert report.totals["Usage"]["BilledCost"] == Decimal("1.0")
    assert report.totals["Adjustment"]["BilledCost"] == Decimal("-0.1")
    for column in ("EffectiveCost", "ContractedCost"):
        assert report.totals["Usage"][column] == Decimal("0.9")
        assert report.totals["Adjustment"][column] == 0
    assert total(report, "BilledCost") == total(report, "EffectiveCost")


def test_without_net_columns_the_discount_stays_on_its_own_line(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    discount = {"lineItem/LineItemType": "EdpDiscount", "lineItem/UnblendedCost": "-0.1"}
    report = ingest_file(
        cur(tmp_path / "cur.csv", {"lineItem/UnblendedCost": "1.0"}, discount), lake, sqlite_ledger, NOW
    )
    assert report.totals["Adjustment"]["EffectiveCost"] == Decimal("-0.1")
    assert total(report, "BilledCost") == total(report, "EffectiveCost") == Decimal("0.9")


def test_contracted_cost_counts_the_use_once_and_its_commitment_never(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    plan = {"savingsPlan/SavingsPlanARN": "arn:plan", "savingsPlan/SavingsPlanEffectiveCost": "0.16"}
    path = cur(
        tmp_path / "cur.csv",
        plan | {"lineItem/LineItemType": "SavingsPlanCoveredUsage"},
        plan | {"lineItem/LineItemType": "SavingsPlanNegation", "lineItem/UnblendedCost": "-0.23"},
        plan
        | {
            "lineItem/LineItemType": "SavingsPlanRecurringFee",
            "lineItem/UnblendedCost": "0.2",
            "savingsPlan/TotalCommitmentToDate": "0.2",
            "savingsPlan/UsedCommitment": "0.16",
        },
    )
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert total(report, "BilledCost") == Decimal("0.2")
    assert total(report, "EffectiveCost") == Decimal("0.20")
    assert total(report, "ContractedCost") == total(report, "ListCost") == Decimal("0.23")
    assert lake.scan(COSTS).select(pl.col("ContractedCost").is_null().any()).collect().item() is False
