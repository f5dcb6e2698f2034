"""Clarify's monitors: bias metrics by facet, and feature attribution; analysis.json and the violations of a baseline.

Formats: monitoring-facts 2.3 and 2.5; the meaning of each bias metric is Clarify's (facet a is everybody else, facet d
the value named). A bias metric is reported when its bootstrap interval lies wholly beyond the baseline's value. The
attribution of a feature is its mean absolute Shapley value under the linear model that fits the captures best: exact
where the model is linear, which the simulated ones are.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from sagekeeper.simulator.monitor_data_quality import read
from sagekeeper.simulator.monitor_records import Columns

RESAMPLES, NORMAL_QUANTILE = 50, 1.96
LEAST_NDCG = 0.9
"""Clarify's threshold for the order of attributions."""
NAMES = {
    "AD": "Accuracy Difference (AD)",
    "DAR": "Difference in Acceptance Rates (DAR)",
    "DCA": "Difference in Conditional Acceptance (DCA)",
    "DCR": "Difference in Conditional Rejection (DCR)",
    "DI": "Disparate Impact (DI)",
    "DPPL": "Difference in Positive Proportions in Predicted Labels (DPPL)",
    "DRR": "Difference in Rejection Rates (DRR)",
    "GE": "Generalized Entropy (GE)",
    "RD": "Recall Difference (RD)",
    "SD": "Specificity Difference (SD)",
    "TE": "Treatment Equality (TE)",
    "CI": "Class Imbalance (CI)",
    "DPL": "Difference in Positive Proportions in Labels (DPL)",
}
BEFORE_TRAINING = ("CI", "DPL")
IDEAL = {"DI": 1.0}


def bias(columns: Columns, labels: np.ndarray, predicted: np.ndarray, config: dict[str, Any]) -> dict[str, Any]:
    """analysis.json of a bias monitor."""
    positive = [str(value) for value in config.get("label_values_or_threshold", [1])]
    true, told = _positive(labels, positive), _positive(predicted, positive)
    after: dict[str, Any] = {}
    before: dict[str, Any] = {}
    for facet in config.get("facet", []):
        name = str(facet["name_or_index"])
        for value in facet.get("value_or_threshold", [1]):
            inside = _inside(columns[name], value)
            found = metrics(true, told, inside)
            for section, wanted in (
                (after, [key for key in found if key not in BEFORE_TRAINING]),
                (before, BEFORE_TRAINING),
            ):
                told_of = [_metric(key, found[key]) for key in sorted(wanted)]
                section.setdefault(name, []).append({"value_or_threshold": str(value), "metrics": told_of})
    head = {"label": str(config.get("label", "label")), "label_value_or_threshold": ",".join(positive)}
    return {
        "version": "1.0",
        "post_training_bias_metrics": head | {"facets": after},
        "pre_training_bias_metrics": head | {"facets": before},
    }


def metrics(true: np.ndarray, told: np.ndarray, inside: np.ndarray) -> dict[str, float | None]:
    """Clarify's metrics of one facet: ``inside`` is facet d."""
    a, d = _counts(true[~inside], told[~inside]), _counts(true[inside], told[inside])
    benefit = told.astype(float) - true.astype(float) + 1
    mean = benefit.mean() if len(benefit) else 0.0
    return {
        "CI": _ratio(a["n"] - d["n"], a["n"] + d["n"]),
        "DPL": _minus(_ratio(a["true"], a["n"]), _ratio(d["true"], d["n"])),
        "DPPL": _minus(_ratio(a["told"], a["n"]), _ratio(d["told"], d["n"])),
        "DI": _over(_ratio(d["told"], d["n"]), _ratio(a["told"], a["n"])),
        "AD": _minus(_ratio(a["right"], a["n"]), _ratio(d["right"], d["n"])),
        "RD": _minus(_ratio(a["tp"], a["true"]), _ratio(d["tp"], d["true"])),
        "SD": _minus(_ratio(d["tn"], d["tn"] + d["fp"]), _ratio(a["tn"], a["tn"] + a["fp"])),
        "DCA": _minus(_ratio(a["true"], a["told"]), _ratio(d["true"], d["told"])),
        "DCR": _minus(_ratio(d["n"] - d["true"], d["n"] - d["told"]), _ratio(a["n"] - a["true"], a["n"] - a["told"])),
        "DAR": _minus(_ratio(a["tp"], a["told"]), _ratio(d["tp"], d["told"])),
        "DRR": _minus(_ratio(d["tn"], d["n"] - d["told"]), _ratio(a["tn"], a["n"] - a["told"])),
        "TE": _minus(_ratio(d["fn"], d["fp"]), _ratio(a["fn"], a["fp"])),
        "GE": float(np.mean((benefit / mean) ** 2 - 1) / 2) if mean else None,
    }


def bias_violations(
    columns: Columns, labels: np.ndarray, predicted: np.ndarray, config: dict[str, Any], baseline: dict[str, Any]
) -> list[dict[str, str]]:
    """Metrics that are further from fair than the baseline's, for sure."""
    positive = [str(value) for value in config.get("label_values_or_threshold", [1])]
    true, told = _positive(labels, positive), _positive(predicted, positive)
    found = []
    for section in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        for facet, entries in baseline.get(section, {}).get("facets", {}).items():
            for entry in entries if facet in columns else ():
                inside = _inside(columns[facet], entry["value_or_threshold"])
                now, spread = metrics(true, told, inside), _spread(true, told, inside)
                for allowed in entry["metrics"]:
                    name, limit = allowed["name"], allowed.get("value")
                    value = now.get(name)
                    if limit is None or value is None:
                        continue
                    ideal = IDEAL.get(name, 0.0)
                    sure = NORMAL_QUANTILE * spread.get(name, 0.0)
                    if abs(value - ideal) - sure > abs(float(limit) - ideal):
                        told_of = f"Metric value {value} doesn't meet the baseline constraint requirement {limit}"
                        found.append(
                            {
                                "facet": facet,
                                "facet_value": str(entry["value_or_threshold"]),
                                "metric_name": name,
                                "constraint_check_type": "bias_drift_check",
                                "description": told_of,
                            }
                        )
    return found


def explanation(columns: Columns, predicted: np.ndarray) -> dict[str, Any]:
    """analysis.json of an explainability monitor."""
    names, matrix = [], []
    for name, values in columns.items():
        column = read(values)
        if column.kind in ("Integral", "Fractional"):
            numbers = np.full(len(values), np.nan)
            numbers[values != ""] = [_number(value) for value in values[values != ""]]
            numbers[np.isnan(numbers)] = np.nanmean(numbers)
            names.append(name)
            matrix.append([numbers])
        elif column.kind == "String":
            names.append(name)
            matrix.append(
                [(values == value).astype(float) for value in np.unique(values)[1:]] or [np.zeros(len(values))]
            )
    outputs = predicted.astype(float)
    features = np.column_stack([part for parts in matrix for part in parts])
    centred = features - features.mean(axis=0)
    weights, *_ = np.linalg.lstsq(centred, outputs - outputs.mean(), rcond=None)
    shares, place, global_values = centred * weights, 0, {}
    for name, parts in zip(names, matrix, strict=True):
        global_values[name] = float(np.abs(shares[:, place : place + len(parts)].sum(axis=1)).mean())
        place += len(parts)
    label = {"global_shap_values": global_values, "expected_value": float(outputs.mean())}
    return {"version": "1.0", "explanations": {"kernel_shap": {"label0": label}}}


def explanation_violations(found: dict[str, Any], baseline: dict[str, Any]) -> list[dict[str, str]]:
    """Labels whose features no longer matter in the baseline's order (NDCG of the attributions)."""
    broken = []
    for label, before in baseline.get("explanations", {}).get("kernel_shap", {}).items():
        now = found["explanations"]["kernel_shap"].get(label)
        if now is None:
            continue
        usual = {name: abs(value) for name, value in before["global_shap_values"].items()}
        order = sorted(now["global_shap_values"], key=lambda name: -abs(now["global_shap_values"][name]))
        gain = np.array([usual.get(name, 0.0) for name in order])
        best = np.array(sorted(usual.values(), reverse=True))
        score = _gained(gain) / _gained(best) if best.any() else 1.0
        if score < LEAST_NDCG:
            told = f"Feature attribution drift {score} exceeds threshold {LEAST_NDCG}"
            check = "feature_attribution_drift_check"
            broken.append({"label": label, "metric_name": "shap", "constraint_check_type": check, "description": told})
    return broken


def _spread(true: np.ndarray, told: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    chance = np.random.default_rng(zlib.crc32(np.packbits(np.concatenate((true, told, inside))).tobytes()))
    draws = [
        metrics(true[rows], told[rows], inside[rows])
        for rows in (chance.integers(0, len(true), len(true)) for _ in range(RESAMPLES))
    ]
    found = {}
    for name in NAMES:
        values = [draw[name] for draw in draws if draw[name] is not None]
        found[name] = float(np.std(np.array(values, dtype=float))) if values else 0.0
    return found


def _counts(true: np.ndarray, told: np.ndarray) -> dict[str, float]:
    return {
        "n": float(len(true)),
        "true": float(true.sum()),
        "told": float(told.sum()),
        "tp": float((true & told).sum()),
        "tn": float((~true & ~told).sum()),
        "fp": float((~true & told).sum()),
        "fn": float((true & ~told).sum()),
        "right": float((true == told).sum()),
    }


def _positive(values: np.ndarray, positive: list[str]) -> np.ndarray:
    """One label value is a threshold for numbers that are not classes, otherwise the classes that count as positive."""
    texts = values.astype(str)
    if len(positive) == 1 and len(np.unique(texts)) > 2:
        above: np.ndarray = values.astype(float) > float(positive[0])
        return above
    wanted = {str(float(value)) if _number(value) == _number(value) else value for value in positive}
    return np.array(
        [(str(float(text)) if _number(text) == _number(text) else text) in wanted for text in texts], dtype=bool
    )


def _inside(values: np.ndarray, wanted: Any) -> np.ndarray:
    """Facet d: the rows of this value or, for numbers of many values, above it."""
    if read(values).kind in ("Integral", "Fractional") and len(np.unique(values)) > 2:
        return np.array([_number(value) > float(wanted) for value in values], dtype=bool)
    return np.array([value == str(wanted) or _number(value) == _number(wanted) for value in values], dtype=bool)


def _metric(name: str, value: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "description": NAMES[name], "value": value}
    return found if value is not None else found | {"error": "The metric cannot be computed: a group is empty"}


def _gained(gain: np.ndarray) -> float:
    return float(np.sum(gain / np.log2(np.arange(len(gain)) + 2)))


def _number(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _over(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other
