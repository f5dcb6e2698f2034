"""The meter's lines with every column that the exports need, as long as the meter itself has fewer.

In: what `Meter.lines` takes. Out: its rows; columns it does not have are those of an account without discounts and
plans. To be dropped with the first meter that states them.
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from sagekeeper.simulator.operations import House

CODES = {
    "Amazon SageMaker": "AmazonSageMaker",
    "Amazon Simple Storage Service": "AmazonS3",
    "AmazonCloudWatch": "AmazonCloudWatch",
}
KEY = ("day", "account", "region", "service", "usage_type", "operation", "record_type", "resource_id", "tags")


def whole_lines(house: House, first: date, last: date, now: datetime, _step: str) -> pl.DataFrame:
    """Lines of [first, last] as seen at ``now``."""
    lines = house.meter.lines(first, last, now)
    if "line_id" in lines.columns:
        return lines
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
