"""Of all that has risen, what is told: each cause once, at the smallest thing that it is, and a sum only for what is left of it.

In: what has risen at each level, what is new, their judged days. Out: the rows to tell, none of whose money is another's too.
A sum whose resources all moved alike, or all of a region or an owner in it, is one cause and replaces them (`causes.py`).
Elsewhere resources are told themselves: what
has risen on its own, and what is new where it helps to explain a sum that has risen or is large by itself. A sum is
then judged again without what is told of its parts, and told, with what remains, only if it is still high (`overspend_left.py`).
An account is told only so, and only where the money is in several of its services (`overspend_account.py`): what is in one was
judged with it.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from sagekeeper.analyzers.causes import Explanation, explain
from sagekeeper.analyzers.overspend_account import account_explained, is_of_account
from sagekeeper.analyzers.overspend_finding import KEY
from sagekeeper.analyzers.overspend_left import SUMS, left_of

AMOUNTS = ["since", "excess", "per_month", "usual", "actual", "sparse", "named", "owner", "arn", "over"]
PARTS = ("usage_family", "kind", "region", "name")
WITHIN = {1: ("sum", "region", "owner", "thing"), 2: ("sum", "family", "region", "owner", "thing")}
"""A service of one family is that family: where only it branches, the service is not the cause."""
ACCOUNT = 3
NOISE = 3.0
"""Usual spreads, times the root of the days, that a part moves by anyway."""
GROUPS = ["region", "owner"]
ROUNDING = 1e-9


def told(
    risen: pl.DataFrame,
    new: pl.DataFrame,
    days: pl.DataFrame,
    usage: pl.DataFrame,
    least_per_month: float,
    least_new_per_month: float,
    least_days: int,
) -> pl.DataFrame:
    """[*KEY, *AMOUNTS, new, alike, rest, parts], the most money first.

    ``days``: judged days of everything in ``risen`` and ``new`` [*KEY, *AMOUNTS]; ``usage``: what they are sums of. ``alike``: a
    sum of what moved alike; ``rest``: a sum without what is told of its parts; ``parts``: the resources that explain a sum, with
    their shares.
    """
    plain = {"alike": pl.lit(False), "rest": pl.lit(False), "parts": pl.lit([], dtype=pl.List(pl.String))}
    marked = risen.with_columns(over=pl.lit(False)).select(*KEY, *AMOUNTS, new=pl.lit(False), **plain)
    fresh = new.filter(pl.col("per_month") >= least_per_month).select(*KEY, *AMOUNTS, new=pl.lit(True), **plain)
    kept = pl.concat([marked.filter(pl.col("level") == 0), fresh.filter(pl.col("per_month") >= least_new_per_month)])
    for level in WITHIN:
        for row in marked.filter(pl.col("level") == level).iter_rows(named=True):
            inside = pl.all_horizontal(pl.col(key).eq_missing(pl.lit(row[key])) for key in SUMS[level])
            found = _explained(row, days.filter(inside), level)
            if _is_whole(found, level):
                alike = pl.DataFrame([row], schema=marked.schema).with_columns(alike=pl.lit(True), parts=_parts(found))
                kept = pl.concat([kept.filter(~inside), alike])
                continue
            # What is left of a family that is told holds the new things in it that are not named.
            families = kept.filter(pl.col("level") == 1)
            unnamed = fresh.filter(inside).join(families, on=SUMS[1], how="anti", nulls_equal=True)
            kept = _without_groups(_with_named(kept, unnamed, found), inside, found)
            left = left_of(row, days, kept, least_per_month, least_days)
            if left is not None:
                kept = pl.concat([kept, pl.DataFrame([left], schema=marked.schema).with_columns(parts=_parts(found))])
    for row in marked.filter(pl.col("level") == ACCOUNT).iter_rows(named=True):
        left = left_of(row, days, kept, least_per_month, least_days)
        if left is None:
            continue
        found, said = account_explained(row, usage, days, kept)
        if not is_of_account(found):
            continue
        named = _with_named(kept, _untold(fresh, row, kept), found)
        if named.height > kept.height:
            kept = named
            left = left_of(row, days, kept, least_per_month, least_days)
            found, said = account_explained(row, usage, days, kept)
        if left is not None and is_of_account(found):
            kept = pl.concat([kept, pl.DataFrame([left | {"parts": said}], schema=marked.schema)])
    return kept.sort("per_month", *KEY, descending=[True, *(False for _ in KEY)], nulls_last=True)


def _explained(row: dict[str, Any], own: pl.DataFrame, level: int) -> Explanation:
    """Of a sum that has risen: by which of its resources, or of its families where they name none."""
    since = own.filter((pl.col("day") >= row["since"]) & pl.col("final") & pl.col("counts"))
    amounts = (
        pl.col("cost").sum().alias("actual"),
        pl.col("usual").sum().alias("expected"),
        (NOISE * pl.col("spread").fill_null(0.0).mean() * pl.len().sqrt()).alias("noise"),
    )
    whole = since.filter(pl.col("level") == level).select(*amounts).row(0, named=True)
    leaves = (
        since.filter(pl.col("level") == 0)
        .group_by(PARTS)
        .agg(*amounts, owner=pl.col("owner").drop_nulls().last().cast(pl.String))
    )
    named = leaves.select("actual", "expected").sum().row(0, named=True)
    others = pl.DataFrame(
        {name: [whole[name] - named[name]] for name in ("actual", "expected")}
        | {"noise": [whole["noise"]]}
        | {name: [None] for name in (*PARTS, "owner")},
        schema=leaves.schema | {"actual": pl.Float64, "expected": pl.Float64, "noise": pl.Float64},
    )
    size = pl.max_horizontal(pl.col("actual").abs(), pl.col("expected").abs())
    both = pl.concat([leaves, others.select(leaves.columns).filter(size > ROUNDING * whole["actual"])])
    return explain(both.with_columns(sum=pl.lit(""), family="usage_family", thing=pl.struct(PARTS)), WITHIN[level])


def _is_whole(found: Explanation, level: int) -> bool:
    """Whether the sum itself moved as one. That a service's only family did is told of the family."""
    if found.nodes.height != 1 or found.nodes["level"][0] == "thing":
        return False
    return bool(found.nodes["level"][0] == "sum" or (level == 1 and found.nodes["leaves"][0] == found.leaves))


def _parts(found: Explanation) -> pl.Expr:
    """As "ranking-gpu 65 %" each."""

    def name(node: dict[str, Any]) -> str:
        if node["level"] == "thing":
            return node["thing"]["name"] or "what names no resource"
        of = node["owner"] if node["level"] == "owner" else None
        return f"all {node['leaves']} of {of or node['region'] or node.get('family')}, alike"

    said = [
        f"{name(node)} {node['share']:.0%}".replace("%", " %")
        for node in found.nodes.filter(pl.col("level") != "sum").iter_rows(named=True)
    ]
    return pl.lit(said, dtype=pl.List(pl.String))


def _without_groups(kept: pl.DataFrame, inside: pl.Expr, found: Explanation) -> pl.DataFrame:
    """Without the resources of a region or an owner that all moved alike: they are told as the sum."""
    for node in found.nodes.filter(pl.col("level").is_in(GROUPS)).iter_rows(named=True):
        keys = {"region": node["region"]}
        keys |= {"owner": node["owner"]} if node["level"] == "owner" else {}
        keys |= {"usage_family": node["family"]} if "family" in node else {}
        same = pl.all_horizontal(pl.col(key).eq_missing(pl.lit(value)) for key, value in keys.items())
        kept = kept.filter(~(inside & same & (pl.col("level") == 0)))
    return kept


def _with_named(kept: pl.DataFrame, fresh: pl.DataFrame, found: Explanation) -> pl.DataFrame:
    """And what is new and helps to explain a sum."""
    nodes = found.nodes.select(pl.col("thing").struct.unnest()).filter(pl.col("name").is_not_null())
    named = fresh.join(nodes, on=list(PARTS), how="semi", nulls_equal=True)
    return pl.concat([kept, named.join(kept, on=KEY, how="anti", nulls_equal=True)])


def _untold(fresh: pl.DataFrame, row: dict[str, Any], kept: pl.DataFrame) -> pl.DataFrame:
    """What is new in an account, and in no sum of it that is told."""
    for level in WITHIN:
        told = kept.filter(pl.col("level") == level)
        fresh = fresh.join(told, on=SUMS[level], how="anti", nulls_equal=True)
    return fresh.filter((pl.col("account") == row["account"]) & (pl.col("currency") == row["currency"]))
