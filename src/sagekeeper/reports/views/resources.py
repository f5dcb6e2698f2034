"""What single resources cost: the one question that is too large for the cost cube.

In: `daily_costs` of one bill over a period. Out: one row per resource with its cost before and now, and the days of
the largest. Rows that no resource could be given are one row, `UNATTRIBUTED`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.reports.views.spend import UNATTRIBUTED, Basis, known, provisional

RESOURCE = ("account", "region", "resource_kind", "resource_name", "owner")


def by_resource(
    lake: Lake,
    dataset: str,
    currency: str,
    basis: Basis,
    first: date,
    last: date,
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """[account, region, resource_kind, resource_name, owner, cost, share, before, change, attribution, owner_basis], largest
    first. ``owner_basis`` says which rule named the owner, or which split gave the cost to them.

    ``where``: of these rows of `DAILY_COSTS` only, as a budget has it.
    """
    length = (last - first).days + 1
    earlier = first - timedelta(days=length)
    amount = pl.col(f"{basis}_cost")
    now = pl.col("day") >= first
    rows = (
        _rows(lake, dataset, currency, earlier, last)
        .filter(pl.lit(value=True) if where is None else where)
        .group_by(RESOURCE)
        .agg(
            cost=known(amount.filter(now)),
            before=pl.when(amount.filter(~now).is_not_null().all()).then(amount.filter(~now).sum()),
            owner_basis=pl.coalesce("split_rule", "owner_basis")
            .filter(now)
            .drop_nulls()
            .unique()
            .sort()
            .str.join(", "),
            attribution=pl.col("attribution").filter(now).unique().sort().str.join(", "),
            there=now.any(),
        )
        .filter("there")
        .collect()
    )
    whole = float(rows["cost"].sum())
    reaches_back = first_day(lake, dataset) <= earlier
    return (
        rows.with_columns(
            share=pl.col("cost") / whole if whole else pl.lit(None, pl.Float64()),
            before=pl.col("before") if reaches_back else pl.lit(None, pl.Float64()),
            resource_name=pl.col("resource_name").fill_null(UNATTRIBUTED),
            owner=pl.col("owner").fill_null(UNATTRIBUTED),
        )
        .with_columns(change=pl.col("cost") - pl.col("before"))
        .sort(pl.col("cost").abs(), descending=True, nulls_last=True)
        .select(*RESOURCE, "cost", "share", "before", "change", "attribution", "owner_basis")
    )


def resource_days(
    lake: Lake, dataset: str, currency: str, basis: Basis, first: date, last: date, as_of: datetime
) -> pl.DataFrame:
    """[day, resource, cost, provisional]: to be given to `spend.grouped`."""
    return (
        _rows(lake, dataset, currency, first, last)
        .group_by("day", pl.col("resource_name").alias("resource"))
        .agg(
            cost=known(pl.col(f"{basis}_cost")),
            provisional=provisional(dataset, as_of).any(),
        )
        .collect()
    )


def _rows(lake: Lake, dataset: str, currency: str, first: date, last: date) -> pl.LazyFrame:
    return lake.scan(DAILY_COSTS).filter(
        (pl.col("dataset") == dataset) & pl.col("day").is_between(first, last) & (pl.col("currency") == currency)
    )


def first_day(lake: Lake, dataset: str) -> date:
    """The first day of the bill; far away where there is none."""
    first = lake.scan(DAILY_COSTS).filter(pl.col("dataset") == dataset).select(pl.col("day").min()).collect().item()
    return first if isinstance(first, date) else date.max
