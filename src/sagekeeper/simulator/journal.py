"""Every accepted mutating call, with its simulated time, synced to disk before the answer goes out; replayed at start."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any


class Journal:
    """Append-only JSON lines. A last line cut by a crash was never answered, and is dropped."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock, self._replaying = file, threading.Lock(), False
        self.entries: list[dict[str, Any]] = []
        if file.exists():
            for line in file.read_text().splitlines():
                try:
                    self.entries.append(json.loads(line))
                except json.JSONDecodeError:
                    break

    def write(
        self, service: str, operation: str, account: str, region: str, params: dict[str, Any], at: datetime
    ) -> None:
        """Append one call."""
        if self._replaying:
            return
        entry = {
            "at": at.isoformat(),
            "service": service,
            "operation": operation,
            "account": account,
            "region": region,
            "resource": resource_of(params),
            "parameters": json.loads(json.dumps(params, default=str)),
        }
        with self._lock, self._file.open("a") as handle:
            handle.write(json.dumps(entry) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
            self.entries.append(entry)

    def replaying(self, on: bool) -> None:
        """While on, nothing is written."""
        self._replaying = on


def resource_of(params: dict[str, Any]) -> str:
    """The name that a call is about."""
    for key in (
        "EndpointName",
        "EndpointConfigName",
        "NotebookInstanceName",
        "MonitoringScheduleName",
        "ModelName",
        "ResourceId",
        "ResourceArn",
    ):
        if params.get(key):
            return str(params[key])
    return ""
