"""What is over and must not raise the rest of the month: literal days of one resource."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from sagekeeper.analyzers.forecast_episodes import INCIDENTS, over
from sagekeeper.analyzers.forecast_known import Known, apart, with_known
from sagekeeper.analyzers.month_forecast import Forecast, this_month

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)  # 17 November is the last whole day, 19 the last on the bill
PLACE = {"account": "1", "region": "eu-west-1"}


def resource(kind: str, name: str, costs: dict[date, float]) -> pl.DataFrame:
    more = PLACE | {"resource_kind": kind, "resource_name": name}
    return pl.DataFrame([more | {"day": day, "billed": cost, "list": 2 * cost} for day, cost in costs.items()])


def incident(kind: str, name: str, since: date, excess: float, per_day: float, ended: bool = False) -> pl.DataFrame:
    row = {"incident": name, **PLACE, "resource_kind": kind, "resource_name": name}
    row |= {"since": since, "excess": excess, "per_day": per_day, "ended": ended}
    return pl.DataFrame([row], schema=INCIDENTS)


def endpoint(level: float, first: date, last: date, high: float) -> pl.DataFrame:
    """``level`` a day from 1 September to 19 November, ``high`` from ``first`` to ``last``."""
    days = [date(2026, 9, 1) + timedelta(days=n) for n in range(80)]
    return resource("endpoint", "e", {day: high if first <= day <= last else level for day in days})


def gone(incidents: pl.DataFrame, rows: pl.DataFrame) -> dict[date, float]:
    found = over(incidents, rows, AS_OF, ("billed", "list")).sort("day")
    assert found["list"].to_list() == pytest.approx((2 * found["billed"]).to_list())
    return {day: round(cost, 6) for day, cost in found.select("day", "billed").iter_rows()}


def forecast(days: pl.DataFrame, taken: pl.DataFrame) -> Forecast:
    known = Known(taken.select("day", cost="billed"), pl.DataFrame(schema={"day": pl.Date(), "cost": pl.Float64()}))
    return with_known(this_month(apart(days, known), AS_OF), known)


def test_of_a_runaway_job_that_ended_what_was_too_much_does_not_raise_the_rest_of_the_month() -> None:
    first = date(2026, 11, 16)
    job = resource("training_job", "fit", {first + timedelta(days=n): 1000.0 for n in range(4)})
    seen = incident("training_job", "fit", first, 3600.0, 900.0, ended=True)
    taken = over(seen, job, AS_OF, ("billed",))
    assert taken["billed"].to_list() == pytest.approx([900.0] * 4)  # a usual run of it cost 400
    start = date(2026, 9, 1)
    all_days = [start + timedelta(days=n) for n in range(80)]
    days = pl.DataFrame({"day": all_days, "cost": [100.0 + (1000.0 if day >= first else 0.0) for day in all_days]})
    before, after = forecast(days, taken.clear()), forecast(days, taken)
    assert after.spent == before.spent == pytest.approx(1900 + 4000)
    assert before.expected > 8000
    assert after.expected == pytest.approx(3000 + 3600 + 400, rel=0.1)


def test_a_job_that_still_runs_is_no_episode() -> None:
    job = resource("training_job", "fit", {date(2026, 11, 10) + timedelta(days=n): 1000.0 for n in range(10)})
    assert gone(incident("training_job", "fit", date(2026, 11, 10), 9000.0, 900.0), job) == {}


def test_an_expected_one_off_of_an_endpoint_that_is_back_is_taken_out_above_its_usual() -> None:
    rows = endpoint(50.0, date(2026, 11, 9), date(2026, 11, 12), 450.0)
    seen = incident("endpoint", "e", date(2026, 11, 9), 1600.0, 400.0)
    assert gone(seen, rows) == {date(2026, 11, day): 400.0 for day in (9, 10, 11, 12)}


def test_what_was_there_a_month_ago_too_will_come_again_and_is_left() -> None:
    rows = endpoint(50.0, date(2026, 11, 9), date(2026, 11, 12), 450.0).with_columns(
        billed=pl.when(pl.col("day").is_between(date(2026, 10, 8), date(2026, 10, 10))).then(450.0).otherwise("billed")
    )
    assert gone(incident("endpoint", "e", date(2026, 11, 9), 1600.0, 400.0), rows) == {}


def test_no_more_is_taken_than_the_incident_says() -> None:
    rows = endpoint(50.0, date(2026, 11, 9), date(2026, 11, 12), 450.0)
    seen = incident("endpoint", "e", date(2026, 11, 9), 800.0, 400.0)
    assert gone(seen, rows) == {date(2026, 11, day): 200.0 for day in (9, 10, 11, 12)}


def test_a_level_that_holds_stays_and_so_does_one_that_was_left_a_day_ago() -> None:
    holds = endpoint(50.0, date(2026, 11, 9), date(2026, 11, 19), 450.0)
    one_day = endpoint(50.0, date(2026, 11, 9), date(2026, 11, 16), 450.0)
    seen = incident("endpoint", "e", date(2026, 11, 9), 4400.0, 400.0)
    assert gone(seen, holds) == gone(seen, one_day) == {}


def test_a_notebook_that_rests_over_the_weekend_is_not_over() -> None:
    # Expected since Monday 2 November; 14 and 15 November are a weekend, and the bill is whole up to it.
    days = {date(2026, 11, day): 400.0 for day in (2, 3, 4, 5, 6, 9, 10, 11, 12, 13)}
    seen = incident("notebook", "n", date(2026, 11, 2), 4000.0, 400.0)
    rows = resource("notebook", "n", days)
    monday = datetime(2026, 11, 18, 8, tzinfo=UTC)
    assert over(seen, rows, monday, ("billed",)).is_empty()


def test_what_is_long_ago_is_left_as_it_was() -> None:
    rows = endpoint(50.0, date(2026, 10, 9), date(2026, 10, 12), 450.0)
    assert gone(incident("endpoint", "e", date(2026, 10, 9), 1600.0, 400.0), rows) == {}


def test_without_incidents_nothing_is_taken() -> None:
    assert gone(pl.DataFrame(schema=INCIDENTS), endpoint(50.0, date(2026, 11, 9), date(2026, 11, 12), 450.0)) == {}
