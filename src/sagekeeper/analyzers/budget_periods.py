"""The period of a budget that a day is in, and what may be spent in it.

In: time unit (AWS Budgets' own words), start and end of a custom one, planned limits. Out: a `Period`. Quarters and years are the
calendar's, as in AWS Budgets (aws-facts 3.1). A planned limit holds from its start until the next one begins; before the first,
and for a period that is over, there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

Unit = Literal["DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM"]
UNITS: tuple[Unit, ...] = ("DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM")
MONTHS = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUALLY": 12}


@dataclass(frozen=True)
class Period:
    """``first`` to ``last``, both included."""

    unit: Unit
    first: date
    last: date

    @property
    def words(self) -> str:
        """As people say it.

        >>> Period("QUARTERLY", date(2026, 10, 1), date(2026, 12, 31)).words
        'Q4 2026'
        """
        if self.unit == "MONTHLY":
            return f"{self.first:%B}"
        if self.unit == "QUARTERLY":
            return f"Q{(self.first.month + 2) // 3} {self.first.year}"
        if self.unit == "ANNUALLY":
            return f"{self.first.year}"
        if self.unit == "DAILY":
            return f"{self.first:%-d %B}"
        return f"{self.first:%-d %b %Y} to {self.last:%-d %b %Y}"

    @property
    def is_month(self) -> bool:
        """Whether it is one calendar month."""
        return self.first.day == 1 and (self.last + timedelta(days=1)).day == 1 and self.first.month == self.last.month


def period_of(unit: Unit, day: date, first: date | None = None, last: date | None = None) -> Period:
    """The period that ``day`` is in; of a custom one ``first`` to ``last``, wherever the day is. Raises ValueError without them.

    >>> period_of("ANNUALLY", date(2026, 11, 20)).last
    datetime.date(2026, 12, 31)
    """
    if unit == "CUSTOM":
        if first is None or last is None or last < first:
            raise ValueError("A custom budget needs a first and a last day, in that order.")
        return Period(unit, first, last)
    if unit == "DAILY":
        return Period(unit, day, day)
    months = MONTHS[unit]
    begin = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    following = begin.month - 1 + months
    after = date(begin.year + following // 12, following % 12 + 1, 1)
    return Period(unit, begin, after - timedelta(days=1))


def planned_limit(planned: dict[date, Decimal], period: Period) -> Decimal | None:
    """What was planned for the period; None before the first planned one.

    >>> planned_limit({date(2026, 10, 1): Decimal(5), date(2026, 11, 1): Decimal(7)}, period_of("MONTHLY", date(2026, 11, 9)))
    Decimal('7')
    """
    begun = [start for start in planned if start <= period.first]
    return planned[max(begun)] if begun else None
