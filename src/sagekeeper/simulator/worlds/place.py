"""Putting things into a world as they stand: an endpoint with its model, configuration, tags and traffic, in one call;
a training job that has run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.world import Deployed, Life, Standing, Traffic

XGB = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def endpoint(
    here: Standing,
    name: str,
    instance_type: str,
    count: int,
    created: datetime,
    traffic: Traffic,
    tags: dict[str, str],
    *,
    image: str = XGB,
    variants: tuple[str, ...] = ("AllTraffic",),
    config: dict[str, Any] | None = None,
    serverless: dict[str, int] | None = None,
) -> None:
    """An endpoint in service since ``created``; ``variants`` share its traffic evenly; ``config`` adds to its
    configuration (DataCaptureConfig, AsyncInferenceConfig). With a ``serverless`` configuration it has no instances."""
    role = f"arn:aws:iam::{here.account}:role/SageMakerExecution"
    model, config_name = f"{name}-model", f"{name}-config-1"
    here.models[model] = {
        "ModelName": model,
        "ModelArn": here.arn("model", model),
        "ExecutionRoleArn": role,
        "PrimaryContainer": {
            "Image": image.replace("us-east-1", here.region),
            "Mode": "SingleModel",
            "ModelDataUrl": f"s3://ml-artefacts-{here.account}-{here.region}/{model}/model.tar.gz",
        },
        "CreationTime": created,
    }
    runs_on: dict[str, Any] = {
        "InstanceType": instance_type,
        "InitialInstanceCount": count,
        "VolumeSizeInGB": 30,
    }
    made = {
        "EndpointConfigName": config_name,
        "EndpointConfigArn": here.arn("endpoint-config", config_name),
        "ProductionVariants": [
            {
                "VariantName": variant,
                "ModelName": model,
                "InitialVariantWeight": 1.0,
            }
            | (runs_on if serverless is None else {"ServerlessConfig": serverless})
            for variant in variants
        ],
        "CreationTime": created,
    } | (config or {})
    here.configs[config_name] = made
    life = Life(
        created, [Deployed(created, config_name, made)], modified=created, settled=created + timedelta(minutes=5)
    )
    life.tags = dict(tags)
    here.lives[name] = [life]
    here.tags[here.arn("endpoint", name)] = life.tags
    here.tags[here.arn("endpoint-config", config_name)] = dict(tags)
    here.traffic[name] = traffic


def training_job(
    here: Standing,
    name: str,
    at: datetime,
    seconds: int,
    instance_type: str,
    tags: dict[str, str],
    *,
    image: str,
    count: int = 1,
    billable: int | None = None,
    spot: bool = False,
    failed: bool = False,
    interrupted_s: int = 0,
) -> None:
    """A training job asked for at a moment, that ran for so many seconds and may have waited for spot capacity."""
    start = at + timedelta(seconds=150)
    end, status = start + timedelta(seconds=seconds + interrupted_s), "Failed" if failed else "Completed"
    longest = max(3600, 3 * seconds)
    stopping = {"MaxRuntimeInSeconds": longest} | ({"MaxWaitTimeInSeconds": 2 * longest} if spot else {})
    middle = start + timedelta(seconds=seconds // 2)
    steps = [("Starting", at, start, "Preparing the instances for training")]
    if interrupted_s:
        steps.append(("Interrupted", middle, middle + timedelta(seconds=interrupted_s), "Training job interrupted"))
    steps.append((status, end, end, f"Training job {status.lower()}"))
    bucket = f"s3://ml-artefacts-{here.account}-{here.region}"
    job: dict[str, Any] = {
        "TrainingJobName": name,
        "TrainingJobArn": here.arn("training-job", name),
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution",
        "OutputDataConfig": {"S3OutputPath": f"{bucket}/models/"},
        "ResourceConfig": {"InstanceType": instance_type, "InstanceCount": count, "VolumeSizeInGB": 50},
        "StoppingCondition": stopping,
        "CreationTime": at,
        "TrainingStartTime": start,
        "TrainingEndTime": end,
        "LastModifiedTime": end,
        "SecondaryStatusTransitions": [
            dict(zip(("Status", "StartTime", "EndTime", "StatusMessage"), step, strict=True)) for step in steps
        ],
        "EnableManagedSpotTraining": spot,
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "TrainingTimeInSeconds": seconds,
        "BillableTimeInSeconds": seconds if billable is None else billable,
    }
    if spot:
        job["CheckpointConfig"] = {"S3Uri": f"{bucket}/checkpoints/"}
    if failed:
        job["FailureReason"] = "AlgorithmError: exit code 1"
    here.training[name] = job
    here.tags[job["TrainingJobArn"]] = tags


def load(
    instance_type: str,
    count: int,
    per_hour: float,
    *,
    cpu: float,
    memory: float,
    gpu: float = 0.0,
    gpu_memory: float = 0.0,
) -> Traffic:
    """Traffic of ``per_hour`` requests that keeps ``count`` machines busy to these shares (0 to 1) at the daily mean."""
    spec = PriceBook.bundled().spec(instance_type)
    if spec is None:
        raise LookupError(f"The bundled price book does not describe {instance_type}.")
    thousands = max(per_hour, 1.0) / 1000
    return Traffic(
        per_hour=per_hour,
        cpu_share_per_1000=cpu * spec.vcpu * count / thousands,
        gpu_share_per_1000=gpu * spec.gpus * count / thousands,
        memory_mib=spec.memory_mib * memory,
        gpu_memory_mib=spec.gpu_memory_mib_each * gpu_memory,
    )
