"""Did it cost more because there was more of it, or because each one cost more?

In: `UNIT_COSTS` of two months, which notion of cost. Out: one row per subject and unit of the later month, with its
change of cost taken apart: *volume* is the change of quantity at the earlier cost per unit, *price* the change of
the cost per unit at the later quantity; the two add up to the change exactly. The earlier month is scaled to as
many days as the later one has on the bill, so that a month that is still running can be compared. What is unknown
in either month has no change.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.core.types import CostNotion

SUBJECT = ["account", "region", "subject_kind", "subject", "variant", "unit", "currency"]


def trend(before: pl.DataFrame, now: pl.DataFrame, notion: CostNotion) -> pl.DataFrame:
    """``now`` with cost, unit_cost, cost_before, quantity_before, unit_cost_before, change, by_volume, by_price."""
    earlier = with_unit_cost(before, notion).select(
        *SUBJECT,
        cost_before="cost",
        quantity_before="quantity",
        unit_cost_before="unit_cost",
        days_before="bill_days",
    )
    scale = pl.col("bill_days") / pl.col("days_before")
    both = (
        with_unit_cost(now, notion)
        .join(earlier, on=SUBJECT, how="left", nulls_equal=True)
        .with_columns(pl.col("cost_before", "quantity_before") * scale)
    )
    comparable = pl.col("unit_cost").is_not_null() & pl.col("unit_cost_before").is_not_null()
    return both.with_columns(
        change=pl.when(comparable).then(pl.col("cost") - pl.col("cost_before")),
        by_volume=pl.when(comparable).then(
            (pl.col("quantity") - pl.col("quantity_before")) * pl.col("unit_cost_before")
        ),
        by_price=pl.when(comparable).then((pl.col("unit_cost") - pl.col("unit_cost_before")) * pl.col("quantity")),
    ).drop("days_before")


def with_unit_cost(rows: pl.DataFrame, notion: CostNotion) -> pl.DataFrame:
    """``cost`` by the notion and ``unit_cost``, null where `UNIT_COSTS` says why there is none."""
    cost = pl.col(f"{notion}_cost")
    known = pl.col("unknown").is_null() & (pl.col("quantity") > 0)
    return rows.with_columns(cost=cost, unit_cost=pl.when(known).then(cost / pl.col("quantity")))
