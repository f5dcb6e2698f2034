"""What started jobs: tuning jobs, and the executions of pipelines with the job of every step.

In: SageMaker's Search, and the steps of each execution that is new or was still running. Out: `jobs` rows of the kinds
``hyper_parameter_tuning_job`` (they run nothing themselves: their training jobs do) and ``pipeline_execution``, whose parent
is the pipeline and whose `config` holds the steps: name, status, kind, ARN, and whether the step came from the cache. A
training job names its tuning job, but nothing names the pipeline: only the steps say which job an execution started
(aws-facts 1.9).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.inventory_rows import DESCRIBERS, as_json
from sagekeeper.collector.job_rows import blank_job, keep_jobs
from sagekeeper.collector.source import Source, Task, aws_errors, is_gone, pages
from sagekeeper.core.tables import JOBS

FIRST_DAYS = 400
OVERLAP = timedelta(hours=1)
"""Read again before the watermark: Search is eventually consistent."""


def collect(task: Task) -> int:
    """Read what is new, was changed, or was still running."""
    upto = task.read_upto()
    since = task.as_of - timedelta(days=FIRST_DAYS) if upto is None else upto - OVERLAP
    rows = 0
    with aws_errors(f"SageMaker flows in {task.account.id} {task.region}"):
        sources = {"hyper_parameter_tuning_job": _tunings, "pipeline_execution": _executions}
        for number, (kind, read) in enumerate(sources.items()):
            task.progress(kind, number / len(sources))
            found = pl.DataFrame(list(read(task, since)), schema=JOBS.columns)
            keep_jobs(task, kind, found)
            rows += found.height
    task.has_read_upto(task.as_of)
    return rows


def _found(task: Task, resource: str, since: datetime) -> Iterator[dict[str, Any]]:
    wanted = {"Name": "LastModifiedTime", "Operator": "GreaterThanOrEqualTo", "Value": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
    found = pages(
        task.client("sagemaker"),
        "search",
        "Results",
        Resource=resource,
        SearchExpression={"Filters": [wanted]},
        SortBy="CreationTime",
        SortOrder="Ascending",
        MaxResults=100,
    )
    for result in found:
        record: dict[str, Any] = result[resource]
        if record["CreationTime"] <= task.as_of:
            yield record


def _tunings(task: Task, since: datetime) -> Iterator[dict[str, Any]]:
    field = "HyperParameterTuningJob"
    for job in _found(task, field, since):
        yield blank_job(task, "hyper_parameter_tuning_job", job, field) | {
            "started_at": job["CreationTime"],
            "ended_at": job.get("HyperParameterTuningEndTime"),
            "tags": as_json({item["Key"]: item["Value"] for item in job.get("Tags", [])}),
            "config": as_json({key: value for key, value in job.items() if key != "Tags"}),
        }


def _executions(task: Task, since: datetime) -> Iterator[dict[str, Any]]:
    client = task.client("sagemaker")

    def row(execution: dict[str, Any]) -> dict[str, Any] | None:
        arn = execution["PipelineExecutionArn"]
        try:
            steps = list(
                pages(
                    client,
                    "list_pipeline_execution_steps",
                    "PipelineExecutionSteps",
                    PipelineExecutionArn=arn,
                    SortOrder="Ascending",
                    MaxResults=100,
                )
            )
        except ClientError as error:
            if not is_gone(error):
                raise
            task.note(f"pipeline execution {arn} vanished while it was read and is left out.")
            return None
        status = execution["PipelineExecutionStatus"]
        named = execution | {"PipelineExecutionName": arn.partition(":pipeline/")[2]}
        return blank_job(task, "pipeline_execution", named, "PipelineExecution") | {
            "started_at": execution["CreationTime"],
            "ended_at": execution["LastModifiedTime"] if status in ("Succeeded", "Failed", "Stopped") else None,
            "parent_arn": execution["PipelineArn"],
            "tags": "{}",
            "config": as_json({"PipelineArn": execution["PipelineArn"], "Steps": [_step(step) for step in steps]}),
        }

    with ThreadPoolExecutor(DESCRIBERS) as pool:
        yield from (found for found in pool.map(row, _found(task, "PipelineExecution", since)) if found)


def _step(step: dict[str, Any]) -> dict[str, Any]:
    """What of a step costs something: ``Arn`` is its job's, under whichever name the kind of step has it."""
    metadata: dict[str, dict[str, Any]] = step.get("Metadata", {})
    kind = next(iter(metadata), "")
    told = metadata.get(kind, {})
    cached = "CacheHitResult" in step
    times = {name: step[name] for name in ("StartTime", "EndTime") if name in step}
    return {
        "StepName": step["StepName"],
        "StepStatus": step.get("StepStatus"),
        "Kind": kind,
        "Arn": told.get("Arn") or told.get("CheckJobArn"),
        "CacheHit": cached,
    } | times


SAGEMAKER_FLOWS = Source(
    name="sagemaker_flows",
    description="tuning jobs and pipeline executions with the jobs that they started",
    per="account_region",
    permissions=("sagemaker:Search", "sagemaker:ListPipelineExecutionSteps"),
    collect=collect,
)
