"""What CloudWatch holds in one account and region beside the world's own metrics: what clients put, and alarms."""

from __future__ import annotations

from dataclasses import dataclass, field

from sagekeeper.simulator.alarm_state import AlarmBook
from sagekeeper.simulator.metric_store import Key, MetricStore


@dataclass
class Watch:
    """CloudWatch's state of one account and region."""

    store: MetricStore = field(default_factory=MetricStore)
    alarms: AlarmBook = field(default_factory=AlarmBook)
    listed: list[Key] = field(default_factory=list)
    """The world's metrics that had data lately, as they were at ``listed_at``."""
    listed_at: tuple[int, int, bool] | None = None
