"""Forecasts held against what happened, on figures that can be checked by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sagekeeper.analyzers.forecast_backtest import backtest, crps, scored, scores
from sagekeeper.analyzers.forecast_series import spend_days
from sagekeeper.analyzers.forecasting import ForecastSettings
from sagekeeper.core.errors import BadInput

FIRST = date(2026, 1, 1)


def spend(days: int, **daily: float) -> pl.DataFrame:
    """Even costs from 1 January 2026."""
    return pl.concat(
        pl.DataFrame({"series_id": name, "ts": [FIRST + timedelta(days=n) for n in range(days)], "cost": cost})
        for name, cost in daily.items()
    )


def foretold(low95: float, low80: float, median: float, high80: float, high95: float) -> pl.DataFrame:
    """A forecast of series a from 10 March 2026, on which 100 is spent."""
    quantiles = {"low95": low95, "low80": low80, "median": median, "high80": high80, "high95": high95}
    return pl.DataFrame({"series_id": ["a"], "origin": [date(2026, 3, 10)], **quantiles, "spent": [100.0]})


def against_310(forecast: pl.DataFrame) -> dict[str, object]:
    """What a month of 31 days at 10 makes of it."""
    return scored(forecast, spend_days(spend(90, a=10.0)), date(2026, 3, 10), ForecastSettings()).row(0, named=True)


def test_the_error_is_the_distance_of_the_median_and_a_range_holds_what_lies_in_it() -> None:
    found = against_310(foretold(200, 250, 300, 309, 320))
    assert (found["actual"], found["error"]) == (310, 10)
    assert (found["in80"], found["in95"]) == (False, True)


def test_crps_of_a_point_is_its_distance_and_of_a_fair_range_is_less() -> None:
    points = np.full((5, 1), 300.0)
    assert crps(points, np.array([310.0])).item() == pytest.approx(10)
    # Of a normal distribution around the outcome: 0.2337 standard deviations (Gneiting and Raftery 2007, equation 21).
    normal = 310 + 10 * np.array([[-1.95996], [-1.28155], [0.0], [1.28155], [1.95996]])
    assert crps(normal, np.array([310.0])).item() == pytest.approx(2.337, rel=0.03)


def test_brier_is_asked_of_budgets_at_shares_of_the_month_before() -> None:
    # February cost 280; budgets at 224, 252, 280 break, at 308 too (310), at 336 and 364 not.
    right = against_310(foretold(309.9, 309.9, 310, 310.1, 310.1))
    assert right["brier"] == pytest.approx(0, abs=1e-9)
    wrong = against_310(foretold(219.9, 219.9, 220, 220.1, 220.1))
    assert wrong["brier"] == pytest.approx(4 / 6)


def test_brier_is_unknown_where_the_month_before_cost_nothing() -> None:
    costs = spend(90, a=10.0).with_columns(cost=pl.when(pl.col("ts") < date(2026, 3, 1)).then(0.0).otherwise("cost"))
    found = scored(foretold(1, 2, 3, 4, 5), spend_days(costs), date(2026, 3, 10), ForecastSettings())
    assert found["brier"].to_list() == [None]


def test_an_even_spend_is_foretold_to_the_cent() -> None:
    found = scores(backtest(spend(200, a=10.0, b=3.0)))
    assert (found["wape"], found["crps"]) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-3))
    # From 10 and 20 April, May and June: July is not over.
    assert found["cases"] == 2 * 6


def test_shares_are_of_all_spend_not_means_of_series() -> None:
    rows = pl.DataFrame(
        {"actual": [1000.0, -10.0], "error": [0.0, 10.0], "crps": [0.0, 5.0], "in80": [True, False], "in95": [True] * 2}
    ).with_columns(brier=pl.Series([0.1, None]))
    found = scores(rows)
    assert (found["wape"], found["crps"]) == (pytest.approx(10 / 1010), pytest.approx(5 / 1010))
    assert (found["coverage80"], found["coverage95"], found["brier"]) == (0.5, 1.0, pytest.approx(0.1))


def test_days_after_an_origin_change_its_outcome_but_not_its_forecast() -> None:
    rng = np.random.default_rng(4)
    costs = spend(200, a=10.0).with_columns(cost=pl.Series(rng.lognormal(2, 0.3, 200)))
    origin = date(2026, 5, 10)
    dearer = costs.with_columns(cost=pl.when(pl.col("ts") > origin).then(900.0).otherwise("cost"))
    one, other = backtest(costs, origins=[origin]), backtest(dearer, origins=[origin])
    kept = ["series_id", "origin", "low95", "low80", "median", "high80", "high95", "spent"]
    assert_frame_equal(one.select(kept), other.select(kept))
    assert other["actual"].item() > one["actual"].item()


def test_ninety_days_are_held_against_the_ninety_days_after() -> None:
    found = backtest(spend(240, a=10.0), ForecastSettings(horizon=90))
    assert found["actual"].to_list() == [900.0] * found.height
    assert found["brier"].null_count() == found.height


def test_too_short_a_history_is_refused_with_what_it_takes() -> None:
    with pytest.raises(BadInput, match="90 days of history"):
        backtest(spend(100, a=10.0))
