"""Which period a request to Cost Explorer asks for, and AWS's refusals of periods that it does not answer.

In: ``TimePeriod`` and ``Granularity`` (Start included, End not). Out: `Period`. The rules are AWS's: 14 months back, 38
months by the month where multi-year data is enabled, 14 days by the hour or by resource, an end no later than the first
of next month (aws-facts 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from sagekeeper.simulator.explorer_state import Explorer
from sagekeeper.simulator.operations import Ask, Refused

HISTORY_MONTHS, MULTI_YEAR_MONTHS, FINE_DAYS = 14, 38, 14
HOUR_FORMAT, DAY_FORMAT = "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"
LONG_ENOUGH = len("2026-11-20T08:00:00Z")


@dataclass(frozen=True)
class Period:
    """[start, end), and its pieces by granularity."""

    start: datetime
    end: datetime
    granularity: str

    @property
    def first(self) -> date:
        return self.start.date()

    @property
    def last(self) -> date:
        """The last day of which anything is in the period."""
        return (self.end - timedelta(seconds=1)).date()

    def pieces(self) -> list[tuple[datetime, datetime]]:
        """The periods of the answer, in order: months are cut to what was asked for."""
        if self.granularity == "MONTHLY":
            marks, mark = [self.start], next_month(self.start)
            while mark < self.end:
                marks.append(mark)
                mark = next_month(mark)
            return list(pairwise([*marks, self.end]))
        step = timedelta(hours=1) if self.granularity == "HOURLY" else timedelta(days=1)
        count = (self.end - self.start) // step
        return [(self.start + n * step, self.start + (n + 1) * step) for n in range(count)]

    def written(self, moment: datetime) -> str:
        """A moment as the answer writes it."""
        return moment.strftime(HOUR_FORMAT if self.granularity == "HOURLY" else DAY_FORMAT)


def period(ask: Ask, explorer: Explorer, granularity: str | None = None, *, resources: bool = False) -> Period:
    """What the request asks for, or AWS's refusal."""
    kind = granularity or str(ask.params.get("Granularity") or "MONTHLY")
    asked = ask.params["TimePeriod"]
    start, end = (moment(asked[key], hours=kind == "HOURLY") for key in ("Start", "End"))
    found = Period(start, end, kind)
    if start >= end:
        raise Refused("ValidationException", "Start date (and hour) should be before end date (and hour)")
    if kind == "HOURLY" and not explorer.hourly:
        raise Refused(
            "DataUnavailableException",
            "Hourly data is not available. Enable hourly granularity in the Cost Explorer preferences of the "
            "management account.",
        )
    if resources and not explorer.resources:
        raise Refused(
            "DataUnavailableException",
            "Resource level data is not available. Enable it in the Cost Explorer preferences of the management account.",
        )
    _not_beyond(found, ask.now, explorer, fine=resources or kind == "HOURLY")
    if start > ask.now:
        raise Refused("ValidationException", "Start date cannot be after today")
    if end > next_month(ask.now):
        raise Refused("ValidationException", "end date past the beginning of next month")
    return found


def moment(text: str, *, hours: bool) -> datetime:
    """A date of a request, with the hour where hours are asked for."""
    if hours != (len(text) == LONG_ENOUGH):
        if hours:
            raise Refused(
                "ValidationException", "Hourly granularity requires the time period in the format yyyy-MM-ddTHH:mm:ssZ"
            )
        raise Refused("ValidationException", "Hourly timePeriod is not supported for this request")
    try:
        found = datetime.strptime(text, HOUR_FORMAT if hours else DAY_FORMAT).replace(tzinfo=UTC)
    except ValueError as wrong:
        raise Refused("ValidationException", f"Invalid date: {text}") from wrong
    return found.replace(minute=0, second=0) if hours else found


def next_month(at: datetime) -> datetime:
    """Midnight of the first of the next month."""
    midnight = at.replace(day=28, hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=4)).replace(day=1)


def months_before(at: datetime, months: int) -> datetime:
    """Midnight of the first of the month so many months ago."""
    count = at.year * 12 + at.month - 1 - months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


def _not_beyond(found: Period, now: datetime, explorer: Explorer, *, fine: bool) -> None:
    if fine:
        if found.start < now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=FINE_DAYS):
            raise Refused(
                "ValidationException",
                "Start date is more than 14 days ago for hourly granularity. Please adjust start date as we support "
                "only 14 days of data at hourly granularity.",
            )
        return
    if found.start >= months_before(now, HISTORY_MONTHS):
        return
    if not explorer.multi_year or found.start < months_before(now, MULTI_YEAR_MONTHS):
        beyond = MULTI_YEAR_MONTHS if explorer.multi_year else HISTORY_MONTHS
        raise Refused("ValidationException", f"You haven't enabled historical data beyond {beyond} months.")
    if found.granularity != "MONTHLY":
        raise Refused("ValidationException", "Multi-year data is only available at monthly granularity.")
    if found.start.day != 1:
        raise Refused(
            "ValidationException",
            "To retrieve data beyond the past 14 months, your start date needs to be the first day of the month.",
        )
