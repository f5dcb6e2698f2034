"""The month's end per series: what is spent stays spent, ranges are in order, and a forecast knows nothing of later days."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sagekeeper.analyzers.forecasting import ForecastSettings, breach, month_end
from sagekeeper.core.errors import BadInput

FIRST = date(2026, 7, 1)
TOTALS = ["low95", "low80", "median", "high80", "high95"]


def spend(**series: list[float]) -> pl.DataFrame:
    """Consecutive days from 1 July 2026 per series."""
    return pl.concat(
        pl.DataFrame({"series_id": name, "ts": [FIRST + timedelta(days=n) for n in range(len(costs))], "cost": costs})
        for name, costs in series.items()
    )


def random_spend(seed: int, series: int = 6, days: int = 140) -> pl.DataFrame:
    """Noisy levels with a shape of the week, one in bursts."""
    rng = np.random.default_rng(seed)
    made = {}
    for number in range(series):
        week = rng.uniform(0.3, 1.5, 7)
        costs = 100 * rng.uniform(0.1, 9) * np.exp(rng.normal(0, 0.1, days)) * week[np.arange(days) % 7]
        if number % 3 == 2:
            costs *= rng.random(days) < 0.2
        made[f"s{number}"] = costs.tolist()
    return spend(**made)


def test_an_even_spend_forecasts_itself_with_hardly_any_range() -> None:
    found = month_end(spend(a=[100.0] * 112)).row(0, named=True)  # up to 20 October
    assert found["origin"] == date(2026, 10, 20) and found["spent"] == pytest.approx(2000)
    assert found["median"] == pytest.approx(3100)
    assert found["high95"] - found["low95"] < 0.01 * 3100


def test_the_last_two_days_may_still_fill_up() -> None:
    found = month_end(spend(a=[100.0] * 110 + [90.0, 20.0])).row(0, named=True)
    assert found["spent"] == pytest.approx(1910) and found["median"] == pytest.approx(3100)


def test_weekends_count_as_weekends() -> None:
    costs = [20.0 if (FIRST + timedelta(days=n)).weekday() >= 5 else 100.0 for n in range(112)]
    # October 2026 has 22 weekdays and 9 days of weekend.
    assert month_end(spend(a=costs))["median"].item() == pytest.approx(22 * 100 + 9 * 20, rel=0.001)


def test_ninety_days_are_summed_from_the_day_after_the_origin() -> None:
    found = month_end(spend(a=[10.0] * 200), settings=ForecastSettings(horizon=90)).row(0, named=True)
    assert found["spent"] == 0.0 and found["median"] == pytest.approx(900) and len(found["path"]) == 90


def test_what_was_stopped_is_not_expected_again() -> None:
    found = month_end(spend(a=[100.0] * 82 + [0.0] * 30)).row(0, named=True)
    assert found["median"] == pytest.approx(0, abs=60)  # 3,100 a month before


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 0.5, 1000.0]))
def test_twice_the_money_is_twice_the_forecast(seed: int, factor: float) -> None:
    costs = random_spend(seed)
    one, other = month_end(costs), month_end(costs.with_columns(pl.col("cost") * factor))
    assert other.select(TOTALS).to_numpy() == pytest.approx(one.select(TOTALS).to_numpy() * factor, rel=1e-6, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_neither_the_order_of_rows_nor_the_names_matter(seed: int) -> None:
    costs = random_spend(seed)
    renamed = costs.with_columns(series_id="z" + (9 - pl.col("series_id").str.slice(1).cast(pl.Int64)).cast(pl.String))
    shuffled = month_end(costs.sample(fraction=1.0, shuffle=True, seed=seed))
    assert_frame_equal(shuffled, month_end(costs))
    assert_frame_equal(month_end(renamed).reverse().select(TOTALS), month_end(costs).select(TOTALS))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_days_after_the_origin_change_nothing(seed: int) -> None:
    costs, origin = random_spend(seed), date(2026, 10, 10)
    later = costs.with_columns(cost=pl.when(pl.col("ts") > origin).then(1e6).otherwise(pl.col("cost")))
    assert_frame_equal(month_end(later, [origin]), month_end(costs.filter(pl.col("ts") <= origin)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(40, 139))
def test_ranges_are_in_order_and_never_below_what_is_spent(seed: int, day: int) -> None:
    found = month_end(random_spend(seed), [FIRST + timedelta(days=day)])
    totals = found.select("spent", *TOTALS).to_numpy()
    assert (np.diff(totals, axis=1) >= -1e-9).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_another_series_teaches_but_moves_a_median_by_less_than_a_quarter_of_its_range(seed: int) -> None:
    costs = random_spend(seed, series=12)
    alone = month_end(costs.filter(pl.col("series_id") != "s2"))
    beside = month_end(costs).filter(pl.col("series_id") != "s2")
    moved = (beside["median"] - alone["median"]).abs() / (alone["high80"] - alone["low80"])
    assert moved.max() < 0.25


def test_ranges_hold_as_often_as_they_say_over_series_and_origins() -> None:
    rng = np.random.default_rng(11)
    levels = np.exp(np.cumsum(rng.normal(0, 0.02, (260, 60)), axis=0) + rng.normal(0, 0.1, (260, 60)))
    costs = spend(**{f"s{number:02}": (100 * levels[:, number]).tolist() for number in range(60)})
    ends = costs.group_by("series_id", month=pl.col("ts").dt.truncate("1mo")).agg(actual=pl.col("cost").sum())
    origins = [date(2027, 1, 10), date(2027, 1, 20), date(2027, 2, 10), date(2027, 2, 20)]
    found = month_end(costs, origins).with_columns(month=pl.col("origin").dt.truncate("1mo"))
    cases = found.join(ends, on=["series_id", "month"])
    assert cases.select(pl.col("actual").is_between("low80", "high80").mean()).item() == pytest.approx(0.8, abs=0.07)
    assert cases.select(pl.col("actual").is_between("low95", "high95").mean()).item() == pytest.approx(0.95, abs=0.04)


def test_a_budget_breaks_surely_never_or_on_a_day() -> None:
    forecast = month_end(random_spend(3), [date(2026, 10, 20)]).filter(series_id="s0")
    low, median, high = forecast.select("low95", "median", "high95").row(0)
    budgets = pl.DataFrame({"series_id": ["s0"] * 3, "amount": [low * 0.5, median, high * 2]})
    found = breach(forecast, budgets)
    assert found["p_breach"].to_list() == [
        pytest.approx(1, abs=0.01),
        pytest.approx(0.5, abs=0.02),
        pytest.approx(0, abs=0.01),
    ]
    early, middle, never = found["breach_on"].to_list()
    assert early == date(2026, 10, 20) and date(2026, 10, 20) < middle <= date(2026, 10, 31) and never is None


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (pl.DataFrame({"series_id": ["a"], "ts": [FIRST]}), "no column cost"),
        (pl.DataFrame({"series_id": ["a"], "ts": ["2026"], "cost": [1.0]}), "ts is String"),
        (
            pl.DataFrame({"series_id": ["a"], "ts": [FIRST], "cost": [None]}, schema_overrides={"cost": pl.Float64}),
            "in cost",
        ),
        (spend(a=[1.0]).clear(), "no row"),
    ],
)
def test_what_cannot_be_forecast_is_refused_with_a_reason(costs: pl.DataFrame, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        month_end(costs)


def test_an_origin_outside_the_costs_is_refused() -> None:
    with pytest.raises(BadInput, match="2027-01-01 is not within"):
        month_end(spend(a=[1.0] * 40), [date(2027, 1, 1)])


RNG = np.random.default_rng(12)
ODD = {
    "one day": [1.0],
    "three days": [1.0, 2.0, 3.0],
    "nothing at all": [0.0] * 100,
    "only credits": (-RNG.random(100)).tolist(),
    "one charge": [0.0] * 50 + [1e6] + [0.0] * 50,
    "the last day only": [0.0] * 99 + [5.0],
    "charges and refunds": RNG.normal(0, 1, 200).tolist(),
    "a whole month": RNG.random(31).tolist(),
    "parts of cents": (RNG.random(100) * 1e-12).tolist(),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("horizon", ["month-end", 1, 90])
@pytest.mark.parametrize("costs", ODD.values(), ids=ODD.keys())
def test_odd_series_have_finite_forecasts_in_order(costs: list[float], horizon: int) -> None:
    found = month_end(spend(a=costs, b=[1.0]), settings=ForecastSettings(horizon=horizon)).select(TOTALS).to_numpy()
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= -1e-9 * np.abs(found).max()).all()
