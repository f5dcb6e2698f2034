"""When a scheduled action runs next: ``at(...)``, ``rate(...)`` and ``cron(...)`` as Application Auto Scaling reads them.

In: the expression, its time zone and a moment. Out: the first run after that moment. A cron expression has six fields
(minutes, hours, day of month, month, day of week, year); days of the week count from Sunday, 1.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
FIELDS = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, MONTHS), (1, 7, DAYS), (1970, 2199, ()))
LOOKED_AHEAD = 1500
"""Days: more than four years, so that a 29 February is found."""


def next_run(schedule: str, zone: str | None, start: datetime, after: datetime) -> datetime | None:
    """The first run after a moment; None when there is none. ``start`` is what rates count from. Raises ValueError."""
    found = re.fullmatch(r"(at|rate|cron)\((.*)\)", schedule.strip())
    if found is None:
        raise ValueError(f"{schedule} is neither at(), rate() nor cron().")
    kind, inner = found[1], found[2].strip()
    if kind == "rate":
        return _rate(inner, start, after)
    try:
        local = ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as unknown:
        raise ValueError(f"There is no time zone {zone}.") from unknown
    if kind == "at":
        moment = datetime.fromisoformat(inner).replace(tzinfo=local).astimezone(UTC)
        return moment if moment > after else None
    return _cron(inner, local, after)


def _rate(inner: str, start: datetime, after: datetime) -> datetime:
    found = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", inner)
    if found is None:
        raise ValueError(f"rate({inner}) is not a number of minutes, hours or days.")
    step = timedelta(**{f"{found[2]}s": int(found[1])})
    past = (after - start) // step
    return start + step * (max(past, 0) + 1)


def _cron(inner: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    fields = inner.upper().split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"cron({inner}) has not six fields.")
    if "?" not in (fields[2], fields[4]):
        raise ValueError(f"cron({inner}): one of day of month and day of week must be ?.")
    minutes, hours, days, months, weekdays, years = (
        _numbers(text, *about) for text, about in zip(fields, FIELDS, strict=True)
    )
    first = after.astimezone(zone).date()
    for ahead in range(LOOKED_AHEAD):
        day = first + timedelta(days=ahead)
        weekday = (day.weekday() + 1) % 7 + 1
        if day.day in days and day.month in months and weekday in weekdays and day.year in years:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
                    if moment > after:
                        return moment
    return None


def _numbers(text: str, low: int, high: int, names: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            one, _, two = span.partition("-")
            begin = _number(one, low, names)
            end = _number(two, low, names) if two else (high if step else begin)
        if not low <= begin <= end <= high or (step and not step.isdigit()):
            raise ValueError(f"{part} is not between {low} and {high}.")
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + low
    if not text.isdigit():
        raise ValueError(f"{text} is not understood in a cron expression.")
    return int(text)
