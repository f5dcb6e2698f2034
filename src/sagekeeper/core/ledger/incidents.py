"""Incidents: what a run saw too much of, merged with what is known and with what people said; nobody is told twice.

In: findings that carry a `Stake`, ``as_of``. Out: `IncidentRow`s with their history. One row per cause, however long it goes on
and however often it comes back. The rules:

* An acknowledged or expected incident opens again when its excess per day is half as much again as when that was said; a snoozed
  one also when its time is over.
* What is no longer seen is resolved. Seen again from a later day on, it is a new episode and opens; a new episode of what was
  expected stays quiet if it begins about the same day of the month and is neither in its level nor in its sum half as much again.
* What a person resolved stays so while the same episode fades out.
* What was meant (`Stake.planned`) is expected from its first day on.
* What goes on under another kind takes the other's place (`incident_succession.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from sagekeeper.core.errors import BadInput
from sagekeeper.core.ledger.incident_models import IncidentEventRow, IncidentRow
from sagekeeper.core.ledger.incident_succession import PRODUCT, predecessor, take_over, told_already
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.types import Finding, Stake

GROWN = Decimal("1.5")
"""How many times what was told, said or accepted an excess must be to be news again."""
ABOUT = timedelta(days=3)
"""How far from its day of the month what comes every month may begin."""
LATEST = timedelta(days=2)
"""Bills younger than this are not whole: an episode may begin so long before it was last seen and still be a new one."""
Verdict = Literal["acknowledged", "snoozed", "expected", "resolved", "open"]


def record_incidents(session: Session, kinds: Iterable[str], findings: Iterable[Finding], as_of: datetime) -> None:
    """Merge one run's ``findings``; those of ``kinds`` (whose analyzer ran to the end) that it no longer sees are resolved."""
    kinds = list(kinds)
    seen = {finding.fingerprint: finding for finding in findings if finding.stake is not None}
    known = {row.fingerprint: row for row in session.scalars(select(IncidentRow).where(IncidentRow.kind.in_(kinds)))}
    for fingerprint, finding in seen.items():
        stake = finding.stake
        assert stake is not None
        row = known.get(fingerprint)
        if row is None:
            _begin(session, finding, stake, seen, set(kinds), as_of)
            continue
        began, last_seen = row.since, row.last_seen
        _update(row, finding, stake, as_of)
        _move(session, row, stake, began, last_seen, as_of)
    for fingerprint, row in known.items():
        if fingerprint not in seen and row.state != "resolved":
            if row.state == "expected":
                row.accepted_excess = row.excess
            _enter(session, row, "resolved", as_of, "no longer seen")


def _begin(
    session: Session, finding: Finding, stake: Stake, seen: Collection[str], kinds: Collection[str], as_of: datetime
) -> None:
    """A new row; if its money was told under another kind, in that one's place."""
    other = predecessor(session, finding, stake, seen, kinds)
    row = IncidentRow(fingerprint=finding.fingerprint, state="new", since=stake.since)
    _update(row, finding, stake, as_of)
    session.add(row)
    if other is not None and told_already(row, other, as_of, float(GROWN)):
        _enter(session, row, "resolved", as_of, f"told as {other.title}", PRODUCT)
        return
    if other is not None and other.state != "resolved":
        take_over(row, other)
        _enter(session, other, "resolved", as_of, f"goes on as {row.title}")
        if row.state != "new":
            _enter(session, row, row.state, as_of, f"goes on from {other.title}")
    _move(session, row, stake, row.since, None, as_of)


def decide_incident(
    session: Session,
    fingerprint: str,
    verdict: Verdict,
    by: str,
    now: datetime,
    *,
    reason: str | None = None,
    until: datetime | None = None,
) -> IncidentRow:
    """Write down what a person says. Raises BadInput for what is not there, a missing reason, or a time that has passed."""
    row = session.get(IncidentRow, fingerprint, with_for_update=True)
    if row is None:
        raise BadInput(f"There is no incident {fingerprint}. List them with: sagekeeper incidents list --all")
    if not by.strip():
        raise BadInput("Somebody must say so: a name is needed for the audit log.")
    if verdict == "expected" and not (reason or "").strip():
        raise BadInput("Say why it is expected: others will read the reason next month.")
    if verdict == "snoozed" and (until is None or until <= now):
        raise BadInput("Say until when it should be quiet: a time after now.")
    row.decided_by, row.decided_at, row.decided_per_day, row.reason = by, now, row.per_day, reason
    row.snoozed_until = until if verdict == "snoozed" else None
    if verdict == "expected":
        row.accepted_per_day, row.accepted_since, row.accepted_reason = row.per_day, row.since, reason
        row.accepted_excess = row.excess if row.state == "resolved" else None
    elif verdict == "open":
        _accept_nothing(row)
    detail = "; ".join(part for part in (f"until {until:%Y-%m-%d %H:%M} UTC" if until else "", reason or "") if part)
    _enter(session, row, verdict, now, detail or None, by)
    told = {"incident": fingerprint, "why": reason, "until": until.isoformat() if until else None}
    audit(session, now, by, f"incident {verdict}", row.title[:512], told)
    return row


def untold(session: Session) -> list[IncidentRow]:
    """Open incidents that people have not been told of, or that have grown by half since; the most money first."""
    rows = session.scalars(select(IncidentRow).where(IncidentRow.state == "open"))
    new = [row for row in rows if row.told_per_day is None or row.per_day >= GROWN * row.told_per_day]
    return sorted(new, key=lambda row: row.per_day, reverse=True)


def mark_told(session: Session, fingerprint: str, per_day: Decimal) -> None:
    """People know of it, at this level."""
    session.get_one(IncidentRow, fingerprint).told_per_day = per_day


def _update(row: IncidentRow, finding: Finding, stake: Stake, as_of: datetime) -> None:
    subject = finding.subject
    row.kind, row.cause, row.severity = finding.kind, stake.cause, finding.severity
    row.account, row.region, row.resource_kind, row.resource_name = (
        subject.account, subject.region, subject.kind, subject.name,
    )  # fmt: skip
    row.owner, row.title, row.because = finding.owner, finding.title, stake.because
    row.since, row.last_seen = stake.since, as_of
    row.excess, row.per_day, row.month_excess = stake.excess, stake.per_day, stake.month_excess
    row.currency, row.basis, row.certainty = finding.currency, finding.basis, finding.certainty


def _move(
    session: Session, row: IncidentRow, stake: Stake, began: datetime, last_seen: datetime | None, as_of: datetime
) -> None:
    """Into the state that follows from what was said and what is seen now."""
    if row.state == "resolved" and last_seen is not None:
        if stake.since > began and stake.since >= last_seen - LATEST:
            _begin_again(session, row, stake, as_of)
        elif row.decided_by is None:
            _enter(session, row, "open", as_of, "seen again")
        elif _grown(row, row.decided_per_day):
            _enter(session, row, "open", as_of, "half as much again as when it was resolved")
        return
    if row.state == "new":
        if stake.planned:
            row.accepted_per_day, row.accepted_since, row.accepted_reason = stake.per_day, stake.since, stake.planned
            row.reason, row.decided_per_day = stake.planned, stake.per_day
            _enter(session, row, "expected", as_of, stake.planned)
        else:
            _enter(session, row, "open", as_of, stake.because)
    elif row.state == "snoozed" and row.snoozed_until is not None and as_of >= row.snoozed_until:
        _enter(session, row, "open", as_of, "the time it was to be quiet is over")
    elif row.state in ("acknowledged", "snoozed", "expected") and _grown(row, row.decided_per_day):
        _enter(session, row, "open", as_of, f"half as much again as when it was {row.state}")


def _begin_again(session: Session, row: IncidentRow, stake: Stake, as_of: datetime) -> None:
    row.told_per_day = None
    if _as_accepted(row, stake):
        row.reason, row.decided_per_day = row.accepted_reason, row.accepted_per_day
        _enter(session, row, "expected", as_of, f"again as accepted: {row.accepted_reason}")
    elif row.accepted_per_day is not None:
        _enter(session, row, "open", as_of, "beyond what was accepted as expected")
    else:
        _enter(session, row, "open", as_of, stake.because)


def _as_accepted(row: IncidentRow, stake: Stake) -> bool:
    """Whether this episode is what was accepted: about the same day of the month, no more in level nor in sum."""
    if row.accepted_per_day is None or row.accepted_since is None:
        return False
    apart = abs(stake.since.day - row.accepted_since.day)
    same_day = min(apart, 31 - apart) <= ABOUT.days
    whole = row.accepted_excess
    return same_day and stake.per_day < GROWN * row.accepted_per_day and (whole is None or stake.excess < GROWN * whole)


def _grown(row: IncidentRow, before: Decimal | None) -> bool:
    return before is not None and before > 0 and row.per_day >= GROWN * before


def _accept_nothing(row: IncidentRow) -> None:
    row.accepted_per_day = row.accepted_excess = row.accepted_since = row.accepted_reason = None


def _enter(
    session: Session, row: IncidentRow, state: str, at: datetime, detail: str | None, by: str | None = None
) -> None:
    event = {"open": "opened"}.get(state, state)
    row.state = state
    if by is None and state == "resolved":
        row.decided_by = row.decided_at = None
    session.add(IncidentEventRow(fingerprint=row.fingerprint, at=at, by=by, event=event, detail=detail))
