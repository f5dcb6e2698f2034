"""Dynamic labels: what ``${...}`` in a label of GetMetricData becomes.

In: a label, the points found, the metric and the time zone of the request's LabelOptions. Out: the text (CloudWatch User
Guide, dynamic labels). A variable that does not exist stays as it is written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import numpy as np

from sagekeeper.simulator.metric_lines import Line

VARIABLE = re.compile(r"\$\{\s*(?:PROP\(\s*'(?P<property>[^']+)'\s*\)|(?P<name>[A-Z_]+))\s*\}")
ZONE = re.compile(r"([+-])(\d{2})(\d{2})")


def filled(label: str, default: str, line: Line, properties: dict[str, str], zone: str | None, now: datetime) -> str:
    """The label with every variable replaced."""
    if "${" not in label:
        return label
    times = _Times(line, zone, now)

    def value(match: re.Match[str]) -> str:
        if match["property"] is not None:
            return properties.get(match["property"], match[0])
        name = match["name"]
        if name == "LABEL":
            return default
        if name == "DATAPOINT_COUNT":
            return str(len(line.values))
        known = name in NUMBERS or times.knows(name)
        if not known:
            return match[0]
        if not len(line.values):
            return "--"
        return _number(NUMBERS[name](line.values)) if name in NUMBERS else times.text(name)

    return VARIABLE.sub(value, label)


NUMBERS = {
    "AVG": lambda found: float(np.mean(found)),
    "SUM": lambda found: float(np.sum(found)),
    "MIN": lambda found: float(np.min(found)),
    "MAX": lambda found: float(np.max(found)),
    "FIRST": lambda found: float(found[0]),
    "LAST": lambda found: float(found[-1]),
    "MIN_MAX_RANGE": lambda found: float(np.max(found) - np.min(found)),
    "FIRST_LAST_RANGE": lambda found: float(found[-1] - found[0]),
}
PLACES = {
    "FIRST": lambda _: 0,
    "LAST": lambda _: -1,
    "MIN": lambda found: int(np.argmin(found)),
    "MAX": lambda found: int(np.argmax(found)),
}


class _Times:
    """Variables that are a time or a distance in time."""

    def __init__(self, line: Line, zone: str | None, now: datetime) -> None:
        self._line, self._now, self._zone = line, now, _zone(zone)

    def knows(self, name: str) -> bool:
        whole = name in ("MIN_MAX_TIME_RANGE", "FIRST_LAST_TIME_RANGE")
        return whole or (name.removesuffix("_RELATIVE").removesuffix("_TIME") in PLACES and "_TIME" in name)

    def text(self, name: str) -> str:
        if name.endswith("_RANGE"):
            one, other = name.removesuffix("_TIME_RANGE").split("_")
            return _distance(abs(self._moment(one) - self._moment(other)))
        moment = self._moment(name.split("_")[0])
        if name.endswith("_RELATIVE"):
            return _distance(abs(self._now - moment))
        return moment.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S UTC%z").removesuffix("+0000")

    def _moment(self, place: str) -> datetime:
        return datetime.fromtimestamp(int(self._line.epochs[PLACES[place](self._line.values)]), UTC)


def _zone(given: str | None) -> timezone:
    match = ZONE.fullmatch(given or "")
    if match is None:
        return timezone(timedelta(0))
    distance = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(distance if match[1] == "+" else -distance)


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"


def _distance(found: timedelta) -> str:
    seconds = int(found.total_seconds())
    parts = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    made = []
    for size, letter in parts:
        if seconds >= size:
            made.append(f"{seconds // size}{letter}")
            seconds %= size
    return " ".join(made) or "0s"
