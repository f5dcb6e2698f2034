"""A price that rose lately is in the forecast whole, as soon as it is found: literal days, arithmetic by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.forecast_known import NOTHING_KNOWN, apart, with_known
from sagekeeper.analyzers.forecast_prices import lacking
from sagekeeper.analyzers.month_forecast import this_month
from sagekeeper.core.tables import COSTS

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
RISE = date(2026, 11, 16)  # 16 and 17 November are whole: the rise is just found


def lines(rows: SimpleNamespace, before: float, now: float) -> pl.DataFrame:
    """From 1 September to 19 November 100 hours a day, on weekends 50, at the price before and from 16 November on."""
    made: list[dict[str, Any]] = []
    for number in range(80):
        day = date(2026, 9, 1) + timedelta(days=number)
        hours = 100.0 if day.weekday() < 5 else 50.0
        cost = hours * (now if day >= RISE else before)
        made.append(rows.bill_line("USE1-Host:ml.m5.4xlarge", cost, hours, x_ChargeDate=day))
    return pl.DataFrame([dict.fromkeys(COSTS.columns) | row for row in made], schema=COSTS.columns)


def test_days_before_the_rise_lack_their_quantity_times_the_rise(rows: SimpleNamespace) -> None:
    found = lacking(lines(rows, 1.0, 1.5), AS_OF)
    assert found["usage_family"].unique().to_list() == ["hosting"]
    assert found.filter(pl.col("day") >= RISE).is_empty() and found.height == 76
    per_day = dict(found.select("day", "billed").iter_rows())
    assert (per_day[date(2026, 11, 13)], per_day[date(2026, 11, 14)]) == (pytest.approx(-50), pytest.approx(-25))


def test_the_days_to_come_cost_what_they_cost_at_the_new_price_and_what_is_spent_stays(rows: SimpleNamespace) -> None:
    bill = lines(rows, 1.0, 1.5)
    days = bill.select(day="x_ChargeDate", cost="BilledCost")
    known = NOTHING_KNOWN.besides(lacking(bill, AS_OF).select("day", cost="billed"))
    learned, told = this_month(days, AS_OF), with_known(this_month(apart(days, known), AS_OF), known)
    assert told.spent == learned.spent == pytest.approx(10 * 100 + 5 * 50 + 4 * 150)
    # Of 20 to 30 November seven days are weekdays, four a weekend.
    assert told.expected == pytest.approx(told.spent + 7 * 150 + 4 * 75, rel=0.005)
    assert learned.expected < told.expected - 100


def test_without_a_rise_nothing_lacks_and_a_fall_is_not_told(rows: SimpleNamespace) -> None:
    assert lacking(lines(rows, 1.0, 1.0), AS_OF).is_empty()
    assert lacking(lines(rows, 1.0, 0.5), AS_OF).is_empty()
