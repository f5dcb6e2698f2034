"""A worker in a process of its own that kills itself (SIGKILL) at the first event of a name; run as a script by the tests.

``ARGUMENTS`` are given by whoever runs it (`forked.run`).
"""

from __future__ import annotations

import os
import signal
import time

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.clock import http_clock
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.settings import Settings
from sagekeeper.lifecycle.worker import Worker


def run(settings: Settings, ledger_url: str, lake_root: str, owner: str, kill_at: str) -> None:
    """Rounds until the death at ``kill_at``."""

    def observe(event: str) -> None:
        if event == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    assert settings.clock_url is not None
    worker = Worker(
        open_ledger(ledger_url),
        Lake(lake_root),
        settings,
        AwsSessions(settings.aws),
        http_clock(settings.clock_url),
        owner,
        after_write=observe,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        worker.run_once()
        time.sleep(0.05)


if __name__ == "__main__":
    run(*ARGUMENTS)  # type: ignore[name-defined]  # noqa: F821
