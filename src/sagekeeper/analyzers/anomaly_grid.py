"""Cost rows as a calendar: one column per series, one line per day, and the way back to the rows.

In: a long frame `series_id, ts, cost` (daily, hourly or several lines a day; any order). Out: amounts (days x series) in the
currency of ``cost``. From a series' first row on a day without a row cost nothing; before, the series was not there. A
row whose cost is null or not a number makes its day unknown: neither learned from nor judged. Credits and refunds (below zero)
count as nothing spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sagekeeper.core.errors import BadInput

NEEDED = ("series_id", "ts", "cost")
MOST_DAYS = 4000
"""Eleven years: a stray date (1970, 2099) would otherwise make a calendar that no memory holds."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Grid:
    """``amounts``: float32 (days x series), NaN where unknown, 0 where nothing was spent. ``present``: from the first row on."""

    days: Array
    amounts: Array
    present: Array
    names: pl.Series
    groups: Array
    """A number per series: series of one account and usage type, which one price could raise, share it."""
    row_day: Array
    row_series: Array
    row_cost: Array
    one_row_a_day: bool


def grid(costs: pl.DataFrame) -> Grid:
    """Raises BadInput: a column is missing, ``ts`` is no time, ``cost`` no number, the days span more than `MOST_DAYS`."""
    rows = _checked(costs)
    names = rows["series_id"].unique().sort()
    place = rows["series_id"].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)
    day = rows["ts"].cast(pl.Date).to_physical().to_numpy()
    first, length = int(day.min()), int(day.max()) - int(day.min()) + 1
    if length > MOST_DAYS:
        raise BadInput(f"The costs span {length} days, more than {MOST_DAYS}. Look for a stray date in `ts`.")
    line = (day - first).astype(np.int64)
    cost = rows["cost"].to_numpy()
    cell = line * len(names) + place
    sums = np.bincount(cell, weights=np.nan_to_num(cost, nan=0.0), minlength=length * len(names))
    amounts = np.maximum(sums, 0.0).astype(np.float32)
    unknown = np.isnan(cost)
    amounts[cell[unknown]] = np.nan
    seen = np.zeros(length * len(names), bool)
    seen[cell] = True
    shape = (length, len(names))
    one = len(cell) == int(seen.sum())
    seen = seen.reshape(shape)
    present = np.maximum.accumulate(seen, 0)
    days = np.arange(first, first + length).astype("datetime64[D]")
    return Grid(days, amounts.reshape(shape), present, names, _groups(costs, names), line, place, cost, one)


def _groups(costs: pl.DataFrame, names: pl.Series) -> Array:
    """By account and usage type; a series of unknown account or usage type is a group of its own."""
    if not {"account", "usage_type"} <= set(costs.columns):
        return np.arange(len(names))
    known = pl.col("account").is_not_null() & pl.col("usage_type").is_not_null()
    shared = pl.struct("account", "usage_type").rank("dense").cast(pl.Int64)
    series = costs.select(pl.col("series_id").cast(pl.String), "account", "usage_type").unique("series_id", keep="any")
    of_one = series.sort("series_id").select(pl.when(known).then(shared).otherwise(-pl.int_range(pl.len())))
    return of_one.to_series().to_numpy()


def _checked(costs: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in NEEDED if name not in costs.columns]
    if missing:
        raise BadInput(f"No column {', '.join(missing)} in the costs. Needed: {', '.join(NEEDED)}.")
    if not (costs.schema["ts"] == pl.Date or isinstance(costs.schema["ts"], pl.Datetime)):
        raise BadInput(f"`ts` is {costs.schema['ts']}, not a date or a time.")
    if not costs.schema["cost"].is_numeric() and costs.schema["cost"] != pl.Null:
        raise BadInput(f"`cost` is {costs.schema['cost']}, not a number.")
    if costs["ts"].null_count() or costs["series_id"].null_count():
        raise BadInput("A row has no `ts` or no `series_id`. Remove such rows or fill them in.")
    finite = pl.col("cost").cast(pl.Float64)
    return costs.select(
        pl.col("series_id").cast(pl.String), "ts", cost=pl.when(finite.is_finite()).then(finite).otherwise(float("nan"))
    )
