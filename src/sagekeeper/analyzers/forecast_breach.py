"""How likely a budget is to break, and on which day.

In: a forecast (`forecasting.month_end`) and budgets, ``series_id, amount``. Out: per series and origin ``amount, p_breach,
breach_on``. Between the forecast's quantiles the chance follows the normal distribution's shape, and beyond them too. The
likely day is the one on which the sum reaches the amount if the month ends where it does end, given that it breaks: at the
median of the outcomes above the amount. A budget that is spent is broken for certain, on the origin's day or before.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from sagekeeper.analyzers.forecast_series import Matrix
from sagekeeper.analyzers.forecast_settings import LEVELS, QUANTILES

LEAST_P_OF_A_DAY = 0.05
"""Below this chance no day of breach is named."""


def breach(forecast: pl.DataFrame, budgets: pl.DataFrame) -> pl.DataFrame:
    """``series_id, origin, amount, p_breach`` (0 to 1) and ``breach_on`` (a day, or null where a breach is unlikely).

    A series may have several budgets; one without a budget has no row.
    """
    rows = forecast.join(budgets.select("series_id", pl.col("amount").cast(pl.Float64)), on="series_id")
    if rows.is_empty():
        return rows.select("series_id", "origin", "amount", p_breach=pl.lit(0.0), breach_on=pl.lit(None, pl.Date))
    totals = rows.select(QUANTILES).to_numpy().T
    amount, spent = rows["amount"].to_numpy(), rows["spent"].to_numpy()
    above = 1.0 - below(totals, amount)
    p_breach = np.where(spent > amount, 1.0, above)
    likely = at(totals, 1.0 - p_breach / 2.0)
    on = [
        _day(origin, path, gone, aim, limit) if p >= LEAST_P_OF_A_DAY else None
        for origin, path, gone, aim, limit, p in zip(
            rows["origin"].to_list(), rows["path"].to_list(), spent, likely, amount, p_breach, strict=True
        )
    ]
    return rows.select(
        "series_id", "origin", "amount", p_breach=pl.Series(p_breach), breach_on=pl.Series(on, dtype=pl.Date)
    )


def below(totals: Matrix, amount: Matrix) -> Matrix:
    """The chance that the outcome is at or below ``amount``. ``totals``: ``[quantile, case]``, in order."""
    scores = ndtri(np.array(LEVELS))
    place = (totals < amount).sum(axis=0)
    low = np.clip(place - 1, 0, len(LEVELS) - 2)
    cases = np.arange(amount.shape[-1])
    left, right = totals[low, cases], totals[low + 1, cases]
    width = right - left
    share = np.where(width > 0, (amount - left) / np.where(width > 0, width, 1.0), 0.0)
    found = scores[low] + share * (scores[low + 1] - scores[low])
    # No width at the edge: what lies outside the quantiles is as good as certain.
    found = np.where((width <= 0) & (amount > totals[-1]), np.inf, found)
    found = np.where((width <= 0) & (amount < totals[0]), -np.inf, found)
    found = np.where((totals[-1] <= totals[0]) & (amount >= totals[-1]), np.inf, found)
    return np.asarray(ndtr(found))


def at(totals: Matrix, levels: Matrix) -> Matrix:
    """The inverse: the outcome at each case's own level; beyond the outer quantiles, these."""
    scores, wanted = ndtri(np.array(LEVELS)), ndtri(np.clip(levels, LEVELS[0], LEVELS[-1]))
    low = np.clip((scores[:, None] < wanted).sum(axis=0) - 1, 0, len(LEVELS) - 2)
    cases = np.arange(levels.shape[-1])
    share = (wanted - scores[low]) / (scores[low + 1] - scores[low])
    found: Matrix = totals[low, cases] + share * (totals[low + 1, cases] - totals[low, cases])
    return found


def _day(origin: date, path: list[float], spent: float, total: float, amount: float) -> date:
    if spent > amount or not path:
        return origin
    shape = np.maximum(np.array(path), 0.0)
    shape = shape if shape.sum() > 0 else np.ones(len(path))
    sums = spent + np.cumsum(shape) / shape.sum() * (total - spent)
    over = sums > amount
    return origin + timedelta(days=int(over.argmax()) + 1) if over.any() else origin + timedelta(days=len(path))
