"""Where the monitoring schedules of an account and region read their baselines and write their reports.

In: the schedules of the `inventory` and SageMaker's job definitions. Out: a `Schedule` each. A schedule names a job
definition or carries it inline (older ones); the four kinds of definitions name the same things differently.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.collector.objects import read_json, split_uri
from sagekeeper.collector.observed import observed
from sagekeeper.collector.source import Task, is_gone

DEFINITIONS = {
    "DataQuality": "describe_data_quality_job_definition",
    "ModelQuality": "describe_model_quality_job_definition",
    "ModelBias": "describe_model_bias_job_definition",
    "ModelExplainability": "describe_model_explainability_job_definition",
}


@dataclass(frozen=True)
class Schedule:
    """A monitoring schedule. Addresses are None where its definition names none; ``endpoint`` None: batch transform."""

    name: str
    endpoint: str | None
    kind: str
    reports_uri: str | None
    statistics_uri: str | None
    constraints_uri: str | None = None
    input: str = "endpoint"


def schedules(task: Task) -> list[Schedule]:
    """All schedules that the inventory saw."""
    return [found for row in observed(task, "monitoring_schedule") if (found := _schedule(task, row)) is not None]


def baseline(task: Task, schedule: Schedule) -> dict[str, Any] | None:
    """The schedule's statistics.json with ``made_at`` beside its own keys, None when there is none that can be read."""
    if schedule.statistics_uri is None:
        return None
    bucket, key = split_uri(schedule.statistics_uri)
    try:
        found = read_json(task.client("s3"), bucket, key)
    except ValueError:
        task.note(f"Baseline {schedule.statistics_uri} of {schedule.name} is no JSON and is not used.")
        return None
    if found is None or not isinstance(found[0], dict):
        task.note(f"Baseline {schedule.statistics_uri} of {schedule.name} is not there.")
        return None
    return found[0] | {"made_at": found[1]}


def _schedule(task: Task, row: dict[str, Any]) -> Schedule | None:
    document = json.loads(row["config"])
    config = document.get("MonitoringScheduleConfig", {})
    kind = document.get("MonitoringType") or config.get("MonitoringType") or "DataQuality"
    definition = config.get("MonitoringJobDefinition")
    if definition is None:
        definition = _definition(task, row["name"], kind, config.get("MonitoringJobDefinitionName"))
    if definition is None:
        return None
    given = definition.get("BaselineConfig") or definition.get(f"{kind}BaselineConfig") or {}
    written = definition.get("MonitoringOutputConfig") or definition.get(f"{kind}JobOutputConfig") or {}
    inline: list[dict[str, Any]] = definition.get("MonitoringInputs") or [{}]
    read = definition.get(f"{kind}JobInput") or inline[0]
    endpoint = document.get("EndpointName") or read.get("EndpointInput", {}).get("EndpointName")
    outputs = [item.get("S3Output", {}).get("S3Uri") for item in written.get("MonitoringOutputs", [])]
    return Schedule(
        name=row["name"],
        endpoint=endpoint,
        kind=kind,
        reports_uri=next((uri for uri in outputs if uri), None),
        statistics_uri=given.get("StatisticsResource", {}).get("S3Uri"),
        constraints_uri=given.get("ConstraintsResource", {}).get("S3Uri"),
        input="batch_transform" if "BatchTransformInput" in read else "endpoint",
    )


def _definition(task: Task, schedule: str, kind: str, name: str | None) -> dict[str, Any] | None:
    if name is None or kind not in DEFINITIONS:
        task.note(f"Monitoring schedule {schedule} of kind {kind} has no job definition that can be read.")
        return None
    try:
        found: dict[str, Any] = getattr(task.client("sagemaker"), DEFINITIONS[kind])(JobDefinitionName=name)
    except ClientError as error:
        if not is_gone(error):
            raise
        task.note(f"Monitoring schedule {schedule} names the job definition {name}, which is not there.")
        return None
    return found
