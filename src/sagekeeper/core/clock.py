"""Time as a value: the shell asks a clock once and passes ``as_of`` down; nothing below reads the time itself."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's time, UTC."""
    return datetime.now(UTC)


def http_clock(url: str, timeout_s: float = 5.0) -> Clock:
    """A clock that asks ``url`` for ``{"now": "<ISO 8601>"}``: the simulated account's own time."""

    def now() -> datetime:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 (address comes from the settings)
            return datetime.fromisoformat(json.load(answer)["now"]).astimezone(UTC)

    return now


def day_start(day: date) -> datetime:
    """Midnight UTC at the start of ``day``."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def month_start(day: date) -> date:
    """First day of the month of ``day``."""
    return day.replace(day=1)


def next_month(day: date) -> date:
    """First day of the month after that of ``day``."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


CLOSING_DAYS = 10
"""Until this day of a month AWS still closes the month before: tax, credits and refunds arrive, dated back."""


def closed_on(month: date) -> date:
    """The day from which the bill of a month is closed, and what moves is a restatement."""
    return next_month(month).replace(day=CLOSING_DAYS)
