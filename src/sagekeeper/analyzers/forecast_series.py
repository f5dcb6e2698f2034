"""Spend per series and day as one matrix: days down, series across.

In: a long frame ``series_id, ts, cost`` (ts Date or Datetime, daily or hourly, any row order). Out: `SpendDays`. A day without a
row, after a series' first, cost nothing; before its first, the series was not there, which is no cost either but is not
learned from (`born`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from sagekeeper.core.errors import BadInput

Matrix = npt.NDArray[np.float64]
NEEDED = ("series_id", "ts", "cost")


@dataclass(frozen=True)
class SpendDays:
    """``costs[day, series]``, from ``first`` on without a gap, names sorted."""

    names: list[str]
    first: date
    costs: Matrix

    @property
    def last(self) -> date:
        """The last day."""
        return self.first + timedelta(days=len(self.costs) - 1)

    def until(self, day: date) -> Matrix:
        """The days up to and with ``day``."""
        return self.costs[: (day - self.first).days + 1]


def spend_days(costs: pl.DataFrame) -> SpendDays:
    """Sum to days. Raises BadInput where a column is missing, is of another type, or has no value."""
    lacking = [name for name in NEEDED if name not in costs.columns]
    if lacking:
        raise BadInput(f"Costs have no column {', '.join(lacking)}. Needed are: {', '.join(NEEDED)}.")
    if not costs.schema["ts"].is_temporal() or costs.schema["ts"] in (pl.Time, pl.Duration):
        raise BadInput(f"ts is {costs.schema['ts']}, and must be Date or Datetime.")
    if not costs.schema["cost"].is_numeric():
        raise BadInput(f"cost is {costs.schema['cost']}, and must be a number.")
    if costs.is_empty():
        raise BadInput("There is no row to forecast from.")
    rows = costs.select(
        pl.col("series_id").cast(pl.String), pl.col("ts").cast(pl.Date), pl.col("cost").cast(pl.Float64)
    )
    unknown = rows.select(
        pl.col("series_id", "ts").null_count(), cost=(~pl.col("cost").is_finite().fill_null(value=False)).sum()
    ).row(0, named=True)
    wrong = [name for name, count in unknown.items() if count]
    if wrong:
        raise BadInput(f"Rows without a value in {', '.join(wrong)}. An unknown cost is not zero: leave such rows out.")
    names = rows["series_id"].unique().sort()
    column = rows["series_id"].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)
    day = rows["ts"].to_physical().to_numpy().astype(np.int64)
    first, wide = int(day.min()), len(names)
    tall = int(day.max()) - first + 1
    summed = np.bincount((day - first) * wide + column, weights=rows["cost"].to_numpy(), minlength=tall * wide)
    return SpendDays(
        names.to_list(),
        date(1970, 1, 1) + timedelta(days=first),
        np.asarray(summed, dtype=np.float64).reshape(tall, wide),
    )


def born(costs: Matrix) -> npt.NDArray[np.int64]:
    """The row of the first day with a cost, per series; the number of rows where there is none."""
    there = costs != 0
    return np.where(there.any(axis=0), there.argmax(axis=0), len(costs))
