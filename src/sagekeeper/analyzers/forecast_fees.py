"""What is charged on a fixed day of the month, month after month: subscriptions, support, what is billed at the month's start.

In: ``costs[day, series]`` and the date of the first. Out: the costs without these charges, which are nobody's daily level, and
what each day of the month brings on top. A charge is one that stood out on the same day of each of the last three months by more
than twice what other days stand out, and by more than other days ever do but for a few.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from sagekeeper.analyzers.forecast_series import Matrix
from sagekeeper.core.clock import month_start

MONTHS = 3
DAYS = 28
AROUND = 7
"""Days before and after a day, whose median it stands out from."""
FEW = 3
"""Other days that may stand out half as much: another such charge."""


def without_fees(costs: Matrix, first: date) -> tuple[Matrix, Matrix]:
    """``[day, series]`` without the charges, and ``[31, series]``: what each day of the month adds, 0 where nothing."""
    fees = np.zeros((31, costs.shape[1]))
    places = _places(first, len(costs))
    if places is None:
        return costs, fees
    usual = np.stack([_around(costs, row) for row in places.ravel()]).reshape(DAYS, MONTHS, -1)
    above = costs[places] - usual
    least, typical = above.min(axis=1), np.median(above, axis=1)
    flat = above.reshape(DAYS * MONTHS, -1)
    noise = np.quantile(np.abs(flat), 0.9, axis=0)
    others = np.stack([(flat > 0.5 * level).sum(axis=0) for level in typical]) - MONTHS
    is_fee = (least > 2 * noise) & (least > 0) & (others <= FEW)
    fees[:DAYS] = np.where(is_fee, typical, 0.0)
    rest = costs.copy()
    for number, series in zip(*np.nonzero(is_fee), strict=True):
        rows = _rows_of(first, len(costs), int(number) + 1)
        # A month in which it was not charged has nothing to take away.
        there = rows[costs[rows, series] >= usual[number, :, series].min() + 0.5 * fees[number, series]]
        rest[there, series] = np.maximum(costs[there, series] - fees[number, series], 0.0)
    return rest, fees


def fees_ahead(fees: Matrix, first: date, days: int) -> Matrix:
    """``[day, series]`` of the days from ``first`` on."""
    numbers = [(first + timedelta(days=offset)).day - 1 for offset in range(days)]
    out: Matrix = fees[numbers]
    return out


def _places(first: date, days: int) -> np.ndarray | None:
    """``[DAYS, MONTHS]``: the rows of each day of the last three months that it was in; None where there are not so many."""
    last = first + timedelta(days=days - 1)
    out = []
    for number in range(1, DAYS + 1):
        month = month_start(last)
        if month.replace(day=number) > last:
            month = month_start(month - timedelta(days=1))
        rows = []
        for _ in range(MONTHS):
            rows.append((month.replace(day=number) - first).days)
            month = month_start(month - timedelta(days=1))
        out.append(rows)
    found = np.array(out)
    return found if found.min() >= AROUND else None


def _rows_of(first: date, days: int, number: int) -> np.ndarray:
    return np.array([row for row in range(days) if (first + timedelta(days=row)).day == number])


def _around(costs: Matrix, row: int) -> Matrix:
    window = np.concatenate([costs[max(row - AROUND, 0) : row], costs[row + 1 : row + 1 + AROUND]])
    out: Matrix = np.median(window, axis=0)
    return out
