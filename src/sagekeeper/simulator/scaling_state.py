"""What Application Auto Scaling keeps in one account and region: targets, policies, scheduled actions, activities."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

NEVER = datetime.min.replace(tzinfo=UTC)


class Place(NamedTuple):
    """What is scaled: service, resource and dimension."""

    service: str
    resource: str
    dimension: str


@dataclass
class Target:
    """A scalable target."""

    place: Place
    arn: str
    least: int
    most: int
    role: str
    created: datetime
    looked: datetime
    """Up to when policies and schedules were followed."""
    suspended: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    last_out: datetime = NEVER
    last_in: datetime = NEVER


@dataclass
class Policy:
    """A scaling policy, with the alarms that Application Auto Scaling made for it."""

    name: str
    place: Place
    arn: str
    kind: str
    config: dict[str, Any]
    created: datetime
    alarms: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Action:
    """A scheduled action."""

    name: str
    place: Place
    arn: str
    told: dict[str, Any]
    created: datetime
    ran: datetime = NEVER


@dataclass
class Scaling:
    """All of it."""

    targets: dict[Place, Target] = field(default_factory=dict)
    policies: dict[tuple[Place, str], Policy] = field(default_factory=dict)
    actions: dict[tuple[Place, str], Action] = field(default_factory=dict)
    activities: list[dict[str, Any]] = field(default_factory=list)
