"""Where the month of today will end, as one `Forecast` for pages, letters and budgets.

In: cost per day (``day``, ``cost``) and ``as_of``. Out: the median and ranges of `forecasting.month_end`, with the path to them.
Days younger than 48 hours are not yet whole on the bill: what they show is spent, the rest of them is expected to come. What is
charged once (a fee, a credit: one day that dwarfs the days around it) is counted when it is there, never foreseen. Tax is: AWS
adds it when the month closes, dated back to its first day, as a share of the rest that hardly changes (`with_tax`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from sagekeeper.analyzers.forecast_settings import ForecastSettings
from sagekeeper.analyzers.forecasting import Given, month_end
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.core.clock import month_start, next_month

LEAST_DAYS = 7
"""Whole days below which only the pace so far is known."""
AROUND = 7
DWARFS = 2.0
"""A day above so many times the highest day of the week before and after was charged once."""
TAX_MONTHS = 3
WIDER = 1.5
"""Of a pace, what the month may cost instead of it."""


@dataclass(frozen=True)
class Forecast:
    """The month of ``as_of``. ``low`` to ``high`` holds 80 % of outcomes, ``low95`` to ``high95`` 95 %; never below ``spent``."""

    spent: float
    expected: float
    low: float
    high: float
    first_day: date
    last_day: date
    provisional_days: int
    low95: float
    high95: float
    upto: date
    """The last day with a bill; ``path``: what each day after it is expected to cost."""
    path: tuple[float, ...]
    tax_to_come: float = 0.0
    """Of ``expected``: tax that is not on the bill yet."""


def this_month(daily: pl.DataFrame, as_of: datetime) -> Forecast:
    """Forecast the month's total. With less than a week of whole days, the pace of the month so far goes on."""
    first = month_start(as_of.date())
    last = next_month(first) - timedelta(days=1)
    days = daily.group_by("day").agg(pl.col("cost").sum()).filter(pl.col("day") <= as_of.date()).sort("day")
    month = days.filter(pl.col("day") >= first)
    final_until = (as_of - FINAL_AFTER).date() - timedelta(days=1)
    young = days.filter(pl.col("day") > final_until).height
    newest = days["day"][-1] if days.height else as_of.date()
    upto = max(newest, first - timedelta(days=1))
    if days.height - young < LEAST_DAYS or newest < first:
        return _by_pace(float(month["cost"].sum()), month.height, first, last, as_of.date(), min(young, month.height))
    series = days.select(series_id=pl.lit("month"), ts="day", cost="cost")
    open_days = (newest - final_until).days if newest > final_until else 0
    settings = ForecastSettings(provisional_days=min(open_days, 7))
    found = month_end(series, [newest], settings, Given(masks=_charged_once(days))).row(0, named=True)
    return Forecast(
        spent=found["spent"],
        expected=found["median"],
        low=found["low80"],
        high=found["high80"],
        first_day=first,
        last_day=last,
        provisional_days=month.filter(pl.col("day") > final_until).height,
        low95=found["low95"],
        high95=found["high95"],
        upto=upto,
        path=tuple(found["path"]),
    )


def with_tax(untaxed: Forecast, charges: pl.DataFrame, tax: pl.DataFrame) -> Forecast:
    """``untaxed`` with tax at the share it was of the rest in the last closed months that had any.

    ``charges``, ``tax``: cost per day (``day``, ``cost``) without and of tax. Without a taxed month before, only what is there.
    """
    first = untaxed.first_day
    there = float(tax.filter(pl.col("day") >= first)["cost"].sum())
    months = charges.group_by(month=pl.col("day").dt.truncate("1mo")).agg(pl.col("cost").sum())
    taxed = tax.group_by(month=pl.col("day").dt.truncate("1mo")).agg(tax=pl.col("cost").sum())
    shares = (
        months.join(taxed, on="month")
        .filter((pl.col("month") < first) & (pl.col("cost") > 0) & (pl.col("tax") > 0))
        .sort("month")
        .tail(TAX_MONTHS)
        .select(share=pl.col("tax") / pl.col("cost"))["share"]
        .to_list()
    )
    low, usual, high = (min(shares), float(np.median(shares)), max(shares)) if shares else (0.0, 0.0, 0.0)
    coming = max(untaxed.expected * usual - there, 0.0)
    return replace(
        untaxed,
        spent=untaxed.spent + there,
        expected=untaxed.expected + there + coming,
        low=untaxed.low + max(untaxed.low * low, there),
        high=untaxed.high + max(untaxed.high * high, there),
        low95=untaxed.low95 + max(untaxed.low95 * low, there),
        high95=untaxed.high95 + max(untaxed.high95 * high, there),
        tax_to_come=coming,
    )


def fan(forecast: Forecast) -> pl.DataFrame:
    """``day, low95, low80, median, high80, high95``: the month's sum on each day from the last one with a bill to the end.

    What provisional days still lack comes with the first day, tax with the last. Ranges widen as the sum of days to come does.
    """
    path = np.maximum(np.array(forecast.path), 0.0)
    ends = np.array([forecast.low95, forecast.low, forecast.expected, forecast.high, forecast.high95])
    untaxed = ends - forecast.tax_to_come
    steps = np.concatenate([[0.0], np.cumsum(path)])
    share = steps / steps[-1] if steps[-1] > 0 else np.linspace(0.0, 1.0, len(steps))
    sums = forecast.spent + share[:, None] * (untaxed - forecast.spent)
    sums[-1] = ends
    sums = np.maximum(sums, min(forecast.spent, forecast.low95))
    days = [forecast.upto + timedelta(days=offset) for offset in range(len(steps))]
    names = ("low95", "low80", "median", "high80", "high95")
    return pl.DataFrame({"day": days, **{name: sums[:, place] for place, name in enumerate(names)}})


def _by_pace(spent: float, days: int, first: date, last: date, today: date, provisional: int) -> Forecast:
    pace, left = spent / max(days, 1), max((last - today).days, 0)
    expected = spent + pace * left
    high = max(expected * WIDER, spent)
    return Forecast(spent, expected, spent, high, first, last, provisional, spent, high, today, (pace,) * left)


def _charged_once(days: pl.DataFrame) -> pl.DataFrame:
    """Days that dwarf those around them, not to be learned from."""
    every = days.upsample("day", every="1d").with_columns(pl.col("cost").fill_null(0.0).abs())
    size = pl.col("cost")
    around = pl.max_horizontal(*(size.shift(step) for step in range(-AROUND, AROUND + 1) if step != 0))
    lonely = every.filter((size > DWARFS * around) & (pl.int_range(pl.len()) >= AROUND))
    return lonely.select(series_id=pl.lit("month"), first="day", last="day")
