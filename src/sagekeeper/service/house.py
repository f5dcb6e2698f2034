"""The house as one value: settings, lake, ledger, AWS sessions and clock, opened once and handed down to everything.

This is the composition root's only constructor. Whatever runs (a command, a scheduled job, the worker) gets a `House`
and asks its clock for the time exactly once; on a simulated account the clock is the simulator's, never the
machine's.
"""

from __future__ import annotations

import os
import socket
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sagekeeper.core.aws import ApiMeter, AwsSessions
from sagekeeper.core.clock import Clock, http_clock, system_clock
from sagekeeper.core.errors import SourceUnavailable
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.settings import Settings, load_settings


@dataclass(frozen=True)
class House:
    """Everything a command or a job works with."""

    settings: Settings
    lake: Lake
    ledger: Ledger
    sessions: AwsSessions
    clock: Clock


@contextmanager
def open_house(settings: Settings | None = None) -> Iterator[House]:
    """Open lake, ledger and sessions as the settings say; give the connections back at the end."""
    settings = settings or load_settings()
    ledger = open_ledger(settings.ledger_address)
    try:
        yield House(
            settings=settings,
            lake=Lake(settings.lake_root, settings.lake_options),
            ledger=ledger,
            sessions=AwsSessions(settings.aws, ApiMeter(settings.collect.own_cost_limit_usd_per_day)),
            clock=clock_of(settings),
        )
    finally:
        ledger.close()


def clock_of(settings: Settings) -> Clock:
    """The machine's clock, or the one at ``clock_url``; that one raises SourceUnavailable when it does not answer."""
    if settings.clock_url is None:
        return system_clock
    url, ask = settings.clock_url, http_clock(settings.clock_url)

    def now() -> datetime:
        try:
            return ask()
        except (OSError, urllib.error.URLError, ValueError, KeyError) as error:
            raise SourceUnavailable(
                f"The clock at {url} does not answer: {error}. Start the simulated account, or unset SAGEKEEPER_CLOCK_URL."
            ) from error

    return now


def process_name() -> str:
    """Who this process is in the ledger: machine and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
