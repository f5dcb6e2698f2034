"""What a monitoring run finds in the captures: the analysis of each of the four kinds, as files and metrics.

In: a task (definition, endpoint, window) and the captured rows. Out: a report. Predictions, probabilities and features
are found by the attributes that the definition names; labels by joining the ground truth.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from sagekeeper.simulator import monitor_clarify, monitor_data_quality, monitor_model_quality
from sagekeeper.simulator.monitor_records import Captured, NoData, ground_truth, named, read_json
from sagekeeper.simulator.world import Standing


class Task(NamedTuple):
    """What a run works on."""

    here: Standing
    kind: str
    definition: dict[str, Any]
    endpoint: str
    window: tuple[datetime, datetime]

    def part(self, name: str) -> dict[str, Any]:
        """A part of the definition, such as its JobInput."""
        return dict(self.definition.get(f"{self.kind}{name}", {}))


class Report(NamedTuple):
    """What a run has found: documents by file name, metrics by name with their dimensions, and how much is violated."""

    files: dict[str, Any]
    metrics: list[tuple[str, float, dict[str, str]]]
    violations: int


def _data_quality(task: Task, rows: list[Captured]) -> Report:
    base = task.part("BaselineConfig")
    allowed = read_json(task.here, base.get("ConstraintsResource", {}).get("S3Uri"))
    usual = read_json(task.here, base.get("StatisticsResource", {}).get("S3Uri"))
    columns = named(rows, [item["name"] for item in (allowed or usual or {}).get("features", [])])
    found = monitor_data_quality.violations(columns, allowed, usual) if allowed else []
    before = {item["name"]: item for item in (usual or {}).get("features", [])}
    comparison = (allowed or {}).get("monitoring_config", {}).get("distribution_constraints", {})
    metrics: list[tuple[str, float, dict[str, str]]] = []
    for name, values in columns.items():
        column = monitor_data_quality.read(values)
        metrics.append((f"feature_non_null_{name}", float(column.present), {}))
        if len(column.numbers):
            metrics.append((f"feature_data_{name}", float(column.numbers.mean()), {}))
        distance = monitor_data_quality.drift(column, before[name], comparison)[0] if name in before else None
        if distance is not None:
            metrics.append((f"feature_baseline_drift_{name}", distance, {}))
    files = {
        "statistics.json": monitor_data_quality.statistics(columns),
        "constraints.json": monitor_data_quality.constraints(columns),
        "constraint_violations.json": {"violations": found},
    }
    return Report(files, metrics, len(found))


def _model_quality(task: Task, rows: list[Captured]) -> Report:
    joined, merge = _merged(task, rows)
    given = task.part("JobInput")["EndpointInput"]
    problem = task.part("AppSpecification").get("ProblemType", "Regression")
    labels = np.array([label for _, label in joined])
    outputs, scores = _predictions(given, [row for row, _ in joined], problem)
    if problem != "MulticlassClassification":
        labels, outputs = labels.astype(float), outputs.astype(float)
    found = monitor_model_quality.statistics(problem, labels, outputs, scores)
    allowed = read_json(task.here, task.part("BaselineConfig").get("ConstraintsResource", {}).get("S3Uri"))
    broken = monitor_model_quality.violations(found, allowed) if allowed else []
    section = found[f"{monitor_model_quality.SECTIONS[problem]}_metrics"]
    metrics: list[tuple[str, float, dict[str, str]]] = [
        (name, item["value"], {}) for name, item in section.items() if isinstance(item.get("value"), float)
    ]
    files = {
        "statistics.json": found,
        "constraints.json": allowed or {"version": 0.0},
        "constraint_violations.json": {"violations": broken},
    }
    return Report(files | merge, metrics, len(broken))


def _bias(task: Task, rows: list[Captured]) -> Report:
    joined, merge = _merged(task, rows)
    config = _analysis_config(task)
    columns = named([row for row, _ in joined], _headers(config))
    absent = [facet for facet in config.get("facet", []) if str(facet["name_or_index"]) not in columns]
    if absent:
        raise NoData
    labels = np.array([label for _, label in joined])
    outputs, _ = _predictions(
        task.part("JobInput")["EndpointInput"], [row for row, _ in joined], "BinaryClassification"
    )
    found = monitor_clarify.bias(columns, labels, outputs, config)
    baseline = read_json(task.here, task.part("BaselineConfig").get("ConstraintsResource", {}).get("S3Uri"))
    broken = monitor_clarify.bias_violations(columns, labels, outputs, config, baseline) if baseline else []
    metrics = []
    for stage in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        for facet, entries in found[stage]["facets"].items():
            for entry in entries:
                more = {
                    "BiasStage": "Pre-training" if stage.startswith("pre") else "Post-training",
                    "Label": found[stage]["label"],
                    "LabelValue": found[stage]["label_value_or_threshold"],
                    "Facet": facet,
                    "FacetValue": entry["value_or_threshold"],
                }
                metrics += [
                    (f"bias_metric_{item['name']}", item["value"], more)
                    for item in entry["metrics"]
                    if item["value"] is not None
                ]
    files = {"analysis.json": found, "constraint_violations.json": {"version": "1.0", "violations": broken}}
    return Report(files | merge, metrics, len(broken))


def _explainability(task: Task, rows: list[Captured]) -> Report:
    config = _analysis_config(task)
    columns = named(rows, _headers(config))
    outputs, scores = _predictions(task.part("JobInput")["EndpointInput"], rows, "Regression")
    found = monitor_clarify.explanation(columns, outputs if scores is None else scores)
    baseline = read_json(task.here, task.part("BaselineConfig").get("ConstraintsResource", {}).get("S3Uri"))
    broken = monitor_clarify.explanation_violations(found, baseline) if baseline else []
    label = found["explanations"]["kernel_shap"]["label0"]
    more = {"ExplainabilityMethod": "KernelShap", "Label": "label0", "ValueType": "GlobalShapValues"}
    metrics = [(f"feature_{name}", value, more) for name, value in label["global_shap_values"].items()]
    expected = more | {"ValueType": "ExpectedValue"}
    files = {"analysis.json": found, "constraint_violations.json": {"version": "1.0", "violations": broken}}
    return Report(files, [*metrics, ("ExpectedValue", label["expected_value"], expected)], len(broken))


ANALYSES: dict[str, Callable[[Task, list[Captured]], Report]] = {
    "DataQuality": _data_quality,
    "ModelQuality": _model_quality,
    "ModelBias": _bias,
    "ModelExplainability": _explainability,
}


def _merged(task: Task, rows: list[Captured]) -> tuple[list[tuple[Captured, str]], dict[str, Any]]:
    """Rows with their labels, and the merge job's file."""
    uri = task.part("JobInput")["GroundTruthS3Input"].get("S3Uri", "")
    truth = ground_truth(task.here, uri, task.window)
    joined = [(row, truth[row.identity]) for row in rows if row.identity in truth]
    if not joined:
        raise NoData
    lines = [json.dumps(row.line | {"groundTruthData": {"data": label, "encoding": "CSV"}}) for row, label in joined]
    hour = f"{task.window[0]:%Y/%m/%d/%H}"
    mark = zlib.crc32(f"{task.endpoint}/{hour}".encode())
    return joined, {
        f"merge/{task.endpoint}/AllTraffic/{hour}/part-00000-{mark:08x}-c000.jsonl": "\n".join(lines) + "\n"
    }


def _predictions(given: dict[str, Any], rows: list[Captured], problem: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Predicted labels or values, and probabilities where the definition names them."""
    inferred, likely = given.get("InferenceAttribute"), given.get("ProbabilityAttribute")
    scores = np.array([_attribute(row.output, likely) for row in rows], dtype=float) if likely is not None else None
    if inferred is None and scores is not None and problem == "BinaryClassification":
        return (scores > float(given.get("ProbabilityThresholdAttribute", 0.5))).astype(float), scores
    values = [_attribute(row.output, inferred) for row in rows]
    return np.array([str(value) for value in values]), scores


def _attribute(output: Any, attribute: str | None) -> Any:
    if isinstance(output, dict):
        return output.get(attribute, next(iter(output.values()))) if attribute else next(iter(output.values()))
    parts = str(output).split(",")
    place = int(attribute) if attribute and attribute.isdigit() else 0
    return parts[min(place, len(parts) - 1)].strip()


def _analysis_config(task: Task) -> dict[str, Any]:
    found = read_json(task.here, task.part("AppSpecification").get("ConfigUri"))
    return dict(found) if found else {}


def _headers(config: dict[str, Any]) -> list[str]:
    """Names of the features: the configuration's headers without the label."""
    return [str(name) for name in config.get("headers", []) if name != config.get("label")]
