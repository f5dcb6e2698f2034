"""A resource with a name that is made, changed and deleted while time passes: what it is like, in which state, at a moment.

States that end by themselves (Pending, Updating, Deleting) are computed from times, never by threads. What has gone is
kept too: the bill remembers it. Studio, notebooks, feature groups and MLflow servers are built of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from sagekeeper.simulator.lives import FOREVER

Key = tuple[str, ...]


class Stay(NamedTuple):
    """It was like ``about`` from ``start`` to ``stop``."""

    start: datetime
    stop: datetime
    about: dict[str, Any]


@dataclass
class Thing:
    """One life of a resource. ``doing`` lasts until ``ready``, then it is ``settled``; "" settled means gone."""

    key: Key
    arn: str
    created: datetime
    doing: str
    ready: datetime
    settled: str
    history: list[tuple[datetime, dict[str, Any]]]
    modified: datetime
    tags: dict[str, str] = field(default_factory=dict)
    runs: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    """When it ran, for what is started and stopped: None while nobody has stopped it."""

    @property
    def about(self) -> dict[str, Any]:
        """What it is like now."""
        return self.history[-1][1]

    def status(self, now: datetime) -> str:
        """Its state at a moment; "" when it is gone."""
        return self.doing if now < self.ready else self.settled

    def gone(self, now: datetime) -> bool:
        """Whether its deletion is over."""
        return not self.settled and now >= self.ready

    def begin(self, doing: str, settled: str, now: datetime, seconds: float) -> None:
        """It starts to become ``settled``."""
        self.doing, self.settled, self.ready, self.modified = doing, settled, now + timedelta(seconds=seconds), now

    def change(self, now: datetime, **members: Any) -> None:
        """It is like this from now on; members that are None are no longer there."""
        about = {key: value for key, value in (self.about | members).items() if value is not None}
        self.history.append((now, about))

    def stays(self) -> list[Stay]:
        """What it was like, from creation to the moment its deletion was asked for."""
        end = FOREVER if self.settled else self.modified
        moments = [*(max(at, self.created) for at, _ in self.history), end]
        return [
            Stay(start, stop, about) for (start, stop), (_, about) in zip(pairwise(moments), self.history, strict=True)
        ]


@dataclass
class Shelf:
    """All things of one kind in an account and region."""

    lives: dict[Key, list[Thing]] = field(default_factory=dict)

    def get(self, now: datetime, *key: str) -> Thing | None:
        """The one that stands under this key."""
        lives = self.lives.get(key)
        return lives[-1] if lives and not lives[-1].gone(now) else None

    def put(self, thing: Thing) -> None:
        """A new life under its key."""
        self.lives.setdefault(thing.key, []).append(thing)

    def standing(self, now: datetime) -> list[Thing]:
        """All that are there, oldest first."""
        there = [lives[-1] for lives in self.lives.values() if not lives[-1].gone(now)]
        return sorted(there, key=lambda thing: (thing.created, thing.key))

    def ever(self) -> Iterator[Thing]:
        """All that ever were."""
        for lives in self.lives.values():
            yield from lives


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Settings with what an update names put in their place, at any depth."""
    both = dict(old)
    for key, value in new.items():
        both[key] = merged(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
    return both


def token(*told: str, length: int = 12) -> str:
    """An identifier of small letters and digits, always the same for the same words."""
    number = int(hashlib.sha256("/".join(told).encode()).hexdigest(), 16)
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    found = ""
    while len(found) < length:
        number, rest = divmod(number, len(digits))
        found += digits[rest]
    return found


def spans(thing: Thing) -> Iterator[Stay]:
    """What it was like while it ran: its runs, cut where it was changed."""
    for begun, ended in thing.runs:
        until = ended or FOREVER
        for start, stop, about in thing.stays():
            if max(start, begun) < min(stop, until):
                yield Stay(max(start, begun), min(stop, until), about)
