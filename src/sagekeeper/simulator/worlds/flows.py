"""Pipelines of the small organisation: two families of training jobs that were run by pipelines for the last weeks.

In: a settled world. Out: a pipeline per family with an execution per recent job, an experiment with a trial each, and the
models that were registered. No job is added, so the bill is the same with and without.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.flow_book import Execution, Pipeline, StepRun, Version
from sagekeeper.simulator.pipeline_run import FAILED
from sagekeeper.simulator.things import token
from sagekeeper.simulator.trial_book import component_name
from sagekeeper.simulator.world import PAYER, Standing, World

FAMILIES = {"fraud-xgb-train": "fraud-retraining", "house-price-train": "house-price-retraining"}
"""The prefix of the jobs -> the name of the pipeline that runs them."""
EXECUTIONS = 8
REGISTERING = timedelta(seconds=3)
MODEL = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}


def add_flows(world: World, now: datetime) -> None:
    """Put the pipelines in front of the jobs that are there."""
    here = world.at(PAYER, "us-east-1")
    for prefix, name in FAMILIES.items():
        jobs = [job for key, job in here.training.items() if key.startswith(prefix) and job["TrainingEndTime"] <= now]
        jobs.sort(key=lambda job: str(job["CreationTime"]))
        if jobs:
            _flow(here, name, jobs[-EXECUTIONS:])


def _flow(here: Standing, name: str, jobs: list[dict[str, Any]]) -> None:
    created, book = jobs[0]["CreationTime"] - timedelta(days=1), here.flows
    tags = here.tags.get(jobs[0]["TrainingJobArn"], {})
    version = Version(1, _definition(name, jobs[-1]), created, "Version 1")
    arn = here.arn("pipeline", name)
    about = {"PipelineDisplayName": name, "RoleArn": jobs[-1]["RoleArn"]}
    pipeline = Pipeline(name, arn, created, created, about, [version])
    book.pipelines[name] = pipeline
    group = here.arn("model-package-group", name)
    book.groups[name] = {
        "ModelPackageGroupName": name,
        "ModelPackageGroupArn": group,
        "CreationTime": created,
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
        "x_versions": 0,
    }
    experiment = here.arn("experiment", name)
    book.experiments[name] = {"ExperimentName": name, "ExperimentArn": experiment, "DisplayName": name} | _made(created)
    book.experiments[name]["Source"] = {"SourceArn": arn, "SourceType": "SageMakerPipeline"}
    for resource in (arn, group, experiment):
        here.tags[resource] = dict(tags)
    for job in jobs:
        _execution(here, pipeline, job)


def _execution(here: Standing, pipeline: Pipeline, job: dict[str, Any]) -> None:
    begun, end, book = job["CreationTime"], job["TrainingEndTime"], here.flows
    key = token(here.account, pipeline.name, job["TrainingJobName"])
    arn = f"{pipeline.arn}/execution/{key}"
    done = job["TrainingJobStatus"] == "Completed"
    train = StepRun("Train", begun, "Succeeded" if done else "Failed", attempts=1, ended=end)
    train.metadata = {"TrainingJob": {"Arn": job["TrainingJobArn"]}}
    train.failure = job.get("FailureReason", "")
    trial = {"ExperimentName": pipeline.name, "TrialName": key}
    about = {
        "PipelineExecutionDisplayName": f"execution-{int(begun.timestamp() * 1000)}",
        "PipelineExperimentConfig": trial,
    }
    execution = Execution(arn, key, pipeline, pipeline.versions[0], begun, end, {}, about, [], end)
    execution.steps["Train"] = train
    execution.status, execution.failure = ("Succeeded", "") if done else ("Failed", FAILED)
    if done:
        execution.modified = execution.at = end + REGISTERING
        register = StepRun("Register", end, "Succeeded", attempts=1, ended=execution.modified)
        register.metadata = {"RegisterModel": {"Arn": _registered(here, pipeline.name, job, execution.modified)}}
        execution.steps["Register"] = register
    book.executions[arn] = execution
    pipeline.last_run, pipeline.versions[0].last_execution = begun, arn
    source = {"SourceArn": arn, "SourceType": "SageMakerPipelineExecution"}
    names = {"TrialName": key, "TrialArn": here.arn("experiment-trial", key), "DisplayName": key, "Source": source}
    book.trials[key] = names | {"ExperimentName": pipeline.name} | _made(begun)
    book.members[key, component_name(job["TrainingJobName"], "training")] = begun


def _registered(here: Standing, name: str, job: dict[str, Any], at: datetime) -> str:
    group = here.flows.groups[name]
    group["x_versions"] += 1
    arn = here.arn("model-package", f"{name}/{group['x_versions']}")
    output = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output/model.tar.gz"
    here.flows.packages[arn] = {
        "ModelPackageName": name,
        "ModelPackageGroupName": name,
        "ModelPackageVersion": group["x_versions"],
        "ModelPackageArn": arn,
        "ModelApprovalStatus": "Approved",
        "InferenceSpecification": _inference(job, output),
        "CreationTime": at,
        "CreatedBy": {},
        "x_ready": at,
    }
    return arn


def _definition(name: str, job: dict[str, Any]) -> str:
    keys = ("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "StoppingCondition", "RoleArn")
    arguments = {key: job[key] for key in keys}
    for key in ("CheckpointConfig", "EnableManagedSpotTraining"):
        if job.get(key):
            arguments[key] = job[key]
    register = {"ModelPackageGroupName": name, "InferenceSpecification": _inference(job, MODEL)}
    return json.dumps(
        {
            "Version": "2020-12-01",
            "Metadata": {},
            "Parameters": [],
            "PipelineExperimentConfig": {
                "ExperimentName": {"Get": "Execution.PipelineName"},
                "TrialName": {"Get": "Execution.PipelineExecutionId"},
            },
            "Steps": [
                {"Name": "Train", "Type": "Training", "Arguments": arguments},
                {
                    "Name": "Register",
                    "Type": "RegisterModel",
                    "Arguments": register | {"ModelApprovalStatus": "Approved"},
                },
            ],
        }
    )


def _inference(job: dict[str, Any], data: Any) -> dict[str, Any]:
    return {
        "Containers": [{"Image": job["AlgorithmSpecification"]["TrainingImage"], "ModelDataUrl": data}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }


def _made(at: datetime) -> dict[str, Any]:
    return {"CreationTime": at, "LastModifiedTime": at, "CreatedBy": {}, "LastModifiedBy": {}}
