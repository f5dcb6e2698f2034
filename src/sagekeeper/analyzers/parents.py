"""What started what: a job belongs to a tuning job, an AutoML job, a monitoring schedule or a pipeline's execution.

In: `JOBS`. Out: one row per child with its direct parent, and for every resource the uppermost one; and costs rolled up so that
a parent's is the sum of its children, each counted once. A job names its parent itself (TuningJobArn, MonitoringScheduleArn,
AutoMLJobArn: aws-facts section 1) or a pipeline's execution lists it among its steps. A step that came from the cache ran
nothing: its job stays with the execution that ran it.
"""

from __future__ import annotations

import polars as pl

DEEPEST = 12
"""Job, tuning job, pipeline execution, pipeline: no chain is as long. A circle, which AWS cannot make, ends here."""
STEPS = pl.Struct({"Steps": pl.List(pl.Struct({"Arn": pl.String(), "CacheHit": pl.Boolean()}))})
PATH = r"^arn:[\w-]+:[\w-]+:[^:]*:\d*:(.+)$"
KINDS = {"automl_job": "auto_ml_job"}


def parents(jobs: pl.DataFrame) -> pl.DataFrame:
    """[key, parent_key, parent_arn]: one row per child. Keys are ARNs in lower case: SageMaker spells some both ways."""
    told = jobs.filter(pl.col("parent_arn").is_not_null()).select("arn", "parent_arn", own=pl.lit(True))
    steps = (
        jobs.filter(pl.col("kind") == "pipeline_execution")
        .select(parent_arn="arn", step=pl.col("config").str.json_decode(STEPS).struct.field("Steps"))
        .explode("step")
        .unnest("step")
        .filter(pl.col("Arn").is_not_null() & ~pl.col("CacheHit").fill_null(False))
        .select("parent_arn", arn="Arn", own=pl.lit(False))
    )
    return (
        pl.concat([told, steps], how="diagonal")
        .select("parent_arn", "own", key=pl.col("arn").str.to_lowercase())
        .with_columns(parent_key=pl.col("parent_arn").str.to_lowercase())
        .filter(pl.col("key") != pl.col("parent_key"))
        # A job that names its parent itself knows best: the pipeline is that parent's parent.
        .sort("own", "parent_arn", descending=[True, False])
        .unique("key", keep="first", maintain_order=True)
        .select("key", "parent_key", "parent_arn")
    )


def ancestors(links: pl.DataFrame) -> pl.DataFrame:
    """[key, ancestor_key, ancestor_arn, depth]: every one above each child, depth 1 the direct parent."""
    step = links.select("key", ancestor_key="parent_key", ancestor_arn="parent_arn")
    found = [step.with_columns(depth=pl.lit(1))]
    for depth in range(2, DEEPEST + 1):
        if found[-1].is_empty():
            break
        above = found[-1].join(step, left_on="ancestor_key", right_on="key", how="inner", suffix="_above")
        found.append(
            above.select(
                "key", ancestor_key="ancestor_key_above", ancestor_arn="ancestor_arn_above", depth=pl.lit(depth)
            )
        )
    # No AWS resource is above itself; what was told wrongly must still not be counted twice.
    return (
        pl.concat(found).filter(pl.col("key") != pl.col("ancestor_key")).unique(["key", "ancestor_key"], keep="first")
    )


def uppermost(links: pl.DataFrame) -> pl.DataFrame:
    """[key, parent_kind, parent_name, parent_arn]: the last ancestor of each child."""
    top = ancestors(links).sort("depth").unique("key", keep="last", maintain_order=True)
    return top.select("key", **kind_and_name("ancestor_arn"), parent_arn="ancestor_arn")


def rolled_up(costs: pl.DataFrame, links: pl.DataFrame, amount: str) -> pl.DataFrame:
    """[parent_kind, parent_name, parent_arn, within, cost, children], the dearest first, from rows with resource_arn and
    ``amount``.

    ``within`` is the ARN of the uppermost parent that this one is part of, null for one that is uppermost itself: the costs of
    those add up to what all children cost, and the rest explain them.
    """
    leaves = costs.filter(pl.col("resource_arn").is_not_null()).select(
        "resource_arn", amount, key=pl.col("resource_arn").str.to_lowercase()
    )
    above = ancestors(links)
    top = above.sort("depth").unique("key", keep="last", maintain_order=True)
    summed = (
        leaves.join(above, on="key", how="inner")
        .group_by("ancestor_key")
        .agg(
            pl.col("ancestor_arn").first(),
            cost=pl.when(pl.col(amount).is_not_null().any()).then(pl.col(amount).sum()),
            children=pl.col("key").n_unique(),
        )
    )
    return (
        summed.join(top.select(ancestor_key="key", within="ancestor_arn"), on="ancestor_key", how="left")
        .select(
            **kind_and_name("ancestor_arn"),
            parent_arn="ancestor_arn",
            within="within",
            cost="cost",
            children="children",
        )
        .sort("cost", "parent_arn", descending=[True, False], nulls_last=True)
    )


def kind_and_name(arn: str) -> dict[str, pl.Expr]:
    """``parent_kind`` and ``parent_name`` of the ARNs in column ``arn``."""
    path = pl.col(arn).str.extract(PATH, 1)
    execution = path.str.contains("/execution/")
    kind = path.str.extract("^([^/:]+)", 1).str.replace_all("-", "_").replace(KINDS)
    return {
        "parent_kind": pl.when(execution).then(pl.lit("pipeline_execution")).otherwise(kind),
        "parent_name": path.str.replace("^[^/:]+[/:]", ""),
    }
