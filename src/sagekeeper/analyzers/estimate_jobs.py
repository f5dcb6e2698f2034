"""What jobs were paid for: training with its warm pools, processing and transform, by billable seconds or running time so far.

In: `JOBS`, ``as_of``. Out: `SEGMENTS` (see `estimate_standing.py`). A finished training job is paid for its billable seconds
(managed spot: fewer than it ran), the others from start to end; a job that still runs, until now. A heterogeneous cluster
is one stretch per group of instances. Sources: aws-facts 1.4 and 1.5.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.analyzers.estimate_standing import HOLDS, SEGMENTS, TIME
from sagekeeper.analyzers.owners import owner

HEADS = {"training_job": "Train", "processing_job": "Processing", "transform_job": "Tsform"}
DONE, SO_FAR = "billable time", "running so far"
_GROUP = pl.Struct({"InstanceType": pl.String(), "InstanceCount": pl.Float64()})
_TRAINING = pl.Struct(
    {
        "ResourceConfig": pl.Struct(
            {"InstanceGroups": pl.List(_GROUP), "KeepAlivePeriodInSeconds": pl.Int64(), "VolumeSizeInGB": pl.Float64()}
        ),
        "WarmPoolStatus": pl.Struct(
            {"Status": pl.String(), "ResourceRetainedBillableTimeInSeconds": pl.Int64(), "ReusedByJob": pl.String()}
        ),
    }
)


def worked(jobs: pl.DataFrame, as_of: datetime, owner_tags: tuple[str, ...]) -> pl.DataFrame:
    """`SEGMENTS` of all ``jobs`` that have started."""
    now = pl.lit(as_of).cast(TIME)
    over = pl.col("ended_at").is_not_null()
    # The bill counts from the start on; a job that nobody has looked at for long is not believed to run on.
    still = pl.min_horizontal(now, pl.col("observed_at").cast(TIME) + HOLDS)
    paid = pl.coalesce("billable_seconds", "run_seconds")
    ends = (
        pl.when(over & paid.is_not_null())
        .then(pl.col("started_at") + pl.duration(seconds=paid))
        .when(over)
        .then("ended_at")
        .otherwise(still)
    )
    started = jobs.filter(pl.col("started_at").is_not_null() & pl.col("kind").is_in(list(HEADS))).with_columns(
        owner=owner("tags", owner_tags),
        resource_kind="kind",
        resource_name="name",
        resource_arn="arn",
        head=pl.col("kind").replace_strict(HEADS, default=None, return_dtype=pl.String),
        starts="started_at",
        ends=ends,
        method=pl.when(over).then(pl.lit(DONE)).otherwise(pl.lit(SO_FAR)),
        detail=pl.when(pl.col("kind") == "training_job").then("config").str.json_decode(_TRAINING),
    )
    machines = _machines(started.with_columns(until=still))
    return pl.concat([*_stretches(machines, pl.col("head")), *_stretches(_pools(machines, now), pl.lit("WarmPool"))])


def _machines(started: pl.DataFrame) -> pl.DataFrame:
    """A row per group of instances: [..., machine, count]."""
    groups = pl.col("detail").struct.field("ResourceConfig").struct.field("InstanceGroups")
    one = started.filter(pl.col("instance_type").is_not_null()).with_columns(
        machine="instance_type", count=pl.col("instance_count").cast(pl.Float64)
    )
    several = (
        started.filter(pl.col("instance_type").is_null())
        .with_columns(group=groups)
        .filter(pl.col("group").list.len() > 0)
        .explode("group")
        .with_columns(
            machine=pl.col("group").struct.field("InstanceType"), count=pl.col("group").struct.field("InstanceCount")
        )
        .drop("group")
    )
    return pl.concat([one, several])


def _pools(machines: pl.DataFrame, now: pl.Expr) -> pl.DataFrame:
    """Instances kept after their training job, until they were used again or given up."""
    pool = pl.col("detail").struct.field("WarmPoolStatus").struct
    keep = pl.col("detail").struct.field("ResourceConfig").struct.field("KeepAlivePeriodInSeconds")
    kept = pool.field("ResourceRetainedBillableTimeInSeconds")
    # A pool that waited when it was read waits on, at most as long as it was asked to.
    waits = pool.field("Status") == "Available"
    longest = pl.min_horizontal(pl.col("ended_at") + pl.duration(seconds=keep), now)
    ends = pl.when(waits & keep.is_not_null()).then(longest).otherwise(pl.col("ended_at") + pl.duration(seconds=kept))
    return machines.filter(pl.col("ended_at").is_not_null() & (kept.is_not_null() | waits)).with_columns(
        starts="ended_at", ends=ends
    )


def _stretches(machines: pl.DataFrame, head: pl.Expr) -> list[pl.DataFrame]:
    whole = machines.with_columns(head=head)
    volumes = whole.filter(pl.col("volume_gb") > 0)
    parts = [
        whole.with_columns(usage_type=pl.format("{}:{}", "head", "machine"), size="count"),
        volumes.with_columns(
            usage_type=pl.format("{}:VolumeUsage.gp2", "head"), size=pl.col("volume_gb") * pl.col("count")
        ),
    ]
    found = [part.select(pl.col(name).cast(kind) for name, kind in SEGMENTS.items()) for part in parts]
    return [part.filter((pl.col("ends") > pl.col("starts")) & (pl.col("size") > 0)) for part in found]
