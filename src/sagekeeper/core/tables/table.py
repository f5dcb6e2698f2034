"""What a table of the lake is: named columns with types, what is unique in it, and how it is parted."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Table:
    """A declared table: ``partition`` columns decide what one atomic replacement can cover; ``keys`` are unique in it;
    within a partition, rows are stored in the ``order`` of these columns; values of ``varied`` columns hardly repeat, so that a
    dictionary of them would only cost."""

    name: str
    columns: dict[str, pl.DataType]
    keys: tuple[str, ...]
    partition: tuple[str, ...]
    order: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()

    def empty(self) -> pl.DataFrame:
        """No rows, all columns."""
        return pl.DataFrame(schema=self.columns)
