"""What does a model's quality cost: per 1,000 predictions and per 1,000 good ones, below its line, watched in vain, trained anew?

In: frames of one bill and period (`Known`). Out: a row per endpoint, `SCHEMA`. Effective cost; an amount that is unknown for a
part is unknown for the whole, and ``why_*`` says so.

* A prediction is good when it is right: the accuracy that the newest run of a quality monitor before the end of the day says,
  times the requests of the day. A regression has no right answers, only small errors: then it is unknown.
* A day is below the line when the newest run says that a metric breaks its threshold; what the endpoint cost on such days was
  spent on a model that is not good enough. A day before the first run is unknown, never good.
* Retraining costs what the completed runs of the family cost that trained the model that is served: their median.
* A monitor's run has watched nothing where nobody asked the endpoint on the day that it ran.
* Captures are paid in S3, by the bucket: what stands beside them there is in the amount, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from sagekeeper.analyzers import job_families

KEY = ["account", "region", "name"]
RIGHT = "accuracy"
HOLDS = timedelta(days=31)
"""How long the word of a quality monitor's run is taken for true."""
LEAST_REQUESTS = 1000
LAST_RUNS = 10
SCHEMA = {
    "account": pl.String(),
    "region": pl.String(),
    "name": pl.String(),
    "currency": pl.String(),
    "days": pl.Int64(),  # on the bill
    "cost": pl.Float64(),
    "requests": pl.Float64(),  # of the days on which they are known
    "per_1000": pl.Float64(),
    "why_per_1000": pl.String(),
    "per_1000_good": pl.Float64(),
    "good_share": pl.Float64(),
    "why_good": pl.String(),
    "judged_days": pl.Int64(),  # of which a quality monitor has said whether the model is below its line
    "days_below": pl.Int64(),
    "cost_below": pl.Float64(),
    "below_by": pl.String(),  # the metrics that break their line now
    "monitor_runs": pl.Int64(),
    "monitor_cost": pl.Float64(),
    "idle_runs": pl.Int64(),  # on days on which certainly nobody asked
    "idle_cost": pl.Float64(),
    "retrain_family": pl.String(),
    "retrain_runs": pl.Int64(),
    "retrain_cost": pl.Float64(),
    "capture_bucket": pl.String(),
    "capture_cost": pl.Float64(),  # of the whole bucket
    "captured": pl.Int64(),  # records that were read from there
    "captures_used": pl.Boolean(),  # by a monitor, or compared with a baseline
}


@dataclass(frozen=True)
class Known:
    """``usage``: of `unit_rows.usage_days`, the period's. ``requests``: of `traffic.Traffic`. ``quality``: `MODEL_QUALITY`, from
    `HOLDS` before the period on. ``runs``: `MONITOR_RUNS`. ``endpoints``: latest `INVENTORY` rows of them. ``jobs``: training
    jobs of `JOBS`, ``training``: [account, name, cost] of those on the bill. ``profiles``: [account, region, endpoint, role,
    records]."""

    usage: pl.DataFrame
    requests: pl.DataFrame
    quality: pl.DataFrame
    runs: pl.DataFrame
    endpoints: pl.DataFrame
    jobs: pl.DataFrame
    training: pl.DataFrame
    profiles: pl.DataFrame


def money(known: Known) -> pl.DataFrame:
    """A row per endpoint and currency of the bill."""
    days = _days(known)
    found = (
        days.group_by(*KEY, "currency")
        .agg(_of_cost(), *_of_requests(), *_of_good(), *_of_line())
        .join(_monitors(known), on=[*KEY, "currency"], how="left")
        .join(_retraining(known), on=KEY, how="left")
        .join(_captures(known), on=KEY, how="left")
        .with_columns(pl.col("monitor_runs", "idle_runs").fill_null(0))
    )
    return found.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort(*KEY, "currency")


def _days(known: Known) -> pl.DataFrame:
    """A row per endpoint, currency and day: cost, requests, right (share), below (bool), by."""
    asked = known.requests.group_by(*KEY, "day").agg(
        requests=pl.when(pl.col("requests").is_not_null().all()).then(pl.col("requests").sum())
    )
    own = known.usage.filter(pl.col("kind") == "endpoint").select(*KEY, "currency", "day", cost="effective_cost")
    ends = pl.col("day").dt.offset_by("1d").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    whole = own.join(asked, on=[*KEY, "day"], how="left").with_columns(end=ends).sort("end")
    for judged in (_right(known.quality), _below(known.quality)):
        whole = whole.join_asof(
            judged.sort("execution_time"),
            left_on="end",
            right_on="execution_time",
            by=KEY,
            strategy="backward",
            tolerance=HOLDS,
            check_sortedness=False,
        ).drop("execution_time", strict=False)
    return whole


def _right(quality: pl.DataFrame) -> pl.DataFrame:
    """[*KEY, execution_time, right]."""
    all_rows = quality.filter((pl.col("segment") == "") & (pl.col("metric") == RIGHT) & pl.col("value").is_not_null())
    return all_rows.group_by("account", "region", "execution_time", name="endpoint").agg(right=pl.col("value").mean())


def _below(quality: pl.DataFrame) -> pl.DataFrame:
    """[*KEY, execution_time, below, by] of runs that have a line for any metric."""
    lined = quality.filter(
        (pl.col("segment") == "") & pl.col("value").is_not_null() & pl.col("threshold").is_not_null()
    ).with_columns(
        broken=pl.when(pl.col("comparison") == "LessThanThreshold")
        .then(pl.col("value") < pl.col("threshold"))
        .otherwise(pl.col("value") > pl.col("threshold"))
    )
    return lined.group_by("account", "region", "execution_time", name="endpoint").agg(
        below=pl.col("broken").any(), by=pl.col("metric").filter(pl.col("broken")).sort().str.join(", ")
    )


def _of_cost() -> pl.Expr:
    return pl.when(pl.col("cost").is_not_null().all()).then(pl.col("cost").sum()).alias("cost")


def _of_requests() -> list[pl.Expr]:
    counted = pl.col("requests").is_not_null() & pl.col("cost").is_not_null()
    requests, cost = pl.col("requests").filter(counted).sum(), pl.col("cost").filter(counted).sum()
    enough = requests >= LEAST_REQUESTS
    why = (
        pl.when(~counted.any())
        .then(pl.lit("how often it was asked is not known"))
        .when(~enough)
        .then(pl.format("too few to say: {} requests", requests.cast(pl.Int64)))
    )
    return [
        pl.len().alias("days"),
        pl.when(counted.any()).then(requests).alias("requests"),
        pl.when(enough & counted.any()).then(cost / requests * 1000).alias("per_1000"),
        why.alias("why_per_1000"),
    ]


def _of_good() -> list[pl.Expr]:
    counted = pl.col("requests").is_not_null() & pl.col("cost").is_not_null() & pl.col("right").is_not_null()
    good = (pl.col("requests") * pl.col("right")).filter(counted).sum()
    requests, cost = pl.col("requests").filter(counted).sum(), pl.col("cost").filter(counted).sum()
    why = (
        pl.when(pl.col("right").is_null().all())
        .then(pl.lit("no monitor of model quality says how many answers are right"))
        .when(~counted.any() | (requests < LEAST_REQUESTS))
        .then(pl.lit("too few requests on the days whose quality is known"))
    )
    return [
        pl.when(requests > 0).then(good / requests).alias("good_share"),
        pl.when((requests >= LEAST_REQUESTS) & (good > 0)).then(cost / good * 1000).alias("per_1000_good"),
        why.alias("why_good"),
    ]


def _of_line() -> list[pl.Expr]:
    judged, below = pl.col("below").is_not_null(), pl.col("below").fill_null(value=False)
    spent = pl.col("cost").filter(below)
    return [
        judged.sum().alias("judged_days"),
        below.sum().alias("days_below"),
        pl.when(judged.any() & spent.is_not_null().all()).then(spent.sum()).alias("cost_below"),
        pl.col("by").sort_by("end").drop_nulls().last().replace("", None).alias("below_by"),
    ]


def _monitors(known: Known) -> pl.DataFrame:
    """[*KEY, currency, monitor_runs, monitor_cost, idle_runs, idle_cost]: by the bill of their processing jobs."""
    jobs = (
        known.usage.filter(pl.col("kind") == "processing_job")
        .group_by("account", "region", "currency", job="name")
        .agg(paid=pl.when(pl.col("effective_cost").is_not_null().all()).then(pl.col("effective_cost").sum()))
    )
    asked = known.requests.group_by("account", "region", "day", endpoint="name").agg(
        quiet=(pl.col("requests") == 0).fill_null(value=False).all()
    )
    runs = (
        known.runs.filter((pl.col("endpoint") != "") & pl.col("status").is_not_null())
        .with_columns(job=pl.col("job_arn").str.split("/").list.last())
        .join(jobs, on=["account", "region", "job"], how="left")
        .join(asked, on=["account", "region", "endpoint", "day"], how="left")
        .with_columns(
            quiet=pl.col("quiet").fill_null(value=False),
            paid=pl.when(pl.col("job_arn").is_null()).then(0.0).otherwise("paid"),
        )
    )
    one = (
        runs.filter(pl.col("currency").is_not_null())
        .group_by("account", "region", "endpoint")
        .agg(usual=pl.col("currency").first())
    )
    in_one = runs.join(one, on=["account", "region", "endpoint"], how="left").with_columns(
        currency=pl.coalesce("currency", "usual", pl.lit("USD"))
    )

    def paid(rows: pl.Expr) -> pl.Expr:
        amounts = pl.col("paid").filter(rows)
        return pl.when(amounts.is_not_null().all()).then(amounts.sum())

    return in_one.group_by("account", "region", "currency", name="endpoint").agg(
        monitor_runs=pl.len(),
        monitor_cost=paid(pl.lit(value=True)),
        idle_runs=pl.col("quiet").sum(),
        idle_cost=paid(pl.col("quiet")),
    )


def _retraining(known: Known) -> pl.DataFrame:
    """[*KEY, retrain_family, retrain_runs, retrain_cost] of the family whose job made the model that is served."""
    served = (
        known.endpoints.select(*KEY, artefact=pl.col("config").str.extract_all(r'"ModelDataUrl": ?"[^"]+"'))
        .explode("artefact")
        .with_columns(artefact=pl.col("artefact").str.extract(r'"([^"]+)"$'))
        .drop_nulls("artefact")
    )
    jobs = known.jobs.filter(pl.col("kind") == "training_job").with_columns(family=job_families.family())
    made = jobs.select(
        "account", "family", artefact=pl.col("config").str.extract(r'"S3ModelArtifacts": ?"([^"]+)"')
    ).drop_nulls("artefact")
    families = served.join(made.unique(["account", "artefact"]), on=["account", "artefact"])
    past = (
        jobs.filter(pl.col("status") == "Completed")
        .join(known.training, on=["account", "name"])
        .sort("ended_at")
        .group_by("account", "family")
        .agg(retrain_runs=pl.len(), retrain_cost=pl.col("cost").tail(LAST_RUNS).median())
    )
    return (
        families.unique(KEY, keep="first", maintain_order=True)
        .join(past, on=["account", "family"], how="left")
        .select(*KEY, "retrain_runs", "retrain_cost", retrain_family="family")
    )


def _captures(known: Known) -> pl.DataFrame:
    """[*KEY, capture_bucket, capture_cost, captured, captures_used] of endpoints that capture."""
    wished = known.endpoints.select(
        *KEY,
        capture_bucket=pl.when(pl.col("config").str.contains(r'"EnableCapture": ?true')).then(
            pl.col("config").str.extract(r'"DestinationS3Uri": ?"s3://([^/"]+)')
        ),
    ).drop_nulls("capture_bucket")
    buckets = (
        known.usage.filter(pl.col("kind").is_in(["bucket", "s3_bucket"]))
        .group_by("account", capture_bucket="name")
        .agg(capture_cost=pl.when(pl.col("effective_cost").is_not_null().all()).then(pl.col("effective_cost").sum()))
    )
    read = known.profiles.group_by("account", "region", name="endpoint").agg(
        captured=pl.col("records").filter(pl.col("role") == "capture").sum(),
        compared=(pl.col("role") == "baseline").any(),
    )
    watched = known.runs.group_by("account", "region", name="endpoint").agg(watched=pl.len())
    return (
        wished.join(buckets, on=["account", "capture_bucket"], how="left")
        .join(read, on=KEY, how="left")
        .join(watched, on=KEY, how="left")
        .with_columns(
            captures_used=pl.col("compared").fill_null(value=False) | pl.col("watched").is_not_null(),
            captured=pl.col("captured").fill_null(0),
        )
        .select(*KEY, "capture_bucket", "capture_cost", "captured", "captures_used")
    )
