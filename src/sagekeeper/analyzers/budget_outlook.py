"""Where a budget's period will end, how likely it breaks, and on which day.

In: cost per day in the budget's scope, its `Period`, ``as_of``. Out: an `Outlook`, the same quantiles as `forecasting.month_end`
gives, and the answers of `forecast_breach`. A calendar month is forecast as everywhere (`Forecast`, with tax to come); a longer
or shorter period by its days that are left, on top of what is spent in it. Tax that comes when later months close is not
foreseen. Too little history (`LEAST_DAYS`) gives no outlook: unknown, and never "it will hold".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from sagekeeper.analyzers.budget_periods import Period
from sagekeeper.analyzers.forecast_known import NOTHING_KNOWN, Known, apart
from sagekeeper.analyzers.forecasting import ForecastSettings, breach, month_end
from sagekeeper.analyzers.month_forecast import Forecast

LEAST_DAYS = 28
FARTHEST = 366
FORECAST: dict[str, pl.DataType] = {
    "series_id": pl.String(),
    "origin": pl.Date(),
    **dict.fromkeys(("low95", "low80", "median", "high80", "high95", "spent"), pl.Float64()),
    "path": pl.List(pl.Float64()),
}


@dataclass(frozen=True)
class Outlook:
    """``rows``: one row of `FORECAST`, of the period's total."""

    rows: pl.DataFrame

    def p(self, amount: float) -> float:
        """The chance that the total is above ``amount``."""
        return float(self._breach(amount)["p_breach"][0])

    def day(self, amount: float) -> date | None:
        """The likely day on which ``amount`` is passed; None where that is unlikely."""
        found = self._breach(amount)["breach_on"][0]
        return found if isinstance(found, date) else None

    def _breach(self, amount: float) -> pl.DataFrame:
        return breach(self.rows, pl.DataFrame({"series_id": ["budget"], "amount": [amount]}))


def of_month(forecast: Forecast) -> Outlook:
    """From the month's forecast. Tax to come is dated back, but comes when the month closes: with the last day."""
    path = list(forecast.path)
    if path and forecast.tax_to_come:
        path[-1] += forecast.tax_to_come
    row = {
        "series_id": "budget",
        "origin": forecast.upto,
        "low95": forecast.low95,
        "low80": forecast.low,
        "median": forecast.expected,
        "high80": forecast.high,
        "high95": forecast.high95,
        "spent": forecast.spent,
        "path": path,
    }
    return Outlook(pl.DataFrame([row], schema=FORECAST))


def of_period(days: pl.DataFrame, period: Period, as_of: datetime, sure: Known = NOTHING_KNOWN) -> Outlook | None:
    """Of a period that is no calendar month. ``days`` [day, cost], all there is, of which what is ``sure`` is set apart.

    None with too little history.
    """
    known = apart(days.filter(pl.col("day") <= as_of.date()), sure)
    shown, coming = sure.within(period.first, period.last)
    if known.is_empty():
        return None
    newest, oldest = known["day"][-1], known["day"][0]
    left = (period.last - newest).days
    spent = float(known.filter(pl.col("day").is_between(period.first, period.last))["cost"].sum()) + shown
    if left <= 0:
        return Outlook(pl.DataFrame([_flat(newest, spent)], schema=FORECAST))
    if (newest - oldest).days < LEAST_DAYS or left > FARTHEST or newest < period.first:
        return None
    series = known.select(series_id=pl.lit("budget"), ts="day", cost="cost")
    ahead = month_end(series, [newest], ForecastSettings(horizon=left))
    totals = ("low95", "low80", "median", "high80", "high95")
    # What is spent stays spent; a credit to come is not foreseen.
    return Outlook(
        ahead.with_columns(
            *(pl.max_horizontal(pl.col(name), pl.lit(0.0)).add(spent + coming).alias(name) for name in totals),
            spent=pl.lit(spent),
            path=pl.Series([sure.on_top(ahead["path"][0].to_list(), newest)]),
        ).select(pl.col(name).cast(kind) for name, kind in FORECAST.items())
    )


def as_forecast(outlook: Outlook, period: Period, provisional_days: int) -> Forecast:
    """The same as one `Forecast`, for what draws and says it."""
    row = outlook.rows.row(0, named=True)
    return Forecast(
        spent=row["spent"],
        expected=row["median"],
        low=row["low80"],
        high=row["high80"],
        first_day=period.first,
        last_day=period.last,
        provisional_days=provisional_days,
        low95=row["low95"],
        high95=row["high95"],
        upto=row["origin"],
        path=tuple(row["path"]),
    )


def _flat(origin: date, spent: float) -> dict[str, object]:
    totals = dict.fromkeys(("low95", "low80", "median", "high80", "high95", "spent"), spent)
    return {"series_id": "budget", "origin": origin, "path": [], **totals}
