"""The standing orders for bills: report definitions and data exports of an account, and what was delivered on them.

Held in `Standing`, one field, in us-east-1: both services live there alone. When something is due is a function of the
order's name and the time it was given, so that a replayed account delivers at the same moments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

HOME = "us-east-1"
FIRST_WITHIN = (2, 20)
"""Hours until the first delivery: "within 24 hours" of the order (delivery of Data Exports)."""
EVERY = timedelta(hours=24)
"""At least once a day."""
TAKES = timedelta(minutes=11)
"""From the beginning of a run to its last file."""


@dataclass
class Run:
    """One delivery, or the try of it."""

    id: str
    at: datetime
    failed: str | None = None
    """None: delivered; MISSING or DENIED: why not."""

    @property
    def done(self) -> datetime:
        """When the last file is there."""
        return self.at + TAKES


@dataclass
class Order:
    """A report definition or an export, as it was given."""

    arn: str
    told: dict[str, Any]
    created: datetime
    changed: datetime
    tags: dict[str, str]
    runs: list[Run] = field(default_factory=list)
    states: dict[date, str] = field(default_factory=dict)
    """What each month looked like when it was last delivered."""

    def due(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The moments in (after, until] at which a run begins."""
        first = self._first()
        number = max(0, int((after - first) / EVERY) + 1 if after >= first else 0)
        while (moment := first + number * EVERY) <= until:
            yield moment
            number += 1

    def run_id(self, at: datetime) -> str:
        """A run's id: the same at the same moment of the same order."""
        return identity(self.arn, at.isoformat())

    def _first(self) -> datetime:
        low, high = FIRST_WITHIN
        minutes = int(identity(self.arn)[:6], 16) % ((high - low) * 60)
        return (self.created + timedelta(hours=low, minutes=minutes)).replace(microsecond=0)


@dataclass
class Orders:
    """Everything ordered by one account."""

    reports: dict[str, Order] = field(default_factory=dict)
    exports: dict[str, Order] = field(default_factory=dict)


def identity(*parts: str) -> str:
    """A name as a UUID of it."""
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], "4" + digest[13:16], "8" + digest[17:20], digest[20:32]))
