"""Alarms as they stand: configuration, state, history. No rule is applied here (see `alarm_evaluation.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

HISTORY_KEPT = timedelta(days=30)
"""CloudWatch keeps an alarm's history for 30 days (CloudWatch User Guide, common features of alarms)."""


@dataclass
class Alarm:
    """A metric or composite alarm. ``given`` holds what was put, by the API's names."""

    name: str
    arn: str
    given: dict[str, Any]
    configured: datetime
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str | None = None
    updated: datetime = field(init=False)
    transitioned: datetime = field(init=False)
    looked: float = field(init=False)
    """The second up to which it was evaluated."""
    forced: bool = False
    """SetAlarmState was called and no evaluation came since."""
    suppressed: str | None = None
    """Why a composite alarm does not act at present."""

    def __post_init__(self) -> None:
        self.updated = self.transitioned = self.configured
        self.looked = 0.0

    @property
    def composite(self) -> bool:
        """Whether it watches alarms, not a metric."""
        return "AlarmRule" in self.given

    @property
    def kind(self) -> str:
        """As AlarmType in requests."""
        return "CompositeAlarm" if self.composite else "MetricAlarm"


@dataclass(frozen=True)
class HistoryItem:
    """One line of an alarm's history."""

    name: str
    kind: str
    at: datetime
    what: str
    summary: str
    data: str


@dataclass
class AlarmBook:
    """All alarms of one account and region, and the history also of those that are gone."""

    alarms: dict[str, Alarm] = field(default_factory=dict)
    history: list[HistoryItem] = field(default_factory=list)

    def note(self, alarm: Alarm, at: datetime, what: str, summary: str, data: str) -> None:
        """Write one line of history; forget what is older than CloudWatch keeps."""
        self.history.append(HistoryItem(alarm.name, alarm.kind, at, what, summary[:255], data[:4095]))
        if len(self.history) % 1000 == 0:
            self.history = [item for item in self.history if item.at > at - HISTORY_KEPT]
