"""The rows of a bill as they pass the checks, whether it comes in one file or in many, and what they add up to, exactly.

In: bill files of one format. Out: frames of `costs` columns with the exact text of each amount, and an `IngestReport`
with totals by charge category that agree with the files to their last digit. Anything wrong raises BadInput naming
file, row and column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from sagekeeper.collector.bill_file import ROW, UNCHANGED, BillFile, Check
from sagekeeper.collector.bill_format import AMOUNTS, BillFormat
from sagekeeper.collector.cur_bill import CUR
from sagekeeper.collector.exact import added, exact_sums
from sagekeeper.collector.focus_bill import FOCUS
from sagekeeper.core.errors import BadInput
from sagekeeper.core.tables import COSTS

FORMATS: tuple[BillFormat, ...] = (FOCUS, CUR)


@dataclass(frozen=True)
class IngestReport:
    """What the bill says. ``totals`` are exact; a cost that the bill does not state for any row of a category is absent."""

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


@dataclass
class CheckedBill:
    """All rows of some files, which are one bill or one month of one. ``whole``: where they come from, their length is known."""

    files: Sequence[BillFile]
    format: BillFormat
    whole: bool = False
    currency: str | None = None
    rows: Counter[str] = field(default_factory=Counter)
    totals: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    first_day: date = date.max
    last_day: date = date.min

    def frames(self) -> Iterator[tuple[BillFile, pl.DataFrame]]:
        """Every batch of every file, checked and turned."""
        turn = self.format.turner(self.files)
        for bill in self.files:
            for batch in bill.batches(self.format.wanted(bill.columns), self.format.null_texts):
                turned = turn(bill, batch)
                self.remarks.update(turned.counts)
                if turned.frame.is_empty():
                    continue
                self._one_currency(bill, turned.frame)
                self._add(turned.frame)
                yield bill, turned.frame
            if not self.whole:
                bill.refuse_cut()  # last: what is wrong with a row says more

    def _one_currency(self, bill: BillFile, frame: pl.DataFrame) -> None:
        self.currency = self.currency or frame["BillingCurrency"][0]
        why = f"but the rows before are in {self.currency}. Amounts of two currencies do not add up: split the file"
        bill.refuse(frame, Check(pl.col("BillingCurrency") != self.currency, "BillingCurrency", why))

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

    def report(self, dataset: str, title: str) -> IngestReport:
        """All of it, once every frame has been read. Raises BadInput when there was nothing."""
        count = self.rows.total()
        if not count or self.currency is None:
            raise BadInput(
                f"{title} has a header of {self.format.title} but no rows. Export a period that has costs. {UNCHANGED}"
            )
        order = [column for column in AMOUNTS if any(column in totals for totals in self.totals.values())]
        return IngestReport(
            dataset=dataset,
            file_name=title,
            format=self.format.name,
            rows=count,
            currency=self.currency,
            first_day=self.first_day,
            last_day=self.last_day,
            totals={
                category: {column: self.totals[category][column] for column in order if column in self.totals[category]}
                for category in sorted(self.rows)
            },
            notes=self._notes(count),
            changed=True,
        )

    def _notes(self, count: int) -> list[str]:
        notes = [remark.replace("{n}", str(n)) for remark, n in self.remarks.items() if n]
        unread = [name for bill in self.files for name in self.format.unread(bill.columns)]
        if unread:
            notes.append(f"Columns that are not kept: {', '.join(dict.fromkeys(unread))}.")
        absent = list(dict.fromkeys(name for bill in self.files for name in bill.absent))
        if absent:
            notes.append(f"The header names {', '.join(absent)}, but no row has a value there.")
        return notes + [
            f"{column} is not stated by this file: it stays unknown."
            if unknown == count
            else f"{column} is unknown in {unknown} of {count} rows; its totals are those of the others."
            for column, unknown in self.unknown.items()
            if unknown
        ]


def format_of(bill: BillFile) -> BillFormat:
    """The format whose columns the file has. Raises BadInput naming the columns that the nearest one lacks."""
    missing = {item: item.missing(bill.columns) for item in FORMATS}
    best = min(FORMATS, key=lambda item: len(missing[item]) / len(item.needed))
    if not missing[best]:
        twice = [name for name in best.wanted(bill.columns) if bill.columns.count(name) > 1]
        if twice:
            raise BadInput(
                f"{bill.path.name} has the column {twice[0]} twice, and which one counts is not said. "
                f"Export it with each column once. {UNCHANGED}"
            )
        return best
    if len(missing[best]) == len(best.needed):
        titles = " or ".join(item.title for item in FORMATS)
        raise BadInput(
            f"{bill.path.name}: its columns ({', '.join(bill.columns[:4])[:80]} ...) are not those of a {titles}. {UNCHANGED}"
        )
    raise BadInput(
        f"{bill.path.name} looks like {best.article} {best.title}, but has no column {', '.join(missing[best])}. "
        f"Export it with all columns. {UNCHANGED}"
    )


def kept(frame: pl.DataFrame, part: Path, dataset: str, source: str, now: datetime) -> Path:
    """A checked batch as it goes to the lake, on disk until the whole bill has passed."""
    sums = {
        column: pl.sum_horizontal(pl.col(term).str.strip_chars().cast(pl.Float64) for term in terms)
        for column, terms in AMOUNTS.items()
    }
    amounts = [
        pl.when(pl.col(AMOUNTS[column][0]).is_null())
        .then(None)
        .when(amount != 0)
        .then(amount)
        .otherwise(0.0)  # no minus zero
        .alias(column)
        for column, amount in sums.items()
    ]
    silent = [pl.lit(None, kind).alias(name) for name, kind in COSTS.columns.items() if name not in frame.columns]
    frame.drop(ROW).with_columns(*silent).with_columns(
        *amounts,
        pl.lit(source).alias("x_Source"),
        pl.lit(dataset).alias("x_Dataset"),
        pl.lit(now).dt.cast_time_unit("us").alias("x_ObservedAt"),
    ).select(COSTS.columns.keys()).cast(dict(COSTS.columns)).write_parquet(part)  # type: ignore[arg-type]
    return part
