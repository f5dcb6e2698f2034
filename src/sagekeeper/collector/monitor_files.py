"""Where Model Monitor keeps what it wrote: schedules with their baseline and report addresses, and JSON files in S3.

In: schedules of today's `inventory`. A schedule carries its job definition inline, or names one that SageMaker
describes by the schedule's type. Paths and file names as real runs write them (monitoring-facts 2.3 and 2.7).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.source import Task, is_gone
from sagekeeper.core.aws import explain
from sagekeeper.core.tables import INVENTORY

DEFINITIONS = {
    "DataQuality": "describe_data_quality_job_definition",
    "ModelQuality": "describe_model_quality_job_definition",
    "ModelBias": "describe_model_bias_job_definition",
    "ModelExplainability": "describe_model_explainability_job_definition",
}
VIOLATION_FILES = ("constraint_violations.json", "constraints_violations.json")
"""What real runs write, and what the documentation says."""


@dataclass(frozen=True)
class Schedule:
    """A monitoring schedule of an endpoint. ``defined_at``: since when it compares with this baseline."""

    name: str
    endpoint: str
    monitors: str
    statistics_uri: str | None
    output_uri: str | None
    defined_at: datetime


def observed(task: Task, kind: str) -> list[dict[str, Any]]:
    """Inventory rows of one kind as last observed here."""
    here = task.lake.scan(INVENTORY).filter(
        (pl.col("account") == task.account.id)
        & (pl.col("region") == task.region)
        & (pl.col("observed_on") <= task.as_of.date())
    )
    newest = here.filter(pl.col("observed_on") == pl.col("observed_on").max())
    return newest.filter(pl.col("kind") == kind).sort("name").collect().to_dicts()


def schedules(task: Task) -> list[Schedule]:
    """Schedules that monitor an endpoint; one whose definition cannot be read is noted and left out."""
    return [found for row in observed(task, "monitoring_schedule") for found in _schedule(task, row)]


def read_json(task: Task, uri: str) -> dict[str, Any] | None:
    """A JSON file in S3, None if it is not there. What cannot be read is noted."""
    bucket, key = parted(uri)
    try:
        body = task.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        found = json.loads(body)
    except ClientError as error:
        if not is_gone(error):
            task.note(f"{uri} was not read: {explain(error)}.")
        return None
    except ValueError:
        task.note(f"{uri} is not valid JSON and was left out.")
        return None
    return found if isinstance(found, dict) else None


def parted(uri: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` address.

    >>> parted("s3://bucket/a/b")
    ('bucket', 'a/b')
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.rstrip("/")


def _schedule(task: Task, row: dict[str, Any]) -> Iterator[Schedule]:
    document = json.loads(row["config"])
    config = document.get("MonitoringScheduleConfig", {})
    monitors = config.get("MonitoringType") or document.get("MonitoringType") or "DataQuality"
    inline = config.get("MonitoringJobDefinition")
    if inline is not None:
        inputs = (inline.get("MonitoringInputs") or [{}])[0]
        baseline, outputs = inline.get("BaselineConfig", {}), inline.get("MonitoringOutputConfig", {})
        defined_at = row["changed_at"]
    else:
        definition = _definition(task, row["name"], monitors, config.get("MonitoringJobDefinitionName"))
        if definition is None:
            return
        inputs = definition.get(f"{monitors}JobInput", {})
        baseline = definition.get(f"{monitors}BaselineConfig", {})
        outputs = definition.get(f"{monitors}JobOutputConfig", {})
        defined_at = definition["CreationTime"]
    endpoint = document.get("EndpointName") or inputs.get("EndpointInput", {}).get("EndpointName")
    if endpoint is None:
        return  # a batch transform's monitor: it has no endpoint
    written = (outputs.get("MonitoringOutputs") or [{}])[0].get("S3Output", {})
    yield Schedule(
        row["name"],
        endpoint,
        monitors,
        baseline.get("StatisticsResource", {}).get("S3Uri"),
        written.get("S3Uri"),
        defined_at,
    )


def _definition(task: Task, schedule: str, monitors: str, name: str | None) -> dict[str, Any] | None:
    if name is None or monitors not in DEFINITIONS:
        task.note(f"Schedule {schedule} monitors {monitors} without a job definition that can be read: left out.")
        return None
    try:
        found: dict[str, Any] = getattr(task.client("sagemaker"), DEFINITIONS[monitors])(JobDefinitionName=name)
    except ClientError as error:
        task.note(f"The job definition {name} of schedule {schedule} was not read: {explain(error)}.")
        return None
    return found
