"""How much of each budget is gone, where its period will end, and how likely it breaks.

In: the cost cube, the budgets of the settings and of the ledger, ``as_of``. Out: one `BudgetState` per budget, riskiest first.
Spend is *billed* cost of all charges with credits deducted (or effective, if the budget says so), in the budget's own currency
and scope (`budget_rows`). A threshold is reached when the spend is at or above it (actual), or when the chance that the period
ends at or above it is at least as high as the threshold asks for (forecast). What cannot be judged says why, and reaches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import polars as pl
from sqlalchemy import select

from sagekeeper.analyzers import budget_scope
from sagekeeper.analyzers.budget_outlook import Outlook, as_forecast, of_month, of_period
from sagekeeper.analyzers.budget_periods import Period, period_of, planned_limit
from sagekeeper.analyzers.forecast_known import NOTHING_KNOWN, Known, apart, committed, with_known
from sagekeeper.analyzers.month_forecast import Forecast, this_month, with_tax
from sagekeeper.collector.aws_budgets import AWS
from sagekeeper.core.clock import month_start, next_month
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import BudgetRow
from sagekeeper.core.settings import Budget, Settings
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.budget_rows import Means, gone_of, means_of, notion_of, rows_of, scope_of
from sagekeeper.reports.views.episodes import gone
from sagekeeper.reports.views.spend import TAX, between, per_day, total

ThresholdKind = Literal["actual", "forecast"]
LIKELY = 0.5
"""Chance of a breach above which a forecast threshold is reached, where the budget does not say."""


@dataclass(frozen=True)
class Threshold:
    """A percentage of the budget, reached or not. ``chance``: that the period ends at or above it; None: unknown, or spent."""

    kind: ThresholdKind
    percent: int
    amount: Decimal
    reached: bool
    probability: float = LIKELY
    chance: float | None = None


@dataclass(frozen=True)
class BudgetState:
    """One budget in its period of ``as_of``. ``month``: the period's first day. ``spent`` None: no bill of it yet, or ``why``.

    ``limits``: an own budget's scope; ``where``: the rows of `DAILY_COSTS` that it is about. ``told``: what AWS Budgets itself
    says: {"actual": ..., "forecast": ..., "unit": ...}.
    """

    name: str
    scope: str
    limits: dict[str, Any]
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
    period: Period
    where: pl.Expr
    source: str = "settings"
    notion: str = "billed"
    outlook: Outlook | None = None
    p_breach: float | None = None
    why: str = ""
    notes: tuple[str, ...] = ()
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """Spent over budget."""
        return None if self.spent is None else self.spent / float(self.amount)

    @property
    def expected_share(self) -> float | None:
        """Expected at the period's end over budget."""
        return None if self.forecast is None else float(self.forecast.expected) / float(self.amount)

    @property
    def left(self) -> float | None:
        """Of the budget, by the bill; below zero: it is overspent."""
        return None if self.spent is None else float(self.amount) - self.spent

    @property
    def chance(self) -> str:
        """The probability to break, said: never certain of what is only expected; what is spent is."""
        if self.p_breach is None:
            return say.UNKNOWN
        return "broken" if self.left is not None and self.left <= 0 else say.probability(self.p_breach)

    @property
    def aws_says(self) -> str:
        """AWS Budgets' own figures of it in a sentence, empty where it has none."""
        told = [f"{what} {amount}" for what, amount in self.told.items() if what != "unit"]
        return f"AWS itself says: {', '.join(told)} {self.told['unit']}." if told else ""

    @property
    def risk(self) -> float:
        """What budgets are sorted by: used up first, then by the chance of a breach, then by how full they will be."""
        spent_all = self.share is not None and self.share >= 1
        return (
            (10.0 if spent_all else 0.0)
            + 5.0 * (self.p_breach or 0.0)
            + min(self.expected_share or self.share or 0.0, 4)
        )


def all_budgets(ledger: Ledger, configured: list[Budget]) -> list[BudgetRow]:
    """Budgets of the settings first, then those the ledger knows (own ones by command, AWS Budgets), by name."""
    own = [row_of(budget, "settings") for budget in configured]
    names = {row.name for row in own}
    with ledger.reading() as session:
        others = session.scalars(select(BudgetRow).where(BudgetRow.source != "settings").order_by(BudgetRow.name))
        return own + [row for row in others if row.name not in names]


def budget_states(
    cube: pl.DataFrame, budgets: list[BudgetRow], as_of: datetime, means: Means | None = None
) -> list[BudgetState]:
    """Every budget as it stands on ``as_of``, the riskiest first."""
    states = [_state(cube, row, as_of, means or Means()) for row in budgets]
    return sorted(states, key=lambda state: state.risk, reverse=True)


def all_states(
    ledger: Ledger, lake: Lake, settings: Settings, cube: pl.DataFrame, as_of: datetime
) -> list[BudgetState]:
    """Every budget that there is, judged with all that the lake and the settings say of it."""
    known = all_budgets(ledger, settings.budgets)
    means = replace(means_of(lake, settings, known, as_of), gone=gone(ledger, lake, as_of))
    return budget_states(cube, known, as_of, means)


def row_of(budget: Budget, source: str) -> BudgetRow:
    """A budget of the settings, or of a command, as the ledger keeps it."""
    thresholds: list[dict[str, Any]] = [{"kind": "actual", "percent": share} for share in budget.actual_percent]
    thresholds += [
        {"kind": "forecast", "percent": share, "probability": budget.forecast_probability}
        for share in budget.forecast_percent
    ]
    document = {
        "period": budget.period,
        "notion": budget.notion,
        "first": None if budget.first is None else budget.first.isoformat(),
        "last": None if budget.last is None else budget.last.isoformat(),
        "planned": {day.isoformat(): str(amount) for day, amount in budget.planned.items()},
    }
    return BudgetRow(
        name=budget.name,
        scope=budget.scope,
        amount=budget.amount,
        currency=budget.currency,
        thresholds=thresholds,
        recipients=list(budget.recipients),
        source=source,
        document=document,
    )


def forecast_of(
    cube: pl.DataFrame, as_of: datetime, notion: str = "billed", over: pl.DataFrame | None = None
) -> Forecast | None:
    """Where the month ends, or None where the bill says nothing about this month yet.

    ``notion``: what the cube's ``billed`` is. Fees of commitments are fixed as billed, and in no other notion.
    ``over``: [day, cost] of it that is not to be learned from (`episodes.gone`).
    """
    until = cube.filter(pl.col("day") <= as_of.date())
    is_tax = pl.col("charge_category") == TAX
    charges, tax = (
        per_day(until.filter(rows), "billed").select("day", "cost") for rows in (is_tax.ne_missing(True), is_tax)
    )
    if until.filter(pl.col("day") >= month_start(as_of.date())).is_empty():
        return None
    last = next_month(as_of.date()) - timedelta(days=1)
    known = _known(until, as_of, last, notion, over)
    return with_tax(with_known(this_month(apart(charges, known), as_of), known), charges, tax)


def _known(rows: pl.DataFrame, as_of: datetime, until: date, notion: str, over: pl.DataFrame | None) -> Known:
    fees = committed(rows, as_of, until) if notion == "billed" else NOTHING_KNOWN
    return fees if over is None else fees.besides(over)


def _state(cube: pl.DataFrame, row: BudgetRow, as_of: datetime, means: Means) -> BudgetState:
    document, today = row.document or {}, as_of.date()
    scoped = scope_of(row, means.tags)
    own, why = rows_of(cube, row, scoped, means)
    period = _period(document, own, today)
    amount = _amount(row, document, period)
    within = between(own, period.first, min(period.last, today))
    spent = None if why else total(within, "billed")
    if not why and spent is None and not between(cube, period.first, today).is_empty():
        spent = 0.0  # There is a bill of this period, and nothing of this scope is on it.
    why = why or _not_now(document, today)
    spent = None if why else spent
    notion = notion_of(row, scoped)
    outlook, forecast = (None, None) if why else _ahead(own, within, period, as_of, notion, gone_of(row, scoped, means))
    limit = float(amount)
    p_breach = None if outlook is None else outlook.p(limit)
    return BudgetState(
        name=row.name,
        scope=_said(row),
        limits={name: value for name, value in row.scope.items() if value},
        days=per_day(within, "billed"),
        amount=amount,
        currency=row.currency,
        month=period.first,
        upto=None if within.is_empty() else within["day"].max(),  # type: ignore[arg-type]
        spent=spent,
        forecast=forecast,
        breaks_on=_breaks_on(within, forecast, outlook, limit, period),
        thresholds=[_threshold(item, amount, spent, outlook) for item in row.thresholds],
        recipients=[str(name) for name in row.recipients],
        period=period,
        where=scoped.where,
        source=row.source,
        notion=notion,
        outlook=outlook,
        p_breach=1.0 if spent is not None and spent >= limit else p_breach,
        why=why,
        notes=(
            *scoped.notes,
            *document.get("notes", []),
            *_begins_late(cube, period, spent),
            *_never_billed(own, spent),
        ),
        told=dict(document.get("told", {})),
    )


def _begins_late(cube: pl.DataFrame, period: Period, spent: float | None) -> list[str]:
    """What is not on the bill is not known to be nothing."""
    oldest = cube["day"].min()
    if spent is None or not isinstance(oldest, date) or oldest <= period.first:
        return []
    return [f"The bill here begins on {oldest:%-d %B %Y}: what was spent of this period before is not counted."]


def _never_billed(own: pl.DataFrame, spent: float | None) -> list[str]:
    """A name that is spelt otherwise on the bill looks like one that costs nothing."""
    if spent is None or not own.is_empty():
        return []
    return ["Nothing on the bill was ever of this scope: is it spelt as it is there?"]


def _not_now(document: dict[str, Any], today: date) -> str:
    starts, ends = _day(document.get("starts")), _day(document.get("ends"))
    if starts is not None and today < starts:
        return f"It begins on {starts:%-d %B %Y}."
    return f"It ended on {ends:%-d %B %Y}." if ends is not None and today >= ends else ""


def _period(document: dict[str, Any], own: pl.DataFrame, today: date) -> Period:
    unit = document.get("period", "MONTHLY")
    first, last = (_day(document.get(name)) for name in ("first", "last"))
    newest = own.filter(pl.col("day") <= today)["day"].max()
    # A day is judged when it is on the bill, not while it runs.
    day = newest if unit == "DAILY" and isinstance(newest, date) else today
    return period_of(unit, day, first, last)


def _amount(row: BudgetRow, document: dict[str, Any], period: Period) -> Decimal:
    planned = {date.fromisoformat(day): Decimal(amount) for day, amount in (document.get("planned") or {}).items()}
    return planned_limit(planned, period) or row.amount


def _ahead(
    own: pl.DataFrame,
    within: pl.DataFrame,
    period: Period,
    as_of: datetime,
    notion: str,
    over: pl.DataFrame | None,
) -> tuple[Outlook | None, Forecast | None]:
    today = as_of.date()
    if period.is_month and period.first == month_start(today):
        forecast = forecast_of(own, as_of, notion, over)
        if forecast is None:
            return None, None
        return of_month(forecast), forecast
    known = _known(own, as_of, period.last, notion, over)
    outlook = of_period(per_day(own, "billed").select("day", "cost"), period, as_of, known)
    young = int(per_day(within, "billed")["provisional"].sum())
    return outlook, None if outlook is None else as_forecast(outlook, period, young)


def _threshold(item: dict[str, Any], budget: Decimal, spent: float | None, outlook: Outlook | None) -> Threshold:
    kind: ThresholdKind = "forecast" if item["kind"] == "forecast" else "actual"
    amount = budget * Decimal(str(item["percent"])) / 100
    if kind == "actual":
        reached = spent is not None and Decimal(str(spent)) >= amount
        return Threshold(kind, round(item["percent"]), amount, reached)
    needed = float(item.get("probability", LIKELY))
    chance = None if outlook is None else outlook.p(float(amount))
    return Threshold(kind, round(item["percent"]), amount, chance is not None and chance >= needed, needed, chance)


def _breaks_on(
    within: pl.DataFrame, forecast: Forecast | None, outlook: Outlook | None, amount: float, period: Period
) -> date | None:
    """The day the budget is (or at the expected pace will be) used up; None: not expected in this period."""
    if within.is_empty() or forecast is None:
        return None
    sums = per_day(within, "billed").with_columns(pl.col("cost").cum_sum())
    over = sums.filter(pl.col("cost") >= amount)
    if over.height:
        crossed = over["day"][0]
        return crossed if isinstance(crossed, date) else None
    if forecast.expected < amount:
        return None
    likely = outlook.day(amount) if outlook is not None else None
    return likely or period.last


def _said(row: BudgetRow) -> str:
    if row.source != AWS:
        return budget_scope.said(row.scope) or "all accounts"
    document = row.document or {}
    account = document.get("account", "")
    whose = "all accounts" if document.get("payer") else f"account {account}"
    filters = budget_scope.said_of_aws(document.get("aws", {}))
    return f"{whose}, {filters}" if filters else whose


def _day(text: Any) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) else None
