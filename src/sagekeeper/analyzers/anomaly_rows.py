"""From days back to rows: what of a row was expected, where a day has several (hours, or lines).

In: the calendar, the expected amount of each day. Out: per row the expected amount, and whether the day's excess was reached.
What a day has cost too much is laid on the rows from the one on by which the day had cost what was expected of it whole; what it
has cost too little is spread over its rows as its cost is. The rows of a day add up to the day.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sagekeeper.analyzers.anomaly_grid import Array, Grid

ROUNDED = 1e-6


def usual_of_rows(calendar: Grid, expected: Array, ts: pl.Series) -> tuple[Array, Array]:
    """Expected amount of each row, and whether the running sum of its day has passed what was expected of the day."""
    cell = (calendar.row_day, calendar.row_series)
    usual = expected[cell].astype(np.float64)
    if calendar.one_row_a_day:
        # Days are held in single precision: what was expected to cost what it does, does so to the cent.
        same = np.abs(usual - calendar.row_cost) <= ROUNDED * np.abs(calendar.row_cost)
        return np.where(same, calendar.row_cost, usual), np.ones(len(usual), bool)
    number = calendar.row_day * expected.shape[1] + calendar.row_series
    rows = pl.DataFrame({"day": number, "ts": ts, "cost": calendar.row_cost, "usual": usual}).with_row_index("row")
    cost, running = pl.col("cost").fill_nan(0.0), pl.col("cost").fill_nan(0.0).cum_sum().over("day")
    total, lines = cost.sum().over("day"), pl.len().over("day")
    too_little = (pl.col("usual") - total) * pl.when(total > 0).then(cost / total).otherwise(1 / lines)
    laid = (
        rows.sort("day", "ts", "row")
        .with_columns(running=running, total=total, too_little=too_little)
        .with_columns(
            of_row=pl.when(pl.col("total") > pl.col("usual"))
            .then(cost - (pl.col("running") - pl.max_horizontal("usual", pl.col("running") - cost)).clip(0))
            .otherwise(cost + pl.col("too_little")),
            reached=pl.col("running") > pl.col("usual"),
        )
        .sort("row")
    )
    return laid["of_row"].to_numpy(), laid["reached"].to_numpy()
