"""Training, processing and transform jobs: what ran, on what, for how long, how much of it was billed, and who started it.

In: SageMaker's Search for training jobs (full records, no Describe each) and List plus Describe for processing and
transform jobs, which Search does not cover (aws-facts section 1). Out: one `jobs` row per job, replaced by month. Later
runs read what was modified since; a job that was not final is read again until it is. Processing and transform jobs
have no billable seconds: they are billed from start to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.inventory_rows import DESCRIBERS, as_json, tags_of
from sagekeeper.collector.job_rows import blank_job, keep_jobs
from sagekeeper.collector.source import Source, Task, aws_errors, is_gone, pages
from sagekeeper.core.tables import JOBS

FIRST_DAYS = 400
OVERLAP = timedelta(hours=1)
"""Read again before the watermark: Search is eventually consistent."""
FINAL = ("Completed", "Failed", "Stopped")


def collect(task: Task) -> int:
    """Read jobs that are new, were changed, or were still running."""
    upto = task.read_upto()
    since = task.as_of - timedelta(days=FIRST_DAYS) if upto is None else upto - OVERLAP
    rows = 0
    with aws_errors(f"SageMaker jobs in {task.account.id} {task.region}"):
        sources = {"training_job": _training(task, since)} | {
            kind: _listed(task, since, kind, how) for kind, how in LISTED.items()
        }
        for kind, jobs in sources.items():
            task.progress(kind, 0.0)
            found = pl.DataFrame(list(jobs), schema=JOBS.columns)
            keep_jobs(task, kind, found)
            rows += found.height
    task.has_read_upto(task.as_of)
    return rows


def _training(task: Task, since: datetime) -> Iterator[dict[str, Any]]:
    wanted = {"Name": "LastModifiedTime", "Operator": "GreaterThanOrEqualTo", "Value": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
    found = pages(
        task.client("sagemaker"),
        "search",
        "Results",
        Resource="TrainingJob",
        SearchExpression={"Filters": [wanted]},
        SortBy="CreationTime",
        SortOrder="Ascending",
        MaxResults=100,
    )
    for result in found:
        job = result["TrainingJob"]
        if job["CreationTime"] <= task.as_of:
            cluster, stopping = job.get("ResourceConfig", {}), job.get("StoppingCondition", {})
            yield blank_job(task, "training_job", job, "TrainingJob") | {
                "instance_type": cluster.get("InstanceType"),
                "instance_count": cluster.get("InstanceCount"),
                "volume_gb": cluster.get("VolumeSizeInGB"),
                "started_at": job.get("TrainingStartTime"),
                "ended_at": job.get("TrainingEndTime"),
                "run_seconds": job.get("TrainingTimeInSeconds"),
                "billable_seconds": job.get("BillableTimeInSeconds"),
                "spot": job.get("EnableManagedSpotTraining"),
                "checkpoint_s3_uri": job.get("CheckpointConfig", {}).get("S3Uri"),
                "max_runtime_seconds": stopping.get("MaxRuntimeInSeconds"),
                "max_wait_seconds": stopping.get("MaxWaitTimeInSeconds"),
                "image": job.get("AlgorithmSpecification", {}).get("TrainingImage"),
                "parent_arn": job.get("TuningJobArn") or job.get("AutoMLJobArn"),
                "tags": as_json({item["Key"]: item["Value"] for item in job.get("Tags", [])}),
                "config": as_json({key: value for key, value in job.items() if key != "Tags"}),
            }


class Listed(NamedTuple):
    """How a kind of job is listed and described, and what is particular to its rows."""

    field: str  # "ProcessingJob" of ProcessingJobName
    list_operation: str
    describe_operation: str
    details: Callable[[dict[str, Any]], dict[str, Any]]


def _listed(task: Task, since: datetime, kind: str, how: Listed) -> Iterator[dict[str, Any]]:
    client, name = task.client("sagemaker"), f"{how.field}Name"
    listed = pages(
        client,
        how.list_operation,
        f"{how.field}Summaries",
        LastModifiedTimeAfter=since,
        SortBy="CreationTime",
        SortOrder="Ascending",
        MaxResults=100,
    )
    known = _known_final(task, kind)
    fresh = [item[name] for item in listed if item["CreationTime"] <= task.as_of and item[name] not in known]

    def row(job_name: str) -> dict[str, Any] | None:
        try:
            job = getattr(client, how.describe_operation)(**{name: job_name})
        except ClientError as error:
            if not is_gone(error):
                raise
            task.note(f"{kind} {job_name} vanished while it was read and is left out.")
            return None
        own = {
            "spot": False,  # there is no managed spot for these (aws-facts 1.4)
            "tags": as_json(tags_of(task, job[f"{how.field}Arn"])),
            "config": as_json({key: value for key, value in job.items() if key != "ResponseMetadata"}),
        }
        return (
            blank_job(task, kind, job, how.field) | _billed(job, how.field.removesuffix("Job")) | how.details(job) | own
        )

    with ThreadPoolExecutor(DESCRIBERS) as pool:
        yield from (found for found in pool.map(row, fresh) if found)


def _known_final(task: Task, kind: str) -> set[str]:
    """Jobs that need no second Describe: one that has ended does not change."""
    names = (
        task.lake.scan(JOBS)
        .filter(
            (pl.col("account") == task.account.id)
            & (pl.col("region") == task.region)
            & (pl.col("kind") == kind)
            & pl.col("status").is_in(FINAL)
        )
        .select("name")
        .collect()
    )
    return set(names["name"])


def _billed(job: dict[str, Any], word: str) -> dict[str, Any]:
    """From start to end; unknown while it runs."""
    start, end = job.get(f"{word}StartTime"), job.get(f"{word}EndTime")
    seconds = int((end - start).total_seconds()) if start and end else None
    return {"started_at": start, "ended_at": end, "run_seconds": seconds, "billable_seconds": seconds}


def _processing(job: dict[str, Any]) -> dict[str, Any]:
    cluster = job.get("ProcessingResources", {}).get("ClusterConfig", {})
    return {
        "instance_type": cluster.get("InstanceType"),
        "instance_count": cluster.get("InstanceCount"),
        "volume_gb": cluster.get("VolumeSizeInGB"),
        "max_runtime_seconds": job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"),
        "image": job.get("AppSpecification", {}).get("ImageUri"),
        "parent_arn": job.get("MonitoringScheduleArn") or job.get("AutoMLJobArn") or job.get("TrainingJobArn"),
    }


def _transform(job: dict[str, Any]) -> dict[str, Any]:
    cluster = job.get("TransformResources", {})
    return {
        "instance_type": cluster.get("InstanceType"),
        "instance_count": cluster.get("InstanceCount"),
        "parent_arn": job.get("AutoMLJobArn") or job.get("LabelingJobArn"),
    }


LISTED = {
    "processing_job": Listed("ProcessingJob", "list_processing_jobs", "describe_processing_job", _processing),
    "transform_job": Listed("TransformJob", "list_transform_jobs", "describe_transform_job", _transform),
}


SAGEMAKER_JOBS = Source(
    name="sagemaker_jobs",
    description="training, processing and transform jobs with what they ran on and what was billed",
    per="account_region",
    permissions=(
        "sagemaker:Search",
        "sagemaker:ListProcessingJobs",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:ListTransformJobs",
        "sagemaker:DescribeTransformJob",
        "sagemaker:ListTags",
    ),
    collect=collect,
)
