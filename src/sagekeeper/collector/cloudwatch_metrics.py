"""Traffic, latency and utilisation of endpoints, hour by hour, and a year of daily requests.

In: the endpoints of today's `inventory` and CloudWatch's GetMetricData, up to 500 queries a call, with the
dimensions EndpointName AND VariantName. Out: one `metrics` row per asked period in which the endpoint existed, also
where CloudWatch has no datapoint (value null): so what was found can be compared with what was to be expected, and
whether nothing means zero is left to the analyzers.

Only what a kind of endpoint publishes is asked (aws-facts 1.1): an asynchronous endpoint has no Invocations and is
asked what it has processed, a serverless one has no instance metrics. CPU and GPU utilisation are sums over cores
and GPUs: they are divided by the instance type's count, and not asked for a type that is not known. An endpoint's
configuration tells the type only since it was made: utilisation before that is not asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.collector.observed import observed
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.lake import Scope
from sagekeeper.core.prices import InstanceSpec, PriceBook
from sagekeeper.core.tables import METRICS

REQUESTS = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
HOUR, DAY = 3600, 86400
YEAR_DAYS = 400
MOST_QUERIES, MOST_POINTS = 500, 100_800
"""Limits of one GetMetricData call (aws-facts, CloudWatch rules)."""
LATE = timedelta(hours=3)
"""Datapoints may still come in for this long: read again."""


@dataclass(frozen=True)
class Asked:
    """A metric that is asked. ``per``: what its value is divided by, None for as it is."""

    namespace: str
    metric: str
    statistics: tuple[str, ...]
    unit: str
    per: str | None = None  # vcpu, gpus


TRAFFIC = (
    Asked(REQUESTS, "Invocations", ("Sum",), "count"),
    Asked(REQUESTS, "Invocation4XXErrors", ("Sum",), "count"),
    Asked(REQUESTS, "Invocation5XXErrors", ("Sum",), "count"),
    # Percentiles cannot be re-aggregated: asked at the period in which they are used.
    Asked(REQUESTS, "ModelLatency", ("Average", "p95", "p99"), "microseconds"),
)
UTILISATION = (
    Asked(INSTANCES, "CPUUtilization", ("Average", "Maximum"), "percent", per="vcpu"),
    Asked(INSTANCES, "MemoryUtilization", ("Maximum",), "percent"),
    Asked(INSTANCES, "GPUUtilization", ("Average", "Maximum"), "percent", per="gpus"),
    Asked(INSTANCES, "GPUMemoryUtilization", ("Maximum",), "percent", per="gpus"),
)
QUEUED = tuple(
    # AWS's list of what asynchronous endpoints publish spells it with three s (aws-facts 1.1): both are asked.
    Asked(REQUESTS, name, ("Sum",), "count")
    for name in ("InvocationsProcessed", "InvocationsProcesssed")
)
SEASON = (Asked(REQUESTS, "Invocations", ("Sum",), "count"),)


@dataclass(frozen=True)
class Query:
    """One metric and statistic of one variant, and since when it makes sense."""

    endpoint: str
    variant: str
    asked: Asked
    statistic: str
    since: datetime
    divisor: float


def collect(task: Task) -> int:
    """Read the hours and days that are new, or young enough to change."""
    upto = task.read_upto()
    now = task.as_of
    hours_end = now.replace(minute=0, second=0, microsecond=0)
    days_end = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first_hour = days_end - timedelta(days=task.settings.collect.metric_days)
    first_day = days_end - timedelta(days=YEAR_DAYS)
    if upto is not None:
        first_hour = max(first_hour, _midnight(upto - LATE))
        first_day = max(first_day, _midnight(upto - timedelta(days=2)))
    endpoints = observed(task, "endpoint")
    hourly = [query for row in endpoints for query in _queries(task, row, season=False)]
    daily = [query for row in endpoints for query in _queries(task, row, season=True)]
    with aws_errors(f"CloudWatch in {task.account.id} {task.region}"):
        frames = [
            *_read(task, daily, DAY, first_day, days_end),
            *_read(task, hourly, HOUR, first_hour, hours_end),
        ]
    rows = pl.concat([METRICS.empty(), *frames])
    _keep(task, rows, min(first_day, first_hour), hours_end)
    task.has_read_upto(hours_end)
    return rows.height


def _queries(task: Task, row: dict[str, Any], *, season: bool) -> Iterator[Query]:
    document = json.loads(row["config"])
    config = document.get("EndpointConfig")
    if config is None:
        task.note(f"Endpoint {row['name']} has lost its configuration: its metrics are not read.")
        return
    asynchronous = "AsyncInferenceConfig" in config or "AsyncInferenceConfig" in document
    configured = datetime.fromisoformat(config["CreationTime"]) if "CreationTime" in config else row["created_at"]
    for variant in config.get("ProductionVariants", []):
        serverless = "ServerlessConfig" in variant
        for asked in QUEUED if asynchronous else SEASON if season else TRAFFIC:
            for statistic in asked.statistics:
                yield Query(row["name"], variant["VariantName"], asked, statistic, row["created_at"], 1.0)
        if season or serverless:
            continue
        spec = PriceBook.bundled().spec(variant.get("InstanceType", ""))
        for asked in UTILISATION:
            divisor = _divisor(task, row["name"], variant, spec, asked)
            if divisor is not None:
                since = row["created_at"] if asked.per is None else max(row["created_at"], configured)
                for statistic in asked.statistics:
                    yield Query(row["name"], variant["VariantName"], asked, statistic, since, divisor)


def _divisor(
    task: Task, endpoint: str, variant: dict[str, Any], spec: InstanceSpec | None, asked: Asked
) -> float | None:
    """What to divide by; None: not to be asked (no GPU there, or nobody knows how many cores)."""
    if asked.per is None:
        return 1.0 if not asked.metric.startswith("GPU") else None
    if spec is None:
        task.note(
            f"Endpoint {endpoint}: {variant.get('InstanceType', 'its instance type')} is not in the price book, "
            "so its utilisation cannot be normalised and is not read."
        )
        return None
    count = spec.vcpu if asked.per == "vcpu" else spec.gpus
    return float(count) if count else None


def _read(task: Task, queries: list[Query], period: int, first: datetime, end: datetime) -> Iterator[pl.DataFrame]:
    """One frame per call, with a row for every period that the query covers."""
    periods = int((end - first).total_seconds()) // period
    if periods <= 0:
        return
    size = max(1, min(MOST_QUERIES, MOST_POINTS // periods))
    grid = pl.DataFrame(
        {"start": pl.datetime_range(first, end, f"{period}s", closed="left", time_unit="us", eager=True)}
    )
    for position in range(0, len(queries), size):
        part = queries[position : position + size]
        task.progress(f"{task.account.id} {task.region}", position / len(queries))
        about = pl.DataFrame(
            {
                "id": [f"q{number}" for number in range(len(part))],
                "resource_name": [query.endpoint for query in part],
                "variant": [query.variant for query in part],
                "metric": [query.asked.metric for query in part],
                "statistic": [query.statistic for query in part],
                "unit": [query.asked.unit for query in part],
                "divisor": [query.divisor for query in part],
                "since": [query.since for query in part],
            },
            schema_overrides={"since": pl.Datetime("us", "UTC")},
        )
        found = _ask(task, part, period, first, end)
        yield (
            about.join(grid, how="cross")
            # Only whole periods of the endpoint's life: part of one has part of the requests.
            .filter(pl.col("start") >= pl.col("since"))
            .join(found, on=["id", "start"], how="left")
            .with_columns(
                (pl.col("value") / pl.col("divisor")).alias("value"),
                account=pl.lit(task.account.id),
                region=pl.lit(task.region),
                resource_kind=pl.lit("endpoint"),
                period_seconds=pl.lit(period, pl.Int32),
                day=pl.col("start").dt.date(),
                observed_at=pl.lit(task.as_of).dt.cast_time_unit("us"),
            )
            .select(METRICS.columns.keys())
        )


def _ask(task: Task, queries: list[Query], period: int, first: datetime, end: datetime) -> pl.DataFrame:
    """[id, start, value] of one GetMetricData call and its pages."""
    request: dict[str, Any] = {
        "StartTime": first,
        "EndTime": end,
        "ScanBy": "TimestampAscending",
        "MetricDataQueries": [
            {
                "Id": f"q{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": query.asked.namespace,
                        "MetricName": query.asked.metric,
                        "Dimensions": [
                            {"Name": "EndpointName", "Value": query.endpoint},
                            {"Name": "VariantName", "Value": query.variant},
                        ],
                    },
                    "Period": period,
                    "Stat": query.statistic,
                },
            }
            for number, query in enumerate(queries)
        ],
    }
    client = task.client("cloudwatch")
    frames = []
    while True:
        answer = client.get_metric_data(**request)
        for result in answer["MetricDataResults"]:
            if result.get("StatusCode") in ("InternalError", "Forbidden"):
                asked = queries[int(result["Id"][1:])]
                task.note(
                    f"CloudWatch did not answer for {asked.asked.metric} of {asked.endpoint}: {result['StatusCode']}."
                )
            frames.append(
                pl.DataFrame(
                    {"start": result["Timestamps"], "value": result["Values"]},
                    schema={"start": pl.Datetime("us", "UTC"), "value": pl.Float64()},
                ).select(pl.lit(result["Id"]).alias("id"), "start", "value")
            )
        if not answer.get("NextToken"):
            break
        request["NextToken"] = answer["NextToken"]
    nothing = pl.DataFrame(schema={"id": pl.String(), "start": pl.Datetime("us", "UTC"), "value": pl.Float64()})
    return pl.concat([nothing, *frames])


def _keep(task: Task, rows: pl.DataFrame, first: datetime, end: datetime) -> None:
    """Put the rows in place of their likes; what was read before and is not asked now (an endpoint since deleted) stays."""
    here = (pl.col("account") == task.account.id) & (pl.col("region") == task.region)
    within = pl.col("day").is_between(first.date(), end.date())
    before = task.lake.scan(METRICS).filter(here & within).collect()
    whole = pl.concat([before.join(rows, on=METRICS.keys, how="anti"), rows])
    scope = {"account": task.account.id, "region": task.region}
    task.replace(METRICS, whole, Scope(scope, "day", first.date(), end.date()))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


CLOUDWATCH_METRICS = Source(
    name="cloudwatch_metrics",
    description="requests, latency and utilisation of endpoints",
    per="account_region",
    permissions=("cloudwatch:GetMetricData",),
    collect=collect,
)
