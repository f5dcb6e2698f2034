"""What is left of a sum that has risen, without the money that is told of its parts, and whether that is still high.

In: the row of a sum, judged days, the rows told so far. Out: the row with what is left; None where that is as usual. Of parts in
parts (a service's family's resource) the uppermost tells a day's money from the day on that it has risen itself.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH
from sagekeeper.analyzers.overspend_finding import JUDGED_DAYS, KEY

SUMS = {
    1: ["account", "service", "usage_family", "currency"],
    2: ["account", "service", "currency"],
    3: ["account", "currency"],
}
"""The sums by level, and what they are sums over."""
LATELY = 3


def left_of(
    row: dict[str, Any], days: pl.DataFrame, told: pl.DataFrame, least_per_month: float, least_days: int
) -> dict[str, Any] | None:
    """``row`` without what is ``told`` [*KEY, since, ...] of lower levels in it; itself where nothing is."""
    inside = pl.all_horizontal(pl.col(key).eq_missing(pl.lit(row[key])) for key in SUMS[row["level"]])
    parts = told.filter(inside & (pl.col("level") < row["level"]))
    if parts.is_empty():
        return row
    own = (
        days.filter(*(pl.col(name).eq_missing(pl.lit(row[name])) for name in KEY))
        .join(_claimed(days.filter(inside), parts), on="day", how="left")
        .with_columns(left=pl.col("cost") - pl.col("claimed").fill_null(0.0))
        .filter("counts")
        .sort("day")
    )
    final = own.filter(pl.col("final") & ~pl.col("learning"))
    high = (final["left"] > final["limit"]).fill_null(False).tail(LATELY)
    since = own.filter(pl.col("day") >= row["since"])
    whole = since.filter("final")
    over = JUDGED_DAYS if row["sparse"] else max(whole.height, 1)
    per_month = float((whole["left"] - whole["usual"]).sum()) / over * DAYS_PER_MONTH
    if high.sum() < min(least_days, high.len()) or not high[-1] or per_month < least_per_month:
        return None
    excess = float((since["left"] - since["usual"]).sum())
    return row | {
        "excess": excess, "per_month": per_month, "actual": float(whole["left"].sum()) / max(whole.height, 1), "rest": True,
    }  # fmt: skip


def _claimed(days: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """[day, claimed]: too much of each day that is told of ``parts``."""
    told = days.join(parts.select(*KEY, begun="since"), on=KEY, how="inner", nulls_equal=True).filter(
        (pl.col("day") >= pl.col("begun")) & pl.col("counts")
    )
    for level, keys in SUMS.items():
        above = told.filter(pl.col("level") == level).select(*keys, "day")
        below = told.filter(pl.col("level") < level).join(above, on=[*keys, "day"], how="anti", nulls_equal=True)
        told = pl.concat([told.filter(pl.col("level") >= level), below])
    return told.group_by("day").agg(claimed=pl.col("excess").sum())
