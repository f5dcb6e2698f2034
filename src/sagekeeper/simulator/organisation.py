"""Thirteen months of a small ML organisation, deterministic by seed: what `demo` and `small` worlds contain."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.charges import SAGEMAKER
from sagekeeper.simulator.commercial import usual
from sagekeeper.simulator.world import PAYER, PRODUCTS, Deployed, Life, Standing, Traffic, World

XGB = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.4.0-gpu-py311"
HF = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.1.0-transformers4.37.0-gpu-py310"
HF_TRAIN = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.1.0-transformers4.36.0-gpu-py310"
)
PT_TRAIN = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.4.0-gpu-py311"
TEAMS = {
    "risk": ("ana.ruiz@example.com", "fraud"),
    "growth": ("ben.okafor@example.com", "retention"),
    "search": ("chloe.martin@example.com", "ranking"),
    "pricing": ("deniz.kaya@example.com", "house-prices"),
    "support": ("emil.novak@example.com", "assistants"),
    "platform": ("fay.lindqvist@example.com", "shared"),
}
# name, account, region, team, env, type, count, image, kind, requests an hour, days old, days since the last request
ENDPOINTS: list[tuple[str, str, str, str, str, str, int, str, str, float, int, int | None]] = [
    ("fraud-scoring-prod", PAYER, "us-east-1", "risk", "prod", "ml.c5.2xlarge", 3, XGB, "healthy", 90_000, 390, None),
    ("fraud-scoring-challenger", PAYER, "us-east-1", "risk", "staging", "ml.c5.2xlarge", 1, XGB, "idle", 0, 160, 33),
    (
        "fraud-graph-embedding",
        PAYER,
        "us-east-1",
        "risk",
        "prod",
        "ml.g5.2xlarge",
        2,
        PYTORCH,
        "spend",
        22_000,
        280,
        None,
    ),
    ("aml-alerts", PAYER, "eu-west-1", "risk", "prod", "ml.m5.xlarge", 2, XGB, "healthy", 30_000, 350, None),
    ("aml-alerts-poc", PAYER, "eu-west-1", "risk", "dev", "ml.m5.2xlarge", 1, XGB, "idle", 0, 210, 74),
    ("churn-xgb", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.xlarge", 2, XGB, "healthy", 24_000, 380, None),
    ("churn-xgb-emea", PRODUCTS, "eu-west-1", "growth", "prod", "ml.m5.xlarge", 1, XGB, "copy", 900, 300, None),
    ("uplift-email", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.large", 1, SKLEARN, "copy", 500, 260, None),
    ("uplift-push", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.large", 1, SKLEARN, "copy", 420, 255, None),
    ("uplift-sms", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.large", 1, SKLEARN, "copy", 300, 250, None),
    ("ltv-tenant-a", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.large", 1, SKLEARN, "copy", 350, 330, None),
    ("ltv-tenant-b", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.large", 1, SKLEARN, "copy", 280, 330, None),
    ("ltv-tenant-c", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.large", 1, SKLEARN, "copy", 260, 329, None),
    ("ltv-tenant-d", PRODUCTS, "us-east-1", "growth", "prod", "ml.m5.large", 1, SKLEARN, "copy", 190, 328, None),
    (
        "next-best-offer",
        PRODUCTS,
        "us-east-1",
        "growth",
        "prod",
        "ml.m5.4xlarge",
        2,
        SKLEARN,
        "big_cpu",
        9_000,
        290,
        None,
    ),
    ("search-ranker", PRODUCTS, "us-east-1", "search", "prod", "ml.c5.2xlarge", 3, XGB, "healthy", 80_000, 395, None),
    (
        "search-embedder",
        PRODUCTS,
        "us-east-1",
        "search",
        "prod",
        "ml.g5.xlarge",
        2,
        HF,
        "healthy_gpu",
        30_000,
        270,
        None,
    ),
    ("query-intent-bert", PRODUCTS, "us-east-1", "search", "prod", "ml.g5.4xlarge", 1, HF, "big_gpu", 5_000, 240, None),
    (
        "image-similarity",
        PRODUCTS,
        "eu-west-1",
        "search",
        "prod",
        "ml.g4dn.2xlarge",
        1,
        PYTORCH,
        "big_gpu",
        2_500,
        220,
        None,
    ),
    ("image-similarity-v1", PRODUCTS, "eu-west-1", "search", "dev", "ml.g4dn.xlarge", 1, PYTORCH, "idle", 0, 330, 121),
    ("autocomplete-lab", PRODUCTS, "us-east-1", "search", "dev", "ml.g5.xlarge", 1, HF, "idle", 0, 120, 45),
    ("house-price-regression", PAYER, "us-east-1", "pricing", "prod", "ml.m5.large", 1, XGB, "drift", 3_000, 320, None),
    (
        "house-price-regression-eu",
        PAYER,
        "eu-west-1",
        "pricing",
        "prod",
        "ml.m5.large",
        1,
        XGB,
        "monitored",
        1_800,
        310,
        None,
    ),
    (
        "rent-estimator",
        PAYER,
        "us-east-1",
        "pricing",
        "staging",
        "ml.m5.2xlarge",
        1,
        SKLEARN,
        "big_cpu",
        2_000,
        190,
        None,
    ),
    (
        "price-elasticity",
        PAYER,
        "us-east-1",
        "pricing",
        "prod",
        "ml.m5.4xlarge",
        1,
        SKLEARN,
        "big_cpu",
        4_000,
        230,
        None,
    ),
    (
        "demand-forecast",
        PAYER,
        "us-east-1",
        "pricing",
        "prod",
        "ml.m5.xlarge",
        1,
        SKLEARN,
        "healthy",
        12_000,
        300,
        None,
    ),
    ("sentiment-bert", PAYER, "us-east-1", "support", "prod", "ml.g5.2xlarge", 1, HF, "big_gpu", 4_000, 250, None),
    ("ticket-router", PAYER, "us-east-1", "support", "prod", "ml.m5.xlarge", 2, SKLEARN, "healthy", 20_000, 310, None),
    ("ticket-summariser", PAYER, "us-east-1", "support", "staging", "ml.g5.4xlarge", 1, HF, "big_gpu", 900, 150, None),
    ("speech-to-text", PAYER, "us-east-1", "support", "prod", "ml.g5.xlarge", 1, PYTORCH, "async", 600, 200, None),
    ("faq-matcher", PAYER, "eu-west-1", "support", "prod", "ml.m5.large", 1, SKLEARN, "healthy", 6_000, 300, None),
    (
        "toxicity-filter",
        PAYER,
        "eu-west-1",
        "support",
        "prod",
        "ml.c5.xlarge",
        2,
        SKLEARN,
        "healthy",
        22_000,
        280,
        None,
    ),
    ("hackathon-demo", PAYER, "us-east-1", "platform", "dev", "ml.m5.xlarge", 1, SKLEARN, "idle", 0, 95, 92),
    (
        "doc-classifier",
        PAYER,
        "us-east-1",
        "platform",
        "prod",
        "ml.m5.xlarge",
        1,
        SKLEARN,
        "healthy",
        11_000,
        260,
        None,
    ),
    ("pii-detector", PAYER, "us-east-1", "platform", "prod", "ml.c5.xlarge", 2, SKLEARN, "healthy", 25_000, 240, None),
    ("feature-lookup", PAYER, "us-east-1", "platform", "prod", "ml.c5.xlarge", 2, XGB, "healthy", 40_000, 365, None),
    (
        "receipt-ocr",
        PRODUCTS,
        "us-east-1",
        "platform",
        "prod",
        "ml.g4dn.xlarge",
        1,
        PYTORCH,
        "healthy_gpu",
        9_000,
        210,
        None,
    ),
    ("thumbnail-scorer", PRODUCTS, "us-east-1", "search", "prod", "", 0, SKLEARN, "serverless", 700, 180, None),
    ("ranker-canary", PRODUCTS, "us-east-1", "search", "staging", "ml.c5.2xlarge", 1, XGB, "healthy", 4_000, 2, None),
    ("voice-intent-test", PRODUCTS, "eu-west-1", "support", "dev", "ml.m5.xlarge", 1, SKLEARN, "new_idle", 0, 3, 3),
]
SMALL = (
    "fraud-scoring-prod",
    "fraud-scoring-challenger",
    "house-price-regression",
    "sentiment-bert",
    "price-elasticity",
    "churn-xgb",
    "speech-to-text",
    "thumbnail-scorer",
    "hackathon-demo",
    "voice-intent-test",
)
# prefix, account, team, type, count, minutes, every n hours, spot, checkpoint, image
FAMILIES: list[tuple[str, str, str, str, int, float, float, bool, bool, str]] = [
    ("fraud-xgb-train", PAYER, "risk", "ml.m5.4xlarge", 1, 55, 168, False, True, XGB),
    ("fraud-graph-train", PAYER, "risk", "ml.g5.12xlarge", 1, 190, 168, True, True, PT_TRAIN),
    ("churn-weekly", PRODUCTS, "growth", "ml.m5.2xlarge", 1, 42, 168, False, True, XGB),
    ("uplift-hpo", PRODUCTS, "growth", "ml.c5.2xlarge", 1, 18, 120, True, True, XGB),
    ("ranker-nightly", PRODUCTS, "search", "ml.c5.2xlarge", 2, 75, 96, False, True, XGB),
    ("embedder-finetune", PRODUCTS, "search", "ml.g5.12xlarge", 1, 260, 336, False, True, HF_TRAIN),
    ("intent-bert-finetune", PRODUCTS, "search", "ml.g5.2xlarge", 1, 130, 168, True, True, HF_TRAIN),
    ("house-price-train", PAYER, "pricing", "ml.m5.xlarge", 1, 20, 168, False, True, XGB),
    ("demand-forecast-train", PAYER, "pricing", "ml.m5.4xlarge", 1, 95, 168, False, True, SKLEARN),
    ("sentiment-finetune", PAYER, "support", "ml.g5.2xlarge", 1, 150, 168, False, True, HF_TRAIN),
    ("router-retrain", PAYER, "support", "ml.m5.2xlarge", 1, 25, 168, True, True, SKLEARN),
    ("ocr-train", PRODUCTS, "platform", "ml.g5.4xlarge", 1, 210, 336, True, True, PT_TRAIN),
]
# name, account, region, team, type, always on
NOTEBOOKS: list[tuple[str, str, str, str, str, str]] = [
    ("ana-exploration", PAYER, "us-east-1", "risk", "ml.t3.medium", "office"),
    ("ben-notebook", PRODUCTS, "us-east-1", "growth", "ml.m5.xlarge", "office"),
    ("chloe-gpu-lab", PRODUCTS, "us-east-1", "search", "ml.g4dn.xlarge", "always"),
    ("deniz-pricing", PAYER, "us-east-1", "pricing", "ml.m5.xlarge", "always"),
    ("emil-scratch", PAYER, "eu-west-1", "support", "ml.t3.medium", "office"),
    ("fay-platform", PAYER, "us-east-1", "platform", "ml.t3.medium", "always"),
    ("intern-2026", PRODUCTS, "us-east-1", "growth", "ml.m5.2xlarge", "stopped"),
    ("vision-lab", PRODUCTS, "eu-west-1", "search", "ml.g4dn.xlarge", "stopped"),
    ("audit-archive", PAYER, "us-east-1", "platform", "ml.t3.medium", "stopped"),
    ("ranking-study", PRODUCTS, "us-east-1", "search", "ml.m5.xlarge", "office"),
]
DRIFT_DAYS = 12
FUTURE = timedelta(days=120)
"""How far beyond the anchor people have plans: what lies in the future shows itself when the clock gets there."""


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
            _family(world, family, now, history, chance)
    for notebook in NOTEBOOKS[: 10 if scale == "demo" else 3]:
        _notebook(world, notebook, now, history)
    for name in ("house-price-regression", "house-price-regression-eu"):
        if scale == "demo" or name in SMALL:
            _schedule(world, name, now)
    _other_processing(world, now, history, chance, 120 if scale == "demo" else 8)


def _tags(team: str, env: str, **more: str) -> dict[str, str]:
    owner, project = TEAMS[team]
    return {"owner": owner, "team": team, "project": project, "env": env} | more


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
    tags = {} if name in ("hackathon-demo", "doc-classifier") else _tags(team, env, **more)
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


def _family(world: World, family: tuple[Any, ...], now: datetime, history: timedelta, chance: random.Random) -> None:
    prefix, account, team, instance_type, count, minutes, every, spot, checkpoint, image = family
    here = world.at(account, "us-east-1")
    at = now - history + timedelta(hours=chance.uniform(1, every))
    while at < now + FUTURE:
        run = int(minutes * 60 * chance.lognormvariate(0, 0.18))
        fate = chance.random()
        failed = fate < 0.05
        if failed:
            run = int(run * chance.uniform(0.1, 0.8))
        if now - timedelta(days=20) < at < now - timedelta(days=19) and prefix == "embedder-finetune":
            run *= 5
        billable = int(run * (1 - chance.uniform(0.55, 0.72))) if spot else run
        interrupted = spot and chance.random() < 0.12
        start = (at + timedelta(seconds=chance.randint(90, 240))).replace(microsecond=0)
        wait = chance.randint(200, 1500) if interrupted else 0
        end = start + timedelta(seconds=run + wait)
        name = f"{prefix}-{at:%Y-%m-%d-%H-%M-%S}-{chance.randint(0, 999):03d}"
        stopping = {"MaxRuntimeInSeconds": max(3600, int(minutes * 60 * 3))}
        if spot:
            stopping["MaxWaitTimeInSeconds"] = stopping["MaxRuntimeInSeconds"] * 2
        transitions = [
            {
                "Status": "Starting",
                "StartTime": at,
                "EndTime": start,
                "StatusMessage": "Preparing the instances for training",
            }
        ]
        if interrupted:
            transitions.append(
                {
                    "Status": "Interrupted",
                    "StartTime": start + timedelta(seconds=run // 2),
                    "EndTime": start + timedelta(seconds=run // 2 + wait),
                    "StatusMessage": "Training job interrupted",
                }
            )
        transitions.append(
            {
                "Status": "Failed" if failed else "Completed",
                "StartTime": end,
                "EndTime": end,
                "StatusMessage": "Training job failed" if failed else "Training job completed",
            }
        )
        job: dict[str, Any] = {
            "TrainingJobName": name,
            "TrainingJobArn": here.arn("training-job", name),
            "TrainingJobStatus": "Failed" if failed else "Completed",
            "SecondaryStatus": "Failed" if failed else "Completed",
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "RoleArn": f"arn:aws:iam::{account}:role/SageMakerExecution",
            "OutputDataConfig": {"S3OutputPath": f"s3://ml-artefacts-{account}-us-east-1/{prefix}/"},
            "ResourceConfig": {"InstanceType": instance_type, "InstanceCount": count, "VolumeSizeInGB": 50},
            "StoppingCondition": stopping,
            "CreationTime": at.replace(microsecond=0),
            "TrainingStartTime": start,
            "TrainingEndTime": end,
            "LastModifiedTime": end,
            "SecondaryStatusTransitions": transitions,
            "EnableManagedSpotTraining": spot,
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            "TrainingTimeInSeconds": run,
            "BillableTimeInSeconds": billable,
        }
        if checkpoint:
            job["CheckpointConfig"] = {"S3Uri": f"s3://ml-artefacts-{account}-us-east-1/checkpoints/{prefix}/"}
        if failed:
            job["FailureReason"] = chance.choice(
                [
                    "AlgorithmError: exit code 1",
                    "CapacityError: unable to provision requested ML compute capacity",
                    "ClientError: data download failed",
                ]
            )
        here.training[name] = job
        here.tags[job["TrainingJobArn"]] = _tags(team, "prod")
        at += timedelta(hours=every * chance.uniform(0.85, 1.15))


def _notebook(world: World, row: tuple[str, ...], now: datetime, history: timedelta) -> None:
    name, account, region, team, instance_type, habit = row
    here = world.at(account, region)
    created = now - history * 0.7
    arn = here.arn("notebook-instance", name)
    runs: list[tuple[datetime, datetime | None]] = []
    if habit == "always":
        runs.append((created, None))
    else:
        day = created.replace(hour=7, minute=30, second=0, microsecond=0)
        last = now - timedelta(days=40) if habit == "stopped" else now + FUTURE
        while day < last:
            if day.weekday() < 5:
                off = day + timedelta(hours=10)
                runs.append((day, off))
            day += timedelta(days=1)
    here.notebook_runs[name] = runs
    here.notebooks[name] = {
        "NotebookInstanceName": name,
        "NotebookInstanceArn": arn,
        "InstanceType": instance_type,
        "RoleArn": f"arn:aws:iam::{account}:role/SageMakerExecution",
        "VolumeSizeInGB": 50,
        "CreationTime": created,
    }
    here.tags[arn] = _tags(team, "dev")


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
    here.tags[here.schedules[name]["MonitoringScheduleArn"]] = _tags(row[3], row[4])


def _other_processing(world: World, now: datetime, history: timedelta, chance: random.Random, count: int) -> None:
    for number in range(count):
        account = chance.choice([PAYER, PRODUCTS])
        here = world.at(account, "us-east-1")
        start = (now + FUTURE - (history + FUTURE) * chance.random()).replace(microsecond=0)
        add_processing(
            here,
            f"features-build-{start:%Y-%m-%d-%H-%M-%S}-{number:03d}",
            start,
            int(chance.uniform(6, 50) * 60),
            "ml.m5.xlarge",
            None,
            _tags("platform", "prod"),
        )


def add_processing(
    here: Standing,
    name: str,
    start: datetime,
    seconds: int,
    instance_type: str,
    schedule_arn: str | None,
    tags: dict[str, str],
) -> dict[str, Any]:
    """Put a finished processing job into the account."""
    arn = here.arn("processing-job", name)
    job: dict[str, Any] = {
        "ProcessingJobName": name,
        "ProcessingJobArn": arn,
        "ProcessingJobStatus": "Completed",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": instance_type, "VolumeSizeInGB": 20}
        },
        "AppSpecification": {"ImageUri": SKLEARN},
        "RoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution",
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "CreationTime": start - timedelta(seconds=150),
        "ProcessingStartTime": start,
        "ProcessingEndTime": start + timedelta(seconds=seconds),
        "LastModifiedTime": start + timedelta(seconds=seconds),
    }
    if schedule_arn:
        job["MonitoringScheduleArn"] = schedule_arn
    here.processing[name] = job
    here.tags[arn] = tags
    return job
