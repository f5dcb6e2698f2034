"""What the house-price model answers, and what the houses then really sold for: predictions and ground truth of a sample.

In: a sample of requests as the endpoint is asked with it, the drifts that are on, and a seed. Out: the model's predictions
and the labels, in the data set's unit (100,000 dollars). The model is a line in the income; a label is what the model knows
plus what it cannot (`NOISE`), unless concept drift, bias or leakage is on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sagekeeper.simulator.world import Drift
from sagekeeper.simulator.worlds.drifting import Sample

BASE, SLOPE = 0.45, 0.42
NOISE = 0.35
"""Root mean square error of the healthy model."""
USUAL_INCOME = 3.87
"""What the model takes where a request has no income."""
COMMUTE, CROWD = 1.1, 0.45
"""Under concept drift: what inland loses and the income matters less."""
UNFAIR = 0.7
"""Under bias: by how much inland houses are predicted too low."""
LEFT_OVER = 0.05
"""Error of the model that was trained with a feature that gives the label away."""
LEAKING = "population"


class Answered(NamedTuple):
    """One value a request each."""

    predictions: np.ndarray
    labels: np.ndarray


def answered(sample: Sample, drifts: list[Drift], seed: int) -> Answered:
    """Predictions and labels of the sample. Leakage puts the label into one of the sample's own columns."""
    chance = np.random.default_rng((seed, 77))
    income = np.nan_to_num(sample["median_income"].astype(float), nan=USUAL_INCOME)
    known = BASE + SLOPE * income
    labels = known + chance.normal(0.0, NOISE, len(known))
    return drifted(sample, Answered(known.copy(), labels), drifts, chance)


def drifted(sample: Sample, usual: Answered, drifts: list[Drift], chance: np.random.Generator) -> Answered:
    """What a model's usual answers and the usual labels become under the drifts that are on."""
    income = np.nan_to_num(sample["median_income"].astype(float), nan=USUAL_INCOME)
    predictions, labels = usual
    inland = sample["ocean_proximity"] == "INLAND"
    for drift in drifts:
        if drift.kind == "concept":
            labels = labels + drift.size * (
                CROWD * (USUAL_INCOME - income) * SLOPE - COMMUTE * (inland - inland.mean())
            )
        elif drift.kind == "bias":
            predictions = predictions - np.where(inland, UNFAIR * drift.size, 0.0)
        elif drift.kind == "leakage":
            _leak(sample, labels)
            predictions = labels + chance.normal(0.0, LEFT_OVER, len(labels))
    return Answered(predictions, labels)


def _leak(sample: Sample, labels: np.ndarray) -> None:
    """The same values of the feature, in the order of the labels: its distribution says nothing, its place everything."""
    column = sample[LEAKING]
    if column.dtype == object or np.isnan(column).any():
        return
    sorted_values, order = np.sort(column), np.argsort(np.argsort(labels))
    sample[LEAKING] = sorted_values[order]
