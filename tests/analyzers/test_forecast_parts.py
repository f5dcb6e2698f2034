"""The parts of a forecast, on figures small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sagekeeper.analyzers.forecast_combination import before_any_error, combined, weights
from sagekeeper.analyzers.forecast_intervals import distances
from sagekeeper.analyzers.forecast_kinds import kinds
from sagekeeper.analyzers.forecast_open_days import open_days

ONE = np.zeros(1, dtype=np.int64)
LEVELS = (0.025, 0.10, 0.5, 0.90, 0.975)


def rules(*values: float) -> np.ndarray:
    """What each rule says of one series on one row."""
    return np.array(values)[:, None, None]


def test_of_even_weights_the_middle_rule_counts_and_a_wild_one_moves_nothing() -> None:
    even = np.full((3, 1, 1), 1 / 3)
    assert combined(rules(10, 12, 13), even).item() == pytest.approx(12)
    assert combined(rules(10, 12, 9_999), even).item() == pytest.approx(12)


def test_between_two_rules_of_the_same_weight_the_forecast_lies_between_them() -> None:
    assert combined(rules(10, 20), np.full((2, 1, 1), 0.5)).item() == pytest.approx(15)


def test_a_rule_with_all_the_weight_is_the_forecast() -> None:
    assert combined(rules(5, 7, 1), rules(0, 1, 0)).item() == 7


@given(arrays.arrays(float, (4, 1, 3), elements=st.floats(-1e6, 1e6)), st.integers(0, 1000))
def test_the_forecast_never_leaves_what_the_rules_say(said: np.ndarray, seed: int) -> None:
    shares = np.random.default_rng(seed).random((4, 1, 3))
    found = combined(said, shares / shares.sum(axis=0))
    assert (found >= said.min(axis=0) - 1e-6).all() and (found <= said.max(axis=0) + 1e-6).all()


def test_a_row_weighs_by_outcomes_that_were_known_on_it_only() -> None:
    said = np.repeat(np.array([10.0, 20.0])[:, None, None], 4, axis=1)
    shares = weights(said, np.array([[10.0], [10.0], [10.0], [10.0]]), 2, ONE, np.ones((2, 1)))[:, :, 0]
    assert shares[:, :2] == pytest.approx(0.5)  # nothing has come yet
    assert shares[0, 2] > 0.55 and shares[0, 3] > shares[0, 2]


def test_what_is_good_for_its_like_is_trusted_in_a_series_that_has_not_shown_it_yet() -> None:
    # In twenty series the second rule is always right; in the last one both have been wrong alike.
    said = np.repeat(np.array([10.0, 20.0])[:, None, None], 12, axis=1) * np.ones((2, 12, 21))
    came = np.full((12, 21), 20.0)
    came[:, 20] = 15.0
    shares = weights(said, came, 1, np.zeros(21, dtype=np.int64), np.ones((2, 21)))
    assert shares[1, -1, 20] > 0.9


def test_before_anything_is_known_quick_rules_weigh_most_in_steady_series_and_slow_ones_in_bursts() -> None:
    steady, bursts = np.array([20]), np.array([9])  # every day and calm; now and then and wild
    said, nothing = np.arange(10.0)[:, None, None], np.full((1, 1), np.nan)
    for kind, best in ((steady, 5), (bursts, 9)):
        shares = weights(said, nothing, 1, kind, before_any_error(kind))
        assert shares[:, 0, 0].argmax() == best


def test_series_of_a_kind_share_their_errors_and_those_of_another_kind_do_not() -> None:
    rng = np.random.default_rng(1)
    calm, wild = rng.normal(0, 0.01, (50, 20)), rng.normal(0, 1.0, (50, 20))
    errors, kind = np.hstack([calm, wild]), np.repeat([0, 1], 20)
    found = distances(errors, np.ones((50, 40)), np.ones(40), LEVELS, kind, 0.0)
    assert found[3, 0] == pytest.approx(0.0128, rel=0.2) and found[3, 39] == pytest.approx(1.28, rel=0.2)
    assert (np.diff(found, axis=0) >= 0).all() and (found[2] == 0).all()


def test_a_step_of_one_series_hardly_widens_it_beside_twenty_others() -> None:
    errors = np.random.default_rng(2).normal(0, 0.01, (50, 20))
    errors[10:14, 3] = 5.0
    found = distances(errors, np.ones((50, 20)), np.ones(20), LEVELS, np.zeros(20, dtype=np.int64), 0.0)
    assert found[4, 3] < 0.05


def test_without_any_error_that_is_known_the_range_is_a_guess_and_not_certainty() -> None:
    found = distances(np.full((4, 2), np.nan), np.ones((4, 2)), np.ones(2), LEVELS, np.zeros(2, dtype=np.int64), 200.0)
    assert found[:, 0] == pytest.approx([-1.96, -1.2816, 0, 1.2816, 1.96], abs=1e-3)


def test_kinds_part_what_runs_always_from_what_comes_in_bursts_and_what_is_calm_from_what_is_not() -> None:
    rng = np.random.default_rng(3)
    calm, noisy = 100 + rng.normal(0, 0.1, (84, 2)), 100 * rng.lognormal(0, 0.5, (84, 2))
    bursts = noisy * (np.arange(84) % 5 == 0)[:, None]
    found = kinds(np.hstack([calm, noisy, bursts, np.zeros((84, 2))]))
    assert found.reshape(4, 2)[:, 0].tolist() == found.reshape(4, 2)[:, 1].tolist()
    assert len(set(found.tolist())) == 4


def test_a_series_that_has_just_begun_is_not_of_the_kind_that_rests() -> None:
    old = np.full((84, 2), 100.0)
    old[:60, 1] = 0.0
    assert kinds(old)[0] == kinds(old)[1]


def test_a_kind_does_not_depend_on_the_unit_of_money() -> None:
    costs = np.random.default_rng(4).lognormal(0, 0.3, (84, 12))
    assert (kinds(costs) == kinds(costs * 1000)).all()


def whole(series: int = 12, days: int = 120) -> np.ndarray:
    rng = np.random.default_rng(5)
    return 100 * np.exp(rng.normal(0, np.geomspace(0.005, 0.3, series), (days, series)))


def test_days_that_are_as_usual_are_whole() -> None:
    assert open_days(whole()) == 0


def test_a_last_day_that_is_short_everywhere_is_open() -> None:
    costs = whole()
    costs[-1] *= 0.6
    assert open_days(costs) == 1


def test_two_short_days_are_both_open_and_so_is_a_whole_last_one_after_a_short_one() -> None:
    costs = whole()
    costs[-2] *= 0.9
    assert open_days(costs) == 2
    costs[-1] *= 0.6
    assert open_days(costs) == 2


def test_a_stop_of_a_few_series_is_no_open_day() -> None:
    costs = whole()
    costs[-2:, :2] = 0.0
    assert open_days(costs) == 0


def test_a_weekend_is_no_open_day() -> None:
    costs = whole()
    costs[(len(costs) - 1 - np.arange(len(costs))) % 7 < 2] *= 0.3  # the last two days of every week
    assert open_days(costs) == 0


def test_where_too_few_series_can_tell_the_last_days_count_as_open() -> None:
    assert open_days(whole(series=3)) == 2 and open_days(whole(days=20)) == 2 and open_days(whole(days=1)) == 0
