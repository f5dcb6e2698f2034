"""Profiles add up: of a feature read in parts, the figures are those of the whole."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.collector.profile import MOST_CATEGORIES, OTHERS, Profile, type_of

NUMBERS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=200)


def texts(values: list[float | None]) -> pl.Series:
    return pl.Series([None if value is None else repr(value) for value in values], dtype=pl.String)


@given(NUMBERS, NUMBERS)
def test_numbers_in_two_parts_with_the_lake_in_between_are_those_of_the_whole(
    one: list[float | None], other: list[float | None]
) -> None:
    first = Profile("numeric")
    first.add(texts(one), absent=1)
    later = Profile.of_row(first.columns())
    later.add(texts(other))
    row = later.columns()
    present = np.array([value for value in one + other if value is not None])
    assert row["records"] == len(one) + len(other) + 1
    assert row["missing"] == row["records"] - len(present)
    if len(present) == 0:
        assert (row["mean"], row["std"], row["minimum"], row["sketch"]) == (None, None, None, None)
        return
    assert row["mean"] == pytest.approx(present.mean(), rel=1e-9, abs=1e-6)
    assert row["std"] == pytest.approx(present.std(ddof=0), rel=1e-6, abs=1e-3)
    assert (row["minimum"], row["maximum"]) == (present.min(), present.max())
    assert later.records_present == len(present)


def test_the_sketch_of_many_parts_knows_the_quantiles_of_the_whole() -> None:
    values = np.random.default_rng(3).lognormal(0, 2, 60_000)
    profile = Profile("numeric")
    for part in np.array_split(values, 24):
        profile = Profile.of_row(profile.columns()) if profile.records else profile
        profile.add(pl.Series(part).cast(pl.String))
    ordered = np.sort(values)
    for share in (0.01, 0.25, 0.5, 0.9, 0.99):
        rank = np.searchsorted(ordered, profile.sketch.get_quantile(share)) / len(ordered)
        assert rank == pytest.approx(share, abs=0.01)


def test_text_and_infinity_in_a_numeric_feature_are_missing_values() -> None:
    profile = Profile("numeric")
    profile.add(pl.Series(["1", " 3 ", "n/a", "inf", "NaN", None]))
    row = profile.columns()
    assert (row["records"], row["missing"], row["mean"]) == (6, 4, 2.0)


def test_categories_are_counted_and_beyond_a_bound_counted_together() -> None:
    profile = Profile("categorical")
    profile.add(pl.Series(["a", "b", "a", None]))
    assert json.loads(profile.columns()["categories"]) == {"a": 2, "b": 1}
    assert profile.columns()["missing"] == 1
    profile.add(pl.Series([f"v{number}" for number in range(3 * MOST_CATEGORIES)]))
    kept = json.loads(profile.columns()["categories"])
    assert len(kept) == MOST_CATEGORIES
    assert kept["a"] == 2
    assert sum(kept.values()) == 3 + 3 * MOST_CATEGORIES
    assert kept[OTHERS] == 3 + 3 * MOST_CATEGORIES - 3 - (MOST_CATEGORIES - 3)
    again = Profile.of_row(profile.columns())
    again.add(pl.Series(["a", "new"]))
    assert sum(json.loads(again.columns()["categories"]).values()) == 5 + 3 * MOST_CATEGORIES


def test_a_feature_is_numeric_only_when_every_value_is_a_number() -> None:
    assert type_of(pl.Series(["1", None, "2.5e3"])) == "numeric"
    assert type_of(pl.Series(["1", "INLAND"])) == "categorical"
    assert type_of(pl.Series([None], dtype=pl.String)) == "categorical"
