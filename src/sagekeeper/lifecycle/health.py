"""Does an endpoint do after a change what it did before? Errors, latency and CPU, judged against its own past.

In: CloudWatch, by EndpointName AND VariantName, the reader role. Out: limits from before the change, and a verdict from after it.
Unhealthy only when one measure is beyond its limit in two periods in a row of which it is known; a period without data is
unknown, neither healthy nor unhealthy. Percentiles are asked for per period and never re-aggregated (aws-facts 1, 1.1).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl

from sagekeeper.lifecycle.actuator import Reads, Watch

SHORT_PERIOD_SECONDS, LONG_PERIOD_SECONDS = 300, 3600
FEWEST_REQUESTS = 20
"""A p95 of fewer requests is their maximum: too noisy to judge."""
BASELINE = timedelta(days=7)
DELAY = timedelta(minutes=2)
"""CloudWatch's points of a minute are complete about two minutes later."""
LATENCY_FACTOR, LATENCY_FLOOR_US = (
    1.2,
    10_000.0,
)  # 1.2 x baseline: aws-facts 2.13; the floor keeps 2 ms models from flapping
ERROR_RATE_MARGIN = 0.01
CPU_LIMIT_PERCENT = 90.0
SPREAD = 0.95
"""The baseline of a latency is what 95 % of the periods of the week before stayed under, so that a daily peak is no breach."""

READINGS = {
    "variant": pl.String(),
    "start": pl.Datetime("us", "UTC"),
    "requests": pl.Float64(),
    "errors": pl.Float64(),
    "latency_us": pl.Float64(),
    "cpu_percent": pl.Float64(),
}


@dataclass(frozen=True)
class Limits:
    """What a variant may do. None: could not be known before the change, so it cannot be judged after it."""

    variant: str
    period_seconds: int
    latency_baseline_us: float | None
    latency_limit_us: float | None
    error_rate_limit: float
    cpu_limit_percent: float


@dataclass(frozen=True)
class Verdict:
    """What was seen. ``why`` names each breach and how far it went, or what is not known."""

    state: Literal["healthy", "unhealthy", "unknown"]
    why: list[str]
    periods: int
    periods_with_requests: int


def limits_before(reads: Reads, watch: Watch, now: datetime) -> list[Limits]:
    """The limits of each variant, from the week before ``now``."""
    hourly = read(reads, watch, now - BASELINE, now, LONG_PERIOD_SECONDS)
    return [
        _limits(reads, watch, hourly.filter(pl.col("variant") == variant), variant, now) for variant in _variants(watch)
    ]


def _limits(reads: Reads, watch: Watch, hourly: pl.DataFrame, variant: str, now: datetime) -> Limits:
    per_hour = hourly["requests"].drop_nulls().median()
    busy = isinstance(per_hour, float) and per_hour >= FEWEST_REQUESTS * LONG_PERIOD_SECONDS / SHORT_PERIOD_SECONDS
    period = SHORT_PERIOD_SECONDS if busy else LONG_PERIOD_SECONDS
    past = read(reads, watch, now - BASELINE, now, period).filter(pl.col("variant") == variant) if busy else hourly
    return limits_from(past, variant, period)


def limits_from(past: pl.DataFrame, variant: str, period_seconds: int) -> Limits:
    """The limits that follow from a variant's own readings before the change."""
    enough = past.filter(pl.col("requests") >= FEWEST_REQUESTS)
    latency = enough["latency_us"].drop_nulls().quantile(SPREAD, interpolation="linear")
    totals = past.filter(pl.col("errors").is_not_null() & (pl.col("requests") > 0))
    requests = float(totals["requests"].sum())
    rate = float(totals["errors"].sum()) / requests if requests else 0.0
    return Limits(
        variant=variant,
        period_seconds=period_seconds,
        latency_baseline_us=latency,
        latency_limit_us=None if latency is None else latency * LATENCY_FACTOR + LATENCY_FLOOR_US,
        error_rate_limit=rate + ERROR_RATE_MARGIN,
        cpu_limit_percent=CPU_LIMIT_PERCENT,
    )


def read(reads: Reads, watch: Watch, start: datetime, end: datetime, period_seconds: int) -> pl.DataFrame:
    """Readings of every variant in whole periods from ``start`` to ``end``; null where CloudWatch has no point."""
    first, last = _ceil(start, period_seconds), _floor(end, period_seconds)
    if first >= last:
        return pl.DataFrame(schema=READINGS)
    grid = pl.datetime_range(first, last, f"{period_seconds}s", closed="left", time_unit="us", eager=True).alias(
        "start"
    )
    frames = []
    for variant in _variants(watch):
        points = _points(reads, watch, variant, first, last, period_seconds)
        frame = pl.DataFrame({"start": grid}).join(points, on="start", how="left").sort("start")
        frames.append(frame.with_columns(variant=pl.lit(variant)).select(READINGS.keys()))
    return pl.concat(frames) if frames else pl.DataFrame(schema=READINGS)


def judge(readings: pl.DataFrame, limits: list[Limits]) -> Verdict:
    """The verdict over the whole watch so far.

    A single period beyond a limit is named but does not decide; two in a row, leaving out those without data, do.
    """
    if readings.is_empty() or not limits:
        return Verdict("unknown", ["No whole period has passed since the change."], 0, 0)
    measured = _measured(readings, limits)
    known = measured.filter(pl.col("value").is_not_null() & pl.col("limit").is_not_null()).sort("start")
    judged = known.with_columns(breach=pl.col("value") > pl.col("limit")).with_columns(
        twice=pl.col("breach") & pl.col("breach").shift(1).over("variant", "measure").fill_null(value=False)
    )
    periods = readings.height
    with_requests = readings.filter(pl.col("requests") > 0).height
    twice = judged.filter("twice").group_by("variant", "measure", maintain_order=True).first()
    if twice.height:
        return Verdict("unhealthy", [_breach(row) for row in twice.iter_rows(named=True)], periods, with_requests)
    unknown = [
        f"{name} is not known"
        for name in ("5XX rate", "p95 latency", "p99 CPU")
        if judged.filter(pl.col("measure") == name).is_empty()
    ]
    once = [f"Once: {_breach(row)}" for row in judged.filter("breach").tail(3).iter_rows(named=True)]
    state: Literal["healthy", "unknown"] = "unknown" if len(unknown) == 3 else "healthy"
    return Verdict(state, once + unknown, periods, with_requests)


def verdict_since(reads: Reads, watch: Watch, limits: list[Limits], applied_at: datetime, until: datetime) -> Verdict:
    """The verdict from ``applied_at`` to ``until``: the worst of the variants, each by its own period."""
    verdicts = [
        judge(read(reads, watch, applied_at, until, period), [item for item in limits if item.period_seconds == period])
        for period in sorted({item.period_seconds for item in limits})
    ]
    order = {"unhealthy": 0, "healthy": 1, "unknown": 2}
    nothing = Verdict("unknown", ["No limits are known."], 0, 0)
    return min(verdicts, key=lambda item: order[item.state], default=nothing)


def in_words(verdict: Verdict) -> str:
    """For the person who looks at the action."""
    if verdict.periods_with_requests == 0:
        return f"health unknown, no request in {verdict.periods} periods."
    told = f" ({'; '.join(verdict.why)})" if verdict.why else ""
    return f"{verdict.state} in {verdict.periods_with_requests} of {verdict.periods} periods with requests{told}."


def as_document(limits: list[Limits], verdict: Verdict | None, at: datetime) -> dict[str, Any]:
    """What is kept in the ledger: the limits and the last verdict."""
    kept: dict[str, Any] = {"limits": [asdict(item) for item in limits]}
    if verdict is not None:
        kept |= {"last": asdict(verdict) | {"at": at.isoformat()}}
    return kept


def _measured(readings: pl.DataFrame, limits: list[Limits]) -> pl.DataFrame:
    """One row per variant, period and measure, with its limit."""
    bounds = pl.DataFrame(
        [asdict(item) for item in limits],
        schema_overrides={"latency_baseline_us": pl.Float64(), "latency_limit_us": pl.Float64()},
    )
    enough = pl.col("requests") >= FEWEST_REQUESTS
    rows = readings.join(bounds, on="variant", how="inner")
    some = pl.col("requests") > 0
    return pl.concat(
        rows.select("variant", "start", measure=pl.lit(name), value=value, limit=limit)
        for name, value, limit in (
            ("5XX rate", pl.when(some).then(pl.col("errors") / pl.col("requests")), pl.col("error_rate_limit")),
            ("p95 latency", pl.when(enough).then(pl.col("latency_us")), pl.col("latency_limit_us")),
            ("p99 CPU", pl.col("cpu_percent"), pl.col("cpu_limit_percent")),
        )
    )


def _breach(row: dict[str, Any]) -> str:
    measure = row["measure"]
    return (
        f"{measure} of variant {row['variant']} was {_shown(measure, row['value'])} at {row['start']:%Y-%m-%d %H:%M} UTC, "
        f"limit {_shown(measure, row['limit'])}"
    )


def _shown(measure: str, value: float) -> str:
    if measure == "5XX rate":
        return f"{value:.1%}"
    return f"{value / 1000:,.1f} ms" if measure == "p95 latency" else f"{value:.0f} %"


def _points(
    reads: Reads, watch: Watch, variant: str, first: datetime, last: datetime, period_seconds: int
) -> pl.DataFrame:
    own = {"EndpointName": watch.endpoint, "VariantName": variant}
    asked = (
        ("requests", "AWS/SageMaker", "Invocations", "Sum", 1.0),
        ("errors", "AWS/SageMaker", "Invocation5XXErrors", "Sum", 1.0),
        ("latency_us", "AWS/SageMaker", "ModelLatency", "p95", 1.0),
        # The sum over cores (a 4 vCPU instance reaches 400 %): divided below.
        ("cpu_percent", "/aws/sagemaker/Endpoints", "CPUUtilization", "p99", watch.vcpu_of_variant[variant]),
    )
    queries = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": metric,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in own.items()],
                },
                "Period": period_seconds,
                "Stat": statistic,
            },
        }
        for number, (_, namespace, metric, statistic, _) in enumerate(asked)
    ]
    pages = reads.cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=first, EndTime=last, ScanBy="TimestampAscending"
    )
    results = [result for page in pages for result in page["MetricDataResults"]]
    points = pl.DataFrame(schema={"start": READINGS["start"]})
    for number, (column, _, _, _, divisor) in enumerate(asked):
        own_results = [result for result in results if result["Id"] == f"q{number}"]
        series = pl.DataFrame(
            {
                "start": [at.astimezone(UTC) for result in own_results for at in result["Timestamps"]],
                column: [value for result in own_results for value in result["Values"]],
            },
            schema={"start": READINGS["start"], column: pl.Float64()},
        )
        known = pl.col(column) / divisor if divisor else pl.lit(None, pl.Float64())
        points = points.join(series.with_columns(known.alias(column)), on="start", how="full", coalesce=True)
    return points


def _variants(watch: Watch) -> list[str]:
    return sorted(watch.vcpu_of_variant)


def _floor(at: datetime, period_seconds: int) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // period_seconds * period_seconds, UTC)


def _ceil(at: datetime, period_seconds: int) -> datetime:
    return datetime.fromtimestamp(-(-at.timestamp() // period_seconds) * period_seconds, UTC)
