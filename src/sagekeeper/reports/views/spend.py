"""The cost cube: what was spent per day, small enough to keep in memory and to answer every question but "which
resource".

In: `daily_costs` of one bill. Out: a frame in the schema `CUBE`, and sums over it. Names nobody could be given are
the word `UNATTRIBUTED`, a row like any other, so that every sum is the bill's. A day younger than 48 h, or one that
AWS calls estimated, is provisional (aws-facts: Cost Explorer restates for up to 48 h).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.core.types import CostNotion

COST_EXPLORER = "cost-explorer"
UNATTRIBUTED = "unattributed"
OTHERS = "all others"
TAX = "Tax"
"""The charge category that AWS adds when a month closes, dated back to its first day."""
REST = "everything else"
NOT_BILLED = "used, not billed yet (estimate)"

Basis = CostNotion
NOTIONS: dict[Basis, str] = {
    "billed": "What the invoice says: every charge, taxes included, credits deducted.",
    "effective": "The same charges, with commitments (Savings Plans, reservations) spread over what used them.",
    "contracted": "What was used at your negotiated prices, before commitments and credits.",
    "list": "What was used at AWS's public on-demand prices: what it would cost without any discount.",
}
"""The four notions of cost (FOCUS 1.2: BilledCost, EffectiveCost, ContractedCost, ListCost), a sentence each."""

Dimension = Literal["service", "usage_family", "owner", "team", "project", "account", "region", "charge_category"]

CUBE_KEYS = (
    "day",
    "account",
    "region",
    "service",
    "charge_category",
    "usage_family",
    "owner",
    "team",
    "project",
    "attribution",
    "split_rule",
    "currency",
)
CUBE: dict[str, pl.DataType] = {
    **{name: DAILY_COSTS.columns[name] for name in CUBE_KEYS},
    **dict.fromkeys(NOTIONS, pl.Float64()),
    "provisional": pl.Boolean(),
}


def load_cube(lake: Lake, dataset: str, as_of: datetime, where: pl.Expr | None = None) -> pl.DataFrame:
    """All days of one bill up to ``as_of``, without resources; of the rows ``where`` (`DAILY_COSTS`) only, if given."""
    return (
        lake.scan(DAILY_COSTS)
        .filter((pl.col("dataset") == dataset) & (pl.col("day") <= as_of.date()))
        .filter(pl.lit(value=True) if where is None else where)
        # What a notion does not know is a cell of its own: `unknown_part` can tell how much it is.
        .group_by(*CUBE_KEYS, *(pl.col(f"{name}_cost").is_null().alias(f"no_{name}") for name in NOTIONS))
        .agg(
            *(known(pl.col(f"{name}_cost")).alias(name) for name in NOTIONS),
            provisional(dataset, as_of).any().alias("provisional"),
        )
        .with_columns(pl.col("owner", "team", "project").fill_null(UNATTRIBUTED))
        .select(CUBE.keys())
        .sort("day", "account", "service", "usage_family", "owner")
        .collect()
    )


def provisional(dataset: str, as_of: datetime) -> pl.Expr:
    """Whether a row of `daily_costs` may still be restated.

    Of Cost Explorer: a day that ended less than 48 h ago. AWS calls the whole open month estimated; saying that of
    every day would say nothing, so it is shown per month only (`bills`). Of a file: what the file says.
    """
    if dataset == COST_EXPLORER:
        return pl.col("day") >= (as_of - FINAL_AFTER).date()
    return pl.col("estimated").fill_null(value=False)


def main_currency(cube: pl.DataFrame) -> str:
    """The currency most of the bill's rows are in; sums are never taken over two."""
    if cube.is_empty():
        return "USD"
    return str(cube["currency"].value_counts(sort=True)["currency"][0])


def between(cube: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Days ``first`` to ``last``, both included."""
    return cube.filter(pl.col("day").is_between(first, last))


def total(cube: pl.DataFrame, basis: Basis) -> float | None:
    """The sum of what is known, or None where there is no bill at all, or none that knows this notion."""
    return None if cube[basis].null_count() == cube.height else float(cube[basis].sum())


def unknown_part(cube: pl.DataFrame, basis: Basis) -> float:
    """Billed cost of what has no cost by this notion: `total` leaves it out."""
    return float(cube.filter(pl.col(basis).is_null())["billed"].sum())


def known(column: pl.Expr) -> pl.Expr:
    """The sum of what is known; unknown where nothing is."""
    return pl.when(column.is_not_null().any()).then(column.sum())


def split_cost(cube: pl.DataFrame, basis: Basis) -> list[tuple[str, float]]:
    """Shared cost that was given to those who share it, by the rule that did so; the largest first."""
    moved = cube.filter(pl.col("split_rule").is_not_null())
    sums = (
        moved.group_by("split_rule").agg(pl.col(basis).sum()).sort(pl.col(basis).abs(), "split_rule", descending=True)
    )
    return list(sums.iter_rows())


def per_day(cube: pl.DataFrame, basis: Basis) -> pl.DataFrame:
    """[day, cost, provisional], one row per day of which there is a bill."""
    return cube.group_by("day").agg(cost=known(pl.col(basis)), provisional=pl.col("provisional").any()).sort("day")


def grouped(rows: pl.DataFrame, by: str, basis: str, most: int = 7) -> pl.DataFrame:
    """[day, group, cost, provisional]: the ``most`` largest groups, the rest as `OTHERS`, unattributed always by name.

    ``rows`` is the cube, or any frame with day, provisional, the column ``by`` and the column ``basis``.
    """
    named = rows.with_columns(group=pl.col(by).fill_null(UNATTRIBUTED))
    ranked = (
        named.filter(pl.col("group") != UNATTRIBUTED)
        .group_by("group")
        .agg(pl.col(basis).sum().alias("sum"))
        .sort(pl.col("sum").abs(), descending=True, nulls_last=True)
    )
    kept = ranked["group"].head(most).to_list() if ranked.height > most + 1 else ranked["group"].to_list()
    return (
        named.with_columns(
            group=pl.when(pl.col("group").is_in([*kept, UNATTRIBUTED])).then("group").otherwise(pl.lit(OTHERS))
        )
        .group_by("day", "group")
        .agg(cost=known(pl.col(basis)), provisional=pl.col("provisional").any())
        .sort("day", "group")
    )


def by_group(cube: pl.DataFrame, by: Dimension, basis: Basis, first: date, last: date) -> pl.DataFrame:
    """[group, cost, share, before, change]: the period beside the equally long one before it, largest first.

    ``before`` is null where the bill does not reach back over the whole earlier period: unknown, not zero.
    """
    length = (last - first).days + 1
    earlier_first, earlier_last = first - timedelta(days=length), first - timedelta(days=1)
    name = pl.col(by).fill_null(UNATTRIBUTED).alias("group")
    now = between(cube, first, last).group_by(name).agg(cost=known(pl.col(basis)), there=pl.lit(value=True))
    reaches_back = not cube.is_empty() and cube["day"].min() <= earlier_first  # type: ignore[operator]
    then = (
        between(cube, earlier_first, earlier_last)
        .group_by(name)
        .agg(before=known(pl.col(basis)), was=pl.lit(value=True))
    )
    both = now.join(then, on="group", how="full", coalesce=True).with_columns(
        # Not on the bill of a period: nothing, not unknown.
        cost=pl.when("there").then("cost").otherwise(0.0),
        before=pl.when("was").then("before").otherwise(0.0) if reaches_back else pl.lit(None, pl.Float64()),
    )
    whole = float(both["cost"].sum())
    return (
        both.with_columns(
            share=pl.col("cost") / whole if whole else pl.lit(None, pl.Float64()),
            change=pl.col("cost") - pl.col("before"),
        )
        .sort(pl.col("cost").abs(), descending=True, nulls_last=True)
        .select("group", "cost", "share", "before", "change")
    )


def coarse(rows: pl.DataFrame, every: Literal["1d", "1mo"]) -> pl.DataFrame:
    """A [day, group, cost, provisional] frame summed to months (or left as it is)."""
    return (
        rows.with_columns(pl.col("day").dt.truncate(every))
        .group_by("day", "group")
        .agg(known(pl.col("cost")), pl.col("provisional").any())
        .sort("day", "group")
    )


def missing_days(cube: pl.DataFrame, first: date, last: date) -> list[date]:
    """Days from ``first`` to ``last`` that the bill says nothing about: gaps, not zeros."""
    there = set(cube["day"].unique().to_list())
    return [day for day in _days(first, last) if day not in there]


def _days(first: date, last: date) -> Sequence[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
