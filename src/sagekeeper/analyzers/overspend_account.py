"""An account that costs too much though nothing in it stands out by itself: in which of its services and owners the money is.

In: the row of an account that is high without what is told of its parts, daily usage at old prices, judged days, the rows told.
Out: an `Explanation` of what is not told: service > usage family > region > owner > resource, and in words. What a resource was
expected to cost is its mean of the same weekday while its account taught what is usual: means of parts add up to that of the sum.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from sagekeeper.analyzers.causes import ENOUGH, Explanation, explain
from sagekeeper.analyzers.robust_spread import robust_spread

LEAF = ["service", "usage_family", "region", "kind", "name"]
WITHIN = ("service", "family", "region", "owner", "thing")
BROADLY = ("service", "owner")
MOST_SAID = 6
"""Nodes, above which services and owners are named rather than what is in them."""
TOLD = {0: LEAF, 1: ["service", "usage_family"], 2: ["service"]}
"""By level, what a told row takes out."""
NOISE = 3.0
"""Usual spreads, times the root of the days, that a part moves by anyway."""
ROUNDING = 1e-9


def account_explained(
    row: dict[str, Any], usage: pl.DataFrame, days: pl.DataFrame, told: pl.DataFrame
) -> tuple[Explanation, list[str]]:
    """Why the account of ``row`` (level 3) is high, and the same in words, as "Amazon S3 40 %" each. The explanation's column
    ``thing`` is a struct of `LEAF`. ``usage`` [account, currency, *LEAF, owner, day, billed_cost]."""
    here = (pl.col("account") == row["account"]) & (pl.col("currency") == row["currency"])
    leaves = _leaves(
        usage.filter(here), days.filter(here & (pl.col("level") == 3)), told.filter(here), row["since"]
    ).with_columns(family="usage_family", thing=pl.struct(LEAF))
    found = explain(leaves, WITHIN)
    said = found if found.nodes.height <= MOST_SAID else explain(leaves, BROADLY)
    return found, _in_words(said)


def is_of_account(found: Explanation) -> bool:
    """Whether no one service is why. That one was judged by itself: too young, as high before, too little it is here as well."""
    most = found.nodes.group_by("service").agg(pl.col("share").sum())["share"].max()
    return found.excess > 0 and not (isinstance(most, float) and most >= ENOUGH - ROUNDING)


def _leaves(usage: pl.DataFrame, own: pl.DataFrame, told: pl.DataFrame, since: Any) -> pl.DataFrame:
    """[*LEAF, owner, actual, expected, noise] over the account's high days, without what is told."""
    daily = usage.group_by(*LEAF, "day").agg(cost=pl.col("billed_cost").sum())
    things = usage.group_by(LEAF).agg(owner=pl.col("owner").sort_by("day").drop_nulls().last().cast(pl.String))
    for level, keys in TOLD.items():
        things = things.join(told.filter(pl.col("level") == level), on=keys, how="anti", nulls_equal=True)
    now = (pl.col("day") >= since) & pl.col("final") & pl.col("counts")
    calendar = own.select("day", "weekday", "learning", now=now).filter(pl.col("learning") | pl.col("now"))
    grid = (
        things.join(calendar, how="cross")
        .join(daily, on=[*LEAF, "day"], how="left", nulls_equal=True)
        .with_columns(pl.col("cost").fill_null(0.0))
    )
    learned = pl.when("learning").then(pl.col("cost"))
    usual = pl.coalesce(learned.mean().over(*LEAF, "weekday"), learned.mean().over(LEAF))
    return (
        grid.with_columns(usual=usual)
        .with_columns(apart=learned - pl.col("usual"))
        .group_by(LEAF)
        .agg(
            pl.col("owner").first(),
            actual=pl.col("cost").filter("now").sum(),
            expected=pl.col("usual").filter("now").sum(),
            noise=NOISE * robust_spread(pl.col("apart")).fill_null(0.0) * pl.col("now").sum().sqrt(),
        )
    )


def _in_words(found: Explanation) -> list[str]:
    services = found.nodes["service"].to_list()

    def name(node: dict[str, Any]) -> str:
        thing = node.get("thing") or {}
        of = f" of {node['owner']}" if node["owner"] else ""
        if thing.get("name"):
            return f"{thing['name']}{of} ({node['service']})"
        # What names no resource is its service, and where there is more of that, of which family and where.
        plain = thing and services.count(node["service"]) == 1
        within = ", ".join(node[key] for key in ("family", "region") if node.get(key) and not plain)
        place = f"{node['service']}{f' ({within})' if within else ''}{of}"
        return f"all {node['leaves']} of {place}, alike" if node["leaves"] > 1 else place

    said = [f"{name(node)} {_percent(node['share'])}" for node in found.nodes.iter_rows(named=True)]
    if said and found.rest > (1 - ENOUGH) * found.excess:
        said.append(f"nothing that stands out {_percent(found.rest / found.excess)}")
    return said


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
