"""SageMaker's automatic model tuning: created, described, listed, stopped, deleted, with its training jobs (aws-facts 1.3).

A tuning job is kept with the names of its children; what it looks like at a moment follows from how far these have come
(`tuning_plan.py` starts them). It costs nothing by itself: the children are billed as the training jobs they are.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sagekeeper.simulator.job_quotas import refuse_over_job_quota
from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.training_jobs import as_of as training_as_of
from sagekeeper.simulator.training_jobs import halt, instances
from sagekeeper.simulator.tuning_check import refuse_wrong
from sagekeeper.simulator.tuning_plan import CLOSING, carry_out, cluster_of, definitions_of, not_improving
from sagekeeper.simulator.tuning_search import Trial
from sagekeeper.simulator.world import Standing

MISSING = "Amazon SageMaker can't find a tuning job called {name}. Type another name."
KNOWN = "A hyperparameter tuning job with the name, {name}, already exists. Choose a different name."
SUMMARY = (
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobArn",
    "HyperParameterTuningJobStatus",
    "CreationTime",
    "HyperParameterTuningEndTime",
    "LastModifiedTime",
    "TrainingJobStatusCounters",
    "ObjectiveStatusCounters",
)
CHILD = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingJobStatus")
CHILD_LATER = ("TrainingStartTime", "TrainingEndTime", "FailureReason")
OBJECTIVE = "FinalHyperParameterTuningJobObjectiveMetric"


def create_hyper_parameter_tuning_job(ask: Ask) -> dict[str, Any]:
    """All its training jobs are decided at once, and seen when their time comes."""
    name, given = ask.params["HyperParameterTuningJobName"], dict(ask.params)
    if name in ask.here.jobs.tunings:
        raise Refused("ResourceInUse", KNOWN.format(name=name))
    refuse_wrong(given)
    parents = [_parent(ask, item) for item in _parents(given)]
    definitions = definitions_of(given)
    at_once = int(given["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"])
    for definition in definitions:
        usage = "spot training job" if definition.get("EnableManagedSpotTraining") else "training job"
        each = instances(cluster_of(definition))
        refuse_over_job_quota(ask, usage, Counter({kind: count * at_once for kind, count in each.items()}))
    tags = {item["Key"]: item["Value"] for item in given.pop("Tags", [])}
    known = [trial for parent in parents for trial in parent["x_trials"].values()]
    arn = ask.here.arn("hyper-parameter-tuning-job", name)
    plan = carry_out(ask.here, given, ask.now, tags, known)
    ask.here.jobs.tunings[name] = given | {"HyperParameterTuningJobArn": arn, "CreationTime": ask.now} | plan
    ask.here.tags[arn] = tags
    return {"HyperParameterTuningJobArn": arn}


def describe_hyper_parameter_tuning_job(ask: Ask) -> dict[str, Any]:
    """As far as its children have come."""
    return as_of(ask.here, _job(ask), ask.now)


def list_hyper_parameter_tuning_jobs(ask: Ask) -> dict[str, Any]:
    """Summaries, newest first; filtered by name, times and status."""
    rows = [as_of(ask.here, job, ask.now) for job in ask.here.jobs.tunings.values()]
    params = {"SortOrder": "Descending"} | ask.params
    part, more = listed(rows, params, "HyperParameterTuningJobName", "HyperParameterTuningJobStatus")
    found = []
    for row in part:
        config = row["HyperParameterTuningJobConfig"]
        told = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
        found.append({key: row[key] for key in SUMMARY if key in row} | told)
    return {"HyperParameterTuningJobSummaries": found} | more


def list_training_jobs_for_hyper_parameter_tuning_job(ask: Ask) -> dict[str, Any]:
    """Its training jobs, by name; sorted by the objective, those without a value are left out."""
    wanted = ask.params.get("StatusEquals")
    rows = [
        row for row in _children(ask.here, _job(ask), ask.now) if wanted is None or row["TrainingJobStatus"] == wanted
    ]
    by = ask.params.get("SortBy", "Name")
    if by == "FinalObjectiveMetricValue":
        rows = [row | {"x_value": row[OBJECTIVE]["Value"]} for row in rows if OBJECTIVE in row]
    key = {"Status": "TrainingJobStatus", "FinalObjectiveMetricValue": "x_value"}.get(by, "TrainingJobStatus")
    # Status filters have been applied; what is left to `listed` is order and pages.
    params: dict[str, Any] = {name: ask.params[name] for name in ("NextToken", "MaxResults") if name in ask.params}
    params |= {"SortBy": "Status" if by == "FinalObjectiveMetricValue" else by}
    params["SortOrder"] = ask.params.get("SortOrder", "Ascending")
    part, more = listed(rows, params, "TrainingJobName", key)
    return {"TrainingJobSummaries": [_public(row) for row in part]} | more


def stop_hyper_parameter_tuning_job(ask: Ask) -> dict[str, Any]:
    """What runs is stopped, what has not begun never does."""
    job = _job(ask)
    status = as_of(ask.here, job, ask.now)["HyperParameterTuningJobStatus"]
    if status != "InProgress":
        raise Refused(
            "ValidationException",
            f"The request was rejected because the hyperparameter tuning job is in status {status}.",
        )
    begun = []
    for name in job["x_children"]:
        child = ask.here.training[name]
        if child["CreationTime"] > ask.now:
            del ask.here.training[name]
            ask.here.tags.pop(child["TrainingJobArn"], None)
            continue
        begun.append(name)
        if training_as_of(child, ask.now)["TrainingJobStatus"] == "InProgress":
            halt(child, ask.now)
    ends = [ask.here.training[name]["TrainingEndTime"] for name in begun]
    job.pop("FailureReason", None)
    job |= {
        "x_children": begun,
        "x_trials": {name: trial for name, trial in job["x_trials"].items() if name in begun},
        "x_stopped": ask.now,
        "HyperParameterTuningEndTime": max([*ends, ask.now]) + CLOSING,
        "HyperParameterTuningJobStatus": "Stopped",
    }
    return {}


def delete_hyper_parameter_tuning_job(ask: Ask) -> dict[str, Any]:
    """Only one that has ended; its training jobs stay."""
    job = _job(ask)
    status = as_of(ask.here, job, ask.now)["HyperParameterTuningJobStatus"]
    if status in ("InProgress", "Stopping"):
        raise Refused(
            "ValidationException",
            f"The request was rejected because the hyperparameter tuning job is in status {status}.",
        )
    del ask.here.jobs.tunings[job["HyperParameterTuningJobName"]]
    ask.here.tags.pop(job["HyperParameterTuningJobArn"], None)
    return {}


def as_of(here: Standing, job: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A tuning job as it looks at ``now``."""
    children, shown = _children(here, job, now), _public(job)
    end = max([job["HyperParameterTuningEndTime"], *(_end(here, name) for name in job["x_children"])])
    if now < end:
        for key in ("HyperParameterTuningEndTime", "FailureReason"):
            shown.pop(key, None)
        shown["HyperParameterTuningJobStatus"] = "Stopping" if "x_stopped" in job else "InProgress"
    else:
        shown["HyperParameterTuningEndTime"] = end
    moments = [job["CreationTime"], *(row["CreationTime"] for row in children)]
    moments += [row["TrainingEndTime"] for row in children if "TrainingEndTime" in row]
    shown["LastModifiedTime"] = end if now >= end else max(moments)
    shown["ConsumedResources"] = {"RuntimeInSeconds": round((min(now, end) - job["CreationTime"]).total_seconds())}
    states = Counter(row["TrainingJobStatus"] for row in children)
    shown["TrainingJobStatusCounters"] = {
        "Completed": states["Completed"],
        "InProgress": states["InProgress"] + states["Stopping"],
        "RetryableError": 0,
        "NonRetryableError": states["Failed"],
        "Stopped": states["Stopped"],
    }
    aims = Counter(row["ObjectiveStatus"] for row in children)
    shown["ObjectiveStatusCounters"] = {key: aims[key] for key in ("Succeeded", "Pending", "Failed")}
    return shown | _best(here, job, children, now) | _details(job, children, now)


def _best(here: Standing, job: dict[str, Any], children: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    best = _leader(children)
    told = {"BestTrainingJob": _public(best)} if best else {}
    warm = job.get("WarmStartConfig", {})
    if warm.get("WarmStartType") != "IdenticalDataAndAlgorithm":
        return told
    known = [here.jobs.tunings.get(item["HyperParameterTuningJobName"]) for item in _parents(job)]
    others = [row for parent in known if parent for row in _children(here, parent, now)]
    overall = _leader([*children, *others])
    return told | ({"OverallBestTrainingJob": _public(overall)} if overall else {})


def _leader(children: list[dict[str, Any]]) -> dict[str, Any] | None:
    done = [row for row in children if OBJECTIVE in row]

    def worth(row: dict[str, Any]) -> float:
        sign = 1.0 if row[OBJECTIVE]["Type"] == "Maximize" else -1.0
        return sign * float(row[OBJECTIVE]["Value"])

    return max(done, key=worth, default=None)


def _details(job: dict[str, Any], children: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    done = sorted((row for row in children if OBJECTIVE in row), key=lambda row: row["TrainingEndTime"])
    trials: list[Trial] = [job["x_trials"][row["TrainingJobName"]] for row in done]
    told: dict[str, Any] = {
        "NumberOfTrainingJobsObjectiveNotImproving": not_improving([item.quality for item in trials])
    }
    if job.get("x_converged", now) < now:
        told["ConvergenceDetectedTime"] = job["x_converged"]
    return {"TuningJobCompletionDetails": told}


def _children(here: Standing, job: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    """Summaries of the training jobs that have been started, in the order of their start."""
    found = []
    for name in job["x_children"]:
        child = here.training[name]
        if child["CreationTime"] > now:
            continue
        shown = training_as_of(child, now)
        row = {key: shown[key] for key in CHILD} | {key: shown[key] for key in CHILD_LATER if key in shown}
        row |= {"TunedHyperParameters": child["x_tuned"], "TuningJobName": job["HyperParameterTuningJobName"]}
        if child.get("x_definition"):
            row["TrainingJobDefinitionName"] = child["x_definition"]
        found.append(row | _objective(child, shown))
    return found


def _objective(child: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    if "TrainingEndTime" not in shown:
        return {"ObjectiveStatus": "Pending"}
    metric, rises = child["x_objective"]
    values = [item["Value"] for item in shown.get("FinalMetricDataList", []) if item["MetricName"] == metric]
    if not values:
        return {"ObjectiveStatus": "Failed"}
    told = {"Type": "Maximize" if rises else "Minimize", "MetricName": metric, "Value": values[0]}
    return {"ObjectiveStatus": "Succeeded", OBJECTIVE: told}


def _end(here: Standing, name: str) -> datetime:
    end: datetime = here.training[name]["TrainingEndTime"]
    return end


def _parents(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(job.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", []))


def _parent(ask: Ask, told: dict[str, Any]) -> dict[str, Any]:
    """A tuning job that a warm start may learn from: one that has ended."""
    name = told.get("HyperParameterTuningJobName", "")
    job = ask.here.jobs.tunings.get(name)
    if job is None:
        raise Refused("ResourceNotFound", MISSING.format(name=name))
    status = as_of(ask.here, job, ask.now)["HyperParameterTuningJobStatus"]
    if status in ("InProgress", "Stopping", "Failed"):
        raise Refused(
            "ValidationException",
            f"The parent tuning job {name} is in status {status}. Parents must be Completed or Stopped.",
        )
    return job


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.startswith("x_")}


def _job(ask: Ask) -> dict[str, Any]:
    name = ask.params["HyperParameterTuningJobName"]
    job = ask.here.jobs.tunings.get(name)
    if job is None:
        raise Refused("ResourceNotFound", MISSING.format(name=name))
    return job


HANDLERS: dict[str, Handler] = {
    "CreateHyperParameterTuningJob": create_hyper_parameter_tuning_job,
    "DescribeHyperParameterTuningJob": describe_hyper_parameter_tuning_job,
    "ListHyperParameterTuningJobs": list_hyper_parameter_tuning_jobs,
    "ListTrainingJobsForHyperParameterTuningJob": list_training_jobs_for_hyper_parameter_tuning_job,
    "StopHyperParameterTuningJob": stop_hyper_parameter_tuning_job,
    "DeleteHyperParameterTuningJob": delete_hyper_parameter_tuning_job,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Stop", "Delete"))}
