"""Who is told of which incidents: decided once, in the transaction that marks them told; sent until it went out.

In: what is untold, who is to know of it. Out: `IncidentLetterRow`s. A crash before the decision loses nothing, one after it sends
the same letter again under the same key (which `reports/claims.py` and mail programs know): no incident is ever in two letters to
the same person at the same level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from sagekeeper.core.ledger.incident_models import IncidentLetterRow, IncidentRow
from sagekeeper.core.ledger.incidents import mark_told, untold
from sagekeeper.core.types import fingerprint

GIVE_UP = timedelta(days=7)
"""A letter that could not be sent for so long is old news; the digest lists what is still open."""


@dataclass(frozen=True)
class Audience:
    """Who gets one letter. ``channels``: it also goes to the channels of the settings."""

    recipients: tuple[str, ...]
    channels: bool = False


def decide_letters(session: Session, audiences: Callable[[IncidentRow], Sequence[Audience]], now: datetime) -> None:
    """Set down one letter per audience with all that is new to it. What nobody is to know of stays untold."""
    # Of two processes the second waits here, and then finds them told.
    session.execute(select(IncidentRow.fingerprint).where(IncidentRow.state == "open").with_for_update())
    members: dict[Audience, list[dict[str, Any]]] = {}
    for row in untold(session):
        before = None if row.told_per_day is None else str(row.told_per_day)
        for audience in audiences(row):
            members.setdefault(audience, []).append({"fingerprint": row.fingerprint, "before": before})
            mark_told(session, row.fingerprint, row.per_day)
    for audience, told in members.items():
        about = [f"{item['fingerprint']} {item['before']}" for item in told]
        session.add(
            IncidentLetterRow(
                key=f"incidents:{fingerprint(now.isoformat(), *audience.recipients, *about)}",
                decided_at=now,
                recipients=list(audience.recipients),
                channels=audience.channels,
                members=told,
            )
        )


def pending_letters(session: Session, now: datetime) -> list[IncidentLetterRow]:
    """Letters that did not go out yet, the oldest first."""
    waiting = IncidentLetterRow.done_at.is_(None) & (IncidentLetterRow.decided_at >= now - GIVE_UP)
    return list(session.scalars(select(IncidentLetterRow).where(waiting).order_by(IncidentLetterRow.decided_at)))


def letter_done(session: Session, key: str, now: datetime) -> None:
    """It went out everywhere, or there is nothing left to say."""
    session.get_one(IncidentLetterRow, key).done_at = now
