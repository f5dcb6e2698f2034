"""Accounts that start in a moment: a process that has imported everything, and forks for each account that is wanted.

Importing takes three seconds of the processor, which a hundred test files would pay again and again. The template reads one
order a line (JSON: arguments, environment, folder) and answers with the number of the process that now serves it. Its input
ends when the process that asked ends, however that came: then it ends too, and its accounts with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn


class ForkedProcess:
    """A process that is not our child, with what is needed of ``subprocess.Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """0 once it has ended (with which code is not known here), None before."""
        return 0 if self._ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(f"the simulated account, process {self.pid}", timeout or 0)
        return 0

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def _ended(self, seconds: float | None) -> bool:
        return bool(select.select([self._handle], [], [], seconds)[0])

    def __del__(self) -> None:
        os.close(self._handle)


class Template:
    """The template of this process, started with the first order."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def fork(self, arguments: list[str]) -> ForkedProcess:
        """A process that serves with ``arguments`` (those of ``python -m sagekeeper.simulator``), in this environment."""
        with self._one_at_a_time:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            order = {"arguments": arguments, "environment": dict(os.environ), "folder": str(Path.cwd())}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return ForkedProcess(json.loads(self._process.stdout.readline()))


def main() -> None:
    """Import, then fork for each order until there are no more."""
    from sagekeeper.simulator import __main__ as account  # here, so that who only forks need not import it

    own = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            own.close()
            _serve(account.main, order)
        children.add(pid)
        print(pid, file=own, flush=True)
        children -= _ended()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _ended() -> set[int]:
    """Children that have ended since the last look: their numbers may be somebody else's from now on."""
    found: set[int] = set()
    with suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            found.add(pid)
    return found


def _serve(main: Callable[[], None], order: dict[str, Any]) -> NoReturn:
    """What the forked process does, instead of returning into the template's loop."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = ["sagekeeper.simulator", *order["arguments"]]
    try:
        main()
    except BaseException:  # noqa: BLE001 (whatever it was: it must not return into the template's loop)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
