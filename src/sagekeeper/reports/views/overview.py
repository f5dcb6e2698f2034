"""The first page and the weekly digest in one value: what was spent, what is wrong, what could be and was saved,
what to do.

In: cost cube, ledger, budgets, ``as_of``. Out: `Overview`. What to do is at most `MOST_TODO` things: money that is
about to be lost, models that may be wrong, then savings, each with the page it is done on. Sources that failed are
named apart, above everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from sagekeeper.analyzers.month_forecast import Forecast
from sagekeeper.core.clock import month_start
from sagekeeper.core.ledger import Ledger
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.budgets import BudgetState, forecast_of
from sagekeeper.reports.views.findings import GRAVITY, FindingLine, finding_lines
from sagekeeper.reports.views.freshness import (
    Failure,
    OwnCost,
    SourceState,
    attributed_share,
    failures,
    own_cost,
    source_states,
)
from sagekeeper.reports.views.incidents import IncidentLine, incident_lines
from sagekeeper.reports.views.proposals import ProposalLine, proposal_lines
from sagekeeper.reports.views.savings import Potential, Proven, compatible, potential, proven
from sagekeeper.reports.views.spend import TAX, between, main_currency, per_day, total

MOST_TODO = 4
MODEL_KINDS = ("feature_drift", "monitor_violation", "monitor_failing", "monitor_idle")

Where = Literal["costs", "budgets", "incidents", "models", "recommendations", "activity"]


@dataclass(frozen=True)
class MonthToDate:
    """Spend of the running month. ``upto`` is the last day on the bill; everything None before the first.

    ``last_month_same_days`` leaves tax out while this month has none yet (``before_tax``): like is held against like.
    """

    month: date
    upto: date | None
    billed: float | None
    effective: float | None
    provisional: float
    provisional_days: int
    last_month_same_days: float | None
    before_tax: bool
    currency: str

    @property
    def provisional_share(self) -> float | None:
        """Share of the billed amount that AWS may still restate."""
        return self.provisional / self.billed if self.billed else None


@dataclass(frozen=True)
class Todo:
    """One thing to do, why, and where."""

    title: str
    why: str
    where: Where
    key: str = ""
    urgent: bool = False


@dataclass(frozen=True)
class Overview:
    """Everything the first page shows."""

    as_of: datetime
    spend: MonthToDate
    forecast: Forecast | None
    budgets: list[BudgetState]
    month_days: pl.DataFrame
    findings: list[FindingLine]
    incidents: list[IncidentLine]
    proposals: list[ProposalLine]
    potential: Potential
    proven: Proven
    todo: list[Todo]
    sources: list[SourceState]
    failures: list[Failure]
    attributed: float | None
    own_cost: OwnCost

    @property
    def empty(self) -> bool:
        """Whether nothing was ever collected."""
        return self.spend.upto is None and not self.sources and not self.findings


def overview(
    cube: pl.DataFrame,
    ledger: Ledger,
    states: list[BudgetState],
    as_of: datetime,
    gone: pl.DataFrame | None = None,
) -> Overview:
    """Put the first page together. ``gone``: not to be learned from as it stands (`episodes.gone`)."""
    currency = main_currency(cube)
    own = cube.filter(pl.col("currency") == currency)
    findings, proposals = finding_lines(ledger), proposal_lines(ledger)
    incidents = incident_lines(ledger, ["open", "acknowledged"])
    failed, sources = failures(ledger), source_states(ledger, as_of)
    first = month_start(as_of.date())
    month = between(own, first, as_of.date())
    over = None if gone is None else gone.filter(pl.col("currency") == currency).select("day", cost="billed")
    return Overview(
        as_of=as_of,
        spend=month_to_date(own, as_of, currency),
        forecast=forecast_of(own, as_of, over=over),
        budgets=states,
        month_days=per_day(month, "billed"),
        findings=findings,
        incidents=incidents,
        proposals=proposals,
        potential=potential(proposals),
        proven=proven(ledger),
        todo=todo(states, findings, incidents, proposals),
        sources=sources,
        failures=failed,
        attributed=attributed_share(month),
        own_cost=own_cost(ledger, own, as_of),
    )


def month_to_date(cube: pl.DataFrame, as_of: datetime, currency: str) -> MonthToDate:
    """The running month beside the same days of the last one (whole, if it is shorter)."""
    first = month_start(as_of.date())
    month = between(cube, first, as_of.date())
    young = month.filter("provisional")
    upto = None if month.is_empty() else month["day"].max()
    before_first = month_start(first - timedelta(days=1))
    before, is_tax = None, pl.col("charge_category") == TAX
    before_tax = month.filter(is_tax).is_empty() and not cube.filter(is_tax).is_empty()
    if isinstance(upto, date):
        last = min(before_first + (upto - first), first - timedelta(days=1))
        covered = not cube.is_empty() and cube["day"].min() <= before_first  # type: ignore[operator]
        same_days = between(cube, before_first, last).filter(~is_tax.fill_null(False) | (not before_tax))
        before = total(same_days, "billed") if covered else None
    return MonthToDate(
        month=first,
        upto=upto if isinstance(upto, date) else None,
        billed=total(month, "billed"),
        effective=total(month, "effective"),
        provisional=float(young["billed"].sum()),
        provisional_days=young["day"].n_unique(),
        last_month_same_days=before,
        before_tax=before_tax,
        currency=currency,
    )


def todo(
    budgets: list[BudgetState],
    findings: list[FindingLine],
    incidents: list[IncidentLine],
    proposals: list[ProposalLine],
) -> list[Todo]:
    """The few things worth a person's next ten minutes, most pressing first."""
    things = [*_budgets_in_danger(budgets), *_wasted_money(incidents), *_sick_models(findings)]
    things.sort(key=lambda thing: not thing.urgent)
    savings = [_saving(item) for item in compatible(proposals)]
    return [*things[: MOST_TODO - 1], *savings, *things[MOST_TODO - 1 :]][:MOST_TODO]


def _budgets_in_danger(budgets: list[BudgetState]) -> list[Todo]:
    things = []
    for state in budgets:
        if state.share is not None and state.share >= 1:
            title, urgent = f"Budget {state.name} is used up", True
        elif state.expected_share is not None and state.expected_share >= 1:
            title, urgent = f"Budget {state.name} will break", False
        else:
            continue
        when = f" Used up {say.short_day(state.breaks_on)}." if state.breaks_on else ""
        spent = f"{say.big_money(state.spent, state.currency)} of {say.big_money(state.amount, state.currency)} spent"
        end = (
            ""
            if state.forecast is None
            else f", {say.big_money(state.forecast.expected, state.currency)} expected by the end of {state.period.words}"
        )
        things.append(Todo(title, f"{spent}{end}.{when}", "budgets", "", urgent))
    return things


def _sick_models(findings: list[FindingLine]) -> list[Todo]:
    sick = [item for item in findings if item.kind in MODEL_KINDS and GRAVITY[item.severity] >= 3]
    worst = sorted(sick, key=lambda item: -GRAVITY[item.severity])
    shown: dict[str, FindingLine] = {}
    for item in worst:
        shown.setdefault(item.resource_name, item)
    return [
        Todo(f"Check model {item.resource_name}", item.title, "models", item.resource_name, item.severity == "critical")
        for item in shown.values()
    ]


def _wasted_money(incidents: list[IncidentLine]) -> list[Todo]:
    """The dearest open incident. What nobody calls is a proposal too: it is deleted there."""
    open_now = [item for item in incidents if item.state == "open" and item.kind != "idle_endpoint"]
    return [
        Todo(
            item.title,
            f"{say.big_money(item.excess, item.currency)} too much so far, {say.money(item.per_day, item.currency)} a day. "
            f"{item.because}",
            "incidents",
            item.fingerprint,
            urgent=item.severity == "critical",
        )
        for item in open_now[:1]
    ]


def _saving(item: ProposalLine) -> Todo:
    how = "One click" if item.one_click else "Needs a look first"
    amount = say.money_range(item.low, item.high, item.currency)
    return Todo(item.title, f"Saves {amount} a month ({item.basis} cost). {how}.", "recommendations", item.fingerprint)
