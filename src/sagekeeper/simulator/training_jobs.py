"""SageMaker's training jobs: created, listed, described, updated, stopped; managed spot and warm pools (aws-facts 2.15).

A job is kept as its finished self and shown as far as it has come (`as_of`); `training_plan.py` says how it passes,
`charges.py` and `training_charges.py` bill it.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.boosted_trees import Trained
from sagekeeper.simulator.capacity import granted_at
from sagekeeper.simulator.job_lives import refuse_unknown_trial
from sagekeeper.simulator.job_quotas import refuse_over_job_quota
from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.real_training import really_trained, told_metrics
from sagekeeper.simulator.training_outcome import final_metrics, quality_of
from sagekeeper.simulator.training_plan import (
    CAPACITY,
    STOP_SECONDS,
    Phase,
    billable,
    cut,
    planned,
    transitions,
    worked,
)
from sagekeeper.simulator.world import Standing

DAY_SECONDS = 86_400
SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
    "WarmPoolStatus",
)
OUTCOME = ("TrainingTimeInSeconds", "BillableTimeInSeconds", "FailureReason", "FinalMetricDataList")
STATUS = {"Completed": "Completed", "Failed": "Failed"}
POOL_MATCH = ("InstanceType", "InstanceCount", "InstanceGroups", "VolumeSizeInGB", "VolumeKmsKeyId")
POOL_MATCH_JOB = ("RoleArn", "VpcConfig", "EnableInterContainerTrafficEncryption", "EnableNetworkIsolation")


def create_training_job(ask: Ask) -> dict[str, Any]:
    """Refuses what AWS refuses of spot and warm pools together; a matching warm pool shortens the start."""
    name, given = ask.params["TrainingJobName"], dict(ask.params)
    if name in ask.here.training:
        arn = ask.here.arn("training-job", name)
        raise Refused(
            "ResourceInUse",
            f"Job name must be unique within an AWS account and region, and a training job with this name already exists ({arn})",
        )
    refuse_wrong(given)
    refuse_unknown_trial(ask)
    usage = "spot training job" if given.get("EnableManagedSpotTraining") else "training job"
    refuse_over_job_quota(ask, usage, instances(given["ResourceConfig"]))
    tags = {item["Key"]: item["Value"] for item in given.pop("Tags", [])}
    real = really_trained(ask.house.world, ask.here, given)
    begun = begin(ask.here, given, ask.now, tags, real=real)
    return {"TrainingJobArn": begun["TrainingJobArn"]}


def begin(
    here: Standing,
    given: dict[str, Any],
    now: datetime,
    tags: dict[str, str],
    quality: float | None = None,
    objective: tuple[str, bool] | None = None,
    real: Trained | str | None = None,
) -> dict[str, Any]:
    """Put a job that nothing is wrong with into the account; ``quality`` and ``objective`` are those of a tuning job, ``real``
    is what was really trained (`real_training.py`)."""
    name = given["TrainingJobName"]
    given["StoppingCondition"] = {"MaxRuntimeInSeconds": DAY_SECONDS} | given.get("StoppingCondition", {})
    for flag in ("EnableManagedSpotTraining", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption"):
        given.setdefault(flag, False)
    pool = _matching_pool(here, given, now)
    granted = now if pool is not None else granted_at(here, set(instances(given["ResourceConfig"])), now)
    fails = given.get("HyperParameters", {}).get("sagekeeper_failure") if not isinstance(real, str) else real
    phases, ending = planned(given, now, pool is not None, granted, fails)
    if pool is not None:
        pool["x_reused"] = (now, name)
    arn = here.arn("training-job", name)
    job = given | {"TrainingJobArn": arn, "CreationTime": now}
    job["x_quality"], job["x_objective"] = quality_of(job) if quality is None else quality, objective
    if ending == "Failed":
        waited = all(phase.status == "Pending" for phase in phases)
        job["FailureReason"] = CAPACITY if waited else fails
    if isinstance(real, Trained):
        job["x_real"] = real.metrics
        here.jobs.artefacts[name] = real.artefact
    here.training[name] = job | _outcome(job, phases, ending)
    here.tags[arn] = tags
    return here.training[name]


def describe_training_job(ask: Ask) -> dict[str, Any]:
    """As far as it has come. AWS names the key of the output even where there is none."""
    shown = {key: value for key, value in as_of(_job(ask), ask.now).items() if not key.startswith("x_")}
    return shown | {"OutputDataConfig": {"KmsKeyId": ""} | shown["OutputDataConfig"]}


def list_training_jobs(ask: Ask) -> dict[str, Any]:
    """Summaries, newest first; filtered by name, times, status and state of the warm pool."""
    pool = ask.params.get("WarmPoolStatusEquals")
    rows = [as_of(job, ask.now) for job in ask.here.training.values() if job["CreationTime"] <= ask.now]
    rows = [row for row in rows if pool is None or row.get("WarmPoolStatus", {}).get("Status") == pool]
    if "TrainingPlanArnEquals" in ask.params:
        rows = [row for row in rows if _plan(row) == ask.params["TrainingPlanArnEquals"]]
    params = {"SortOrder": "Descending"} | ask.params
    part, more = listed(rows, params, "TrainingJobName", "TrainingJobStatus")
    return {"TrainingJobSummaries": [{key: row[key] for key in SUMMARY if key in row} for row in part]} | more


def stop_training_job(ask: Ask) -> dict[str, Any]:
    """Half a minute to stop in, which is billed too where the job had begun to work."""
    job = _job(ask)
    if as_of(job, ask.now)["TrainingJobStatus"] != "InProgress":
        raise Refused(
            "ValidationException",
            "The request was rejected because the training job is in status "
            f"{as_of(job, ask.now)['TrainingJobStatus']}.",
        )
    halt(job, ask.now)
    return {}


def halt(job: dict[str, Any], at: datetime) -> None:
    """Stop a job that is in progress at that moment."""
    phases = job.get("x_phases") or _phases(job)
    until = at + timedelta(seconds=STOP_SECONDS)
    for key in ("FailureReason", "TrainingStartTime", "FinalMetricDataList"):
        job.pop(key, None)
    job |= _outcome(job, [*cut(phases, at), Phase("Stopping", at, until)], "Stopped")


def update_training_job(ask: Ask) -> dict[str, Any]:
    """The keep-alive period of a pool that stands, and the profiler's and debugger's settings."""
    job = _job(ask)
    if "ResourceConfig" in ask.params:
        if as_of(job, ask.now).get("WarmPoolStatus", {}).get("Status") not in ("Available", "InUse"):
            raise Refused("ValidationException", "The warm pool of this training job is not available.")
        job["ResourceConfig"] = job["ResourceConfig"] | ask.params["ResourceConfig"]
    for key in ("ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig"):
        if key in ask.params:
            job[key] = ask.params[key]
    return {"TrainingJobArn": job["TrainingJobArn"]}


def as_of(job: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A job as it looks at ``now``: one that has not ended yet is in progress, and does not know its end."""
    shown = dict(job)
    if now < job["TrainingEndTime"]:
        begun = [dict(item) for item in job["SecondaryStatusTransitions"] if item["StartTime"] <= now]
        shown = {key: value for key, value in job.items() if key not in (*OUTCOME, "TrainingEndTime")}
        if begun and begun[-1]["EndTime"] > now:
            del begun[-1]["EndTime"]
        status = begun[-1]["Status"] if begun and "EndTime" not in begun[-1] else "Training"
        shown |= {
            "SecondaryStatusTransitions": begun,
            "SecondaryStatus": status,
            "TrainingJobStatus": "Stopping" if status == "Stopping" else "InProgress",
            "LastModifiedTime": begun[-1]["StartTime"] if begun else job["CreationTime"],
        }
        if job.get("TrainingStartTime", now) >= now:
            shown.pop("TrainingStartTime", None)
    done = shown["TrainingJobStatus"] == "Completed"
    output = job["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    artefact = f"{output}/{job['TrainingJobName']}/output/model.tar.gz" if done else ""
    shown["ModelArtifacts"] = {"S3ModelArtifacts": artefact}
    retained = pool_span(job)
    if retained is not None:
        shown["WarmPoolStatus"] = _pool_status(job, retained, now)
    return shown


def pool_span(job: dict[str, Any]) -> tuple[datetime, datetime] | None:
    """From when to when the job's instances were kept and paid for with nothing to do."""
    keep = job.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0)
    if not keep or job["TrainingJobStatus"] != "Completed":
        return None
    end = job["TrainingEndTime"]
    until = end + timedelta(seconds=keep)
    return end, min(until, job["x_reused"][0]) if "x_reused" in job else until


def _pool_status(job: dict[str, Any], retained: tuple[datetime, datetime], now: datetime) -> dict[str, Any]:
    begin, end = retained
    if now < begin:
        return {"Status": "InUse"}
    seconds = round((min(now, end) - begin).total_seconds())
    if "x_reused" in job and now >= end:
        return {"Status": "Reused", "ResourceRetainedBillableTimeInSeconds": seconds, "ReusedByJob": job["x_reused"][1]}
    return {
        "Status": "Available" if now < end else "Terminated",
        "ResourceRetainedBillableTimeInSeconds": seconds,
    }


def _matching_pool(here: Standing, given: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    """The oldest pool that stands and fits; only a job that keeps its own instances alive takes one over."""
    wanted = given.get("ResourceConfig", {})
    if not wanted.get("KeepAlivePeriodInSeconds"):
        return None
    for job in here.training.values():
        retained = pool_span(job)
        if retained is None or "x_reused" in job or not retained[0] <= now < retained[1]:
            continue
        cluster = job["ResourceConfig"]
        same = all(cluster.get(key) == wanted.get(key) for key in POOL_MATCH)
        if same and all(job.get(key) == given.get(key) for key in POOL_MATCH_JOB):
            return job
    return None


def _outcome(job: dict[str, Any], phases: list[Phase], ending: str) -> dict[str, Any]:
    working = [phase.start for phase in phases if phase.status == "Downloading"]
    spot, end = job["EnableManagedSpotTraining"], phases[-1].end
    # A stop is billed as work once the instances had begun to work.
    paid = [item._replace(status="Training") if item.status == "Stopping" and working else item for item in phases]
    trained = any(phase.status == "Training" for phase in phases)
    if "x_real" in job:
        # Of a job that was cut short nobody knows how good its model was.
        metrics = told_metrics(job["x_real"], end) if ending == "Completed" else []
    else:
        metrics = (
            final_metrics(job, job["x_quality"], end, job["x_objective"]) if trained and "x_quality" in job else []
        )
    return {
        "x_phases": phases,
        "TrainingJobStatus": STATUS.get(ending, "Stopped"),
        "SecondaryStatus": ending,
        "SecondaryStatusTransitions": transitions(phases, ending),
        "TrainingEndTime": end,
        "LastModifiedTime": end,
        "TrainingTimeInSeconds": worked(paid),
        "BillableTimeInSeconds": billable(job["TrainingJobName"], paid, spot),
        **({"FinalMetricDataList": metrics} if metrics and ending != "Failed" else {}),
        **({"TrainingStartTime": working[0]} if working else {}),
    }


def instances(cluster: dict[str, Any]) -> Counter[str]:
    """How many instances of each type a job asks for."""
    asked: Counter[str] = Counter()
    for group in cluster.get("InstanceGroups") or [cluster]:
        asked[group["InstanceType"]] += int(group.get("InstanceCount", 1))
    return asked


def _phases(job: dict[str, Any]) -> list[Phase]:
    """Of a job that the world was made with: it has no download and no upload of its own."""
    return [
        Phase("Starting", job["CreationTime"], job["TrainingStartTime"]),
        Phase("Downloading", job["TrainingStartTime"], job["TrainingStartTime"]),
        Phase("Training", job["TrainingStartTime"], job["TrainingEndTime"]),
    ]


def refuse_wrong(given: dict[str, Any]) -> None:
    """What AWS refuses of a cluster, of spot and of warm pools together."""
    cluster, limits = given.get("ResourceConfig"), given.get("StoppingCondition", {})
    if cluster is None or "AlgorithmSpecification" not in given:
        raise Refused("ValidationException", "The request needs ResourceConfig and AlgorithmSpecification.")
    if ("InstanceGroups" in cluster) == ("InstanceType" in cluster):
        raise Refused(
            "ValidationException", "You must specify either InstanceGroups or InstanceType and InstanceCount."
        )
    wait, most = limits.get("MaxWaitTimeInSeconds"), limits.get("MaxRuntimeInSeconds", DAY_SECONDS)
    if not given.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise Refused("ValidationException", "MaxWaitTimeInSeconds is only for managed spot training.")
        return
    if wait is None or wait < most:
        raise Refused(
            "ValidationException",
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            f"MaxRuntimeInSeconds ({most}).",
        )
    if cluster.get("KeepAlivePeriodInSeconds"):
        raise Refused("ValidationException", "Managed spot training does not support KeepAlivePeriodInSeconds.")


def _plan(job: dict[str, Any]) -> str | None:
    return job.get("ResourceConfig", {}).get("TrainingPlanArn")


def _job(ask: Ask) -> dict[str, Any]:
    job = ask.here.training.get(ask.params["TrainingJobName"])
    if job is None or job["CreationTime"] > ask.now:
        raise Refused("ValidationException", "Requested resource not found.")
    return job


HANDLERS: dict[str, Handler] = {
    "CreateTrainingJob": create_training_job,
    "DescribeTrainingJob": describe_training_job,
    "ListTrainingJobs": list_training_jobs,
    "StopTrainingJob": stop_training_job,
    "UpdateTrainingJob": update_training_job,
}
MUTATING = {"CreateTrainingJob", "StopTrainingJob", "UpdateTrainingJob"}
