"""The ledger's tables of incidents: money that should not be spent, and what people said about it (`incidents.py`)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from sagekeeper.core.ledger.models import Base


class IncidentRow(Base):
    """Money that should not be spent, with what people said about it. Its evidence is the finding of the same fingerprint.

    States: open, acknowledged (somebody is on it), snoozed (until a time), expected (with a reason), resolved.
    """

    __tablename__ = "incidents"

    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    cause: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(32))
    region: Mapped[str] = mapped_column(String(32))
    resource_kind: Mapped[str] = mapped_column(String(64))
    resource_name: Mapped[str] = mapped_column(String(512))
    owner: Mapped[str | None] = mapped_column(String(512))
    severity: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    because: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), index=True)
    since: Mapped[datetime]
    last_seen: Mapped[datetime]
    excess: Mapped[Decimal]
    per_day: Mapped[Decimal]
    month_excess: Mapped[Decimal | None]
    currency: Mapped[str] = mapped_column(String(8))
    basis: Mapped[str | None] = mapped_column(String(16))
    certainty: Mapped[str] = mapped_column(String(16))
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_per_day: Mapped[Decimal | None]  # per_day when it was decided: half as much again opens it
    reason: Mapped[str | None] = mapped_column(Text)
    snoozed_until: Mapped[datetime | None]
    told_per_day: Mapped[Decimal | None]  # per_day when people were told; null: they were not
    # What was last accepted as expected: the level, the whole (null while it goes on), and when in the month it began.
    accepted_per_day: Mapped[Decimal | None]
    accepted_excess: Mapped[Decimal | None]
    accepted_since: Mapped[datetime | None]
    accepted_reason: Mapped[str | None] = mapped_column(Text)


class IncidentEventRow(Base):
    """An incident's history: opened, grown, what people said, resolved. ``by`` null: Sagekeeper itself."""

    __tablename__ = "incident_events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    fingerprint: Mapped[str] = mapped_column(String(32), index=True)
    at: Mapped[datetime]
    by: Mapped[str | None]
    event: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(Text)


class IncidentLetterRow(Base):
    """Who is told of which incidents in one letter: decided once, together with marking them told, and sent until it went out.

    ``members``: fingerprint, and ``before``, the excess per day that people were told last (null: it is new).
    """

    __tablename__ = "incident_letters"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    decided_at: Mapped[datetime]
    recipients: Mapped[list[Any]]
    channels: Mapped[bool]
    members: Mapped[list[Any]]
    done_at: Mapped[datetime | None] = mapped_column(index=True)
