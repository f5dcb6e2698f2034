"""SageMaker's batch transform: created, described, listed, stopped (aws-facts 1.5). The model must be there.

A job is kept as its finished self (`job_lives.py`) and billed from start to end for every instance (usage type
``Tsform:<type>``); it names no volume, so none is billed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sagekeeper.simulator.charges import Run, _hourly, _span, _tags
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
from sagekeeper.simulator.sagemaker_models import found
from sagekeeper.simulator.world import Standing

WORD = "Transform"
LONGEST_SECONDS = 28 * DAY_SECONDS
"""Transform has no stopping condition; AWS ends what runs longer than 28 days."""
MOST_MB = 100
USUAL_PAYLOAD_MB = 6
SUMMARY = (
    "TransformJobName",
    "TransformJobArn",
    "CreationTime",
    "TransformEndTime",
    "LastModifiedTime",
    "TransformJobStatus",
    "FailureReason",
)


def create_transform_job(ask: Ask) -> dict[str, Any]:
    """Its end is known at once, and shown when it comes."""
    name, given = ask.params["TransformJobName"], dict(ask.params)
    arn = ask.here.arn("transform-job", name)
    if name in ask.here.jobs.transforms:
        refuse_known("transform", arn)
    found(ask.here.models, given["ModelName"], "model", ask)
    at_once = given.get("MaxConcurrentTransforms", 1) * given.get("MaxPayloadInMB", USUAL_PAYLOAD_MB)
    if at_once > MOST_MB:
        raise Refused(
            "ValidationException",
            f"The product of MaxConcurrentTransforms and MaxPayloadInMB must not exceed {MOST_MB} MB, it is {at_once}.",
        )
    cluster = given["TransformResources"]
    refuse_unknown_trial(ask)
    refuse_over_job_quota(ask, "transform job", Counter({cluster["InstanceType"]: cluster["InstanceCount"]}))
    tags = {item["Key"]: item["Value"] for item in given.pop("Tags", [])}
    kinds, wish = {cluster["InstanceType"]}, given.get("Environment", {})
    times = passed(ask.here, name, WORD, kinds, ask.now, wish, LONGEST_SECONDS)
    times.pop("ExitMessage", None)
    ask.here.jobs.transforms[name] = given | {"TransformJobArn": arn} | times
    ask.here.tags[arn] = tags
    return {"TransformJobArn": arn}


def describe_transform_job(ask: Ask) -> dict[str, Any]:
    """As far as it has come; AWS tells no time of change here."""
    shown = as_of(existing(ask.here.jobs.transforms, ask.params["TransformJobName"], ask.now), WORD, ask.now)
    output = {"TransformOutput": {"KmsKeyId": ""} | shown["TransformOutput"]}
    return {key: value for key, value in shown.items() if key != "LastModifiedTime"} | output


def list_transform_jobs(ask: Ask) -> dict[str, Any]:
    """Summaries, newest first; filtered by name, times and status."""
    rows = [as_of(job, WORD, ask.now) for job in ask.here.jobs.transforms.values()]
    part, more = listed(rows, {"SortOrder": "Descending"} | ask.params, "TransformJobName", "TransformJobStatus")
    return {"TransformJobSummaries": [{key: row[key] for key in SUMMARY if key in row} for row in part]} | more


def stop_transform_job(ask: Ask) -> dict[str, Any]:
    """Half a minute to stop in."""
    stop(existing(ask.here.jobs.transforms, ask.params["TransformJobName"], ask.now), WORD, ask.now)
    return {}


def runs(here: Standing) -> Iterator[Run]:
    """What every job's instances cost."""
    for job in here.jobs.transforms.values():
        if "TransformStartTime" not in job:
            continue
        cluster, arn = job["TransformResources"], job["TransformJobArn"]
        kind, span = cluster["InstanceType"], _span(job["TransformStartTime"], job["TransformEndTime"])
        price, tags = _hourly(kind, "BatchTransform", here.region), _tags(here, arn)
        yield Run(*span, f"Tsform:{kind}", "RunInstance", arn, tags, cluster["InstanceCount"], price)


HANDLERS: dict[str, Handler] = {
    "CreateTransformJob": create_transform_job,
    "DescribeTransformJob": describe_transform_job,
    "ListTransformJobs": list_transform_jobs,
    "StopTransformJob": stop_transform_job,
}
MUTATING = {"CreateTransformJob", "StopTransformJob"}
