"""What a feature group holds and what was asked of it: records online, bytes over time, units read and written.

In: puts, gets and deletes with their times. Out: the record that stands, the size of the online store at any time, the
units by operation, and rows that the offline store has not got yet. A write unit is a kilobyte begun, a read unit four
(docs of the throughput modes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

WRITE_BYTES, READ_BYTES = 1024, 4096
GIGABYTE = 1024**3
UNITS_OF_TTL = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86_400, "Weeks": 604_800}


class Row(NamedTuple):
    """A record in the online store; ``values`` None is a deletion that older records must not undo."""

    event: float
    values: dict[str, Any] | None
    size: int
    expires: datetime | None


class Asked(NamedTuple):
    """One call: when (seconds), which operation, units read and written, and whether capacity was provisioned then."""

    at: float
    operation: str
    read: float
    written: float
    provisioned: bool


class Late(NamedTuple):
    """A row on its way to the offline store."""

    at: datetime
    event: float
    values: dict[str, Any]
    deleted: bool


@dataclass
class FeatureBook:
    """One feature group's records and use."""

    rows: dict[str, Row] = field(default_factory=dict)
    sizes: list[tuple[float, float]] = field(default_factory=list)
    """(time, change in bytes) of the online store."""
    asked: list[Asked] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)

    def put(self, identity: str, row: Row, now: datetime) -> None:
        """The record stands online, unless a younger one does."""
        before = self.rows.get(identity)
        if before is not None and before.event > row.event:
            return
        if before is not None:
            self._forget(before, now)
        self.rows[identity] = row
        self.sizes.append((now.timestamp(), row.size))
        if row.expires is not None:
            self.sizes.append((row.expires.timestamp(), -row.size))

    def remove(self, identity: str, event: float, now: datetime, keep_mark: bool) -> None:
        """The record no longer stands; with ``keep_mark`` older ones stay out too."""
        before = self.rows.get(identity)
        if before is None or before.event <= event:
            if before is not None:
                self._forget(before, now)
                del self.rows[identity]
            if keep_mark:
                self.rows[identity] = Row(event, None, 0, None)

    def get(self, identity: str, now: datetime) -> Row | None:
        """The record that stands."""
        row = self.rows.get(identity)
        gone = row is None or row.values is None or (row.expires is not None and row.expires <= now)
        return None if gone else row

    def size(self, now: datetime) -> int:
        """Bytes in the online store."""
        return int(sum(change for at, change in self.sizes if at <= now.timestamp()))

    def empty(self, now: datetime) -> None:
        """The group is deleted."""
        for row in self.rows.values():
            self._forget(row, now)
        self.rows.clear()

    def gigabyte_seconds(self, moments: np.ndarray) -> np.ndarray:
        """What the online store has held until each moment, as gigabytes x seconds."""
        if not self.sizes:
            return np.zeros(len(moments))
        at, change = np.array(sorted(self.sizes)).T
        upto = np.searchsorted(at, moments, side="left")
        bytes_before = np.concatenate(([0.0], np.cumsum(change)))[upto]
        moments_before = np.concatenate(([0.0], np.cumsum(change * at)))[upto]
        held: np.ndarray = (moments * bytes_before - moments_before) / GIGABYTE
        return held

    def _forget(self, row: Row, now: datetime) -> None:
        if row.expires is None:
            self.sizes.append((now.timestamp(), -row.size))
        elif row.expires > now:
            self.sizes += [(now.timestamp(), -row.size), (row.expires.timestamp(), row.size)]


def size_of(values: dict[str, Any]) -> int:
    """Bytes of names and values."""
    return sum(len(str(name)) + len(str(value)) for name, value in values.items())


def units(size: int, step: int) -> float:
    """Units begun by a record of this size: one at least."""
    return float(max(1, -(-size // step)))


def lasting(ttl: dict[str, Any] | None) -> timedelta | None:
    """A time to live as a duration."""
    return timedelta(seconds=UNITS_OF_TTL[ttl["Unit"]] * ttl["Value"]) if ttl else None
