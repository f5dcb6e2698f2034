"""A simulated account as a process of its own on a free port: what tests and benchmarks start."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sagekeeper.core.errors import SourceUnavailable
from sagekeeper.simulator.client import Simulator
from sagekeeper.simulator.server import DEFAULT_NOW
from sagekeeper.simulator.template import ForkedProcess, Template

_TEMPLATE = Template()


@dataclass(frozen=True)
class RunningSimulator(Simulator):
    """A client of the account, and its process."""

    url: str
    process: ForkedProcess

    def stop(self) -> None:
        """End it and wait."""
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def start(
    state_dir: Path,
    port: int = 0,
    scale: str = "small",
    speed: float = 1.0,
    now: datetime = DEFAULT_NOW,
    seed: int = 7,
    patience_s: float = 120.0,
    data: Path | None = None,
) -> Iterator[RunningSimulator]:
    """Run one until the block ends. A large world takes more ``patience_s`` to build than the others."""
    port = port or _free_port()
    arguments = [
        "--port",
        str(port),
        "--state",
        str(state_dir),
        "--scale",
        scale,
        "--speed",
        str(speed),
        "--now",
        now.isoformat(),
        "--seed",
        str(seed),
        *(("--data", str(data)) if data is not None else ()),
    ]
    running = RunningSimulator(f"http://127.0.0.1:{port}", _TEMPLATE.fork(arguments))
    try:
        _wait(running, patience_s)
        yield running
    finally:
        running.stop()


def _wait(running: RunningSimulator, patience_s: float) -> None:
    """Until the world is built; one that dies says so at once."""
    deadline = time.monotonic() + patience_s
    while running.process.poll() is None and time.monotonic() < deadline:
        try:
            running.wait_ready(timeout_s=1)
            return
        except SourceUnavailable:
            continue
    raise SourceUnavailable("The simulated account did not start; see its messages above.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
