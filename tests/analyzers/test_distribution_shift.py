"""Sizes, intervals and p-values that can be checked against known distributions."""

from __future__ import annotations

from collections import Counter

import datasketches
import numpy as np
import pytest

from sagekeeper.analyzers.distribution_shift import Sample, false_discovery, missing_shift, value_shift


def numbers(values: np.ndarray, k: int = 200) -> Sample:
    """A sample of numbers, sketched."""
    sketch = datasketches.kll_doubles_sketch(k)
    sketch.update(values)
    return Sample(len(values), 0, sketch, None)


def categories(**counts: int) -> Sample:
    """A sample of categories."""
    return Sample(sum(counts.values()), 0, None, Counter(counts))


def test_a_shift_of_one_deviation_has_the_distance_of_the_normal_distribution() -> None:
    rng = np.random.default_rng(1)
    shift = value_shift(numbers(rng.normal(0, 1, 20_000)), numbers(rng.normal(1, 1, 20_000)))
    assert shift is not None
    # 2 x Phi(1/2) - 1
    assert shift.effect == pytest.approx(0.3829, abs=0.03)
    assert shift.low < 0.3829 < shift.high
    assert shift.p_value < 1e-12


def test_one_absurd_value_does_not_hide_a_shift() -> None:
    rng = np.random.default_rng(2)
    now = np.append(rng.normal(1, 1, 5000), 1e6)
    shift = value_shift(numbers(rng.normal(0, 1, 5000)), numbers(now))
    assert shift is not None and shift.low > 0.25


def test_constant_numbers_are_compared_at_the_constant() -> None:
    same = value_shift(numbers(np.full(500, 3.0)), numbers(np.full(500, 3.0)))
    other = value_shift(numbers(np.full(500, 3.0)), numbers(np.full(500, 4.0)))
    assert same is not None and same.effect == 0 and same.p_value == 1
    assert other is not None and other.effect == 1


def test_half_the_sum_of_share_differences_is_the_size_for_categories() -> None:
    shift = value_shift(categories(inland=3200, ocean=6800), categories(inland=1400, ocean=8600))
    assert shift is not None
    assert shift.effect == pytest.approx(0.18)
    # 1.96 standard errors of a difference of two shares, 0.32 and 0.14 of 10,000.
    assert shift.low == pytest.approx(0.18 - 0.0114, abs=1e-4)


def test_a_new_category_is_seen() -> None:
    shift = value_shift(categories(a=1000), categories(a=800, b=200))
    assert shift is not None and shift.effect == pytest.approx(0.2) and shift.p_value < 1e-9


@pytest.mark.parametrize("kinds", [3, 50, 500])
def test_many_categories_drawn_alike_are_not_called_different(kinds: int) -> None:
    rng = np.random.default_rng(kinds)
    weights = rng.dirichlet(np.ones(kinds))
    p_values, lows = [], []
    for _ in range(200):
        one, two = (
            Sample(1000, 0, None, Counter({str(n): int(c) for n, c in enumerate(rng.multinomial(1000, weights))}))
            for _ in range(2)
        )
        shift = value_shift(one, two)
        assert shift is not None
        p_values.append(shift.p_value)
        lows.append(shift.low)
    assert np.mean(np.array(p_values) < 0.05) < 0.12
    assert max(lows) < 0.05


def test_the_interval_holds_the_true_distance_at_least_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        shift = value_shift(numbers(rng.normal(0, 1, 2000)), numbers(rng.normal(0.5, 1, 800)))
        assert shift is not None
        held += shift.low <= 0.1974 <= shift.high
    assert held >= 190


def test_the_share_missing_has_a_size_of_its_own() -> None:
    before, now = (Sample(1000, missing, None, Counter(a=1000 - missing)) for missing in (10, 160))
    shift = missing_shift(before, now)
    assert shift is not None and shift.effect == pytest.approx(0.15) and shift.p_value < 1e-9


def test_numbers_and_categories_cannot_be_compared() -> None:
    assert value_shift(numbers(np.arange(10.0)), categories(a=5)) is None


def test_false_discoveries_are_bounded_over_all_tests_together() -> None:
    assert false_discovery([0.04] + [0.9] * 19, 0.05) == [False] * 20
    assert false_discovery([0.04], 0.05) == [True]
    assert false_discovery([], 0.05) == []
