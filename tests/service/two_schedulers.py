"""A scheduler as a process of its own, for the tests: ticks once a second and writes each run into a file."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.triggers.cron import CronTrigger

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.clock import system_clock
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.settings import Aws, Settings
from sagekeeper.service.house import House, process_name
from sagekeeper.service.job import Job
from sagekeeper.service.scheduler import Scheduler

ledger_url, folder, job_seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])


def tick(_house: House, as_of: datetime, _progress: object) -> str:
    with (folder / "ticks").open("a") as lines:
        lines.write(f"{process_name()} {as_of.isoformat()}\n")
    time.sleep(job_seconds)
    return "ticked"


logging.basicConfig(level=logging.INFO, stream=sys.stderr)
house = House(
    Settings(data_dir=folder), Lake(folder / "lake"), open_ledger(ledger_url), AwsSessions(Aws()), system_clock
)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
jobs = [Job("tick", "", CronTrigger(second="*", timezone=UTC), timedelta(seconds=3), tick)]
Scheduler(house, jobs).run_forever(stop, every_seconds=0.2)
