"""What requests use: seconds of serverless endpoints by memory, and the data that every endpoint sends.

In: hourly and daily requests per variant (`METRICS`), the bill's lines of those endpoints, the inventory. Out: a row per day,
endpoint and usage type with a quantity. How much a request uses is what the bill says that it used on the last days that
are final. A serverless endpoint that is not on the bill yet is counted by its model's latency and memory; data of an endpoint
that is not on the bill is unknown and has no row (CloudWatch counts no bytes of endpoints).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.analyzers.owners import owner
from sagekeeper.analyzers.usage import PREFIX

BY_REQUESTS = r"^(?:ServerlessInf:Mem-\d+GB|\w+:Data-Bytes-(?:In|Out))$"
BILL_DAYS = 14
BY_HOUR = 2
"""Days, today and yesterday, whose hours are asked: before them only whole days are."""
PER_REQUEST, BY_LATENCY = "requests x use per request on the bill", "requests x latency"
QUANTITIES: dict[str, pl.DataType] = {
    "day": pl.Date(),
    **dict.fromkeys(
        ("account", "region", "resource_kind", "resource_name", "usage_type", "resource_arn", "owner", "method"),
        pl.String(),
    ),
    "quantity": pl.Float64(),
    "upto": pl.Datetime("us", "UTC"),
}
_ENDPOINT = ("account", "region", "resource_name")
_SERVERLESS = pl.Struct({"VariantName": pl.String(), "ServerlessConfig": pl.Struct({"MemorySizeInMB": pl.Int64()})})
_DOCUMENT = pl.Struct({"EndpointConfig": pl.Struct({"ProductionVariants": pl.List(_SERVERLESS)})})


def requested(
    metrics: pl.DataFrame, costs: pl.DataFrame, inventory: pl.DataFrame, days: list[date], as_of: datetime,
    owner_tags: tuple[str, ...],
) -> pl.DataFrame:  # fmt: skip
    """`QUANTITIES` of ``days``, as far as CloudWatch has told: the last `BY_HOUR` days by the hour, those before by the day."""
    recent = days[-BY_HOUR:]
    hours = metrics.filter((pl.col("period_seconds") == 3600) & pl.col("day").is_in(recent))
    whole = metrics.filter((pl.col("period_seconds") == 86400) & pl.col("day").is_in(days[:-BY_HOUR]))
    told = pl.concat([hours, whole]).filter(
        (pl.col("metric") == "Invocations") & (pl.col("statistic") == "Sum") & pl.col("value").is_not_null()
    )
    asked = told.group_by(*_ENDPOINT, "day").agg(
        requests=pl.col("value").sum(),
        upto=(pl.col("start") + pl.duration(seconds=pl.col("period_seconds"))).max(),
    )
    used = _used_per_request(metrics, costs, as_of)
    by_bill = asked.join(used, on=list(_ENDPOINT), how="inner").with_columns(
        quantity=pl.col("requests") * pl.col("per_request"), method=pl.lit(PER_REQUEST)
    )
    by_latency = _by_latency(hours, inventory).join(
        used.filter(pl.col("usage_type").str.starts_with("ServerlessInf:Mem")), on=list(_ENDPOINT), how="anti"
    )
    names = inventory.filter(pl.col("kind") == "endpoint").select(
        "account", "region", resource_name="name", resource_arn="arn", owner=owner("tags", owner_tags)
    )
    both = pl.concat([by_bill, by_latency], how="diagonal_relaxed").join(names, on=list(_ENDPOINT), how="left")
    return (
        both.with_columns(resource_kind=pl.lit("endpoint"))
        .select(pl.col(name).cast(kind) for name, kind in QUANTITIES.items())
        .filter(pl.col("quantity") > 0)
    )


def _used_per_request(metrics: pl.DataFrame, costs: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """[account, region, resource_name, usage_type, per_request] of the last final days that have both."""
    final = (as_of - FINAL_AFTER).date()
    within = pl.col("day").is_between(final - timedelta(days=BILL_DAYS), final, closed="left")
    billed = (
        costs.select(
            account="SubAccountId",
            region="RegionId",
            resource_name=pl.col("ResourceId").str.extract(r":endpoint/(.+)$"),
            usage_type=pl.col("x_UsageType").str.replace(PREFIX, ""),
            day="x_ChargeDate",
            quantity="ConsumedQuantity",
            usage=(pl.col("x_Dataset") == BILL) & (pl.col("ChargeCategory") == "Usage"),
        )
        .filter(within & pl.col("usage") & pl.col("resource_name").is_not_null())
        .filter(pl.col("usage_type").str.contains(BY_REQUESTS))
        .group_by(*_ENDPOINT, "usage_type", "day")
        .agg(pl.col("quantity").sum())
    )
    daily = metrics.filter(
        (pl.col("period_seconds") == 86400) & (pl.col("metric") == "Invocations") & (pl.col("value") > 0) & within
    )
    asked = daily.group_by(*_ENDPOINT, "day").agg(requests=pl.col("value").sum())
    return (
        billed.join(asked, on=[*_ENDPOINT, "day"], how="inner")
        .group_by(*_ENDPOINT, "usage_type")
        .agg(per_request=pl.col("quantity").sum() / pl.col("requests").sum())
    )


def _by_latency(hours: pl.DataFrame, inventory: pl.DataFrame) -> pl.DataFrame:
    """Serverless seconds from requests and the mean latency of each hour, with its memory as the bill names it."""
    variants = (
        inventory.filter(pl.col("kind") == "endpoint")
        .select(
            "account",
            "region",
            resource_name="name",
            variants=pl.col("config")
            .str.json_decode(_DOCUMENT)
            .struct.field("EndpointConfig")
            .struct.field("ProductionVariants"),
        )
        .filter(pl.col("variants").list.len() > 0)
        .explode("variants")
        .unnest("variants")
        .with_columns(memory=pl.col("ServerlessConfig").struct.field("MemorySizeInMB") // 1024)
        .filter(pl.col("memory").is_not_null())
        .select(*_ENDPOINT, "memory", variant="VariantName")
    )
    value, metric = pl.col("value"), pl.col("metric")
    by_hour = hours.group_by(*_ENDPOINT, "variant", "day", "start").agg(
        requests=value.filter((metric == "Invocations") & (pl.col("statistic") == "Sum")).sum(),
        latency_us=value.filter((metric == "ModelLatency") & (pl.col("statistic") == "Average")).mean(),
    )
    return (
        by_hour.join(variants, on=[*_ENDPOINT, "variant"], how="inner")
        .filter(pl.col("latency_us").is_not_null())
        .group_by(*_ENDPOINT, "day", "memory")
        .agg(
            quantity=(pl.col("requests") * pl.col("latency_us") / 1e6).sum(),
            upto=pl.col("start").max().dt.offset_by("1h"),
        )
        .with_columns(
            usage_type=pl.format("ServerlessInf:Mem-{}GB", pl.col("memory").cast(pl.String)), method=pl.lit(BY_LATENCY)
        )
        .drop("memory")
    )
