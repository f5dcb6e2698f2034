"""GetCostForecast and GetUsageForecast: what the coming days or months will cost, with an interval around it.

In: the ledger's days that are complete. Out: means and bounds. Charges by use are forecast by the day: the level of the
last four weeks, the weekdays' shares of it, and the trend between the last two fortnights, which is let die away. What
comes once a month (tax, credits, fees) is forecast as the median of its last three months, on the first. The interval
is that of the days' own scatter around such a forecast: it grows with the square root of the days ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from sagekeeper.simulator.cost_explorer_dates import Period, moment, months_before, next_month
from sagekeeper.simulator.cost_explorer_filter import Reader
from sagekeeper.simulator.cost_explorer_lines import METRICS, USAGE, ledger
from sagekeeper.simulator.cost_explorer_named import reader
from sagekeeper.simulator.operations import Ask, Handler, Refused

COSTS = {
    "BLENDED_COST": "BlendedCost",
    "UNBLENDED_COST": "UnblendedCost",
    "AMORTIZED_COST": "AmortizedCost",
    "NET_UNBLENDED_COST": "NetUnblendedCost",
    "NET_AMORTIZED_COST": "NetAmortizedCost",
}
USAGES = {"USAGE_QUANTITY": "UsageQuantity", "NORMALIZED_USAGE_AMOUNT": "NormalizedUsageAmount"}
BY_THE_DAY = (*USAGE, "SavingsPlanNegation", "SavingsPlanRecurringFee")
"""Record types that there are lines of on every day."""
SETTLED = timedelta(days=2)
"""Days younger than this are still arriving, and no base for a forecast."""
WEEKS, FORTNIGHT, LEAST_DAYS = 28, 14, 14
DAMPING = 0.98
"""What a day's trend is of the day before's."""
DAILY_MONTHS, MONTHLY_MONTHS = 3, 18
"""How far ahead AWS forecasts (aws-facts 4.1)."""
DEFAULT_LEVEL = 80


@dataclass(frozen=True)
class Days:
    """A forecast by the day."""

    mean: np.ndarray
    variance: np.ndarray


def get_cost_forecast(ask: Ask) -> dict[str, Any]:
    """Dollars."""
    return _answer(ask, COSTS)


def get_usage_forecast(ask: Ask) -> dict[str, Any]:
    """Quantities of one unit."""
    return _answer(ask, USAGES)


def forecast(past: np.ndarray, first: date, ahead: int) -> Days:
    """``ahead`` days after the end of ``past``, whose first day is ``first``."""
    recent = past[-WEEKS:]
    level = float(recent[-FORTNIGHT:].mean())
    trend = (level - float(recent[-2 * FORTNIGHT : -FORTNIGHT].mean())) / FORTNIGHT if len(recent) == WEEKS else 0.0
    weekday = (first.weekday() + np.arange(len(past) - len(recent), len(past))) % 7
    mean = recent.mean()
    share = np.array([recent[weekday == day].mean() / mean if mean else 1.0 for day in range(7)])
    scatter = float(np.std(recent - mean * share[weekday], ddof=1))
    steps = np.arange(1, ahead + 1)
    # The level stands for the middle of the last fortnight.
    drift = trend * (FORTNIGHT / 2 + (1 - DAMPING**steps) / (1 - DAMPING))
    days = (first.weekday() + len(past) + np.arange(ahead)) % 7
    found = (level + drift) * share[days]
    # Days of a bill do not cross zero.
    found = np.clip(found, 0, None) if level >= 0 else found
    return Days(found, scatter**2 * (1 + steps / WEEKS))


def _answer(ask: Ask, metrics: dict[str, str]) -> dict[str, Any]:
    params = ask.params
    metric = params["Metric"]
    if metric not in metrics:
        raise Refused("ValidationException", f"Metric {metric} is not supported. Valid values are {', '.join(metrics)}")
    level = params.get("PredictionIntervalLevel") or DEFAULT_LEVEL
    if not 51 <= level <= 99:
        raise Refused("ValidationException", "PredictionIntervalLevel must be between 51 and 99")
    asked = _period(ask)
    book = ledger(ask)
    lines = book.lines
    if params.get("Filter"):
        read: Reader = reader(ask, book)
        lines = lines.filter(read.condition(params["Filter"]))
    unit = _unit(lines) if metrics is USAGES else "USD"
    days = _days(lines, METRICS[metrics[metric]], ask.now, asked)
    width = NormalDist().inv_cdf(0.5 + level / 200)
    offset = (asked.first - (ask.now - SETTLED).date()).days
    results, total = [], 0.0
    for begin, end in asked.pieces():
        since = offset + (begin - asked.start).days
        until = since + (end - begin).days
        mean, spread = float(days.mean[since:until].sum()), width * float(days.variance[since:until].sum()) ** 0.5
        total += mean
        results.append(
            {
                "TimePeriod": {"Start": asked.written(begin), "End": asked.written(end)},
                "MeanValue": _text(mean),
                "PredictionIntervalLowerBound": _text(max(mean - spread, 0.0) if mean >= 0 else mean - spread),
                "PredictionIntervalUpperBound": _text(mean + spread),
            }
        )
    return {"Total": {"Amount": _text(total), "Unit": unit}, "ForecastResultsByTime": results}


def _period(ask: Ask) -> Period:
    kind = ask.params["Granularity"]
    if kind not in ("DAILY", "MONTHLY"):
        raise Refused("ValidationException", "Granularity should be either 'MONTHLY' or 'DAILY'")
    told = ask.params["TimePeriod"]
    start, end = (moment(told[key], hours=False) for key in ("Start", "End"))
    if start >= end:
        raise Refused(
            "ValidationException", f"Requested Start: {told['Start']} must be before requested End: {told['End']}"
        )
    today = ask.now.replace(hour=0, minute=0, second=0, microsecond=0)
    if start < today:
        raise Refused(
            "ValidationException", f"Requested Start: {told['Start']} must not be before today: {today.date()}"
        )
    months = DAILY_MONTHS if kind == "DAILY" else MONTHLY_MONTHS
    if end > next_month(months_before(today, -months)):
        raise Refused(
            "ValidationException",
            f"Requested End: {told['End']} is more than {months} months ahead for {kind} granularity",
        )
    return Period(start, end, kind)


def _days(lines: pl.DataFrame, column: str, now: datetime, asked: Period) -> Days:
    """A forecast of every day from the first that is not settled to the period's last."""
    settled = (now - SETTLED).date()
    daily = (
        lines.filter((pl.col("day") < settled) & pl.col("RECORD_TYPE").cast(pl.String).is_in(BY_THE_DAY))
        .group_by("day")
        .agg(pl.col(column).sum().cast(pl.Float64).alias("amount"))
        .sort("day")
    )
    if daily.height < LEAST_DAYS:
        raise Refused("DataUnavailableException", "Insufficient amount of historical data.")
    first = daily["day"][0]
    past = daily.upsample("day", every="1d").with_columns(pl.col("amount").fill_null(0.0))["amount"].to_numpy()
    # Nothing was used on the days after the last line.
    past = np.pad(past, (0, (settled - first).days - len(past)))
    ahead = (asked.last - settled).days + 1
    found = forecast(past, first, ahead)
    once, variance = _monthly(lines, column, now)
    begins = np.array([(settled + timedelta(days=n)).day == 1 for n in range(ahead)])
    return Days(found.mean + begins * once, found.variance + begins * variance)


def _monthly(lines: pl.DataFrame, column: str, now: datetime) -> tuple[float, float]:
    """What comes once a month, by its last three closed months, and how much that varies."""
    since = months_before(now, 3).date()
    found = (
        lines.filter(
            ~pl.col("RECORD_TYPE").cast(pl.String).is_in(BY_THE_DAY)
            & (pl.col("day") >= since)
            & (pl.col("day") < now.date().replace(day=1))
        )
        .group_by(pl.col("day").dt.truncate("1mo"))
        .agg(pl.col(column).sum().cast(pl.Float64).alias("amount"))["amount"]
        .to_numpy()
    )
    months = np.pad(found, (0, 3 - len(found)))
    return float(np.median(months)), float(np.var(months))


def _unit(lines: pl.DataFrame) -> str:
    units = lines["unit"].drop_nulls().unique().to_list()
    if len(units) != 1:
        raise Refused(
            "UnresolvableUsageUnitException",
            "Unable to resolve the unit of the usage. Filter by USAGE_TYPE or USAGE_TYPE_GROUP with one unit.",
        )
    return str(units[0])


def _text(amount: float) -> str:
    return f"{amount:.10f}".rstrip("0").rstrip(".")


HANDLERS: dict[str, Handler] = {"GetCostForecast": get_cost_forecast, "GetUsageForecast": get_usage_forecast}
