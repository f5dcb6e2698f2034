"""The weekly digest: what the week cost and why, what is wrong, what could be saved, what was proven, in one page.

In: the cost cube, the week's resources, the overview. Out: a `Letter`. The week is the last seven days on the bill
before ``as_of``; it is compared with the seven days before it. Unknown stays unknown: a week without a bill before it
has no change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.reports import wording as say
from sagekeeper.reports.budget_alert import Driver
from sagekeeper.reports.letters import render
from sagekeeper.reports.mail import Letter, Picture
from sagekeeper.reports.pictures import days_of_spend
from sagekeeper.reports.views.overview import Overview
from sagekeeper.reports.views.savings import compatible
from sagekeeper.reports.views.spend import between, main_currency, per_day, total

WEEK = timedelta(days=7)
MOST, MOST_INCIDENTS = 5, 10
SHOWN_WEEKS = 4


@dataclass(frozen=True)
class Week:
    """Seven days of spend beside the seven before."""

    first: date
    last: date
    currency: str
    cost: float
    before: float | None
    provisional: float
    days: pl.DataFrame

    @property
    def change(self) -> float | None:
        """More (or less) than the week before."""
        return None if self.before is None else self.cost - self.before


def digest_key(as_of: datetime) -> str:
    """One digest per calendar week."""
    year, week, _ = as_of.isocalendar()
    return f"digest:{year}-W{week:02d}"


def last_week(cube: pl.DataFrame, as_of: datetime) -> Week | None:
    """The last seven days on the bill before ``as_of``'s day, or None without any bill."""
    currency = main_currency(cube)
    own = cube.filter((pl.col("currency") == currency) & (pl.col("day") < as_of.date()))
    last, earliest = own["day"].max(), own["day"].min()
    if not isinstance(last, date) or not isinstance(earliest, date):
        return None
    first = last - WEEK + timedelta(days=1)
    week = between(own, first, last)
    return Week(
        first=first,
        last=last,
        currency=currency,
        cost=total(week, "billed") or 0.0,
        before=total(between(own, first - WEEK, last - WEEK), "billed") if earliest <= first - WEEK else None,
        provisional=float(week.filter("provisional")["billed"].sum()),
        days=per_day(between(own, last - SHOWN_WEEKS * WEEK + timedelta(days=1), last), "billed"),
    )


def week_movers(resources: pl.DataFrame) -> list[Driver]:
    """What changed most, up or down."""
    moved = resources.filter(pl.col("change").abs() >= 0.01).sort(pl.col("change").abs(), descending=True)
    return [
        Driver(
            name=row["resource_name"],
            where=" ".join(part for part in (row["resource_kind"], row["region"]) if part).replace("_", " "),
            owner=row["owner"],
            cost=row["cost"],
            change=row["change"],
        )
        for row in moved.head(MOST).iter_rows(named=True)
    ]


def digest_letter(week: Week, movers: list[Driver], seen: Overview, link: str) -> Letter:
    """Compose the digest."""
    since = seen.as_of - WEEK
    subject = f"ML spend {say.short_day(week.first)} to {say.day(week.last)}: {say.big_money(week.cost, week.currency)}"
    if week.change is not None and week.before:
        subject += f", {week.change / week.before:+.0%}".replace("%", " %") + " on the week before"
    told = {item.fingerprint for item in seen.incidents}
    others = [item for item in seen.findings if item.fingerprint not in told]
    html, text = render(
        "digest",
        subject=subject,
        week=week,
        movers=movers,
        seen=seen,
        new=sum(item.first_seen >= since for item in others),
        wrong=len(others),
        findings=others[:MOST],
        incidents=seen.incidents[:MOST_INCIDENTS],
        proposals=compatible(seen.proposals)[:MOST],
        link=link.rstrip("/"),
    )
    picture = Picture(
        "days", days_of_spend(week.days, week.first, week.currency), "Spend per day over the last four weeks"
    )
    return Letter(digest_key(seen.as_of), subject, text, html, (picture,))
