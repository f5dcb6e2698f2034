"""A worker in a process of its own that kills itself (SIGKILL) at the n-th event; run as a script by the tests.

``ARGUMENTS`` are given by whoever runs it (`runpy.run_path`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.clock import http_clock
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.queue import all_actions
from sagekeeper.core.settings import Settings
from sagekeeper.lifecycle.worker import Worker


def run(settings: Settings, ledger_url: str, lake_root: str, owner: str, kill_at: int, events: str, rest: str) -> None:
    """Rounds until every action is in state ``rest``, or the death at event ``kill_at`` (0: none). Events go to a file."""
    seen = 0

    def observe(event: str) -> None:
        nonlocal seen
        seen += 1
        with Path(events).open("a") as file:
            file.write(f"{event}\n")
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    worker = _worker(settings, ledger_url, lake_root, owner, observe)
    ledger = open_ledger(ledger_url)
    until = time.monotonic() + 60
    while time.monotonic() < until and any(action.state != rest for action in all_actions(ledger)):
        worker.run_once()
        time.sleep(0.05)


def _worker(settings: Settings, ledger_url: str, lake_root: str, owner: str, observe: Callable[[str], None]) -> Worker:
    assert settings.clock_url is not None
    return Worker(
        open_ledger(ledger_url),
        Lake(lake_root),
        settings,
        AwsSessions(settings.aws),
        http_clock(settings.clock_url),
        owner,
        after_write=observe,
    )


if __name__ == "__main__":
    run(*ARGUMENTS)  # type: ignore[name-defined]  # noqa: F821
