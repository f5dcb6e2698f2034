"""How much of what a resource costs would really stop with it: what a commitment covers is paid for whatever runs.

In: bill rows (`COSTS`) that name resources. Out: by resource the share of its effective cost that no commitment pays. A saving
on covered usage is 0 until the commitment is used elsewhere (aws-facts 4.4). Cost Explorer does not say which hours are
covered, only that billed (on-demand) and effective cost differ: the largest discount seen on a line of the same usage type
in the region is that of usage covered whole; a smaller one is taken to be covered in proportion. Where every line is covered
in part only, that calls too much covered, never too little.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.facts import BILL

ALIKE = 1e-3
"""Relative difference of billed and effective cost that is rounding: no commitment gives so little."""
Shares = dict[tuple[str, str], float]
"""By account and resource as its ARN ends (``endpoint/fraud``, ``training-job/fit-1``): 1 is nothing covered, 0 all of it."""


def uncommitted(costs: pl.DataFrame, first: date, last: date) -> Shares:
    """`Shares` of every resource on the bill's usage of ``first`` <= day < ``last``."""
    lines = costs.filter(
        (pl.col("x_Dataset") == BILL)
        & (pl.col("ChargeCategory") == "Usage")
        & pl.col("x_ChargeDate").is_between(first, last, closed="left")
        & (pl.col("BilledCost") > 0)
        & pl.col("EffectiveCost").is_not_null()
    ).select(
        "RegionId",
        "x_UsageType",
        account="SubAccountId",
        resource=pl.col("ResourceId").str.extract(r":([a-z-]+/.+)$"),
        billed="BilledCost",
        effective="EffectiveCost",
        lower=(1 - pl.col("EffectiveCost") / pl.col("BilledCost")).clip(lower_bound=0.0),
    )
    whole = pl.col("lower").max().over("RegionId", "x_UsageType")
    covered = pl.when(whole > ALIKE).then(pl.col("billed") * pl.col("lower") / whole).otherwise(0.0)
    sums = (
        lines.with_columns(paid=pl.col("billed") - covered)
        .filter(pl.col("resource").is_not_null())
        .group_by("account", "resource")
        .agg(pl.col("paid", "effective").sum())
        .filter(pl.col("effective") > 0)
        .with_columns(share=(pl.col("paid") / pl.col("effective")).clip(0.0, 1.0).round(9))
    )
    return {(account, resource): share for account, resource, _, _, share in sums.iter_rows()}


def said(share: float) -> str:
    """A sentence for a saving of which only ``share`` is real now; empty where all of it is.

    >>> said(0.25)
    ' A commitment pays for 75 % of it: that part is saved only once the commitment is used elsewhere.'
    """
    if share > 0.995:
        return ""
    covered = f"{100 * (1 - share):.0f} %"
    return f" A commitment pays for {covered} of it: that part is saved only once the commitment is used elsewhere."
