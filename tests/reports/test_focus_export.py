"""Costs as FOCUS: what a bill states goes out as it came in, the rest follows from the row and is named."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sagekeeper.collector.ingest import ingest_file
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.tables import COSTS
from sagekeeper.reports.cost_files import derived_counts, write_costs
from sagekeeper.reports.focus_export import COLUMNS, focus_export
from sagekeeper.reports.focus_services import CATEGORIES, SERVICES, service_category, service_subcategory
from sagekeeper.reports.focus_units import focus_unit, unit_of_usage_type

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
PLAN = "arn:aws:savingsplans::123456789012:savingsplan/0a1b"
LINE: dict[str, Any] = {
    "BillingAccountId": "123456789012",
    "SubAccountId": "123456789012",
    "SubAccountName": "ml-platform",
    "ChargePeriodStart": datetime(2026, 10, 3, tzinfo=UTC),
    "ChargeCategory": "Usage",
    "ProviderName": "AWS",
    "ServiceName": "Amazon SageMaker",
    "ConsumedQuantity": 24.0,
    "BilledCost": 6.0,
    "EffectiveCost": 6.0,
    "BillingCurrency": "USD",
    "x_UsageType": "USE1-Host:ml.m5.xlarge",
    "x_RecordType": "Usage",
    "x_Source": "cost_explorer",
    "x_Dataset": "cost-explorer",
    "x_ChargeDate": date(2026, 10, 3),
}
UNUSED_FEE = {
    "ChargeCategory": "Purchase",
    "ChargeFrequency": "Recurring",
    "x_RecordType": "SavingsPlanRecurringFee",
    "x_Source": "cur",
    "CommitmentDiscountId": PLAN,
    "CommitmentDiscountType": "Savings Plan",
    "CommitmentDiscountStatus": "Unused",
    "ConsumedQuantity": None,
    "BilledCost": 4.8,
    "EffectiveCost": 1.2,
    "ListCost": 0.0,
}


def costs(*changes: dict[str, Any]) -> pl.LazyFrame:
    return pl.DataFrame([LINE | change for change in changes], schema=COSTS.columns).lazy()


def told(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return focus_export(costs(*changes)).collect().to_dicts()


def test_the_columns_are_focus_12s_and_then_ours() -> None:
    names = focus_export(costs({})).collect_schema().names()
    assert names[: len(COLUMNS)] == sorted(COLUMNS)
    assert len(COLUMNS) == 57
    assert all(name.startswith("x_") for name in names[len(COLUMNS) :])


def test_a_stated_value_is_never_changed_and_not_named_as_derived() -> None:
    stated = {"ListCost": 9.0, "ContractedCost": 7.5, "PricingUnit": "GiB/Second-Months", "x_Source": "focus"}
    (row,) = told(stated | {"PricingQuantity": 3.0, "InvoiceIssuerName": "Amazon Web Services, Inc."})
    assert {name: row[name] for name in stated} == stated
    assert not {"ListCost", "ContractedCost", "PricingUnit", "InvoiceIssuerName"} & set(
        row["x_DerivedColumns"].split(",")
    )


def test_what_the_bill_does_not_state_is_derived_and_named() -> None:
    (row,) = told({})
    assert (row["ListCost"], row["ContractedCost"], row["ListUnitPrice"]) == (6.0, 6.0, 0.25)
    assert (row["PricingQuantity"], row["PricingUnit"], row["ConsumedUnit"]) == (24.0, "Hours", "Hours")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
    )
    assert {"ListCost", "ContractedCost", "PricingQuantity", "BillingPeriodEnd"} <= set(
        row["x_DerivedColumns"].split(",")
    )
    assert derived_counts(costs({}, {"ListCost": 8.0}))["ListCost"] == 1


def test_a_usage_type_that_the_bill_has_as_its_meter_only_is_named_as_derived() -> None:
    meter = {"x_Source": "focus", "SkuMeter": "USE1-Host:ml.m5.xlarge", "SkuId": "S"}
    (metered,) = told(meter)
    assert metered["SkuMeter"] == metered["x_UsageType"] == "USE1-Host:ml.m5.xlarge"
    assert "x_UsageType" in metered["x_DerivedColumns"].split(",")
    for stated in (meter | {"SkuMeter": None}, meter | {"SkuMeter": "Compute"}, {"x_Source": "cur"}):
        (row,) = told(stated)
        assert row["x_UsageType"] == "USE1-Host:ml.m5.xlarge"
        assert "x_UsageType" not in row["x_DerivedColumns"].split(",")


def test_what_nobody_says_stays_null() -> None:
    (row,) = told({})
    assert [row[name] for name in ("SkuPriceId", "InvoiceId", "AvailabilityZone", "ChargeClass")] == [None] * 4


def test_usage_that_a_commitment_pays_is_not_agreed_at_nothing() -> None:
    used = {"CommitmentDiscountStatus": "Used", "CommitmentDiscountId": PLAN, "BilledCost": 0.0, "ListCost": 9.0}
    (row,) = told(used)
    assert (row["BilledCost"], row["ContractedCost"], row["PricingCategory"]) == (0.0, 9.0, "Committed")


def test_a_tax_has_no_price_and_no_quantity() -> None:
    (row,) = told({"ChargeCategory": "Tax", "x_Source": "cur", "PricingQuantity": 1.0, "PricingUnit": "Hrs"})
    names = ("PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice", "PricingCategory")
    assert [row[name] for name in names] == [None] * 5


def test_the_unused_part_of_a_commitment_is_a_row_of_its_own_and_the_sums_stay() -> None:
    bought, unused = told(UNUSED_FEE)
    assert (bought["ChargeCategory"], bought["BilledCost"], bought["EffectiveCost"]) == ("Purchase", 4.8, 0.0)
    assert (unused["ChargeCategory"], unused["BilledCost"], unused["EffectiveCost"]) == ("Usage", 0.0, 1.2)
    assert (bought["CommitmentDiscountStatus"], unused["CommitmentDiscountStatus"]) == (None, "Unused")
    assert bought["ResourceId"] == unused["ResourceId"] == PLAN
    assert unused["ConsumedQuantity"] is None


def test_a_fee_that_was_used_up_stays_one_row() -> None:
    (row,) = told(UNUSED_FEE | {"EffectiveCost": 0.0})
    assert (row["ChargeCategory"], row["BilledCost"]) == ("Purchase", 4.8)


def test_every_service_has_a_category_and_a_subcategory_of_the_closed_lists() -> None:
    assert {category for category, _ in SERVICES} | {"Other"} == set(CATEGORIES) - {"Multicloud"}
    names = ["Amazon SageMaker", "AmazonS3", "AWS Lambda", "EC2 - Other", "Somebody's product"]
    frame = pl.DataFrame({"name": names})
    category = service_category(pl.col("name"))
    rows = frame.select(category.alias("c"), service_subcategory(pl.col("name"), category).alias("s")).rows()
    assert rows == [
        ("AI and Machine Learning", "Machine Learning"),
        ("Storage", "Object Storage"),
        ("Compute", "Serverless Compute"),
        ("Compute", "Virtual Machines"),
        ("Other", "Other (Other)"),
    ]


def test_a_category_of_the_bill_that_is_not_the_services_own_keeps_a_subcategory_of_its_own() -> None:
    (row,) = told({"x_Source": "focus", "ServiceName": "Amazon EC2", "ServiceCategory": "Storage"})
    assert (row["ServiceCategory"], row["ServiceSubcategory"]) == ("Storage", "Other (Storage)")


def test_a_product_family_with_the_name_of_a_category_is_none() -> None:
    (row,) = told({"x_Source": "cur", "ServiceName": "AmazonEC2", "ServiceCategory": "Storage"})
    assert row["ServiceCategory"] == "Compute"


def test_units_are_written_as_focus_writes_them() -> None:
    wrote = {"Hrs": "Hours", "GB-Mo": "GB-Months", "GB-Hours": "GB-Hours", "Lambda-GB-Second": "Lambda GB-Seconds"}
    wrote |= {"10000 Requests": "10000 Requests", "Requests": "Requests", "": None}
    frame = pl.DataFrame({"unit": list(wrote)})
    assert frame.select(focus_unit(pl.col("unit")))["unit"].to_list() == list(wrote.values())
    types = {
        "USE1-Notebk:ml.t3.medium": "Hours",
        "USW2-Host:VolumeUsage.gp2": "GB-Months",
        "Requests-Tier1": "Requests",
        "Host:Data-Bytes-Out": "GB",
        "Unheard": None,
    }
    frame = pl.DataFrame({"type": list(types)})
    assert frame.select(unit_of_usage_type(pl.col("type")).alias("unit"))["unit"].to_list() == list(types.values())


def test_the_focus_sample_goes_in_and_out_unchanged_in_its_own_columns(
    shared_data: Path, lake: Lake, sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    sample, place = shared_data / "billing/focus_sample/focus_sample.csv", tmp_path / "out.csv"
    ingest_file(sample, lake, sqlite_ledger, NOW)
    kept = COSTS.columns
    assert write_costs(lake.scan(COSTS), "focus-csv", place) == 1000
    with sample.open(newline="") as before, place.open(newline="") as after:
        came, went = list(csv.DictReader(before)), list(csv.DictReader(after))
    columns = [name for name in came[0] if name in kept]
    assert set(came[0]) - set(columns) == {"Id"}  # the sample's own, which FOCUS does not know
    filled = dict.fromkeys(columns, 0)
    for row in went:
        for name in set((row["x_DerivedColumns"] or "").split(",")) & set(columns):
            filled[name] += 1
            row[name] = "NULL"
    nulls_filled = {name: count for name, count in filled.items() if count}
    assert nulls_filled == {
        "ContractedCost": 7,
        "ContractedUnitPrice": 4,
        "PricingCategory": 5,
        "RegionName": 2,
        "ResourceType": 479,
    }
    assert sorted(in_words(row, columns) for row in went) == sorted(in_words(row, columns) for row in came)


def in_words(row: dict[str, str], columns: list[str]) -> tuple[str, ...]:
    """The row with numbers by their value and times by their moment."""
    return tuple(_word(name, row[name]) for name in columns)


def _word(name: str, text: str) -> str:
    if text in ("", "NULL"):
        return ""
    kind = COSTS.columns[name]
    if kind == pl.Float64():
        return f"{Decimal(text).normalize() + 0:f}"
    return text.replace("T", " ").removesuffix("Z") if isinstance(kind, pl.Datetime) else text


def test_focus_text_is_exact_and_the_csv_for_people_is_guarded(tmp_path: Path) -> None:
    rows = costs({"ChargeDescription": "=1+1", "BilledCost": 2e-7}, {"BilledCost": -0.0}, {"BilledCost": 1e22})
    write_costs(rows, "focus-csv", tmp_path / "focus.csv")
    write_costs(rows, "csv", tmp_path / "people.csv")
    with (tmp_path / "focus.csv").open(newline="") as text:
        first, second, third = list(csv.DictReader(text))
    assert first["ChargeDescription"] == "=1+1"
    assert [row["BilledCost"] for row in (first, second, third)] == ["2E-7", "0.0", "1E22"]
    assert first["ChargePeriodStart"] == "2026-10-03T00:00:00Z"
    assert (tmp_path / "people.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "people.csv").open(newline="", encoding="utf-8-sig") as text:
        assert next(csv.DictReader(text))["ChargeDescription"] == "'=1+1"


def test_parquet_has_types(tmp_path: Path) -> None:
    write_costs(costs({}), "focus-parquet", tmp_path / "focus.parquet")
    schema = pl.read_parquet_schema(tmp_path / "focus.parquet")
    assert {name: schema[name] for name in COLUMNS} == COLUMNS


def test_a_place_that_cannot_be_written_is_bad_input_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder"):
        write_costs(costs({}), "csv", tmp_path / "nowhere" / "out.csv")
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(BadInput, match="cannot be written"):
        write_costs(costs({}), "csv", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
