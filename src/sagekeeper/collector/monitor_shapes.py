"""Which of Model Monitor's and Clarify's files is this, and which of its keys are read (monitoring-facts 2)?

In: a parsed document. Out: its kind, and its shape for `monitor_json.unknown_keys`. A kind is told by the keys that only it has,
not by the file's name: people rename files, and the docs spell one of them in two ways.
"""

from __future__ import annotations

from typing import Any, Literal

from sagekeeper.collector.monitor_json import ANY

Kind = Literal[
    "statistics",
    "constraints",
    "violations",
    "model_quality_statistics",
    "model_quality_constraints",
    "analysis",
    "analysis_config",
    "capture",
    "ground_truth",
    "batch_output",
    "unknown",
]
PROBLEMS = ("regression", "binary_classification", "multiclass_classification")

_COMMON = {"num_present": None, "num_missing": None}
_SKETCH = {"parameters": {"c": None, "k": None}, "data": None}
_SWITCHES = {"evaluate_constraints": None, "emit_metrics": None}
_COMPARISON = {
    "perform_comparison": None,
    "comparison_threshold": None,
    "comparison_method": None,
    "categorical_comparison_threshold": None,
    "categorical_drift_method": None,
    # The dialect of 2019, in the SDK's fixtures.
    "enable_comparisons": None,
    "min_domain_mass": None,
}
_MONITORING = {
    **_SWITCHES,
    "datatype_check_threshold": None,
    "domain_content_threshold": None,
    "distribution_constraints": _COMPARISON,
}
_FACETS = {
    "*": {"value_or_threshold": None, "metrics": {"name": None, "description": None, "value": None, "error": None}}
}
_BIAS = {"label": None, "label_value_or_threshold": None, "facets": _FACETS, "error": None}
_SIDE = {"observedContentType": None, "mode": None, "data": None, "encoding": None}
_EVENT = {
    "eventId": None,
    "inferenceId": None,
    "inferenceTime": None,
    "customAttributes": None,
    "targetModel": None,
}

SHAPES: dict[Kind, dict[str, Any]] = {
    "statistics": {
        "version": None,
        "dataset": {"item_count": None},
        "features": {
            "name": None,
            "inferred_type": None,
            "numerical_statistics": {
                "common": _COMMON,
                "mean": None,
                "sum": None,
                "std_dev": None,
                "min": None,
                "max": None,
                "distribution": {
                    "kll": {"buckets": {"lower_bound": None, "upper_bound": None, "count": None}, "sketch": _SKETCH}
                },
            },
            "string_statistics": {
                "common": _COMMON,
                "distinct_count": None,
                "distribution": {"categorical": {"buckets": {"value": None, "count": None}}},
            },
        },
    },
    "constraints": {
        "version": None,
        "features": {
            "name": None,
            "inferred_type": None,
            "completeness": None,
            "num_constraints": {"is_non_negative": None},
            "string_constraints": {"domains": None, "monitoring_config_overrides": _MONITORING},
            "monitoringConfigOverrides": _MONITORING,
            "monitoring_config_overrides": _MONITORING,
        },
        "monitoring_config": _MONITORING,
    },
    "violations": {
        "version": None,
        "violations": {
            "feature_name": None,
            "constraint_check_type": None,
            "description": None,
            "metric_name": None,
            "facet": None,
            "facet_value": None,
            "label": None,
        },
    },
    "model_quality_statistics": {
        "version": None,
        "dataset": {"item_count": None, "start_time": None, "end_time": None, "evaluation_time": None},
        **{
            f"{problem}_metrics": {
                "confusion_matrix": None,
                "receiver_operating_characteristic_curve": {"false_positive_rates": None, "true_positive_rates": None},
                "precision_recall_curve": {"precisions": None, "recalls": None},
                "*": {"value": None, "standard_deviation": None},
            }
            for problem in PROBLEMS
        },
    },
    "model_quality_constraints": {
        "version": None,
        **{
            f"{problem}_constraints": {
                "*": {"threshold": None, "comparison_operator": None, "additional_properties": None}
            }
            for problem in PROBLEMS
        },
    },
    "analysis": {
        "version": None,
        "pre_training_bias_metrics": _BIAS,
        "post_training_bias_metrics": _BIAS,
        "explanations": {
            "*": {
                "*": {"global_shap_values": None, "expected_value": None},
            }
        },
    },
    "analysis_config": ANY,  # type: ignore[dict-item]
    "capture": {
        "captureData": {
            "endpointInput": _SIDE,
            "endpointOutput": _SIDE,
            "batchTransformInput": _SIDE,
            "batchTransformOutput": _SIDE,
        },
        "groundTruthData": _SIDE,
        "eventMetadata": _EVENT,
        "eventVersion": None,
    },
    "ground_truth": {"groundTruthData": _SIDE, "eventMetadata": _EVENT, "eventVersion": None},
    "batch_output": {"SageMakerInferenceId": None, "SageMakerInferenceTime": None, "SageMakerOutput": None, "*": None},
    "unknown": {},
}


def kind_of(document: Any) -> Kind:
    """By what only that kind has."""
    if not isinstance(document, dict):
        return "unknown"
    keys = document.keys()
    told: list[tuple[bool, Kind]] = [
        ("captureData" in keys, "capture"),
        ("groundTruthData" in keys, "ground_truth"),
        ("SageMakerInferenceId" in keys or "SageMakerOutput" in keys, "batch_output"),
        ("violations" in keys, "violations"),
        (any(f"{problem}_metrics" in keys for problem in PROBLEMS), "model_quality_statistics"),
        (any(f"{problem}_constraints" in keys for problem in PROBLEMS), "model_quality_constraints"),
        (bool(keys & {"pre_training_bias_metrics", "post_training_bias_metrics", "explanations"}), "analysis"),
        ("methods" in keys or "dataset_type" in keys, "analysis_config"),
        (_is_statistics(document), "statistics"),
        ("features" in keys or "monitoring_config" in keys, "constraints"),
    ]
    return next((kind for is_so, kind in told if is_so), "unknown")


def _is_statistics(document: dict[str, Any]) -> bool:
    features = document.get("features")
    held = {key for item in features if isinstance(item, dict) for key in item} if isinstance(features, list) else set()
    return "dataset" in document or bool(held & {"numerical_statistics", "string_statistics"})
