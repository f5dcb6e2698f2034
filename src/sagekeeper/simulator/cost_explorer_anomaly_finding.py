"""Which days of a series of costs are out of the ordinary, and what they were expected to be.

In: one row per day and value of what a monitor watches, and the same by account, region, service and usage type. Out:
stretches of days whose spend is far above the median of the four weeks before, with their root causes. The median
follows a lasting change within a fortnight, so that a new level is an anomaly only until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

WEEKS, LEAST_DAYS = 28, 10
SPREADS = 5.0
"""How many robust standard deviations a day must lie above what was expected."""
LEAST_SHARE, LEAST_USD = 0.15, 1.0
"""And by how much at least, of what was expected and in dollars a day."""
ROBUST = 1.4826
CAUSES = ("SERVICE", "REGION", "LINKED_ACCOUNT", "USAGE_TYPE")
MOST_CAUSES = 10


@dataclass(frozen=True)
class Stretch:
    """Consecutive days of one value that are out of the ordinary."""

    value: str
    first: date
    last: date
    actual: float
    expected: float
    worst: float
    """The largest excess of a day."""
    score: float
    """The largest excess in spreads, between 0 and 1."""
    last_score: float
    causes: list[dict[str, str | float]]

    @property
    def impact(self) -> float:
        """Dollars above what was expected."""
        return self.actual - self.expected


def find(lines: pl.DataFrame, watched: pl.Expr, until: date) -> list[Stretch]:
    """Anomalies among lines (day, cost and the columns of CAUSES) by the value of ``watched``, to ``until`` included."""
    named = lines.with_columns(watched.cast(pl.String).alias("value")).filter(
        pl.col("value").is_not_null() & (pl.col("day") <= until)
    )
    daily = named.group_by("value", "day").agg(pl.col("cost").sum().cast(pl.Float64))
    if daily.is_empty():
        return []
    marked = _expected(daily, until).filter(pl.col("odd"))
    if marked.is_empty():
        return []
    runs = marked.with_columns(
        ((pl.col("day") - pl.col("day").shift(1).over("value")) != timedelta(days=1))
        .fill_null(value=True)
        .cum_sum()
        .alias("run")
    )
    stretches = (
        runs.group_by("value", "run")
        .agg(
            pl.col("day").min().alias("first"),
            pl.col("day").max().alias("last"),
            pl.col("cost").sum().alias("actual"),
            pl.col("expected").sum(),
            (pl.col("cost") - pl.col("expected")).max().alias("worst"),
            pl.col("score").max(),
            pl.col("score").sort_by("day").last().alias("last_score"),
        )
        .sort("first", "value")
        .drop("run")
    )
    return [
        Stretch(**row, causes=_causes(named, row["value"], row["first"], row["last"])) for row in stretches.to_dicts()
    ]


def _expected(daily: pl.DataFrame, until: date) -> pl.DataFrame:
    """Every day of every value since it is billed: what was expected, whether it is odd, and how odd."""
    spans = daily.group_by("value").agg(pl.col("day").min().alias("since"))
    every = spans.with_columns(pl.date_ranges("since", pl.lit(until), closed="both").alias("day")).explode("day")
    cost, day = pl.col("cost"), pl.col("cost").shift(1)
    excess = cost - pl.col("expected")
    floor = pl.max_horizontal(SPREADS * ROBUST * pl.col("scatter"), LEAST_SHARE * pl.col("expected"), pl.lit(LEAST_USD))
    return (
        every.join(daily, on=["value", "day"], how="left")
        .with_columns(pl.col("cost").fill_null(0.0))
        .sort("value", "day")
        .with_columns(day.rolling_median(WEEKS, min_samples=LEAST_DAYS).over("value").alias("expected"))
        .with_columns(
            (cost - pl.col("expected"))
            .abs()
            .shift(1)
            .rolling_median(WEEKS, min_samples=LEAST_DAYS)
            .over("value")
            .fill_null(0.0)
            .alias("scatter")
        )
        .with_columns(
            (excess > floor).fill_null(value=False).alias("odd"), (1 - floor / excess).clip(0, 1).alias("score")
        )
    )


def _causes(named: pl.DataFrame, value: str, first: date, last: date) -> list[dict[str, str | float]]:
    """Where the excess comes from: by service, region, account and usage type, the largest first."""
    days = (last - first).days + 1
    mine = named.filter((pl.col("value") == value) & pl.col("day").is_between(first - timedelta(days=WEEKS), last))
    inside = pl.col("day") >= first
    parts = (
        mine.group_by(CAUSES)
        .agg(
            pl.col("cost").filter(inside).sum().cast(pl.Float64).alias("now"),
            (pl.col("cost").filter(~inside).sum().cast(pl.Float64) / WEEKS * days).alias("before"),
        )
        .with_columns((pl.col("now") - pl.col("before")).alias("impact"))
        .filter(pl.col("impact") >= LEAST_USD)
        .with_columns(pl.col(CAUSES).cast(pl.String))
        .sort("impact", *CAUSES, descending=[True, *[False] * len(CAUSES)])
    )
    return parts.head(MOST_CAUSES).select(*CAUSES, "impact").to_dicts()
