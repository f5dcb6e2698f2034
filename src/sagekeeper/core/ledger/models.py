"""The ledger's tables (SQLAlchemy 2): everything that must not be lost and is not a telemetry row.

SQLite and Postgres behave the same here: times are stored as UTC and come back aware, documents are JSON, money is text of a
Decimal. The migrations under `migrations/` build exactly this; a test compares them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime on every database (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError(f"A time without a zone cannot be stored: {value}. Pass it in UTC.")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Amount(TypeDecorator[Decimal]):
    """An exact decimal, stored as text: SQLite has no decimal type."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)


class Base(DeclarativeBase):
    """Base of the ledger's rows."""

    type_annotation_map = {
        datetime: UtcTime,
        Decimal: Amount,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        str: String(255),
    }


class WatermarkRow(Base):
    """How far a source has been read: the next run carries on from here."""

    __tablename__ = "watermarks"

    source: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(32), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    upto: Mapped[datetime]
    updated_at: Mapped[datetime]


class SourceRunRow(Base):
    """One run of one source over one account and region: what it found, or why it could not."""

    __tablename__ = "source_runs"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    source: Mapped[str]
    account: Mapped[str] = mapped_column(String(32))
    region: Mapped[str] = mapped_column(String(32))
    as_of: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16))  # running, ok, failed
    rows: Mapped[int | None]
    message: Mapped[str | None] = mapped_column(Text)


class ApiUseRow(Base):
    """What Sagekeeper itself asked of AWS, per day, and its price."""

    __tablename__ = "api_use"

    day: Mapped[date] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(32), primary_key=True)
    service: Mapped[str] = mapped_column(String(64), primary_key=True)
    operation: Mapped[str] = mapped_column(String(128), primary_key=True)
    calls: Mapped[int]
    billed_units: Mapped[int]
    cost_usd: Mapped[Decimal]


class IngestedFileRow(Base):
    """A bill read from a file: its exact totals as the file states them."""

    __tablename__ = "ingested_files"

    dataset: Mapped[str] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    format: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int]
    currency: Mapped[str] = mapped_column(String(8))
    first_day: Mapped[date]
    last_day: Mapped[date]
    totals: Mapped[
        dict[str, Any]
    ]  # {charge category: {"rows": n, "BilledCost": "exact decimal", "EffectiveCost": ...}}
    notes: Mapped[list[Any]]
    ingested_at: Mapped[datetime]


class BillMonthRow(Base):
    """A month of a billing export as it was last read: its exact totals as its files state them."""

    __tablename__ = "bill_months"

    dataset: Mapped[str] = mapped_column(String(255), primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)  # the first of the billing month
    export: Mapped[str]
    identity: Mapped[str]  # which export: its report id or ARN
    delivery: Mapped[str]  # AWS's assembly or execution id
    mark: Mapped[str] = mapped_column(String(64))  # changes with the content of the files
    format: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int]
    currency: Mapped[str] = mapped_column(String(8))
    first_day: Mapped[date]
    last_day: Mapped[date]
    columns: Mapped[list[Any]]
    totals: Mapped[dict[str, Any]]  # as of ingested_files
    notes: Mapped[list[Any]]
    read_at: Mapped[datetime]


class FindingRow(Base):
    """A finding as last seen. ``document`` is the `Finding`, complete."""

    __tablename__ = "findings"

    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    account: Mapped[str] = mapped_column(String(32))
    region: Mapped[str] = mapped_column(String(32))
    resource_kind: Mapped[str] = mapped_column(String(64))
    resource_name: Mapped[str] = mapped_column(String(512))
    severity: Mapped[str] = mapped_column(String(16))
    impact_per_month: Mapped[Decimal | None]
    state: Mapped[str] = mapped_column(String(16), index=True)  # open, resolved
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    document: Mapped[dict[str, Any]]


class FindingEventRow(Base):
    """A finding's history: opened, severity changed, resolved, opened again."""

    __tablename__ = "finding_events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    fingerprint: Mapped[str] = mapped_column(String(32), index=True)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(Text)


class RecommendationRow(Base):
    """A recommendation as last made. ``document`` is the `Recommendation`, complete."""

    __tablename__ = "recommendations"

    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[str] = mapped_column(String(32))
    lever: Mapped[str] = mapped_column(String(64), index=True)
    account: Mapped[str] = mapped_column(String(32))
    region: Mapped[str] = mapped_column(String(32))
    resource_name: Mapped[str] = mapped_column(String(512))
    state: Mapped[str] = mapped_column(String(16), index=True)  # open, dismissed, applied, gone
    saving_expected: Mapped[Decimal]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    document: Mapped[dict[str, Any]]


class DecisionRow(Base):
    """What a person decided about a recommendation, and why."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    fingerprint: Mapped[str] = mapped_column(String(32), index=True)
    version: Mapped[str] = mapped_column(String(32))
    decision: Mapped[str] = mapped_column(String(16))  # dismissed, reopened
    by: Mapped[str]
    at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(Text)


class ActionRow(Base):
    """A wanted change: the queue that a click writes to and the worker executes.

    ``(recommendation, version)`` is unique, so three clicks in two tabs are one action. States:
    requested -> planned -> approved -> applying -> watching -> applied; rolling_back -> rolled_back when health falls;
    undo_requested -> undoing -> undone by hand later; refused (a gate or the plan said no); failed (a person must look).
    """

    __tablename__ = "actions"
    __table_args__ = (UniqueConstraint("recommendation", "version", name="one_action_per_version"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    recommendation: Mapped[str] = mapped_column(String(32))
    version: Mapped[str] = mapped_column(String(32))
    lever: Mapped[str] = mapped_column(String(64))
    change_kind: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(32))
    region: Mapped[str] = mapped_column(String(32))
    resource_name: Mapped[str] = mapped_column(String(512))
    state: Mapped[str] = mapped_column(String(20), index=True)
    message: Mapped[str | None] = mapped_column(Text)
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
    watch_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    undo_requested_by: Mapped[str | None]
    undo_requested_at: Mapped[datetime | None]
    document: Mapped[dict[str, Any]]  # the Recommendation as it was when clicked
    plan: Mapped[dict[str, Any] | None]  # the Plan, with its snapshot
    health: Mapped[dict[str, Any] | None]  # baseline and last reading of the watch
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class StepRow(Base):
    """One AWS call of an action, written before it is made."""

    __tablename__ = "steps"
    __table_args__ = (UniqueConstraint("action_id", "direction", "position", name="one_row_per_step"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id"), index=True)
    direction: Mapped[str] = mapped_column(String(8))  # do, undo
    position: Mapped[int]
    name: Mapped[str]
    call: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))  # pending, started, done, failed
    attempts: Mapped[int]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)


class MeasurementRow(Base):
    """The saving of an action as the bill shows it on ``as_of``, beside what was promised."""

    __tablename__ = "measurements"
    __table_args__ = (Index("measurements_by_action", "action_id", "as_of"),)

    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id"), primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    first_day: Mapped[date]
    last_day: Mapped[date]
    days: Mapped[int]
    baseline_per_day: Mapped[Decimal]
    actual_per_day: Mapped[Decimal]
    saved_to_date: Mapped[Decimal]
    saved_per_month: Mapped[Decimal]
    promised_low: Mapped[Decimal]
    promised_expected: Mapped[Decimal]
    promised_high: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(8))
    provisional: Mapped[bool]
    verdict: Mapped[str] = mapped_column(String(32))  # within range, below range, above range, too early
    detail: Mapped[dict[str, Any]]
    measured_at: Mapped[datetime]


class BudgetRow(Base):
    """A budget: whose money, how much, in which period, who is told."""

    __tablename__ = "budgets"

    name: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[dict[str, Any]]  # {} = everything; or {"account": ..., "owner": [...], "endpoint": ...}
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(8))
    thresholds: Mapped[list[Any]]  # [{"kind": "actual" | "forecast", "percent": 80, "probability": 0.5}]
    recipients: Mapped[list[Any]]
    source: Mapped[str] = mapped_column(String(32))  # settings, command, aws_budgets
    document: Mapped[dict[str, Any] | None]  # period, notion, planned limits; of AWS Budgets what AWS says of it
    updated_at: Mapped[datetime]


class AlertSentRow(Base):
    """An alert or report that went out. ``key`` is unique: nobody is told the same thing twice."""

    __tablename__ = "alerts_sent"

    key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(512))
    recipients: Mapped[list[Any]]
    claimed_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


class JobRunRow(Base):
    """One scheduled run of one job. ``(job, scheduled_for)`` is unique: two schedulers run it once."""

    __tablename__ = "job_runs"
    __table_args__ = (UniqueConstraint("job", "scheduled_for", name="one_run_per_slot"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job: Mapped[str] = mapped_column(String(64))
    scheduled_for: Mapped[datetime]
    owner: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16))  # running, ok, failed
    message: Mapped[str | None] = mapped_column(Text)


class AuditRow(Base):
    """Who did what to what, when. Append only: the ledger offers no way to change a row."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    event: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(512))
    action_id: Mapped[int | None] = mapped_column(index=True)
    detail: Mapped[dict[str, Any]]
