"""How good forecasts would have been: made again on past days, and held against what then happened.

In: a long frame ``series_id, ts, cost`` and, if they are not to be chosen, the origins. Out of `backtest`: a row per series and
origin with the forecast, the ``actual`` total and the errors; out of `scores`: WAPE (sum of distances of the median over the sum
of outcomes), CRPS in the same unit, how often the ranges held, and the Brier score of P(breach) for budgets at shares of the
month before. A forecast from a past day sees the days up to it as the bill shows them now, not as it did then. Scoring rules:
Gneiting and Raftery, Strictly Proper Scoring Rules (2007).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
from scipy.special import ndtri

from sagekeeper.analyzers.forecast_breach import below
from sagekeeper.analyzers.forecast_hierarchy import hierarchy, sums
from sagekeeper.analyzers.forecast_series import Matrix, SpendDays, spend_days
from sagekeeper.analyzers.forecast_settings import LEVELS, QUANTILES, ForecastSettings
from sagekeeper.analyzers.forecasting import month_end
from sagekeeper.core.clock import month_start, next_month
from sagekeeper.core.errors import BadInput

BUDGET_SHARES = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
"""Budgets that are asked about, as shares of what the series cost the month before."""
ORIGIN_DAYS = (10, 20)
LEAST_HISTORY = 90
OPEN_DAYS = 2
"""Last days of a bill, which AWS still fills up: no outcome is taken from them."""
STEPS = 100
"""Quantiles by which the CRPS is summed up."""


def backtest(
    costs: pl.DataFrame, settings: ForecastSettings | None = None, origins: Iterable[date] | None = None
) -> pl.DataFrame:
    """Forecast from past origins: ``series_id, origin, actual``, the quantiles, ``error, crps, in80, in95, brier``.

    ``brier``: mean over `BUDGET_SHARES`; null where the series cost nothing the month before. Raises BadInput where no origin
    has both `LEAST_HISTORY` days before it and its outcome on the bill.
    """
    settings = settings or ForecastSettings()
    days = spend_days(costs)
    wanted = _wanted(days, settings, origins)
    return _held(month_end(costs, wanted, settings), days, settings, wanted)


def backtest_sums(
    costs: pl.DataFrame,
    levels: Sequence[str],
    settings: ForecastSettings | None = None,
    origins: Iterable[date] | None = None,
) -> list[tuple[str, pl.DataFrame]]:
    """The same of `forecast_hierarchy.hierarchy`: the name of each level and its cases, from the top to the series."""
    settings = settings or ForecastSettings()
    leaves = spend_days(costs)
    wanted = _wanted(leaves, settings, origins)
    found = hierarchy(costs, levels, wanted, settings).rename({"node": "series_id"})
    days = [*(spend_days(frame) for frame in sums(costs, levels)), leaves]
    names = ["all", *levels, "series"]
    return [
        (name, _held(found.filter(pl.col("level") == depth), own, settings, wanted))
        for depth, (name, own) in enumerate(zip(names, days, strict=True))
    ]


def scored(forecast: pl.DataFrame, days: SpendDays, origin: date, settings: ForecastSettings) -> pl.DataFrame:
    """One origin's ``forecast``, a row per series in the order of ``days``, held against what ``days`` says happened."""
    first, last = _span(origin, settings)
    actual = _sum(days, first, last)
    totals = forecast.select(QUANTILES).to_numpy().T
    before = _sum(days, *_month_before(origin))
    asked = np.array(BUDGET_SHARES)[:, None] * before
    spent = forecast["spent"].to_numpy()
    chance = np.stack([np.where(spent > amount, 1.0, 1.0 - below(totals, amount)) for amount in asked])
    brier = np.where(before > 0, ((chance - (actual > asked)) ** 2).mean(axis=0), np.nan)
    near = 1e-9 * np.maximum(np.abs(actual), 1.0)
    return forecast.select("series_id", "origin", *QUANTILES, "spent").with_columns(
        actual=pl.Series(actual),
        error=pl.Series(np.abs(actual - totals[2])),
        crps=pl.Series(crps(totals, actual)),
        in80=pl.Series((actual >= totals[1] - near) & (actual <= totals[3] + near)),
        in95=pl.Series((actual >= totals[0] - near) & (actual <= totals[4] + near)),
        brier=pl.Series(brier).fill_nan(None) if settings.horizon == "month-end" else pl.lit(None, pl.Float64()),
    )


def scores(cases: pl.DataFrame) -> dict[str, float | int | None]:
    """Of `backtest`'s rows: ``wape, crps`` (shares of the outcome), ``coverage80, coverage95``, ``brier``, ``cases``."""
    spend = float(cases["actual"].abs().sum())
    return {
        "cases": cases.height,
        "wape": float(cases["error"].sum()) / spend if spend else None,
        "crps": float(cases["crps"].sum()) / spend if spend else None,
        "coverage80": _mean(cases["in80"]),
        "coverage95": _mean(cases["in95"]),
        "brier": _mean(cases["brier"]),
    }


def crps(totals: Matrix, actual: Matrix) -> Matrix:
    """Continuous ranked probability score per case: twice the mean pinball loss. ``totals``: ``[quantile, case]``."""
    levels = (np.arange(STEPS) + 0.5) / STEPS
    scores_, wanted = ndtri(np.array(LEVELS)), ndtri(levels)
    out = np.zeros_like(actual)
    for level, score in zip(levels, wanted, strict=True):
        low = int(np.clip(np.searchsorted(scores_, score) - 1, 0, len(LEVELS) - 2))
        share = (score - scores_[low]) / (scores_[low + 1] - scores_[low])
        distance = actual - (totals[low] + share * (totals[low + 1] - totals[low]))
        out += 2 * np.maximum(level * distance, (level - 1) * distance)
    return out / STEPS


def _held(forecast: pl.DataFrame, days: SpendDays, settings: ForecastSettings, origins: list[date]) -> pl.DataFrame:
    return pl.concat(
        scored(forecast.filter(pl.col("origin") == origin).sort("series_id"), days, origin, settings)
        for origin in origins
    )


def _wanted(days: SpendDays, settings: ForecastSettings, origins: Iterable[date] | None) -> list[date]:
    wanted = sorted(set(origins)) if origins is not None else list(_origins(days, settings))
    if not wanted:
        raise BadInput(
            f"From {days.first} to {days.last} nothing can be forecast and compared: it takes {LEAST_HISTORY} days of "
            "history and then a whole horizon."
        )
    for origin in wanted:
        if _span(origin, settings)[1] > days.last:
            raise BadInput(f"From {origin} the outcome is not known yet: the costs end on {days.last}.")
    return wanted


def _origins(days: SpendDays, settings: ForecastSettings) -> Iterable[date]:
    closed = days.last - timedelta(days=OPEN_DAYS)
    month = month_start(days.first + timedelta(days=LEAST_HISTORY))
    while month <= closed:
        for number in ORIGIN_DAYS:
            origin = month.replace(day=number)
            if origin >= days.first + timedelta(days=LEAST_HISTORY) and _span(origin, settings)[1] <= closed:
                yield origin
        month = next_month(month)


def _span(origin: date, settings: ForecastSettings) -> tuple[date, date]:
    """The days whose sum is forecast."""
    if settings.horizon == "month-end":
        return month_start(origin), next_month(origin) - timedelta(days=1)
    return origin + timedelta(days=1), origin + timedelta(days=settings.horizon)


def _month_before(origin: date) -> tuple[date, date]:
    last = month_start(origin) - timedelta(days=1)
    return month_start(last), last


def _sum(days: SpendDays, first: date, last: date) -> Matrix:
    low, high = max((first - days.first).days, 0), (last - days.first).days + 1
    out: Matrix = days.costs[low : max(high, low)].sum(axis=0)
    return out


def _mean(column: pl.Series) -> float | None:
    found = column.cast(pl.Float64).mean()
    return found if isinstance(found, float) else None
