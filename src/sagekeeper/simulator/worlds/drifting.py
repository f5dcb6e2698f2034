"""How requests to a house-price model change, kind by kind: what an incident of drift does to a sample.

In: a sample (feature name -> array), the drifts that are on, and a seed. Out: the sample as the endpoint is asked with it.
A missing number is NaN, a number that arrives as text makes its whole column text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sagekeeper.simulator.world import Drift

INCOME_SPREAD = 1.9
DOLLARS = 10_000.0
"""The data set counts incomes in tens of thousands of dollars."""
Sample = dict[str, Any]
Change = Callable[[Sample, np.random.Generator, float], None]


def changed(sample: Sample, drifts: list[Drift], seed: int) -> Sample:
    """The sample with every drift done to it, in order."""
    made = dict(sample)
    for number, drift in enumerate(drifts):
        CHANGES[drift.kind](made, np.random.default_rng((seed, number)), drift.size)
    return made


def _covariate(sample: Sample, chance: np.random.Generator, size: float) -> None:
    sample["median_income"] = np.round(sample["median_income"] + 0.8 * size * INCOME_SPREAD, 4)
    inland = (sample["ocean_proximity"] == "INLAND") & (chance.random(len(sample["ocean_proximity"])) < 0.55)
    sample["ocean_proximity"] = np.where(inland, "<1H OCEAN", sample["ocean_proximity"])


def _missing(sample: Sample, chance: np.random.Generator, size: float) -> None:
    gone = chance.random(len(sample["median_income"])) < min(0.33 * size, 1.0)
    sample["median_income"] = np.where(gone, np.nan, sample["median_income"])


def _schema(sample: Sample, chance: np.random.Generator, size: float) -> None:
    sample["total_bedrooms"] = np.array(
        [f"{value:g} rooms" for value in sample["total_bedrooms"].tolist()], dtype=object
    )
    island = chance.random(len(sample["ocean_proximity"])) < min(0.08 * size, 1.0)
    sample["ocean_proximity"] = np.where(island, "ISLAND", sample["ocean_proximity"])


def _unit(sample: Sample, _chance: np.random.Generator, _size: float) -> None:
    sample["median_income"] = np.round(sample["median_income"] * DOLLARS, 2)


def _label(sample: Sample, chance: np.random.Generator, size: float) -> None:
    """Dearer houses are asked for: requests are drawn again, those of high income more often, each as it was."""
    income = np.nan_to_num(sample["median_income"].astype(float), nan=0.0)
    weight = np.exp(0.5 * size * (income - income.mean()) / INCOME_SPREAD)
    rows = chance.choice(len(income), len(income), p=weight / weight.sum())
    for name in sample:
        sample[name] = sample[name][rows]


def _none(_sample: Sample, _chance: np.random.Generator, _size: float) -> None:
    """Requests stay as they are: what changes is in `house_answers`."""


CHANGES: dict[str, Change] = {
    "covariate": _covariate,
    "missing": _missing,
    "schema": _schema,
    "unit": _unit,
    "label": _label,
    "concept": _none,
    "bias": _none,
    "leakage": _none,
}
