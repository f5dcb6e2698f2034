"""A feature is numeric or not by what was captured of it."""

from __future__ import annotations

import polars as pl

from sagekeeper.collector.profile import profile_of, type_of


def test_a_feature_is_numeric_only_when_every_value_is_a_number() -> None:
    assert type_of(pl.Series(["1", None, "2.5e3"])) == "numeric"
    assert type_of(pl.Series(["1", "INLAND"])) == "categorical"
    assert type_of(pl.Series([None], dtype=pl.String)) == "categorical"


def test_records_without_the_feature_are_missing_in_it() -> None:
    made = profile_of(pl.Series(["1", None]), "numeric", absent=3)
    assert (made.records, made.missing, made.present) == (5, 4, 1)
