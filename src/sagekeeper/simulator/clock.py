"""The simulated account's own time: runs at a given speed beside the machine's, can be advanced, survives a restart."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SimulatedClock:
    """``base`` + machine time elapsed x ``speed`` + everything it was advanced by; kept in ``file``."""

    def __init__(self, file: Path, base: datetime, speed: float, not_before: datetime | None = None) -> None:
        self._file, self._speed, self._lock = file, speed, threading.RLock()
        self._base = datetime.fromisoformat(json.loads(file.read_text())["now"]) if file.exists() else base
        # The file may be some seconds old: time never goes back behind what was done.
        self._base = max(self._base, not_before or self._base)
        self._started = time.monotonic()

    @property
    def speed(self) -> float:
        """Simulated seconds per second."""
        return self._speed

    def now(self) -> datetime:
        """The simulated time, UTC."""
        return self._base + timedelta(seconds=(time.monotonic() - self._started) * self._speed)

    def advance(self, by: timedelta) -> datetime:
        """Jump forward."""
        with self._lock:
            self._base += by
            self.keep()
            return self.now()

    def keep(self) -> None:
        """Write the time down, so that a restart goes on from here."""
        # The server keeps time every few seconds, and every jump does: one at a time.
        with self._lock:
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps({"now": self.now().astimezone(UTC).isoformat()}))
            part.replace(self._file)
