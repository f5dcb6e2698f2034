"""Bias as Clarify measures it: equal to what Clarify itself has published, on the records that it was computed from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.bias import beyond, bias, in_facet

AGE, SEX = 0, 9
"""Columns of the published records: the group within which CDDPL compares, and the facet."""


def records(document: dict[str, Any], side: str, key: str) -> list[Any]:
    return [row[key] for row in next(iter(json.loads(document["captureData"][side]["data"]).values()))]


@pytest.fixture(scope="module")
def merged(shared_data: Path) -> dict[str, Any]:
    """The merged ground truth and capture of an endpoint, as a monitoring job read it."""
    found: dict[str, Any] = json.loads((shared_data / "monitor/model_monitor/clarify_endpoint_cell90.json").read_text())
    return found


def test_every_published_violation_of_clarify_comes_out_to_its_last_digits(
    merged: dict[str, Any], shared_data: Path
) -> None:
    true = np.array([row["label"] for row in json.loads(merged["groundTruthData"]["data"])["instances"]]) == 1
    told = np.array(records(merged, "endpointOutput", "predicted_label")) == 1
    features = np.array(records(merged, "endpointInput", "features"), dtype=float)
    ages = np.unique(features[:, AGE], return_inverse=True)[1]
    found = bias(true, features[:, SEX] == 0, told, ages, np.delete(features, SEX, axis=1))
    ours = dict(found.select("metric", "value").rows())
    published = json.loads((shared_data / "monitor/model_monitor/clarify_endpoint_violations.json").read_text())
    theirs = {item["metric_name"]: float(item["description"].split()[2]) for item in published["violations"]}
    assert len(theirs) == 9
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-12)


def test_what_the_data_says_before_training_is_as_published(shared_data: Path) -> None:
    """Only one table of counts has the published class imbalance, label gap and KL of the baseline at once."""
    document = json.loads((shared_data / "monitor/model_monitor/clarify_endpoint_cell72.json").read_text())
    (entry,) = document["pre_training_bias_metrics"]["facets"]["Sex"]
    published = {item["name"]: item["value"] for item in entry["metrics"]}
    n = next(
        (a, d, x, y)
        for d in range(1, 400)
        for a in [round(d * (1 + published["CI"]) / (1 - published["CI"]))]
        if abs((a - d) / (a + d) - published["CI"]) < 1e-12
        for x in range(a + 1)
        for y in [round((x / a - published["DPL"]) * d)]
        if 0 < y <= d and abs(x / a - y / d - published["DPL"]) < 1e-12
        if abs((1 - x / a) * np.log((1 - x / a) / (1 - y / d)) + x / a * np.log((x / a) / (y / d)) - published["KL"])
        < 1e-12
    )
    inside = np.arange(n[0] + n[1]) >= n[0]
    true = np.concatenate((np.arange(n[0]) < n[2], np.arange(n[1]) < n[3]))
    ours = dict(bias(true, inside).select("metric", "value").rows())
    assert {name: ours[name] for name in published if name != "CDDL"} == pytest.approx(
        {name: value for name, value in published.items() if name != "CDDL"}, rel=1e-9
    )


def test_a_small_group_has_a_value_and_no_interval_to_alarm_on() -> None:
    inside = np.arange(100) < 5
    found = bias(inside, inside, ~inside)
    assert found["low"].null_count() == found.height
    assert found["value"].null_count() == 0
    assert "a facet has 5 rows" in found["why"][0]


def test_an_alarm_needs_an_interval_wholly_outside_of_what_is_allowed() -> None:
    found = pl.DataFrame(
        {
            "low": [0.2, 0.05, -0.4, None],
            "high": [0.3, 0.3, -0.2, None],
            "allowed_low": [-0.1] * 4,
            "allowed_high": [0.1] * 4,
        },
        schema_overrides={"low": pl.Float64, "high": pl.Float64},
    )
    assert found.select(beyond(found).alias("b"))["b"].to_list() == [True, False, True, None]


def test_a_number_of_many_values_is_parted_by_a_threshold_and_a_code_by_equality() -> None:
    assert in_facet(pl.Series([20, 40, 60]), "40").tolist() == [False, False, True]
    assert in_facet(pl.Series([0, 1, 1]), "1").tolist() == [False, True, True]
    assert in_facet(pl.Series(["a", None, "b"]), "b").tolist() == [False, False, True]


def test_equal_treatment_lies_within_its_interval() -> None:
    chance = np.random.default_rng(2)
    inside, true, told = chance.random((3, 4_000)) < 0.5
    found = bias(true, inside, told).filter(pl.col("metric").is_in(["DPL", "DPPL", "AD", "RD", "SD"]))
    assert ((found["low"] < 0) & (found["high"] > 0)).all()
