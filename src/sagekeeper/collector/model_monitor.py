"""What Model Monitor found: its violations by feature and run, and the baselines that it compares with.

In: the monitoring schedules' reports and baselines in S3 (monitoring-facts 2.7). Out: `monitor_violations` rows, and
`feature_profiles` rows with the role baseline, one per feature and production variant of the endpoint. A report is
found by its path, in both spellings of its name; one that cannot be read is named and left out. Model Monitor takes no
new customers since 30 July 2026: where there is no schedule there is nothing to read, and that is no failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.collector.monitor_json import parsed, unknown_keys
from sagekeeper.collector.monitor_schedules import Schedule, baseline, schedules
from sagekeeper.collector.monitor_shapes import SHAPES
from sagekeeper.collector.monitor_statistics import profiles
from sagekeeper.collector.monitor_violations import Violation, violations
from sagekeeper.collector.objects import Stored, listed, split_uri
from sagekeeper.collector.observed import observed
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Scope, days_between
from sagekeeper.core.tables import FEATURE_PROFILES, MONITOR_VIOLATIONS

REPORT = re.compile(r"/(\d{4})/(\d\d)/(\d\d)/(\d\d)/constraints?_violations\.json$")
READ_AGAIN = timedelta(days=1)
"""A run may write its report hours after the hour in its path."""
_TIMES = ("window_start", "window_end", "day", "sketch", "observed_at")


def collect(task: Task) -> int:
    """Read the reports of days that are new, and baselines that have changed."""
    upto = task.read_upto()
    back = task.as_of - timedelta(days=task.settings.collect.metric_days) if upto is None else upto - READ_AGAIN
    first, last = back.date(), task.as_of.date()
    with aws_errors(f"Model Monitor in {task.account.id} {task.region}"):
        found = schedules(task)
        rows = [row for schedule in found for row in _violations(task, schedule, back)]
        baselines = sum(_keep_baseline(task, schedule) for schedule in found)
    frame = pl.DataFrame(rows, schema=MONITOR_VIOLATIONS.columns)
    scope = {"account": task.account.id, "region": task.region}
    task.replace(MONITOR_VIOLATIONS, frame, Scope(scope, "day", first, last))
    task.has_read_upto(task.as_of)
    return frame.height + baselines


def _violations(task: Task, schedule: Schedule, back: datetime) -> Iterator[dict[str, Any]]:
    if schedule.reports_uri is None:
        return
    bucket, prefix = split_uri(schedule.reports_uri)
    folder = "/".join(part for part in (prefix, schedule.endpoint, schedule.name) if part)
    client = task.client("s3")
    for day in days_between(back.date(), task.as_of.date()):
        for stored in listed(client, bucket, f"{folder}/{day:%Y/%m/%d}/"):
            where = REPORT.search(stored.key)
            if where is None:
                continue
            uri = f"s3://{bucket}/{stored.key}"
            found = _report(task, client, stored, uri)
            at = datetime(*(int(part) for part in where.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
            for item in found:
                yield {
                    "monitor": schedule.kind,
                    "feature": item.subject,
                    "check": item.check,
                    "description": item.description,
                    "observed": item.observed,
                    "required": item.required,
                    "account": task.account.id,
                    "region": task.region,
                    "endpoint": schedule.endpoint or "",
                    "schedule": schedule.name,
                    "execution_time": at,
                    "day": at.date(),
                    "report_uri": uri,
                    "observed_at": task.as_of,
                }


def _report(task: Task, client: Any, stored: Stored, uri: str) -> list[Violation]:
    """What the report says. One that cannot be read, and a key that nobody here reads, are told."""
    try:
        report = parsed(client.get_object(Bucket=stored.bucket, Key=stored.key)["Body"].read(), uri)
        found = violations(report.value)
    except BadInput as error:
        task.note(f"{error} It is left out.")
        return []
    except ValueError as error:
        task.note(f"Report {uri} cannot be read ({error}) and is left out.")
        return []
    for note in report.notes:
        task.note(note)
    unknown = unknown_keys(report.value, SHAPES["violations"])
    if unknown:
        task.note(f"Report {uri} has keys that are not read: {', '.join(unknown[:5])}.")
    return found


def _keep_baseline(task: Task, schedule: Schedule) -> int:
    """Write the baseline's profiles, unless the lake has them: a rebuilt sketch differs in its coin flips every time."""
    variants = _variants(task, schedule.endpoint)
    statistics = baseline(task, schedule) if variants and schedule.kind == "DataQuality" else None
    made, unread = profiles(statistics or {})
    if statistics is None or not made:
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
    here = pl.all_horizontal(pl.col(column) == value for column, value in place.items())
    before = task.lake.scan(FEATURE_PROFILES).filter(here).collect()
    compared = [name for name in FEATURE_PROFILES.columns if name not in _TIMES]
    order = ["variant", "feature"]
    if not before.select(compared).sort(order).equals(rows.select(compared).sort(order)):
        scope = {name: str(value) for name, value in place.items()}
        task.replace(FEATURE_PROFILES, rows, Scope(scope))
    return rows.height


def _variants(task: Task, endpoint: str | None) -> list[str]:
    row = next((row for row in observed(task, "endpoint") if row["name"] == endpoint), None)
    if row is None:
        return []
    config = json.loads(row["config"])
    return [variant["VariantName"] for variant in config.get("ProductionVariants", [])]


MODEL_MONITOR = Source(
    name="model_monitor",
    description="violations that Model Monitor found, and its baselines",
    per="account_region",
    permissions=(
        "sagemaker:DescribeDataQualityJobDefinition",
        "sagemaker:DescribeModelQualityJobDefinition",
        "sagemaker:DescribeModelBiasJobDefinition",
        "sagemaker:DescribeModelExplainabilityJobDefinition",
        "s3:ListBucket",
        "s3:GetObject",
    ),
    collect=collect,
)
