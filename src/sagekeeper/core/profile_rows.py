"""Profiles of any times added up: hours to a day, a week, or all Mondays at nine.

In: rows with the columns of `feature_hours`, and what to put together. Out: a row per feature of each of these. Nothing is read
again that was profiled once. The same function adds up here and on Spark (`service/spark_profiles.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from sagekeeper.core.feature_profile import Profile, columns, merge, of_row
from sagekeeper.core.lake import Lake, days_between
from sagekeeper.core.tables import FEATURE_HOURS, FEATURE_PROFILES

MODEL = ("account", "region", "endpoint", "variant")
FEATURE = (*MODEL, "role", "feature")
MEASURED = {name: FEATURE_PROFILES.columns[name] for name in columns(Profile("numeric"))}
"""The columns of a profile itself."""


ROWS_AT_ONCE = 50_000
"""A few hundred MB of sketches."""
_AROUND = ("window_start", "window_end", "sampling_percent")


def merged(rows: pl.DataFrame, by: Sequence[str] = FEATURE) -> pl.DataFrame:
    """One row for each ``by``: [*by, window_start, window_end, sampling_percent, the profile's columns].

    The window is that from the first hour to the last, holes included. Hours that were sampled at different rates weigh by what
    was captured of them, and then their common rate is unknown.
    """
    around = rows.group_by(by, maintain_order=True).agg(
        pl.col("window_start").min(),
        pl.col("window_end").max(),
        sampling_percent=pl.when(pl.col("sampling_percent").n_unique() == 1).then(pl.col("sampling_percent").first()),
    )
    return around.join(added(rows, by), on=list(by), how="left", maintain_order="left").select(*by, *_AROUND, *MEASURED)


def added(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """One row for each ``by``, in the order of the first: [*by, the profile's columns]. A row that is alone stays as it is."""
    numbered = rows.select(*by, *MEASURED).with_columns(_group=pl.struct(by).rank("dense"))
    alone = numbered.filter(pl.len().over("_group") == 1)
    many = numbered.filter(pl.len().over("_group") > 1).sort("_group", maintain_order=True)
    keys = many.group_by("_group", maintain_order=True).agg(pl.col(by).first(), pl.len().alias("_rows"))
    read = many.select(MEASURED.keys()).iter_rows(named=True)
    made = [
        {name: key[name] for name in by} | columns(merge([of_row(next(read)) for _ in range(key["_rows"])]))
        for key in keys.iter_rows(named=True)
    ]
    sums = pl.DataFrame(made, schema={**{name: rows.schema[name] for name in by}, **MEASURED})
    return pl.concat([alone.drop("_group"), sums])


def profiles(
    lake: Lake, start: datetime, end: datetime, by: Sequence[str] = FEATURE, where: pl.Expr | None = None
) -> pl.DataFrame:
    """`merged` hours that begin within [start, end). ``where``: which of them, such as one endpoint, or
    ``(pl.col("window_start").dt.weekday() == 1) & (pl.col("window_start").dt.hour() == 9)`` for Mondays at nine.

    Days are read one by one and added up in between: memory is bounded by a day and `ROWS_AT_ONCE`, however long the window.
    """
    within = (pl.col("window_start") >= start) & (pl.col("window_start") < end)
    hours = lake.scan(FEATURE_HOURS).filter(within if where is None else within & where)
    whole = FEATURE_HOURS.empty().select(*dict.fromkeys([*by, *_AROUND, *MEASURED]))
    waiting: list[pl.DataFrame] = []
    for day in days_between(start.date(), end.date()):
        waiting.append(hours.filter(pl.col("day") == day).select(whole.columns).collect())
        if sum(rows.height for rows in waiting) >= ROWS_AT_ONCE:
            whole, waiting = merged(pl.concat([whole, *waiting]), by).select(whole.columns), []
    return merged(pl.concat([whole, *waiting]), by)
