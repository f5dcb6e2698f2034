"""Findings and recommendations in the ledger: what a run saw is merged with what is known, with history, without repeats."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from sagekeeper.core.ledger.models import (
    ActionRow,
    DecisionRow,
    FindingEventRow,
    FindingRow,
    RecommendationRow,
)
from sagekeeper.core.types import Finding, Recommendation


def record_findings(session: Session, kinds: Iterable[str], findings: Iterable[Finding], as_of: datetime) -> None:
    """Merge one run's ``findings``. Those of ``kinds`` that the run no longer sees are resolved.

    ``kinds`` are the kinds whose analyzer ran to the end: a failed analyzer resolves nothing.
    """
    seen = {finding.fingerprint: finding for finding in findings}
    known = {
        row.fingerprint: row for row in session.scalars(select(FindingRow).where(FindingRow.kind.in_(list(kinds))))
    }
    for fingerprint, finding in seen.items():
        row = known.get(fingerprint)
        if row is None:
            session.add(_new_finding(finding))
            _event(session, fingerprint, as_of, "opened", finding.title)
            continue
        if row.state == "resolved":
            _event(session, fingerprint, as_of, "opened again", finding.title)
        elif row.severity != finding.severity:
            _event(session, fingerprint, as_of, "severity", f"{row.severity} -> {finding.severity}")
        kept = finding.model_copy(update={"first_seen": min(row.first_seen, finding.first_seen)})
        row.state, row.resolved_at, row.severity = "open", None, kept.severity
        row.impact_per_month, row.last_seen = kept.impact_per_month, max(row.last_seen, kept.last_seen)
        row.document = kept.model_dump(mode="json")
    for fingerprint, row in known.items():
        if fingerprint not in seen and row.state == "open":
            row.state, row.resolved_at = "resolved", as_of
            _event(session, fingerprint, as_of, "resolved", "no longer seen")


def record_recommendations(session: Session, levers: Iterable[str], recommendations: Iterable[Recommendation]) -> None:
    """Merge one run's ``recommendations``. Those of ``levers`` that are no longer made become ``gone``.

    A dismissed one stays dismissed until its version changes; one whose action is under way or applied keeps its state.
    """
    seen = {item.fingerprint: item for item in recommendations}
    known = {
        row.fingerprint: row
        for row in session.scalars(select(RecommendationRow).where(RecommendationRow.lever.in_(list(levers))))
    }
    for fingerprint, item in seen.items():
        row = known.get(fingerprint)
        if row is None:
            session.add(_new_recommendation(item))
            continue
        if row.state != "open" and not (row.state in ("dismissed", "applied") and row.version == item.version):
            row.state = "open"
        row.version, row.last_seen = item.version, max(row.last_seen, item.as_of)
        row.saving_expected, row.document = item.saving.expected, item.model_dump(mode="json")
    for fingerprint, row in known.items():
        if fingerprint not in seen and row.state == "open":
            row.state = "gone"


def open_findings(session: Session) -> list[Finding]:
    """Open findings, the most money first."""
    rows = session.scalars(select(FindingRow).where(FindingRow.state == "open"))
    found = [Finding.model_validate(row.document) for row in rows]
    return sorted(found, key=lambda finding: finding.impact_per_month or 0, reverse=True)


def open_recommendations(session: Session) -> list[Recommendation]:
    """Open recommendations, the largest expected saving first."""
    rows = session.scalars(select(RecommendationRow).where(RecommendationRow.state == "open"))
    found = [Recommendation.model_validate(row.document) for row in rows]
    return sorted(found, key=lambda item: item.saving.expected, reverse=True)


def decide(
    session: Session, fingerprint: str, version: str, decision: str, by: str, at: datetime, reason: str | None
) -> None:
    """Write down a person's decision: ``dismissed`` hides the recommendation until it changes, ``reopened`` brings it back."""
    session.add(DecisionRow(fingerprint=fingerprint, version=version, decision=decision, by=by, at=at, reason=reason))
    row = session.get(RecommendationRow, fingerprint)
    if row is not None:
        row.state = "dismissed" if decision == "dismissed" else "open"


def actions_of(session: Session, fingerprint: str) -> list[ActionRow]:
    """All actions ever asked for from one recommendation, oldest first."""
    return list(
        session.scalars(select(ActionRow).where(ActionRow.recommendation == fingerprint).order_by(ActionRow.id))
    )


def _new_finding(finding: Finding) -> FindingRow:
    return FindingRow(
        fingerprint=finding.fingerprint,
        kind=finding.kind,
        account=finding.subject.account,
        region=finding.subject.region,
        resource_kind=finding.subject.kind,
        resource_name=finding.subject.name,
        severity=finding.severity,
        impact_per_month=finding.impact_per_month,
        state="open",
        first_seen=finding.first_seen,
        last_seen=finding.last_seen,
        document=finding.model_dump(mode="json"),
    )


def _new_recommendation(item: Recommendation) -> RecommendationRow:
    subject = item.subjects[0]
    return RecommendationRow(
        fingerprint=item.fingerprint,
        version=item.version,
        lever=item.lever,
        account=subject.account,
        region=subject.region,
        resource_name=subject.name,
        state="open",
        saving_expected=item.saving.expected,
        first_seen=item.as_of,
        last_seen=item.as_of,
        document=item.model_dump(mode="json"),
    )


def _event(session: Session, fingerprint: str, at: datetime, event: str, detail: str) -> None:
    session.add(FindingEventRow(fingerprint=fingerprint, at=at, event=event, detail=detail))
