"""A bill from a file into the lake, with totals that agree with the file to its last digit.

In: a FOCUS csv or an AWS CUR csv, plain or gzip. Out: its rows in the lake's `costs` as the dataset ``file:<name>``,
and a row in the ledger with the exact totals by charge category. The whole file is checked before the first write, so
wrong input raises BadInput and leaves lake and ledger as they were. The same file again changes nothing; a changed
file of the same name replaces its dataset in one commit. Memory is bounded by a batch of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from sagekeeper.collector.bill_format import AMOUNTS, BillFormat
from sagekeeper.collector.bill_text import ROW, BillText, open_bill
from sagekeeper.collector.cur_csv import CUR_CSV
from sagekeeper.collector.exact import added, exact_sums
from sagekeeper.collector.focus_csv import FOCUS_CSV
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import IngestedFileRow
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.tables import COSTS

FORMATS: tuple[BillFormat, ...] = (FOCUS_CSV, CUR_CSV)


@dataclass(frozen=True)
class IngestReport:
    """What the file says. ``totals`` are exact; a cost that the file does not state for any row of a category is absent."""

    dataset: str
    file_name: str
    format: str
    rows: int
    currency: str
    first_day: date
    last_day: date
    totals: dict[str, dict[str, Decimal]]
    notes: list[str]
    changed: bool


def ingest_file(path: Path, lake: Lake, ledger: Ledger, now: datetime, dataset: str | None = None) -> IngestReport:
    """Read ``path`` into the lake as ``file:<dataset or the file's name>``. Raises BadInput for anything wrong with it."""
    bill = open_bill(path)
    bill_format = _format_of(bill)
    name = f"file:{(dataset or path.name).removeprefix('file:')}"
    known = _already_there(name, bill, bill_format, lake, ledger)
    if known is not None:
        return known
    with TemporaryDirectory(prefix="sagekeeper-ingest-") as folder:
        checked = _Checked(bill, bill_format)
        parts = [
            _kept(frame, Path(folder) / f"{number}.parquet", name, bill_format, now)
            for number, frame in enumerate(checked.frames())
        ]
        report = checked.report(name)
        lake.replace_streamed(COSTS, (pl.read_parquet(part) for part in parts), Scope({"x_Dataset": name}))
    _remember(report, checked, ledger, now)
    return report


def _format_of(bill: BillText) -> BillFormat:
    missing = {item: item.missing(bill.columns) for item in FORMATS}
    best = min(FORMATS, key=lambda item: len(missing[item]) / len(item.needed))
    if not missing[best]:
        return best
    if len(missing[best]) == len(best.needed):
        titles = " or ".join(item.title for item in FORMATS)
        raise BadInput(
            f"{bill.path.name}: its columns ({', '.join(bill.columns[:4])[:80]} ...) are not those of a {titles}. "
            "Nothing was changed."
        )
    raise BadInput(
        f"{bill.path.name} looks like a {best.title}, but has no column {', '.join(missing[best])}. "
        "Export it with all columns. Nothing was changed."
    )


def _already_there(
    dataset: str, bill: BillText, bill_format: BillFormat, lake: Lake, ledger: Ledger
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


@dataclass
class _Checked:
    """The file's rows as they pass the checks, and what they add up to so far."""

    bill: BillText
    format: BillFormat
    currency: str | None = None
    rows: Counter[str] = field(default_factory=Counter)
    totals: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    first_day: date = date.max
    last_day: date = date.min

    def frames(self) -> Iterator[pl.DataFrame]:
        """Every batch, checked and turned."""
        for batch in self.bill.batches(self.format.wanted(self.bill.columns), self.format.null_texts):
            turned = self.format.turn(self.bill, batch)
            self.remarks.update(turned.counts)
            if turned.frame.is_empty():
                continue
            self._one_currency(turned.frame)
            self._add(turned.frame)
            yield turned.frame

    def _one_currency(self, frame: pl.DataFrame) -> None:
        self.currency = self.currency or frame["BillingCurrency"][0]
        self.bill.refuse(
            frame,
            pl.col("BillingCurrency") != self.currency,
            "BillingCurrency",
            f"but the rows before are in {self.currency}. Amounts of two currencies do not add up: split the file",
        )

    def _add(self, frame: pl.DataFrame) -> None:
        self.rows.update(dict(frame["ChargeCategory"].value_counts().iter_rows()))
        for column, terms in AMOUNTS.items():
            self.unknown[column] += frame[terms[0]].null_count()
            for term in terms:
                for category, amount in exact_sums(frame, "ChargeCategory", term).items():
                    totals = self.totals.setdefault(category, {})
                    totals[column] = added(totals.get(column, Decimal(0)), amount)
        first, last = frame.select(pl.min("x_ChargeDate").alias("first"), pl.max("x_ChargeDate").alias("last")).row(0)
        self.first_day, self.last_day = min(self.first_day, first), max(self.last_day, last)

    def report(self, dataset: str) -> IngestReport:
        """All of it, once every frame has been read. Raises BadInput when there was nothing."""
        count = self.rows.total()
        if not count or self.currency is None:
            raise BadInput(
                f"{self.bill.path.name} has a header of {self.format.title} but no rows. Export a period that has costs. "
                "Nothing was changed."
            )
        notes = [remark.format(n=n) for remark, n in self.remarks.items() if n]
        if self.bill.absent:
            notes.append(f"The header names {', '.join(self.bill.absent)}, but no row has a value there.")
        notes += [
            f"{column} is not stated by this file: it stays unknown."
            if unknown == count
            else f"{column} is unknown in {unknown} of {count} rows; its totals are those of the others."
            for column, unknown in self.unknown.items()
            if unknown
        ]
        order = [column for column in AMOUNTS if any(column in totals for totals in self.totals.values())]
        totals = {
            category: {column: self.totals[category][column] for column in order if column in self.totals[category]}
            for category in sorted(self.rows)
        }
        return IngestReport(
            dataset=dataset,
            file_name=self.bill.path.name,
            format=self.format.name,
            rows=count,
            currency=self.currency,
            first_day=self.first_day,
            last_day=self.last_day,
            totals=totals,
            notes=notes,
            changed=True,
        )


def _kept(frame: pl.DataFrame, part: Path, dataset: str, bill_format: BillFormat, now: datetime) -> Path:
    """The batch as it goes to the lake, on disk until the whole file has passed."""
    amounts = [
        pl.when(pl.col(terms[0]).is_not_null())
        .then(pl.sum_horizontal(pl.col(term).str.strip_chars().cast(pl.Float64) for term in terms))
        .alias(column)
        for column, terms in AMOUNTS.items()
    ]
    frame.drop(ROW).with_columns(
        *amounts,
        pl.lit(bill_format.source).alias("x_Source"),
        pl.lit(dataset).alias("x_Dataset"),
        pl.lit(now).dt.cast_time_unit("us").alias("x_ObservedAt"),
    ).select(COSTS.columns.keys()).cast(dict(COSTS.columns)).write_parquet(part)  # type: ignore[arg-type]
    return part


def _remember(report: IngestReport, checked: _Checked, ledger: Ledger, now: datetime) -> None:
    totals = {
        category: {"rows": checked.rows[category]} | {column: str(amount) for column, amount in sums.items()}
        for category, sums in report.totals.items()
    }
    with ledger.session() as session:
        session.merge(
            IngestedFileRow(
                dataset=report.dataset,
                file_name=report.file_name,
                sha256=checked.bill.sha256,
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
