"""Small bills written as text, for tests: a FOCUS row and a CUR row with everything that must be there."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from sagekeeper.collector.checked_bill import CheckedBill, IngestReport, format_of
from sagekeeper.collector.ingest import open_bill
from sagekeeper.core.clock import next_month

FOCUS_ROW = {
    "BilledCost": "1.50",
    "EffectiveCost": "1.25",
    "ListCost": "2.00",
    "ContractedCost": "1.50",
    "BillingCurrency": "USD",
    "ChargeCategory": "Usage",
    "ChargePeriodStart": "2024-09-18 22:00:00",
    "ChargePeriodEnd": "2024-09-18 23:00:00",
    "ProviderName": "AWS",
    "ServiceName": "Amazon SageMaker",
    "ConsumedQuantity": "3.5",
    "Tags": '{"team": "risk"}',
}
CUR_ROW = {
    "bill/PayerAccountId": "123456789012",
    "bill/InvoiceId": "1",
    "lineItem/UsageAccountId": "210987654321",
    "lineItem/LineItemType": "Usage",
    "lineItem/UsageStartDate": "2023-11-04T23:00:00.000Z",
    "lineItem/UsageEndDate": "2023-11-05T00:00:00.000Z",
    "lineItem/ProductCode": "AmazonSageMaker",
    "lineItem/UsageType": "USE1-Host:ml.m5.xlarge",
    "lineItem/UsageAmount": "1.0",
    "lineItem/CurrencyCode": "USD",
    "lineItem/UnblendedCost": "0.23",
    "pricing/publicOnDemandCost": "0.23",
    "resourceTags/user:team": "",
}


def read(path: Path, *more: Path) -> tuple[IngestReport, pl.DataFrame]:
    """What a bill of one file or more says, without a lake: its report, and its checked rows with exact texts."""
    with TemporaryDirectory() as folder:
        files = [open_bill(item, Path(folder)) for item in (path, *more)]
        checked = CheckedBill(files, format_of(files[0]))
        frames = [frame for _, frame in checked.frames()]
    return checked.report("file:x", path.name), pl.concat(frames)


def csv_text(rows: list[dict[str, str]], columns: list[str] | None = None) -> str:
    """Rows under a header; a key that a row lacks is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(
        out, columns or list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def focus(path: Path, *changes: dict[str, str]) -> Path:
    """A FOCUS csv with one row per change."""
    path.write_text(csv_text([FOCUS_ROW | change for change in changes]))
    return path


def cur(path: Path, *changes: dict[str, str]) -> Path:
    """A CUR csv with one row per change."""
    path.write_text(csv_text([CUR_ROW | change for change in changes]))
    return path


def deliver(root: Path, period: date, *changes: dict[str, str], assembly: str = "one", files: int = 1) -> None:
    """A month of a legacy report as AWS lays it down: data first, its manifest after it."""
    folder = root / f"bills/{period:%Y%m%d}-{next_month(period):%Y%m%d}"
    (folder / assembly).mkdir(parents=True, exist_ok=True)
    start = f"{period:%Y-%m-%d}T00:00:00.000Z"
    rows = [
        CUR_ROW
        | {"bill/BillingPeriodStartDate": start, "lineItem/UsageStartDate": start, "lineItem/UsageEndDate": start}
        | change
        for change in changes
    ]
    keys = []
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for number in range(files):
        part = rows[number::files]
        key = f"bills/{folder.name}/{assembly}/bills-{number + 1}.csv.gz"
        (root / key).write_bytes(gzip.compress(csv_text(part, columns).encode(), mtime=0))
        keys.append(key)
    manifest = {
        "assemblyId": assembly,
        "reportName": "bills",
        "reportId": "abc",
        "billingPeriod": {"start": f"{period:%Y%m%d}T000000.000Z", "end": ""},
        "reportKeys": keys,
    }
    (folder / "bills-Manifest.json").write_text(json.dumps(manifest))
