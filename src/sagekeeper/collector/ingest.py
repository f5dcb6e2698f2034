"""A bill from a file into the lake, with totals that agree with the file to its last digit.

In: a FOCUS export or an AWS CUR, as csv (plain, gzip or zip) or parquet. Out: its rows in the lake's `costs` as the dataset
``file:<name>``, and a row in the ledger with the exact totals by charge category. The whole file is checked before the
first write, so wrong input raises BadInput and leaves lake and ledger as they were. The same file again changes
nothing; a changed file of the same name replaces its dataset in one commit. Memory is bounded by a batch of rows.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from sagekeeper.collector.bill_archive import unpacked
from sagekeeper.collector.bill_file import BillFile
from sagekeeper.collector.bill_format import BillFormat
from sagekeeper.collector.bill_parquet import MAGIC, open_parquet
from sagekeeper.collector.bill_text import open_text
from sagekeeper.collector.checked_bill import CheckedBill, IngestReport, format_of, kept
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import IngestedFileRow
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.tables import COSTS


def open_bill(path: Path, folder: Path) -> BillFile:
    """The file as a bill, csv or parquet as its first bytes say; what a zip holds is brought to ``folder``. Raises
    BadInput for what cannot be read."""
    inside = unpacked(path, folder)
    try:
        with inside.open("rb") as raw:
            begins = raw.read(len(MAGIC))
    except OSError:
        begins = b""  # which error it is, and what to do, the reader of text says
    return open_parquet(inside) if begins == MAGIC else open_text(inside, checked=inside != path)


def ingest_file(path: Path, lake: Lake, ledger: Ledger, now: datetime, dataset: str | None = None) -> IngestReport:
    """Read ``path`` into the lake as ``file:<dataset or the file's name>``. Raises BadInput for anything wrong with it."""
    name = f"file:{(dataset or path.name).removeprefix('file:')}"
    with TemporaryDirectory(prefix="sagekeeper-ingest-") as folder:
        bill = open_bill(path, Path(folder))
        bill_format = format_of(bill)
        known = _already_there(name, bill, bill_format, lake, ledger)
        if known is not None:
            return known
        checked = CheckedBill([bill], bill_format)
        parts = [
            kept(frame, Path(folder) / f"{number}.parquet", name, bill_format.source, now)
            for number, (_, frame) in enumerate(checked.frames())
        ]
        report = checked.report(name, path.name)
        lake.replace_streamed(COSTS, (pl.read_parquet(part) for part in parts), Scope({"x_Dataset": name}))
    _remember(report, stated_totals(report, checked), bill.sha256, ledger, now)
    return report


def stated_totals(report: IngestReport, checked: CheckedBill) -> dict[str, dict[str, int | str]]:
    """The exact totals as the ledger keeps them: decimals as text, and how many rows each category has."""
    return {
        category: {"rows": checked.rows[category]} | {column: str(amount) for column, amount in sums.items()}
        for category, sums in report.totals.items()
    }


def _already_there(
    dataset: str, bill: BillFile, bill_format: BillFormat, lake: Lake, ledger: Ledger
) -> IngestReport | None:
    """The report of before, when exactly this file is in the lake."""
    with ledger.reading() as session:
        row = session.get(IngestedFileRow, dataset)
    if row is None or row.sha256 != bill.sha256 or row.format != bill_format.name:
        return None
    in_lake = lake.scan(COSTS).filter(pl.col("x_Dataset") == dataset).select(pl.len()).collect().item()
    if in_lake != row.rows:
        return None
    return IngestReport(
        dataset=dataset,
        file_name=row.file_name,
        format=row.format,
        rows=row.rows,
        currency=row.currency,
        first_day=row.first_day,
        last_day=row.last_day,
        totals={
            category: {column: Decimal(amount) for column, amount in totals.items() if column != "rows"}
            for category, totals in row.totals.items()
        },
        notes=list(row.notes),
        changed=False,
    )


def _remember(
    report: IngestReport, totals: dict[str, dict[str, int | str]], sha256: str, ledger: Ledger, now: datetime
) -> None:
    with ledger.session() as session:
        session.merge(
            IngestedFileRow(
                dataset=report.dataset,
                file_name=report.file_name,
                sha256=sha256,
                format=report.format,
                rows=report.rows,
                currency=report.currency,
                first_day=report.first_day,
                last_day=report.last_day,
                totals=totals,
                notes=report.notes,
                ingested_at=now,
            )
        )
        audit(session, now, "collector", "file ingested", report.dataset, {"rows": report.rows})
