"""Words that were not in use before, and means of vectors that have moved."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from sagekeeper.collector.profile import profiles_of
from sagekeeper.core.feature_profile import Profile, columns, merge, of_row
from sagekeeper.core.profile_distance import mean_distance, out_of_vocabulary


def vectors(rows: np.ndarray) -> Profile:
    values = pl.Series(rows.tolist(), dtype=pl.List(pl.Float64))
    return profiles_of(values, pl.zeros(len(rows), dtype=pl.UInt32, eager=True), "vector")[0]


def test_words_without_a_name_widen_the_rate_by_what_they_may_hide() -> None:
    before = Profile("categorical", 10, 0, frequent={"good": 6, "bad": 3})
    now = Profile("categorical", 20, 0, frequent={"good": 8, "slop": 6}, frequent_error=2)
    found = out_of_vocabulary(before, now)
    assert found is not None
    # 8 of 20 are known; of the 6 without a name at most 2 are "bad".
    assert (found.low, found.high, found.before) == (pytest.approx(0.5), pytest.approx(0.6), pytest.approx(0.1))
    assert out_of_vocabulary(before, Profile("categorical", 3, 3)) is None


def test_merged_vectors_have_the_mean_and_the_spread_of_all() -> None:
    rows = np.random.default_rng(1).normal(3, 2, (40, 5))
    whole, parts = vectors(rows), merge([vectors(rows[:7]), vectors(rows[7:])])
    assert parts.vector_sum == pytest.approx(whole.vector_sum)
    assert parts.squares == pytest.approx(whole.squares)
    kept = of_row(columns(parts))
    assert kept.vector_sum == pytest.approx(rows.sum(axis=0))
    assert kept.squares == pytest.approx(((rows - rows.mean(axis=0)) ** 2).sum())


def test_means_of_one_distribution_are_about_as_far_apart_as_chance_makes_them() -> None:
    chance = np.random.default_rng(2)
    same = [
        mean_distance(vectors(chance.normal(0, 1, (200, 16))), vectors(chance.normal(0, 1, (300, 16)))).standardised
        for _ in range(20)
    ]
    moved = mean_distance(vectors(chance.normal(0, 1, (200, 16))), vectors(chance.normal(0.2, 1, (300, 16))))
    assert np.mean(same) == pytest.approx(1, abs=0.15)
    assert moved.standardised > 2
    assert moved.distance == pytest.approx(0.2 * 4, rel=0.4)


def test_vectors_of_another_length_are_invalid_and_have_no_distance() -> None:
    values = pl.Series([[1.0, 2.0], [3.0, 4.0], [5.0], None], dtype=pl.List(pl.Float64))
    one = profiles_of(values, pl.zeros(4, dtype=pl.UInt32, eager=True), "vector")[0]
    assert (one.records, one.missing, one.invalid, one.present) == (4, 1, 1, 2)
    assert mean_distance(one, vectors(np.ones((3, 3)))) is None
