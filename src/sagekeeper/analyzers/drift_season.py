"""Days that differ from the baseline every week, and only on some weekdays: a season is no drift.

In: the days of a feature, whether each moved from the reference, and which look like the same weekday a week before. Out: the
same days, those of a season as not moved. A day is one when that day a week before had moved just as far, and the feature was
back home between them. A drift that has come to stay was not home between; one that adds to a season is unlike the week before.
The first week of such a season cannot be told from a drift.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta

WEEK = timedelta(days=7)


def without_season(
    moved: Sequence[tuple[date, bool]], alike: Collection[date], fewest_home: int
) -> list[tuple[date, bool]]:
    """``fewest_home``: days at home in between that end a drift.

    >>> week = [(date(2026, 6, n), n in (6, 7, 13)) for n in range(1, 14)]  # the 6th and 13th are Saturdays
    >>> without_season(week, [date(2026, 6, 13)], 2)[-1]
    (datetime.date(2026, 6, 13), False)
    """
    known = dict(moved)

    def comes_back(day: date) -> bool:
        between = [known.get(day - timedelta(days=ago)) for ago in range(1, 7)]
        return day in alike and known.get(day - WEEK, False) and between.count(False) >= fewest_home

    return [(day, drifted and not comes_back(day)) for day, drifted in moved]
