"""The letter about incidents: all that is new to one reader in one letter, what each costs, why, and how to say something of it.

In: the lines of the letter's incidents, and what was told of them before. Out: a `Letter`. Nothing is summed over incidents: two
may be about the same money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sagekeeper.reports import wording as say
from sagekeeper.reports.letters import render
from sagekeeper.reports.mail import Letter
from sagekeeper.reports.views.incidents import IncidentLine

MOST = 20


@dataclass(frozen=True)
class News:
    """An incident, and the excess per day that was told of it before; None: it is new."""

    line: IncidentLine
    before: Decimal | None


def incident_letter(key: str, news: Sequence[News], link: str, as_of: datetime) -> Letter:
    """Compose it. ``news``: the most money a day first, at least one."""
    subject = _subject(news)
    html, text = render(
        "incidents",
        subject=subject,
        news=news[:MOST],
        more=max(len(news) - MOST, 0),
        link=link.rstrip("/"),
        as_of=as_of,
    )
    return Letter(key, subject, text, html)


def _subject(news: Sequence[News]) -> str:
    first = news[0].line
    if len(news) == 1:
        grown = "Incident has grown" if news[0].before is not None else "Incident"
        return f"{grown}: {first.title} ({say.big_money(first.excess, first.currency)} too much so far)"
    return f"{len(news)} incidents, the largest {say.big_money(first.per_day, first.currency)} a day: {first.title}"
