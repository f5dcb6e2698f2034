"""Training and processing jobs: what ran, on what, for how long, how much of it was billed, and who started it.

In: SageMaker's Search for training jobs (full records, no Describe each) and List plus Describe for processing jobs,
which Search does not cover (aws-facts section 1). Out: one `jobs` row per job, replaced by month. Later runs read
what was modified since; a job that was not final is read again until it is. Processing jobs have no billable seconds:
they are billed from start to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.sagemaker_inventory import DESCRIBERS, as_json
from sagekeeper.collector.source import Source, Task, aws_errors, is_gone, pages
from sagekeeper.core.lake import Scope
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
        for kind, read in (("training_job", _training), ("processing_job", _processing)):
            task.progress(kind, 0.0)
            found = pl.DataFrame(list(read(task, since)), schema=JOBS.columns)
            _keep(task, kind, found)
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
            yield _common(task, "training_job", job, "TrainingJob") | {
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


def _processing(task: Task, since: datetime) -> Iterator[dict[str, Any]]:
    client = task.client("sagemaker")
    listed = pages(
        client,
        "list_processing_jobs",
        "ProcessingJobSummaries",
        LastModifiedTimeAfter=since,
        SortBy="CreationTime",
        SortOrder="Ascending",
        MaxResults=100,
    )
    known = _known_final(task)
    fresh = [
        item["ProcessingJobName"]
        for item in listed
        if item["CreationTime"] <= task.as_of and item["ProcessingJobName"] not in known
    ]
    with ThreadPoolExecutor(DESCRIBERS) as pool:
        yield from (row for row in pool.map(lambda name: _processing_job(task, client, name), fresh) if row)


def _known_final(task: Task) -> set[str]:
    """Processing jobs that need no second Describe: one that has ended does not change."""
    names = (
        task.lake.scan(JOBS)
        .filter(
            (pl.col("account") == task.account.id)
            & (pl.col("region") == task.region)
            & (pl.col("kind") == "processing_job")
            & pl.col("status").is_in(FINAL)
        )
        .select("name")
        .collect()
    )
    return set(names["name"])


def _processing_job(task: Task, client: Any, name: str) -> dict[str, Any] | None:
    try:
        job = client.describe_processing_job(ProcessingJobName=name)
        tags = {
            item["Key"]: item["Value"]
            for item in pages(client, "list_tags", "Tags", ResourceArn=job["ProcessingJobArn"])
        }
    except ClientError as error:
        if not is_gone(error):
            raise
        task.note(f"processing_job {name} vanished while it was read and is left out.")
        return None
    cluster = job.get("ProcessingResources", {}).get("ClusterConfig", {})
    start, end = job.get("ProcessingStartTime"), job.get("ProcessingEndTime")
    seconds = int((end - start).total_seconds()) if start and end else None
    return _common(task, "processing_job", job, "ProcessingJob") | {
        "instance_type": cluster.get("InstanceType"),
        "instance_count": cluster.get("InstanceCount"),
        "volume_gb": cluster.get("VolumeSizeInGB"),
        "started_at": start,
        "ended_at": end,
        "run_seconds": seconds,
        "billable_seconds": seconds,
        "spot": False,  # there is no managed spot for processing (aws-facts 1.4)
        "max_runtime_seconds": job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"),
        "image": job.get("AppSpecification", {}).get("ImageUri"),
        "parent_arn": job.get("MonitoringScheduleArn") or job.get("AutoMLJobArn") or job.get("TrainingJobArn"),
        "tags": as_json(tags),
        "config": as_json({key: value for key, value in job.items() if key != "ResponseMetadata"}),
    }


def _common(task: Task, kind: str, job: dict[str, Any], field: str) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(JOBS.columns)
    return blank | {
        "account": task.account.id,
        "region": task.region,
        "kind": kind,
        "name": job[f"{field}Name"],
        "arn": job[f"{field}Arn"],
        "status": job[f"{field}Status"],
        "failure_reason": job.get("FailureReason"),
        "created_at": job["CreationTime"],
        "month": job["CreationTime"].date().replace(day=1),
        "observed_at": task.as_of,
    }


def _keep(task: Task, kind: str, found: pl.DataFrame) -> None:
    """Put the jobs beside those of the same months that were read before."""
    place = {"account": task.account.id, "region": task.region, "kind": kind}
    here = pl.all_horizontal(pl.col(column) == value for column, value in place.items())
    for month in found["month"].unique().sort().to_list():
        new = found.filter(pl.col("month") == month)
        before = task.lake.scan(JOBS).filter(here & (pl.col("month") == month)).collect()
        rows = pl.concat([before.join(new, on="name", how="anti"), new])
        scope: dict[str, str | date] = {**place, "month": month}
        task.replace(JOBS, rows, Scope(scope))


SAGEMAKER_JOBS = Source(
    name="sagemaker_jobs",
    description="training and processing jobs with what they ran on and what was billed",
    per="account_region",
    permissions=(
        "sagemaker:Search",
        "sagemaker:ListProcessingJobs",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:ListTags",
    ),
    collect=collect,
)
