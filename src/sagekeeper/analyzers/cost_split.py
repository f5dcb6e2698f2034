"""Shared cost, given to those who share it: a platform's bill split over its owners, teams or projects.

In: daily costs and the rules, in order. Out: daily costs with the same sum per bill, day, account and currency of each of the
four costs. A row that a rule matches becomes one row for each who shares it, and says so in ``split_rule``; it is split once,
by the first rule that matches. *Even*: the same for everybody who has usage of their own in that bill on that day. *Usage*: in
proportion to what that usage cost (effective cost, else billed). *Fixed*: by shares of the settings; what they leave over is
not split. On a day on which there is nobody to share with, a row stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from sagekeeper.analyzers.attribution import AMOUNTS
from sagekeeper.core.settings import Split
from sagekeeper.core.tables import DAILY_COSTS

PLACE = ["dataset", "day", "currency"]


def split(daily: pl.DataFrame, rules: Sequence[Split]) -> pl.DataFrame:
    """``daily`` in the schema `DAILY_COSTS`, with shared cost moved."""
    for rule in rules:
        daily = _split(daily, rule)
    return daily.sort(DAILY_COSTS.keys) if rules else daily


def _split(daily: pl.DataFrame, rule: Split) -> pl.DataFrame:
    shared = _matches(rule) & pl.col("split_rule").is_null()
    matched, rest = daily.filter(shared), daily.filter(~shared)
    sharers = _sharers(matched, rest, rule)
    if matched.is_empty() or sharers.is_empty():
        return daily
    given = matched.join(sharers, on=PLACE, how="inner").with_columns(
        pl.col(*AMOUNTS) * pl.col("share"),
        pl.col("who").alias(rule.over),
        split_rule=pl.lit(rule.words),
        **({"owner_basis": pl.lit(f"split {rule.name}")} if rule.over == "owner" else {}),
    )
    taken = sharers.group_by(PLACE).agg(taken=pl.col("share").sum())
    kept = matched.join(taken, on=PLACE, how="left").with_columns(left=1.0 - pl.col("taken").fill_null(0.0))
    kept = kept.filter(pl.col("left") > NOTHING).with_columns(pl.col(*AMOUNTS) * pl.col("left"))
    columns = list(DAILY_COSTS.columns)
    return _summed(pl.concat([rest, given.select(columns), kept.select(columns)]))


NOTHING = 1e-9
"""Less than this of a row is rounding of shares that add up to one."""


def _matches(rule: Split) -> pl.Expr:
    """Every named column is like its pattern; an empty pattern asks for rows that have nothing there."""
    terms = [
        pl.col(column).str.contains(_form(pattern)).fill_null(False) if pattern else pl.col(column).is_null()
        for column, pattern in rule.match.items()
    ]
    return pl.all_horizontal(terms)


def _form(pattern: str) -> str:
    wild = {"*": ".*", "?": "."}
    return "^" + "".join(wild.get(letter) or re.escape(letter) for letter in pattern) + "$"


def _sharers(matched: pl.DataFrame, rest: pl.DataFrame, rule: Split) -> pl.DataFrame:
    """[*PLACE, who, share]: who shares each day, and how much of it; shares of a day add up to one, or less if they are fixed."""
    if rule.by == "fixed":
        fixed = pl.DataFrame({"who": list(rule.shares), "share": list(rule.shares.values())})
        return matched.select(PLACE).unique().join(fixed, how="cross")
    cost = pl.coalesce("effective_cost", "billed_cost").sum()
    own = (
        rest.filter(
            (pl.col("charge_category") == "Usage") & pl.col(rule.over).is_not_null() & pl.col("split_rule").is_null()
        )
        .group_by(*PLACE, who=rule.over)
        .agg(cost=cost)
        .filter(pl.col("cost") > 0)
    )
    weight = pl.col("cost") if rule.by == "usage" else pl.lit(1.0)
    shares = own.with_columns(weight=weight).with_columns(share=pl.col("weight") / pl.col("weight").sum().over(PLACE))
    return shares.select(*PLACE, "who", "share")


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that have become equal in all but their amounts are one."""
    return (
        rows.group_by(DAILY_COSTS.keys)
        .agg(
            *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in AMOUNTS),
            pl.col("estimated").any(),
            pl.col("parent_kind", "parent_name").first(),
        )
        .select(DAILY_COSTS.columns.keys())
    )
