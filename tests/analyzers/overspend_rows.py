"""Daily costs and events written short, for the tests of overspend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl

from sagekeeper.analyzers.facts import EVENTS
from sagekeeper.analyzers.overspend import Settings, find
from sagekeeper.core.types import Finding

LAST = date(2026, 11, 19)  # AS_OF is 20 November, 08:00: final up to 17 November
STEP = datetime(2026, 11, 10, 14, 10, tzinfo=UTC)  # a Tuesday; costs are higher from the next day on


def days(
    rows: SimpleNamespace, name: str | None, cost: Callable[[date], float], length: int = 70, **more: Any
) -> list[dict[str, Any]]:
    """Daily costs up to yesterday; a zero is no row."""
    calendar = [LAST - timedelta(days=length - 1 - n) for n in range(length)]
    nameless = {} if name else {"resource_kind": None, "resource_arn": None, "attribution": "unattributed"}
    return [rows.daily(name, day, cost(day), **(nameless | more)) for day in calendar if cost(day)]


def told(rows: SimpleNamespace, *costs: dict[str, Any]) -> list[Finding]:
    """The findings."""
    return find(rows.facts(daily_costs=list(costs)), Settings())


def steady(level: float) -> Callable[[date], float]:
    """The same every day, with a small wobble."""
    return lambda day: level * (1 + 0.02 * ((day.toordinal() * 7919) % 11 - 5) / 5)


def event(kind: str, name: str, at: datetime, **more: Any) -> dict[str, Any]:
    """Something done to an endpoint."""
    blank = dict.fromkeys(EVENTS)
    here = {"account": "123456789012", "region": "us-east-1", "resource_kind": "endpoint", "exact": True}
    return blank | here | {"kind": kind, "name": name, "at": at} | more


def told_with(rows: SimpleNamespace, done: list[dict[str, Any]], *costs: dict[str, Any], **facts: Any) -> list[Finding]:
    """The findings where something was done."""
    known = rows.facts(daily_costs=list(costs), **facts)
    return find(replace(known, events=pl.DataFrame(done, schema=EVENTS)), Settings())


def new(rows: SimpleNamespace, name: str, cost: float, since: date = date(2026, 11, 11)) -> list[dict[str, Any]]:
    return days(rows, name, lambda day: cost if day >= since else 0.0)


def made(name: str, **more: Any) -> dict[str, Any]:
    return event("created", name, STEP + timedelta(hours=12), after="1 x ml.g5.2xlarge", **more)
