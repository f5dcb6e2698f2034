"""The meter: what stands in the account, by the second, as bill lines. One ledger for every bill the simulator gives.

In: the world and a range of days, and the simulated now. Out: a frame of line items (`charges.COLUMNS`). Days that are
closed are kept per account and region until something changes there. The last 48 hours arrive late, as on a real bill:
`late_share`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from sagekeeper.simulator.charges import SAGEMAKER, charges
from sagekeeper.simulator.world import PAYER, Standing, World

FINAL_AFTER = timedelta(hours=48)
ARRIVAL_LAG = timedelta(hours=6)
OPEN_DAYS = 4
TAX_RATE = 0.05
ORIGIN = datetime(2020, 1, 1, tzinfo=UTC)


class Meter:
    """Line items of any range of days."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[tuple[str, str], tuple[int, date, pl.DataFrame]] = {}

    def lines(self, first: date, last: date, now: datetime) -> pl.DataFrame:
        """Line items from ``first`` to ``last``, both included, as the bill shows them at ``now``."""
        with self._world.lock:
            there = list(self._world.standing.values())
            closed, late = [self._closed(here, now) for here in there], [_open(here, now) for here in there]
        usage = pl.concat([*closed, *late])
        return pl.concat([usage, _taxes(usage, now), _credits(usage, now)]).filter(
            pl.col("day").is_between(first, last)
        )

    def _closed(self, here: Standing, now: datetime) -> pl.DataFrame:
        """Days older than the last four."""
        key, until = (here.account, here.region), _midnight(now) - timedelta(days=OPEN_DAYS - 1)
        kept = self._kept.get(key)
        if kept is None or kept[:2] != (here.version, until.date()):
            kept = (here.version, until.date(), charges(here, ORIGIN, until))
            self._kept[key] = kept
        return kept[2]


def _open(here: Standing, now: datetime) -> pl.DataFrame:
    """The last four days, as far as they have arrived."""
    begin, end = _midnight(now) - timedelta(days=OPEN_DAYS - 1), now - ARRIVAL_LAG
    days = [(begin + timedelta(days=number)).date() for number in range(OPEN_DAYS)]
    share = pl.col("day").replace_strict(days, [late_share(day, now) for day in days], return_dtype=pl.Float64)
    return charges(here, begin, end).with_columns(pl.col("quantity") * share, (pl.col("cost") * share).round(10))


def late_share(day: date, now: datetime) -> float:
    """What share of a day's usage has reached the bill: all of it after 48 hours."""
    age = now - (datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1))
    if age >= FINAL_AFTER:
        return 1.0
    return 0.965 if age >= timedelta(hours=24) else 0.93


def _taxes(usage: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """One tax line a month and account, dated the first of the month, there once the month is over."""
    closed = usage.filter(pl.col("day") < now.date().replace(day=1))
    monthly = (
        closed.group_by(pl.col("day").dt.truncate("1mo"), "account").agg(pl.col("cost").sum()).sort("day", "account")
    )
    return _plain(monthly, "Tax", pl.col("cost") * TAX_RATE)


def _credits(usage: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """A promotional credit on the payer's bill, on the fifth of each of the last six months."""
    recent = usage.filter(
        (pl.col("account") == PAYER)
        & (pl.col("day").dt.day() == 5)
        & (pl.col("day") > now.date() - timedelta(days=180))
    )
    monthly = recent.group_by("day", "account").agg(pl.col("cost").sum()).sort("day")
    return _plain(monthly, "Credit", pl.lit(-150.0))


def _plain(frame: pl.DataFrame, record_type: str, cost: pl.Expr) -> pl.DataFrame:
    return frame.select(
        pl.col("day"),
        pl.col("account"),
        pl.lit("us-east-1").alias("region"),
        pl.lit(SAGEMAKER).alias("service"),
        pl.lit("USE1-" + record_type).alias("usage_type"),
        pl.lit("").alias("operation"),
        pl.lit(record_type).alias("record_type"),
        pl.lit(None, dtype=pl.String).alias("resource_id"),
        pl.lit("{}").alias("tags"),
        pl.lit(0.0).alias("quantity"),
        cost.round(10).alias("cost"),
    )


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
