"""What CloudWatch holds in one account and Region beside the world's own metrics: what clients put, alarms, dashboards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from sagekeeper.simulator.alarm_state import AlarmBook
from sagekeeper.simulator.metric_store import Key, MetricStore


class Dashboard(NamedTuple):
    """A dashboard as it was put."""

    body: str
    modified: datetime


@dataclass
class Watch:
    """CloudWatch's state of one account and Region."""

    store: MetricStore = field(default_factory=MetricStore)
    rolled_up: date | None = None
    """The day on which retention was last applied to the store."""
    alarms: AlarmBook = field(default_factory=AlarmBook)
    dashboards: dict[str, Dashboard] = field(default_factory=dict)
    """Of the whole account: kept in its first Region."""
    listed: list[Key] = field(default_factory=list)
    """The world's metrics that had data lately, as they were at ``listed_at``."""
    listed_at: tuple[int, int, bool] | None = None
