"""SageMaker's processing jobs: created, described, listed, stopped (aws-facts 1.4); those of monitoring are among them.

A job is kept as its finished self (`job_lives.py`). It is billed from start to end for every instance and its volume
(`charges.py`); there is no spot for processing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sagekeeper.simulator.capacity import first_there
from sagekeeper.simulator.job_lives import (
    DAY_SECONDS,
    as_of,
    existing,
    passed,
    refuse_known,
    refuse_unknown_trial,
    stop,
)
from sagekeeper.simulator.job_quotas import refuse_over_job_quota
from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.operations import Ask, Handler, Refused

WORD = "Processing"
SUMMARY = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
)


def create_processing_job(ask: Ask) -> dict[str, Any]:
    """Its end is known at once, and shown when it comes."""
    name, given = ask.params["ProcessingJobName"], dict(ask.params)
    arn = ask.here.arn("processing-job", name)
    if name in ask.here.processing:
        refuse_known("processing", arn)
    _check(given)
    cluster = _cluster(ask, given["ProcessingResources"]["ClusterConfig"])
    kind = cluster.get("SelectedInstanceType") or cluster["InstanceType"]
    count = int(cluster.get("SelectedInstanceCount") or cluster["InstanceCount"])
    refuse_unknown_trial(ask)
    refuse_over_job_quota(ask, "processing job", Counter({kind: count}))
    tags = {item["Key"]: item["Value"] for item in given.pop("Tags", [])}
    given["ProcessingResources"] = {"ClusterConfig": cluster}
    given["StoppingCondition"] = {"MaxRuntimeInSeconds": DAY_SECONDS} | given.get("StoppingCondition", {})
    most = int(given["StoppingCondition"]["MaxRuntimeInSeconds"])
    times = passed(ask.here, name, WORD, {kind}, ask.now, given.get("Environment", {}), most)
    ask.here.processing[name] = given | {"ProcessingJobArn": arn} | times
    ask.here.tags[arn] = tags
    return {"ProcessingJobArn": arn}


def describe_processing_job(ask: Ask) -> dict[str, Any]:
    """As far as it has come."""
    return as_of(existing(ask.here.processing, ask.params["ProcessingJobName"], ask.now), WORD, ask.now)


def list_processing_jobs(ask: Ask) -> dict[str, Any]:
    """Summaries, newest first; filtered by name, times and status."""
    rows = [as_of(job, WORD, ask.now) for job in ask.here.processing.values() if job["CreationTime"] <= ask.now]
    part, more = listed(rows, {"SortOrder": "Descending"} | ask.params, "ProcessingJobName", "ProcessingJobStatus")
    return {"ProcessingJobSummaries": [{key: row[key] for key in SUMMARY if key in row} for row in part]} | more


def stop_processing_job(ask: Ask) -> dict[str, Any]:
    """Half a minute to stop in."""
    stop(existing(ask.here.processing, ask.params["ProcessingJobName"], ask.now), WORD, ask.now)
    return {}


def _check(given: dict[str, Any]) -> None:
    cluster = given["ProcessingResources"]["ClusterConfig"]
    if ("InstancePreferences" in cluster) == ("InstanceType" in cluster):
        _refuse("You must specify either InstanceType and InstanceCount or InstancePreferences in ClusterConfig.")
    if "InstanceType" in cluster and "InstanceCount" not in cluster:
        _refuse("InstanceCount is required with InstanceType in ClusterConfig.")
    inputs = given.get("ProcessingInputs", [])
    outputs = given.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for what, names in (
        ("input names", [item["InputName"] for item in inputs]),
        ("output names", [item["OutputName"] for item in outputs]),
        ("local paths", [item["S3Input"]["LocalPath"] for item in inputs if "LocalPath" in item.get("S3Input", {})]),
    ):
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice:
            _refuse(f"The {what} of a processing job must be unique. Found more than once: {', '.join(twice)}.")
    for item in inputs:
        if ("S3Input" in item) == ("DatasetDefinition" in item):
            _refuse(f"Exactly one of S3Input and DatasetDefinition must be specified for input {item['InputName']}.")
    for item in outputs:
        if ("S3Output" in item) == ("FeatureStoreOutput" in item):
            _refuse(f"Exactly one of S3Output and FeatureStoreOutput must be specified for {item['OutputName']}.")


def _cluster(ask: Ask, cluster: dict[str, Any]) -> dict[str, Any]:
    """With preferences: the first that AWS has is selected."""
    wishes = cluster.get("InstancePreferences")
    if not wishes:
        return cluster
    kind = first_there(ask.here, [item["InstanceType"] for item in wishes], ask.now)
    count = next(item.get("InstanceCount") for item in wishes if item["InstanceType"] == kind)
    return cluster | {
        "SelectedInstanceType": kind,
        "SelectedInstanceCount": count or cluster.get("InstanceCount", 1),
    }


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)


HANDLERS: dict[str, Handler] = {
    "CreateProcessingJob": create_processing_job,
    "DescribeProcessingJob": describe_processing_job,
    "ListProcessingJobs": list_processing_jobs,
    "StopProcessingJob": stop_processing_job,
}
MUTATING = {"CreateProcessingJob", "StopProcessingJob"}
