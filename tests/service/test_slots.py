"""Slots on a clock, and who gets them."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import select

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.errors import SourceUnavailable
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.ledger.models import JobRunRow
from sagekeeper.core.settings import Aws, Settings
from sagekeeper.service.commands.running import stopped_by_signals
from sagekeeper.service.house import House
from sagekeeper.service.job import Job
from sagekeeper.service.leader import leader_lock
from sagekeeper.service.scheduler import Scheduler
from sagekeeper.service.slots import claim, finish, give_up_lost_runs, latest_slot

HOURLY = CronTrigger(minute=5, timezone=UTC)
WEEKLY = CronTrigger(day_of_week="mon", hour=7, minute=0, timezone=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Hand:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def house(ledger: Ledger, tmp_path: Path, clock: Hand) -> House:
    return House(Settings(data_dir=tmp_path), Lake(tmp_path / "lake"), ledger, AwsSessions(Aws()), clock)


def runs(ledger: Ledger) -> list[tuple[str, datetime, str]]:
    with ledger.reading() as session:
        return [
            (row.job, row.scheduled_for, row.status)
            for row in session.scalars(select(JobRunRow).order_by(JobRunRow.id))
        ]


def test_the_latest_slot_is_the_newest_that_has_come() -> None:
    assert latest_slot(HOURLY, at("2026-11-20T08:05:00"), timedelta(hours=2)) == at("2026-11-20T08:05:00")
    assert latest_slot(HOURLY, at("2026-11-20T08:04:59"), timedelta(hours=2)) == at("2026-11-20T07:05:00")
    # 2026-11-16 is the Monday before Friday the 20th
    assert latest_slot(WEEKLY, at("2026-11-20T08:00:00"), timedelta(days=8)) == at("2026-11-16T07:00:00")


def test_a_slot_older_than_the_lookback_is_not_worth_running() -> None:
    assert latest_slot(WEEKLY, at("2026-11-20T08:00:00"), timedelta(days=2)) is None


def test_a_slot_is_claimed_once_even_after_it_failed(ledger: Ledger) -> None:
    slot = at("2026-11-20T08:05:00")
    first = claim(ledger, "collect", slot, "a", slot)
    assert first is not None
    assert claim(ledger, "collect", slot, "b", slot) is None
    finish(ledger, first, slot, message="AWS did not answer", failed=True)
    assert claim(ledger, "collect", slot, "b", slot) is None
    assert claim(ledger, "collect", slot + timedelta(hours=1), "b", slot) is not None
    assert claim(ledger, "analyze", slot, "b", slot) is not None


def test_a_lost_run_is_tried_once_more_and_only_once(ledger: Ledger) -> None:
    slot = at("2026-11-20T08:05:00")
    first = claim(ledger, "collect", slot, "a", slot)
    assert [row.job for row in give_up_lost_runs(ledger, slot)] == ["collect"]
    assert runs(ledger)[0][2] == "lost"
    second = claim(ledger, "collect", slot, "b", slot)
    assert second == first
    give_up_lost_runs(ledger, slot)
    assert runs(ledger)[0][2] == "failed"
    assert claim(ledger, "collect", slot, "c", slot) is None


def test_a_process_thought_dead_does_not_overwrite_what_the_new_leader_wrote(ledger: Ledger) -> None:
    slot = at("2026-11-20T08:05:00")
    run = claim(ledger, "collect", slot, "a", slot)
    assert run is not None
    give_up_lost_runs(ledger, slot)
    finish(ledger, run, slot, message="late")
    assert runs(ledger)[0][2] == "lost"


def test_a_week_that_passes_at_once_runs_each_job_once_for_its_latest_slot(ledger: Ledger, tmp_path: Path) -> None:
    clock = Hand(at("2026-11-20T08:30:00"))
    seen: list[tuple[str, datetime]] = []
    jobs = [
        Job("hourly", "", HOURLY, timedelta(hours=2), lambda _h, as_of, _p: seen.append(("hourly", as_of)) or "done"),
        Job("weekly", "", WEEKLY, timedelta(days=8), lambda _h, as_of, _p: seen.append(("weekly", as_of)) or "done"),
    ]
    scheduler = Scheduler(house(ledger, tmp_path, clock), jobs)
    lock = leader_lock(ledger)
    assert scheduler.ring(lock) == 2
    assert scheduler.ring(lock) == 0
    clock.now = at("2026-11-27T08:30:00")
    assert scheduler.ring(lock) == 2
    assert scheduler.ring(lock) == 0
    assert seen == [
        ("hourly", at("2026-11-20T08:30:00")),
        ("weekly", at("2026-11-20T08:30:00")),
        ("hourly", at("2026-11-27T08:30:00")),
        ("weekly", at("2026-11-27T08:30:00")),
    ]
    assert [slot for name, slot, _ in runs(ledger) if name == "hourly"] == [
        at("2026-11-20T08:05:00"),
        at("2026-11-27T08:05:00"),
    ]
    lock.release()


def test_a_failing_job_is_recorded_stops_no_other_and_runs_again_in_its_next_slot(
    ledger: Ledger, tmp_path: Path
) -> None:
    clock = Hand(at("2026-11-20T08:30:00"))

    def refused(_house: House, _as_of: datetime, _progress: object) -> str:
        raise SourceUnavailable("Cost Explorer did not answer. Try later.")

    def broken(_house: House, _as_of: datetime, _progress: object) -> str:
        raise ZeroDivisionError("a defect")

    jobs = [
        Job("refused", "", HOURLY, timedelta(hours=2), refused),
        Job("broken", "", HOURLY, timedelta(hours=2), broken),
        Job("well", "", HOURLY, timedelta(hours=2), lambda *_: "done"),
    ]
    scheduler, lock = Scheduler(house(ledger, tmp_path, clock), jobs), leader_lock(ledger)
    assert scheduler.ring(lock) == 3
    assert [(name, status) for name, _, status in runs(ledger)] == [
        ("refused", "failed"),
        ("broken", "failed"),
        ("well", "ok"),
    ]
    clock.now += timedelta(hours=1)
    assert scheduler.ring(lock) == 3
    lock.release()


def test_a_second_scheduler_stands_by_while_the_first_leads(ledger: Ledger, tmp_path: Path) -> None:
    clock = Hand(at("2026-11-20T08:30:00"))
    jobs = [Job("hourly", "", HOURLY, timedelta(hours=2), lambda *_: "done")]
    first, second = (Scheduler(house(ledger, tmp_path, clock), jobs, owner=name) for name in ("first", "second"))
    first_lock, second_lock = leader_lock(ledger), leader_lock(ledger)
    assert first.ring(first_lock) == 1
    clock.now += timedelta(hours=1)
    assert second.ring(second_lock) == 0
    assert not second.leading
    first_lock.release()
    assert second.ring(second_lock) == 1
    assert second.leading
    second_lock.release()


@pytest.mark.timeout(20)
def test_a_signal_that_another_thread_takes_stops_the_scheduler_too(ledger: Ledger, tmp_path: Path) -> None:
    def signalled(_house: House, _as_of: datetime, _progress: object) -> str:
        time.sleep(0.3)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        return "done"

    jobs = [Job("hourly", "", HOURLY, timedelta(hours=2), signalled)]
    scheduler = Scheduler(house(ledger, tmp_path, Hand(at("2026-11-20T08:30:00"))), jobs)
    with stopped_by_signals() as stop:
        scheduler.run_forever(stop)
    assert stop.is_set()
