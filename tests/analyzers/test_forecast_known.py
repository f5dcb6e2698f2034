"""Fees of commitments beside a forecast: literal days, arithmetic that can be done by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.forecast_known import SERIES, apart, committed, with_known
from sagekeeper.analyzers.month_forecast import Forecast, this_month

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)  # 17 November is the last whole day, 19 the last on the bill
LAST = date(2026, 11, 30)


def bill(category: str, first: date, *costs: float) -> pl.DataFrame:
    days = [first + timedelta(days=n) for n in range(len(costs))]
    blank = {name: pl.lit(None, pl.String) for name in SERIES}
    return pl.DataFrame({"day": days, "billed": list(costs)}).with_columns(charge_category=pl.lit(category), **blank)


def plan(*costs: float, last: date = date(2026, 11, 19)) -> pl.DataFrame:
    return bill("Purchase", last - timedelta(days=len(costs) - 1), *costs)


def per_day(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("day").agg(cost=pl.col("billed").sum()).sort("day")


def forecast(rows: pl.DataFrame) -> Forecast:
    fees = committed(rows, AS_OF, LAST)
    return with_known(this_month(apart(per_day(rows), fees), AS_OF), fees)


def test_a_fee_of_a_quarter_goes_on_to_the_end_and_adds_nothing_to_the_range() -> None:
    rng = np.random.default_rng(3)
    used = bill("Usage", date(2026, 8, 1), *(100 + rng.normal(0, 5, 111)))
    alone, both = forecast(used), forecast(pl.concat([used, plan(*[240.0] * 111)]))
    assert both.spent - alone.spent == pytest.approx(19 * 240)
    assert both.expected - alone.expected == pytest.approx(30 * 240)
    assert both.high95 - both.low95 == pytest.approx(alone.high95 - alone.low95)
    assert np.subtract(both.path, alone.path) == pytest.approx([240.0] * 11)


def test_what_a_young_day_does_not_show_of_the_fee_yet_is_still_to_come() -> None:
    fees = committed(plan(*[240.0] * 100, 100.0), AS_OF, LAST)  # of 19 November ten hours are billed
    assert fees.within(date(2026, 11, 19), date(2026, 11, 19)) == (100.0, 140.0)
    assert fees.within(date(2026, 11, 1), LAST) == (18 * 240 + 100.0, 140 + 11 * 240.0)


def test_a_fee_that_has_ended_a_new_one_and_a_single_payment_are_not_fixed() -> None:
    ended = plan(*[240.0] * 120, last=date(2026, 11, 16))
    new = plan(*[240.0] * 80)
    upfront = bill("Purchase", date(2026, 11, 3), 9000.0)
    moved = plan(*[200.0] * 60, *[240.0] * 60)
    for rows in (ended, new, upfront, moved):
        fees = committed(rows, AS_OF, LAST)
        assert fees.shown.is_empty() and fees.coming.is_empty()


def test_days_before_the_plan_are_learned_as_if_it_had_been_there() -> None:
    # Until 10 August 200 a day on demand; since then the plan's 160 and 40 beside it.
    used = bill("Usage", date(2026, 5, 1), *[200.0] * 101, *[40.0] * 102)
    found = forecast(pl.concat([used, plan(*[160.0] * 102)]))
    assert (found.spent, found.expected) == (pytest.approx(19 * 200), pytest.approx(30 * 200))
    assert found.high95 - found.low95 == pytest.approx(0.0, abs=1e-6)


def test_no_more_of_a_fee_is_taken_from_days_before_it_than_they_cost() -> None:
    used = bill("Usage", date(2026, 5, 1), *[50.0] * 101, *[40.0] * 102)
    rows = pl.concat([used, plan(*[160.0] * 102)])
    left = apart(per_day(rows), committed(rows, AS_OF, LAST))["cost"].to_list()
    assert left == [0.0] * 101 + [40.0] * 102


def test_usage_that_is_the_same_every_day_is_no_fee() -> None:
    assert committed(bill("Usage", date(2026, 8, 1), *[240.0] * 111), AS_OF, LAST).shown.is_empty()


def test_at_christmas_the_office_rests_and_the_fee_does_not() -> None:
    now = datetime(2026, 12, 20, 8, tzinfo=UTC)
    days = [date(2026, 8, 1) + timedelta(days=n) for n in range(141)]  # to 19 December
    office = bill("Usage", days[0], *(100.0 if day.weekday() < 5 else 0.0 for day in days))
    rows = pl.concat([office, bill("Purchase", days[0], *[240.0] * 141)])
    fees = committed(rows, now, date(2026, 12, 31))
    found = with_known(this_month(apart(per_day(rows), fees), now), fees)
    assert min(found.path) >= 240.0 - 1e-9
