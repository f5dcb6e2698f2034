"""One monitoring run as rows of the lake: its violations, statistics, quality, bias and attributions.

In: a `Report`, the baseline that its schedule compares with, and ``place``: the columns that all rows of a run share. Out:
dicts by table. What a parser cannot read is added to the report's ``unread``; nothing stops the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sagekeeper.collector.clarify_analysis import Analysis, analysis
from sagekeeper.collector.monitor_constraints import constraints
from sagekeeper.collector.monitor_json import MALFORMED, shown
from sagekeeper.collector.monitor_quality import quality, thresholds
from sagekeeper.collector.monitor_reports import Report
from sagekeeper.collector.monitor_statistics import published
from sagekeeper.collector.monitor_violations import violations
from sagekeeper.core.tables import ATTRIBUTIONS, BIAS, MODEL_QUALITY, MONITOR_STATISTICS, MONITOR_VIOLATIONS, Table

Rows = dict[str, list[dict[str, Any]]]
TABLES_OF_A_RUN: tuple[Table, ...] = (MONITOR_VIOLATIONS, MONITOR_STATISTICS, MODEL_QUALITY, BIAS, ATTRIBUTIONS)


def rows_of(report: Report, monitor: str, baseline: dict[str, Any], place: dict[str, Any]) -> Rows:
    """Rows by the names of `TABLES_OF_A_RUN`; ``baseline``: the schedule's constraints.json or analysis.json, or {}."""
    return {
        MONITOR_VIOLATIONS.name: _read(report, "constraint violations", lambda: _violations(report, monitor, place)),
        MONITOR_STATISTICS.name: _read(report, "statistics", lambda: _statistics(report, place)),
        MODEL_QUALITY.name: _read(report, "model quality", lambda: _quality(report, baseline, place)),
        BIAS.name: _read(report, "bias", lambda: _bias(report, baseline, place)),
        ATTRIBUTIONS.name: _read(report, "attributions", lambda: _attributions(report, baseline, place)),
    }


def _read(report: Report, what: str, work: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return work()
    except MALFORMED as error:
        report.unread.append(f"Its {what} cannot be read: {shown(error)}.")
        return []


def _violations(report: Report, monitor: str, place: dict[str, Any]) -> list[dict[str, Any]]:
    document = report.documents.get("violations")
    if document is None:
        return []
    shared = place | {"report_uri": report.uri_of("violations"), "monitor": monitor}
    return [
        shared
        | {
            "feature": item.subject,
            "check": item.check,
            "description": item.description,
            "observed": item.observed,
            "required": item.required,
        }
        for item in violations(document)
    ]


def _statistics(report: Report, place: dict[str, Any]) -> list[dict[str, Any]]:
    document = report.documents.get("statistics")
    if document is None:
        return []
    suggested = constraints(report.documents.get("constraints", {}))
    by_name = {item.name: item for item in suggested.features}
    made, unread = published(document)
    _name(report, "statistics.json", unread)
    _name(report, "constraints.json", suggested.unread)
    rows = []
    for item in made:
        rule = by_name.get(item["feature"])
        domains = None if rule is None or rule.domains is None else json.dumps(rule.domains)
        rows.append(
            place
            | item
            | {
                "report_uri": report.uri_of("statistics"),
                "completeness": rule.completeness if rule else None,
                "is_non_negative": rule.is_non_negative if rule else None,
                "domains": domains,
            }
        )
    return rows


def _quality(report: Report, baseline: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    document = report.documents.get("model_quality_statistics")
    if document is None:
        return []
    found = quality(document)
    # A run copies the constraints that it used; older containers do not.
    rules, unread = thresholds(report.documents.get("model_quality_constraints") or baseline)
    _name(report, "statistics.json", found.unread)
    _name(report, "constraints.json", unread)
    lines = {(rule.problem, rule.metric): rule for rule in rules}
    rows = []
    for item in found.metrics:
        rule = lines.get((item.problem, item.metric))
        rows.append(
            place
            | {
                "report_uri": report.uri_of("model_quality_statistics"),
                "problem": item.problem,
                "metric": item.metric,
                "segment": "",
                "basis": "labels",
                "value": item.value,
                "std": item.std,
                "low": None,
                "high": None,
                "detail": item.detail,
                "records": found.records,
                "threshold": rule.threshold if rule else None,
                "comparison": rule.comparison if rule else None,
            }
        )
    return rows


def _bias(report: Report, baseline: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    found = _analysis(report)
    before = {(item.stage, item.facet, item.facet_value, item.metric): item.value for item in analysis(baseline).bias}
    return [
        place
        | {
            "report_uri": report.uri_of("analysis"),
            "stage": item.stage,
            "facet": item.facet,
            "facet_value": item.facet_value or "",
            "metric": item.metric,
            "label": item.label,
            "label_value": item.label_value,
            "value": item.value,
            "error": item.error,
            "baseline": before.get((item.stage, item.facet, item.facet_value, item.metric)),
        }
        for item in found.bias
    ]


def _attributions(report: Report, baseline: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    found = _analysis(report)
    _name(report, "analysis.json", found.unread)
    before = {(item.method, item.label, item.feature): item.value for item in analysis(baseline).attributions}
    return [
        place
        | {
            "report_uri": report.uri_of("analysis"),
            "method": item.method,
            "label": item.label,
            "feature": item.feature,
            "value": item.value,
            "expected_value": item.expected_value,
            "baseline": before.get((item.method, item.label, item.feature)),
        }
        for item in found.attributions
    ]


def _analysis(report: Report) -> Analysis:
    document = report.documents.get("analysis")
    return Analysis() if document is None else analysis(document)


def _name(report: Report, file: str, unread: list[str]) -> None:
    if unread:
        report.unread.append(f"{file}: {', '.join(shown(name) for name in unread[:5])} cannot be read.")
