"""What monitors compare with: the baselines of data quality as feature profiles, and every monitor's constraints as rows.

In: schedules. Out: `feature_profiles` rows with the role baseline, one per feature and production variant of the endpoint, and
`monitor_constraints` rows. What cannot be read is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.capture_door import Door
from sagekeeper.collector.clarify_analysis import analysis
from sagekeeper.collector.monitor_constraints import Monitoring, constraints
from sagekeeper.collector.monitor_json import MALFORMED, parsed, shown, unknown_keys
from sagekeeper.collector.monitor_quality import thresholds
from sagekeeper.collector.monitor_reports import REFUSED
from sagekeeper.collector.monitor_schedules import Schedule, baseline
from sagekeeper.collector.monitor_shapes import SHAPES, kind_of
from sagekeeper.collector.monitor_statistics import profiles
from sagekeeper.collector.objects import split_uri
from sagekeeper.collector.observed import observed
from sagekeeper.collector.source import Task, is_gone
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Scope
from sagekeeper.core.tables import FEATURE_PROFILES, MONITOR_CONSTRAINTS

_TIMES = ("window_start", "window_end", "day", "sketch", "observed_at")


@dataclass(frozen=True)
class Allowed:
    """A schedule's constraints.json, or analysis.json of Clarify's monitors, and when it was made."""

    document: dict[str, Any]
    made_at: datetime


def allowed(task: Task, schedule: Schedule) -> Allowed | None:
    """What the schedule's baseline allows; None when it names none, or none that can be read: that is told."""
    uri = schedule.constraints_uri
    if uri is None:
        return None
    bucket, key = split_uri(uri)
    try:
        answer = task.client("s3").get_object(Bucket=bucket, Key=key)
        read = parsed(answer["Body"].read(), uri)
    except ClientError as error:
        if not is_gone(error) and error.response.get("Error", {}).get("Code") not in REFUSED:
            raise
        task.note(f"Constraints {uri} of {schedule.name} are not there, or cannot be read.")
        return None
    except BadInput as error:
        task.note(f"{error} {schedule.name} is read without its constraints.")
        return None
    if not isinstance(read.value, dict):
        task.note(f"Constraints {uri} of {schedule.name} are no object and are not used.")
        return None
    unknown = unknown_keys(read.value, SHAPES[kind_of(read.value)])
    if unknown:
        task.note(f"Constraints {uri} have keys that are not read: {', '.join(shown(name) for name in unknown[:5])}.")
    return Allowed(read.value, min(answer["LastModified"].astimezone(UTC), task.as_of))


def keep_constraints(task: Task, found: list[tuple[Schedule, Allowed]]) -> int:
    """Write the constraints of all schedules of this account and region."""
    rows = [row for schedule, rules in found for row in _rules(task, schedule, rules)]
    frame = pl.DataFrame(rows, schema=MONITOR_CONSTRAINTS.columns)
    unique = frame.unique(MONITOR_CONSTRAINTS.keys, keep="last", maintain_order=True)
    compared = pl.exclude("observed_at")
    scope = Scope({"account": task.account.id, "region": task.region})
    before = task.lake.scan(MONITOR_CONSTRAINTS).filter(scope.expression()).collect()
    order = ["schedule", "subject"]
    if not before.sort(order).select(compared).equals(unique.sort(order).select(compared)):
        task.replace(MONITOR_CONSTRAINTS, unique, scope)
    return unique.height


def _rules(task: Task, schedule: Schedule, rules: Allowed) -> Iterator[dict[str, Any]]:
    blank: dict[str, Any] = dict.fromkeys(MONITOR_CONSTRAINTS.columns)
    place = blank | {
        "account": task.account.id,
        "region": task.region,
        "endpoint": schedule.endpoint or "",
        "schedule": schedule.name,
        "monitor": schedule.kind,
        "constraints_uri": schedule.constraints_uri,
        "made_at": rules.made_at,
        "observed_at": task.as_of,
    }
    made: list[dict[str, Any]] = []
    unread: list[str] = []
    try:
        made, unread = RULES.get(schedule.kind, _data_quality)(rules.document)
    except MALFORMED as error:
        unread = [shown(error)]
    if unread:
        task.note(f"Constraints of {schedule.name}: {', '.join(shown(name) for name in unread[:5])} cannot be read.")
    door = Door.of(task.settings.collect, schedule.endpoint or "")
    yield from (place | row for row in door.passed_rows(made, named_by="subject"))


Made = tuple[list[dict[str, Any]], list[str]]


def _data_quality(document: dict[str, Any]) -> Made:
    found = constraints(document)
    whole = found.monitoring
    rows = [{"subject": "", "inferred_type": None} | _compared(whole)]
    rows += [
        {
            "subject": item.name,
            "inferred_type": item.inferred_type,
            "completeness": item.completeness,
            "is_non_negative": item.is_non_negative,
            "domains": None if item.domains is None else json.dumps(item.domains),
        }
        | ({} if item.overrides is None else _compared(item.overrides))
        for item in found.features
    ]
    return rows, found.unread


def _compared(config: Monitoring) -> dict[str, Any]:
    stated = {name: value for name, value in asdict(config).items() if value is not None}
    return {
        "threshold": config.comparison_threshold,
        "comparison": config.comparison_method,
        "settings": json.dumps(stated, sort_keys=True),
    }


def _model_quality(document: dict[str, Any]) -> Made:
    found, unread = thresholds(document)
    return [{"subject": one.metric, "threshold": one.threshold, "comparison": one.comparison} for one in found], unread


def _clarify(document: dict[str, Any]) -> Made:
    found = analysis(document)
    rows = [
        {"subject": f"{one.stage} {one.facet}={one.facet_value or ''} {one.metric}", "threshold": one.value}
        for one in found.bias
    ]
    rows += [{"subject": f"{one.label} {one.feature}", "threshold": one.value} for one in found.attributions]
    return rows, found.unread


RULES: dict[str, Callable[[dict[str, Any]], Made]] = {
    "DataQuality": _data_quality,
    "ModelQuality": _model_quality,
    "ModelBias": _clarify,
    "ModelExplainability": _clarify,
}


def keep_profiles(task: Task, schedule: Schedule) -> int:
    """Write the baseline's profiles, unless the lake has them: a rebuilt sketch differs in its coin flips every time."""
    variants = _variants(task, schedule.endpoint)
    statistics = baseline(task, schedule) if variants and schedule.kind == "DataQuality" else None
    found, unread = profiles(statistics or {})
    made = Door.of(task.settings.collect, schedule.endpoint or "").passed_rows(found)
    if schedule.endpoint is None or statistics is None or not made:
        return 0
    if unread:
        task.note(f"Baseline of {schedule.endpoint}: {', '.join(unread[:5])} cannot be read and are left out.")
    at = min(statistics["made_at"].astimezone(UTC), task.as_of)
    place = {"account": task.account.id, "region": task.region, "endpoint": schedule.endpoint, "role": "baseline"}
    rows = pl.DataFrame(
        [
            profile
            | place
            | {
                "variant": variant,
                "window_start": at,
                "window_end": at,
                "day": at.date(),
                "observed_at": task.as_of,
            }
            for variant in variants
            for profile in made
        ],
        schema=FEATURE_PROFILES.columns,
    )
    scope = Scope(place)
    before = task.lake.scan(FEATURE_PROFILES).filter(scope.expression()).collect()
    compared = [name for name in FEATURE_PROFILES.columns if name not in _TIMES]
    order = ["variant", "feature"]
    if not before.select(compared).sort(order).equals(rows.select(compared).sort(order)):
        task.replace(FEATURE_PROFILES, rows, scope)
    return rows.height


def _variants(task: Task, endpoint: str | None) -> list[str]:
    row = next((row for row in observed(task, "endpoint") if row["name"] == endpoint), None)
    if row is None:
        return []
    config = json.loads(row["config"])
    return [variant["VariantName"] for variant in config.get("ProductionVariants", [])]
