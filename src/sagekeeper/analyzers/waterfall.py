"""From list price to the invoice: how does what a month cost become what was billed for it?

In: `COSTS` rows of one month of one bill. Out: a `Waterfall`: list, less discounts, is contracted; less what commitments save,
plus what of them nobody used, is effective; less what was paid upfront before, plus what was paid upfront now, is billed;
with credits, refunds and tax it is the invoice. Every amount of the bill is in exactly one step, so the steps add up to
the billed cost, whatever the rows say. Source: the four costs of FOCUS 1.2, and the true-up of AWS's CUR queries
(aws-facts 4.4).

A cost that a bill does not state is taken as the next one that it does (list as contracted, contracted as effective), so
that no discount is claimed which the bill does not show; ``unstated`` says how much usage that concerns.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from sagekeeper.collector.cur_rules import DISCOUNTS

PLACES = Decimal("1e-10")
"""A bill has at most ten decimal places; sums of floats are rounded there, once, and are exact from then on."""
USED = ("SavingsPlanCoveredUsage", "SavingsPlanNegation", "DiscountedUsage")
FEES = ("SavingsPlanRecurringFee", "RIFee")


@dataclass(frozen=True)
class Step:
    """A ``total`` is a level, any other step a change of it; both in the bill's currency."""

    name: str
    amount: Decimal
    why: str
    total: bool = False


@dataclass(frozen=True)
class Waterfall:
    """``steps`` from list price to billed cost. ``unstated``: effective cost of the usage whose list price the bill does
    not state."""

    steps: tuple[Step, ...]
    unstated: Decimal

    def amount(self, name: str) -> Decimal:
        """What the step of this name says; nothing where it does not occur."""
        return next((step.amount for step in self.steps if step.name == name), Decimal(0))


def waterfall(costs: pl.LazyFrame) -> Waterfall:
    """The steps of the rows, which are one month of one bill in one currency."""
    sums = _by_kind(costs)

    def of(column: str, *kinds: str) -> Decimal:
        return sum((_exact(sums[kind][column]) for kind in kinds if kind in sums), Decimal(0))

    def between(column: str, minus: str, *kinds: str) -> Decimal:
        return of(column, *kinds) - of(minus, *kinds)

    priced = ("usage", "spot", "used", "fee", "discount")
    steps = [_total("List price", of("list", *priced), "usage at public on-demand prices, and fees")]

    def move(name: str, amount: Decimal, why: str) -> None:
        if amount:
            steps.append(Step(name, amount, why))

    def total(name: str, why: str) -> None:
        last = max(number for number, step in enumerate(steps) if step.total)
        level = steps[last].amount + sum((step.amount for step in steps[last + 1 :]), Decimal(0))
        steps.append(_total(name, level, why))

    move("Spot", between("contracted", "list", "spot"), "interruptible capacity against on-demand")
    move(
        "Discounts",
        between("contracted", "list", "usage", "used", "fee", "discount"),
        "private rates, volume tiers, agreements and bundles",
    )
    total("Contracted cost", "what the usage costs at your prices, without commitments")
    move("Saved by commitments", between("effective", "contracted", "used"), "Savings Plan and reservation rates")
    move("Unused commitment", of("effective", "unused"), "committed to, and used by nobody")
    move(
        "Other prices",
        between("effective", "contracted", "usage", "spot", "fee", "discount"),
        "the bill's own difference between contracted and effective cost",
    )
    total("Effective cost", "what the month cost, commitments spread over their term")
    move(
        "Paid upfront before",
        between("billed", "effective", "used", "unused"),
        "this month's share of upfront payments, or fees billed ahead",
    )
    move("Paid upfront now", of("billed", "upfront"), "upfront payments for commitments, which later months use")
    # A report with net columns has discounts twice: in the net costs, and as lines. What is left of the lines is theirs.
    apart = between("billed", "effective", "usage", "spot", "fee", "discount")
    if "discount" in sums:
        move("Discounts on payments", apart, "given on the fees of commitments, on lines of their own")
    else:
        move("Other lines", apart, "the bill's own difference between effective and billed cost")
    total("Billed, before credits and tax", "what was charged in the month for usage and purchases")
    move("Credits", of("billed", "credit"), "promotions and agreements")
    move("Refunds and corrections", of("billed", "refund"), "money back for earlier charges")
    move("Tax", of("billed", "tax"), "tax as invoiced")
    total("Billed cost", "the sum of all lines: the invoice")
    return Waterfall(tuple(steps), of("unstated", *priced))


def _total(name: str, amount: Decimal, why: str) -> Step:
    return Step(name, amount, why, total=True)


def _exact(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(PLACES)


def _by_kind(costs: pl.LazyFrame) -> dict[str, dict[str, float]]:
    """Kind -> sum of list, contracted, effective, billed and unstated."""
    billed = pl.col("BilledCost")
    effective = pl.coalesce("EffectiveCost", billed)
    # A Savings Plan's usage is billed at its on-demand price, which its negation takes back. (Of usage under a reservation
    # Cost Explorer tells no such price: no saving is claimed.)
    plan = (pl.col("x_RecordType") == "SavingsPlanCoveredUsage") | (pl.col("x_Source") == "cost_explorer")
    covered = pl.when(plan & (pl.col("kind") == "used")).then(pl.max_horizontal(billed, effective))
    contracted = pl.coalesce("ContractedCost", covered, pl.when(pl.col("kind") == "used").then("ListCost"), effective)
    bought = pl.col("kind") == "fee"
    adjusted = pl.col("kind") == "discount"
    rows = costs.with_columns(kind=_kind()).with_columns(contracted=contracted, effective=effective, billed=billed)
    listed = (
        pl.when(adjusted)
        .then(0.0)
        # A report states no list price of a fee: it costs what it costs.
        .when(bought)
        .then("contracted")
        .otherwise(pl.coalesce("ListCost", "contracted"))
    )
    silent = pl.col("ListCost").is_null() & ~bought & ~adjusted
    summed = (
        rows.with_columns(list=listed, unstated=pl.when(silent).then("effective").otherwise(0.0))
        .group_by("kind")
        .agg(pl.col("list", "contracted", "effective", "billed", "unstated").sum())
        .collect(engine="streaming")
    )
    return {row.pop("kind"): row for row in summed.to_dicts()}


def _kind() -> pl.Expr:
    """Which of the steps' sums a row belongs to; every row to one."""
    category, record, status = pl.col("ChargeCategory"), pl.col("x_RecordType"), pl.col("CommitmentDiscountStatus")
    purchase = category == "Purchase"
    committed = pl.col("CommitmentDiscountId").is_not_null() | status.is_not_null() | record.is_in((*USED, *FEES))
    # Cost Explorer names no reservation: its upfront fee is the one that amortises to nothing.
    spread = (pl.col("EffectiveCost") == 0) & (pl.col("BilledCost") != 0)
    upfront = (record == "SavingsPlanUpfrontFee") | (
        purchase & (pl.col("ChargeFrequency") == "One-Time") & (committed | spread)
    )

    # Cost Explorer's usage is read whole, with what a commitment covers of it.
    explored = pl.col("x_Source") == "cost_explorer"

    def when(condition: pl.Expr) -> pl.Expr:
        return condition.fill_null(value=False)

    return (
        pl.when(when(category == "Tax"))
        .then(pl.lit("tax"))
        .when(when(category == "Credit"))
        .then(pl.lit("credit"))
        .when(when(record.is_in(DISCOUNTS)))
        .then(pl.lit("discount"))
        .when(when(upfront))
        .then(pl.lit("upfront"))
        .when(when((status == "Unused") | (purchase & committed)))
        .then(pl.lit("unused"))
        .when(when(purchase))
        .then(pl.lit("fee"))
        .when(when(category != "Usage"))
        .then(pl.lit("refund"))
        .when(when(committed | (explored & (pl.col("EffectiveCost") != pl.col("BilledCost")))))
        .then(pl.lit("used"))
        .when(when(pl.col("PricingCategory") == "Dynamic"))
        .then(pl.lit("spot"))
        .otherwise(pl.lit("usage"))
    )
