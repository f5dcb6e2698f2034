"""Which trial components there are and which trials they are in.

Every job has a trial component of its own, named after it; a job whose request has an ExperimentConfig is in that trial.
Others are made by requests. Nothing is stored for a job's component unless somebody changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np

from sagekeeper.simulator import job_lives
from sagekeeper.simulator.training_jobs import as_of
from sagekeeper.simulator.world import Standing

JOB_STATUS = {
    "InProgress": "InProgress",
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopping": "Stopping",
    "Stopped": "Stopped",
}
SOURCES = {
    "training": "SageMakerTrainingJob",
    "processing": "SageMakerProcessingJob",
    "transform": "SageMakerTransformJob",
}


def components(here: Standing, now: datetime) -> dict[str, dict[str, Any]]:
    """All that are there, by name: those of jobs, as far as the jobs have come, and those that were made."""
    book = here.flows
    found = {name: record for name, record in _of_jobs(here, now) if name not in book.components_gone}
    for name, record in book.components.items():
        found[name] = found.get(name, {}) | record
    return {name: record | _metrics(here, name, record) for name, record in found.items()}


def component(here: Standing, name: str, now: datetime) -> dict[str, Any] | None:
    """The one of that name; None when there is none."""
    return components(here, now).get(name)


def membership(here: Standing) -> dict[tuple[str, str], datetime]:
    """(trial, component) -> since when."""
    found = {}
    for name, kind, job in _jobs(here):
        config = job.get("ExperimentConfig", {})
        pair = (config.get("TrialName", ""), component_name(name, kind))
        if pair[0] and pair not in here.flows.members_gone and pair[1] not in here.flows.components_gone:
            found[pair] = job["CreationTime"]
    return found | here.flows.members


def component_name(job: str, kind: str) -> str:
    """What the component of a job is called."""
    return f"{job}-aws-{kind}-job"


def _jobs(here: Standing) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind, jobs in zip(SOURCES, (here.training, here.processing, here.jobs.transforms), strict=True):
        for name, job in jobs.items():
            yield name, kind, job


def _of_jobs(here: Standing, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    for job_name, kind, job in _jobs(here):
        if job["CreationTime"] > now:
            continue
        noun = kind.title()
        name = component_name(job_name, kind)
        shown = as_of(job, now) if kind == "training" else job_lives.as_of(job, noun, now)
        status = shown[f"{noun}JobStatus"]
        config = job.get("ExperimentConfig", {})
        record = {
            "TrialComponentName": name,
            "TrialComponentArn": here.arn("experiment-trial-component", name),
            "DisplayName": config.get("TrialComponentDisplayName", name),
            "Source": {"SourceArn": job[f"{noun}JobArn"], "SourceType": SOURCES[kind]},
            "Status": {"PrimaryStatus": JOB_STATUS.get(status, "InProgress"), "Message": f"Status: {status}"},
            "StartTime": shown.get(f"{noun}StartTime"),
            "EndTime": shown.get(f"{noun}EndTime"),
            "CreationTime": job["CreationTime"],
            "LastModifiedTime": shown.get("LastModifiedTime", job["CreationTime"]),
            "CreatedBy": {},
            "LastModifiedBy": {},
            "Parameters": _parameters(job),
            "InputArtifacts": _inputs(job),
            "OutputArtifacts": _outputs(shown),
        }
        yield name, {key: value for key, value in record.items() if value is not None}


def _parameters(job: dict[str, Any]) -> dict[str, Any]:
    cluster = job.get("ResourceConfig") or job.get("TransformResources")
    cluster = cluster or job.get("ProcessingResources", {}).get("ClusterConfig", {})
    found: dict[str, Any] = {}
    for key, value in job.get("HyperParameters", {}).items():
        found[key] = {"StringValue": str(value)}
    for name, key in (("SageMaker.InstanceCount", "InstanceCount"), ("SageMaker.VolumeSizeInGB", "VolumeSizeInGB")):
        if key in cluster:
            found[name] = {"NumberValue": float(cluster[key])}
    if "InstanceType" in cluster:
        found["SageMaker.InstanceType"] = {"StringValue": cluster["InstanceType"]}
    return found


def _inputs(job: dict[str, Any]) -> dict[str, Any]:
    image = job.get("AlgorithmSpecification", {}).get("TrainingImage") or job.get("AppSpecification", {}).get(
        "ImageUri"
    )
    found = {"SageMaker.ImageUri": {"Value": image}} if image else {}
    for channel in job.get("InputDataConfig", []):
        uri = channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri")
        if uri:
            found[channel["ChannelName"]] = {"Value": uri}
    return found


def _outputs(job: dict[str, Any]) -> dict[str, Any]:
    model = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    return {"SageMaker.ModelArtifact": {"Value": model}} if model else {}


def _metrics(here: Standing, name: str, record: dict[str, Any]) -> dict[str, Any]:
    """The summaries of what BatchPutMetrics has put."""
    put = here.flows.metrics.get(name)
    if not put:
        return {}
    arn = record.get("TrialComponentArn", here.arn("experiment-trial-component", name))
    source = record.get("Source", {}).get("SourceArn", arn)
    found = []
    for metric, rows in sorted(put.items()):
        values = np.array([row[2] for row in rows], dtype=float)
        latest = max(rows, key=lambda row: (row[0], row[1]))
        found.append(
            {
                "MetricName": metric,
                "SourceArn": source,
                "TimeStamp": latest[0],
                "Max": float(values.max()),
                "Min": float(values.min()),
                "Last": latest[2],
                "Count": len(rows),
                "Avg": float(values.mean()),
                "StdDev": float(values.std(ddof=1)) if len(rows) > 1 else 0.0,
            }
        )
    return {"Metrics": found}
