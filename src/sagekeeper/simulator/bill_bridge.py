"""The meter's lines with every column that the exports need, as long as the meter itself has fewer.

In: what `Meter.lines` takes. Out: its rows; columns it does not have are those of an account without discounts and
plans. To be dropped with the first meter that states them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date, datetime

import polars as pl

from sagekeeper.simulator.meter import ARRIVAL_LAG
from sagekeeper.simulator.operations import House

CODES = {
    "Amazon SageMaker": "AmazonSageMaker",
    "Amazon Simple Storage Service": "AmazonS3",
    "AmazonCloudWatch": "AmazonCloudWatch",
}
KEY = ("day", "account", "region", "service", "usage_type", "operation", "record_type", "resource_id", "tags")


HOURS = range(24)
SPLIT = ("quantity", "list_cost", "cost", "net_cost", "amortized", "net_amortized")


def whole_lines(house: House, first: date, last: date, now: datetime, step: str) -> pl.DataFrame:
    """Lines of [first, last] as seen at ``now``."""
    ask: Callable[..., pl.DataFrame] = house.meter.lines
    if "step" in inspect.signature(ask).parameters:
        return ask(first, last, now, step=step)
    lines = _completed(ask(first, last, now))
    return _by_hour(lines, now) if step == "hour" else lines


def _by_hour(lines: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Use of a day, evenly over the hours of it that have arrived; their sum is the day's to the last digit."""
    used = lines.filter(pl.col("record_type") == "Usage")
    arrived = ((pl.lit(now - ARRIVAL_LAG) - pl.col("start")).dt.total_hours() + 1).clip(1, len(HOURS))
    hours = used.with_columns(
        arrived.alias("hours"), pl.int_ranges(0, arrived).alias("hour"), pl.col("line_id").alias("of")
    ).explode("hour", empty_as_null=True)
    share = [pl.col("hour") / pl.col("hours"), (pl.col("hour") + 1) / pl.col("hours")]
    begin = pl.col("start") + pl.duration(hours=pl.col("hour"))
    cut = hours.with_columns(
        *(((pl.col(name) * share[1]).round(10) - (pl.col(name) * share[0]).round(10)).round(10) for name in SPLIT),
        begin.alias("start"),
        (begin + pl.duration(hours=1)).alias("end"),
        (pl.col("of") + "-" + pl.col("hour").cast(pl.String)).alias("line_id"),
    ).select(lines.columns)
    return pl.concat([cut, lines.filter(pl.col("record_type") != "Usage")])


def _completed(lines: pl.DataFrame) -> pl.DataFrame:
    start = pl.col("day").cast(pl.Datetime("us", "UTC"))
    instance = pl.col("usage_type").str.extract(r"(ml\.[a-z0-9-]+\.[a-z0-9]+)")
    unit = (
        pl.when(pl.col("record_type") != "Usage")
        .then(pl.lit(""))
        .when(instance.is_not_null())
        .then(pl.lit("Hrs"))
        .otherwise(pl.lit("Units"))
    )
    return (
        lines.group_by(KEY, maintain_order=True)
        .agg(pl.col("quantity").sum(), pl.col("cost").sum().round(10))
        .with_columns(
            pl.struct(KEY).hash(seed=0).cast(pl.String).alias("line_id"),
            pl.col("day").dt.truncate("1mo").alias("period"),
            start.alias("start"),
            start.dt.offset_by("1d").alias("end"),
            pl.col("service").replace(CODES).alias("service_code"),
            pl.when(instance.is_not_null()).then(pl.lit("ML Instance")).otherwise(pl.lit("")).alias("product_family"),
            instance.alias("instance_type"),
            unit.alias("unit"),
            pl.when(pl.col("quantity") > 0).then((pl.col("cost") / pl.col("quantity")).round(10)).alias("rate"),
            pl.when(pl.col("record_type") == "Usage").then(pl.col("cost")).otherwise(0.0).alias("list_cost"),
            *(pl.col("cost").alias(name) for name in ("net_cost", "amortized", "net_amortized")),
            pl.lit(None, pl.String).alias("plan_arn"),
            *(pl.lit(None, pl.Float64).alias(f"plan_{name}") for name in ("rate", "cost", "commitment", "used")),
            pl.col("record_type").alias("description"),
        )
    )
