"""How much of each budget is gone, and where the month will end.

In: the cost cube, the budgets of the settings and of the ledger, ``as_of``. Out: one `BudgetState` per budget. Spend
is *billed* cost of all charges with credits deducted, in the budget's currency and scope; the month's end comes from
`analyzers.forecast`. A threshold is reached when the spend (actual) or the expected end (forecast) is at or above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import polars as pl
from sqlalchemy import select

from sagekeeper.analyzers.forecast import Forecast, month_end, with_tax
from sagekeeper.core.clock import month_start, next_month
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import BudgetRow
from sagekeeper.core.settings import Budget
from sagekeeper.reports.views.spend import TAX, between, per_day, total

ThresholdKind = Literal["actual", "forecast"]


@dataclass(frozen=True)
class Threshold:
    """A percentage of the budget, reached or not."""

    kind: ThresholdKind
    percent: int
    amount: Decimal
    reached: bool


@dataclass(frozen=True)
class BudgetState:
    """One budget in the month of ``as_of``. ``spent`` None: no bill of this month yet. ``limits``: whose money, as columns."""

    name: str
    scope: str
    limits: dict[str, str]
    days: pl.DataFrame
    amount: Decimal
    currency: str
    month: date
    upto: date | None
    spent: float | None
    forecast: Forecast | None
    breaks_on: date | None
    thresholds: list[Threshold]
    recipients: list[str]

    @property
    def share(self) -> float | None:
        """Spent over budget."""
        return None if self.spent is None else self.spent / float(self.amount)

    @property
    def expected_share(self) -> float | None:
        """Expected at the month's end over budget."""
        return None if self.forecast is None else float(self.forecast.expected) / float(self.amount)


def all_budgets(ledger: Ledger, configured: list[Budget]) -> list[BudgetRow]:
    """Budgets of the settings first, then those the ledger knows from elsewhere (AWS Budgets), by name."""
    own = [_row_of(budget) for budget in configured]
    names = {row.name for row in own}
    with ledger.reading() as session:
        others = session.scalars(select(BudgetRow).where(BudgetRow.source != "settings").order_by(BudgetRow.name))
        return own + [row for row in others if row.name not in names]


def budget_states(cube: pl.DataFrame, budgets: list[BudgetRow], as_of: datetime) -> list[BudgetState]:
    """Every budget as it stands on ``as_of``, the fullest first."""
    states = [_state(cube, row, as_of) for row in budgets]
    return sorted(states, key=lambda state: state.expected_share or state.share or 0.0, reverse=True)


def in_scope(cube: pl.DataFrame, scope: dict[str, Any], currency: str) -> pl.DataFrame:
    """The rows that a budget is about."""
    terms = [pl.col("currency") == currency, *(pl.col(name) == value for name, value in scope.items() if value)]
    return cube.filter(*terms)


def forecast_of(cube: pl.DataFrame, as_of: datetime) -> Forecast | None:
    """Where the month ends, or None where the bill says nothing about this month yet."""
    until = cube.filter(pl.col("day") <= as_of.date())
    is_tax = pl.col("charge_category") == TAX
    charges, tax = (
        per_day(until.filter(rows), "billed").select("day", "cost") for rows in (is_tax.ne_missing(True), is_tax)
    )
    if until.filter(pl.col("day") >= month_start(as_of.date())).is_empty():
        return None
    return with_tax(month_end(charges, as_of), charges, tax)


def _state(cube: pl.DataFrame, row: BudgetRow, as_of: datetime) -> BudgetState:
    first = month_start(as_of.date())
    own = in_scope(cube, row.scope, row.currency)
    month = between(own, first, as_of.date())
    spent, forecast = total(month, "billed"), forecast_of(own, as_of)
    return BudgetState(
        name=row.name,
        scope=", ".join(f"{name} {value}" for name, value in row.scope.items() if value) or "all accounts",
        limits={name: str(value) for name, value in row.scope.items() if value},
        days=per_day(month, "billed"),
        amount=row.amount,
        currency=row.currency,
        month=first,
        upto=None if month.is_empty() else month["day"].max(),  # type: ignore[arg-type]
        spent=spent,
        forecast=forecast,
        breaks_on=_breaks_on(month, forecast, float(row.amount)),
        thresholds=[_threshold(item, row.amount, spent, forecast) for item in row.thresholds],
        recipients=[str(name) for name in row.recipients],
    )


def _threshold(item: dict[str, Any], budget: Decimal, spent: float | None, forecast: Forecast | None) -> Threshold:
    kind: ThresholdKind = "forecast" if item["kind"] == "forecast" else "actual"
    amount = budget * Decimal(item["percent"]) / 100
    seen = spent if kind == "actual" else (None if forecast is None else float(forecast.expected))
    return Threshold(kind, int(item["percent"]), amount, seen is not None and Decimal(str(seen)) >= amount)


def _breaks_on(month: pl.DataFrame, forecast: Forecast | None, amount: float) -> date | None:
    """The day the budget is (or at the expected pace will be) used up; None: not this month."""
    if month.is_empty() or forecast is None:
        return None
    sums = per_day(month, "billed").with_columns(pl.col("cost").cum_sum())
    over = sums.filter(pl.col("cost") >= amount)
    if over.height:
        crossed = over["day"][0]
        return crossed if isinstance(crossed, date) else None
    upto, spent = sums["day"][-1], float(sums["cost"][-1])
    assert isinstance(upto, date)
    left = (next_month(upto) - upto).days - 1
    # Tax comes at once, when the month closes: it has no pace.
    pace = (forecast.expected - forecast.tax_to_come - spent) / left if left else 0.0
    if pace > 0 and spent + pace * left >= amount:
        return upto + timedelta(days=max(1, -int(-(amount - spent) // pace)))
    return forecast.last_day if forecast.expected >= amount else None


def _row_of(budget: Budget) -> BudgetRow:
    scope = {name: value for name, value in (("account", budget.account), ("owner", budget.owner)) if value}
    thresholds = [{"kind": "actual", "percent": share} for share in budget.actual_percent]
    thresholds += [{"kind": "forecast", "percent": share} for share in budget.forecast_percent]
    return BudgetRow(
        name=budget.name,
        scope=scope,
        amount=budget.amount,
        currency=budget.currency,
        thresholds=thresholds,
        recipients=list(budget.recipients),
        source="settings",
    )
