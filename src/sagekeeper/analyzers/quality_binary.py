"""How good are yes-or-no predictions? Names as in Model Monitor's model quality (monitoring-facts 2.4).

In: truth, prediction and, where there is one, the probability of yes, a row each. Out: metrics with intervals; the confusion
matrix; curves. Accuracy, precision, recall and their kin: Wilson. F: multinomial bootstrap. AUC: DeLong. Log loss and Brier: the
mean's. The calibration error (bins of equal mass) is not less than zero even for a perfect model: it has no interval.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sagekeeper.analyzers.quality_intervals import Interval, auc, of_mean, of_table, wilson

BINS = 10
CURVE_POINTS = 200
TINY = 1e-15


class Measured(NamedTuple):
    """A metric. ``value`` NaN: it does not exist here (a share of nothing, one class only)."""

    metric: str
    value: float
    interval: Interval | None


class Curves(NamedTuple):
    """For drawing: ROC, precision against recall, and calibration (mean score, share of yes, rows of a bin)."""

    false_positive_rates: np.ndarray
    true_positive_rates: np.ndarray
    precisions: np.ndarray
    recalls: np.ndarray
    calibration: np.ndarray


def confusion(true: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Rows: truth no, yes. Columns: told no, yes."""
    return np.bincount(2 * true.astype(int) + told.astype(int), minlength=4).reshape(2, 2)


def measured(true: np.ndarray, told: np.ndarray, scores: np.ndarray | None) -> list[Measured]:
    """All metrics of booleans ``true`` and ``told``, and probabilities."""
    cells = confusion(true, told)
    (tn, fp), (fn, tp) = cells.tolist()
    n, yes = tn + fp + fn + tp, tp + fn
    shares = {
        "accuracy": (tp + tn, n),
        "precision": (tp, tp + fp),
        "recall": (tp, yes),
        "true_positive_rate": (tp, yes),
        "true_negative_rate": (tn, tn + fp),
        "false_positive_rate": (fp, tn + fp),
        "false_negative_rate": (fn, yes),
        "accuracy_best_constant_classifier": (max(yes, n - yes), n),
    }
    found = [Measured(name, hits / of if of else float("nan"), wilson(hits, of)) for name, (hits, of) in shares.items()]
    for name, beta in (("f0_5", 0.5), ("f1", 1.0), ("f2", 2.0)):
        value = float(_f(cells[None], beta)[0])
        found.append(Measured(name, value, of_table(cells, lambda drawn, beta=beta: _f(drawn, beta))))  # type: ignore[misc]
    return found + (_of_scores(true, scores) if scores is not None else [])


def curves(true: np.ndarray, scores: np.ndarray) -> Curves:
    """At most `CURVE_POINTS` points each, at thresholds that occur."""
    order = np.argsort(-scores, kind="stable")
    hits, ends = np.cumsum(true[order]), np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, CURVE_POINTS).astype(int))]
    tp, told = hits[ends].astype(float), ends + 1.0
    yes, no = float(true.sum()), float((~true).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return Curves((told - tp) / no, tp / yes, tp / told, tp / yes, calibration(true, scores))


def calibration(true: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows of (mean score, share of yes, rows), in bins of equal mass; equal scores share a bin."""
    place, means, rows = binned(scores, BINS)
    return np.column_stack((means, np.bincount(place, weights=true.astype(float)) / rows, rows))


def binned(scores: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of bins of equal mass: each score's bin, mean scores, how many; equal scores share one."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    full, place = np.unique(np.searchsorted(edges, scores, side="left"), return_inverse=True)
    rows = np.bincount(place, minlength=len(full)).astype(float)
    return place, np.bincount(place, weights=scores) / rows, rows


def _of_scores(true: np.ndarray, scores: np.ndarray) -> list[Measured]:
    area, sure = auc(true, scores)
    found = [Measured("auc", area, sure)]
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return found  # A score that is no probability ranks, and says nothing more.
    clipped = np.clip(scores, TINY, 1 - TINY)
    losses = -np.where(true, np.log(clipped), np.log(1 - clipped))
    squares = (scores - true) ** 2
    bins = calibration(true, scores)
    ece = float((np.abs(bins[:, 0] - bins[:, 1]) * bins[:, 2]).sum() / bins[:, 2].sum())
    return [
        *found,
        Measured("log_loss", float(losses.mean()), of_mean(losses)),
        Measured("brier", float(squares.mean()), of_mean(squares)),
        Measured("ece", ece, None),
    ]


def _f(cells: np.ndarray, beta: float) -> np.ndarray:
    """Of tables along the first axis; F in counts, so that it exists where one of precision and recall does not."""
    fp, fn, tp = cells[:, 0, 1], cells[:, 1, 0], cells[:, 1, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp))
