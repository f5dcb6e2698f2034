"""Which bills there are, and whether what is shown adds up to them.

In: the lake's `costs` (the bill's own rows) and `daily_costs` (what people look at), the ledger's ingested files with
the totals that each file states. Out: one `Bill` per dataset, and comparisons to the cent. Bills are never added
together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby

import polars as pl
from sqlalchemy import select

from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import BillMonthRow, IngestedFileRow
from sagekeeper.core.tables import COSTS, DAILY_COSTS
from sagekeeper.reports.views.spend import COST_EXPLORER

CENT = Decimal("0.01")
COST_COLUMNS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")


@dataclass(frozen=True)
class Bill:
    """One dataset that can be looked at."""

    dataset: str
    title: str
    currency: str
    first_day: date | None
    last_day: date | None
    file: IngestedFileRow | None = None
    months: tuple[BillMonthRow, ...] = ()

    @property
    def stated(self) -> tuple[IngestedFileRow | BillMonthRow, ...]:
        """What states totals of its own: the file, or the months of an export."""
        return self.months if self.file is None else (self.file,)


def bills(lake: Lake, ledger: Ledger) -> list[Bill]:
    """Cost Explorer first, then exports, then files, newest first."""
    spans = {
        row["dataset"]: row
        for row in lake.scan(DAILY_COSTS)
        .group_by("dataset")
        .agg(pl.col("day").min().alias("first"), pl.col("day").max().alias("last"), pl.col("currency").mode().first())
        .collect()
        .iter_rows(named=True)
    }
    with ledger.reading() as session:
        files = list(session.scalars(select(IngestedFileRow).order_by(IngestedFileRow.ingested_at.desc())))
        months = list(session.scalars(select(BillMonthRow).order_by(BillMonthRow.dataset, BillMonthRow.period)))
    found = []
    if COST_EXPLORER in spans:
        span = spans[COST_EXPLORER]
        found.append(Bill(COST_EXPLORER, "Cost Explorer", span["currency"], span["first"], span["last"]))
    for dataset, rows in groupby(months, key=lambda row: row.dataset):
        export = tuple(rows)
        first, last = min(row.first_day for row in export), max(row.last_day for row in export)
        found.append(Bill(dataset, f"Export {export[-1].export}", export[-1].currency, first, last, months=export))
    return found + [
        Bill(row.dataset, f"File {row.file_name}", row.currency, row.first_day, row.last_day, row) for row in files
    ]


def month_agreement(lake: Lake, dataset: str) -> pl.DataFrame:
    """[month, shown, bill, difference, effective, days, estimated]: what the pages and what the bill's rows sum to.

    For Cost Explorer the bill's rows of a month are its own answer, to the cent; amounts here are rounded to cents once.
    """
    shown = (
        lake.scan(DAILY_COSTS)
        .filter(pl.col("dataset") == dataset)
        .group_by(month=pl.col("day").dt.truncate("1mo"))
        .agg(
            shown=pl.col("billed_cost").sum(),
            effective=pl.col("effective_cost").sum().round(2),
            days=pl.col("day").n_unique(),
            estimated=pl.col("estimated").fill_null(value=False).any(),
        )
        .collect()
    )
    bill = (
        lake.scan(COSTS)
        .filter(pl.col("x_Dataset") == dataset)
        .group_by(month=pl.col("x_ChargeDate").dt.truncate("1mo"))
        .agg(bill=pl.col("BilledCost").sum())
        .collect(engine="streaming")
    )
    return (
        bill.join(shown, on="month", how="full", coalesce=True)
        # Subtracted before rounding: at half a cent two equal sums would round apart.
        .with_columns(pl.col("shown", "bill").round(2), difference=(pl.col("shown") - pl.col("bill")).round(2))
        .sort("month", descending=True)
        .select("month", "shown", "bill", "difference", "effective", "days", "estimated")
    )


@dataclass(frozen=True)
class FileTotal:
    """One charge category of a file, or of a month of an export: what it states to its last digit, and what the lake sums to."""

    period: date | None
    category: str
    rows: int
    column: str
    stated: Decimal
    in_lake: float | None

    @property
    def agrees(self) -> bool:
        """Whether both are the same cent."""
        return self.in_lake is not None and _cents(self.stated) == _cents(Decimal(repr(self.in_lake)))


def file_agreement(lake: Lake, bill: Bill) -> list[FileTotal]:
    """Each total that the files of the bill state beside the lake's sum of the same rows, the latest month first."""
    period = pl.col("BillingPeriodStart").dt.date() if bill.months else pl.lit(None, pl.Date)
    sums = (
        lake.scan(COSTS)
        .filter(pl.col("x_Dataset") == bill.dataset)
        .group_by(period=period, category=pl.col("ChargeCategory").fill_null(""))
        .agg(*(pl.col(column).sum() for column in COST_COLUMNS))
        .collect(engine="streaming")
    )
    in_lake = {(row["period"], row["category"]): row for row in sums.iter_rows(named=True)}
    return [
        FileTotal(
            period=month,
            category=category,
            rows=int(totals["rows"]),
            column=column,
            stated=Decimal(totals[column]),
            in_lake=in_lake.get((month, category), {}).get(column),
        )
        for stated in reversed(bill.stated)
        for month in [stated.period if isinstance(stated, BillMonthRow) else None]
        for category, totals in sorted(stated.totals.items())
        for column in COST_COLUMNS
        if totals.get(column) is not None
    ]


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)
