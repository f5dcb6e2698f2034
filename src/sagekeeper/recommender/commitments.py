"""Does a saving reach the bill where a Savings Plan pays for part of the usage?

In: bill rows of the last final days, a proposal. Out: the proposal, its saving lowered where its account has usage that a plan
covers. A plan is paid for whether it is used or not: what a covered resource gives up saves nothing until the plan is used
elsewhere (aws-facts 2.11). Where the bill names resources, the levers themselves know how much of each a plan covers
(`analyzers/commitments.py`). Where it does not, only how much of the account's usage is known: so the least that is saved is
nothing, and what is expected counts the uncovered share alone.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl

from sagekeeper.analyzers.facts import BILL, Facts
from sagekeeper.analyzers.monthly_cost import BASELINE_DAYS, FINAL_AFTER
from sagekeeper.core.types import Money, Recommendation

CANCELLED = "SavingsPlanNegation"
"""Record type of the lines that take back the on-demand price of covered usage."""


def covered_shares(facts: Facts) -> dict[str, float]:
    """Share of each account's SageMaker usage, at on-demand prices, that a plan covered; absent: accounts without any, and those
    whose bill names resources."""
    final = (facts.as_of - FINAL_AFTER).date()
    rows = facts.costs.filter(
        (pl.col("x_Dataset") == BILL)
        & (pl.col("ChargeCategory") == "Usage")
        & pl.col("ServiceName").str.contains("SageMaker")
        & pl.col("x_ChargeDate").is_between(final - timedelta(days=BASELINE_DAYS), final, closed="left")
    )
    cancelled = pl.col("x_RecordType") == CANCELLED
    cost = pl.col("BilledCost")
    sums = rows.group_by("SubAccountId").agg(
        covered=-cost.filter(cancelled).sum(), used=cost.filter(cancelled.ne_missing(True)).sum()
    )
    named = rows.filter(pl.col("ResourceId").is_not_null() & (pl.col("ResourceId") != "NoResourceId"))
    found = sums.filter((pl.col("covered") > 0) & (pl.col("used") > 0)).join(named, on="SubAccountId", how="anti")
    return {account: min(covered / used, 1.0) for account, covered, used in found.iter_rows()}


def within_commitments(item: Recommendation, shares: dict[str, float]) -> Recommendation:
    """``item`` with what a commitment may take from its saving."""
    share = max((shares.get(subject.account, 0.0) for subject in item.subjects), default=0.0)
    if not share:
        return item
    saving = item.saving
    lowered = saving.model_copy(
        update={
            "low": Decimal(0),
            "expected": Money.of(float(saving.expected) * (1 - share)).amount,
            "explanation": f"{saving.explanation} A Savings Plan pays for {share:.0%} of this account's SageMaker usage: what it "
            "covers saves nothing until the plan is used elsewhere.",
        }
    )
    unknown = "whether the Savings Plan pays for it: this bill does not name resources"
    return item.model_copy(update={"saving": lowered, "unknowns": [*item.unknowns, unknown]})
