"""Which charges what stands in one account and region gives rise to, by the second, before the bill rounds, delays and
taxes them.

In: the world's state of one account and region, and a span of time. Out: a frame of usage per day or hour (`USAGE`).
What runs is written as stretches of time with a rate (`Run`), and cut into days or hours all at once; what is counted
(requests, objects) comes as one array per day, and is spread evenly over a day's hours. Usage types and operations
follow real bills (aws-facts section 1).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import Component, PriceBook
from sagekeeper.simulator import demand
from sagekeeper.simulator.hosting import memory_gb
from sagekeeper.simulator.world import FOREVER, Standing, Surge, stretches

USAGE = {
    "start": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("account", "region", "service", "usage_type", "operation", "resource_id", "tags"), pl.String()),
    **dict.fromkeys(("quantity", "price", "cost"), pl.Float64()),
}
"""Usage before the bill makes lines of it; ``price`` is the list price of a unit."""
PREFIX = {"us-east-1": "USE1", "eu-west-1": "EUW1"}
SAGEMAKER, S3, CLOUDWATCH = "Amazon SageMaker", "Amazon Simple Storage Service", "AmazonCloudWatch"
HOURS_A_MONTH = 730
DAY, HOUR = 86_400, 3_600
GIGABYTES_A_REQUEST = 4e-6
SERVERLESS_SECONDS_A_REQUEST = 0.12
PROVISIONED_SHARE = 0.25
"""Price of an allocated GB-second of provisioned concurrency over that of a used one. The price list's figure is not
known here (aws-facts 2.7): a stand-in, under a usage type of its own."""
UNKNOWN_USD_PER_HOUR = 1.0
"""A type that the bundled price book does not know is still billed, at a round figure that shows as such."""


class Run(NamedTuple):
    """Something that is paid for as long as it runs."""

    start: float
    stop: float
    usage_type: str
    operation: str
    resource_id: str
    tags: str
    per_hour: float
    price: float
    service: str = SAGEMAKER
    spot: bool = False
    """At a spot price: no Savings Plan covers it (aws-facts 2.11)."""


class Daily(NamedTuple):
    """Something that is counted by the day: quantities of consecutive days from ``first`` on (days since 1970)."""

    first: int
    quantities: np.ndarray
    service: str
    usage_type: str
    operation: str
    resource_id: str | None
    tags: str
    price: float


MORE_RUNS: list[Callable[[Standing], Iterable[Run]]] = []
MORE_DAILY: list[Callable[[Standing, datetime, datetime], Iterable[Daily]]] = []
"""What other files bill beside what is here; the server hangs them in."""


def charges(
    here: Standing,
    begin: datetime,
    end: datetime,
    step: Literal["day", "hour"] = "day",
    wanted: Callable[[Run | Daily], bool] = lambda _: True,
    own: bool = True,
) -> pl.DataFrame:
    """Usage in [begin, end), per day or hour, of the runs and counts that are wanted, and of ``own`` requests and the like."""
    found = [run for runs in (_hosting, _training, _processing, *MORE_RUNS) for run in runs(here)]
    runs = [run for run in found if wanted(run)]
    lines = _cut(runs, begin.timestamp(), end.timestamp(), HOUR if step == "hour" else DAY)
    more = [item for found_by_day in MORE_DAILY for item in found_by_day(here, begin, end) if wanted(item)]
    days = _days([*_requests(here, begin, end), *_surroundings(here, begin, end), *more] if own else more)
    lines = pl.concat([lines, _by_hour(days, end) if step == "hour" else days])
    for change in here.price_changes:
        dearer = (pl.col("usage_type") == change.usage_type) & (pl.col("start").dt.date() >= change.since)
        lines = lines.with_columns(
            pl.when(dearer).then(pl.col("price") * change.factor).otherwise(pl.col("price")).alias("price")
        )
    prefix = PREFIX.get(here.region, here.region)
    # SageMaker writes its region before every usage type, older services not that of us-east-1 (aws-facts 1).
    bare = (pl.col("service") != SAGEMAKER) & pl.lit(prefix == "USE1")
    prefixed = pl.when(bare).then(pl.lit("")).otherwise(pl.lit(f"{prefix}-")) + pl.col("usage_type")
    return (
        lines.filter(pl.col("quantity") > 0)
        .group_by("start", "service", "usage_type", "operation", "resource_id", "tags", "price", maintain_order=True)
        .agg(pl.col("quantity").sum())
        .with_columns(
            pl.lit(here.account).alias("account"),
            pl.lit(here.region).alias("region"),
            prefixed.alias("usage_type"),
            (pl.col("quantity") * pl.col("price")).round(10).alias("cost"),
        )
        .select(list(USAGE))
    )


def _hosting(here: Standing) -> Iterator[Run]:
    for name, lives in here.lives.items():
        arn = here.arn("endpoint", name)
        for life in lives:
            tags = json.dumps(life.tags)
            for start, stop, config, variant, count, *_ in stretches(life):
                kind = variant.get("InstanceType")
                if not kind:
                    yield from _provisioned(variant, _span(start, stop), arn, tags, here.region)
                    continue
                family = "AsyncInf" if "AsyncInferenceConfig" in config else "Host"
                span, size = _span(start, stop), float(variant.get("VolumeSizeInGB") or 0) * count
                yield Run(
                    *span, f"{family}:{kind}", "RunInstance", arn, tags, count, _hourly(kind, "Hosting", here.region)
                )
                yield _volume(f"{family}:VolumeUsage.gp2", "endpoint_storage", size, span, arn, tags, here.region)


def _provisioned(variant: dict[str, Any], span: tuple[float, float], arn: str, tags: str, region: str) -> Iterator[Run]:
    """Provisioned concurrency of a serverless variant is paid for as long as it is allocated, by GB-second."""
    wish = variant.get("ServerlessConfig", {})
    if wish.get("ProvisionedConcurrency"):
        size = memory_gb(variant)
        rate = _unit("serverless_compute", region) * size * PROVISIONED_SHARE
        usage = f"ServerlessInf:ProvisionedConcurrency-Mem-{size}GB"
        yield Run(*span, usage, "Invoke-Endpoint", arn, tags, wish["ProvisionedConcurrency"] * 3600, rate)


def _training(here: Standing) -> Iterator[Run]:
    for job in here.training.values():
        if "TrainingStartTime" not in job:  # Stopped before it had instances.
            continue
        cluster, arn = job["ResourceConfig"], job["TrainingJobArn"]
        # Billed time begins with the run; managed spot shows as fewer billable seconds under the same usage type.
        start = job["TrainingStartTime"].timestamp()
        span, tags = (start, start + job["BillableTimeInSeconds"]), _tags(here, arn)
        for kind, count in clusters(cluster):
            price, spot = _hourly(kind, "Training", here.region), bool(job.get("EnableManagedSpotTraining"))
            yield Run(*span, f"Train:{kind}", "RunInstance", arn, tags, count, price, spot=spot)
            size = cluster.get("VolumeSizeInGB", 0) * count
            yield _volume("Train:VolumeUsage.gp2", "training_storage", size, span, arn, tags, here.region)


def clusters(cluster: dict[str, Any]) -> list[tuple[str, int]]:
    """Types and counts of a job's instances: one, or one a group of a heterogeneous cluster."""
    groups = cluster.get("InstanceGroups") or [cluster]
    return [(group["InstanceType"], group["InstanceCount"]) for group in groups]


def _processing(here: Standing) -> Iterator[Run]:
    for job in here.processing.values():
        cluster, arn = job["ProcessingResources"]["ClusterConfig"], job["ProcessingJobArn"]
        if "ProcessingStartTime" not in job:  # Stopped before it had instances, or never given any.
            continue
        kind = cluster.get("SelectedInstanceType") or cluster["InstanceType"]
        count = cluster.get("SelectedInstanceCount") or cluster["InstanceCount"]
        span, tags = _span(job["ProcessingStartTime"], job["ProcessingEndTime"]), _tags(here, arn)
        yield Run(
            *span, f"Processing:{kind}", "RunInstance", arn, tags, count, _hourly(kind, "Processing", here.region)
        )
        size = cluster.get("VolumeSizeInGB", 0) * count
        yield _volume("Processing:VolumeUsage.gp2", "processing_storage", size, span, arn, tags, here.region)


def _requests(here: Standing, begin: datetime, end: datetime) -> Iterator[Daily]:
    """Data out of every endpoint, and the seconds of serverless ones."""
    for name, lives in here.lives.items():
        first = int(max(begin, min(life.created for life in lives)).timestamp()) // DAY
        days = int(np.ceil(end.timestamp() / DAY)) - first
        if days <= 0:
            continue
        arn, tags = here.arn("endpoint", name), json.dumps(lives[-1].tags)
        found = {(item.variant["VariantName"], memory_gb(item.variant)) for life in lives for item in stretches(life)}
        price = _unit("endpoint_data", here.region)
        for variant, size in sorted(found):
            asked = demand.requests(here, name, variant, first * DAY, days, DAY, end, memory=size)
            family = "ServerlessInf" if size else "Host"
            told = SAGEMAKER, f"{family}:Data-Bytes-Out", "Invoke-Endpoint", arn, tags
            yield Daily(first, asked * GIGABYTES_A_REQUEST, *told, price)
            if size:
                usage, rate = f"ServerlessInf:Mem-{size}GB", _unit("serverless_compute", here.region) * size
                seconds = asked * SERVERLESS_SECONDS_A_REQUEST
                yield Daily(first, seconds, SAGEMAKER, usage, "Invoke-Endpoint", arn, tags, rate)


def _surroundings(here: Standing, begin: datetime, end: datetime) -> Iterator[Daily]:
    """S3 and CloudWatch: lines without a resource, a few per day, from the first endpoint on."""
    lives = [life.created for found in here.lives.values() for life in found]
    begun = lives or [surge.since for surge in here.surges]
    if not begun:
        return
    born = min(begun)
    first = int(max(begin, born).timestamp()) // DAY
    days = np.arange(first, int(np.ceil(end.timestamp() / DAY)))
    if not len(days):
        return
    share = np.clip(end.timestamp() / DAY - days, 0, 1)
    surging = sum((_surging(item, days, end) for item in here.surges), np.zeros(len(days)))
    gigabytes = 800 + 2.5 * (days - int(born.timestamp()) // DAY)
    for service, usage, operation, quantity, item, per in (
        (
            S3,
            "TimedStorage-ByteHrs",
            "StandardStorage",
            gigabytes * 24 / HOURS_A_MONTH * share,
            "s3_standard_storage",
            1,
        ),
        (S3, "Requests-Tier1", "PutObject", 42_000 * share, "s3_put", 1000),
        (CLOUDWATCH, "DataProcessing-Bytes", "PutLogEvents", 3.2 * share + surging, "logs_ingestion", 1),
    ):
        yield Daily(first, quantity, service, usage, operation, None, "{}", _unit(item, here.region) / per)


def _surging(surge: Surge, days: np.ndarray, end: datetime) -> np.ndarray:
    """Gigabytes of a surge on each day, up to ``end``."""
    until = min(surge.until, end).timestamp() / DAY
    hours = np.minimum(days + 1, until) - np.maximum(days, surge.since.timestamp() / DAY)
    gigabytes: np.ndarray = np.maximum(hours, 0) * surge.gigabytes_a_day
    return gigabytes


def _cut(runs: list[Run], begin: float, end: float, size: int) -> pl.DataFrame:
    """Runs, cut at midnight or at every full hour, with what each piece used."""
    texts = ("usage_type", "operation", "resource_id", "tags", "service")
    schema: dict[str, pl.DataType] = {
        **dict.fromkeys(Run._fields, pl.Float64()),
        **dict.fromkeys(texts, pl.String()),
        "spot": pl.Boolean(),
    }
    frame = (
        pl.DataFrame(runs, schema=schema, orient="row")
        .with_columns(pl.col("start").clip(begin, end), pl.col("stop").clip(begin, end))
        .filter(pl.col("start") < pl.col("stop"))
    )
    cut = frame.with_columns(
        pl.int_ranges((pl.col("start") // size).cast(pl.Int64), (pl.col("stop") / size).ceil().cast(pl.Int64)).alias(
            "number"
        )
    ).explode("number", empty_as_null=True)
    seconds = pl.min_horizontal("stop", (pl.col("number") + 1) * size) - pl.max_horizontal(
        "start", pl.col("number") * size
    )
    return cut.select(
        _moment(pl.col("number") * size).alias("start"),
        "service",
        "usage_type",
        "operation",
        "resource_id",
        "tags",
        (seconds / 3600 * pl.col("per_hour")).alias("quantity"),
        "price",
    )


def _days(items: list[Daily]) -> pl.DataFrame:
    """What was counted, a row for each day of each item."""
    texts = ("service", "usage_type", "operation", "resource_id", "tags")
    told = pl.DataFrame([item[2:] for item in items], schema=(*texts, "price"), orient="row").cast(
        {**dict.fromkeys(texts, pl.String()), "price": pl.Float64()}
    )
    lengths = [len(item.quantities) for item in items]
    row = np.repeat(np.arange(len(items)), lengths)
    number = [np.arange(item.first, item.first + len(item.quantities)) for item in items]
    quantity = [np.asarray(item.quantities, dtype=float) for item in items]
    return told[row].select(
        _moment(pl.lit(pl.Series("n", np.concatenate([np.zeros(0, np.int64), *number]))) * DAY).alias("start"),
        *texts,
        pl.Series("quantity", np.concatenate([np.zeros(0), *quantity])),
        "price",
    )


def _by_hour(days: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """What was counted in a day, evenly over its hours, those before ``end``."""
    over = ((pl.lit(end).dt.epoch("us") - pl.col("start").dt.epoch("us")) / (HOUR * 10**6)).ceil().clip(1, 24)
    return (
        days.with_columns(
            (pl.col("quantity") / over).alias("quantity"), pl.int_ranges(0, over.cast(pl.Int64)).alias("n")
        )
        .explode("n", empty_as_null=True)
        .with_columns(pl.col("start") + pl.duration(hours=pl.col("n")))
        .drop("n")
    )


def _moment(seconds: pl.Expr) -> pl.Expr:
    return pl.from_epoch(seconds.cast(pl.Int64), time_unit="s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _volume(
    usage: str, item: str, gigabytes: float, span: tuple[float, float], arn: str, tags: str, region: str
) -> Run:
    return Run(*span, usage, "CreateVolume-Gp2", arn, tags, gigabytes / HOURS_A_MONTH, _unit(item, region))


def _span(start: datetime, stop: datetime) -> tuple[float, float]:
    return start.timestamp(), float("inf") if stop == FOREVER else stop.timestamp()


def _tags(here: Standing, arn: str) -> str:
    return json.dumps(here.tags.get(arn, {}))


@lru_cache(maxsize=512)
def _hourly(kind: str, component: Component, region: str) -> float:
    try:
        return PriceBook.bundled().hourly(kind, component, region).usd
    except PriceUnknown:
        return UNKNOWN_USD_PER_HOUR


@lru_cache(maxsize=64)
def _unit(item: str, region: str) -> float:
    return PriceBook.bundled().unit(item, region if region in PREFIX else "us-east-1").usd
