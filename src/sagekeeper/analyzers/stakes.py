"""The money of an incident: excess to date, a day, and of this calendar month projected to its end.

In: what was found (since when, how much so far, how much a day) and ``as_of``. Out: a `Stake`. The projection is arithmetic, no
forecast: what of the excess so far falls into the month, and the rest of its days at the level of the days it rests on.
"""

from __future__ import annotations

from datetime import date, datetime

from sagekeeper.core.clock import day_start, month_start, next_month
from sagekeeper.core.types import Money, Stake


def stake(
    as_of: datetime,
    since: date,
    excess: float,
    per_day: float,
    cause: str,
    because: str,
    planned: str | None = None,
    over: bool = False,
) -> Stake:
    """``excess`` and ``per_day`` in the bill's currency; ``over``: what cost it has ended, no day of it is to come."""
    today = as_of.date()
    month = month_start(today)
    so_far = max((today - since).days, 1)
    this_month = min(max((today - month).days, 0) / so_far, 1.0)
    to_come = 0 if over else (next_month(month) - today).days
    return Stake(
        cause=cause,
        because=because,
        since=day_start(since),
        excess=Money.of(excess).amount,
        per_day=Money.of(per_day).amount,
        month_excess=Money.of(excess * this_month + per_day * to_come).amount,
        planned=planned,
    )
