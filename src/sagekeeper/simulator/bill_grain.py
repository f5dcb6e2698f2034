"""The meter's lines at the grain of an export: by hour, day or month, with or without resources, one bill's accounts.

In: lines (`bill_lines.LINES`) and who asks. Out: lines of the same columns, fewer. Whatever is an amount is added up,
whatever is a name stays apart; a price that changed within the month therefore still gives two lines. Cost allocation
data without resource ids keeps the tags, as AWS's does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from sagekeeper.simulator.commitments import SavingsPlan

ADDED = ("quantity", "list_cost", "cost", "net_cost", "amortized", "net_amortized")
ADDED_IF_THERE = ("plan_cost", "plan_commitment", "plan_used")
TIMES = ("day", "start", "end")
INVOICED_AFTER = timedelta(days=3)
"""A month's invoice is issued on the third of the next one (aws-facts 4: bills close within the first days)."""
DIGITS = 10
"""Decimal places of an amount in AWS's reports (the real CUR in the shared data carries up to ten)."""


@dataclass(frozen=True)
class Books:
    """Whose bill it is, and as of when."""

    payer: str
    account: str
    names: dict[str, str]
    now: datetime
    plans: tuple[SavingsPlan, ...] = ()

    def seen(self, lines: pl.DataFrame) -> pl.DataFrame:
        """The payer sees every account's lines, a member its own."""
        return lines if self.account == self.payer else lines.filter(pl.col("account") == self.account)


def at_grain(lines: pl.DataFrame, grain: str, *, resources: bool) -> pl.DataFrame:
    """Lines added up to ``grain`` (HOURLY: as they are; DAILY, MONTHLY)."""
    if resources and (grain == "HOURLY" or (grain == "DAILY" and _of_days(lines))):
        return lines
    if not resources:
        lines = lines.with_columns(pl.lit(None, pl.String).alias("resource_id"))
    begins = {"DAILY": pl.col("start").dt.truncate("1d"), "MONTHLY": pl.col("start").dt.truncate("1mo")}.get(grain)
    if begins is not None:
        until = "1mo" if grain == "MONTHLY" else "1d"
        longer = pl.max_horizontal(pl.col("end"), begins.dt.offset_by(until))
        lines = lines.with_columns(begins.alias("start"), longer.alias("end"), begins.dt.date().alias("day"))
    apart = [name for name in lines.columns if name not in (*ADDED, *ADDED_IF_THERE, "line_id")]
    amounts = [pl.col(name).sum().round(DIGITS) for name in ADDED]
    maybe = [
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum().round(DIGITS)).alias(name)
        for name in ADDED_IF_THERE
    ]
    summed = lines.group_by(apart, maintain_order=True).agg(pl.col("line_id").min(), *amounts, *maybe)
    return summed.select(lines.columns)


def _of_days(lines: pl.DataFrame) -> bool:
    """Whether lines are over whole days (or months) already: then there is nothing to add up."""
    start, end = pl.col("start"), pl.col("end")
    whole = (start == start.dt.truncate("1d")) & (end - start >= pl.duration(days=1))
    return bool(lines.select(whole.all()).item())


def invoices(lines: pl.DataFrame, books: Books) -> pl.Expr:
    """The invoice of each line's month; null as long as the month is open."""
    issued = {period: invoice_id(books, period) for period in lines["period"].unique().to_list()}
    return pl.col("period").replace_strict(issued, default=None, return_dtype=pl.String)


def invoice_id(books: Books, period: date) -> str | None:
    """Ten digits, the same ones each time; None until the invoice is issued."""
    if books.now < midnight(following(period)) + INVOICED_AFTER:
        return None
    digest = hashlib.sha256(f"{books.payer}/{period:%Y-%m}".encode()).digest()
    return str(10**9 + int.from_bytes(digest[:6], "big") % (9 * 10**9))


def following(period: date) -> date:
    """The first of the next month."""
    return (period.replace(day=28) + timedelta(days=4)).replace(day=1)


def midnight(day: date) -> datetime:
    """Its first moment, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
