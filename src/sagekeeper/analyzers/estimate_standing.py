"""What stood between the last estimate and now: endpoints by variant, notebooks, Studio's apps, and all their volumes.

In: the newest look at each account and region (`INVENTORY`), the estimates made so far (each remembers how much of a thing
ran at its end), ``as_of``. Out: `SEGMENTS`, stretches of time with a size. A thing goes on as it was until the moment that
AWS gives for its last change; one that is gone, or has changed at a moment that is not told, did so half-way. What no
look has confirmed for longer than `HOLDS` is not carried on: it is unknown.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from sagekeeper.analyzers.owners import owner

HOLDS = timedelta(hours=26)
"""How long a look is good for: a daily collection that comes two hours late still is."""
COMES_INTO_SERVICE = timedelta(minutes=30)
"""How long after it was asked for a change of an endpoint may take to show."""
TIME = pl.Datetime("us", "UTC")
THING = ("account", "region", "resource_kind", "resource_name")
KEY = (*THING, "usage_type")
SEGMENTS: dict[str, pl.DataType] = {
    **dict.fromkeys((*KEY, "resource_arn", "owner", "method"), pl.String()),
    "size": pl.Float64(),  # per hour: instances; GB of a volume; seconds of provisioned concurrency
    "starts": TIME,
    "ends": TIME,
    "until": TIME,  # up to when it is known
}
STATE: dict[str, pl.DataType] = {
    **dict.fromkeys((*KEY, "resource_arn", "owner"), pl.String()),
    "size": pl.Float64(),
    "begins": TIME,
}
METHOD = "running"
_VARIANT = pl.Struct(
    {
        "VariantName": pl.String(),
        "InstanceType": pl.String(),
        "InitialInstanceCount": pl.Float64(),
        "CurrentInstanceCount": pl.Float64(),
        "VolumeSizeInGB": pl.Float64(),
        "ServerlessConfig": pl.Struct({"MemorySizeInMB": pl.Int64(), "ProvisionedConcurrency": pl.Float64()}),
    }
)
_ENDPOINT = pl.Struct(
    {
        "ProductionVariants": pl.List(_VARIANT),
        "ShadowProductionVariants": pl.List(_VARIANT),
        "EndpointConfig": pl.Struct(
            {
                "ProductionVariants": pl.List(_VARIANT),
                "ShadowProductionVariants": pl.List(_VARIANT),
                "AsyncInferenceConfig": pl.Struct({"OutputConfig": pl.Struct({"S3OutputPath": pl.String()})}),
            }
        ),
    }
)
_NOTEBOOK = pl.Struct({"InstanceType": pl.String(), "VolumeSizeInGB": pl.Float64()})
_APP = pl.Struct({"AppType": pl.String(), "ResourceSpec": pl.Struct({"InstanceType": pl.String()})})
_EBS = pl.Struct({"EbsStorageSettings": pl.Struct({"EbsVolumeSizeInGb": pl.Float64()})})
_SPACE = pl.Struct({"SpaceSettings": pl.Struct({"SpaceStorageSettings": _EBS})})
NOT_RUNNING = ("Creating", "Failed", "Deleting")
FREE_APPS = ("system",)
"""JupyterServer's own shared instance, which nobody pays for."""


def standing_now(inventory: pl.DataFrame, owner_tags: tuple[str, ...]) -> pl.DataFrame:
    """`STATE` of what the newest look found, with a row per thing and usage type."""
    seen = inventory.with_columns(
        resource_kind="kind", resource_name="name", resource_arn="arn", owner=owner("tags", owner_tags)
    )
    parts = [*_endpoints(seen), *_notebooks(seen), *_studio(seen)]
    rows = pl.concat([part.select(pl.col(name).cast(kind) for name, kind in STATE.items()) for part in parts])
    return (
        rows.filter(pl.col("size") > 0)
        .group_by(KEY, maintain_order=True)
        .agg(pl.col("resource_arn", "owner").first(), pl.col("size").sum(), pl.col("begins").min())
        .select(STATE.keys())
    )


def since_last_time(
    inventory: pl.DataFrame, earlier: pl.DataFrame, first: datetime, as_of: datetime, owner_tags: tuple[str, ...]
) -> pl.DataFrame:
    """`SEGMENTS` from where ``earlier`` estimates (`ESTIMATES`) end, or from ``first`` for what has none, to ``as_of``."""
    looks = inventory.group_by("account", "region").agg(look=pl.col("observed_at").max())
    places = looks.with_columns(until=pl.min_horizontal(pl.col("look") + HOLDS, pl.lit(as_of).cast(TIME)))
    things = inventory.select("account", "region", resource_kind="kind", resource_name="name", changed="changed_at")
    before = (
        earlier.filter(pl.col("method") == METHOD)
        .sort("upto")
        .group_by(KEY, maintain_order=True)
        .last()
        .select(*KEY, "resource_arn", "owner", old=pl.col("running").fill_null(0.0), last="upto")
    )
    known = before.group_by(THING).agg(known=pl.col("last").max())
    now = standing_now(inventory, owner_tags).rename({"size": "new"})
    both = (
        now.join(before, on=KEY, how="full", coalesce=True, suffix="_before")
        .join(places, on=["account", "region"], how="inner")
        .join(things.unique(THING, keep="last"), on=THING, how="left")
        .join(known, on=THING, how="left")
        .with_columns(
            pl.coalesce("resource_arn", "resource_arn_before").alias("resource_arn"),
            pl.coalesce("owner", "owner_before").alias("owner"),
            pl.col("old", "new").fill_null(0.0),
        )
    )
    # What was never estimated began when it was made; another machine of a known thing, when that was changed.
    last = pl.coalesce("last", "known")
    half_way = last + (pl.col("until") - last) / 2
    told = pl.col("changed").is_between(last, pl.col("until"), closed="right")
    # Asked for shortly before the last look, and not to be seen then: it came right after.
    late = (last - pl.col("changed")).is_between(timedelta(0), COMES_INTO_SERVICE)
    turned = (
        pl.when(last.is_null())
        .then(pl.max_horizontal("begins", pl.lit(first).cast(TIME)))
        .when(pl.col("old") == pl.col("new"))
        .then(pl.col("until"))
        .when(told.fill_null(False))
        .then("changed")
        .when(late.fill_null(False))
        .then(last)
        .otherwise(half_way)
    )
    both = both.with_columns(last=last, turned=pl.min_horizontal(turned, "until"), method=pl.lit(METHOD))
    old = both.filter(pl.col("last").is_not_null()).with_columns(size="old", starts="last", ends="turned")
    new = both.with_columns(size="new", starts="turned", ends="until")
    parts = [part.select(pl.col(name).cast(kind) for name, kind in SEGMENTS.items()) for part in (old, new)]
    return pl.concat(parts).filter((pl.col("size") > 0) & (pl.col("ends") > pl.col("starts"))).sort(*KEY, "starts")


def _endpoints(seen: pl.DataFrame) -> list[pl.DataFrame]:
    there = seen.filter((pl.col("kind") == "endpoint") & ~pl.col("status").is_in(NOT_RUNNING)).with_columns(
        document=pl.col("config").str.json_decode(_ENDPOINT), begins="created_at"
    )
    document, sides = pl.col("document").struct, ("ProductionVariants", "ShadowProductionVariants")
    config = document.field("EndpointConfig").struct
    asynchronous = config.field("AsyncInferenceConfig").is_not_null()
    variants = there.with_columns(
        head=pl.when(asynchronous).then(pl.lit("AsyncInf")).otherwise(pl.lit("Host")),
        variant=pl.concat_list(config.field(name).fill_null([]) for name in sides),
        runs=pl.concat_list(document.field(name).fill_null([]) for name in sides),
    )
    running = (
        variants.select(*THING, "runs")
        .filter(pl.col("runs").list.len() > 0)
        .explode("runs")
        .select(
            *THING,
            VariantName=pl.col("runs").struct.field("VariantName"),
            count=pl.col("runs").struct.field("CurrentInstanceCount"),
            concurrency=pl.col("runs").struct.field("ServerlessConfig").struct.field("ProvisionedConcurrency"),
        )
    )
    each = (
        variants.drop("runs")
        .filter(pl.col("variant").list.len() > 0)
        .explode("variant")
        .unnest("variant")
        .join(running, on=[*THING, "VariantName"], how="left")
        .with_columns(count=pl.coalesce("count", "InitialInstanceCount"))
    )
    memory = (pl.col("ServerlessConfig").struct.field("MemorySizeInMB") // 1024).cast(pl.String)
    kept = pl.coalesce("concurrency", pl.col("ServerlessConfig").struct.field("ProvisionedConcurrency"))
    machines = each.filter(pl.col("InstanceType").is_not_null())
    return [
        machines.with_columns(usage_type=pl.format("{}:{}", "head", "InstanceType"), size="count"),
        machines.with_columns(
            usage_type=pl.format("{}:VolumeUsage.gp2", "head"), size=pl.col("VolumeSizeInGB") * pl.col("count")
        ),
        each.filter(pl.col("InstanceType").is_null()).with_columns(
            usage_type=pl.format("ServerlessInf:ProvisionedConcurrency-Mem-{}GB", memory), size=kept * 3600
        ),
    ]


def _notebooks(seen: pl.DataFrame) -> list[pl.DataFrame]:
    there = (
        seen.filter((pl.col("kind") == "notebook_instance") & ~pl.col("status").is_in(NOT_RUNNING))
        .with_columns(pl.col("config").str.json_decode(_NOTEBOOK))
        .unnest("config")
    )
    # It changed when it was started; when it ran before that is not known.
    on = there.filter(pl.col("status") == "InService").with_columns(begins=pl.coalesce("changed_at", "created_at"))
    return [
        on.with_columns(usage_type=pl.format("Notebk:{}", "InstanceType"), size=pl.lit(1.0)),
        there.with_columns(usage_type=pl.lit("Notebk:VolumeUsage.gp2"), size="VolumeSizeInGB", begins="created_at"),
    ]


def _studio(seen: pl.DataFrame) -> list[pl.DataFrame]:
    apps = (
        seen.filter((pl.col("kind") == "studio_app") & (pl.col("status") == "InService"))
        .with_columns(pl.col("config").str.json_decode(_APP), begins="created_at")
        .unnest("config")
        .with_columns(machine=pl.col("ResourceSpec").struct.field("InstanceType"))
        .filter(~pl.col("machine").is_in(FREE_APPS))
    )
    spaces = (
        seen.filter((pl.col("kind") == "studio_space") & ~pl.col("status").is_in(NOT_RUNNING))
        .with_columns(pl.col("config").str.json_decode(_SPACE), begins="created_at")
        .unnest("config")
    )
    storage = pl.col("SpaceSettings").struct.field("SpaceStorageSettings").struct.field("EbsStorageSettings")
    return [
        apps.with_columns(usage_type=pl.format("Studio:{}-{}", "AppType", "machine"), size=pl.lit(1.0)),
        spaces.with_columns(
            usage_type=pl.lit("Studio:VolumeUsage.gp3"), size=storage.struct.field("EbsVolumeSizeInGb")
        ),
    ]
