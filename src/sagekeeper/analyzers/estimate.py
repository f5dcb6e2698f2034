"""What has been used since the bill ends, and about what it will cost: usage times price, before AWS has billed it.

In: `Known`: the newest look at what stands, jobs, requests, the bill's rates, the price book, the estimates made so far. Out:
`ESTIMATES` of the days that are still open: today up to ``as_of``, yesterday, and what lies between the last run and them; on
the very first run the last `FIRST_DAYS` days, told from what is known now. Older days are never touched again, so that what
was estimated can be held against the bill (`estimate_error.py`). The price of a unit is the bill's own effective rate of the
last days before, else AWS's list, else the bundled book, and says which. Decision 0005: never summed with a day of the bill.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.estimate_jobs import worked
from sagekeeper.analyzers.estimate_requests import requested
from sagekeeper.analyzers.estimate_standing import KEY, METHOD, since_last_time
from sagekeeper.analyzers.usage_rates import DECIMALS, with_rates
from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import days_between
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import ESTIMATES

FIRST_DAYS = 14
_ROW = ("day", *KEY)
_TEXTS = ("resource_arn", "owner", "method")


@dataclass(frozen=True)
class Known:
    """Frames in the schemas of `core.tables`. ``inventory``: the newest look; ``earlier``: estimates of the last 16 days."""

    as_of: datetime
    inventory: pl.DataFrame
    jobs: pl.DataFrame
    metrics: pl.DataFrame
    costs: pl.DataFrame
    prices: PriceBook
    earlier: pl.DataFrame
    owner_tags: tuple[str, ...]


def open_days(earlier: pl.DataFrame, as_of: datetime) -> list[date]:
    """The days whose estimate may still change: from yesterday on, or from where the last run stopped."""
    today = as_of.date()
    reached = earlier["upto"].max()
    last = reached.date() if isinstance(reached, datetime) else date.min
    return days_between(max(today - timedelta(days=FIRST_DAYS), min(last, today - timedelta(days=1))), today)


def estimate(known: Known) -> pl.DataFrame:
    """`ESTIMATES` of all `open_days`."""
    days = open_days(known.earlier, known.as_of)
    kept = known.earlier.filter(pl.col("day").is_in(days) & (pl.col("method") == METHOD))
    first = day_start(days[0])
    stood = since_last_time(known.inventory, known.earlier, first, known.as_of, known.owner_tags)
    jobs = worked(known.jobs, known.as_of, known.owner_tags)
    asked = requested(known.metrics, known.costs, known.inventory, days, known.as_of, known.owner_tags)
    rows = pl.concat(
        [
            kept.select(*_ROW, *_TEXTS, "quantity", "running", "upto"),
            _by_day(stood, days, known.as_of),
            _by_day(jobs, days, known.as_of).with_columns(running=pl.lit(None, pl.Float64())),
            asked.with_columns(running=pl.lit(None, pl.Float64())),
        ],
        how="diagonal_relaxed",
    )
    summed = (
        rows.sort("upto")
        .group_by(_ROW, maintain_order=True)
        .agg(
            pl.col(_TEXTS).drop_nulls().last(),
            pl.col("quantity").sum(),
            pl.col("running").last(),
            pl.col("upto").last(),
        )
    )
    return _priced(summed, known, days)


def _by_day(segments: pl.DataFrame, days: list[date], as_of: datetime) -> pl.DataFrame:
    """Quantities in the unit of the bill: hours, gigabyte-months (of the hours that the month really has), seconds."""
    calendar = pl.DataFrame({"day": days}, schema={"day": pl.Date()}).with_columns(
        midnight=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        month_hours=pl.col("day").dt.days_in_month().cast(pl.Float64) * 24,
    )
    calendar = calendar.with_columns(
        edge=pl.min_horizontal(pl.col("midnight").dt.offset_by("1d"), pl.lit(as_of).cast(pl.Datetime("us", "UTC")))
    )
    cut = segments.join_where(
        calendar, pl.col("starts") < pl.col("edge"), pl.col("ends") > pl.col("midnight")
    ).with_columns(upto=pl.min_horizontal("edge", "until"))
    hours = (
        pl.min_horizontal("ends", "edge") - pl.max_horizontal("starts", "midnight")
    ).dt.total_microseconds() / 3.6e9
    volume = pl.col("usage_type").str.contains("VolumeUsage")
    used = pl.col("size") * hours / pl.when(volume).then("month_hours").otherwise(1.0)
    return (
        # What ended before then runs no longer; what runs at the end of its last stretch goes on from it next time.
        cut.with_columns(quantity=used, at_end=pl.when(pl.col("ends") >= pl.col("upto")).then("size").otherwise(0.0))
        .group_by(_ROW)
        .agg(
            pl.col(_TEXTS).drop_nulls().last(),
            pl.col("quantity").sum(),
            running=pl.col("at_end").sum(),
            upto=pl.col("upto").max(),
        )
    )


def _priced(rows: pl.DataFrame, known: Known, days: list[date]) -> pl.DataFrame:
    priced = with_rates(
        rows.with_columns(pl.col("quantity").round(DECIMALS)), known.costs, known.prices, days
    ).with_columns(
        cost=(pl.col("quantity") * pl.col("rate")).round(DECIMALS),
        list_cost=(pl.col("quantity") * pl.col("list_rate")).round(DECIMALS),
        observed_at=pl.lit(known.as_of),
    )
    return priced.select(pl.col(name).cast(kind) for name, kind in ESTIMATES.columns.items()).sort(ESTIMATES.keys)
