"""What the bill of the last days still lacks, by the estimate: how much is to come that has been used already?

In: `ESTIMATES`, bill rows (`COSTS`), ``as_of``. Out: `LACKING`, a row per day and usage family. A day that is not on the bill
is estimated whole; of a provisional day, which AWS fills up for 48 hours, what the estimate has beyond the bill; a final day
is the bill's alone. So the bill and this may be added, and nothing is in both.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.analyzers.estimate_error import FAMILIES, billed, final
from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER

LACKING: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "usage_family": pl.String(),
    "currency": pl.String(),
    "estimated": pl.Float64(),  # of the whole day, as far as it has come
    "billed": pl.Float64(),  # effective cost on the bill so far; null: the day is not on it
    "lacking": pl.Float64(),
    "upto": pl.Datetime("us", "UTC"),
    "unknown": pl.UInt32(),  # resources whose price is not known: they are in no amount
}


def lacking(estimates: pl.DataFrame, costs: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """`LACKING` of all days younger than 48 hours, or after the last one on the bill, that have an estimate."""
    bill = billed(costs.filter(~final(as_of)))
    days = bill.select("day").unique().with_columns(on_bill=pl.lit(True))
    came = (
        bill.filter(pl.col("usage_family").is_in(FAMILIES))
        .group_by("day", "usage_family", "currency")
        .agg(billed=pl.col("effective").sum())
    )
    last = costs.filter(pl.col("x_Dataset") == BILL)["x_ChargeDate"].max()
    after = pl.lit(True) if last is None else pl.col("day") > pl.lit(last)
    young = (pl.col("day") >= (as_of - FINAL_AFTER).date()) | after
    guessed = (
        estimates.filter(young)
        .group_by("day", "usage_family", "currency")
        .agg(estimated=pl.col("cost").sum(), upto=pl.col("upto").max(), unknown=pl.col("cost").is_null().sum())
    )
    both = guessed.join(days, on="day", how="left").join(came, on=["day", "usage_family", "currency"], how="left")
    so_far = pl.when(pl.col("on_bill").fill_null(False)).then(pl.col("billed").fill_null(0.0))
    return (
        both.with_columns(billed=so_far)
        .with_columns(lacking=(pl.col("estimated") - pl.col("billed").fill_null(0.0)).clip(lower_bound=0.0))
        .select(pl.col(name).cast(kind) for name, kind in LACKING.items())
        .sort("day", "usage_family", "currency")
    )
