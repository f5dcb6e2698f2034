"""Which of the bill's lines are in a period, and in which of its pieces: what every sum of Cost Explorer begins with."""

from __future__ import annotations

from typing import TypeVar

import polars as pl

from sagekeeper.simulator.cost_explorer_dates import Period

Lines = TypeVar("Lines", pl.DataFrame, pl.LazyFrame)


def in_period(lines: Lines, asked: Period) -> Lines:
    """Lines of use in the period."""
    if asked.granularity == "HOURLY":
        return lines.filter(pl.col("start").is_between(asked.start, asked.end, closed="left"))
    return lines.filter(pl.col("day").is_between(asked.first, asked.last))


def period_of(asked: Period) -> pl.Expr:
    """Which of the answer's periods a line is in: its start."""
    if asked.granularity == "HOURLY":
        return pl.col("start").dt.convert_time_zone("UTC").dt.truncate("1h")
    day = pl.col("day") if asked.granularity == "DAILY" else pl.col("day").dt.truncate("1mo")
    return pl.max_horizontal(day, pl.lit(asked.first)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
