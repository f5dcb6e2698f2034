"""What a budget has spent, will have spent and may spend, period by period, from the meter's lines.

In: a budget, the daily cost of what it covers. Out: amounts per period (day, month, quarter, year, or the custom period).
The forecast is what is spent plus the mean of the last fourteen whole days for every day that is left; it needs five
weeks of history (aws-facts section 3.1).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.world import PAYER

FORECAST_FROM = 14
HISTORY = timedelta(days=35)
LAST_DAY = date(2087, 6, 15)
"""Where AWS lets a budget end that was given no end."""
COLUMNS = {
    "SERVICE": "service",
    "USAGE_TYPE": "usage_type",
    "LINKED_ACCOUNT": "account",
    "REGION": "region",
    "RECORD_TYPE": "record_type",
    "OPERATION": "operation",
}
OLD_FILTERS = {
    "Service": "service",
    "UsageType": "usage_type",
    "LinkedAccount": "account",
    "Region": "region",
    "RecordType": "record_type",
    "Operation": "operation",
}
"""Keys of CostFilters, and the same in the capitals of a FilterExpression."""
SORTS = {
    "IncludeTax": ("Tax",),
    "IncludeCredit": ("Credit",),
    "IncludeRefund": ("Refund",),
    "IncludeUpfront": ("SavingsPlanUpfrontFee", "Fee"),
    "IncludeRecurring": ("SavingsPlanRecurringFee", "RIFee"),
    "IncludeDiscount": ("EdpDiscount", "PrivateRateDiscount", "BundledDiscount"),
}
"""Which record types each of the CostTypes lets in. All are let in unless it says otherwise."""

AMOUNTS = {"AmortizedCost": "amortized", "NetUnblendedCost": "net_cost", "NetAmortizedCost": "net_amortized"}
"""Columns of a budget's metrics; of the others, `cost`."""


def daily(meter: Meter, account: str, given: dict[str, Any], first: date, now: datetime) -> dict[date, float]:
    """What the budget covers, a day at a time from ``first`` on, as the bill shows it now."""
    lines = meter.lines(first, now.date(), now).filter(covered(given))
    if account != PAYER:
        lines = lines.filter(pl.col("account") == account)
    summed = lines.group_by("day").agg(pl.col(counted(given)).sum().alias("amount"))
    return dict(zip(summed["day"].to_list(), summed["amount"].to_list(), strict=True))


def counted(given: dict[str, Any]) -> str:
    """The column of the bill that a budget adds up. Blended rates are the unblended ones without reservations."""
    if given["BudgetType"] == "USAGE":
        return "quantity"
    if given.get("CostTypes", {}).get("UseAmortized"):
        return "amortized"
    return AMOUNTS.get((given.get("Metrics") or ["UnblendedCost"])[0], "cost")


def covered(given: dict[str, Any]) -> pl.Expr:
    """Which lines a budget is about."""
    wanted = [pl.lit(value=True)]
    for key, values in given.get("CostFilters", {}).items():
        wanted.append(_old_filter(key, values))
    if given.get("FilterExpression"):
        wanted.append(_expression(given["FilterExpression"]))
    types = given.get("CostTypes", {})
    for name, sorts in SORTS.items():
        if types.get(name, True) is False:
            wanted.append(~pl.col("record_type").is_in(sorts))
    return pl.all_horizontal(wanted)


def period(given: dict[str, Any], day: date) -> tuple[date, date]:
    """The period that a day is in: its first day, and the first day after it."""
    unit = given["TimeUnit"]
    if unit == "DAILY":
        return day, day + timedelta(days=1)
    if unit == "CUSTOM":
        return given["TimePeriod"]["Start"].date(), given["TimePeriod"]["End"].date()
    months = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUALLY": 12}[unit]
    begin = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    following = begin.month - 1 + months
    return begin, date(begin.year + following // 12, following % 12 + 1, 1)


def actual(spent: dict[date, float], begin: date, until: date) -> float:
    """Spent from ``begin`` up to, not including, ``until``."""
    return sum(amount for day, amount in spent.items() if begin <= day < until)


def forecast(spent: dict[date, float], begin: date, end: date, today: date) -> float | None:
    """Spent by the end of the period, None without enough history. ``today`` is not over yet: it counts as a mean day."""
    known = [day for day in spent if day < today]
    if not known or today - min(known) < HISTORY:
        return None
    recent = sum(spent.get(today - timedelta(days=number), 0.0) for number in range(1, FORECAST_FROM + 1))
    whole = actual(spent, begin, min(today, end))
    return whole + recent / FORECAST_FROM * max(0, (end - max(today, begin)).days)


def limit(given: dict[str, Any], spent: dict[date, float], begin: date) -> float | None:
    """What may be spent in the period that begins on this day."""
    planned = given.get("PlannedBudgetLimits")
    if planned:
        starts = [int(key) for key in planned if int(key) <= datetime.combine(begin, time(), UTC).timestamp()]
        return float(planned[str(max(starts))]["Amount"]) if starts else None
    adjusted = given.get("AutoAdjustData")
    if adjusted:
        back = adjusted.get("HistoricalOptions", {}).get("BudgetAdjustmentPeriod", 1)
        return _mean_of_last(given, spent, begin, back)
    return float(given["BudgetLimit"]["Amount"]) if "BudgetLimit" in given else None


def _mean_of_last(given: dict[str, Any], spent: dict[date, float], begin: date, periods: int) -> float:
    amounts, end = [], begin
    for _ in range(periods):
        start, _ = period(given, end - timedelta(days=1))
        amounts.append(actual(spent, start, end))
        end = start
    return sum(amounts) / len(amounts)


def _old_filter(key: str, values: list[str]) -> pl.Expr:
    if key == "TagKeyValue":
        pairs = [value.removeprefix("user:").split("$", 1) for value in values]
        return pl.any_horizontal([_tag(pair[0]).eq(pair[-1]) for pair in pairs])
    column = OLD_FILTERS.get(key) or COLUMNS.get(key)
    if column is None:
        raise Refused("InvalidParameterException", f"Filter {key} is not supported.")
    return pl.col(column).is_in(values)


def _expression(wanted: dict[str, Any]) -> pl.Expr:
    operator, value = next(iter(wanted.items()))
    if operator in ("And", "Or"):
        join = pl.all_horizontal if operator == "And" else pl.any_horizontal
        return join([_expression(item) for item in value])
    if operator == "Not":
        return ~_expression(value)
    if operator == "Tags":
        return _tag(value["Key"]).fill_null("").is_in(value.get("Values", [""]))
    column = COLUMNS.get(value.get("Key", ""))
    if operator != "Dimensions" or column is None:
        raise Refused("InvalidParameterException", f"{operator} {value.get('Key')} is not supported in a budget.")
    return pl.col(column).is_in(value["Values"])


def _tag(key: str) -> pl.Expr:
    return pl.col("tags").str.json_path_match(f"$['{key}']")
