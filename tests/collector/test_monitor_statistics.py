"""Model Monitor's own files, as written over the years, become profiles and violations with the published figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasketches import kll_doubles_sketch

from sagekeeper.collector.monitor_statistics import profiles, rebuilt_sketch


def test_items_of_a_level_weigh_two_to_its_power() -> None:
    sketch = rebuilt_sketch([[1.0, 2.0], [3.0], [4.0, 5.0]])
    assert sketch.n == 2 * 1 + 1 * 2 + 2 * 4
    assert [round(sketch.get_rank(value, True) * 12) for value in (1.0, 2.0, 3.0, 4.0, 5.0)] == [1, 2, 4, 8, 12]


def test_a_sketch_of_high_levels_keeps_the_distribution() -> None:
    values = np.sort(np.random.default_rng(5).normal(100, 15, 2**18))
    levels: list[list[float]] = [[] for _ in range(8)] + [list(values[128::256])]
    sketch = rebuilt_sketch(levels)
    assert sketch.n == 2**18
    for share in (0.05, 0.5, 0.95):
        assert np.searchsorted(values, sketch.get_quantile(share)) / len(values) == pytest.approx(share, abs=0.01)


def numeric(**changes: Any) -> dict[str, Any]:
    stated = {
        "common": {"num_present": 4, "num_missing": 1},
        "mean": 2.5,
        "sum": 10.0,
        "std_dev": 1.118,
        "min": 1.0,
        "max": 4.0,
        "distribution": {
            "kll": {"buckets": [], "sketch": {"parameters": {"c": 0.64, "k": 2048.0}, "data": [[1, 2, 3, 4]]}}
        },
    }
    return {"name": "x", "inferred_type": "Fractional", "numerical_statistics": stated | changes}


def test_a_numeric_feature_carries_its_published_figures() -> None:
    (found,), unread = profiles({"features": [numeric()]})
    assert unread == []
    assert (found["feature"], found["type"], found["records"], found["missing"]) == ("x", "numeric", 5, 1)
    assert (found["mean"], found["std"], found["minimum"], found["maximum"]) == (2.5, 1.118, 1.0, 4.0)
    assert kll_doubles_sketch.deserialize(found["sketch"]).get_quantile(0.5, True) == 2.0


def test_a_standard_deviation_of_nan_is_unknown_and_a_missing_sketch_is_none() -> None:
    (found,), _ = profiles({"features": [numeric(std_dev="NaN", distribution={})]})
    assert (found["std"], found["sketch"]) == (None, None)


def test_a_feature_that_cannot_be_read_is_named_and_the_rest_counts() -> None:
    broken = {"name": "y", "inferred_type": "Unknown"}
    found, unread = profiles({"features": [broken, numeric(), "nonsense"]})
    assert ([item["feature"] for item in found], unread) == (["x"], ["y", "?"])


def test_the_sdks_statistics_are_a_categorical_profile(shared_data: Path) -> None:
    statistics = json.loads((shared_data / "monitor/samples/sdk_statistics.json").read_text())
    (found,), unread = profiles(statistics)
    assert unread == []
    assert (found["type"], found["records"], found["missing"], found["sketch"]) == ("categorical", 418, 0, None)
    assert json.loads(found["categories"]) == {"preproc-not-YET-supported-for-csv-json": 418}
