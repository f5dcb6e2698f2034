"""SageMaker's processing jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.simulator.operations import Ask, Handler, Refused, page

PROCESSING_SUMMARY = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
)


def list_processing_jobs(ask: Ask) -> dict[str, Any]:
    rows = [_now(job, "Processing", ask.now) for job in ask.here.processing.values()]
    return _listed(ask, "ProcessingJobSummaries", rows, PROCESSING_SUMMARY, "ProcessingJobStatus")


def describe_processing_job(ask: Ask) -> dict[str, Any]:
    job = ask.here.processing.get(ask.params["ProcessingJobName"])
    return _described(job, ask, "Processing", "Could not find requested job with name")


def _listed(
    ask: Ask, answer: str, items: list[dict[str, Any]], keys: tuple[str, ...], status_key: str
) -> dict[str, Any]:
    rows = [
        item
        for item in items
        if ask.params.get("StatusEquals") in (None, item[status_key])
        and ask.params.get("NameContains", "") in item[keys[0]]
        and _in_window(item, ask.params, "CreationTime")
        and _in_window(item, ask.params, "LastModifiedTime")
        and item["CreationTime"] <= ask.now
    ]
    newest = ask.params.get("SortOrder", "Descending") == "Descending"
    part, more = page(sorted(rows, key=lambda item: item["CreationTime"], reverse=newest), ask.params)
    return {answer: [{key: item[key] for key in keys if key in item} for item in part]} | more


def _now(job: dict[str, Any], kind: str, now: datetime) -> dict[str, Any]:
    """A job as it looks at ``now``: one that has not ended yet is in progress, and does not know its end."""
    if job[f"{kind}EndTime"] <= now:
        return job
    unknown = (f"{kind}EndTime", "FailureReason")
    shown = {key: value for key, value in job.items() if key not in unknown}
    shown |= {
        f"{kind}JobStatus": "InProgress",
        "LastModifiedTime": max(job["CreationTime"], min(now, job[f"{kind}StartTime"])),
    }
    if job[f"{kind}StartTime"] > now:
        del shown[f"{kind}StartTime"]
    return shown


def _in_window(item: dict[str, Any], params: dict[str, Any], key: str) -> bool:
    after, before = params.get(f"{key}After"), params.get(f"{key}Before")
    return (after is None or item[key] > after) and (before is None or item[key] < before)


def _described(job: dict[str, Any] | None, ask: Ask, kind: str, missing: str) -> dict[str, Any]:
    if job is None or job["CreationTime"] > ask.now:
        raise Refused("ValidationException", missing)
    return {key: value for key, value in _now(job, kind, ask.now).items() if not key.startswith("x_")}


HANDLERS: dict[str, Handler] = {
    "ListProcessingJobs": list_processing_jobs,
    "DescribeProcessingJob": describe_processing_job,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Delete", "Stop", "Start", "Add"))}
