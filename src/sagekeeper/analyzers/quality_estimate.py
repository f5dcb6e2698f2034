"""How good are yes-or-no answers whose labels have not come yet? Confidence-based estimation.

In: a labelled reference (scores, labels) and later answers (scores, decisions). Out: a row per metric with the range in which
the metric will lie, with 95 % confidence, once the labels are there. A score means the probability that it had in the reference
(`quality_calibration.py`); the expected confusion table, and with it every metric, follows. The range holds what chance does to
labels of that probability, to the answers at hand, and to the reference (parametric bootstrap over bins of scores).

It holds as long as a score means what it meant: when the inputs move, not when the truth behind them does (concept drift). Its
record against labels that came (`quality_record.py`) tells which of the two it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sagekeeper.analyzers.quality_binary import binned
from sagekeeper.analyzers.quality_calibration import Calibration, calibration
from sagekeeper.analyzers.quality_intervals import SEED

BINS, DRAWS = 200, 300
LEAST_LABELS, LEAST_OF_A_CLASS = 100, 10
"""Of the reference, below which nothing is estimated."""
METRICS = (
    *("accuracy", "precision", "recall", "true_positive_rate", "true_negative_rate"),
    *("false_positive_rate", "false_negative_rate", "f0_5", "f1", "f2", "auc", "log_loss", "brier"),
)
OF_SCORES = ("auc", "log_loss", "brier")
BETA = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}


class Expected(NamedTuple):
    """A metric as it is expected; NaN: it does not exist here."""

    metric: str
    value: float
    low: float
    high: float


class Reference(NamedTuple):
    """What is known of a model's scores. ``centres``, ``yes``, ``rows``: the reference in bins of its scores, to be drawn again.
    ``off``: by what metrics of the scores are true on the reference rather than expected there: a fitted map flatters itself."""

    calibration: Calibration
    centres: np.ndarray
    yes: np.ndarray
    rows: np.ndarray
    low: float
    high: float
    off: dict[str, float]


def reference(scores: np.ndarray, true: np.ndarray) -> Reference:
    """Learn from labelled scores. Raises ValueError with one sentence where there are too few."""
    yes = int(true.sum())
    if len(true) < LEAST_LABELS or min(yes, len(true) - yes) < LEAST_OF_A_CLASS:
        needed = f"{LEAST_LABELS} and {LEAST_OF_A_CLASS} of either class are needed"
        raise ValueError(f"the reference has {len(true)} labels, {yes} of them yes: {needed}")
    place, centres, rows = binned(scores, BINS)
    learned = calibration(scores, true.astype(float))
    told = scores > np.median(scores)
    flattered, real = _point(scores, told, learned.of(scores)), _point(scores, told, true.astype(float))
    return Reference(
        learned,
        centres,
        np.bincount(place, weights=true.astype(float), minlength=len(rows)),
        rows,
        float(scores.min()),
        float(scores.max()),
        {name: real[name] - flattered[name] for name in OF_SCORES},
    )


def expected(known: Reference, scores: np.ndarray, told: np.ndarray, rounds: int = DRAWS) -> list[Expected]:
    """Every metric of answers with these ``scores`` and decisions ``told`` (booleans)."""
    likely = known.calibration.of(scores)
    point = _point(scores, told, likely)
    point |= {name: point[name] + known.off[name] for name in OF_SCORES}
    place, centres, rows = binned(scores, BINS)
    tables = np.stack([np.bincount(place[side], minlength=len(rows)) for side in (~told, told)], axis=1).astype(float)
    spread = _drawn(known, centres, tables, rounds)
    found = []
    for name in METRICS:
        draws = spread[name][np.isfinite(spread[name])]
        value = point[name]
        if not np.isfinite(value) or len(draws) < 0.9 * rounds:
            found.append(Expected(name, value, float("nan"), float("nan")))
            continue
        # Bins blur: their draws tell how far the metric may lie from what is expected, not where that is.
        low, high = np.quantile(draws, (0.025, 0.975)) - draws.mean() + value
        ends = (float(low), float(high)) if name == "log_loss" else (max(0.0, float(low)), min(1.0, float(high)))
        found.append(Expected(name, float(value), *ends))
    return found


def _point(scores: np.ndarray, told: np.ndarray, likely: np.ndarray) -> dict[str, float]:
    tp, fp = float(likely[told].sum()), float((1 - likely[told]).sum())
    fn, tn = float(likely[~told].sum()), float((1 - likely[~told]).sum())
    found = {
        name: float(value[0]) for name, value in _of_table(*(np.array([cell]) for cell in (tn, fp, fn, tp))).items()
    }
    at, place = np.unique(scores, return_inverse=True)
    yes, no = (np.bincount(place, weights=share, minlength=len(at)) for share in (likely, 1 - likely))
    self_pairs = float((likely * (1 - likely)).sum())
    found["auc"] = float(_area(yes[None], no[None], self_pairs)[0])
    clipped = np.clip(likely, 1e-15, 1 - 1e-15)
    stated = np.clip(scores, 1e-15, 1 - 1e-15)
    probable = bool(scores.min() >= 0 and scores.max() <= 1)
    loss = -(clipped * np.log(stated) + (1 - clipped) * np.log(1 - stated))
    found["log_loss"] = float(loss.mean()) if probable else float("nan")
    brier = likely * (1 - scores) ** 2 + (1 - likely) * scores**2
    found["brier"] = float(brier.mean()) if probable else float("nan")
    return found


def _drawn(known: Reference, centres: np.ndarray, tables: np.ndarray, rounds: int) -> dict[str, np.ndarray]:
    """The metrics of ``rounds`` answers, references and labels that might as well have been."""
    chance = np.random.default_rng(SEED)
    whole, count = int(tables.sum()), len(centres)
    total = int(known.rows.sum())
    cells = np.stack((known.rows - known.yes, known.yes), axis=1).ravel()
    references = chance.multinomial(total, cells / total, rounds).reshape(rounds, -1, 2).astype(float)
    answers = chance.multinomial(whole, tables.ravel() / whole, rounds).reshape(rounds, count, 2)
    likely = np.empty((rounds, count))
    for number, drawn in enumerate(references):
        rows = drawn.sum(axis=1)
        there = rows > 0
        again = calibration(known.centres[there], drawn[there, 1] / rows[there], rows[there])
        likely[number] = again.of(centres)
    yes = chance.binomial(answers, np.clip(likely, 0, 1)[:, :, None]).astype(float)
    no = answers - yes
    found = _of_table(
        no[:, :, 0].sum(axis=1), no[:, :, 1].sum(axis=1), yes[:, :, 0].sum(axis=1), yes[:, :, 1].sum(axis=1)
    )
    both, neither = yes.sum(axis=2), no.sum(axis=2)
    found["auc"] = _area(both, neither, 0.0)
    stated = np.clip(centres, 1e-15, 1 - 1e-15)
    with np.errstate(invalid="ignore"):
        found["log_loss"] = -(both * np.log(stated) + neither * np.log(1 - stated)).sum(axis=1) / whole
    found["brier"] = (both * (1 - centres) ** 2 + neither * centres**2).sum(axis=1) / whole
    return found


def _of_table(tn: np.ndarray, fp: np.ndarray, fn: np.ndarray, tp: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {
            "accuracy": (tp + tn) / (tp + tn + fp + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "true_positive_rate": tp / (tp + fn),
            "true_negative_rate": tn / (tn + fp),
            "false_positive_rate": fp / (tn + fp),
            "false_negative_rate": fn / (tp + fn),
        }
        scores = {name: (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp) for name, beta in BETA.items()}
    return shares | scores


def _area(yes: np.ndarray, no: np.ndarray, self_pairs: float) -> np.ndarray:
    """Area under the ROC curve of counts by ascending score, along the last axis; nobody is compared with themselves."""
    below = np.cumsum(no, axis=1) - no
    won = (yes * (below + no / 2)).sum(axis=1) - self_pairs / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(won / (yes.sum(axis=1) * no.sum(axis=1) - self_pairs))
