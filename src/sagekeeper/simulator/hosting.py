"""What the hosting side of one account and region remembers besides its endpoints: the requests that come, faults,
quotas, shortages of capacity, inference components, and what was invoked through the runtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

GPU_FAMILIES = ("g4dn", "g5", "g6", "g6e", "gr6", "g7e", "inf1", "inf2")
SCARCE_FAMILIES = ("p2", "p3", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "trn1", "trn1n", "trn2")
QUOTAS = {"plain": 200, "gpu": 50, "scarce": 8}
"""Instances of a type for endpoint usage. An account of a company that has asked for more; a new one starts lower."""
ALWAYS = datetime.min.replace(tzinfo=UTC)


@dataclass
class Traffic:
    """Requests an endpoint gets and what they do to its instances. Rates are per hour at the daily mean."""

    per_hour: float = 0.0
    daily_swing: float = 0.6
    weekend_share: float = 0.6
    until: datetime | None = None
    model_latency_us: float = 25_000.0
    cpu_share_per_1000: float = 1.5
    """Busy vCPUs per 1,000 requests an hour."""
    gpu_share_per_1000: float = 0.0
    base_cpu_percent: float = 1.0
    memory_mib: float = 1_400.0
    gpu_memory_mib: float = 0.0
    error_rate: float = 0.0002
    seasons: list[tuple[datetime, datetime]] | None = None
    """Where given, requests come in these spans only, from whole hour to whole hour."""


class Fault(NamedTuple):
    """The health of an endpoint falls at ``since``; a kind ending in ``_after_update`` waits for the first update after
    it, and ends with the next."""

    kind: str
    since: datetime


class Copies(NamedTuple):
    """An inference component was given another number of copies."""

    at: datetime
    wanted: int
    placed: int


@dataclass
class Component:
    """An inference component: what it asks of an endpoint's instances, and its copies over time."""

    name: str
    endpoint: str
    variant: str
    told: dict[str, Any]
    created: datetime
    modified: datetime
    ready: datetime
    copies: list[Copies] = field(default_factory=list)
    deleted: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def count(self, at: datetime) -> Copies:
        """Copies wanted and placed at a moment."""
        return next((item for item in reversed(self.copies) if item.at <= at), Copies(at, 0, 0))


class Shortage(NamedTuple):
    """AWS has no instances of a type for a stretch of time."""

    kind: str
    since: datetime
    until: datetime


class Invoked(NamedTuple):
    """What the runtime's clients did to one variant in one minute."""

    requests: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latency_us: float = 0.0
    overhead_us: float = 0.0
    seconds: float = 0.0
    cold: int = 0

    def plus(self, more: Invoked) -> Invoked:
        """Both together."""
        return Invoked(
            self.requests + more.requests,
            self.client_errors + more.client_errors,
            self.server_errors + more.server_errors,
            self.latency_us + more.latency_us,
            self.overhead_us + more.overhead_us,
            self.seconds + more.seconds,
            self.cold + more.cold,
        )


class Waiting(NamedTuple):
    """An asynchronous request of the runtime: its endpoint, and the answer that will lie in S3."""

    endpoint: str
    at: datetime
    where: str
    answer: bytes


@dataclass
class Hosting:
    """One account's and region's."""

    earlier: dict[str, list[tuple[datetime, Traffic]]] = field(default_factory=dict)
    """Traffic that an endpoint had before, each with the moment until which it had it."""
    quotas: dict[str, int] = field(default_factory=dict)
    short: dict[str, datetime] = field(default_factory=dict)
    """Instance types that AWS has no more of, and since when."""
    shortages: list[Shortage] = field(default_factory=list)
    """The same, where the end is known too (incident ``capacity_shortage``)."""
    under_way: set[str] = field(default_factory=set)
    """Endpoints whose update has to be looked at as time passes."""
    components: dict[str, list[Component]] = field(default_factory=dict)
    invoked: dict[tuple[str, str], dict[int, Invoked]] = field(default_factory=dict)
    """By endpoint and variant (or ``component:NAME``), by minute since 1970."""
    waiting: list[Waiting] = field(default_factory=list)
    """Asynchronous requests for which there was no instance yet."""
    loaded: dict[str, dict[str, datetime]] = field(default_factory=dict)
    """By endpoint: which models were asked for, and when last."""

    def quota(self, kind: str) -> int:
        """How many instances of a type may stand on endpoints."""
        return self.quotas.get(kind, usual_quota(kind))

    def component(self, name: str) -> Component | None:
        """The inference component of that name that stands now."""
        lives = self.components.get(name)
        return lives[-1] if lives and lives[-1].deleted is None else None

    def standing_components(self) -> Iterator[Component]:
        """All inference components that stand now."""
        return (lives[-1] for lives in self.components.values() if lives and lives[-1].deleted is None)

    def windows(self, name: str, present: Traffic) -> list[tuple[datetime, datetime | None, Traffic]]:
        """Which traffic an endpoint had from when to when."""
        found, begin = [], ALWAYS
        for until, profile in self.earlier.get(name, []):
            found.append((begin, until, profile))
            begin = until
        return [*found, (begin, None, present)]


def usual_quota(kind: str) -> int:
    """How many instances of a type an account may have at once."""
    family = kind.split(".")[1] if kind.count(".") == 2 else ""
    usual = "gpu" if family in GPU_FAMILIES else "scarce" if family in SCARCE_FAMILIES else "plain"
    return QUOTAS[usual]


def memory_gb(variant: dict[str, Any]) -> int:
    """Memory of a serverless variant; 0 for one on instances."""
    wish = variant.get("ServerlessConfig")
    return max(1, int(wish["MemorySizeInMB"]) // 1024) if wish else 0
