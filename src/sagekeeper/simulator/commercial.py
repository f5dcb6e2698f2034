"""The organisation's commercial terms with AWS: credits, refunds, private discounts, corrections of closed bills, tax.

They lie in `World.commercial`; Savings Plans lie with the accounts that bought them (`commitments.py`). What they do to
a bill is in `adjustments.py`. All amounts are positive dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

Discounting = Literal["PrivateRateDiscount", "EdpDiscount", "BundledDiscount"]
TAX_RATE = 0.05
CREDIT_A_MONTH, CREDIT_DAY, CREDIT_LASTS = 150.0, 5, timedelta(days=180)
"""The promotional credit of the built-in worlds: what, on which day of each month, and for how long it can be used."""


@dataclass(frozen=True)
class Credit:
    """``amount`` to be used from ``begins`` on, until the day before ``expires``; the rest is then lost.

    It pays the owner's charges first, then the organisation's (credit sharing is on), of these services alone; none
    named means all.
    """

    name: str
    amount: float
    begins: date
    expires: date
    account: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refund:
    """Money back for a day's charge, on the bill of that day's month from ``posted`` on (aws-facts 4.4)."""

    account: str
    service: str
    amount: float
    day: date
    posted: datetime
    reason: str = "Service credit for the SLA"


@dataclass(frozen=True)
class Correction:
    """Usage of some days turns out to cost ``factor`` times what was billed: from ``posted`` on, in their own months."""

    usage_type: str
    """Without its region."""
    first: date
    last: date
    factor: float
    posted: datetime
    account: str | None = None


@dataclass(frozen=True)
class PrivateDiscount:
    """A share off, by contract: of everything (an enterprise discount program), or of some services or usage types.

    Later ones in the list are taken off what the earlier leave.
    """

    kind: Discounting
    share: float
    since: date
    until: date | None = None
    """The first day without it."""
    services: tuple[str, ...] = ()
    usage_types: tuple[str, ...] = ()
    """Without their region. Fees of Savings Plans have none of these."""


@dataclass
class Commercial:
    """All terms. ``version`` moves with every change: bills that were kept are then stale."""

    credits: list[Credit] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    discounts: list[PrivateDiscount] = field(default_factory=list)
    tax_rate: float = TAX_RATE
    version: int = 0

    def posted(self, now: datetime) -> int:
        """How many refunds and corrections are out: with one more, a closed month looks different."""
        return sum(
            at <= now for at in [item.posted for item in self.refunds] + [item.posted for item in self.corrections]
        )


def usual(account: str, service: str, now: datetime) -> Commercial:
    """The built-in worlds' terms: tax, and a small promotional credit each month, half a year back and a year ahead."""
    first = (now - CREDIT_LASTS).date()
    months = [_months_after(first, number) for number in range(19)]
    granted = [month.replace(day=CREDIT_DAY) for month in months]
    return Commercial(
        [
            Credit(f"promotional-{day:%Y-%m}", CREDIT_A_MONTH, day, day + CREDIT_LASTS, account, (service,))
            for day in granted
            if day > first
        ]
    )


def _months_after(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
