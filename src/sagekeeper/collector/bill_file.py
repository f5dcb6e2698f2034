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


@dataclass(frozen=True)
class BillFile(ABC):
    """A readable bill: ``columns`` as written, without ``absent``: last columns for which no row has a value."""

    path: Path
    columns: list[str]
    absent: list[str]
    sha256: str

    @abstractmethod
    def batches(self, names: Sequence[str], nulls: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The named columns of all rows in the file's order as text, with `ROW` counting from 1; a text of ``nulls`` is null."""

    def refuse(self, frame: pl.DataFrame, bad: pl.Expr, column: str, why: str) -> None:
        """Raise BadInput naming the first row where ``bad`` is true, and what stands in ``column`` there."""
        found = frame.lazy().filter(bad).select(ROW, column).head(1).collect()
        if found.height:
            row, value = found.row(0)
            said = "is empty" if value is None else f"is {str(value)[:60]!r}"
            raise BadInput(f"{self.path.name}, row {row}: {column} {said}, {why}. {UNCHANGED}")


def utc_time(name: str) -> pl.Expr:
    """The text as a time; null where it is none. Bills write UTC, with or without saying so."""
    text = pl.col(name).str.strip_chars().str.replace("T", " ", literal=True)
    known = text.str.contains(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|\+00:00| UTC)?$"
    )
    minutes = text.str.extract(r" ([0-9]{2}:[0-9]{2})").fill_null("00:00")
    seconds = text.str.extract(r" [0-9]{2}:[0-9]{2}:([0-9]{2})").fill_null("00")
    whole = pl.concat_str([text.str.slice(0, 10), pl.lit(" "), minutes, pl.lit(":"), seconds])
    moment = whole.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    return pl.when(known).then(moment.dt.replace_time_zone("UTC"))


def digest_of(stream: IO[bytes] | GzipFile) -> str:
    """Its sha256, read to the end."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
