"""What the pages look at: each view of `reports/views` with this server's lake and ledger, remembered while nothing
has changed.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.core.ledger.incident_models import IncidentEventRow
from sagekeeper.core.ledger.models import AuditRow
from sagekeeper.core.tables import (
    BILL_VERSIONS,
    COSTS,
    DAILY_COSTS,
    ESTIMATES,
    INVENTORY,
    JOBS,
    MODEL_REQUESTS,
    RUN_RATES,
    UNIT_COSTS,
)
from sagekeeper.core.types import CostNotion, Finding, Recommendation
from sagekeeper.dashboard.opened import moment, opened
from sagekeeper.dashboard.remembered import remembered
from sagekeeper.reports.views import (
    activity,
    bills,
    budgets,
    episodes,
    estimates,
    findings,
    freshness,
    incidents,
    inside,
    overview,
    proposals,
    reconcile,
    resources,
    running,
    spend,
    subjects,
    units,
)


def cube(dataset: str) -> pl.DataFrame:
    """`spend.load_cube` up to today."""
    return _cube(dataset, moment().end_of_day)


@remembered(DAILY_COSTS, spinner="Reading the bill …")
def _cube(dataset: str, end_of_day: datetime) -> pl.DataFrame:
    return spend.load_cube(opened().lake, dataset, end_of_day)


def first_page() -> overview.Overview:
    """`overview.overview` as of the full hour."""
    return _first_page(moment().hour)


@remembered(DAILY_COSTS, ledger=True, spinner="Adding up …")
def _first_page(hour: datetime) -> overview.Overview:
    here = opened()
    gone = episodes.gone(here.ledger, here.lake, hour)
    return overview.overview(cube(spend.COST_EXPLORER), here.ledger, _budget_states(hour), hour, gone)


def budget_states() -> list[budgets.BudgetState]:
    """`budgets.all_states` as of the full hour."""
    return _budget_states(moment().hour)


@remembered(DAILY_COSTS, ledger=True, spinner="Adding up …")
def _budget_states(hour: datetime) -> list[budgets.BudgetState]:
    here = opened()
    return budgets.all_states(here.ledger, here.lake, here.settings, cube(spend.COST_EXPLORER), hour)


@remembered(DAILY_COSTS, ledger=True)
def all_bills() -> list[bills.Bill]:
    """`bills.bills`."""
    return bills.bills(opened().lake, opened().ledger)


def run_rate() -> running.RunRate:
    """`running.run_rate` as of the full hour."""
    return _run_rate(moment().hour)


@remembered(COSTS, INVENTORY, JOBS, RUN_RATES, spinner="Adding up what runs …")
def _run_rate(hour: datetime) -> running.RunRate:
    return running.run_rate(opened().lake, opened().settings, hour)


def estimated() -> estimates.Estimated:
    """`estimates.estimated` as of the full hour."""
    return _estimated(moment().hour)


@remembered(COSTS, ESTIMATES, spinner="Adding up what is not billed yet …")
def _estimated(hour: datetime) -> estimates.Estimated:
    return estimates.estimated(opened().lake, hour)


@remembered(COSTS, DAILY_COSTS, spinner="Comparing with the bill …")
def month_agreement(dataset: str) -> pl.DataFrame:
    """`bills.month_agreement`."""
    return bills.month_agreement(opened().lake, dataset)


@remembered(COSTS, ledger=True, spinner="Comparing with the file …")
def file_agreement(dataset: str) -> list[bills.FileTotal]:
    """`bills.file_agreement` of an ingested file or export."""
    bill = next(bill for bill in all_bills() if bill.dataset == dataset)
    return bills.file_agreement(opened().lake, bill)


@remembered(DAILY_COSTS)
def bill_months(dataset: str) -> list[date]:
    """`reconcile.months`."""
    return reconcile.months(opened().lake, dataset)


def last_look(dataset: str, month: date) -> datetime | None:
    """`reconcile.last_look`."""
    return reconcile.last_look(opened().ledger, dataset, month)


def reconciliation(dataset: str, month: date, since: datetime) -> reconcile.Reconciliation:
    """`reconcile.reconcile` with the bill's rows as they were read, and what it said at ``since``."""
    return _reconciliation(dataset, month, since, moment().hour)


@remembered(COSTS, DAILY_COSTS, BILL_VERSIONS, spinner="Comparing with the bill …")
def _reconciliation(dataset: str, month: date, since: datetime, hour: datetime) -> reconcile.Reconciliation:
    return reconcile.reconcile(opened().lake, dataset, month, hour + timedelta(hours=1), None, since)


@remembered(DAILY_COSTS, spinner="Adding up resources …")
def by_resource(dataset: str, currency: str, basis: spend.Basis, first: date, last: date) -> pl.DataFrame:
    """`resources.by_resource`."""
    return resources.by_resource(opened().lake, dataset, currency, basis, first, last)


def resource_days(dataset: str, currency: str, basis: spend.Basis, first: date, last: date) -> pl.DataFrame:
    """`resources.resource_days` of the largest resources, the rest summed."""
    return _resource_days(dataset, currency, basis, first, last, moment().end_of_day)


@remembered(DAILY_COSTS, spinner="Adding up resources …")
def _resource_days(
    dataset: str, currency: str, basis: spend.Basis, first: date, last: date, end_of_day: datetime
) -> pl.DataFrame:
    rows = resources.resource_days(opened().lake, dataset, currency, basis, first, last, end_of_day)
    return spend.grouped(rows, "resource", "cost")


def by_subject(
    dataset: str, currency: str, basis: spend.Basis, first: date, last: date, subject: subjects.Subject
) -> pl.DataFrame:
    """`subjects.by_subject` as of today."""
    return _by_subject(dataset, currency, basis, first, last, subject, moment().end_of_day)


@remembered(DAILY_COSTS, INVENTORY, MODEL_REQUESTS, spinner="Adding up …")
def _by_subject(
    dataset: str,
    currency: str,
    basis: spend.Basis,
    first: date,
    last: date,
    subject: subjects.Subject,
    end_of_day: datetime,
) -> pl.DataFrame:
    return subjects.by_subject(opened().lake, dataset, currency, basis, first, last, subject, end_of_day)


def subject_days(
    dataset: str, currency: str, basis: spend.Basis, first: date, last: date, subject: subjects.Subject
) -> pl.DataFrame:
    """`subjects.subject_days` of the largest subjects."""
    return _subject_days(dataset, currency, basis, first, last, subject, moment().end_of_day)


@remembered(DAILY_COSTS, INVENTORY, MODEL_REQUESTS, spinner="Adding up …")
def _subject_days(
    dataset: str,
    currency: str,
    basis: spend.Basis,
    first: date,
    last: date,
    subject: subjects.Subject,
    end_of_day: datetime,
) -> pl.DataFrame:
    largest = by_subject(dataset, currency, basis, first, last, subject)["group"].head(7).to_list()
    here = opened().lake
    return subjects.subject_days(here, dataset, currency, basis, first, last, subject, end_of_day, largest)


def models_inside(dataset: str, currency: str, basis: spend.Basis, first: date, last: date) -> pl.DataFrame:
    """`inside.models_inside` as of today."""
    return _models_inside(dataset, currency, basis, first, last, moment().end_of_day)


@remembered(DAILY_COSTS, INVENTORY, MODEL_REQUESTS, spinner="Looking into endpoints …")
def _models_inside(
    dataset: str, currency: str, basis: spend.Basis, first: date, last: date, end_of_day: datetime
) -> pl.DataFrame:
    return inside.models_inside(opened().lake, dataset, currency, basis, first, last, end_of_day.date())


@remembered(DAILY_COSTS, JOBS, spinner="Adding up jobs …")
def started(dataset: str, currency: str, basis: spend.Basis, first: date, last: date) -> pl.DataFrame:
    """`inside.started`."""
    return inside.started(opened().lake, dataset, currency, basis, first, last)


@remembered(UNIT_COSTS)
def unit_months(dataset: str) -> list[date]:
    """`units.months`."""
    return units.months(opened().lake, dataset)


@remembered(UNIT_COSTS)
def unit_currency(dataset: str, month: date) -> str:
    """`units.currency`."""
    return units.currency(opened().lake, dataset, month)


@remembered(UNIT_COSTS)
def unit_lines(dataset: str, month: date, notion: CostNotion, currency: str) -> pl.DataFrame:
    """`units.unit_lines`."""
    return units.unit_lines(opened().lake, dataset, month, notion, currency)


@remembered(UNIT_COSTS)
def silence(dataset: str, month: date, notion: CostNotion, currency: str) -> units.Silence:
    """`units.silence`."""
    return units.silence(opened().lake, dataset, month, notion, currency)


@remembered(ledger=True)
def finding(fingerprint: str) -> Finding | None:
    """`findings.finding`."""
    return findings.finding(opened().ledger, fingerprint)


@remembered(ledger=True)
def dear_units() -> list[findings.FindingLine]:
    """`findings.finding_lines` of units that cost more than they used to, and of runs that failed."""
    return findings.finding_lines(opened().ledger, findings.DEAR_UNITS)


@remembered(ledger=True, spinner="Reading the incidents …")
def incident_lines() -> list[incidents.IncidentLine]:
    """`incidents.incident_lines`, those that are quiet too."""
    return incidents.incident_lines(opened().ledger)


@remembered(ledger=True)
def incident_history(fingerprint: str) -> list[IncidentEventRow]:
    """`incidents.incident_history`."""
    return incidents.incident_history(opened().ledger, fingerprint)


@remembered(ledger=True)
def proposal_lines() -> list[proposals.ProposalLine]:
    """`proposals.proposal_lines`."""
    return proposals.proposal_lines(opened().ledger)


@remembered(ledger=True)
def dismissed() -> list[proposals.Dismissed]:
    """`proposals.dismissed`."""
    return proposals.dismissed(opened().ledger)


@remembered(ledger=True)
def proposal(fingerprint: str) -> Recommendation | None:
    """`proposals.proposal`."""
    return proposals.proposal(opened().ledger, fingerprint)


@remembered(ledger=True)
def activities() -> list[activity.Activity]:
    """`activity.activities`."""
    return activity.activities(opened().ledger)


@remembered(ledger=True)
def audit_tail() -> list[AuditRow]:
    """`activity.audit_tail`."""
    return activity.audit_tail(opened().ledger)


@remembered(ledger=True)
def failures() -> list[freshness.Failure]:
    """`freshness.failures`."""
    return freshness.failures(opened().ledger)
