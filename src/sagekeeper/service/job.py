"""What a scheduled job is: a name, when its slots are, how late a missed one is still worth running, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from sagekeeper.service.house import House

Progress = Callable[[str, float], None]
"""Told what is being done and how much of it is done (0 to 1)."""


def quiet(what: str, done: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Job:
    """One job. ``run`` gets the house, the time of the run and a progress, and says in a sentence what it did."""

    name: str
    description: str
    trigger: CronTrigger
    lookback: timedelta
    run: Callable[[House, datetime, Progress], str]
