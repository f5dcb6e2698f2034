"""Money that should not be spent: incidents as lines for people, and what happened to one of them.

In: the ledger. Out: `IncidentLine`s, those that need somebody first, between them the most money a day. An incident that
somebody snoozed, expects, or has resolved is not wrong now: `quiet` says which findings are therefore not shown as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH
from sagekeeper.core.errors import BadInput
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_models import IncidentEventRow, IncidentRow

ORDER = {"open": 0, "acknowledged": 1, "snoozed": 2, "expected": 3, "resolved": 4}
QUIET = ("snoozed", "expected", "resolved")
CAUSES = {
    "resized": "Resized",
    "new_resource": "New resource",
    "started": "Switched on",
    "changed": "Changed",
    "dearer_mix": "Dearer kinds",
    "forgotten": "Forgotten",
    "ran_long": "Runaway job",
    "more_runs": "More runs",
    "price": "Price change",
    "more_use": "More use",
    "schedule": "Schedule",
    "unit_cost": "Dearer per unit",
    "failed_jobs": "Failed jobs",
    "idle": "Nobody calls it",
    "unknown": "Cause unknown",
}


@dataclass(frozen=True)
class IncidentLine:
    """An incident in one line. ``excess`` is to date, ``month_excess`` what of it falls into the month, projected to its end."""

    fingerprint: str
    kind: str
    cause: str
    account: str
    region: str
    resource_kind: str
    resource_name: str
    owner: str | None
    severity: str
    title: str
    because: str
    state: str
    since: datetime
    last_seen: datetime
    excess: Decimal
    per_day: Decimal
    month_excess: Decimal | None
    currency: str
    basis: str | None
    certainty: str
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    snoozed_until: datetime | None

    @property
    def cause_in_words(self) -> str:
        """The kind of cause, said."""
        return CAUSES.get(self.cause, self.cause.replace("_", " ").capitalize())

    @property
    def per_month(self) -> Decimal:
        """What a month of 730 hours of it comes to."""
        return self.per_day * Decimal(str(DAYS_PER_MONTH))


@dataclass(frozen=True)
class IncidentTotal:
    """Incidents of one currency together: no money is in two of them. ``month_excess`` None: of one it is not known."""

    currency: str
    count: int
    excess: Decimal
    per_day: Decimal
    month_excess: Decimal | None
    bases: tuple[str, ...]


def incident_totals(lines: Sequence[IncidentLine]) -> list[IncidentTotal]:
    """What ``lines`` come to, a total per currency, the most money first."""
    nothing = Decimal(0)
    totals = []
    for currency in sorted({line.currency for line in lines}):
        own = [line for line in lines if line.currency == currency]
        months = [line.month_excess for line in own if line.month_excess is not None]
        totals.append(
            IncidentTotal(
                currency,
                len(own),
                sum((line.excess for line in own), nothing),
                sum((line.per_day for line in own), nothing),
                sum(months, nothing) if len(months) == len(own) else None,
                tuple(sorted({line.basis or "unknown" for line in own})),
            )
        )
    return sorted(totals, key=lambda total: -total.excess)


_COLUMNS = [getattr(IncidentRow, name) for name in IncidentLine.__dataclass_fields__]


def incident_lines(ledger: Ledger, states: Sequence[str] | None = None) -> list[IncidentLine]:
    """All incidents, or those in ``states``."""
    wanted = select(*_COLUMNS)
    if states is not None:
        wanted = wanted.where(IncidentRow.state.in_(list(states)))
    with ledger.reading() as session:
        lines = [IncidentLine(*row) for row in session.execute(wanted)]
    return sorted(lines, key=lambda line: (ORDER.get(line.state, 9), -line.per_day, line.title))


def as_table(lines: Sequence[IncidentLine]) -> pl.DataFrame:
    """The lines as they are exported: a row each, amounts as numbers with their currency and basis beside them."""
    return pl.DataFrame(
        {
            "Incident": [line.fingerprint for line in lines],
            "State": [line.state for line in lines],
            "Severity": [line.severity for line in lines],
            "What": [line.title for line in lines],
            "Cause": [line.cause_in_words for line in lines],
            "Because": [line.because for line in lines],
            "Account": [line.account for line in lines],
            "Region": [line.region for line in lines],
            "Owner": [line.owner for line in lines],
            "Since": [line.since.date() for line in lines],
            "Too much so far": [float(line.excess) for line in lines],
            "A day": [float(line.per_day) for line in lines],
            "Of the month by its end": [
                None if line.month_excess is None else float(line.month_excess) for line in lines
            ],
            "Currency": [line.currency for line in lines],
            "Cost": [line.basis for line in lines],
            "Certainty": [line.certainty for line in lines],
            "Said by": [line.decided_by for line in lines],
            "Why": [line.reason for line in lines],
        },
        strict=False,
    )


def incident_history(ledger: Ledger, fingerprint: str) -> list[IncidentEventRow]:
    """What happened to an incident and who said what, oldest first."""
    with ledger.reading() as session:
        events = select(IncidentEventRow).where(IncidentEventRow.fingerprint == fingerprint)
        return list(session.scalars(events.order_by(IncidentEventRow.id)))


def incident_named(session: Session, beginning: str) -> str:
    """The fingerprint that begins so. Raises BadInput where there is none, or more than one."""
    found = session.scalars(
        select(IncidentRow.fingerprint).where(IncidentRow.fingerprint.startswith(beginning, autoescape=True)).limit(2)
    ).all()
    if len(found) != 1:
        how = "There is no incident" if not found else "More than one incident begins with"
        raise BadInput(f"{how} {beginning}. List them with: sagekeeper incidents list --all")
    return found[0]
