"""SageMaker Autopilot's and Canvas's jobs (AutoML V2): created, described, listed, stopped.

A job analyses, trains and ends, in 40 to 180 minutes by the hash of its name, or when its longest runtime is over. What
it runs on is AWS's choice and in no source at hand: it is billed as two ml.m5.4xlarge of training, a stand-in. Candidates
are not modelled: the first version of the API, and the list of candidates, answer 501.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.charges import Run, _hourly, _span, _tags
from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.training_plan import chance
from sagekeeper.simulator.world import Standing

SHORTEST, LONGEST, STOPPING = timedelta(minutes=40), timedelta(minutes=180), timedelta(seconds=45)
ON, COUNT = "ml.m5.4xlarge", 2
STATUS, SECONDARY = "AutoMLJobStatus", "AutoMLJobSecondaryStatus"
OBJECTIVES = {
    "ImageClassification": "Accuracy",
    "TextClassification": "Accuracy",
    "TimeSeriesForecasting": "AverageWeightedQuantileLoss",
    "TextGeneration": "validation:loss",
}
TABULAR = {"Regression": "MSE", "BinaryClassification": "F1", "MulticlassClassification": "Accuracy"}
PHASES = ((0.0, "Starting"), (0.02, "PreTraining"), (0.3, "TrainingModels"), (0.95, "GeneratingModelInsightsReport"))
KEPT = (
    "AutoMLJobName",
    "AutoMLJobInputDataConfig",
    "OutputDataConfig",
    "AutoMLProblemTypeConfig",
    "RoleArn",
    "SecurityConfig",
    "AutoMLJobObjective",
    "ModelDeployConfig",
    "DataSplitConfig",
    "AutoMLComputeConfig",
)
SUMMARY = ("AutoMLJobName", "AutoMLJobArn", STATUS, SECONDARY, "CreationTime", "EndTime", "LastModifiedTime")


def create_auto_ml_job_v2(ask: Ask) -> dict[str, Any]:
    """Its end is known at once, and shown when it comes."""
    name, given = ask.params["AutoMLJobName"], ask.params
    arn = ask.here.arn("automl-job", name)
    if name in ask.here.jobs.automls:
        raise Refused("ResourceInUse", f"AutoML Job name must be unique within an AWS account and region ({arn}).")
    kind = next(iter(given["AutoMLProblemTypeConfig"])).removesuffix("JobConfig")
    wish = given["AutoMLProblemTypeConfig"][f"{kind}JobConfig"]
    metric = TABULAR.get(wish.get("ProblemType", "")) if kind == "Tabular" else OBJECTIVES[kind]
    most = (wish.get("CompletionCriteria") or {}).get("MaxAutoMLJobRuntimeInSeconds")
    lasts = SHORTEST + chance(name, "automl") * (LONGEST - SHORTEST)
    told = {key: given[key] for key in KEPT if key in given}
    ask.here.jobs.automls[name] = (
        ({"AutoMLJobObjective": {"MetricName": metric}} if metric else {})
        | told
        | {
            "AutoMLJobArn": arn,
            "AutoMLProblemTypeConfigName": kind,
            "CreationTime": ask.now,
            "EndTime": ask.now + (min(lasts, timedelta(seconds=most)) if most else lasts),
            "x_end": "MaxAutoMLJobRuntimeReached" if most and timedelta(seconds=most) < lasts else "Completed",
        }
    )
    ask.here.tags[arn] = {item["Key"]: item["Value"] for item in given.get("Tags", [])}
    return {"AutoMLJobArn": arn}


def describe_auto_ml_job_v2(ask: Ask) -> dict[str, Any]:
    """As far as it has come."""
    return _as_of(_job(ask), ask.now)


def list_auto_ml_jobs(ask: Ask) -> dict[str, Any]:
    """Summaries, newest first; filtered by name, times and status."""
    rows = [_as_of(job, ask.now) for job in ask.here.jobs.automls.values()]
    part, more = listed(rows, {"SortOrder": "Descending"} | ask.params, "AutoMLJobName", STATUS)
    return {"AutoMLJobSummaries": [{key: row[key] for key in SUMMARY if key in row} for row in part]} | more


def stop_auto_ml_job(ask: Ask) -> dict[str, Any]:
    """It takes some seconds to stop."""
    job = _job(ask)
    status = _as_of(job, ask.now)[STATUS]
    if status != "InProgress":
        raise Refused("ValidationException", f"The request was rejected because the AutoML job is in status {status}.")
    job |= {"EndTime": ask.now + STOPPING, "x_end": "Stopped", "x_stopping": ask.now}
    return {}


def runs(here: Standing) -> Iterator[Run]:
    """Its instances, from its start to its end."""
    price = _hourly(ON, "Training", here.region)
    for job in here.jobs.automls.values():
        arn = job["AutoMLJobArn"]
        span = _span(job["CreationTime"], job["EndTime"])
        yield Run(*span, f"Train:{ON}", "RunInstance", arn, _tags(here, arn), COUNT, price)


def _as_of(job: dict[str, Any], now: datetime) -> dict[str, Any]:
    shown = {key: value for key, value in job.items() if not key.startswith("x_")}
    if now >= job["EndTime"]:
        status = "Stopped" if job["x_end"] == "Stopped" else "Completed"
        return shown | {STATUS: status, SECONDARY: job["x_end"], "LastModifiedTime": job["EndTime"]}
    done = (now - job["CreationTime"]) / (job["EndTime"] - job["CreationTime"])
    phase = [(share, name) for share, name in PHASES if share <= done][-1]
    del shown["EndTime"]
    if "x_stopping" in job:
        return shown | {STATUS: "Stopping", SECONDARY: "Stopping", "LastModifiedTime": job["x_stopping"]}
    changed = job["CreationTime"] + phase[0] * (job["EndTime"] - job["CreationTime"])
    return shown | {STATUS: "InProgress", SECONDARY: phase[1], "LastModifiedTime": changed}


def _job(ask: Ask) -> dict[str, Any]:
    name = ask.params["AutoMLJobName"]
    found = ask.here.jobs.automls.get(name)
    if found is None:
        raise Refused("ResourceNotFound", f"Could not find AutoML job with name {name}.")
    return found


HANDLERS: dict[str, Handler] = {
    "CreateAutoMLJobV2": create_auto_ml_job_v2,
    "DescribeAutoMLJobV2": describe_auto_ml_job_v2,
    "ListAutoMLJobs": list_auto_ml_jobs,
    "StopAutoMLJob": stop_auto_ml_job,
}
MUTATING = {"CreateAutoMLJobV2", "StopAutoMLJob"}
