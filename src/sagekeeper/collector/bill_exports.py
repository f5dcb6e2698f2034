"""Months of AWS's billing exports into the lake: legacy reports, CUR 2.0 and FOCUS, from a folder or from S3 by manifest.

In: a place. Out: each month's rows in `costs` as the dataset ``export:<name>``, and a row in the ledger with its exact
totals. A month whose files are those of before is not read. A changed one is checked whole, then replaces itself in one
commit: after a crash the lake has the month as it was or as it is. What is wrong with one month stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from sagekeeper.collector.bill_file import UNCHANGED, BillFile
from sagekeeper.collector.bill_format import BillFormat
from sagekeeper.collector.bill_manifests import Month
from sagekeeper.collector.bill_places import Place, content_mark, months_at
from sagekeeper.collector.checked_bill import CheckedBill, IngestReport, format_of, kept
from sagekeeper.collector.ingest import open_bill, stated_totals
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import BillMonthRow
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.tables import COSTS


@dataclass(frozen=True)
class MonthOutcome:
    """What became of one month: its report, or why it was left as it was. ``period`` is None where a manifest told no month."""

    dataset: str
    period: date | None
    report: IngestReport | None
    problem: str | None

    @property
    def title(self) -> str:
        """Which month of what, for people."""
        return self.dataset if self.period is None else f"{self.dataset} {self.period:%Y-%m}"


def ingest_export(
    place: Place,
    lake: Lake,
    ledger: Ledger,
    now: datetime,
    dataset: str | None = None,
    progress: Callable[[str, float], None] = lambda _what, _share: None,
) -> list[MonthOutcome]:
    """Bring every month below ``place`` up to date. Raises BadInput when nothing there is an export."""
    months, wrong = months_at(place)
    outcomes = [MonthOutcome(manifest, None, None, why) for manifest, why in wrong.items()]
    for number, month in enumerate(months):
        name = f"export:{(dataset or month.export).removeprefix('export:')}"
        progress(f"{month.export} {month.period:%Y-%m}", number / len(months))
        try:
            outcomes.append(MonthOutcome(name, month.period, _ingest(month, name, place, lake, ledger, now), None))
        except BadInput as error:
            outcomes.append(MonthOutcome(name, month.period, None, str(error)))
    return outcomes


def _ingest(month: Month, dataset: str, place: Place, lake: Lake, ledger: Ledger, now: datetime) -> IngestReport:
    mark = content_mark(place, month)
    with ledger.reading() as session:
        before = session.get(BillMonthRow, (dataset, month.period))
        earlier = (
            session.query(BillMonthRow)
            .filter(BillMonthRow.dataset == dataset, BillMonthRow.period <= month.period)
            .order_by(BillMonthRow.period.desc())
            .first()
        )
    if earlier is not None and earlier.identity not in (month.identity, month.report):
        raise BadInput(
            f"{dataset} is another export of the same name ({earlier.identity}). Give this one a name of its own "
            f"with --dataset. {UNCHANGED}"
        )
    scope = Scope({"x_Dataset": dataset, "BillingPeriodStart": _start(month.period)})
    if before is not None and before.mark == mark and _rows(lake, scope) == before.rows:
        return _as_before(before)
    with TemporaryDirectory(prefix="sagekeeper-export-") as folder:
        files = [open_bill(place.brought(key, Path(folder)), Path(folder)) for key in month.files]
        checked = CheckedBill(files, _one_format(files), whole=place.whole)
        parts = [
            kept(_of_month(checked, frame, month), Path(folder) / f"{number}.part", dataset, checked.format.source, now)
            for number, (_, frame) in enumerate(checked.frames())
        ]
        report = checked.report(dataset, f"{month.export} {month.period:%Y-%m}")
        report.notes.extend(_moved_columns(earlier, files))
        lake.replace_streamed(COSTS, (pl.read_parquet(part) for part in parts), scope)
    _remember(month, mark, report, checked, ledger, now)
    return report


def _start(period: date) -> datetime:
    return datetime(period.year, period.month, period.day, tzinfo=UTC)


def _rows(lake: Lake, scope: Scope) -> int:
    return int(lake.scan(COSTS).filter(scope.expression()).select(pl.len()).collect().item())


def _one_format(files: Sequence[BillFile]) -> BillFormat:
    formats = [format_of(bill) for bill in files]
    first = formats[0]
    for bill, found in zip(files, formats, strict=True):
        if found is not first:
            raise BadInput(
                f"{bill.path.name} is {found.article} {found.title}, the month's first file {first.article} {first.title}. "
                f"{UNCHANGED}"
            )
    return first


def _of_month(checked: CheckedBill, frame: pl.DataFrame, month: Month) -> pl.DataFrame:
    """The batch with the manifest's month as its billing period, because that is what the next delivery replaces."""
    start = pl.lit(_start(month.period), COSTS.columns["BillingPeriodStart"])
    strange = int(frame.select((pl.col("BillingPeriodStart") != start).sum()).item() or 0)
    checked.remarks.update(
        {"{n} rows name another billing month than their manifest: they are kept in its month.": strange}
    )
    return frame.with_columns(start.alias("BillingPeriodStart"))


def _moved_columns(earlier: BillMonthRow | None, files: Sequence[BillFile]) -> list[str]:
    """Columns that came or went since the month before: AWS does both, with discounts and with tags."""
    if earlier is None:
        return []
    now, before = _columns(files), set(earlier.columns)
    said = [("New", sorted(set(now) - before)), ("No longer there", sorted(before - set(now)))]
    return [f"{what} since {earlier.period:%Y-%m}: the columns {', '.join(names)}." for what, names in said if names]


def _columns(files: Sequence[BillFile]) -> list[str]:
    return list(dict.fromkeys(name for bill in files for name in bill.columns))


def _as_before(row: BillMonthRow) -> IngestReport:
    return IngestReport(
        dataset=row.dataset,
        file_name=f"{row.export} {row.period:%Y-%m}",
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
    month: Month, mark: str, report: IngestReport, checked: CheckedBill, ledger: Ledger, now: datetime
) -> None:
    with ledger.session() as session:
        session.merge(
            BillMonthRow(
                dataset=report.dataset,
                period=month.period,
                export=month.export,
                identity=month.identity,
                delivery=month.delivery,
                mark=mark,
                format=report.format,
                rows=report.rows,
                currency=report.currency,
                first_day=report.first_day,
                last_day=report.last_day,
                columns=_columns(checked.files),
                totals=stated_totals(report, checked),
                notes=report.notes,
                read_at=now,
            )
        )
        audit(
            session,
            now,
            "collector",
            "month ingested",
            report.dataset,
            {"rows": report.rows, "period": str(month.period)},
        )
