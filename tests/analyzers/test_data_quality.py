"""statistics.json, constraints.json and violations as Model Monitor makes them: its published figures, and figures by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.analyzers.data_quality import columns, levels, statistics
from sagekeeper.analyzers.data_quality_baseline import constraints
from sagekeeper.analyzers.data_quality_checks import judged, largest_gap
from sagekeeper.collector.monitor_json import unknown_keys
from sagekeeper.collector.monitor_shapes import SHAPES, kind_of
from sagekeeper.collector.monitor_statistics import profiles
from sagekeeper.collector.monitor_violations import figures
from sagekeeper.core.errors import BadInput


def baseline(frame: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    read = columns(frame)
    return constraints(read), statistics(read)


def checks(now: pl.DataFrame, allowed: dict[str, Any], usual: dict[str, Any]) -> dict[tuple[str, str], str]:
    found = judged(columns(now), allowed, usual).violations
    return {(item["feature_name"], item["constraint_check_type"]): item["description"] for item in found}


def test_the_published_statistics_of_a_real_data_set_come_out(shared_data: Path) -> None:
    folder = shared_data / "monitor" / "model_monitor"
    frame = pl.read_csv(folder / "training-dataset-with-header.csv", infer_schema=False)
    ours = {item["name"]: item for item in statistics(columns(frame))["features"]}
    published = pl.read_csv(folder / "baseline_statistics.csv")
    assert published.height == 10
    for row in published.iter_rows(named=True):
        found = ours[row["name"]]
        assert found["inferred_type"] == row["inferred_type"]
        numbers = found["numerical_statistics"]
        assert numbers["common"] == {"num_present": 2333, "num_missing": 0}
        for key in ("mean", "sum", "std_dev", "min", "max"):
            assert numbers[key] == pytest.approx(row[f"numerical_statistics.{key}"], abs=1e-5), (row["name"], key)
        # The notebook printed the beginning of the buckets only: "[{'lower_bound': 1.0, 'upper_bound': 25.2, 'cou..."
        said = row["numerical_statistics.distribution.kll.buckets"]
        lowest = float(said.split("'lower_bound': ")[1].split(",")[0])
        assert numbers["distribution"]["kll"]["buckets"][0]["lower_bound"] == pytest.approx(lowest)
        assert numbers["distribution"]["kll"]["sketch"]["parameters"] == {"c": 0.64, "k": 2048.0}


def test_the_published_constraints_of_a_real_data_set_come_out(shared_data: Path) -> None:
    folder = shared_data / "monitor" / "model_monitor"
    frame = pl.read_csv(folder / "training-dataset-with-header.csv", infer_schema=False)
    ours = {item["name"]: item for item in constraints(columns(frame))["features"]}
    for row in pl.read_csv(folder / "baseline_constraints.csv").iter_rows(named=True):
        assert ours[row["name"]] == {
            "name": row["name"],
            "inferred_type": row["inferred_type"],
            "completeness": row["completeness"],
            "num_constraints": {"is_non_negative": row["num_constraints.is_non_negative"]},
        }


def test_later_data_of_the_same_source_break_nothing(shared_data: Path) -> None:
    folder = shared_data / "monitor" / "model_monitor"
    first = pl.read_csv(folder / "training-dataset-with-header.csv", infer_schema=False)
    later = pl.read_csv(folder / "validation.csv", infer_schema=False, has_header=False, new_columns=first.columns)
    assert checks(later, *baseline(first)) == {}


def test_what_is_written_has_the_shape_that_is_read_and_nothing_else() -> None:
    frame = pl.DataFrame({"x": [1.5, None, 2.5], "n": [1, 2, 3], "city": ["a", "b", "a"], "empty": [None, None, None]})
    allowed, usual = baseline(frame)
    violations = {"violations": judged(columns(frame), allowed, usual).violations}
    for document, kind in ((usual, "statistics"), (allowed, "constraints"), (violations, "violations")):
        assert kind_of(document) == kind
        assert unknown_keys(document, SHAPES[kind]) == []  # type: ignore[index]
    read, unread = profiles(usual)
    assert unread == []
    assert {item["feature"]: item["records"] for item in read} == {"x": 3, "n": 3, "city": 3, "empty": 3}
    assert {item["feature"]: item["mean"] for item in read}["x"] == 2.0


def test_numbers_are_typed_as_they_are_written_and_missing_ones_are_missing() -> None:
    frame = pl.DataFrame(
        {"whole": ["1", " 2", "NA"], "part": ["1", "2.0", ""], "mixed": ["1", "x", None], "flag": ["true"] * 3}
    )
    read = columns(frame)
    assert {name: column.kind for name, column in read.items()} == {
        "whole": "Integral",
        "part": "Fractional",
        "mixed": "String",
        "flag": "String",
    }
    assert [len(column.texts) for column in read.values()] == [2, 2, 2, 3]


def test_every_check_is_made_in_words_that_state_its_figures() -> None:
    before = pl.DataFrame({"n": list(range(100)), "city": ["a", "b"] * 50, "gone": [1] * 100})
    allowed, usual = baseline(before)
    now = pl.DataFrame({"n": ["x"] * 10 + [None] * 10 + ["1"] * 80, "city": ["a"] * 99 + ["z"], "new": [1] * 100})
    found = checks(now, allowed, usual)
    assert set(found) == {
        ("gone", "missing_column_check"),
        ("new", "extra_column_check"),
        ("n", "data_type_check"),
        ("n", "completeness_check"),
        ("n", "baseline_drift_check"),
        ("city", "categorical_values_check"),
        ("city", "baseline_drift_check"),
    }
    assert f"Only {100 * 80 / 90}% of data is Integral" in found["n", "data_type_check"]
    assert "Observed: Only 0.9 of data is complete" in found["n", "completeness_check"]
    assert "Only 99.0% of values are known" in found["city", "categorical_values_check"]


def test_a_shift_that_chance_explains_is_no_drift_unless_the_method_is_simple() -> None:
    before, now = pl.DataFrame({"x": list(range(100))}), pl.DataFrame({"x": list(range(15, 115))})
    allowed, usual = baseline(before)
    assert checks(now, allowed, usual) == {}  # 0.15 - 1.8 * sqrt(200 / 10000) < 0
    allowed["monitoring_config"]["distribution_constraints"] |= {"comparison_method": "Simple"}
    said = checks(now, allowed, usual)["x", "baseline_drift_check"]
    observed, required = figures(said, "x")
    assert (observed, required) == (pytest.approx(0.15), 0.1)


def test_a_baseline_that_somebody_edits_is_the_only_one_that_changes() -> None:
    first, _ = baseline(pl.DataFrame({"x": [1, 2]}))
    first["monitoring_config"]["distribution_constraints"]["comparison_method"] = "Simple"
    second, _ = baseline(pl.DataFrame({"x": [1, 2]}))
    assert second["monitoring_config"]["distribution_constraints"]["comparison_method"] == "Robust"


def test_one_bad_value_does_not_hide_a_shift() -> None:
    chance = np.random.default_rng(1)
    before = pl.DataFrame({"x": chance.normal(size=2000)})
    now = pl.DataFrame({"x": [*chance.normal(1.0, size=1999), 1e6]})
    assert ("x", "baseline_drift_check") in checks(now, *baseline(before))


def test_a_features_own_settings_come_before_those_of_all() -> None:
    before, now = pl.DataFrame({"x": [0.5] * 500}), pl.DataFrame({"x": [1.5] * 500})
    allowed, usual = baseline(before)
    allowed["features"][0]["monitoringConfigOverrides"] = {"evaluate_constraints": "Disabled"}
    assert checks(now, allowed, usual) == {}


def gap_by_hand(first: np.ndarray, second: np.ndarray) -> float:
    grid = [*first, *second]
    return float(max(abs(np.mean(first <= point) - np.mean(second <= point)) for point in grid))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_the_distance_is_that_of_kolmogorov_and_smirnov(one: list[int], other: list[int]) -> None:
    first, second = np.array(one, dtype=float), np.array(other, dtype=float)
    assert largest_gap(first, np.ones(len(one)), second) == pytest.approx(gap_by_hand(first, second))


def test_a_sketch_has_the_weight_of_its_numbers_and_their_distribution() -> None:
    numbers = np.random.default_rng(2).lognormal(size=50_000)
    data = levels(numbers)
    items = np.array([item for level in data for item in level])
    weights = np.array([2.0**place for place, level in enumerate(data) for _ in level])
    assert weights.sum() == 50_000
    assert len(items) < 8_000
    assert largest_gap(items, weights, numbers) < 0.003


def test_a_column_of_lists_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="vectors"):
        columns(pl.DataFrame({"vectors": [[1.0], [2.0]]}))


def test_completeness_that_a_clean_run_would_miss_by_chance_is_not_asked() -> None:
    allowed, _ = baseline(pl.DataFrame({"x": [1] * 90 + [None] * 10}))
    assert allowed["features"][0]["completeness"] == 0.84  # 0.9 - 1.96 * 0.03, rounded down
