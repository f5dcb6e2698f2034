"""When was an endpoint asked, and when certainly not?

In: `METRICS` of endpoints, the observations of `INVENTORY`. Out: requests per variant and day, and per endpoint and
day how many of its hours had requests and how many certainly had none. CloudWatch has no datapoint where no request
came, and none where it lost one (aws-facts, CloudWatch rules: no data is zero only while the endpoint existed and
was in service all the time):

* an hour without a datapoint is quiet where every variant's instances reported their CPU in it; otherwise it is
  unknown;
* a day of which no hours were read and that has no datapoint is quiet where the endpoint stood in service from
  before the day until after it, as SageMaker says: InService now, last changed before.

An asynchronous endpoint publishes no Invocations: nothing is read of it, so all of it is unknown.
"""

from __future__ import annotations

import polars as pl

KEY = ["account", "region", "name"]
HOUR, DAY = 3600, 86400
HOURS_OF_DAY = 24


def requests_by_day(metrics: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """[account, region, name, variant, day, requests]: one row per asked day of a variant; null is unknown."""
    asked = _invocations(metrics, DAY).select(*KEY, "variant", "day", "start", "value")
    hours = _hours(metrics).group_by(*KEY, "day").agg(silent=pl.col("quiet").all())
    begins = asked.sort("start")
    stood = begins.join_asof(
        _spans(observations).sort("since"), left_on="start", right_on="since", by=KEY, check_sortedness=False
    )
    whole_day = pl.col("until") >= pl.col("start").dt.offset_by("1d")
    quiet = pl.coalesce("silent", whole_day).fill_null(value=False)
    return (
        stood.join(hours, on=[*KEY, "day"], how="left")
        .with_columns(requests=pl.coalesce("value", pl.when(quiet).then(0.0)))
        .select(*KEY, "variant", "day", "requests")
    )


def hours_by_day(metrics: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    """[account, region, name, day, hours, busy, quiet]: ``hours`` that were asked, of which had, and certainly had no, requests.

    ``requests``: of `requests_by_day`. A day of which no hours were read has 24; they are known only if no request came all day.
    """
    read = (
        _hours(metrics)
        .group_by(*KEY, "day")
        .agg(hours=pl.len().cast(pl.Int64), busy=pl.col("busy").sum(), quiet=pl.col("quiet").sum())
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


def _invocations(metrics: pl.DataFrame, period: int) -> pl.DataFrame:
    return metrics.filter(
        (pl.col("resource_kind") == "endpoint")
        & (pl.col("metric") == "Invocations")
        & (pl.col("statistic") == "Sum")
        & (pl.col("period_seconds") == period)
    ).rename({"resource_name": "name"})


def _hours(metrics: pl.DataFrame) -> pl.DataFrame:
    """[account, region, name, day, start, busy, quiet], of all variants together."""
    alive = (
        metrics.filter(
            (pl.col("metric") == "CPUUtilization") & (pl.col("period_seconds") == HOUR) & pl.col("value").is_not_null()
        )
        .select("account", "region", "variant", "start", name="resource_name", alive=pl.lit(value=True))
        .unique()
    )
    none = pl.col("value").is_null() | (pl.col("value") == 0)
    return (
        _invocations(metrics, HOUR)
        .join(alive, on=[*KEY, "variant", "start"], how="left", nulls_equal=True)
        .group_by(*KEY, "day", "start")
        .agg(
            busy=(pl.col("value") > 0).fill_null(value=False).any(),
            quiet=(none & pl.col("alive").fill_null(value=False)).all(),
        )
    )


def _spans(observations: pl.DataFrame) -> pl.DataFrame:
    """[account, region, name, since, until]: in service all the time between, because seen so and not changed in it."""
    return (
        observations.filter((pl.col("kind") == "endpoint") & (pl.col("status") == "InService"))
        .group_by(*KEY, since=pl.coalesce("changed_at", "created_at"))
        .agg(until=pl.col("observed_at").max())
        .filter(pl.col("since").is_not_null())
    )
