"""A bill file, whatever it is written in: its columns, and its rows in batches whose values are exactly what the file
says, as text.

In: nothing by itself; `bill_text.py` (csv) and `bill_parquet.py` read files as one. What is wrong with a row is said
here, naming file, row and column.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import IO

import polars as pl

from sagekeeper.core.errors import BadInput

ROW = "row"
BATCH_ROWS = 100_000
UNCHANGED = "Nothing was changed."
TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
    r"(?:Z| ?UTC| ?[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
"""A time as bills write it: a day, with or without hours, seconds, fractions, and where its clock stands."""


@dataclass(frozen=True)
class Check:
    """What is wrong with a row: where ``bad`` is true, what stands in ``column`` is refused because of ``why``."""

    bad: pl.Expr
    column: str
    why: str


@dataclass(frozen=True)
class BillFile(ABC):
    """A readable bill: ``columns`` as written, without ``absent``: last columns for which no row has a value.
    ``ended``: it cannot have been cut off within its last value, which would be another, shorter number."""

    path: Path
    columns: list[str]
    absent: list[str]
    sha256: str
    ended: bool

    @abstractmethod
    def batches(self, names: Sequence[str], nulls: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The named columns of all rows in the file's order as text, with `ROW` counting from 1; a text of ``nulls`` is null."""

    def refuse_cut(self) -> None:
        """Raise BadInput where the last value may have been cut off: half an amount is an amount, too."""
        if not self.ended:
            raise BadInput(
                f"{self.path.name}: its last line does not end, as where a file was cut off. Fetch it again, or, if you know "
                f"that it is whole, add the line end. {UNCHANGED}"
            )

    def refuse(self, frame: pl.DataFrame, *checks: Check) -> None:
        """Raise BadInput for the first check that a row fails, naming the first such row and what stands there."""
        failed = frame.select(check.bad.any().alias(f"{number}") for number, check in enumerate(checks)).row(0)
        for check, bad in zip(checks, failed, strict=True):
            if bad:
                row, value = frame.filter(check.bad).select(ROW, check.column).row(0)
                said = "is empty" if value is None else f"is {str(value)[:60]!r}"
                raise BadInput(f"{self.path.name}, row {row}: {check.column} {said}, {check.why}. {UNCHANGED}")


def utc_times(rows: pl.DataFrame, name: str) -> pl.Expr:
    """The texts as times in UTC; null where one is none. A bill has few times in many rows: each is read once."""
    texts = rows[name].drop_nulls().unique()
    moments = pl.DataFrame({"text": texts}).select(_utc_time(pl.col("text")).alias("moment"))["moment"]
    return pl.col(name).replace_strict(texts, moments, default=None, return_dtype=moments.dtype)


def _utc_time(given: pl.Expr) -> pl.Expr:
    """Bills write UTC, with or without saying so, or their offset."""
    text = given.str.strip_chars()
    moment = pl.concat_str(
        [
            text.str.slice(0, 10),
            pl.lit(" "),
            text.str.extract(r"^.{10}[T ]([0-9]{2}:[0-9]{2})").fill_null("00:00"),
            pl.lit(":"),
            text.str.extract(r"^.{10}[T ][0-9]{2}:[0-9]{2}:([0-9]{2})").fill_null("00"),
        ]
    ).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    offset = text.str.extract(r"^.{10}[T ][0-9:.]+ ?([+-][0-9]{2}(?::?[0-9]{2})?)$").str.replace(":", "", literal=True)
    minutes = offset.str.slice(1, 2).cast(pl.Int32) * 60 + offset.str.slice(3, 2).str.zfill(2).cast(pl.Int32)
    east = pl.when(offset.str.starts_with("-")).then(-minutes).otherwise(minutes).fill_null(0)
    utc = moment.dt.replace_time_zone("UTC") - pl.duration(minutes=east)
    return pl.when(text.str.contains(TIME)).then(utc)


def digest_of(stream: IO[bytes] | GzipFile) -> str:
    """Its sha256, read to the end."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
