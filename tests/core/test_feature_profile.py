"""Profiles add up: counts and moments of a merge are those of the whole, sketches within what they promise."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.collector.profile import profile_of
from sagekeeper.core.feature_profile import (
    MOST_CATEGORIES,
    Profile,
    cdf,
    columns,
    distinct_count,
    merge,
    of_row,
    quantiles,
    top,
)

NUMBERS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.just("much"), st.just("NaN")), max_size=60)
WORDS = st.lists(st.one_of(st.none(), st.sampled_from("abcdefg")), max_size=60)


def numeric(values: list[float | str | None]) -> Profile:
    texts = [value if value is None or isinstance(value, str) else repr(value) for value in values]
    return profile_of(pl.Series(texts, dtype=pl.String), "numeric")


def categorical(values: list[str | None]) -> Profile:
    return profile_of(pl.Series(values, dtype=pl.String), "categorical")


def same(one: Profile, other: Profile) -> None:
    for name in ("type", "records", "missing", "invalid", "minimum", "maximum", "frequent", "frequent_error"):
        assert getattr(one, name) == getattr(other, name), name
    if other.mean is None or other.squares is None:
        assert (one.mean, one.squares) == (other.mean, other.squares)
    else:
        assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-9)
        assert one.squares == pytest.approx(other.squares, rel=1e-9, abs=1e-6)
    assert distinct_count(one) == pytest.approx(distinct_count(other), rel=0.08)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_numbers_merged_in_any_order_and_grouping_are_those_of_the_whole(
    a: list[float | str | None], b: list[float | str | None], c: list[float | str | None]
) -> None:
    one, two, three = numeric(a), numeric(b), numeric(c)
    whole = numeric(a + b + c)
    for way in (merge([one, two, three]), merge([merge([three, one]), two]), merge([one, merge([two, three])])):
        same(way, whole)
        if whole.present:
            # Fewer numbers than the sketch holds: exact.
            assert list(quantiles(way, [0, 0.3, 0.5, 1])) == list(quantiles(whole, [0, 0.3, 0.5, 1]))


@given(NUMBERS, NUMBERS)
def test_numbers_with_the_lake_in_between_are_those_of_the_whole(
    a: list[float | str | None], b: list[float | str | None]
) -> None:
    there = of_row(columns(numeric(a)))
    same(merge([there, numeric(b)]), numeric(a + b))


@given(WORDS, WORDS)
def test_categories_are_counted_exactly_in_either_order(a: list[str | None], b: list[str | None]) -> None:
    one, two = categorical(a), of_row(columns(categorical(b)))
    for way in (merge([one, two]), merge([two, one])):
        assert way.frequent == Counter(value for value in a + b if value is not None)
        assert (way.records, way.missing) == (len(a + b), (a + b).count(None))
        assert distinct_count(way) == len({*a, *b} - {None})


@given(st.lists(st.lists(st.integers(0, 3000), max_size=1500), min_size=1, max_size=4), st.randoms())
def test_the_true_count_of_every_value_lies_within_the_bound_that_is_told(
    parts: list[list[int]], random: object
) -> None:
    rng = np.random.default_rng(len(parts))
    hours = [[*part, *rng.integers(0, 5000, 1800).tolist()] for part in parts]
    made = merge([categorical([f"v{value}" for value in hour]) for hour in hours])
    true = Counter(f"v{value}" for hour in hours for value in hour)
    assert len(made.frequent) <= MOST_CATEGORIES
    for value, count in true.items():
        told = made.frequent.get(value, 0)
        assert told <= count <= told + made.frequent_error


def test_a_month_of_hours_knows_the_quantiles_and_the_distinct_values_of_the_whole() -> None:
    values = np.random.default_rng(3).lognormal(0, 2, 60_000)
    hours = [of_row(columns(profile_of(pl.Series(part), "numeric"))) for part in np.array_split(values, 720)]
    month = merge(hours)
    ordered = np.sort(values)
    shares = np.array([0.01, 0.25, 0.5, 0.9, 0.99])
    ranks = np.searchsorted(ordered, quantiles(month, shares)) / len(ordered)
    assert np.abs(ranks - shares).max() < 0.005
    assert np.abs(cdf(month, np.quantile(values, shares)) - shares).max() < 0.005
    assert distinct_count(month) == pytest.approx(60_000, rel=0.08)


def test_moments_far_from_zero_lose_nothing() -> None:
    values = 1e12 + np.random.default_rng(1).normal(0, 1, 4000)
    month = merge([profile_of(pl.Series(part), "numeric") for part in np.array_split(values, 100)])
    assert month.std == pytest.approx(values.std(), rel=1e-6)


def test_other_text_in_a_numeric_feature_is_invalid_and_a_spelling_of_nothing_is_missing() -> None:
    made = numeric(["1", " 3 ", "n/a", "None", "inf", "NaN", "INLAND", None])
    assert (made.records, made.missing, made.invalid, made.present, made.mean) == (8, 4, 2, 2, 2.0)
    assert top(made) == [("1", 1), ("3", 1)]


def test_a_feature_that_becomes_text_is_one_of_categories() -> None:
    made = merge([numeric(["1", "1"]), categorical(["INLAND"])])
    assert (made.type, made.records, made.mean, made.sketch) == ("categorical", 3, None, None)
    assert made.frequent == {"1": 2, "INLAND": 1}


def test_a_baseline_without_a_distribution_leaves_the_merge_without_one() -> None:
    published = of_row({"type": "numeric", "records": 5, "missing": 1, "mean": 2.0, "std": 1.0})
    made = merge([published, numeric(["6", "7"])])
    assert made.sketch is None
    assert made.mean == pytest.approx((4 * 2.0 + 13) / 6)
    assert distinct_count(made) is None
    assert made.frequent_error == 4


def test_numbers_near_the_largest_there_are_have_unknown_moments_and_nothing_fails() -> None:
    made = merge([numeric(["1e308", "1.7e308", "-1e308"]), numeric(["1"])])
    assert (made.squares, made.std, made.maximum) == (None, None, 1.7e308)


def test_vectors_are_summed_and_those_of_different_length_are_unknown() -> None:
    one, two = (Profile("vector", 1, vector_sum=np.array(values)) for values in ([1.0, 2.0], [3.0, 4.0]))
    kept = of_row(columns(merge([one, two])))
    assert kept.vector_sum is not None
    assert list(kept.vector_sum / kept.present) == [2.0, 3.0]
    assert merge([one, Profile("vector", 1, vector_sum=np.array([1.0]))]).vector_sum is None


def test_what_is_most_frequent_comes_first_and_ties_by_name() -> None:
    assert top(categorical(["b", "a", "c", "c"]), 2) == [("c", 2), ("a", 1)]


def test_cumulated_shares_rise_and_there_are_none_without_numbers() -> None:
    shares = cdf(numeric([1.0, 2.0, 2.0, 4.0]), [0, 1, 2, 5])
    assert list(shares) == [0, 0.25, 0.75, 1]
    assert all(before <= after for before, after in pairwise(shares))
    with pytest.raises(ValueError, match="no numbers"):
        cdf(numeric([]), [1.0])
    with pytest.raises(ValueError, match="nothing to merge"):
        merge([])
