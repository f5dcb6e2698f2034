"""Why a cost moved: by price, by quantity, or by the mix of what is used; three amounts that add up to the change exactly.

In: quantities and costs before and now, by usage type. Out: one row per group. With q quantity, c cost, p = c / q of one usage
type, and capitals for the sum of a group's usage types of one unit:

    price     sum of q_now x (p_now - p_before)           the same use at the new prices
    quantity  (Q_now - Q_before) x P_before               more of the same mix
    mix       sum of q_now x p_before - Q_now x P_before  dearer kinds than before
    unsplit   what has no quantity                        nothing is known of its price

What was not used before has no price before: it is quantity and mix, never price. The usual price-volume-mix analysis.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

EFFECTS = ("price", "quantity", "mix", "unsplit")


def effects(usage: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """[*by, *EFFECTS, excess] of ``usage`` [*by, unit, quantity_before, cost_before, quantity, cost]: a row per usage type, an
    absent side null or 0. All amounts in one currency."""
    cost, cost_before = pl.col("cost").fill_null(0.0), pl.col("cost_before").fill_null(0.0)
    used, used_before = pl.col("quantity").fill_null(0.0), pl.col("quantity_before").fill_null(0.0)
    # A cost without a quantity, or less than none of it (a correction), has no price.
    priced = ((used > 0) | (cost == 0)) & ((used_before > 0) | (cost_before == 0)) & (used >= 0) & (used_before >= 0)
    now = pl.col("c1") / pl.col("q1")
    split = usage.with_columns(c1=cost, c0=cost_before, q1=used, q0=used_before, priced=priced).with_columns(
        # At the price before; what is new has none, and what is gone needs none.
        at_before=pl.when(pl.col("q0") > 0)
        .then(pl.col("q1") * (pl.col("c0") / pl.col("q0")))
        .when(pl.col("q1") > 0)
        .then(pl.col("q1") * now)
        .otherwise(0.0)
    )
    whole = (
        split.filter("priced")
        .group_by(*by, "unit")
        .agg(pl.col("c1", "c0", "q1", "q0", "at_before").sum())
        .with_columns(
            quantity=pl.when(pl.col("q0") > 0)
            .then((pl.col("q1") - pl.col("q0")) * (pl.col("c0") / pl.col("q0")))
            .otherwise(pl.col("at_before") - pl.col("c0"))
        )
        .with_columns(
            price=pl.col("c1") - pl.col("at_before"),
            mix=pl.col("at_before") - pl.col("c0") - pl.col("quantity"),
            unsplit=pl.lit(0.0),
            excess=pl.col("c1") - pl.col("c0"),
        )
    )
    without = split.filter(~pl.col("priced")).select(
        *by,
        price=pl.lit(0.0),
        quantity=pl.lit(0.0),
        mix=pl.lit(0.0),
        unsplit=pl.col("c1") - pl.col("c0"),
        excess=pl.col("c1") - pl.col("c0"),
    )
    columns = [*by, *EFFECTS, "excess"]
    return (
        pl.concat([whole.select(columns), without.select(columns)])
        .group_by(by, maintain_order=True)
        .agg(pl.col(*EFFECTS, "excess").sum())
        .sort(by, nulls_last=True)
    )
