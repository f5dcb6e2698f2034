"""What does a score mean: the probability that the answer is yes, learned where labels are known?

In: scores and labels of a reference that the model was not trained on. Out: `Calibration`, which maps any score. Isotonic
regression (Zadrozny and Elkan 2002) where there are enough labels of both classes; Platt's two parameters (1999) where there are
few, with his priors, so that no probability is 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

ENOUGH_ROWS, ENOUGH_OF_A_CLASS = 1_000, 50
"""Below, isotonic regression follows noise (Niculescu-Mizil and Caruana 2005)."""


@dataclass(frozen=True)
class Calibration:
    """``method``: isotonic or platt. ``at``, ``share``: scores and their probabilities; between them the map is a line."""

    method: str
    at: np.ndarray
    share: np.ndarray
    slope: float = 1.0
    offset: float = 0.0

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of ``scores``."""
        if self.method == "isotonic":
            return np.asarray(np.interp(scores, self.at, self.share))
        return np.asarray(expit(self.slope * _spread(scores, self.at) + self.offset))


def calibration(scores: np.ndarray, true: np.ndarray, weights: np.ndarray | None = None) -> Calibration:
    """Learn the map. ``true``: booleans, or shares of yes with ``weights`` rows behind each."""
    rows = np.ones(len(scores)) if weights is None else weights
    yes = float((true * rows).sum())
    no = float(rows.sum()) - yes
    if yes + no >= ENOUGH_ROWS and min(yes, no) >= ENOUGH_OF_A_CLASS:
        return _isotonic(scores, true, rows)
    return _platt(scores, true, rows, yes, no)


def _isotonic(scores: np.ndarray, true: np.ndarray, rows: np.ndarray) -> Calibration:
    at, place = np.unique(scores, return_inverse=True)
    weight = np.bincount(place, weights=rows)
    share = np.bincount(place, weights=true * rows) / np.maximum(weight, 1e-12)
    there = weight > 0
    found = isotonic_regression(share[there], weights=weight[there])
    # An end where all were of one class says "at least so many of so many", not never and always.
    least = 1 / (float(weight.sum()) + 2)
    return Calibration("isotonic", at[there], np.clip(found.x, least, 1 - least))


def _platt(scores: np.ndarray, true: np.ndarray, rows: np.ndarray, yes: float, no: float) -> Calibration:
    ends = np.array([scores.min(), scores.max()], dtype=float)
    x = _spread(scores, ends)
    target = true * (yes + 1) / (yes + 2) + (1 - true) / (no + 2)

    def loss(pair: np.ndarray) -> float:
        z = pair[0] * x + pair[1]
        return float((rows * (np.logaddexp(0, z) - target * z)).sum())

    found = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return Calibration("platt", ends, ends, float(found[0]), float(found[1]))


def _spread(scores: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """On the logit scale where scores are probabilities, else as they are."""
    if ends.min() >= 0 and ends.max() <= 1:
        return np.asarray(logit(np.clip(scores, 1e-6, 1 - 1e-6)))
    return np.asarray(scores, dtype=float)
