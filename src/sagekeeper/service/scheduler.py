"""The scheduler: one leader runs each due job once, followers stand by, missed slots are caught up.

APScheduler (in-memory job store) rings every few seconds of real time; what is due is decided on the settings' clock,
because a simulated account's time can jump by a week between two rings. Jobs run one after another in the order of
`JOBS`, which is the order of the flow: what is collected is analysed, what is analysed is proposed, what was changed
is measured.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from sagekeeper.core.errors import SagekeeperError
from sagekeeper.service.house import House, process_name
from sagekeeper.service.job import Job, Progress, quiet
from sagekeeper.service.leader import LeaderLock, leader_lock
from sagekeeper.service.slots import claim, finish, give_up_lost_runs, latest_slot

log = logging.getLogger(__name__)

LOOK_UP_SECONDS = 1.0

Heard = Callable[[Job, datetime, str, str], None]
"""Told of each finished run: job, slot, status, message."""


@dataclass
class Scheduler:
    """Runs ``jobs`` while it leads. `ring` is one round; `run_forever` rings until told to stop."""

    house: House
    jobs: Sequence[Job]
    owner: str = field(default_factory=process_name)
    on_round: Callable[[], None] = lambda: None
    leading: bool = field(default=False, init=False)

    def run_forever(self, stop: threading.Event, every_seconds: float = 5.0) -> None:
        """Ring every few seconds until ``stop`` is set; then wait for the running job and give the lead away."""
        lock = leader_lock(self.house.ledger)
        bell = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()}, executors={"default": ThreadPoolExecutor(1)}, timezone=UTC
        )
        bell.add_job(
            self._safe_round,
            "interval",
            args=(lock, stop),
            seconds=every_seconds,
            next_run_time=datetime.now(UTC),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        # A round longer than the interval is the normal case while collecting, not a warning.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        bell.start()
        try:
            # A signal that arrives in a thread of a library wakes no wait without end: its handler runs when this one looks up.
            while not stop.wait(LOOK_UP_SECONDS):
                pass
        finally:
            bell.shutdown(wait=True)
            lock.release()
            self.leading = False

    def ring(self, lock: LeaderLock, stop: threading.Event | None = None) -> int:
        """One round: take or keep the lead, run every due job once. Returns how many ran."""
        self.on_round()
        if not self._lead(lock):
            return 0
        self.last_round_at = self.house.clock()
        return run_due(self.house, self.jobs, self.owner, still_leading=lock.held, stop=stop)

    def _safe_round(self, lock: LeaderLock, stop: threading.Event) -> None:
        try:
            self.ring(lock, stop)
        except SagekeeperError as error:
            log.warning("This round was skipped: %s", error)

    def _lead(self, lock: LeaderLock) -> bool:
        led, self.leading = self.leading, lock.held() or lock.acquire()
        if self.leading and not led:
            lost = give_up_lost_runs(self.house.ledger, self.house.clock())
            log.info("%s leads now%s", self.owner, f"; runs given up for lost: {len(lost)}" if lost else "")
        elif led and not self.leading:
            log.warning("%s has lost the lead and stands by", self.owner)
        return self.leading


def run_due(
    house: House,
    jobs: Sequence[Job],
    owner: str,
    *,
    still_leading: Callable[[], bool] = lambda: True,
    stop: threading.Event | None = None,
    progress: Progress = quiet,
    heard: Heard | None = None,
    again: Sequence[str] = ("lost",),
) -> int:
    """Run each job whose latest slot nobody has taken, in order. Returns how many ran. A failing job never stops the next.

    A slot whose run ended in one of the states ``again`` counts as not taken.
    """
    ran = 0
    for job in jobs:
        now = house.clock()
        slot = latest_slot(job.trigger, now, job.lookback)
        if slot is None or (stop is not None and stop.is_set()) or not still_leading():
            continue
        run_id = claim(house.ledger, job.name, slot, owner, now, again)
        if run_id is None:
            continue
        status, message = _run(job, house, now, progress)
        finish(house.ledger, run_id, house.clock(), message=message, failed=status == "failed")
        log.log(logging.INFO if status == "ok" else logging.ERROR, "%s for %s: %s: %s", job.name, slot, status, message)
        if heard is not None:
            heard(job, slot, status, message)
        ran += 1
    return ran


def _run(job: Job, house: House, as_of: datetime, progress: Progress) -> tuple[str, str]:
    try:
        return "ok", job.run(house, as_of, progress)
    except SagekeeperError as error:
        return "failed", str(error)
    except Exception as error:
        # Whatever a job does, the scheduler lives on: the defect is in the ledger and, with its trace, in the log.
        log.exception("%s failed unexpectedly", job.name)
        return "failed", f"{type(error).__name__}: {error}"
