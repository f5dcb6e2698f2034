"""Hours in which an endpoint is slower, fails more, or is asked unlike its own past: the detector of costs, on metrics.

In: hourly `METRICS`, when their endpoints stood in service (`traffic.in_service`). Out: a row per judged hour of a metric with
`score` (-log10 of the chance), `is_anomaly`, `direction`, `value`, `expected`. A metric keeps its own meaning: a counter without
a datapoint counted nothing while the endpoint was in service, and is unknown otherwise; a latency without a datapoint is unknown;
errors are judged as a share of the requests, of few requests hardly; less latency hurts nobody, fewer requests may. The row of
an hour rests on that hour and earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from sagekeeper.analyzers.anomaly_decision import decide
from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_rhythm import HOURS_OF_DAY, of_hours
from sagekeeper.analyzers.anomaly_scan import scan
from sagekeeper.core.settings import Anomalies

HOUR = 3600
SERIES = ["account", "region", "resource_kind", "resource_name", "variant", "metric"]
FEW_REQUESTS, NOT_CHANCE = 50.0, 2.0
"""Errors are judged as if so many more requests had gone well, by the share that is beyond so many standard deviations of a
binomial count: one of two requests that fails is no outage."""
USUAL_AFTER_HOURS = 24
"""A level that has lasted for a day is known."""
MONTH_HOURS = 30 * HOURS_OF_DAY

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Meaning:
    """How a metric is read. ``resolution``: a difference, in the metric's unit, that is nothing."""

    statistic: str
    absent: Literal["zero", "unknown"]
    hurts: tuple[Direction, ...]
    resolution: float
    share_of: str | None = None


MEANINGS = {
    "Invocations": Meaning("Sum", "zero", ("up", "down"), 10.0),
    "Invocation4XXErrors": Meaning("Sum", "zero", ("up",), 0.01, share_of="Invocations"),
    "Invocation5XXErrors": Meaning("Sum", "zero", ("up",), 0.01, share_of="Invocations"),
    "ModelLatency": Meaning("Average", "unknown", ("up",), 1000.0),
    "OverheadLatency": Meaning("Average", "unknown", ("up",), 1000.0),
}
FOUND = {
    "value": pl.Float64,
    "expected": pl.Float64,
    "score": pl.Float64,
    "is_anomaly": pl.Boolean,
    "direction": pl.String,
}


def detect_metrics(metrics: pl.DataFrame, stood: pl.DataFrame, settings: Anomalies | None = None) -> pl.DataFrame:
    """`SERIES`, start, and `FOUND`; ``direction`` is where the hour is off, ``value`` and ``expected`` in the metric's unit
    (errors: share of requests, from 0 to 1). ``stood``: [account, region, name, since, until], in service all the time between.
    """
    hours = _hours(metrics)
    if hours.is_empty():
        return hours.select(*SERIES, "start").with_columns(
            pl.lit(None, kind).alias(name) for name, kind in FOUND.items()
        )
    first, last = hours["start"].min(), hours["start"].max()
    every = pl.DataFrame({"start": pl.datetime_range(first, last, "1h", eager=True)})  # type: ignore[arg-type]
    names = hours.select(SERIES).unique().sort(SERIES, nulls_last=True).with_row_index("series")
    whole = names.join(every, how="cross").join(hours, on=[*SERIES, "start"], how="left", nulls_equal=True)
    values = _as_shares(_with_zeros(whole, stood)).sort("series", "start")
    line = np.arange(len(every) * len(names)) % len(every)
    matrix = np.full((len(every), len(names)), np.nan)
    matrix[line, values["series"].to_numpy()] = values["judged"].to_numpy()
    found = [_judge(matrix, every["start"], names["metric"], way, settings or Anomalies()) for way in ("up", "down")]
    cell = (line, values["series"].to_numpy())
    return (
        pl.concat(
            values.select(*SERIES, "start", "value").with_columns(_rows(judged, cell, way)) for judged, way in found
        )
        .filter(pl.col("value").is_not_null(), pl.col("score").is_not_null())
        .sort("score", descending=True)
        .unique([*SERIES, "start"], keep="first")
        .sort(*SERIES, "start", nulls_last=True)
    )


@dataclass(frozen=True)
class Judged:
    """Matrices (hours x series); ``score`` NaN where that way does not hurt."""

    score: Array
    expected: Array
    flags: Array


def judge(values: Array, hours: Array, resolution: Array, way: Direction, settings: Anomalies) -> Judged:
    """``values``: (hours x series), NaN unknown; ``resolution``: per series. What is low is judged as an inverse that is high."""
    above = np.maximum(values, 0) + resolution
    amounts = (above if way == "up" else 1 / above).astype(np.float32)
    found = scan(amounts, of_hours(hours), np.zeros(values.shape, bool), USUAL_AFTER_HOURS)
    least = settings.model_copy(update={"least_money": 1e-12, "money_weight": 0.0})
    flags, _ = decide(found, amounts, np.arange(values.shape[1]), least, MONTH_HOURS)
    expected = found.expected if way == "up" else 1 / np.maximum(found.expected, 1e-30)
    return Judged(found.surprise, np.maximum(expected - resolution, 0), flags)


def _judge(
    matrix: Array, hours: pl.Series, metrics: pl.Series, way: Direction, settings: Anomalies
) -> tuple[Judged, Direction]:
    meanings = [MEANINGS[metric] for metric in metrics]
    resolution = np.array([meaning.resolution for meaning in meanings])
    judged = judge(matrix, hours.to_numpy().astype("datetime64[h]"), resolution, way, settings)
    harmless = [number for number, meaning in enumerate(meanings) if way not in meaning.hurts]
    judged.score[:, harmless] = np.nan
    judged.flags[:, harmless] = False
    return judged, way


def _rows(judged: Judged, cell: tuple[Array, Array], way: Direction) -> list[pl.Series | pl.Expr]:
    score = pl.Series("score", judged.score[cell].astype(float)).fill_nan(None)
    expected = pl.Series("expected", judged.expected[cell].astype(float))
    return [score, expected, pl.Series("is_anomaly", judged.flags[cell]), pl.lit(way).alias("direction")]


def _hours(metrics: pl.DataFrame) -> pl.DataFrame:
    """`SERIES`, start (the hour), value: of the statistics that are judged."""
    wanted = pl.DataFrame({"metric": list(MEANINGS), "statistic": [meaning.statistic for meaning in MEANINGS.values()]})
    return (
        metrics.filter(pl.col("period_seconds") == HOUR)
        .join(wanted, on=["metric", "statistic"], how="semi")
        .select(*SERIES, pl.col("start").dt.truncate("1h"), "value")
        .unique([*SERIES, "start"], keep="last")
    )


def _with_zeros(whole: pl.DataFrame, stood: pl.DataFrame) -> pl.DataFrame:
    """A counter's hours without a datapoint are zero where the endpoint was in service from before until after the hour."""
    counters = [name for name, meaning in MEANINGS.items() if meaning.absent == "zero"]
    spans = stood.select("account", "region", "since", "until", resource_name="name")
    standing = (
        whole.filter(pl.col("value").is_null(), pl.col("metric").is_in(counters))
        .join(spans, on=["account", "region", "resource_name"])
        .filter(pl.col("since") <= pl.col("start"), pl.col("start") + pl.duration(hours=1) <= pl.col("until"))
        .select("series", "start", zero=pl.lit(0.0))
        .unique()
    )
    return (
        whole.join(standing, on=["series", "start"], how="left").with_columns(pl.coalesce("value", "zero")).drop("zero")
    )


def _as_shares(values: pl.DataFrame) -> pl.DataFrame:
    """``judged`` beside ``value``; errors over requests are unknown where the requests are, or where there was none."""
    of = {name: meaning.share_of for name, meaning in MEANINGS.items() if meaning.share_of}
    place = [name for name in SERIES if name != "metric"]
    whole = values.select(*place, "start", whole="value", of="metric")
    shares = values.with_columns(of=pl.col("metric").replace_strict(of, default=None))
    divided = shares.join(whole, on=[*place, "start", "of"], how="left", nulls_equal=True)
    padded = pl.col("whole") + FEW_REQUESTS
    careful = pl.col("value") / padded
    beyond = careful - NOT_CHANCE * (careful * (1 - careful).clip(0) / padded).sqrt()
    asked, plain = pl.col("whole") > 0, pl.col("of").is_null()
    return divided.with_columns(
        judged=pl.when(plain).then("value").otherwise(pl.when(asked).then(beyond.clip(0))),
        value=pl.when(plain).then("value").otherwise(pl.when(asked).then(pl.col("value") / pl.col("whole"))),
    ).drop("of", "whole")
