"""Nobody is told the same thing twice: a letter is claimed in the ledger before it is sent, and marked once it was.

In: the ledger, a key, the time. Out: whether this process may send. A claim that failed, or whose sender died (older
than `ABANDONED_AFTER`), can be taken over; of two processes exactly one gets it, because taking over is one
conditional update.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import AlertSentRow

ABANDONED_AFTER = timedelta(minutes=15)


def claim(ledger: Ledger, key: str, kind: str, subject: str, recipients: Sequence[str], now: datetime) -> bool:
    """Whether ``key`` is this process's to send now."""
    try:
        with ledger.session() as session:
            session.add(
                AlertSentRow(key=key, kind=kind, subject=subject[:512], recipients=list(recipients), claimed_at=now)
            )
        return True
    except IntegrityError:
        return _take_over(ledger, key, now)


def mark_sent(ledger: Ledger, key: str, now: datetime) -> None:
    """It went out: never again."""
    with ledger.session() as session:
        row = session.get_one(AlertSentRow, key)
        row.sent_at, row.error = now, None


def mark_failed(ledger: Ledger, key: str, error: str) -> None:
    """It did not go out: the next run may try again."""
    with ledger.session() as session:
        session.get_one(AlertSentRow, key).error = error


def was_sent(ledger: Ledger, key: str) -> bool:
    """Whether it went out already."""
    with ledger.reading() as session:
        row = session.get(AlertSentRow, key)
        return row is not None and row.sent_at is not None


def any_sent(ledger: Ledger, beginning: str) -> bool:
    """Whether a letter whose key begins so went out on any way."""
    with ledger.reading() as session:
        keys = select(AlertSentRow.key).where(
            AlertSentRow.key.startswith(beginning, autoescape=True), AlertSentRow.sent_at.is_not(None)
        )
        return session.scalar(keys.limit(1)) is not None


def _take_over(ledger: Ledger, key: str, now: datetime) -> bool:
    free = or_(AlertSentRow.error.is_not(None), AlertSentRow.claimed_at < now - ABANDONED_AFTER)
    taken = update(AlertSentRow).where(AlertSentRow.key == key, AlertSentRow.sent_at.is_(None), free)
    with ledger.session() as session:
        result = session.execute(taken.values(claimed_at=now, error=None))
        assert isinstance(result, CursorResult)
        return result.rowcount == 1
