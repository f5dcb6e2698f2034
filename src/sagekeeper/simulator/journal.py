"""What was done to the account from outside, synced to disk before each answer goes out, and replayed at start.

Three sorts of entries: `call` (an accepted mutating call to an operation of ours, with its parameters), `request` (one
to an operation of moto's own, as the HTTP request it was), and what belongs to the simulator itself: `session`
(credentials handed out) and `fault`. Clients see the first two: they are the calls that a test counts.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

FROM_OUTSIDE = ("call", "request")
SHOWN = ("at", "service", "operation", "account", "region", "resource", "parameters")
NAMES = (
    "EndpointName",
    "EndpointConfigName",
    "NotebookInstanceName",
    "MonitoringScheduleName",
    "JobDefinitionName",
    "TrainingJobName",
    "ProcessingJobName",
    "TransformJobName",
    "HyperParameterTuningJobName",
    "CompilationJobName",
    "JobName",
    "ModelName",
    "AlarmName",
    "ResourceId",
    "ResourceArn",
    "Name",
)


class Journal:
    """Append-only JSON lines. A last line cut by a crash was never answered: it is cut off."""

    def __init__(self, file: Path) -> None:
        self._lock, self._replaying = threading.Lock(), False
        self.entries: list[dict[str, Any]] = []
        whole = 0
        if file.exists():
            for line in file.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                self.entries.append(json.loads(line))
                whole += len(line)
            os.truncate(file, whole)
        self._handle = file.open("ab")

    def write(self, sort: str, at: datetime, **told: Any) -> None:
        """Append one entry and sync it."""
        if self._replaying:
            return
        entry = json.loads(json.dumps({"sort": sort, "at": at.isoformat()} | told, default=_plain))
        with self._lock:
            self._handle.write(json.dumps(entry).encode() + b"\n")
            self._handle.flush()
            os.fsync(self._handle.fileno())
            self.entries.append(entry)

    def from_outside(self, since: datetime | None) -> list[dict[str, Any]]:
        """The mutating API calls at or after ``since``, in order."""
        return [
            {key: entry[key] for key in SHOWN}
            for entry in self.entries
            if entry["sort"] in FROM_OUTSIDE and (since is None or datetime.fromisoformat(entry["at"]) >= since)
        ]

    @contextmanager
    def replaying(self) -> Iterator[list[dict[str, Any]]]:
        """The entries to do again; meanwhile nothing is written."""
        self._replaying = True
        try:
            yield list(self.entries)
        finally:
            self._replaying = False


def _plain(found: Any) -> Any:
    """Times as seconds, as JSON requests carry them; bytes and whatever else as text."""
    return found.timestamp() if isinstance(found, datetime) else str(found)


def resource_of(parameters: dict[str, Any]) -> str:
    """The name that a call is about."""
    return next((str(parameters[key]) for key in NAMES if parameters.get(key)), "")
