"""Months of billing exports: found by manifest, read only when changed, replaced at once, and never half."""

from __future__ import annotations

import shutil
import tarfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.collector import bill_exports
from sagekeeper.collector.bill_exports import ingest_export
from sagekeeper.collector.bill_places import Folder
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.tables import COSTS

from .bills import deliver

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def billed(lake: Lake, period: date) -> list[float]:
    start = pl.lit(datetime(period.year, period.month, 1, tzinfo=UTC)).dt.cast_time_unit("us")
    found = lake.scan(COSTS).filter(pl.col("BillingPeriodStart") == start).collect()
    return sorted(found["BilledCost"].to_list())


def test_the_months_of_a_report_are_one_bill(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    deliver(tmp_path, MARCH, {"lineItem/UnblendedCost": "1.5"}, {"lineItem/UnblendedCost": "2.5"}, files=2)
    deliver(tmp_path, APRIL, {"lineItem/UnblendedCost": "4"})
    outcomes = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert [(item.dataset, item.period, item.problem) for item in outcomes] == [
        ("export:bills", MARCH, None),
        ("export:bills", APRIL, None),
    ]
    assert outcomes[0].report is not None
    assert outcomes[0].report.totals["Usage"]["BilledCost"] == Decimal("4.0")
    assert (billed(lake, MARCH), billed(lake, APRIL)) == ([1.5, 2.5], [4.0])


def test_only_a_month_whose_files_changed_is_read(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(tmp_path, MARCH, {"lineItem/UnblendedCost": "1.5"})
    deliver(tmp_path, APRIL, {"lineItem/UnblendedCost": "4"})
    ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    deliver(tmp_path, MARCH, {"lineItem/UnblendedCost": "1.5"}, assembly="two")  # AWS delivers the same again
    deliver(tmp_path, APRIL, {"lineItem/UnblendedCost": "4"}, {"lineItem/UnblendedCost": "5"}, assembly="two")
    opened = []
    real = bill_exports.open_bill
    monkeypatch.setattr(bill_exports, "open_bill", lambda path, folder: (opened.append(path), real(path, folder))[1])
    outcomes = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert [item.report.changed for item in outcomes if item.report] == [False, True]
    assert [path.parent.parent.name for path in opened] == ["20260401-20260501"]
    assert (billed(lake, MARCH), billed(lake, APRIL)) == ([1.5], [4.0, 5.0])


def test_a_wrong_month_stays_as_it_was_and_stops_no_other(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    deliver(tmp_path, MARCH, {"lineItem/UnblendedCost": "1.5"})
    ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    deliver(tmp_path, MARCH, {"lineItem/UnblendedCost": "a lot"}, assembly="two")
    deliver(tmp_path, APRIL, {"lineItem/UnblendedCost": "4"})
    first, second = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert first.problem is not None
    assert "bills-1.csv.gz, row 1: lineItem/UnblendedCost is 'a lot'" in first.problem
    assert second.problem is None
    assert (billed(lake, MARCH), billed(lake, APRIL)) == ([1.5], [4.0])


def test_a_manifest_that_is_none_is_named_and_stops_no_month(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    deliver(tmp_path, MARCH, {"lineItem/UnblendedCost": "1.5"})
    (tmp_path / "bills/half-Manifest.json").write_text('{"reportName": "bil')
    wrong, march = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert (wrong.title, wrong.report, march.title) == ("bills/half-Manifest.json", None, "export:bills 2026-03")
    assert wrong.problem is not None
    assert "bills/half-Manifest.json is no manifest" in wrong.problem
    assert billed(lake, MARCH) == [1.5]


def test_rows_of_another_month_stay_with_their_manifest(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    deliver(tmp_path, MARCH, {"bill/BillingPeriodStartDate": "2026-02-01T00:00:00Z", "lineItem/UnblendedCost": "3"})
    (outcome,) = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert outcome.report is not None
    assert "1 rows name another billing month than their manifest: they are kept in its month." in outcome.report.notes
    assert billed(lake, MARCH) == [3.0]


def test_columns_that_come_and_go_are_told(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    deliver(tmp_path, MARCH, {"resourceTags/user:stage": "dev"})
    deliver(tmp_path, APRIL, {"lineItem/NetUnblendedCost": "0.2"})
    _, april = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert april.report is not None
    assert "New since 2026-03: the columns lineItem/NetUnblendedCost." in april.report.notes
    assert "No longer there since 2026-03: the columns resourceTags/user:stage." in april.report.notes


def test_a_manifest_without_its_file_is_named(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    deliver(tmp_path, MARCH, {})
    shutil.rmtree(tmp_path / "bills/20260301-20260401/one")
    (outcome,) = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert outcome.problem is not None
    assert "bills-1.csv.gz is not below" in outcome.problem


def test_a_folder_without_a_manifest_is_no_export(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="There is no manifest"):
        ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)


def test_two_reports_of_one_name_are_not_mixed(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    deliver(tmp_path / "a", MARCH, {"lineItem/UnblendedCost": "1"})
    deliver(tmp_path / "b", MARCH, {"lineItem/UnblendedCost": "2"})
    other = tmp_path / "b/bills/20260301-20260401/bills-Manifest.json"
    other.write_text(other.read_text().replace('"abc"', '"xyz"'))
    ingest_export(Folder(tmp_path / "a"), lake, sqlite_ledger, NOW)
    (outcome,) = ingest_export(Folder(tmp_path / "b"), lake, sqlite_ledger, NOW)
    assert outcome.problem is not None
    assert "another export of the same name" in outcome.problem
    (named,) = ingest_export(Folder(tmp_path / "b"), lake, sqlite_ledger, NOW, dataset="second")
    assert (named.dataset, named.problem) == ("export:second", None)


def test_a_real_report_is_read_by_its_manifest(
    shared_data: Path, tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    with tarfile.open(shared_data / "billing/koku_cur/test_local_bucket.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (outcome,) = ingest_export(Folder(tmp_path), lake, sqlite_ledger, NOW)
    assert (outcome.dataset, outcome.period, outcome.problem) == ("export:koku-local", date(2018, 8, 1), None)
    assert outcome.report is not None
    assert outcome.report.rows == lake.scan(COSTS).collect().height > 0
