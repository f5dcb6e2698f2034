"""What is known beforehand: fees of a day of the month, fixed amounts, schedules, prices, incidents."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.forecast_fees import without_fees
from sagekeeper.analyzers.forecasting import ForecastSettings, Given, month_end
from sagekeeper.core.errors import BadInput

FIRST = date(2026, 7, 1)
WHOLE = ForecastSettings(provisional_days=0)


def spend(costs: list[float], name: str = "a") -> pl.DataFrame:
    """Consecutive days from 1 July 2026; 112 of them end on 20 October, before 11 days more."""
    return pl.DataFrame(
        {"series_id": name, "ts": [FIRST + timedelta(days=n) for n in range(len(costs))], "cost": costs}
    )


def ends(costs: list[float], settings: ForecastSettings = WHOLE, **given: dict[str, Any]) -> dict[str, Any]:
    """The forecast of series a; ``given``: one row of each frame."""
    frames = {name: pl.DataFrame([{"series_id": "a"} | row]) for name, row in given.items()}
    return month_end(spend(costs), settings=settings, given=Given(**frames)).row(0, named=True)


def noisy() -> list[float]:
    return (100 * np.exp(np.random.default_rng(7).normal(0, 0.1, 112))).tolist()


def test_a_schedule_stops_what_would_have_run() -> None:
    plan = {"first": date(2026, 10, 25), "last": None, "factor": 0.0, "add": 0.0}
    assert ends([100.0] * 112, planned=plan)["median"] == pytest.approx(2000 + 400)


def test_a_planned_change_lasts_as_long_as_it_is_planned() -> None:
    plan = {"first": date(2026, 10, 22), "last": date(2026, 10, 23), "factor": 2.0, "add": 7.0}
    assert ends([100.0] * 112, planned=plan)["median"] == pytest.approx(3100 + 2 * 107)


def test_a_stop_that_has_begun_is_not_learned_from_twice() -> None:
    plan = {"first": date(2026, 10, 11), "last": date(2026, 10, 25), "factor": 0.0, "add": 0.0}
    # Spent until 10 October; then nothing; six days are as before.
    assert ends([100.0] * 102 + [0.0] * 10, planned=plan)["median"] == pytest.approx(1000 + 600)


def test_a_fixed_amount_replaces_what_is_expected_and_is_certain() -> None:
    fee = {"ts": date(2026, 10, 21), "cost": 5.0}
    assert ends([100.0] * 112, known=fee)["median"] == pytest.approx(2000 + 5 + 1000)
    all_days = pl.DataFrame(
        {"series_id": "a", "ts": [date(2026, 10, day) for day in range(21, 32)], "cost": [50.0] * 11}
    )
    found = month_end(spend(noisy()), settings=WHOLE, given=Given(known=all_days)).row(0, named=True)
    assert found["low95"] == pytest.approx(found["high95"]) == pytest.approx(found["spent"] + 550)


def test_a_new_price_counts_from_its_day_on_whether_it_is_past_or_to_come() -> None:
    assert ends([100.0] * 112, prices={"ts": date(2026, 10, 21), "factor": 1.2})["median"] == pytest.approx(2000 + 1320)
    # Three days at the new price are spent; the days before are learned from as if they had cost it, too.
    past = ends([100.0] * 109 + [120.0] * 3, prices={"ts": date(2026, 10, 18), "factor": 1.2})
    assert past["median"] == pytest.approx(1700 + 3 * 120 + 11 * 120)
    assert past["high95"] - past["low95"] < 0.02 * past["median"]


def test_an_incident_that_is_masked_is_spent_but_does_not_go_on() -> None:
    costs = [100.0] * 106 + [900.0] * 6
    masked = ends(costs, masks={"first": date(2026, 10, 15), "last": date(2026, 10, 20)})
    assert masked["spent"] == pytest.approx(1400 + 5400) and masked["median"] == pytest.approx(6800 + 1100)
    assert ends(costs)["median"] > 8500


def test_what_is_given_for_others_changes_nothing() -> None:
    plan = {"series_id": "b", "first": date(2026, 10, 25), "last": None, "factor": 0.0, "add": 0.0}
    assert ends(noisy(), planned=plan)["median"] == ends(noisy())["median"]


def test_a_frame_without_a_column_is_refused_with_its_name() -> None:
    with pytest.raises(BadInput, match="prices has no column factor"):
        Given(prices=pl.DataFrame({"series_id": ["a"], "ts": [FIRST]}))


def with_fee(days: int = 112, fee: float = 300.0) -> list[float]:
    return [100.0 + fee * ((FIRST + timedelta(days=n)).day == 5) for n in range(days)]


def test_a_fee_of_the_fifth_is_expected_on_the_fifth_and_never_on_another_day() -> None:
    assert ends(with_fee())["median"] == pytest.approx(3100 + 300)  # spent already
    found = ends(with_fee(), ForecastSettings(provisional_days=0, horizon=60))
    assert found["median"] == pytest.approx(6000 + 2 * 300)
    assert found["path"][15] == pytest.approx(400) and found["path"][16] == pytest.approx(100)  # 5 and 6 November


def test_a_fee_that_is_not_charged_any_more_is_not_expected() -> None:
    costs = with_fee()
    costs[96] = 100.0  # 5 October
    found = ends(costs, ForecastSettings(provisional_days=0, horizon=60))
    assert max(found["path"]) < 150 and found["median"] < 6000 + 2 * 300


def test_noise_has_no_fees_and_the_rest_never_falls_below_nothing() -> None:
    rng = np.random.default_rng(8)
    costs = rng.lognormal(3, 0.5, (200, 40)) * (rng.random((200, 40)) < np.linspace(0.05, 1, 40))
    rest, fees = without_fees(costs, FIRST)
    assert (fees > 0).sum() <= 2 and (rest >= 0).all()


def test_ninety_days_of_an_even_level_are_ninety_times_it() -> None:
    found = ends([100.0] * 200, ForecastSettings(provisional_days=0, horizon=90))
    assert found["median"] == pytest.approx(9000) and len(found["path"]) == 90
