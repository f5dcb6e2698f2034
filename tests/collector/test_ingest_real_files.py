"""The totals of real bills agree with the files to the last digit, summed here with Python's csv and Decimal only."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Context, Decimal
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.collector.ingest import IngestReport, ingest_file
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import IngestedFileRow
from sagekeeper.core.tables import COSTS

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
WIDE = Context(prec=100)


def sums_of(path: Path, category: str, amount: str) -> dict[str, Decimal]:
    """Category of the file -> sum of a column, by nothing but the standard library."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
        for row in csv.DictReader(text):
            if row[amount] not in ("", "NULL"):
                found[row[category]] = WIDE.add(found[row[category]], Decimal(row[amount]))
    return dict(found)


def totals(report: IngestReport, column: str) -> dict[str, Decimal]:
    return {category: sums[column] for category, sums in report.totals.items() if column in sums}


@pytest.mark.parametrize("column", ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"])
def test_focus_sample_agrees_to_the_last_digit(
    column: str, shared_data: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    path = shared_data / "billing/focus_sample/focus_sample.csv"
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert totals(report, column) == sums_of(path, "ChargeCategory", column)


def test_focus_sample_keeps_every_provider_and_says_so(shared_data: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    report = ingest_file(shared_data / "billing/focus_sample/focus_sample.csv", lake, sqlite_ledger, NOW)
    rows = lake.scan(COSTS).collect()
    assert dict(rows["ProviderName"].value_counts().iter_rows()) == {"AWS": 942, "Microsoft": 51, "Oracle": 7}
    assert rows["ContractedCost"].null_count() == 7
    assert "NULL" not in rows["ResourceId"].to_list()
    assert report.notes == [
        "51 rows of Microsoft are kept beside those of AWS.",
        "7 rows of Oracle are kept beside those of AWS.",
        "Columns that are not kept: Id.",
        "ContractedCost is unknown in 7 of 1000 rows; its totals are those of the others.",
    ]
    assert rows["BilledCost"].sum() == pytest.approx(float(sum(totals(report, "BilledCost").values())), abs=1e-9)
    assert sum(totals(report, "BilledCost").values()) == Decimal("20.52022672899")


def test_legacy_cur_agrees_to_the_last_digit(shared_data: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = shared_data / "billing/aws_cur_anonymised/cur.csv"
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    by_type = sums_of(path, "lineItem/LineItemType", "lineItem/UnblendedCost")
    assert totals(report, "BilledCost") == totals(report, "EffectiveCost") == by_type
    assert totals(report, "ListCost") == sums_of(path, "lineItem/LineItemType", "pricing/publicOnDemandCost")
    assert (report.rows, report.currency, str(report.first_day), str(report.last_day)) == (
        1281,
        "USD",
        "2023-11-01",
        "2023-11-14",
    )
    with sqlite_ledger.reading() as session:
        kept = session.get_one(IngestedFileRow, "file:cur.csv")
        assert kept.totals["Tax"] == {
            "rows": 12,
            "BilledCost": "0.08",
            "EffectiveCost": "0.08",
            "ListCost": "0.0",
            "ContractedCost": "0.08",
        }


@pytest.mark.parametrize(
    ("name", "rows", "currency", "billed", "effective"),
    [
        ("2022-07-01-alt-columns.csv", 2, "USD", "0", "0"),
        ("2023-06-01.csv", 3, "NOK", "30", "0.3"),
        ("2023-06-01-not-final.csv", 3, "NOK", "30", "0.3"),
        ("test_cur.csv", 19, "USD", "0.0827499841274349353", "0.0827499841274349353"),
        ("test_cur.csv.gz", 19, "USD", "0.0827499841274349353", "0.0827499841274349353"),
    ],
)
def test_cur_files_of_other_column_sets_are_read(
    name: str,
    rows: int,
    currency: str,
    billed: str,
    effective: str,
    shared_data: Path,
    lake: Lake,
    sqlite_ledger: Ledger,
) -> None:
    path = shared_data / "billing/koku_cur" / name
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert (report.rows, report.currency) == (rows, currency)
    assert totals(report, "BilledCost") == {"Usage": Decimal(billed)}
    assert totals(report, "EffectiveCost") == {"Usage": Decimal(effective)}
    if "alt" not in name:
        assert sum(sums_of(path, "lineItem/LineItemType", "lineItem/UnblendedCost").values()) == Decimal(billed)


def test_an_open_bill_is_estimated_and_an_invoiced_one_is_not(
    shared_data: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    for name in ("2023-06-01.csv", "2023-06-01-not-final.csv"):
        ingest_file(shared_data / "billing/koku_cur" / name, lake, sqlite_ledger, NOW)
    found = lake.scan(COSTS).group_by("x_Dataset").agg(pl.col("x_Estimated").all()).collect()
    assert dict(found.iter_rows()) == {"file:2023-06-01.csv": False, "file:2023-06-01-not-final.csv": True}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("koku_cur/empty_frame.csv", "has a header of AWS Cost and Usage Report but no rows"),
        ("sagemaker_bill/lines.csv", "are not those of a FOCUS export"),
        ("koku_cur/test_local_bucket.tar.gz", "is not a csv file"),
        ("cost_explorer/cloudtoolbox_ResultsByTime.json", "are not those of a FOCUS export"),
    ],
)
def test_a_real_file_that_is_no_bill_is_refused(
    name: str, why: str, shared_data: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    with pytest.raises(BadInput, match=why):
        ingest_file(shared_data / "billing" / name, lake, sqlite_ledger, NOW)
    assert lake.version(COSTS) is None
