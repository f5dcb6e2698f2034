"""The month's end, on days whose arithmetic can be done by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.month_forecast import Forecast, fan, this_month, with_tax

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)


def days(first: date, *costs: float) -> pl.DataFrame:
    """Consecutive days."""
    return pl.DataFrame({"day": [first + timedelta(days=n) for n in range(len(costs))], "cost": list(costs)})


def test_an_even_spend_goes_on_to_the_last_day() -> None:
    found = this_month(days(date(2026, 9, 1), *[100.0] * 80), AS_OF)  # up to 19 November
    assert found.spent == pytest.approx(1900)
    assert found.expected == pytest.approx(3000)
    assert found.low == pytest.approx(3000) and found.high == pytest.approx(3000)
    assert (found.first_day, found.last_day) == (date(2026, 11, 1), date(2026, 11, 30))


def test_days_younger_than_48_hours_are_expected_to_fill_up() -> None:
    # 18 and 19 November show half: they are provisional, and the month still ends at 3,000.
    found = this_month(days(date(2026, 9, 1), *[100.0] * 78, 50.0, 50.0), AS_OF)
    assert found.spent == pytest.approx(1800)
    assert found.expected == pytest.approx(3000)
    assert found.provisional_days == 2


def test_weekends_count_as_weekends() -> None:
    first = date(2026, 9, 1)
    costs = [20.0 if (first + timedelta(days=n)).weekday() >= 5 else 100.0 for n in range(80)]
    found = this_month(days(first, *costs), AS_OF)
    # November 2026 has 21 weekdays and 9 days of weekend.
    assert found.expected == pytest.approx(21 * 100 + 9 * 20, rel=0.0005)


def test_one_tax_line_is_spent_but_not_expected_again() -> None:
    costs = [100.0] * 80
    costs[61] += 900.0  # 1 November
    assert this_month(days(date(2026, 9, 1), *costs), AS_OF).expected == pytest.approx(3900)


def taxed(*tax: tuple[date, float]) -> Forecast:
    """100 a day since August, and tax lines."""
    charges = days(date(2026, 8, 1), *[100.0] * 111)
    lines = pl.DataFrame(tax, schema={"day": pl.Date(), "cost": pl.Float64()}, orient="row")
    return with_tax(this_month(charges, AS_OF), charges, lines)


def test_tax_that_comes_when_the_month_closes_is_expected_at_the_share_it_had() -> None:
    # August 155 of 3,100, September 150 of 3,000, October 186 of 3,100: 5, 5 and 6 %.
    found = taxed((date(2026, 8, 1), 155.0), (date(2026, 9, 1), 150.0), (date(2026, 10, 1), 186.0))
    assert found.spent == pytest.approx(1900)
    assert found.expected == pytest.approx(3150) and found.tax_to_come == pytest.approx(150)
    assert (found.low, found.high) == (pytest.approx(3150), pytest.approx(3180))


def test_tax_that_is_there_already_is_not_expected_again() -> None:
    found = taxed((date(2026, 10, 1), 155.0), (date(2026, 11, 1), 150.0))
    assert (found.spent, found.expected) == (pytest.approx(2050), pytest.approx(3150))
    assert found.tax_to_come == 0.0


def test_part_of_the_tax_is_filled_up() -> None:
    found = taxed((date(2026, 10, 1), 155.0), (date(2026, 11, 1), 95.0))
    assert found.expected == pytest.approx(3150) and found.tax_to_come == pytest.approx(55)


def test_without_a_taxed_month_no_tax_is_made_up() -> None:
    assert taxed().expected == pytest.approx(3000)


def test_last_months_tax_that_is_late_does_not_lower_the_share() -> None:
    # On 20 November October's line is missing: it is not a month without tax.
    assert taxed((date(2026, 9, 1), 150.0)).expected == pytest.approx(3150)


def test_a_level_that_has_doubled_two_weeks_ago_is_the_one_that_goes_on() -> None:
    found = this_month(days(date(2026, 9, 1), *[100.0] * 61, *[200.0] * 19), AS_OF)
    assert found.expected == pytest.approx(6000, rel=0.02)


def test_without_history_the_pace_so_far_is_all_there_is() -> None:
    found = this_month(days(date(2026, 11, 19), 40.0), AS_OF)
    assert found.low == found.spent == 40.0
    assert found.expected == pytest.approx(40 + 40 * 10)
    assert found.high > found.expected


def test_the_range_holds_the_outcome_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits, runs = 0, 200
    for _ in range(runs):
        level = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, 91)))
        costs = level * rng.normal(1, 0.08, 91)
        whole = days(date(2026, 9, 1), *costs)
        found = this_month(whole.filter(pl.col("day") <= date(2026, 11, 17)), AS_OF)
        outcome = float(whole.filter(pl.col("day") >= date(2026, 11, 1))["cost"].sum())
        hits += found.low <= outcome <= found.high
    assert 0.7 <= hits / runs <= 0.98


def test_what_is_spent_is_never_above_the_expected_end() -> None:
    found = this_month(days(date(2026, 11, 1), *[10.0] * 15, *[500.0] * 4), AS_OF)
    assert found.spent <= found.low <= found.expected <= found.high


def test_the_fan_starts_at_what_is_spent_widens_and_ends_at_the_forecast() -> None:
    rng = np.random.default_rng(6)
    found = this_month(days(date(2026, 9, 1), *rng.lognormal(4, 0.2, 80)), AS_OF)
    seen = fan(found)
    assert seen["day"].to_list() == [date(2026, 11, 19) + timedelta(days=n) for n in range(12)]
    assert seen.row(0)[1:] == pytest.approx([found.spent] * 5)
    assert seen.row(-1)[1:] == pytest.approx([found.low95, found.low, found.expected, found.high, found.high95])
    assert (np.diff((seen["high80"] - seen["low80"]).to_numpy()) >= 0).all()


def test_tax_to_come_is_a_step_on_the_last_day_of_the_fan() -> None:
    steps = fan(taxed((date(2026, 10, 1), 155.0)))["median"].diff()[1:].to_list()
    assert steps[:-1] == [pytest.approx(100, abs=15)] * 10 and steps[-1] == pytest.approx(250, abs=15)


def test_a_rise_on_the_last_day_alone_is_not_yet_a_level_and_a_week_of_it_is() -> None:
    one = this_month(days(date(2026, 9, 1), *[100.0] * 77, 300.0, 300.0, 300.0), AS_OF)
    week = this_month(days(date(2026, 9, 1), *[100.0] * 70, *[300.0] * 10), AS_OF)
    assert one.expected - one.spent < week.expected - week.spent


def test_a_range_of_95_percent_holds_that_of_80() -> None:
    rng = np.random.default_rng(9)
    found = this_month(days(date(2026, 9, 1), *rng.lognormal(4, 0.3, 80)), AS_OF)
    assert found.spent <= found.low95 <= found.low <= found.expected <= found.high <= found.high95
