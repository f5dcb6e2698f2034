"""What is wrong: the open findings as short lines, and any one of them complete.

In: the ledger. Out: `FindingLine`s, what is critical first, what is only for information last, between them the most
money. Only a few fields are taken from each document (in the database), so that thousands of findings with long
evidence do not slow a page down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_models import IncidentRow
from sagekeeper.core.ledger.models import FindingRow
from sagekeeper.core.types import Finding
from sagekeeper.reports.views.incidents import QUIET

GRAVITY = {"critical": 4, "high": 3, "medium": 2, "low": 1, "info": 0}
KIND_IN_WORDS = {
    "idle_endpoint": "Idle endpoint",
    "overspend": "Unusual spend",
    "runaway_job": "Runaway job",
    "run_rate": "Run rate",
    "failed_jobs": "Failed jobs",
    "unit_cost_drift": "Dearer per unit",
    "run_cost_drift": "Dearer per run",
    "price_change": "Price change",
    "feature_drift": "Drift",
    "monitor_violation": "Monitor violation",
    "monitor_failing": "Failing monitor",
    "monitor_idle": "Monitor of a quiet endpoint",
    "retired_hardware": "Retired hardware",
    "unattributed_cost": "Unattributed cost",
}


DEAR_UNITS = ("unit_cost_drift", "run_cost_drift", "failed_jobs")
"""Kinds that are about what a unit costs."""
UNTIL_ITS_END = {"runaway_job": "until its limit"}
"""Kinds whose money is spent once, and until when; that of all others goes on month by month."""


def impact_period(kind: str) -> str:
    """What the money of a finding of this kind is for."""
    return UNTIL_ITS_END.get(kind, "a month")


@dataclass(frozen=True)
class FindingLine:
    """A finding in one line."""

    fingerprint: str
    kind: str
    account: str
    region: str
    resource_kind: str
    resource_name: str
    severity: str
    impact_per_month: Decimal | None
    currency: str
    title: str
    explanation: str
    owner: str | None
    provisional: bool
    first_seen: datetime
    last_seen: datetime

    @property
    def kind_in_words(self) -> str:
        """The kind, said."""
        return KIND_IN_WORDS.get(self.kind, self.kind.replace("_", " ").capitalize())

    @property
    def impact_period(self) -> str:
        """What its money is for."""
        return impact_period(self.kind)


def finding_lines(ledger: Ledger, kinds: Sequence[str] | None = None) -> list[FindingLine]:
    """Open findings, of ``kinds`` only where given; without the incidents that people (or a plan) said are in order."""
    document = FindingRow.document
    wanted = select(
        FindingRow.fingerprint,
        FindingRow.kind,
        FindingRow.account,
        FindingRow.region,
        FindingRow.resource_kind,
        FindingRow.resource_name,
        FindingRow.severity,
        FindingRow.impact_per_month,
        document["currency"].as_string(),
        document["title"].as_string(),
        document["explanation"].as_string(),
        document["owner"].as_string(),
        document["provisional"].as_boolean(),
        FindingRow.first_seen,
        FindingRow.last_seen,
    ).where(
        FindingRow.state == "open",
        FindingRow.fingerprint.not_in(select(IncidentRow.fingerprint).where(IncidentRow.state.in_(QUIET))),
    )
    if kinds is not None:
        wanted = wanted.where(FindingRow.kind.in_(list(kinds)))
    with ledger.reading() as session:
        lines = [FindingLine(*row) for row in session.execute(wanted)]
    return sorted(lines, key=_rank)


def _rank(one: FindingLine) -> tuple[int, Decimal, int, str]:
    # What is only for information has money too (nobody's cost, for one): it must not push aside what needs somebody.
    step = {"critical": 0, "info": 2}.get(one.severity, 1)
    return step, -(one.impact_per_month or Decimal(0)), -GRAVITY.get(one.severity, 0), one.title


def finding(ledger: Ledger, fingerprint: str) -> Finding | None:
    """One finding, complete."""
    with ledger.reading() as session:
        row = session.get(FindingRow, fingerprint)
        return Finding.model_validate(row.document) if row else None
