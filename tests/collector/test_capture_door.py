"""What the settings name as personal leaves nothing but keyed hashes, in captures and in what monitors counted of them."""

from __future__ import annotations

import json

import polars as pl
import pytest
from pydantic import ValidationError

from sagekeeper.collector.capture_door import Door
from sagekeeper.core.settings import Collect

DOOR = Door("loans", dropped=("*mail", "other/age"), hashed=("loans/city", "age"), key=b"secret")


def test_features_are_named_for_all_endpoints_or_for_one() -> None:
    values = pl.DataFrame({"email": ["a@b"], "city": ["Bonn"], "age": ["41"], "sum": ["7"]})
    passed = DOOR.passed(values)
    assert passed.columns == ["city", "age", "sum"]  # other/age is another endpoint's
    assert passed["sum"].to_list() == ["7"]
    assert "Bonn" not in passed["city"].to_list()
    assert Door("other", hashed=("loans/city",), key=b"secret").passed(values).equals(values)


def test_equal_values_stay_equal_missing_ones_missing_and_another_key_gives_other_hashes() -> None:
    city = DOOR.passed(pl.DataFrame({"city": ["Bonn", "Köln", None, "Bonn"]}))["city"].to_list()
    assert city[0] == city[3] != city[1]
    assert city[2] is None
    other = Door("loans", hashed=("city",), key=b"another").passed(pl.DataFrame({"city": ["Bonn"]}))
    assert other["city"][0] != city[0]


def test_a_list_of_numbers_that_should_be_hashed_is_dropped() -> None:
    assert Door("e", hashed=("face",), key=b"k").passed(pl.DataFrame({"face": [[0.1, 0.2]]})).columns == []


def test_what_a_baseline_says_of_hidden_values_is_hidden_the_same_way() -> None:
    (city, age) = DOOR.passed_rows(
        [
            {
                "feature": "city",
                "type": "categorical",
                "records": 3,
                "categories": '{"Bonn": 3}',
                "domains": '["Bonn"]',
            },
            {"feature": "age", "type": "numeric", "records": 3, "mean": 41.0, "sketch": b"x", "categories": None},
            {"feature": "email", "type": "categorical", "records": 3, "categories": '{"a@b": 3}'},
        ]
    )
    captured = DOOR.passed(pl.DataFrame({"city": ["Bonn"]}))["city"][0]
    assert json.loads(city["categories"]) == {captured: 3}
    assert json.loads(city["domains"]) == [captured]
    assert (age["type"], age["records"], age["mean"], age["sketch"]) == ("categorical", 3, None, None)


def test_hashes_without_a_key_are_refused() -> None:
    with pytest.raises(ValidationError, match="CAPTURE_HASH_KEY"):
        Collect(capture_hash=["name"])
