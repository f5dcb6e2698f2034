"""What usage would cost at the prices from before they rose: what a price change takes is told by it alone, not by its users too.

In: rows of `DAILY_COSTS` and `Facts`. Out: the same rows; usage of the bill without the price effect, quantity x (price - price
before), of the rises that `price_changes` finds by its defaults: ``billed_cost`` by amount, ``effective_cost`` in proportion.
A resource is known by the one machine it runs on; of what no machine is known, a family's rows bear what is left of the
family's effect in proportion to their cost, so that sums over a family are exact wherever it has such rows or all its machines
are known.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.endpoints import standing
from sagekeeper.analyzers.facts import BILL, Facts
from sagekeeper.analyzers.price_changes import Settings, risen, unit_prices
from sagekeeper.analyzers.usage import with_usage

FAMILY = ["account", "region", "service", "usage_family", "currency", "day"]
THING = ["account", "region", "resource_kind", "resource_name"]


def at_old_prices(usage: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """``usage`` net of price effects, in its order; unchanged where no price rose."""
    effects = price_effects(facts)
    if effects.is_empty():
        return usage
    by_machine = effects.group_by(*FAMILY, "machine").agg(share=pl.col("effect").sum() / pl.col("cost").sum())
    by_family = effects.group_by(FAMILY).agg(family_effect=pl.col("effect").sum())
    known = (
        usage.join(_machines(facts), on=THING, how="left", nulls_equal=True, maintain_order="left")
        .join(by_machine, on=[*FAMILY, "machine"], how="left", maintain_order="left")
        .join(by_family, on=FAMILY, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            family_effect=pl.col("family_effect").fill_null(0.0),
            used=(pl.col("charge_category") == "Usage") & (pl.col("dataset") == BILL),
        )
        .with_columns(
            own=pl.when(~pl.col("used"))
            .then(0.0)
            .when(pl.col("machine").is_not_null())
            .then(pl.col("billed_cost") * pl.col("share").fill_null(0.0)),
        )
    )
    unknown = pl.when(pl.col("used") & pl.col("machine").is_null()).then(pl.col("billed_cost")).sum().over(FAMILY)
    left = (pl.col("family_effect") - pl.col("own").sum().over(FAMILY)).clip(lower_bound=0.0)
    rest = pl.when(unknown > 0).then(pl.min_horizontal(left / unknown, pl.lit(1.0))).otherwise(0.0)
    billed = pl.col("billed_cost") - pl.coalesce("own", pl.col("billed_cost") * rest)
    kept = pl.when(pl.col("billed_cost") > 0).then(billed / pl.col("billed_cost")).otherwise(1.0)
    return known.with_columns(billed_cost=billed, effective_cost=pl.col("effective_cost") * kept).select(usage.columns)


def price_effects(facts: Facts) -> pl.DataFrame:
    """[*FAMILY, usage_type, machine, quantity, cost, effect]: a row per usage type and day since its price rose."""
    days = unit_prices(facts.costs)
    rises = risen(days, facts.as_of, Settings())
    key = ["account", "region", "service", "usage_type", "currency"]
    since = days.join(rises.select(*key, "since", "before"), on=key, how="inner", nulls_equal=True).filter(
        pl.col("day") >= pl.col("since")
    )
    told = since.with_columns(
        effect=pl.col("cost") - pl.col("quantity") * pl.col("before"),
        description=pl.lit(None, dtype=pl.String),
        charge_category=pl.lit("Usage"),
    )
    return with_usage(told).select(*FAMILY, "usage_type", "machine", "quantity", "cost", "effect")


def _machines(facts: Facts) -> pl.DataFrame:
    """[*THING, machine]: what runs on one kind of machine, and on which."""
    endpoints = standing(facts).select(
        "account", "region", resource_kind=pl.lit("endpoint"), resource_name="name",
        machine=pl.col("variants").list.eval(pl.element().struct.field("InstanceType")),
    )  # fmt: skip
    others = facts.inventory.filter(pl.col("kind").is_in(["notebook_instance", "studio_app"])).select(
        "account", "region", resource_kind="kind", resource_name="name",
        machine=pl.concat_list(
            pl.coalesce(
                pl.col("config").str.json_path_match("$.InstanceType"),
                pl.col("config").str.json_path_match("$.ResourceSpec.InstanceType"),
            )
        ),
    )  # fmt: skip
    jobs = facts.jobs.select(
        "account", "region", resource_kind="kind", resource_name="name", machine=pl.concat_list("instance_type")
    )
    return (
        pl.concat([endpoints, others, jobs])
        .explode("machine")
        .group_by(THING)
        .agg(machine=pl.col("machine").first(), kinds=pl.col("machine").n_unique())
        .filter((pl.col("kinds") == 1) & pl.col("machine").is_not_null())
        .drop("kinds")
    )
