"""SageMaker's jobs, tags and Search."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.training_jobs import as_of

PROCESSING_SUMMARY = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
)


def search(ask: Ask) -> dict[str, Any]:
    """Full records of training jobs or endpoints, with tags; filters on time, status and name."""
    resource = ask.params["Resource"]
    if resource == "TrainingJob":
        rows = [
            _public(as_of(job, ask.now)) | {"Tags": _tag_list(ask, job["TrainingJobArn"])}
            for job in ask.here.training.values()
            if job["CreationTime"] <= ask.now
        ]
        key = "TrainingJob"
    else:
        raise Refused("ValidationException", f"The simulated account does not search {resource}.")
    for wanted in ask.params.get("SearchExpression", {}).get("Filters", []):
        rows = [row for row in rows if _matches(row, wanted)]
    by = ask.params.get("SortBy", "LastModifiedTime")
    rows.sort(
        key=lambda row: row.get(by) or row["CreationTime"],
        reverse=ask.params.get("SortOrder", "Descending") == "Descending",
    )
    part, more = page(rows, ask.params)
    return {"Results": [{key: row} for row in part]} | more


def list_processing_jobs(ask: Ask) -> dict[str, Any]:
    rows = [_now(job, "Processing", ask.now) for job in ask.here.processing.values()]
    return _listed(ask, "ProcessingJobSummaries", rows, PROCESSING_SUMMARY, "ProcessingJobStatus")


def describe_processing_job(ask: Ask) -> dict[str, Any]:
    job = ask.here.processing.get(ask.params["ProcessingJobName"])
    return _described(job, ask, "Processing", "Could not find requested job with name")


def list_tags(ask: Ask) -> dict[str, Any]:
    part, more = page(_tag_list(ask, ask.params["ResourceArn"]), ask.params)
    return {"Tags": part} | more


def add_tags(ask: Ask) -> dict[str, Any]:
    ask.here.tags.setdefault(ask.params["ResourceArn"], {}).update(
        {item["Key"]: item["Value"] for item in ask.params["Tags"]}
    )
    return {"Tags": _tag_list(ask, ask.params["ResourceArn"])}


def delete_tags(ask: Ask) -> dict[str, Any]:
    for key in ask.params["TagKeys"]:
        ask.here.tags.get(ask.params["ResourceArn"], {}).pop(key, None)
    return {}


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


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.startswith("x_")}


def _in_window(item: dict[str, Any], params: dict[str, Any], key: str) -> bool:
    after, before = params.get(f"{key}After"), params.get(f"{key}Before")
    return (after is None or item[key] > after) and (before is None or item[key] < before)


def _described(job: dict[str, Any] | None, ask: Ask, kind: str, missing: str) -> dict[str, Any]:
    if job is None or job["CreationTime"] > ask.now:
        raise Refused("ValidationException", missing)
    return {key: value for key, value in _now(job, kind, ask.now).items() if not key.startswith("x_")}


def _tag_list(ask: Ask, arn: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in ask.here.tags.get(arn, {}).items()]


def _matches(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    value, operator, given = row.get(wanted["Name"]), wanted.get("Operator", "Equals"), wanted.get("Value", "")
    if isinstance(value, datetime):
        moment = datetime.fromisoformat(given.replace("Z", "+00:00"))
        return {
            "GreaterThan": value > moment,
            "GreaterThanOrEqualTo": value >= moment,
            "LessThan": value < moment,
            "LessThanOrEqualTo": value <= moment,
            "Equals": value == moment,
        }[operator]
    text = str(value) if value is not None else ""
    if operator == "In":
        return text in given.split(",")
    return {"Equals": text == given, "NotEquals": text != given, "Contains": given in text}.get(operator, False)


HANDLERS: dict[str, Handler] = {
    "Search": search,
    "ListProcessingJobs": list_processing_jobs,
    "DescribeProcessingJob": describe_processing_job,
    "ListTags": list_tags,
    "AddTags": add_tags,
    "DeleteTags": delete_tags,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Delete", "Stop", "Start", "Add"))}
