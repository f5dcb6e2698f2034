"""Metrics with their own meanings: counters, latencies, shares of errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.metric_anomalies import detect_metrics

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = 24 * 21
PLACE = {"account": "111122223333", "region": "us-east-1"}
STOOD = pl.DataFrame(
    {**PLACE, "name": "fraud", "since": [FIRST - timedelta(days=9)], "until": [FIRST + timedelta(days=90)]}
)
NEVER_SEEN = STOOD.clear()


def daily(level: float, seed: int = 1, sd: float = 0.05) -> np.ndarray:
    """A day with a noon, and noise."""
    hour = np.arange(HOURS)
    noise = np.exp(np.random.default_rng(seed).normal(0, sd, HOURS))
    return level * (1 + 0.5 * np.sin((hour % 24 - 6) / 24 * 2 * np.pi)) * noise


def metric(name: str, values: np.ndarray, statistic: str) -> pl.DataFrame:
    """Hourly points of endpoint fraud; NaN: no datapoint."""
    starts = [FIRST + timedelta(hours=n) for n in range(len(values))]
    rows = pl.DataFrame({"start": starts, "value": values}).with_columns(
        resource_kind=pl.lit("endpoint"),
        resource_name=pl.lit("fraud"),
        variant=pl.lit("AllTraffic"),
        metric=pl.lit(name),
        statistic=pl.lit(statistic),
        period_seconds=pl.lit(3600, pl.Int32),
        **{key: pl.lit(value) for key, value in PLACE.items()},
    )
    return rows.filter(pl.col("value").is_not_nan())


def told(found: pl.DataFrame, name: str) -> list[tuple[int, str]]:
    """Hours from the first, and directions, of the flags of a metric."""
    flags = found.filter("is_anomaly", pl.col("metric") == name)
    return [
        (int((start - FIRST).total_seconds() // 3600), way) for start, way in flags.select("start", "direction").rows()
    ]


def test_a_latency_that_doubles_is_told_in_its_first_hour_and_a_falling_one_never() -> None:
    slow, fast = daily(200_000, sd=0.03), daily(200_000, sd=0.03)
    slow[400:406] *= 2
    fast[400:406] /= 3
    assert told(detect_metrics(metric("ModelLatency", slow, "Average"), STOOD), "ModelLatency") == [(400, "up")]
    assert told(detect_metrics(metric("ModelLatency", fast, "Average"), STOOD), "ModelLatency") == []


def test_a_latency_without_datapoints_is_unknown_not_fast() -> None:
    latency = daily(200_000)
    latency[400:430] = np.nan
    found = detect_metrics(metric("ModelLatency", latency, "Average"), STOOD)
    assert found.height == HOURS - 30
    assert told(found, "ModelLatency") == []


def test_requests_that_stop_while_the_endpoint_stands_are_told() -> None:
    requests = daily(5000)
    requests[400:412] = np.nan
    points = metric("Invocations", requests, "Sum")
    found = detect_metrics(points, STOOD)
    assert told(found, "Invocations")[0] == (400, "down")
    stopped = found.filter(pl.col("start") == FIRST + timedelta(hours=400))
    assert stopped["value"].item() == 0.0
    assert stopped["expected"].item() > 1000


def test_requests_of_an_endpoint_that_is_not_known_to_stand_are_unknown() -> None:
    requests = daily(5000)
    requests[400:412] = np.nan
    found = detect_metrics(metric("Invocations", requests, "Sum"), NEVER_SEEN)
    assert found.height == HOURS - 12
    assert told(found, "Invocations") == []


def test_a_burst_of_requests_is_told_as_up() -> None:
    requests = daily(5000)
    requests[400:403] *= 6
    assert told(detect_metrics(metric("Invocations", requests, "Sum"), STOOD), "Invocations")[0] == (400, "up")


def test_errors_are_judged_as_a_share_of_requests() -> None:
    requests, errors = daily(5000), np.round(daily(5000) * 0.002)
    requests[300:310] *= 4  # four times the errors of four times the requests are no more errors
    errors[300:310] *= 4
    errors[400:404] = requests[400:404] * 0.2
    points = pl.concat([metric("Invocations", requests, "Sum"), metric("Invocation5XXErrors", errors, "Sum")])
    found = detect_metrics(points, STOOD)
    assert told(found, "Invocation5XXErrors") == [(400, "up")]
    share = found.filter(pl.col("metric") == "Invocation5XXErrors", pl.col("start") == FIRST + timedelta(hours=400))
    assert share["value"].item() == pytest.approx(0.2)


def test_one_of_two_requests_that_fails_is_no_outage() -> None:
    requests, errors = np.full(HOURS, 2.0), np.full(HOURS, np.nan)
    errors[400] = 1.0
    points = pl.concat([metric("Invocations", requests, "Sum"), metric("Invocation4XXErrors", errors, "Sum")])
    assert told(detect_metrics(points, STOOD), "Invocation4XXErrors") == []


def test_an_hour_rests_on_no_later_hour() -> None:
    requests = daily(5000, sd=0.2)
    requests[400:404] *= 3
    whole = metric("Invocations", requests, "Sum")
    until = FIRST + timedelta(hours=402)
    then = detect_metrics(whole.filter(pl.col("start") < until), STOOD)
    assert detect_metrics(whole, STOOD).filter(pl.col("start") < until).equals(then)


def test_no_metrics_are_no_rows() -> None:
    assert detect_metrics(metric("Invocations", np.array([np.nan]), "Sum"), STOOD).is_empty()
