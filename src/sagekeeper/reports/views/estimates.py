"""What has been used and is not billed yet, how well such estimates have been, and what they leave out.

In: the lake, ``as_of``. Out: `Estimated`. Amounts are effective cost of SageMaker usage in one currency; they belong to Cost
Explorer's bill and to no other, and may be added to it: days and hours that the bill has are the bill's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers import estimate_error, not_yet_billed
from sagekeeper.analyzers.estimate_error import FAMILIES, OTHERS, Accuracy
from sagekeeper.core.clock import month_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import COSTS, ESTIMATES
from sagekeeper.reports.views.spend import COST_EXPLORER

COMPARED_DAYS = 30
"""How far back estimates are held against the bill on a page."""
ASKED = ("day", "usage_family", "usage_type", "currency", "cost", "rate_basis", "unknown", "upto", "observed_at")
ON_THE_BILL = ("x_Dataset", "x_ChargeDate", "ServiceName", "x_UsageType", "ChargeDescription", "ChargeCategory")


@dataclass(frozen=True)
class Estimated:
    """``lacking``: [day, usage_family, currency, estimated, billed, lacking, upto, unknown]. ``compared``: estimate against
    bill by day and family (`estimate_error.COMPARED`); ``days`` and ``families``: its sums (families: of days estimated in
    time). ``left_out``: [what, cost] of the compared days' bill that no estimate is made for. ``bases``: [rate_basis, cost] of
    the open days; ``unpriced``: [usage_type, why] of those days."""

    currency: str
    upto: datetime | None
    lacking: pl.DataFrame
    compared: pl.DataFrame
    days: pl.DataFrame
    families: pl.DataFrame
    accuracy: Accuracy | None
    left_out: pl.DataFrame
    bases: pl.DataFrame
    unpriced: pl.DataFrame

    @property
    def amount(self) -> float | None:
        """What the bill lacks in all; None where nothing was estimated."""
        return None if self.upto is None else float(self.lacking["lacking"].sum())

    def since(self, first: date) -> float:
        """What the bill lacks from ``first`` on."""
        return float(self.lacking.filter(pl.col("day") >= first)["lacking"].sum())


def estimated(lake: Lake, as_of: datetime) -> Estimated:
    """Everything about the estimate on ``as_of``."""
    today = as_of.date()
    first = min(month_start(today), today - timedelta(days=COMPARED_DAYS))
    guesses = lake.scan(ESTIMATES).filter(pl.col("day").is_between(first, today)).select(ASKED).collect()
    bill = _bill(lake, first, today)
    currency = _currency(guesses)
    lacks = not_yet_billed.lacking(guesses, bill, as_of).filter(pl.col("currency") == currency)
    rows = estimate_error.compared(guesses, bill, as_of).filter(pl.col("currency") == currency)
    young = guesses.filter(pl.col("day").is_in(lacks["day"].unique().to_list()))
    compared_days = rows["day"].unique().to_list()
    reached = guesses["upto"].max()
    return Estimated(
        currency=currency,
        upto=reached if isinstance(reached, datetime) else None,
        lacking=lacks,
        compared=rows,
        days=estimate_error.by_day(rows),
        families=estimate_error.by_family(rows.filter(~pl.col("afterwards"))),
        accuracy=estimate_error.accuracy(rows, bill, as_of),
        left_out=_left_out(bill.filter(pl.col("x_ChargeDate").is_in(compared_days)), currency),
        bases=young.group_by("rate_basis").agg(pl.col("cost").sum()).filter(pl.col("cost") > 0).sort("rate_basis"),
        unpriced=young.filter(pl.col("cost").is_null()).select("usage_type", why="unknown").unique().sort("usage_type"),
    )


def accuracy_said(found: Accuracy | None) -> str:
    """How near the estimates were, in words.

    >>> accuracy_said(None)
    'estimate, not yet held against a bill'
    >>> accuracy_said(Accuracy(14, 0.0132, -0.031, date(2026, 11, 9), -0.01, 0.97, 0.9))
    'estimate, ±1.3 % a day over the last 14 days (worst -3.1 % on 2026-11-09)'
    """
    if found is None:
        return "estimate, not yet held against a bill"
    days = f"the last {found.days} days" if found.days > 1 else "one day"
    worst = f"worst {100 * found.worst:+.1f} % on {found.worst_day}"
    return f"estimate, ±{100 * found.typical:.1f} % a day over {days} ({worst})"


def _bill(lake: Lake, first: date, last: date) -> pl.DataFrame:
    """Cost Explorer's rows summed to what `COSTS` rows are asked for here: small, whatever the account."""
    return (
        lake.scan(COSTS)
        .filter((pl.col("x_Dataset") == COST_EXPLORER) & pl.col("x_ChargeDate").is_between(first, last))
        .group_by(*ON_THE_BILL, "BillingCurrency")
        .agg(pl.col("EffectiveCost").sum(), pl.col("BilledCost").sum())
        .collect()
    )


def _currency(guesses: pl.DataFrame) -> str:
    sums = guesses.group_by("currency").agg(pl.col("cost").sum()).sort("cost", "currency")
    return str(sums["currency"][-1]) if sums.height else "USD"


def _left_out(bill: pl.DataFrame, currency: str) -> pl.DataFrame:
    """[what, cost]: SageMaker's other families, other services' usage, and charges that are no usage, each by name."""
    lines = bill.filter(pl.col("BillingCurrency") == currency)
    other_usage = lines.filter(
        (pl.col("ChargeCategory") == "Usage") & ~pl.col("ServiceName").str.contains("SageMaker").fill_null(False)
    ).select(what=pl.coalesce("ServiceName", pl.lit("usage of no service")), cost="EffectiveCost")
    charges = lines.filter(pl.col("ChargeCategory") != "Usage").select(what="ChargeCategory", cost="EffectiveCost")
    families = (
        estimate_error.billed(lines)
        .filter(~pl.col("usage_family").is_in([*FAMILIES, OTHERS]))
        .select(what=pl.lit("SageMaker: ") + pl.col("usage_family"), cost="effective")
    )
    return (
        pl.concat([families, other_usage, charges])
        .group_by("what")
        .agg(pl.col("cost").sum())
        .filter(pl.col("cost").abs() >= 0.005)
        .sort(pl.col("cost").abs(), descending=True)
    )
