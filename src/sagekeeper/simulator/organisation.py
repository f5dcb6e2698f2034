"""Thirteen months of a small ML organisation, deterministic by seed: what `demo` and `small` worlds contain."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.charges import SAGEMAKER
from sagekeeper.simulator.commercial import usual
from sagekeeper.simulator.organisation_rows import ENDPOINTS, FAMILIES, NOTEBOOKS, SKLEARN, SMALL, tags_of_team
from sagekeeper.simulator.organisation_work import add_processing, build_features, train_family, use_notebook
from sagekeeper.simulator.world import PAYER, Deployed, Life, Traffic, World

__all__ = ["DRIFT_DAYS", "SKLEARN", "add_processing", "settle"]

DRIFT_DAYS = 12


def settle(world: World, now: datetime, seed: int, scale: str) -> None:
    """Fill an empty world."""
    world.commercial = usual(PAYER, SAGEMAKER, now)
    chance = random.Random(seed)
    history = timedelta(days=400 if scale == "demo" else 100)
    for row in ENDPOINTS:
        if scale == "demo" or row[0] in SMALL:
            _endpoint(world, row, now, min(timedelta(days=row[10]), history - timedelta(days=3)))
    for number, family in enumerate(FAMILIES):
        if scale == "demo" or number < 6:
            train_family(world, family, now, history, chance)
    for notebook in NOTEBOOKS[: 10 if scale == "demo" else 3]:
        use_notebook(world, notebook, now, history)
    for name in ("house-price-regression", "house-price-regression-eu"):
        if scale == "demo" or name in SMALL:
            _schedule(world, name, now)
    build_features(world, now, history, chance, 120 if scale == "demo" else 8)


def _endpoint(world: World, row: tuple[Any, ...], now: datetime, age: timedelta) -> None:
    name, account, region, team, env, instance_type, count, image, kind, per_hour, _, quiet = row
    here = world.at(account, region)
    created = (now - age).replace(minute=13, second=7, microsecond=0)
    model, config = f"{name}-model", f"{name}-config-1"
    image = image.replace("us-east-1", region)
    here.models[model] = {
        "ModelName": model,
        "ModelArn": here.arn("model", model),
        "ExecutionRoleArn": f"arn:aws:iam::{account}:role/SageMakerExecution",
        "PrimaryContainer": {
            "Image": image,
            "Mode": "SingleModel",
            "ModelDataUrl": f"s3://ml-artefacts-{account}-{region}/{model}/model.tar.gz",
        },
        "CreationTime": created,
    }
    variant: dict[str, Any] = {"VariantName": "AllTraffic", "ModelName": model, "InitialVariantWeight": 1.0}
    if kind == "serverless":
        variant["ServerlessConfig"] = {"MemorySizeInMB": 3072, "MaxConcurrency": 20}
    else:
        variant |= {"InstanceType": instance_type, "InitialInstanceCount": count, "VolumeSizeInGB": 30}
    made: dict[str, Any] = {
        "EndpointConfigName": config,
        "EndpointConfigArn": here.arn("endpoint-config", config),
        "ProductionVariants": [variant],
        "CreationTime": created,
    }
    if kind in ("drift", "monitored"):
        made["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 10,
            "DestinationS3Uri": f"s3://ml-monitoring-{account}-{region}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        }
    if kind == "async":
        made["AsyncInferenceConfig"] = {
            "OutputConfig": {"S3OutputPath": f"s3://ml-monitoring-{account}-{region}/async/{name}"}
        }
    here.configs[config] = made
    life = Life(created, [Deployed(created, config, made)], modified=created, settled=created + timedelta(minutes=5))
    if kind == "spend":
        event = (now - timedelta(days=9)).replace(hour=14, minute=10, second=0, microsecond=0)
        bigger = dict(
            made,
            EndpointConfigName=f"{name}-config-2",
            EndpointConfigArn=here.arn("endpoint-config", f"{name}-config-2"),
            ProductionVariants=[variant | {"InitialInstanceCount": 6}],
            CreationTime=event,
        )
        here.configs[bigger["EndpointConfigName"]] = bigger
        life.deployed.append(Deployed(event, bigger["EndpointConfigName"], bigger))
        life.modified = event
    here.lives[name] = [life]
    more = {} if env == "prod" and kind not in ("idle",) else {"cost-optimizer": "managed"}
    if kind in ("big_cpu", "big_gpu") and env == "staging":
        more = {"cost-optimizer": "managed"}
    tags = {} if name in ("hackathon-demo", "doc-classifier") else tags_of_team(team, env, **more)
    if name == "hackathon-demo":
        tags = {"cost-optimizer": "managed"}
    here.tags[here.arn("endpoint", name)] = life.tags = tags
    here.tags[here.arn("endpoint-config", config)] = dict(tags)
    here.traffic[name] = _traffic(kind, per_hour, instance_type, count, now - timedelta(days=quiet) if quiet else None)
    if kind in ("idle", "new_idle"):
        here.traffic[name].per_hour = 800.0 if kind == "idle" else 0.0


def _traffic(kind: str, per_hour: float, instance_type: str, count: int, until: datetime | None) -> Traffic:
    spec = PriceBook.bundled().spec(instance_type)
    made = Traffic(per_hour=per_hour, until=until)
    if spec is None:
        return made
    made.memory_mib = min(spec.memory_mib * 0.35, 5_000)
    busy = {"healthy": 0.42, "healthy_gpu": 0.35, "spend": 0.3, "copy": 0.08, "big_cpu": 0.09, "big_gpu": 0.12}.get(
        kind, 0.15
    )
    if per_hour:
        made.cpu_share_per_1000 = busy * spec.vcpu * count / (per_hour / 1000) / 1.6
    if spec.gpus:
        gpu_busy = {"big_gpu": 0.05, "healthy_gpu": 0.5, "spend": 0.55}.get(kind, 0.3)
        made.gpu_share_per_1000 = gpu_busy * spec.gpus * count / (max(per_hour, 1) / 1000) / 1.6
        made.gpu_memory_mib = min(spec.gpu_memory_mib_each * (0.2 if kind == "big_gpu" else 0.6), 14_000)
    return made


def _schedule(world: World, endpoint: str, now: datetime) -> None:
    row = next(item for item in ENDPOINTS if item[0] == endpoint)
    here = world.at(row[1], row[2])
    name = f"{endpoint}-data-quality"
    definition = f"{name}-definition"
    bucket = f"ml-monitoring-{row[1]}-{row[2]}"
    created = now - timedelta(days=60)
    here.job_definitions[definition] = {
        "JobDefinitionName": definition,
        "JobDefinitionArn": here.arn("data-quality-job-definition", definition),
        "CreationTime": created,
        "DataQualityBaselineConfig": {
            "ConstraintsResource": {"S3Uri": f"s3://{bucket}/baseline/{endpoint}/constraints.json"},
            "StatisticsResource": {"S3Uri": f"s3://{bucket}/baseline/{endpoint}/statistics.json"},
        },
        "DataQualityAppSpecification": {
            "ImageUri": "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
        },
        "DataQualityJobInput": {"EndpointInput": {"EndpointName": endpoint, "LocalPath": "/opt/ml/processing/input"}},
        "DataQualityJobOutputConfig": {
            "MonitoringOutputs": [
                {
                    "S3Output": {
                        "S3Uri": f"s3://{bucket}/reports",
                        "LocalPath": "/opt/ml/processing/output",
                        "S3UploadMode": "EndOfJob",
                    }
                }
            ]
        },
        "JobResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 20}},
        "RoleArn": f"arn:aws:iam::{row[1]}:role/SageMakerExecution",
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    here.schedules[name] = {
        "MonitoringScheduleName": name,
        "MonitoringScheduleArn": here.arn("monitoring-schedule", name),
        "MonitoringScheduleStatus": "Scheduled",
        "MonitoringType": "DataQuality",
        "CreationTime": created,
        "LastModifiedTime": created,
        "EndpointName": endpoint,
        "MonitoringScheduleConfig": {
            "ScheduleConfig": {"ScheduleExpression": "cron(0 5 ? * * *)"},
            "MonitoringJobDefinitionName": definition,
            "MonitoringType": "DataQuality",
        },
    }
    here.tags[here.schedules[name]["MonitoringScheduleArn"]] = tags_of_team(row[3], row[4])
