"""What ran on which day, and how much of it: the running hours and stored gigabytes that a nameless bill line is shared over.

In: observations of the inventory, `JOBS`, the days of a bill. Out: `runs`, once; and of them per day, account, region, component
and machine (`LINE`) every resource with its ``amount`` in the unit of the bill line (hours, GB-months), and whether that
amount is sure.

An endpoint's instance count before its first recorded change is not known: that one's is assumed, and marked as not sure. A
warm pool is what a training job kept standing after its end (WarmPoolStatus).
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.usage import VOLUME
from sagekeeper.core.types import HOURS_PER_MONTH

VARIANT = pl.Struct(
    {
        "VariantName": pl.String(),
        "InstanceType": pl.String(),
        "InitialInstanceCount": pl.Float64(),
        "VolumeSizeInGB": pl.Float64(),
    }
)
ENDPOINT = pl.Struct(
    {
        "EndpointConfig": pl.Struct(
            {
                "ProductionVariants": pl.List(VARIANT),
                "AsyncInferenceConfig": pl.Struct({"OutputConfig": pl.Struct({"S3OutputPath": pl.String()})}),
            }
        ),
        "ProductionVariants": pl.List(pl.Struct({"VariantName": pl.String(), "CurrentInstanceCount": pl.Float64()})),
    }
)
STUDIO = pl.Struct(
    {
        "ResourceSpec": pl.Struct({"InstanceType": pl.String()}),
        "SpaceSettings": pl.Struct(
            {"SpaceStorageSettings": pl.Struct({"EbsStorageSettings": pl.Struct({"EbsVolumeSizeInGb": pl.Float64()})})}
        ),
    }
)
NOTEBOOK = pl.Struct({"InstanceType": pl.String(), "VolumeSizeInGB": pl.Float64()})
WARM_POOL = pl.Struct({"WarmPoolStatus": pl.Struct({"ResourceRetainedBillableTimeInSeconds": pl.Int64()})})
LINE = ("day", "account", "region", "component", "machine")
RUN = {
    "kind": pl.String(),
    "name": pl.String(),
    "arn": pl.String(),
    "account": pl.String(),
    "region": pl.String(),
    "component": pl.String(),
    "machine": pl.String(),
    "size": pl.Float64(),
    "full": pl.Float64(),  # what it would be of, were all of its time billed; null: it is
    "most": pl.Float64(),  # hours that were billed of it in all
    "starts": pl.Datetime("us", "UTC"),
    "ends": pl.Datetime("us", "UTC"),
    "sure_from": pl.Datetime("us", "UTC"),
}
STANDING = ["endpoint", "notebook_instance", "studio_app", "studio_space"]
LIFE = ("account", "region", "kind", "name", "created_at")
COMES_INTO_SERVICE = "2h"
"""An endpoint whose last change is this close to its creation has never been changed: it was coming into service."""


def runs(inventory: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Everything that ever ran, and from when to when, in the schema `RUN`."""
    return pl.concat([*_standing(inventory), *_worked(jobs)]).filter(
        pl.col("size") > 0, pl.col("ends") > pl.col("starts")
    )


def running(runs: pl.DataFrame, days: pl.Series) -> pl.DataFrame:
    """[*LINE, kind, name, arn, amount, sure]: which of ``runs`` ran on each of ``days``."""
    calendar = pl.DataFrame({"day": days.unique().sort()}).with_columns(
        midnight=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    end_of_day = pl.col("midnight").dt.offset_by("1d")
    calendar = calendar.with_columns(next_midnight=end_of_day)
    # Pairs are made of what these days may have, not of all that ever ran.
    begin, end = (
        pl.lit(moment, calendar.schema["midnight"])
        for moment in (calendar["midnight"].min(), calendar["next_midnight"].max())
    )
    overlapping = runs.filter(pl.col("starts") < end, pl.col("ends") > begin).join_where(
        calendar,
        pl.col("starts") < pl.col("next_midnight"),
        pl.col("ends") > pl.col("midnight"),
    )
    seconds = (
        pl.min_horizontal("ends", "next_midnight") - pl.max_horizontal("starts", "midnight")
    ).dt.total_microseconds() / 1e6
    volume = pl.col("machine") == VOLUME
    hours = seconds / 3600 * pl.col("size")
    unchanged = pl.col("sure_from") <= pl.col("starts").dt.offset_by(COMES_INTO_SERVICE)
    found = overlapping.with_columns(
        amount=pl.when(volume).then(hours / HOURS_PER_MONTH).otherwise(hours),
        sure=(unchanged | (pl.col("midnight") >= pl.col("sure_from"))).fill_null(True),
    )
    # On which side of midnight spot was interrupted is not known: up to all its time of the day may have been billed.
    perhaps = overlapping.with_columns(
        amount=pl.min_horizontal(seconds / 3600 * pl.col("full"), "most") - hours, sure=pl.lit(False)
    ).filter(pl.col("full").is_not_null() & (pl.col("amount") > 0))
    columns = [*LINE, "kind", "name", "arn", "amount", "sure"]
    return pl.concat([found.select(columns), perhaps.select(columns)])


def _standing(inventory: pl.DataFrame) -> list[pl.DataFrame]:
    """Endpoints, notebooks, Studio's apps and spaces, from creation until last seen, or on and on while they are there."""
    states = _states(inventory)
    endpoints = states.filter(pl.col("kind") == "endpoint").with_columns(
        pl.int_range(pl.len()).alias("row"),
        pl.col("config").str.json_decode(ENDPOINT).struct.unnest(),
    )
    asynchronous = pl.col("EndpointConfig").struct.field("AsyncInferenceConfig").is_not_null()
    now = (
        endpoints.select("row", variant="ProductionVariants")
        .explode("variant")
        .unnest("variant")
        .select("row", "VariantName", runs="CurrentInstanceCount")
        .unique(["row", "VariantName"])
    )
    variants = (
        endpoints.with_columns(
            component=pl.when(asynchronous).then(pl.lit("AsyncInf")).otherwise(pl.lit("Host")),
            variant=pl.col("EndpointConfig").struct.field("ProductionVariants"),
        )
        .filter(pl.col("variant").list.len() > 0)
        .explode("variant")
        .unnest("variant")
        .join(now, on=["row", "VariantName"], how="left", nulls_equal=True)
        .with_columns(count=pl.coalesce("runs", "InitialInstanceCount"))
        .filter(pl.col("InstanceType").is_not_null())
    )
    notebooks = states.filter(pl.col("kind") == "notebook_instance").with_columns(
        pl.col("config").str.json_decode(NOTEBOOK).struct.unnest(), component=pl.lit("Notebk"), sure_from="starts"
    )
    # When a notebook ran that was not seen running is not known; since when a running one does, is.
    on = notebooks.filter(pl.col("status") == "InService").with_columns(starts="changed")
    studio = states.filter(pl.col("kind").is_in(["studio_app", "studio_space"])).with_columns(
        pl.col("config").str.json_decode(STUDIO).struct.unnest(), component=pl.lit("Studio"), sure_from="starts"
    )
    apps = studio.filter((pl.col("kind") == "studio_app") & (pl.col("status") == "InService"))
    stored = pl.col("SpaceSettings").struct.field("SpaceStorageSettings").struct.field("EbsStorageSettings").struct
    return [
        _runs(apps, pl.col("ResourceSpec").struct.field("InstanceType"), pl.lit(1.0)),
        _runs(studio, pl.lit(VOLUME), stored.field("EbsVolumeSizeInGb")),
        _runs(variants, pl.col("InstanceType"), pl.col("count")),
        _runs(variants, pl.lit(VOLUME), pl.col("VolumeSizeInGB") * pl.col("count")),
        _runs(on, pl.col("InstanceType"), pl.lit(1.0)),
        _runs(notebooks, pl.lit(VOLUME), pl.col("VolumeSizeInGB")),
    ]


def _states(inventory: pl.DataFrame) -> pl.DataFrame:
    """Each state of a life with ``starts`` and ``ends``: it begins with the change that made it, and ends with the next one.

    The first that was seen is taken back to the creation, but ``sure_from`` its own change only.
    """
    newest = pl.col("observed_at").max().over("account", "region")
    latest_day = pl.col("observed_on").max().over("account", "region")
    # One that a later look did not find is gone since some time after it was last seen. The rest may run on: a day beyond.
    gone = pl.when(pl.col("observed_on") < latest_day).then("observed_at").otherwise(newest.dt.offset_by("2d"))
    seen = inventory.with_columns(changed=pl.coalesce("changed_at", "created_at"), gone=gone)
    seen = (
        seen.filter(pl.col("kind").is_in(STANDING))
        .sort("observed_on")
        .unique([*LIFE, "changed"], keep="last", maintain_order=True)
    )
    before, after = (pl.col("changed").shift(by).over(LIFE, order_by="observed_on") for by in (1, -1))
    return seen.with_columns(
        starts=pl.when(before.is_null()).then("created_at").otherwise("changed"),
        ends=pl.coalesce(after, pl.col("gone")),
        sure_from="changed",
    )


def _worked(jobs: pl.DataFrame) -> list[pl.DataFrame]:
    """Jobs, from start to end, weighted so that their hours are the billable ones (spot pays for less than it runs)."""
    component = pl.col("kind").replace_strict(
        {"training_job": "Train", "processing_job": "Processing", "transform_job": "Tsform"}, default=None
    )
    wall = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6
    timed = jobs.filter(pl.col("started_at").is_not_null() & pl.col("ended_at").is_not_null()).with_columns(
        component=component,
        starts="started_at",
        ends="ended_at",
        sure_from="started_at",
        billed_share=pl.coalesce("billable_seconds", "run_seconds") / wall,
    )
    count = pl.col("instance_count").cast(pl.Float64)
    retained = (
        pl.col("config")
        .str.json_decode(WARM_POOL)
        .struct.field("WarmPoolStatus")
        .struct.field("ResourceRetainedBillableTimeInSeconds")
    )
    kept = (
        timed.filter(pl.col("config").str.contains("WarmPoolStatus"))
        .with_columns(component=pl.lit("WarmPool"), starts="ended_at", sure_from="ended_at")
        .with_columns(ends=pl.col("ended_at") + pl.duration(seconds=retained))
    )
    stored = pl.col("volume_gb").cast(pl.Float64) * count
    return [
        _runs(
            timed.with_columns(
                full=pl.when(pl.col("billed_share") < 1).then(count),
                most=pl.coalesce("billable_seconds", "run_seconds") / 3600 * count,
            ),
            pl.col("instance_type"),
            count * pl.col("billed_share"),
        ),
        _runs(timed, pl.lit(VOLUME), stored),
        _runs(kept, pl.col("instance_type"), count),
        _runs(kept, pl.lit(VOLUME), stored),
    ]


def _runs(things: pl.DataFrame, machine: pl.Expr, size: pl.Expr) -> pl.DataFrame:
    sized = things.with_columns(machine=machine, size=size.cast(pl.Float64))
    return sized.select(
        (pl.col(name) if name in sized.columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in RUN.items()
    )
