"""constraints.json of a data quality monitor: what each feature must be, in the new and the old dialect.

In: a parsed document (monitoring-facts 2.2). Out: `Constraints`. Thresholds that a file does not state are None.
Settings of one feature override those of all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sagekeeper.collector.monitor_numbers import number

OVERRIDES = ("monitoringConfigOverrides", "monitoring_config_overrides")


@dataclass(frozen=True)
class Monitoring:
    """How data are compared. None: not stated."""

    evaluate: bool | None = None
    emit_metrics: bool | None = None
    datatype_threshold: float | None = None
    domain_threshold: float | None = None
    compare: bool | None = None
    comparison_threshold: float | None = None
    comparison_method: str | None = None
    categorical_threshold: float | None = None
    categorical_method: str | None = None


@dataclass(frozen=True)
class FeatureConstraint:
    """One feature. ``domains``: the values that it may have, None if any."""

    name: str
    inferred_type: str
    completeness: float | None
    is_non_negative: bool | None
    domains: tuple[str, ...] | None
    overrides: Monitoring | None


@dataclass(frozen=True)
class Constraints:
    """All features in the order of the columns, and how they are compared."""

    features: list[FeatureConstraint]
    monitoring: Monitoring
    unread: list[str] = field(default_factory=list)


def constraints(document: dict[str, Any]) -> Constraints:
    """The whole of it."""
    found, unread = [], []
    for item in document.get("features") or []:
        try:
            found.append(_feature(item))
        except (AttributeError, KeyError, TypeError, ValueError):
            unread.append(str(item.get("name", "?")) if isinstance(item, dict) else "?")
    try:
        monitoring = _monitoring(document.get("monitoring_config") or {})
    except (AttributeError, TypeError, ValueError):
        monitoring = Monitoring()
        unread.append("monitoring_config")
    return Constraints(found, monitoring, unread)


def _feature(item: dict[str, Any]) -> FeatureConstraint:
    texts = item.get("string_constraints") or {}
    domains = texts.get("domains")
    overrides = next((found for key in OVERRIDES if (found := item.get(key) or texts.get(key))), None)
    return FeatureConstraint(
        name=str(item["name"]),
        inferred_type=str(item.get("inferred_type", "Unknown")),
        completeness=number(item.get("completeness")),
        is_non_negative=(item.get("num_constraints") or {}).get("is_non_negative"),
        domains=None if domains is None else tuple(str(value) for value in domains),
        overrides=None if overrides is None else _monitoring(overrides),
    )


def _monitoring(config: dict[str, Any]) -> Monitoring:
    compared = config.get("distribution_constraints") or {}
    return Monitoring(
        evaluate=_enabled(config.get("evaluate_constraints")),
        emit_metrics=_enabled(config.get("emit_metrics")),
        datatype_threshold=number(config.get("datatype_check_threshold")),
        # The old dialect (2019) gave the smallest share of known values.
        domain_threshold=number(config.get("domain_content_threshold", compared.get("min_domain_mass"))),
        compare=_enabled(compared.get("perform_comparison", compared.get("enable_comparisons"))),
        comparison_threshold=number(compared.get("comparison_threshold")),
        comparison_method=compared.get("comparison_method"),
        categorical_threshold=number(
            compared.get("categorical_comparison_threshold", compared.get("comparison_threshold"))
        ),
        categorical_method=compared.get("categorical_drift_method"),
    )


def _enabled(value: Any) -> bool | None:
    """Enabled and Disabled, or the old dialect's true and false."""
    return None if value is None else value is True or str(value).lower() in ("enabled", "true")
