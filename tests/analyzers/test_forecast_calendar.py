"""Holidays: who follows office days rests on them, machines and schedules do not."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.forecast_calendar import rests, weekdays
from sagekeeper.analyzers.forecasting import ForecastSettings, month_end

FIRST = date(2026, 8, 3)  # a Monday
DAYS = (date(2026, 12, 20) - FIRST).days + 1
NONE = ForecastSettings(provisional_days=0, holidays=())
KNOWN = ForecastSettings(provisional_days=0)


def ends(costs: list[float], settings: ForecastSettings) -> float:
    """The December of 2026, forecast on the 20th."""
    rows = {"series_id": "a", "ts": [FIRST + timedelta(days=n) for n in range(len(costs))], "cost": costs}
    return float(month_end(pl.DataFrame(rows), settings=settings)["median"].item())


def office(days: int = DAYS) -> list[float]:
    return [100.0 if n % 7 < 5 else 5.0 for n in range(days)]


def test_what_follows_office_days_costs_as_on_sundays_between_christmas_and_new_year() -> None:
    # From 21 December nine office days are left: the 21st to 23rd, and six of the holidays.
    assert ends(office(), NONE) - ends(office(), KNOWN) == pytest.approx(6 * 95, rel=0.01)


def test_what_runs_always_or_on_days_of_its_own_knows_no_holidays() -> None:
    weekly = [100.0 if n % 7 == 2 else 0.0 for n in range(DAYS)]
    for costs in ([100.0] * DAYS, weekly):
        assert ends(costs, KNOWN) == pytest.approx(ends(costs, NONE))


def test_holidays_that_are_past_do_not_lower_the_level_after_them() -> None:
    costs = office((date(2027, 1, 10) - FIRST).days + 1)
    quiet = [
        5.0 if date(2026, 12, 24) <= FIRST + timedelta(days=n) <= date(2027, 1, 1) else cost
        for n, cost in enumerate(costs)
    ]
    january = 20 * 100 + 10 * 5 + 5  # 20 office days without the first, which is a holiday
    assert ends(quiet, KNOWN) == pytest.approx(january, rel=0.02)


def test_a_holiday_may_be_of_every_year_or_of_one() -> None:
    found = weekdays(date(2026, 4, 1), 4, ("04-02", "2026-04-03", "2027-04-04"))
    assert found.tolist() == [2, 6, 6, 5]


def test_rest_is_told_by_both_days_of_the_weekend_and_all_others() -> None:
    shape = np.ones((7, 3))
    shape[5:, 0] = 0.1
    shape[6, 1] = 0.1
    shape[:, 2] = [0, 0, 7, 0, 0, 0, 0]
    assert rests(shape).tolist() == [True, False, False]
