"""The endpoints that stand, one row each with what its configuration says: variants, how it is billed, tags, owner.

In: `Facts` (the latest inventory). Out: a frame of endpoints, and for one of them a reference for people. An asynchronous or a
serverless endpoint, or one that hosts inference components (its requests are counted by component, not by variant: aws-facts
1.1), is marked as such: rules for real-time endpoints on instances do not hold for them.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.owners import owner
from sagekeeper.core.types import ResourceRef

VARIANT = pl.Struct(
    {
        "VariantName": pl.String(),
        "ModelName": pl.String(),
        "InstanceType": pl.String(),
        "InitialInstanceCount": pl.Int64(),
        "VolumeSizeInGB": pl.Int64(),
        "ServerlessConfig": pl.Struct({"MemorySizeInMB": pl.Int64()}),
    }
)
DOCUMENT = pl.Struct(
    {
        "EndpointConfig": pl.Struct(
            {
                "EndpointConfigName": pl.String(),
                "ProductionVariants": pl.List(VARIANT),
                "ShadowProductionVariants": pl.List(VARIANT),
                "AsyncInferenceConfig": pl.Struct({"OutputConfig": pl.Struct({"S3OutputPath": pl.String()})}),
            }
        ),
        "ProductionVariants": pl.List(
            pl.Struct(
                {"VariantName": pl.String(), "CurrentInstanceCount": pl.Int64(), "DesiredInstanceCount": pl.Int64()}
            )
        ),
    }
)
KEY = ("account", "region", "name")


def standing(facts: Facts) -> pl.DataFrame:
    """[account, region, name, arn, status, created_at, changed_at, config, tags, owner, left_alone, variants, running,
    asynchronous, serverless, components, real_time, instances]; ``instances`` counts all instances that run now, ``left_alone``
    says whether its owner opted out by tag."""
    return described(facts.inventory, facts.owner_tags, facts.opt_out_tag)


def described(inventory: pl.DataFrame, owner_tags: tuple[str, ...], opt_out_tag: str = "") -> pl.DataFrame:
    """The same of the endpoints of any rows of `INVENTORY`."""
    document = pl.col("document").struct
    detail = pl.col("detail").struct
    named = inventory.filter(pl.col("kind") == "endpoint").with_columns(
        document=pl.col("config").str.json_decode(DOCUMENT), owner=owner("tags", owner_tags)
    )
    found = (
        named.with_columns(detail=document.field("EndpointConfig"), running=document.field("ProductionVariants"))
        .with_columns(
            variants=pl.concat_list(
                detail.field("ProductionVariants").fill_null([]), detail.field("ShadowProductionVariants").fill_null([])
            ),
            asynchronous=detail.field("AsyncInferenceConfig").is_not_null(),
        )
        .with_columns(
            serverless=pl.col("variants")
            .list.eval(pl.element().struct.field("ServerlessConfig").is_not_null())
            .list.any(),
            on_instances=pl.col("variants")
            .list.eval(pl.element().struct.field("InstanceType").is_not_null())
            .list.all()
            & (pl.col("variants").list.len() > 0),
            components=pl.col("variants").list.eval(pl.element().struct.field("ModelName").is_null()).list.any(),
            instances=pl.coalesce(
                pl.col("running").list.eval(pl.element().struct.field("CurrentInstanceCount")).list.sum(),
                pl.col("variants").list.eval(pl.element().struct.field("InitialInstanceCount")).list.sum(),
            ),
        )
    )
    real_time = ~pl.col("asynchronous") & ~pl.col("serverless") & ~pl.col("components") & pl.col("on_instances")
    return found.with_columns(real_time=real_time, left_alone=_opted_out(opt_out_tag)).select(
        *KEY, "arn", "status", "created_at", "changed_at", "config", "tags", "owner", "left_alone", "variants", "running",
        "asynchronous", "serverless", "components", "real_time", "instances",
    )  # fmt: skip


def _opted_out(tag: str) -> pl.Expr:
    key, _, value = tag.partition("=")
    # Tags that were never read say nothing here: the gates call them unknown.
    return (owner("tags", (key,)) == value).fill_null(False) if tag else pl.lit(False)


def reference(row: dict[str, Any]) -> ResourceRef:
    """The endpoint of a row, as people and plans know it."""
    return ResourceRef(
        account=row["account"], region=row["region"], kind="endpoint", name=row["name"], arn=row["arn"] or ""
    )


def counts(row: dict[str, Any]) -> dict[str, int]:
    """Instances per variant now: what runs, else what the configuration starts with."""
    running = {item["VariantName"]: item["CurrentInstanceCount"] for item in row["running"] or []}
    configured = {item["VariantName"]: item["InitialInstanceCount"] for item in row["variants"]}
    found = {name: running[name] if running.get(name) is not None else count for name, count in configured.items()}
    return {name: int(count) for name, count in found.items() if count is not None}
