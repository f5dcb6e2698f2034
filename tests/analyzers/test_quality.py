"""Quality against labels: values to be checked by hand, intervals that hold what they promise, unknown that stays unknown."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers import quality_intervals
from sagekeeper.analyzers.quality import problem_of, quality
from sagekeeper.analyzers.quality_binary import calibration, curves


def values(found: pl.DataFrame, segment: str = "") -> dict[str, float | None]:
    return dict(found.filter(pl.col("segment") == segment).select("metric", "value").rows())


def test_metrics_of_a_confusion_matrix_are_those_of_its_counts() -> None:
    rows = pl.DataFrame({"label": [1] * 8 + [0] * 12, "prediction": [1] * 6 + [0] * 2 + [1] * 3 + [0] * 9})
    found = values(quality(rows, "binary_classification", fewest=2))
    assert found["accuracy"] == pytest.approx(15 / 20)
    assert found["precision"] == pytest.approx(6 / 9)
    assert found["recall"] == pytest.approx(6 / 8)
    assert found["f1"] == pytest.approx(12 / 17)
    assert found["f2"] == pytest.approx(5 * 6 / (5 * 6 + 4 * 2 + 3))
    assert found["accuracy_best_constant_classifier"] == pytest.approx(12 / 20)


def test_too_few_labels_are_unknown_and_not_zero() -> None:
    found = quality(pl.DataFrame({"label": [1, 0], "prediction": [1, 0]}), "binary_classification")
    assert found["value"].null_count() == found.height
    assert set(found["why"]) == {"2 labelled rows, 30 are needed"}


def test_a_share_of_nothing_is_unknown() -> None:
    found = quality(pl.DataFrame({"label": [0] * 40, "prediction": [0] * 40}), "binary_classification")
    told = {row["metric"]: row for row in found.to_dicts()}
    assert told["precision"]["value"] is None
    assert told["recall"]["why"] == "it does not exist for these rows"
    assert told["accuracy"]["value"] == 1.0


def test_predictions_without_a_label_lower_the_coverage_and_nothing_else() -> None:
    rows = pl.DataFrame({"label": [1.0] * 30 + [None] * 10, "prediction": [1.5] * 30 + [99.0] * 10})
    found = quality(rows, "regression")
    assert values(found)["mae"] == pytest.approx(0.5)
    assert found.select("records", "predictions", "coverage").row(0) == (30, 40, 0.75)


def test_each_segment_is_judged_by_its_own_rows() -> None:
    rows = pl.DataFrame(
        {"label": [2.0] * 80, "prediction": [2.0] * 40 + [3.0] * 40, "place": ["INLAND"] * 40 + [None] * 40}
    )
    found = quality(rows, "regression", segment="place")
    assert values(found, "place=INLAND")["mae"] == 0.0
    assert values(found, "place=(missing)")["mae"] == 1.0


def test_a_class_is_the_same_as_text_as_a_whole_number_and_as_a_float() -> None:
    rows = pl.DataFrame({"label": ["1", "0"] * 20, "prediction": [1.0, 0.0] * 20})
    assert values(quality(rows, "binary_classification"))["accuracy"] == 1.0


def test_problems_are_told_by_the_labels() -> None:
    assert problem_of(pl.DataFrame({"label": [0, 1, None]})) == "binary_classification"
    assert problem_of(pl.DataFrame({"label": ["a", "b", "c"]})) == "multiclass_classification"
    assert problem_of(pl.DataFrame({"label": [1.5, 2.0]})) == "regression"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_the_right_order_with_ties_as_halves(rows: list[tuple[bool, int]]) -> None:
    true, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=float)
    pairs = [(a > b) + (a == b) / 2 for a in scores[true] for b in scores[~true]]
    area, sure = quality_intervals.auc(true, scores)
    if not pairs:
        assert np.isnan(area)
    else:
        assert area == pytest.approx(np.mean(pairs))
        assert sure is None or 0 <= sure[0] <= area <= sure[1] <= 1


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    chance = np.random.default_rng(5)
    held = {"accuracy": 0, "brier": 0, "auc": 0, "f1": 0}
    truth = {"accuracy": 0.75, "brier": 1 / 6, "auc": 5 / 6, "f1": 0.75}
    for _ in range(120):
        scores = chance.random(300)
        rows = pl.DataFrame(
            {
                "label": (chance.random(300) < scores).astype(int),
                "prediction": (scores > 0.5).astype(int),
                "score": scores,
            }
        )
        found = {row["metric"]: row for row in quality(rows, "binary_classification").to_dicts()}
        for name, value in truth.items():
            held[name] += found[name]["low"] <= value <= found[name]["high"]
    assert all(count >= 106 for count in held.values()), held


def test_regression_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    chance = np.random.default_rng(6)
    held = {"mae": 0, "rmse": 0, "r2": 0}
    truth = {"mae": 0.5 * np.sqrt(2 / np.pi), "rmse": 0.5, "r2": 1 - 0.25 / 1.25}
    for _ in range(120):
        told = chance.normal(size=300)
        rows = pl.DataFrame({"label": told + chance.normal(0, 0.5, 300), "prediction": told})
        found = {row["metric"]: row for row in quality(rows, "regression").to_dicts()}
        for name, value in truth.items():
            held[name] += found[name]["low"] <= value <= found[name]["high"]
    assert all(count >= 106 for count in held.values()), held


def test_a_perfect_model_is_calibrated_and_an_overconfident_one_is_not() -> None:
    scores = np.repeat([0.1, 0.9], 100)
    true = np.concatenate((np.arange(100) < 10, np.arange(100) < 90))
    bins = calibration(true, scores)
    assert bins[:, 0] == pytest.approx(bins[:, 1])
    rows = pl.DataFrame(
        {"label": true.astype(int), "prediction": (scores > 0.5).astype(int), "score": np.where(scores > 0.5, 1.0, 0.0)}
    )
    assert values(quality(rows, "binary_classification"))["ece"] == pytest.approx(0.1)


def test_a_score_beyond_one_ranks_and_says_nothing_of_probability() -> None:
    rows = pl.DataFrame({"label": [0, 1] * 20, "prediction": [0, 1] * 20, "score": [-3.0, 7.0] * 20})
    found = values(quality(rows, "binary_classification"))
    assert found["auc"] == 1.0
    assert "brier" not in found


def test_curves_end_where_everything_is_called_yes() -> None:
    drawn = curves(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.8, 0.1]))
    assert list(drawn.recalls) == [0.5, 1.0, 1.0]
    assert list(drawn.false_positive_rates) == [0.0, 0.5, 1.0]
    assert drawn.precisions[-1] == 0.5


def test_weighted_metrics_of_many_classes_weigh_by_how_often_each_is_true() -> None:
    rows = pl.DataFrame({"label": list("aaaabbc"), "prediction": list("aaabbbb")})
    found = values(quality(rows, "multiclass_classification", fewest=2))
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["weighted_recall"] == pytest.approx(5 / 7)
    assert found["weighted_precision"] == pytest.approx((4 * 1 + 2 * 0.5 + 0) / 7)
