"""Child processes that end with their parent: started with a log each, watched, and stopped in reverse order.

Each child leads a process group of its own, so that Ctrl-C reaches only the parent, which then stops them in order,
and so that what a child started goes with it. On Linux a child is also told to end when its parent is killed
outright.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagekeeper.core.errors import SagekeeperError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Child:
    """A started process and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Children:
    """The processes of one parent. Use as a context: at its end none is left."""

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._children: list[Child] = []

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start ``sagekeeper`` with these arguments as a process of its own."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        log = self._log_folder / f"{name}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "sagekeeper.service.cli", *arguments],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent if _LIBC is not None else None,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raises SagekeeperError, with the end of its log, when a child has ended by itself."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                raise SagekeeperError(
                    f"The {child.name} ended by itself (exit code {code}). The end of {child.log}:\n{_tail(child.log)}"
                )

    def stop(self) -> None:
        """End all, the last started first: ask, wait, then kill."""
        for child in reversed(self._children):
            _signal_group(child, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for child in reversed(self._children):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, until - time.monotonic()))
            _signal_group(child, signal.SIGKILL)
            child.process.wait()
        self._children.clear()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _end_with_parent() -> None:
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(child: Child, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
