"""What is being spent by the hour right now, while the bill lags: running resources times price, and what is usual for this hour.

In: the newest look at what stands and works, the bill's rates, the price book, ``as_of``; of what is usual the hours recorded so
far (`RUN_RATES`). Out: `RUNNING`, a row per resource and usage type; `hour_of` sums it to what is recorded. Estimated: running x
effective rate of the bill, else list price. What is paid by the request (serverless, data) is in no figure; a resource without a
price is there with no amount. Nothing is asked of AWS for this: the hourly looks are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.estimate_jobs import worked
from sagekeeper.analyzers.estimate_standing import HOLDS, THING, TIME, standing_now
from sagekeeper.analyzers.usage_rates import an_hour, with_rates
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import RUN_RATES

RUNNING: dict[str, pl.DataType] = {
    **dict.fromkeys((*THING, "resource_arn", "owner", "usage_type", "usage_family"), pl.String()),
    "size": pl.Float64(),  # instances, GB of a volume
    "since": TIME,
    "per_hour": pl.Float64(),  # null: unknown, and why
    "currency": pl.String(),
    "rate_basis": pl.String(),
    "uncertainty": pl.Float64(),  # relative, of the rate
    "unknown": pl.String(),
}
WHOLE = "all"
"""The kind of an account's sum, recorded also when nothing runs: an hour without rows is an hour without a look."""
WEEKS, FEWEST_WEEKS, FEWEST_DAYS = 8, 3, 7


def running_now(
    inventory: pl.DataFrame,
    jobs: pl.DataFrame,
    costs: pl.DataFrame,
    prices: PriceBook,
    as_of: datetime,
    owner_tags: tuple[str, ...],
) -> pl.DataFrame:
    """`RUNNING`, the dearest first. A look older than `HOLDS` says nothing about now."""
    now = pl.lit(as_of).cast(TIME)
    fresh = inventory.filter(pl.col("observed_at") >= now - HOLDS)
    stands = standing_now(fresh, owner_tags).rename({"begins": "since"})
    works = worked(jobs, as_of, owner_tags).filter(pl.col("ends") >= now).rename({"starts": "since"})
    things = pl.concat([stands, works.select(stands.columns)])
    priced = with_rates(things.with_columns(day=pl.lit(as_of.date())), costs, prices, [as_of.date()])
    return (
        priced.with_columns(per_hour=an_hour(as_of.date()) * pl.col("rate"))
        .select(pl.col(name).cast(kind) for name, kind in RUNNING.items())
        .sort("per_hour", *THING, "usage_type", descending=[True, *[False] * (len(THING) + 1)], nulls_last=True)
    )


def hour_of(running: pl.DataFrame, looked: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """`RUN_RATES` of the hour of ``as_of``. ``looked``: [account, region] that were looked at, with anything running or not."""
    by = ["account", "region", "resource_kind", "currency"]
    amounts = [
        pl.col("per_hour").sum(),
        pl.struct(THING).n_unique().cast(pl.Int64).alias("resources"),
        pl.col("per_hour").is_null().sum().cast(pl.Int64).alias("unknown"),
    ]
    kinds = running.group_by(by).agg(amounts)
    sums = running.with_columns(resource_kind=pl.lit(WHOLE)).group_by(by).agg(amounts)
    nothing = looked.unique().join(sums, on=["account", "region"], how="anti")
    blank = {"resource_kind": pl.lit(WHOLE), "currency": pl.lit("USD"), "per_hour": pl.lit(0.0)}
    rows = pl.concat([kinds, sums, nothing.with_columns(**blank)], how="diagonal_relaxed").with_columns(
        pl.col("resources", "unknown").fill_null(0),
        hour=pl.lit(as_of).cast(TIME).dt.truncate("1h"),
        day=pl.lit(as_of.date()),
        observed_at=pl.lit(as_of).cast(TIME),
    )
    return rows.select(pl.col(name).cast(kind) for name, kind in RUN_RATES.columns.items()).sort(RUN_RATES.keys)


@dataclass(frozen=True)
class Usual:
    """What an hour like this one usually costs. ``per_hour`` None: too little is recorded, ``basis`` says how much."""

    per_hour: float | None
    basis: str


def usual(recorded: pl.DataFrame, as_of: datetime, currency: str, kind: str = WHOLE) -> Usual:
    """Of all accounts: the median of the same hour of the week, or of the day where fewer weeks are recorded."""
    hours = by_hour(recorded, as_of, currency, kind)
    same_hour = hours.filter(pl.col("hour").dt.hour() == as_of.hour)
    same_weekday = same_hour.filter(pl.col("hour").dt.weekday() == as_of.isoweekday())
    if same_weekday.height >= FEWEST_WEEKS:
        return Usual(_median(same_weekday), f"median of the same hour in the last {same_weekday.height} weeks")
    if same_hour.height >= FEWEST_DAYS:
        return Usual(_median(same_hour), f"median of the same hour of the last {same_hour.height} days recorded")
    few = f"only {same_hour.height}" if same_hour.height else "none"
    return Usual(None, f"{few} of these hours recorded so far")


def by_hour(recorded: pl.DataFrame, as_of: datetime, currency: str, kind: str = WHOLE) -> pl.DataFrame:
    """[hour, per_hour] of the recorded hours before this one; an hour in which nothing of the kind ran has 0."""
    before = recorded.filter(
        (pl.col("hour") < as_of.replace(minute=0, second=0, microsecond=0))
        & (pl.col("hour") >= as_of - timedelta(weeks=WEEKS, hours=1))
    )
    of_kind = (pl.col("resource_kind") == kind) & (pl.col("currency") == currency)
    return before.group_by("hour").agg(per_hour=pl.col("per_hour").filter(of_kind).sum()).sort("hour")


def _median(hours: pl.DataFrame) -> float:
    value = hours["per_hour"].median()
    assert isinstance(value, float)
    return value
