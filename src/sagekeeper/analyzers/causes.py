"""Where an excess is: the fewest nodes of the bill's hierarchy that explain it, each as deep as it can be named.

In: leaves of a hierarchy (account > service > usage type > region > resource > owner, or any part of it) with actual and
expected cost. Out: an `Explanation`: nodes, the surest money first, and the rest, which together are the excess exactly.
A node whose children all moved by the same ratio is one cause, not as many as it has children (a price, a region's traffic);
elsewhere the leaves themselves are. Of these those are taken that exceed by most what they vary by anyway, until ``enough`` of
the excess is explained; what moved no more than it usually does is not a cause however large it is. Spirit: Adtributor (Bhagwan
et al., NSDI 2014: explanatory power and surprise), Squeeze (Li et al., ISSRE 2019: the ripple effect, by which children follow
their parent's ratio).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

HIERARCHY = ("account", "service", "usage_type", "region", "resource", "owner")
ENOUGH = 0.9
"""Share of the excess that is to be explained."""
ALIKE = 0.8
"""How much of its children's movement a parent's one ratio must account for."""
LEAST_SHARE = 0.02
"""Of the excess: less is no cause of it."""


@dataclass(frozen=True)
class Explanation:
    """``nodes``: [*hierarchy (null below the node), level, leaves, actual, expected, excess, share, surprise].

    ``excess`` = sum of the nodes' excess + ``rest``. ``surprise``: the node's part of the Jensen-Shannon divergence between the
    shares that were expected and those that came (natural logarithm; 0: its share is what it was).
    """

    nodes: pl.DataFrame
    excess: float
    rest: float
    leaves: int


def explain(
    leaves: pl.DataFrame,
    hierarchy: Sequence[str] = HIERARCHY,
    enough: float = ENOUGH,
    alike: float = ALIKE,
    least_share: float = LEAST_SHARE,
) -> Explanation:
    """The smallest set that explains why ``leaves`` [*hierarchy, actual, expected, and optionally noise: what it varies by
    anyway] cost more than expected. Amounts in one currency and over one period. Where nothing is too much there are no nodes."""
    noise = pl.col("noise") if "noise" in leaves.columns else pl.lit(0.0)
    each = (
        leaves.with_columns(noise=noise.fill_null(0.0))
        .group_by(hierarchy)
        .agg(pl.col("actual", "expected", "noise").sum())
        .with_columns(excess=pl.col("actual") - pl.col("expected"))
    )
    total = float(each["excess"].sum())
    units = _units(each, hierarchy, alike, enough)
    actual, expected = float(each["actual"].sum()), float(each["expected"].sum())
    ranked = (
        units.with_columns(
            share=pl.col("excess") / total if total > 0 else pl.lit(None, dtype=pl.Float64),
            surprise=_surprise(pl.col("expected") / (expected or 1.0), pl.col("actual") / (actual or 1.0)),
        )
        .filter((pl.col("share") >= least_share) & (pl.col("excess") > pl.col("noise")))
        .sort(
            pl.col("excess") - pl.col("noise"),
            "surprise",
            *hierarchy,
            descending=[True, True, *(False for _ in hierarchy)],
            nulls_last=True,
        )
    )
    before = pl.col("share").cum_sum() - pl.col("share")
    # Rounding must not add a node to what is explained already.
    nodes = ranked.filter(before < enough - 1e-9).drop("noise")
    return Explanation(nodes, total, total - float(nodes["excess"].sum()), each.height)


def _units(leaves: pl.DataFrame, hierarchy: Sequence[str], alike: float, enough: float) -> pl.DataFrame:
    """Disjoint nodes that cover all leaves: the highest whose children moved alike, and the leaves that are under none."""
    open_leaves, found = leaves, []
    for depth in range(1, len(hierarchy)):
        keys = list(hierarchy[:depth])
        nodes = open_leaves.group_by(keys).agg(
            pl.col("actual", "expected", "noise", "excess").sum(),
            leaves=pl.len(),
            largest=pl.col("excess").max(),
            children=pl.struct(hierarchy[depth]).n_unique(),
            moved=pl.col("excess").abs().sum(),
        )
        ratio = pl.col("node_actual") / pl.col("node_expected")
        off = (
            open_leaves.join(
                nodes.select(*keys, node_actual="actual", node_expected="expected"), on=keys, nulls_equal=True
            )
            .group_by(keys)
            .agg(off=(pl.col("actual") - pl.col("expected") * ratio).abs().sum())
        )
        together = (
            nodes.join(off, on=keys, nulls_equal=True)
            .filter(
                (pl.col("children") > 1)
                & (pl.col("expected") > 0)
                & (pl.col("excess") > 0)
                & (pl.col("off") <= (1 - alike) * pl.col("moved"))
                # Where one leaf is nearly all of it, that leaf is the cause.
                & (pl.col("largest") < enough * pl.col("excess"))
            )
            .select(
                *keys,
                *(pl.lit(None, dtype=leaves.schema[name]).alias(name) for name in hierarchy[depth:]),
                "actual", "expected", "noise", "excess",
                leaves=pl.col("leaves").cast(pl.Int64),
                level=pl.lit(hierarchy[depth - 1]),
            )
        )  # fmt: skip
        found.append(together)
        open_leaves = open_leaves.join(together.select(keys), on=keys, how="anti", nulls_equal=True)
    alone = open_leaves.with_columns(leaves=pl.lit(1, dtype=pl.Int64), level=pl.lit(hierarchy[-1]))
    order = [*hierarchy, "level", "leaves", "actual", "expected", "excess", "noise"]
    return pl.concat([frame.select(order) for frame in (*found, alone)])


def _surprise(expected_share: pl.Expr, actual_share: pl.Expr) -> pl.Expr:
    """p ln(2p / (p + q)) / 2 + q ln(2q / (p + q)) / 2, of shares that may be 0."""
    p, q = expected_share.clip(lower_bound=0.0), actual_share.clip(lower_bound=0.0)
    middle = (p + q) / 2

    def part(share: pl.Expr) -> pl.Expr:
        return pl.when(share > 0).then(share * (share / middle).log()).otherwise(0.0) / 2

    return part(p) + part(q)
