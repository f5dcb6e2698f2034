"""Which scheduled run is due, and whose it is: slots of a cron trigger against the ledger's `job_runs`.

In: a job's trigger, the clock's time. Out: the latest slot that has come, claimed at most once. ``(job,
scheduled_for)`` is unique in the ledger, so of two schedulers one gets the slot. Missed slots are caught up by the
latest one only: every job reads the state of the world, so running seven missed days once is running them. A run that
its process did not survive is tried once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import JobRunRow


def latest_slot(trigger: CronTrigger, now: datetime, lookback: timedelta) -> datetime | None:
    """The newest slot that is not after ``now``, at most ``lookback`` old.

    >>> from datetime import UTC
    >>> latest_slot(CronTrigger(minute=5, timezone=UTC), datetime(2026, 11, 20, 8, 0, tzinfo=UTC), timedelta(hours=2)).isoformat()
    '2026-11-20T07:05:00+00:00'
    """
    slot, candidate = None, trigger.get_next_fire_time(None, now - lookback)
    while candidate is not None and candidate <= now:
        slot = candidate
        candidate = trigger.get_next_fire_time(slot, slot + timedelta(microseconds=1))
    return slot


def claim(
    ledger: Ledger, job: str, slot: datetime, owner: str, now: datetime, again: Sequence[str] = ("lost",)
) -> int | None:
    """Take the slot: the id of its run, or None when it is, or was, somebody's (unless that run is in a state ``again``)."""
    with ledger.reading() as session:
        there = session.scalar(select(JobRunRow).where(JobRunRow.job == job, JobRunRow.scheduled_for == slot))
    if there is None:
        try:
            with ledger.session() as session:
                row = JobRunRow(job=job, scheduled_for=slot, owner=owner, started_at=now, status="running")
                session.add(row)
                session.flush()
                return row.id
        except IntegrityError:
            return None
    if there.status not in again:
        return None
    with ledger.session() as session:
        row = session.get_one(JobRunRow, there.id, with_for_update=True)
        if row.status not in again:
            return None
        row.message = f"tried again: the run by {row.owner} was {row.status}"
        row.status, row.owner, row.started_at, row.finished_at = "running", owner, now, None
        return row.id


def finish(ledger: Ledger, run_id: int, now: datetime, *, message: str, failed: bool = False) -> None:
    """Note how the run ended, unless it has meanwhile been given up for lost."""
    with ledger.session() as session:
        row = session.get_one(JobRunRow, run_id)
        if row.status == "running":
            row.status, row.message, row.finished_at = ("failed" if failed else "ok"), message, now


def give_up_lost_runs(ledger: Ledger, now: datetime) -> list[JobRunRow]:
    """Called by a new leader: whatever still says ``running`` belongs to a process that is gone. Returns those runs.

    The first loss makes a run ``lost`` (the next round tries it again), the second ``failed``: a job that kills its process
    must not do so for ever.
    """
    with ledger.session() as session:
        rows = list(session.scalars(select(JobRunRow).where(JobRunRow.status == "running")))
        for row in rows:
            second = row.message is not None
            row.status, row.finished_at = ("failed" if second else "lost"), now
            row.message = f"{row.owner} ended in the middle of it" + (", twice: not tried again" if second else "")
        return rows
