"""Where endpoints of an account and region record their requests, and what is known of their features beforehand.

In: the newest `inventory`, monitoring schedules with their baselines, settings, folders in S3. Out: a `Captured` for each folder
of hours. Data capture writes ``{destination}/{endpoint}/{variant}/yyyy/mm/dd/hh/`` (monitoring-facts 2.7); folders that are
there beside the configured variants (of earlier ones, or of inference components, also one deeper) are read as well.

Names of features: as the settings give them, or the baseline's statistics, or its constraints. The share of requests that is
captured is what the endpoint says is current, and else what its configuration began with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.collector.capture_door import Door
from sagekeeper.collector.capture_hours import Schema
from sagekeeper.collector.monitor_schedules import Schedule, baseline, schedules
from sagekeeper.collector.monitor_statistics import feature_names, profiles
from sagekeeper.collector.objects import folders, read_json, split_uri
from sagekeeper.collector.observed import observed
from sagekeeper.collector.source import Task
from sagekeeper.core.aws import explain
from sagekeeper.core.feature_profile import FeatureType

INFERRED: dict[str, FeatureType] = {"Fractional": "numeric", "Integral": "numeric", "String": "categorical"}
DEEPEST = 2


@dataclass(frozen=True)
class Captured:
    """A folder of hours. ``folder``: below the endpoint's own, the name of its variant first; ``prefix``: the whole key."""

    endpoint: str
    folder: str
    bucket: str
    prefix: str
    since: date
    schema: Schema
    sampling: float | None


def captured(task: Task, refused: list[str]) -> Iterator[Captured]:
    """All of them, of endpoints whose bucket may be read. Sentences about buckets that refuse are added to ``refused``."""
    known = {schedule.endpoint: schedule for schedule in schedules(task) if schedule.kind == "DataQuality"}
    for row in observed(task, "endpoint"):
        document = json.loads(row["config"])
        wish = capture_config(document)
        if wish is None:
            continue
        bucket, prefix = split_uri(wish["DestinationS3Uri"])
        allowed = task.settings.collect.capture_buckets
        if allowed and bucket not in allowed:
            task.note(f"Captures of {row['name']} are in bucket {bucket}, which the settings do not name: not read.")
            continue
        own = "/".join(part for part in (prefix, row["name"]) if part)
        schema = _schema(task, row["name"], document, known.get(row["name"]))
        try:
            below = _folders(task.client("s3"), bucket, own)
        except ClientError as error:
            refused.append(f"Captures of {row['name']} in {bucket}/{own} were not read: {explain(error)}.")
            continue
        for folder in below:
            yield Captured(
                endpoint=row["name"],
                folder=folder,
                bucket=bucket,
                prefix=f"{own}/{folder}",
                since=row["created_at"].date(),
                schema=schema,
                sampling=wish.get("CurrentSamplingPercentage") or wish.get("InitialSamplingPercentage"),
            )


def capture_config(document: dict[str, Any]) -> dict[str, Any] | None:
    """What an endpoint and its configuration say of capture, together; None where nothing is captured or was ever to be."""
    made = (document.get("EndpointConfig") or {}).get("DataCaptureConfig") or {}
    now = document.get("DataCaptureConfig") or {}
    wish = {**made, **{name: value for name, value in now.items() if value is not None}}
    return wish if wish.get("EnableCapture") and wish.get("DestinationS3Uri") else None


def _folders(client: Any, bucket: str, own: str) -> list[str]:
    """Those that hold years, by name."""
    found: list[str] = []
    waiting = [""]
    for _ in range(DEEPEST + 1):
        deeper: list[str] = []
        for above in waiting:
            below = folders(client, bucket, f"{own}/{above}")
            years = [name for name in below if above and len(name) == 4 and name.isdecimal()]
            if years:
                found.append(above.rstrip("/"))
            deeper += [f"{above}{name}/" for name in below if name not in years]
        waiting = deeper
    return sorted(found)


def _schema(task: Task, endpoint: str, document: dict[str, Any], schedule: Schedule | None) -> Schema:
    given = next(
        (names for wanted, names in task.settings.collect.capture_features.items() if fnmatchcase(endpoint, wanted)), []
    )
    names, types = _baseline(task, schedule) if schedule else ([], {})
    door = Door.of(task.settings.collect, endpoint)
    models = (document.get("Models") or {}).values()
    return Schema(
        names=tuple(given or names),
        types={("capture", name): "categorical" if door.hashes(name) else kind for name, kind in types.items()},
        door=door,
        attribute=task.settings.collect.capture_model_attribute if any(map(serves_many, models)) else None,
    )


def serves_many(model: dict[str, Any]) -> bool:
    """Whether a container of it is a multi-model one."""
    containers = [model.get("PrimaryContainer") or {}, *(model.get("Containers") or [])]
    return any(container.get("Mode") == "MultiModel" for container in containers)


def _baseline(task: Task, schedule: Schedule) -> tuple[list[str], dict[str, FeatureType]]:
    statistics = baseline(task, schedule)
    if statistics:
        return feature_names(statistics), {item["feature"]: item["type"] for item in profiles(statistics)[0]}
    if schedule.constraints_uri is None:
        return [], {}
    try:
        found = read_json(task.client("s3"), *split_uri(schedule.constraints_uri))
        listed = found[0]["features"] if found else []
        kinds = {str(item["name"]): INFERRED.get(item.get("inferred_type")) for item in listed}
    except (ValueError, KeyError, TypeError, AttributeError):
        task.note(f"Constraints {schedule.constraints_uri} of {schedule.name} cannot be read and name no features.")
        return [], {}
    return list(kinds), {name: kind for name, kind in kinds.items() if kind}
