"""Where spend will be at the month's end, or in so many days, per series, with intervals that hold as often as they say.

In: a long frame ``series_id, ts, cost`` and the days (`origins`) to forecast from; nothing after an origin is looked at. Out: a
row per series and origin: ``series_id, origin, low95, low80, median, high80, high95, spent``, totals of the month in the unit
of cost, with what is spent. Rules (`forecast_predictors`) are weighed by their past errors in the series
(`forecast_combination`); the range comes of the combination's past errors (`forecast_intervals`). The last days, which AWS still
fills up, count at least what they show. What is charged on a day of the month (`forecast_fees`) and what is known or planned
(`forecast_given`) is no daily level: it is taken out of what is learned from, and put where it falls.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np
import polars as pl

from sagekeeper.analyzers.forecast_breach import breach
from sagekeeper.analyzers.forecast_calendar import weekdays
from sagekeeper.analyzers.forecast_combination import before_any_error, combined, weights
from sagekeeper.analyzers.forecast_fees import fees_ahead, without_fees
from sagekeeper.analyzers.forecast_given import NOTHING, Given, applied, to_learn_from
from sagekeeper.analyzers.forecast_intervals import distances
from sagekeeper.analyzers.forecast_kinds import kinds
from sagekeeper.analyzers.forecast_open_days import open_days
from sagekeeper.analyzers.forecast_predictors import predict
from sagekeeper.analyzers.forecast_series import Matrix, SpendDays, born, spend_days
from sagekeeper.analyzers.forecast_settings import LEVELS, QUANTILES, ForecastSettings
from sagekeeper.core.clock import month_start, next_month
from sagekeeper.core.errors import BadInput

__all__ = ["ForecastSettings", "Given", "breach", "month_end"]

STRIDE = 5
"""Days between two past rows that are forecast from: prime to 7, so that they fall on every weekday."""
SPREAD, USUAL, LEAST_SCALE = 2.0, 0.5, 0.03
"""The scale an error is to be expected at: so much of how far the rules lie apart, of the usual error so far, and of what is
forecast: a series that never moved so far may."""
HALF = 2.0
"""Rows less than a horizon apart share days, and are half an error each: measured by how often ranges of one series held."""
GREEN_DAYS = 84
"""Days from which on errors are taken for ranges."""
LEAST_AGE = 14
"""Days a series is old before its errors are learned from."""


def month_end(
    costs: pl.DataFrame,
    origins: Iterable[date] | None = None,
    settings: ForecastSettings | None = None,
    given: Given = NOTHING,
) -> pl.DataFrame:
    """Forecast every series from every origin (default: the last day there is). Raises BadInput for what cannot be.

    ``path``: what each day after the origin is expected to cost, in order.
    """
    settings = settings or ForecastSettings()
    days = spend_days(costs)
    wanted = sorted(set(origins)) if origins is not None else [days.last]
    for origin in wanted:
        if not days.first <= origin <= days.last:
            raise BadInput(f"Origin {origin} is not within the costs, {days.first} to {days.last}.")
    return pl.concat([_from(days, origin, settings, given) for origin in wanted])


def _from(days: SpendDays, origin: date, settings: ForecastSettings, given: Given) -> pl.DataFrame:
    until = days.until(origin)[-settings.learn_days :]
    if settings.horizon == "month-end":
        ahead = (next_month(origin) - origin).days - 1
        month = min((origin - month_start(origin)).days + 1, len(until))
    else:
        ahead, month = settings.horizon, 0
    left = open_days(until) if settings.provisional_days is None else min(settings.provisional_days, len(until) - 1)
    whole, shown = until[: len(until) - left], until[len(until) - left :]
    start, coming = origin - timedelta(days=len(until) - 1), origin - timedelta(days=left - 1)
    rest, fees = without_fees(whole, start)
    level = to_learn_from(rest, days.names, start, given)
    path, quantiles = _ahead(level, left + ahead, start, settings)
    path, uncertain = applied(path + fees_ahead(fees, coming, len(path)), days.names, coming, given)
    path[:left] = np.maximum(path[:left], shown)
    quantiles = quantiles * uncertain
    counted = shown[max(0, left - month) :] if settings.horizon == "month-end" else shown[:0]
    settled = until[len(until) - month : len(until) - len(counted)].sum(axis=0)
    spent = settled + counted.sum(axis=0)
    # Days before the month that are still open are not the month's.
    first = left - len(counted)
    expected = settled + path[first:].sum(axis=0) if settings.horizon == "month-end" else path[left:].sum(axis=0)
    totals = expected + quantiles
    least = np.where((until >= 0).all(axis=0), spent, -np.inf)
    totals = np.maximum(totals, least)
    return pl.DataFrame(
        {
            "series_id": days.names,
            "origin": [origin] * len(days.names),
            **{name: totals[place] for place, name in enumerate(QUANTILES)},
            "spent": spent,
            "path": path[left:].T.tolist(),
        },
        schema_overrides={"path": pl.List(pl.Float64)},
    )


def _ahead(whole: Matrix, reach: int, start: date, settings: ForecastSettings) -> tuple[Matrix, Matrix]:
    """``[day, series]`` expected costs of the days after the whole ones; ``[quantile, series]`` distances of their sum."""
    last = len(whole) - 1
    if reach == 0:
        return np.zeros((0, whole.shape[1])), np.zeros((len(LEVELS), whole.shape[1]))
    rows = np.array(sorted({last - back for back in range(0, last + 1, STRIDE) if last - back >= 6} | {last}))
    like = weekdays(start, len(whole) + reach, settings.holidays)
    plain = (start.weekday() + np.arange(len(like))) % 7
    forecasts, week, counted_as = predict(whole, plain, like, rows, reach)
    sums = np.vstack([np.zeros((1, whole.shape[1])), np.cumsum(whole, axis=0)])
    outcomes = np.full((len(rows), whole.shape[1]), np.nan)
    known = rows + reach <= last
    outcomes[known] = sums[rows[known] + reach + 1] - sums[rows[known] + 1]
    outcomes[rows[:, None] < born(whole) + LEAST_AGE] = np.nan
    lag = -(-reach // STRIDE)
    kind = kinds(whole)
    shares = weights(forecasts, outcomes, lag, kind, before_any_error(kind))
    found = combined(forecasts, shares)
    errors = outcomes - found
    spread = (np.abs(forecasts - found) * shares).sum(axis=0)
    scales = SPREAD * spread + USUAL * _usual(errors, lag) + LEAST_SCALE * np.abs(found)
    # In the first weeks the rules knew little, and erred more than they do today.
    errors[rows < min(GREEN_DAYS, last // 3)] = np.nan
    quantiles = distances(
        errors[:-1], scales[:-1], scales[-1], LEVELS, kind, settings.pooled_weight, reach / STRIDE / HALF
    )
    usual = np.einsum("ks,kws->ws", shares[:, -1], week)
    path = np.take_along_axis(usual, counted_as, axis=0)
    # The days share out the median of the rules' sums.
    meant = path.sum(axis=0)
    even = np.broadcast_to(found[-1] / reach, path.shape)
    path = np.where(meant != 0, path * (found[-1] / np.where(meant != 0, meant, 1.0)), even)
    return path, quantiles


def _usual(errors: Matrix, lag: int) -> Matrix:
    """``[row, series]``: how wrong the combination was on the rows whose outcome was known by then, the later the more."""
    total, seen = np.zeros(errors.shape[1]), np.zeros(errors.shape[1])
    out = np.zeros_like(errors)
    for row in range(len(errors)):
        if row >= lag:
            told = np.isfinite(errors[row - lag])
            total = 0.96 * total + np.where(told, np.abs(np.nan_to_num(errors[row - lag])), 0.0)
            seen = 0.96 * seen + told
        out[row] = total / np.maximum(seen, 1)
    return out
