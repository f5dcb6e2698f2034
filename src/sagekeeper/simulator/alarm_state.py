"""Alarms as they stand: configuration, state, history. No rule is applied here (see `alarm_evaluation.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

HISTORY_KEPT = timedelta(days=30)
"""How long CloudWatch keeps an alarm's history (CloudWatch User Guide, alarm history)."""


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
    looked: int = 0
    """The second up to which a metric alarm was evaluated; 0: not yet."""
    stale: bool = True
    """A composite alarm that is new, or one of whose children changed since it was evaluated."""
    held_by: str | None = None
    """Why a composite alarm holds back its actions: ``Alarm``, ``WaitPeriod`` or ``ExtensionPeriod``."""
    due: datetime | None = None
    """When it stops to hold them back."""

    def __post_init__(self) -> None:
        self.updated = self.transitioned = self.configured

    @property
    def composite(self) -> bool:
        """Whether it watches alarms, not a metric."""
        return "AlarmRule" in self.given

    @property
    def kind(self) -> str:
        """As AlarmType in requests."""
        return "CompositeAlarm" if self.composite else "MetricAlarm"

    @property
    def actions(self) -> list[str]:
        """What its present state sets off."""
        member = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
        return list(self.given.get(member[self.state]) or [])


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
    next_look: float = 0.0
    """The second before which no alarm has anything to look at."""

    def note(self, alarm: Alarm, at: datetime, what: str, summary: str, data: str) -> None:
        """Write one line of history; forget what is older than CloudWatch keeps."""
        self.history.append(HistoryItem(alarm.name, alarm.kind, at, what, summary[:255], data[:4095]))
        if len(self.history) % 1000 == 0:
            self.history = [item for item in self.history if item.at > at - HISTORY_KEPT]
