"""Model Monitor's model quality analysis: metrics of predictions against ground truth, and violations of thresholds.

Formats: monitoring-facts 2.4. In: labels and predictions (classes or numbers), probabilities where there are some. Out:
statistics.json and the violations of constraints.json. Standard deviations come from five random subsamples of 80 %,
from 200 rows on; below they are the text "NaN", as in AWS.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

FOLDS, SHARE, LEAST = 5, 0.8, 200
SECTIONS = {
    "Regression": "regression",
    "BinaryClassification": "binary_classification",
    "MulticlassClassification": "multiclass_classification",
}


def statistics(problem: str, labels: np.ndarray, predicted: np.ndarray, scores: np.ndarray | None) -> dict[str, Any]:
    """statistics.json of a problem type of Model Monitor."""
    section = SECTIONS[problem]
    metrics = _with_spread(METRICS[problem], labels, predicted, scores)
    if problem != "Regression":
        classes = np.unique(np.concatenate((labels, predicted)))
        metrics["confusion_matrix"] = {
            str(actual): {str(told): int(np.sum((labels == actual) & (predicted == told))) for told in classes}
            for actual in classes
        }
    if problem == "BinaryClassification" and scores is not None:
        metrics |= _curves(labels.astype(float), scores)
    return {"version": 0.0, "dataset": {"item_count": len(labels)}, f"{section}_metrics": metrics}


def violations(found: dict[str, Any], allowed: dict[str, Any]) -> list[dict[str, str]]:
    """Metrics beyond the thresholds of a baseline's constraints.json."""
    broken = []
    for section in SECTIONS.values():
        metrics = found.get(f"{section}_metrics", {})
        for name, rule in allowed.get(f"{section}_constraints", {}).items():
            value = metrics.get(name, {}).get("value")
            if value is None:
                continue
            operator, threshold = rule["comparison_operator"], float(rule["threshold"])
            if value < threshold if operator == "LessThanThreshold" else value > threshold:
                told = f"Metric {name} with {value} was {operator} {rule['threshold']}"
                broken.append({"constraint_check_type": operator, "description": told, "metric_name": name})
    return broken


def _regression(labels: np.ndarray, predicted: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
    wrong = predicted.astype(float) - labels.astype(float)
    spread = float(np.sum((labels.astype(float) - labels.astype(float).mean()) ** 2))
    mse = float(np.mean(wrong**2))
    return {
        "mae": float(np.mean(np.abs(wrong))),
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "r2": 1 - float(np.sum(wrong**2)) / spread if spread else 0.0,
    }


def _binary(labels: np.ndarray, predicted: np.ndarray, scores: np.ndarray | None) -> dict[str, float]:
    true, told = labels.astype(float) > 0, predicted.astype(float) > 0
    counts = [float(np.sum(a & b)) for a, b in ((true, told), (~true, told), (~true, ~told), (true, ~told))]
    both, falsely, neither, missed = counts
    precision, recall = _ratio(both, both + falsely), _ratio(both, both + missed)
    found = {
        "recall": recall,
        "precision": precision,
        "accuracy": _ratio(both + neither, len(labels)),
        "true_positive_rate": recall,
        "true_negative_rate": _ratio(neither, neither + falsely),
        "false_positive_rate": _ratio(falsely, neither + falsely),
        "false_negative_rate": _ratio(missed, both + missed),
    }
    found |= {f"f{str(beta).replace('.', '_')}": _f_score(precision, recall, beta) for beta in (0.5, 1, 2)}
    if scores is not None and true.any() and not true.all():
        found["auc"] = _auc(true, scores)
    constant = float(max(np.mean(true), 1 - np.mean(true)))
    positive = bool(np.mean(true) >= 0.5)
    found |= {
        "accuracy_best_constant_classifier": constant,
        "recall_best_constant_classifier": float(positive),
        "precision_best_constant_classifier": float(np.mean(true)) if positive else 0.0,
    }
    return found


def _multiclass(labels: np.ndarray, predicted: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
    classes, counts = np.unique(labels, return_counts=True)
    weights = counts / counts.sum()
    right = np.array([float(np.sum((labels == name) & (predicted == name))) for name in classes])
    told = np.array([float(np.sum(predicted == name)) for name in classes])
    recall, precision = right / counts, np.divide(right, told, out=np.zeros_like(right), where=told > 0)
    found = {
        "accuracy": float(np.mean(labels == predicted)),
        "weighted_recall": float(weights @ recall),
        "weighted_precision": float(weights @ precision),
    }
    for beta in (0.5, 1, 2):
        each = [_f_score(float(p), float(r), beta) for p, r in zip(precision, recall, strict=True)]
        found[f"weighted_f{str(beta).replace('.', '_')}"] = float(weights @ np.array(each))
    return found


METRICS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray | None], dict[str, float]]] = {
    "Regression": _regression,
    "BinaryClassification": _binary,
    "MulticlassClassification": _multiclass,
}


def _with_spread(
    work: Callable[[np.ndarray, np.ndarray, np.ndarray | None], dict[str, float]],
    labels: np.ndarray,
    predicted: np.ndarray,
    scores: np.ndarray | None,
) -> dict[str, Any]:
    whole = work(labels, predicted, scores)
    if len(labels) < LEAST:
        return {name: {"value": value, "standard_deviation": "NaN"} for name, value in whole.items()}
    chance = np.random.default_rng(zlib.crc32(f"{len(labels)}/{sorted(whole.items())}".encode()))
    folds = []
    for _ in range(FOLDS):
        part = chance.choice(len(labels), int(SHARE * len(labels)), replace=False)
        folds.append(work(labels[part], predicted[part], None if scores is None else scores[part]))
    return {
        name: {"value": value, "standard_deviation": float(np.std([fold.get(name, value) for fold in folds]))}
        for name, value in whole.items()
    }


def _curves(labels: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    true = labels > 0
    cuts = np.quantile(scores, np.linspace(1, 0, 21))
    told = scores[None, :] >= cuts[:, None]
    both, falsely = (told & true).sum(axis=1), (told & ~true).sum(axis=1)
    recalls = both / max(1, true.sum())
    precisions = both / np.maximum(1, told.sum(axis=1))
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": [0.0, *(falsely / max(1, (~true).sum())).tolist()],
            "true_positive_rates": [0.0, *recalls.tolist()],
        },
        "precision_recall_curve": {"precisions": [1.0, *precisions.tolist()], "recalls": [0.0, *recalls.tolist()]},
    }


def _auc(true: np.ndarray, scores: np.ndarray) -> float:
    """The share of pairs in which the positive scores higher; ties count half."""
    order = np.sort(scores[~true])
    below = np.searchsorted(order, scores[true], side="left")
    upto = np.searchsorted(order, scores[true], side="right")
    return float(np.mean((below + upto) / 2) / len(order))


def _f_score(precision: float, recall: float, beta: float) -> float:
    return _ratio((1 + beta**2) * precision * recall, beta**2 * precision + recall)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
