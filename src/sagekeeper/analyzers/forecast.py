"""Where the month will end: spent so far plus what the remaining days usually cost, with an honest range.

In: cost per day (``day``, ``cost``) and ``as_of``. Out: one `Forecast`. A remaining day is expected to cost what its weekday
usually does (medians of six weeks) at the level of the last two weeks; the range follows from how far single days lie from that.
Days younger than 48 hours are not yet whole on the bill: what they show is spent, the rest of them is expected to come. What is
charged once (a fee, a credit) is counted when it is there, never foreseen. Tax is: AWS adds it when the month closes, dated back
to its first day, as a share of the rest that hardly changes (`with_tax`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from sagekeeper.core.clock import month_start, next_month

FINAL_AFTER = timedelta(hours=48)
LEARN_DAYS = 42
RECENT_DAYS = 14
MAD_TO_STD = 1.4826
TAX_MONTHS = 3
NORMAL_80 = 1.2816
"""Half width of the central 80 % of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Forecast:
    """The month of ``as_of``. ``low`` to ``high`` holds 80 % of outcomes; never below what is already ``spent``."""

    spent: float
    expected: float
    low: float
    high: float
    first_day: date
    last_day: date
    provisional_days: int
    tax_to_come: float = 0.0
    """Of ``expected``: tax that is not on the bill yet."""


def month_end(daily: pl.DataFrame, as_of: datetime) -> Forecast:
    """Forecast the month's total. Without any final day before, the pace of the month so far goes on."""
    first, after = month_start(as_of.date()), next_month(as_of.date())
    last = after - timedelta(days=1)
    days = daily.group_by("day").agg(pl.col("cost").sum()).filter(pl.col("day") <= as_of.date()).sort("day")
    final_until = (as_of - FINAL_AFTER).date() - timedelta(days=1)
    month = days.filter(pl.col("day") >= first)
    spent = float(month["cost"].sum())
    settled = float(month.filter(pl.col("day") <= final_until)["cost"].sum())
    provisional = month.filter(pl.col("day") > final_until)
    learned = days.filter(pl.col("day").is_between(final_until - timedelta(days=LEARN_DAYS - 1), final_until))
    open_from = max(first, final_until + timedelta(days=1))
    ahead = pl.date_range(open_from, last, eager=True) if open_from <= last else pl.Series("day", [], dtype=pl.Date)
    if learned.height < 3:
        pace = spent / max(month.height, 1)
        expected = spent + pace * max((last - as_of.date()).days, 0)
        return Forecast(spent, expected, spent, max(expected * 1.5, spent), first, last, provisional.height)
    levels, spread = _weekday_levels(learned)
    usual = np.array([levels[day.isoweekday()] for day in ahead.to_list()])
    there = dict(provisional.iter_rows())
    # What an unfinished day already shows is its least: a bill line never goes away because more of the day arrives.
    floor = np.array([max(there.get(day, 0.0), 0.0) for day in ahead.to_list()])
    coming = float(np.maximum(usual, floor).sum()) if len(usual) else 0.0
    expected = max(settled + coming, spent)
    error = NORMAL_80 * spread * _independent(len(usual)) if len(usual) else 0.0
    return Forecast(
        spent=spent,
        expected=expected,
        low=max(expected - error, spent),
        high=expected + error,
        first_day=first,
        last_day=last,
        provisional_days=provisional.height,
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
        tax_to_come=coming,
    )


def _weekday_levels(learned: pl.DataFrame) -> tuple[dict[int, float], float]:
    """Usual cost per weekday at today's level, and the spread of a day around it. Medians: a single charge moves neither."""
    weekday = pl.col("day").dt.weekday()
    # Beside its own week (the median of seven days holds each weekday once), so that a new level is not taken for a weekday.
    own_week = pl.col("cost").rolling_median(7, center=True, min_samples=4)
    shape = (
        learned.with_columns(ratio=pl.when(own_week > 0).then(pl.col("cost") / own_week))
        .group_by(weekday=weekday)
        .agg(usual=pl.col("ratio").median(), seen=pl.col("ratio").count())
        .filter((pl.col("seen") >= 2) & (pl.col("usual") > 0))
    )
    factors = dict.fromkeys(range(1, 8), 1.0) | {int(number): usual for number, usual, _ in shape.iter_rows()}
    flat = learned.select(level=pl.col("cost") / weekday.replace_strict(factors, return_dtype=pl.Float64))["level"]
    level = float(flat.tail(RECENT_DAYS).median())  # type: ignore[arg-type]
    distance = (flat.tail(2 * RECENT_DAYS) - level).abs().to_numpy()
    return {number: level * value for number, value in factors.items()}, MAD_TO_STD * float(np.median(distance))


def _independent(days: int) -> float:
    """Errors of days to come are alike (a new level stays): between sqrt(n), independent, and n, all the same."""
    return float(days**0.75)
