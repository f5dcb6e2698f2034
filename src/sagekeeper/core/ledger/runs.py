"""What ran and how far: watermarks, source runs, API use, the audit log. Short functions on an open session."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from sagekeeper.core.ledger.models import ApiUseRow, AuditRow, SourceRunRow, WatermarkRow


def watermark(session: Session, source: str, account: str, region: str) -> datetime | None:
    """How far ``source`` has been read for this account and region, None if never."""
    row = session.get(WatermarkRow, (source, account, region))
    return row.upto if row else None


def set_watermark(session: Session, source: str, account: str, region: str, upto: datetime, now: datetime) -> None:
    """Remember that ``source`` has been read up to ``upto`` (never moves back)."""
    row = session.get(WatermarkRow, (source, account, region))
    if row is None:
        session.add(WatermarkRow(source=source, account=account, region=region, upto=upto, updated_at=now))
    else:
        row.upto, row.updated_at = max(row.upto, upto), now


def start_source_run(
    session: Session, source: str, account: str, region: str, as_of: datetime, now: datetime
) -> SourceRunRow:
    """Note that a source starts; finish it with `finish_source_run`."""
    row = SourceRunRow(source=source, account=account, region=region, as_of=as_of, started_at=now, status="running")
    session.add(row)
    session.flush()
    return row


def finish_source_run(
    session: Session, run_id: int, now: datetime, *, rows: int | None = None, error: str | None = None
) -> None:
    """Note how a source ended: rows read, or the sentence that says why it failed."""
    row = session.get_one(SourceRunRow, run_id)
    row.finished_at, row.rows, row.message = now, rows, error
    row.status = "ok" if error is None else "failed"


def add_api_use(
    session: Session,
    day: date,
    account: str,
    service: str,
    operation: str,
    calls: int,
    units: int,
    cost: Decimal,
) -> None:
    """Add to what Sagekeeper itself has asked of AWS on ``day``."""
    row = session.get(ApiUseRow, (day, account, service, operation))
    if row is None:
        session.add(
            ApiUseRow(
                day=day,
                account=account,
                service=service,
                operation=operation,
                calls=calls,
                billed_units=units,
                cost_usd=cost,
            )
        )
    else:
        row.calls, row.billed_units, row.cost_usd = (
            row.calls + calls,
            row.billed_units + units,
            row.cost_usd + cost,
        )


def audit(
    session: Session,
    at: datetime,
    actor: str,
    event: str,
    subject: str,
    detail: dict[str, Any] | None = None,
    action_id: int | None = None,
) -> None:
    """Append to the audit log. There is no function that changes or deletes a row."""
    session.add(AuditRow(at=at, actor=actor, event=event, subject=subject, detail=detail or {}, action_id=action_id))


def last_source_runs(session: Session) -> list[SourceRunRow]:
    """The newest run of each source, account and region."""
    rows = session.scalars(select(SourceRunRow).order_by(SourceRunRow.id))
    return list({(row.source, row.account, row.region): row for row in rows}.values())
