"""Quality without labels: what is expected comes true within its range, and the record tells when it cannot."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from sagekeeper.analyzers import quality_binary
from sagekeeper.analyzers.attribution_drift import ndcg
from sagekeeper.analyzers.quality_calibration import calibration
from sagekeeper.analyzers.quality_estimate import Expected, expected, reference
from sagekeeper.analyzers.quality_estimate_loss import learn, loss
from sagekeeper.analyzers.quality_record import record, verdict


def asked(seed: int, rows: int, shift: float = 0.0, truth_moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of an overconfident model, and the truth."""
    chance = np.random.default_rng(seed)
    x = chance.normal(shift, 1, rows)
    return expit(2.5 * x), chance.random(rows) < expit(1.5 * x - 0.5 - truth_moved)


def within(seed: int, shift: float, truth_moved: float = 0.0) -> dict[str, bool]:
    known = reference(*asked(seed, 2000))
    scores, true = asked(seed + 1000, 1500, shift, truth_moved)
    real = {one.metric: one.value for one in quality_binary.measured(true, scores > 0.5, scores)}
    return {one.metric: one.low <= real[one.metric] <= one.high for one in expected(known, scores, scores > 0.5)}


def test_when_only_the_inputs_move_every_metric_comes_true_within_its_range_as_often_as_promised() -> None:
    rounds = [within(seed, shift=0.5) for seed in range(30)]
    hits = {metric: sum(one[metric] for one in rounds) for metric in rounds[0]}
    # Of 30, a range of 95 % misses six or more once in 600 times.
    assert min(hits.values()) >= 25, hits


def test_when_the_truth_moves_the_estimate_misses() -> None:
    assert sum(within(seed, shift=0.0, truth_moved=1.0)["precision"] for seed in range(5)) == 0


def test_an_overconfident_score_is_made_a_probability() -> None:
    scores, true = asked(1, 5000)
    learned = calibration(scores, true.astype(float))
    assert learned.method == "isotonic"
    assert learned.of(scores).mean() == pytest.approx(true.mean(), abs=1e-3)
    assert learned.of(np.array([0.99]))[0] < 0.95


def test_few_labels_are_smoothed_by_platt_and_never_certain() -> None:
    learned = calibration(np.array([0.1] * 60 + [0.9] * 60), np.array([0.0] * 60 + [1.0] * 60))
    assert learned.method == "platt"
    low, high = learned.of(np.array([0.1, 0.9]))
    assert (low, high) == (pytest.approx(1 / 62, rel=0.01), pytest.approx(61 / 62, rel=0.01))


def test_a_perfectly_known_model_is_expected_as_the_arithmetic_says() -> None:
    known = reference(np.repeat([0.2, 0.8], 5000), np.repeat([True, False, True, False], [1000, 4000, 4000, 1000]))
    found = {
        one.metric: one.value for one in expected(known, np.repeat([0.2, 0.8], 500), np.repeat([False, True], 500))
    }
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["precision"] == pytest.approx(0.8)
    assert found["f1"] == pytest.approx(0.8)
    assert found["auc"] == pytest.approx(0.8, abs=1e-3)
    assert found["brier"] == pytest.approx(0.16)


def test_too_few_labels_are_no_reference() -> None:
    with pytest.raises(ValueError, match="has 100 labels, 5 of them yes"):
        reference(np.linspace(0, 1, 100), np.arange(100) < 5)


def numbers(seed: int, rows: int, shift: float) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    x = chance.normal(shift, 1, rows)
    return pl.DataFrame({"x": x, "prediction": x, "label": x + chance.normal(size=rows) * (0.3 + 0.7 * np.abs(x))})


def test_errors_that_grow_with_the_inputs_are_expected_to_grow() -> None:
    known, later = numbers(1, 2000, 0.0), numbers(2, 2000, 1.0)
    found = {one.metric: one for one in loss(learn(known, ["x"]), later.drop("label")).expected}
    wrong = (later["prediction"] - later["label"]).abs()
    before = (known["prediction"] - known["label"]).abs().mean()
    assert found["mae"].low < wrong.mean() < found["mae"].high  # type: ignore[operator]
    assert found["mae"].low > before  # type: ignore[operator]
    assert found["rmse"].value == pytest.approx(found["mse"].value ** 0.5)


def test_inputs_that_the_reference_does_not_have_are_told() -> None:
    known = numbers(1, 400, 0.0)
    assert loss(learn(known, ["x"]), numbers(2, 400, 9.0).drop("label")).outside > 0.99


def test_a_record_counts_what_came_true_and_doubts_what_never_does() -> None:
    rows = pl.DataFrame({"label": [1.0] * 40})

    def promised(value: float) -> list[dict[str, object]]:
        found = record(rows, 4, lambda _: [Expected("mae", value, value - 0.1, value + 0.1)], lambda _: {"mae": 1.0})
        assert found["records"].to_list() == [10] * 4
        return verdict(found).to_dicts()

    assert promised(1.05)[0] | {"mean_error": 0} == {
        "metric": "mae",
        "stretches": 4,
        "within": 4,
        "mean_error": 0,
        "trusted": True,
    }
    assert promised(2.0)[0]["trusted"] is False


def test_attribution_drift_is_clarifys_ndcg_of_its_own_example() -> None:
    """SAT score, GPA and class rank of the Developer Guide: the ranking has completely reversed."""
    before = {"SAT score": 0.70, "GPA": 0.50, "Class rank": 0.05}
    now = {"SAT score": 0.10, "GPA": 0.20, "Class rank": 0.70}
    by_hand = (0.05 + 0.50 / np.log2(3) + 0.70 / 2) / (0.70 + 0.50 / np.log2(3) + 0.05 / 2)
    assert ndcg(before, now) == pytest.approx(by_hand)
    assert ndcg(before, before) == 1.0
    assert ndcg({"a": 0.0}, {"a": 1.0}) is None
