"""What is known of days to come, and of days past that are not to be learned from.

In: frames, each of which may be missing. ``known``: ``series_id, ts, cost``, days to come at an amount that is fixed: the
recurring fee of a Savings Plan or a reservation. ``planned``: ``series_id, first, last`` (null: for good), ``factor`` (times what
is expected otherwise; 0: stopped), ``add`` (cost a day on top): schedules, launches, changes. ``prices``: ``series_id, ts,
factor``: a unit costs ``factor`` times as much from ``ts`` on. ``masks``: ``series_id, first, last``: days of an incident. Out:
the past as it would have been at today's prices, without masked days and planned stretches, and the days to come with all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from sagekeeper.analyzers.forecast_series import Matrix
from sagekeeper.core.errors import BadInput

WEEKS = 4
"""A masked day is taken for the mean of the same weekdays of so many weeks before."""
NEEDED = {
    "known": ("series_id", "ts", "cost"),
    "planned": ("series_id", "first", "last", "factor", "add"),
    "prices": ("series_id", "ts", "factor"),
    "masks": ("series_id", "first", "last"),
}


@dataclass(frozen=True, eq=False)
class Given:
    """Frames as above; series that are not forecast are passed over. Raises BadInput where a column is missing."""

    known: pl.DataFrame | None = None
    planned: pl.DataFrame | None = None
    prices: pl.DataFrame | None = None
    masks: pl.DataFrame | None = None

    def __post_init__(self) -> None:
        for name, columns in NEEDED.items():
            frame = getattr(self, name)
            lacking = [] if frame is None else [column for column in columns if column not in frame.columns]
            if lacking:
                raise BadInput(f"{name} has no column {', '.join(lacking)}. Needed are: {', '.join(columns)}.")

    @property
    def is_nothing(self) -> bool:
        """Whether there is no frame at all."""
        return all(getattr(self, name) is None for name in NEEDED)


NOTHING = Given()


def to_learn_from(costs: Matrix, names: list[str], first: date, given: Given) -> Matrix:
    """``costs[day, series]`` from ``first`` to the origin, at the origin's prices, masked and planned days as usual ones."""
    if given.is_nothing:
        return costs
    out, days = costs.copy(), len(costs)
    hidden = np.zeros(costs.shape, dtype=bool)
    for frame in (given.masks, given.planned):
        for column, begin, end, _ in _stretches(frame, names, first, days):
            hidden[begin:end, column] = True
    # A day of another price than today's is worth what its usage would cost today.
    for column, row, factor in _price_steps(given, names, first):
        if 0 < row < days:
            out[:row, column] *= factor
    return filled(out, hidden)


def applied(path: Matrix, names: list[str], first: date, given: Given) -> tuple[Matrix, Matrix]:
    """``path[day, series]`` from ``first`` on with what is given, and per series the share of it that is still uncertain."""
    if given.is_nothing or not len(path):
        return path, np.ones(path.shape[1])
    out, days = path.copy(), len(path)
    for column, row, factor in _price_steps(given, names, first):
        if 0 <= row < days:
            out[row:, column] *= factor
    for column, begin, end, plan in _stretches(given.planned, names, first, days):
        out[begin:end, column] = out[begin:end, column] * _number(plan["factor"], 1.0) + _number(plan["add"], 0.0)
    uncertain = np.abs(out)
    if given.known is not None:
        place = {name: number for number, name in enumerate(names)}
        for name, day, cost in given.known.select("series_id", pl.col("ts").cast(pl.Date), "cost").iter_rows():
            row = (day - first).days
            if name in place and 0 <= row < days:
                out[row, place[name]] = cost
                uncertain[row, place[name]] = 0.0
    before = np.abs(path).sum(axis=0)
    return out, np.where(before > 0, uncertain.sum(axis=0) / np.where(before > 0, before, 1.0), 1.0)


def _stretches(
    frame: pl.DataFrame | None, names: list[str], first: date, days: int
) -> list[tuple[int, int, int, dict[str, object]]]:
    if frame is None:
        return []
    place = {name: number for number, name in enumerate(names)}
    out = []
    for row in frame.iter_rows(named=True):
        begin = max((_day(row["first"]) - first).days, 0)
        end = days if row["last"] is None else min((_day(row["last"]) - first).days + 1, days)
        if row["series_id"] in place and begin < end:
            out.append((place[row["series_id"]], begin, end, row))
    return out


def _price_steps(given: Given, names: list[str], first: date) -> list[tuple[int, int, float]]:
    if given.prices is None:
        return []
    place = {name: number for number, name in enumerate(names)}
    return [
        (place[name], (_day(day) - first).days, float(factor))
        for name, day, factor in given.prices.select("series_id", "ts", "factor").sort("ts").iter_rows()
        if name in place
    ]


def filled(costs: Matrix, hidden: np.ndarray) -> Matrix:
    """Hidden days become what the weekday cost in the weeks before; with nothing before, the median of the other days."""
    out = np.where(hidden, np.nan, costs)
    if not hidden.any():
        return out
    columns = np.flatnonzero(hidden.any(axis=0))
    part = out[:, columns]
    whole = np.array([np.median(own[np.isfinite(own)]) if np.isfinite(own).any() else 0.0 for own in part.T])
    for row in np.flatnonzero(hidden.any(axis=1)):
        before = part[[row - 7 * week for week in range(1, WEEKS + 1) if row >= 7 * week]]
        seen = np.isfinite(before).sum(axis=0)
        usual = np.where(seen > 0, np.nansum(before, axis=0) / np.maximum(seen, 1), whole)
        part[row] = np.where(np.isfinite(part[row]), part[row], usual)
    out[:, columns] = part
    return out


def _day(value: object) -> date:
    if not isinstance(value, date):
        raise BadInput(f"{value!r} is no day.")
    return date(value.year, value.month, value.day)


def _number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise
