"""What the monitoring schedules of an account and region have run, how it ended, and which job did it.

In: SageMaker's ListMonitoringExecutions and the processing jobs that the lake knows. Out: an `Execution` each. Where its
reports are is what its job says, not what the schedule says now: a schedule may have been changed since.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.source import Task, is_gone, pages
from sagekeeper.core.tables import JOBS

HOUR = re.compile(r"/(\d{4})/(\d\d)/(\d\d)/(\d\d)/?$")


@dataclass(frozen=True)
class Job:
    """The processing job of a run. ``seconds``: billed ones, None while it runs."""

    arn: str
    instance_type: str | None
    instance_count: int | None
    volume_gb: int | None
    seconds: int | None
    folder: str | None
    window_start: datetime | None
    window_end: datetime | None


@dataclass(frozen=True)
class Execution:
    """One run of a schedule; ``job`` None: it failed before there was one, or the job is not known any more."""

    scheduled_at: datetime
    status: str
    failure_reason: str | None
    job_arn: str | None
    job: Job | None

    @property
    def hour(self) -> datetime:
        """The hour in the path of its reports."""
        folder = self.job.folder if self.job else None
        return hour_of(folder or "") or self.scheduled_at.replace(minute=0, second=0, microsecond=0)


def executions(task: Task, since: datetime) -> dict[str, list[Execution]]:
    """Runs that were due since then, by schedule, in their order."""
    found = pages(
        task.client("sagemaker"),
        "list_monitoring_executions",
        "MonitoringExecutionSummaries",
        ScheduledTimeAfter=since - timedelta(seconds=1),
        SortBy="ScheduledTime",
        SortOrder="Ascending",
        MaxResults=100,
    )
    jobs = _known_jobs(task, since)
    by_schedule: dict[str, list[Execution]] = defaultdict(list)
    for item in found:
        if not since <= item["ScheduledTime"] <= task.as_of:
            continue
        arn = item.get("ProcessingJobArn")
        by_schedule[item["MonitoringScheduleName"]].append(
            Execution(
                scheduled_at=item["ScheduledTime"].astimezone(UTC),
                status=item["MonitoringExecutionStatus"],
                failure_reason=item.get("FailureReason"),
                job_arn=arn,
                job=None if arn is None else jobs.get(arn) or _described(task, arn),
            )
        )
    return by_schedule


def hour_of(folder: str) -> datetime | None:
    """The hour that a folder of reports is named after.

    >>> hour_of("s3://bucket/reports/house/daily/2026/11/20/05").isoformat()
    '2026-11-20T05:00:00+00:00'
    """
    found = HOUR.search(folder)
    try:
        return datetime(*(int(part) for part in found.groups()), tzinfo=UTC) if found else None  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def _known_jobs(task: Task, since: datetime) -> dict[str, Job]:
    rows = (
        task.lake.scan(JOBS)
        .filter(
            (pl.col("account") == task.account.id)
            & (pl.col("region") == task.region)
            & (pl.col("kind") == "processing_job")
            & (pl.col("month") >= since.date().replace(day=1))
        )
        .select("arn", "instance_type", "instance_count", "volume_gb", "billable_seconds", "config")
        .collect()
    )
    return {row["arn"]: _job(row, json.loads(row["config"] or "{}")) for row in rows.iter_rows(named=True)}


def _described(task: Task, arn: str) -> Job | None:
    """A job that the lake does not have."""
    try:
        found = task.client("sagemaker").describe_processing_job(ProcessingJobName=arn.rpartition("/")[2])
    except ClientError as error:
        if not is_gone(error):
            raise
        return None
    cluster = found.get("ProcessingResources", {}).get("ClusterConfig", {})
    start, end = found.get("ProcessingStartTime"), found.get("ProcessingEndTime")
    row = {
        "arn": arn,
        "instance_type": cluster.get("InstanceType"),
        "instance_count": cluster.get("InstanceCount"),
        "volume_gb": cluster.get("VolumeSizeInGB"),
        "billable_seconds": int((end - start).total_seconds()) if start and end else None,
    }
    return _job(row, found)


def _job(row: dict[str, Any], config: dict[str, Any]) -> Job:
    written = [
        str(item["S3Output"]["S3Uri"])
        for item in config.get("ProcessingOutputConfig", {}).get("Outputs", [])
        if "S3Uri" in item.get("S3Output", {})
    ]
    told = config.get("Environment") or {}
    return Job(
        arn=row["arn"],
        instance_type=row["instance_type"],
        instance_count=row["instance_count"],
        volume_gb=row["volume_gb"],
        seconds=row["billable_seconds"],
        folder=next((uri for uri in written if hour_of(uri)), written[0] if written else None),
        # What Model Monitor tells its container (Developer Guide, "Container Contract Inputs").
        window_start=_moment(told.get("start_time")),
        window_end=_moment(told.get("end_time")),
    )


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.tzinfo else None
