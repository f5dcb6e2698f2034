"""SageMaker's neighbours on the bill: what stands in moto's services, and what was asked of them, over time.

After every changing request the service's state is looked at (`observe`); what has come since is billed from then on, what
has gone no longer. What requests cost by themselves is added as they come (`add`). Which services: `neighbour_kinds.py`
and `request_counts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from sagekeeper.simulator.charges import DAY, HOUR, Daily, Run, _span, _tags
from sagekeeper.simulator.neighbour_kinds import SERVICES, Counted, Hourly
from sagekeeper.simulator.world import FOREVER, Standing


def observe(here: Standing, service: str, now: datetime) -> None:
    """Look at a service after a change: begin and end what is billed there."""
    if service not in SERVICES:
        return
    books, there = here.work.neighbours, set()
    for found in SERVICES[service](here.account, here.region, now):
        entry = books.setdefault((found.arn, found.usage_type), Entry(service))
        there.add((found.arn, found.usage_type))
        if isinstance(found, Counted):
            entry.count(found, now)
        else:
            entry.stand(found, now)
    for key, entry in books.items():
        if entry.of == service and key not in there:
            entry.end(now)
    here.version += 1


def stand(here: Standing, found: Hourly, now: datetime) -> None:
    """One thing that costs this by the hour from now on; 0 an hour ends it."""
    here.work.neighbours.setdefault((found.arn, found.usage_type), Entry("looked at")).stand(found, now)


def add(here: Standing, found: Counted, amount: float, now: datetime) -> None:
    """So much more of something, at this moment. It is of an open day: what is kept of closed ones stays as it is."""
    here.work.neighbours.setdefault((found.arn, found.usage_type), Entry("requests")).add(found, amount, now)


class Entry:
    """One line of a neighbour's bill over time."""

    def __init__(self, of: str) -> None:
        self.of = of
        self.stays: list[tuple[datetime, datetime | None, Hourly]] = []
        self.counts: list[tuple[float, float]] = []
        self.counted: Counted | None = None

    def stand(self, found: Hourly, now: datetime) -> None:
        """It costs this from now on."""
        if self.stays and self.stays[-1][1] is None:
            begun, _, before = self.stays[-1]
            if before == found:
                return
            self.stays[-1] = (begun, now, before)
        if found.until is None:
            self.stays.append((now, None, found))
        elif not self.stays:
            self.stays.append((now, found.until, found))

    def count(self, found: Counted, now: datetime) -> None:
        """So much there has been by now."""
        new = found.total - (self.counted.total if self.counted else 0.0)
        self.counted = found
        if new > 0:
            self.counts.append((now.timestamp(), new))

    def add(self, found: Counted, amount: float, now: datetime) -> None:
        """So much more; what comes in one hour is one number."""
        self.counted, at = found, now.timestamp()
        if self.counts and self.counts[-1][0] // HOUR == at // HOUR:
            at, amount = self.counts[-1][0], self.counts.pop()[1] + amount
        self.counts.append((at, amount))

    def end(self, now: datetime) -> None:
        """It is there no longer."""
        if self.stays and self.stays[-1][1] is None:
            self.stays[-1] = (self.stays[-1][0], now, self.stays[-1][2])
        if self.counted is not None:
            self.counted = self.counted._replace(total=0.0)


def runs(here: Standing) -> Iterator[Run]:
    """What stands, and stood."""
    for entry in here.work.neighbours.values():
        for start, stop, cost in entry.stays:
            told = (
                cost.usage_type,
                cost.operation,
                cost.arn,
                _tags(here, cost.arn),
                cost.per_hour,
                cost.price,
                cost.service,
            )
            yield Run(*_span(start, stop or FOREVER), *told, spot=cost.spot)


def daily(here: Standing, begin: datetime, end: datetime) -> Iterator[Daily]:
    """What was counted, by the day."""
    for entry in here.work.neighbours.values():
        found = entry.counted
        if found is None or not entry.counts:
            continue
        at, quantity = np.array(entry.counts).T
        there = (at >= begin.timestamp()) & (at < end.timestamp())
        if there.any():
            number = (at[there] // DAY).astype(int)
            sums = np.bincount(number - number.min(), quantity[there])
            told = found.service, found.usage_type, found.operation
            yield Daily(int(number.min()), sums, *told, found.arn or None, _tags(here, found.arn), found.price)
