"""When was an endpoint asked, and when certainly not?

In: `METRICS` of endpoints, the observations of `INVENTORY`. Out: requests per variant and day, and per endpoint and
day how many of its hours had requests and how many certainly had none. CloudWatch has no datapoint where no request
came, and none where it lost one (aws-facts, CloudWatch rules: no data is zero only while the endpoint existed and
was in service all the time):

* an hour without a datapoint is quiet where every variant's instances reported their CPU in it; otherwise it is
  unknown;
* a day of which no hours were read and that has no datapoint is quiet where the endpoint stood in service from
  before the day until after it, as SageMaker says: InService now, last changed before.

An asynchronous endpoint publishes no Invocations; what it has processed is counted as its requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

KEY = ["account", "region", "name"]
HOUR, DAY = 3600, 86400
HOURS_OF_DAY = 24
REQUESTS = ("Invocations", "InvocationsProcessed", "InvocationsProcesssed")
"""The last two: of an asynchronous endpoint, whose documentation spells it with three s. One of them has datapoints."""
USED = (*REQUESTS, "CPUUtilization")
"""Metrics that are read here."""


@dataclass(frozen=True)
class Traffic:
    """``requests``: [account, region, name, variant, day, requests], one row per asked day of a variant; null is
    unknown.

    ``hours``: [account, region, name, day, hours, busy, quiet]: how many were asked, had requests, and certainly had
    none. A day of which no hours were read has 24; they are known only if no request came all day.
    """

    requests: pl.DataFrame
    hours: pl.DataFrame


def traffic(metrics: pl.DataFrame, stood: pl.DataFrame) -> Traffic:
    """Of the days of ``metrics``. ``stood``: of `in_service`."""
    hours = _hours(metrics)
    requests = _requests(metrics, hours, stood)
    return Traffic(requests, _hours_of_days(hours, requests))


def in_service(observations: pl.DataFrame) -> pl.DataFrame:
    """[account, region, name, since, until]: in service all the time between, because seen so and not changed in it."""
    return (
        observations.filter((pl.col("kind") == "endpoint") & (pl.col("status") == "InService"))
        .group_by(*KEY, since=pl.coalesce("changed_at", "created_at"))
        .agg(until=pl.col("observed_at").max())
        .filter(pl.col("since").is_not_null())
        .sort("since")
    )


def _requests(metrics: pl.DataFrame, hours: pl.DataFrame, stood: pl.DataFrame) -> pl.DataFrame:
    asked = (
        metrics.filter(
            (pl.col("resource_kind") == "endpoint")
            & pl.col("metric").is_in(REQUESTS)
            & (pl.col("statistic") == "Sum")
            & (pl.col("period_seconds") == DAY)
        )
        .group_by("account", "region", "variant", "day", "start", name="resource_name")
        .agg(pl.col("value").max())
        .sort("start")
    )
    silent = hours.group_by(*KEY, "day").agg(silent=pl.col("quiet").all())
    whole_day = pl.col("until") >= pl.col("start").dt.offset_by("1d")
    quiet = pl.coalesce("silent", whole_day).fill_null(value=False)
    return (
        asked.join_asof(stood, left_on="start", right_on="since", by=KEY, check_sortedness=False)
        .join(silent, on=[*KEY, "day"], how="left")
        .with_columns(requests=pl.coalesce("value", pl.when(quiet).then(0.0)))
        .select(*KEY, "variant", "day", "requests")
    )


def _hours_of_days(hours: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    read = hours.group_by(*KEY, "day").agg(
        hours=pl.len().cast(pl.Int64), busy=pl.col("busy").sum(), quiet=pl.col("quiet").sum()
    )
    silent = (pl.col("requests") == 0).fill_null(value=False).all()
    unread = (
        requests.group_by(*KEY, "day")
        .agg(silent=silent)
        .join(read, on=[*KEY, "day"], how="anti")
        .with_columns(hours=pl.lit(HOURS_OF_DAY, pl.Int64), busy=pl.lit(0), quiet=pl.col("silent") * HOURS_OF_DAY)
    )
    columns = [*KEY, "day", "hours", pl.col("busy").cast(pl.Int64), pl.col("quiet").cast(pl.Int64)]
    return pl.concat([read.select(columns), unread.select(columns)])


def _hours(metrics: pl.DataFrame) -> pl.DataFrame:
    """[account, region, name, day, start, busy, quiet], of all variants together."""
    asked = pl.col("metric").is_in(REQUESTS)
    sums, alive = pl.col("value").filter(asked), pl.col("value").filter(~asked)
    wanted = asked & (pl.col("statistic") == "Sum") | (pl.col("metric") == "CPUUtilization")
    return (
        metrics.filter((pl.col("resource_kind") == "endpoint") & (pl.col("period_seconds") == HOUR) & wanted)
        .group_by("account", "region", "day", "start", "variant", name="resource_name")
        .agg(
            read=asked.any(),
            busy=(sums > 0).fill_null(value=False).any(),
            alive=alive.is_not_null().any(),
        )
        .filter("read")
        .group_by(*KEY, "day", "start")
        .agg(pl.col("busy").any(), quiet=(~pl.col("busy") & pl.col("alive")).all())
    )
