"""What people have set in Cost Explorer of one account: opt-ins, cost allocation tags, cost categories, anomaly monitors.

Held in `Standing.explorer` of the account's us-east-1 (Cost Explorer has one endpoint). What is the organisation's
(opt-ins, tags, categories) is read from the paying account's. Changed by the `cost_explorer_*` operations only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

CURRENT = date.max


@dataclass
class TagKey:
    """A tag key on the bill: the days it shows [from, until), and when it was last changed. ``until`` CURRENT: still active."""

    shown: list[tuple[date, date]] = field(default_factory=list)
    updated: datetime | None = None

    @property
    def active(self) -> bool:
        """Whether lines of today on show it."""
        return bool(self.shown) and self.shown[-1][1] == CURRENT


@dataclass
class CategoryVersion:
    """The rules of a cost category from a month on."""

    effective: date
    written: datetime
    rules: list[dict[str, Any]]
    default: str | None
    split: list[dict[str, Any]]


@dataclass
class Category:
    """A cost category: its versions, newest last."""

    arn: str
    name: str
    versions: list[CategoryVersion]


@dataclass
class Explorer:
    """All of it."""

    hourly: bool = False
    """Hours are an opt-in at AWS, made in the console and paid for: the world's ``explorer`` setting."""
    resources: bool = True
    multi_year: bool = False
    tag_keys: dict[str, TagKey] = field(default_factory=dict)
    backfills: list[dict[str, Any]] = field(default_factory=list)
    categories: dict[str, Category] = field(default_factory=dict)
    monitors: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    feedback: dict[str, str] = field(default_factory=dict)
    generations: list[dict[str, Any]] = field(default_factory=list)
    resource_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: int = 0
    """Moves with every change of tags and categories: what was computed with them is then stale."""
    made: int = 0
    """How many things were created: a name in their identifiers."""
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
    """Computed answers that hold until the hour or the world changes (`cost_explorer_lines.py`)."""
