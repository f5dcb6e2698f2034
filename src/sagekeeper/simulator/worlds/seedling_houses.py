"""House prices of the seedling world: a pipeline that has really trained seven models, the endpoint that serves them in turn.

In: houses in an order drawn by seed. Out: in the account, a pipeline (prepare, train, evaluate, condition, register) with its
executions and jobs, models in S3 and in the registry, two endpoints. Each run had more of the houses than the one before; the
fifth of them that nobody trains on tells the metrics. A run whose error is above `MAX_RMSE` was not registered.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator import boosted_trees
from sagekeeper.simulator.boosted_trees import Trained
from sagekeeper.simulator.flow_book import Execution, Pipeline, StepRun, Version
from sagekeeper.simulator.organisation import SKLEARN, add_processing
from sagekeeper.simulator.pipeline_run import FAILED
from sagekeeper.simulator.real_training import told_metrics
from sagekeeper.simulator.things import token
from sagekeeper.simulator.world import Deployed, Life, Standing, Stored, Traffic, World
from sagekeeper.simulator.worlds.place import load, training_job
from sagekeeper.simulator.worlds.seedling_pipeline import (
    EVALUATE,
    GROUP,
    IMAGE,
    MAX_RMSE,
    PIPELINE,
    PREPARE,
    TOO_FAR_OFF,
    bucket,
    definition,
    evaluation,
    split,
    table,
)

SERVING, CANDIDATE = "house-price-xgboost", "house-price-candidate"
MACHINE, TRAINS_ON = "ml.m5.large", "ml.m5.xlarge"
USUAL = {"objective": "reg:squarederror", "num_round": "100", "max_depth": "6", "eta": "0.15", "max_bin": "64"}
DEEPER = USUAL | {"max_depth": "8", "eta": "0.1"}
PREPARING, TRAINING, LONGER, EVALUATING = 290, 260, 150, 190
"""Seconds; training on all houses takes ``LONGER`` more."""
BETWEEN, REGISTERING = timedelta(seconds=150), timedelta(seconds=3)


class Run(NamedTuple):
    """One execution: how many days ago, with which share of the houses, told what, and whether a person approved of it."""

    days_ago: int
    share: float
    settings: dict[str, str]
    approval: str = "Approved"


RUNS = (
    Run(88, 0.006, USUAL),
    Run(74, 0.25, USUAL),
    Run(60, 0.4, USUAL),
    Run(46, 0.6, USUAL),
    Run(32, 0.8, USUAL),
    Run(18, 1.0, USUAL),
    Run(4, 1.0, DEEPER, "PendingManualApproval"),
)


class Made(NamedTuple):
    """What came of a run: its model's job and address, how good it is, and when it was registered (None: it was not)."""

    run: Run
    job: str
    uri: str
    trained: Trained
    registered: datetime | None


def add_houses(world: World, here: Standing, houses: pl.DataFrame, tags: dict[str, str], now: datetime) -> list[Made]:
    """Everything but the monitors. Raises BadInput for houses that no run can tell the price of."""
    place, first = bucket(here), now - timedelta(days=90)
    world.stored.append(Stored(here.account, here.region, place, "raw/houses.csv", table(houses), first))
    pipeline = _pipeline(here, tags, first)
    made = [_run(world, here, pipeline, run, houses, now - timedelta(days=run.days_ago)) for run in RUNS]
    good = [item for item in made if item.registered is not None and item.run.approval == "Approved"]
    if not good:
        raise BadInput(f"No model tells the prices of these houses to within {MAX_RMSE:g} x 100,000 dollars.")
    capture = {
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 10,
            "DestinationS3Uri": f"s3://ml-monitoring-{here.account}-{here.region}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        }
    }
    traffic = load(MACHINE, 2, 6_000, cpu=0.35, memory=0.4)
    _serve(here, SERVING, 2, good, traffic, tags | {"env": "prod"}, capture)
    newest = [item for item in made if item.registered is not None][-1:]
    _serve(here, CANDIDATE, 1, newest, load(MACHINE, 1, 150, cpu=0.02, memory=0.3), tags | {"env": "staging"}, {})
    return made


def _pipeline(here: Standing, tags: dict[str, str], created: datetime) -> Pipeline:
    arn, group = here.arn("pipeline", PIPELINE), here.arn("model-package-group", GROUP)
    about = {"PipelineDisplayName": PIPELINE, "RoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution"}
    version = Version(1, definition(here, TRAINS_ON, USUAL), created, "Version 1")
    pipeline = here.flows.pipelines[PIPELINE] = Pipeline(PIPELINE, arn, created, created, about, [version])
    here.flows.groups[GROUP] = {
        "ModelPackageGroupName": GROUP,
        "ModelPackageGroupArn": group,
        "CreationTime": created,
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
        "x_versions": 0,
    }
    here.tags[arn], here.tags[group] = dict(tags), dict(tags)
    return pipeline


def _run(world: World, here: Standing, pipeline: Pipeline, run: Run, houses: pl.DataFrame, begun: datetime) -> Made:
    key, day, tags = token(here.account, PIPELINE, str(run)), f"{begun:%Y-%m-%d-%H-%M-%S}", here.tags[pipeline.arn]
    known, held_out = split(houses, run.share)
    train, validation = table(known), table(held_out)
    trained = boosted_trees.trained(train, validation, run.settings)
    folder = f"runs/{key}"
    arn = f"{pipeline.arn}/execution/{key}"
    parameters = {"MaxRmse": MAX_RMSE, "Share": str(run.share), "Rounds": run.settings["num_round"]}
    given = [{"Name": name, "Value": str(value)} for name, value in parameters.items()]
    about = {"PipelineExecutionDisplayName": f"execution-{int(begun.timestamp() * 1000)}"}
    execution = Execution(arn, key, pipeline, pipeline.versions[0], begun, begun, parameters, about, given, begun)

    def keep(name: str, data: bytes, at: datetime) -> None:
        world.stored.append(Stored(here.account, here.region, bucket(here), f"{folder}/{name}", data, at))

    def step(name: str, begins: datetime, ends: datetime, metadata: dict[str, Any], failure: str = "") -> datetime:
        status = "Failed" if failure else "Succeeded"
        execution.steps[name] = StepRun(
            name, begins, status, attempts=1, ended=ends, metadata=metadata, failure=failure
        )
        return ends

    at = begun
    job = _processing(here, PREPARE, f"house-price-prepare-{day}", at + BETWEEN, PREPARING, folder, tags)
    at = step("Prepare", at, job["ProcessingEndTime"], {"ProcessingJob": {"Arn": job["ProcessingJobArn"]}})
    keep("train/train.csv", train, at)
    keep("validation/validation.csv", validation, at)
    name = f"house-price-train-{day}"
    uri = _training(here, name, at, run, trained, folder, tags)
    begins, at = at, here.training[name]["TrainingEndTime"]
    key_of = uri.removeprefix(f"s3://{bucket(here)}/")
    world.stored.append(Stored(here.account, here.region, bucket(here), key_of, trained.artefact, at))
    step("Train", begins, at, {"TrainingJob": {"Arn": here.training[name]["TrainingJobArn"]}})
    job = _processing(here, EVALUATE, f"house-price-evaluate-{day}", at + BETWEEN, EVALUATING, folder, tags)
    at = step("Evaluate", at, job["ProcessingEndTime"], {"ProcessingJob": {"Arn": job["ProcessingJobArn"]}})
    report = evaluation(trained.artefact, validation)
    keep("evaluation/evaluation.json", json.dumps(report).encode(), at)
    good = report["regression_metrics"]["rmse"]["value"] <= MAX_RMSE
    outcome = {"Condition": {"Outcome": str(good)}}
    at = step("CheckRmse", at, at + REGISTERING, outcome)
    if good:
        package = _registered(here, run, uri, report, at)
        at = step("Register", at, at + REGISTERING, {"RegisterModel": {"Arn": package}})
    else:
        execution.steps["CheckRmse"].outcome = False
        step("TooFarOff", at, at, {"Fail": {"ErrorMessage": TOO_FAR_OFF}}, TOO_FAR_OFF)
    execution.status, execution.failure = ("Succeeded", "") if good else ("Failed", FAILED)
    execution.modified = execution.at = at
    here.flows.executions[arn] = execution
    pipeline.last_run, pipeline.versions[0].last_execution = begun, arn
    return Made(run, name, uri, trained, at if good else None)


def _training(
    here: Standing, name: str, at: datetime, run: Run, trained: Trained, folder: str, tags: dict[str, str]
) -> str:
    """The job that trained the model; the address of its model.tar.gz."""
    seconds = TRAINING + round(LONGER * run.share)
    training_job(here, name, at, seconds, TRAINS_ON, dict(tags), image=IMAGE)
    job, place = here.training[name], f"s3://{bucket(here)}"
    job["OutputDataConfig"] = {"S3OutputPath": f"{place}/models/"}
    job["HyperParameters"] = dict(run.settings)
    job["InputDataConfig"] = [
        {
            "ChannelName": channel,
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"{place}/{folder}/{channel}",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for channel in ("train", "validation")
    ]
    job["FinalMetricDataList"] = told_metrics(trained.metrics, job["TrainingEndTime"])
    return f"{place}/models/{name}/output/model.tar.gz"


def _processing(
    here: Standing, program: str, name: str, start: datetime, seconds: int, folder: str, tags: dict[str, str]
) -> dict[str, Any]:
    job, place = add_processing(here, name, start, seconds, MACHINE, None, dict(tags)), f"s3://{bucket(here)}"
    job["AppSpecification"] = {"ImageUri": SKLEARN, "ContainerEntrypoint": ["python3", program]}
    outputs = ("train", "validation") if program == PREPARE else ("evaluation",)
    job["ProcessingOutputConfig"] = {
        "Outputs": [
            {
                "OutputName": output,
                "S3Output": {
                    "S3Uri": f"{place}/{folder}/{output}",
                    "LocalPath": f"/opt/ml/processing/{output}",
                    "S3UploadMode": "EndOfJob",
                },
            }
            for output in outputs
        ]
    }
    return job


def _registered(here: Standing, run: Run, uri: str, report: dict[str, Any], at: datetime) -> str:
    group = here.flows.groups[GROUP]
    group["x_versions"] += 1
    arn = here.arn("model-package", f"{GROUP}/{group['x_versions']}")
    here.flows.packages[arn] = {
        "ModelPackageName": GROUP,
        "ModelPackageGroupName": GROUP,
        "ModelPackageVersion": group["x_versions"],
        "ModelPackageArn": arn,
        "ModelPackageDescription": f"rmse {report['regression_metrics']['rmse']['value']:.4f} on houses held out",
        "ModelApprovalStatus": run.approval,
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": uri}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "CreationTime": at,
        "CreatedBy": {},
        "x_ready": at,
    }
    return arn


def _serve(
    here: Standing,
    name: str,
    count: int,
    versions: list[Made],
    traffic: Traffic,
    tags: dict[str, str],
    config: dict[str, Any],
) -> None:
    """An endpoint that was given each of these models in turn, an hour after it was registered."""
    deployed = []
    for number, item in enumerate(versions, start=1):
        at, called = _deployed_at(item), f"{name}-v{number}"
        here.models[called] = {
            "ModelName": called,
            "ModelArn": here.arn("model", called),
            "ExecutionRoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution",
            "PrimaryContainer": {"Image": IMAGE, "Mode": "SingleModel", "ModelDataUrl": item.uri},
            "CreationTime": at,
        }
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": called,
            "InitialVariantWeight": 1.0,
            "InstanceType": MACHINE,
            "InitialInstanceCount": count,
            "VolumeSizeInGB": 30,
        }
        here.configs[called] = {
            "EndpointConfigName": called,
            "EndpointConfigArn": here.arn("endpoint-config", called),
            "ProductionVariants": [variant],
            "CreationTime": at,
        } | config
        deployed.append(Deployed(at, called, here.configs[called]))
        for kind in ("model", "endpoint-config"):
            here.tags[here.arn(kind, called)] = dict(tags)
    created = deployed[0].at
    life = Life(created, deployed, modified=deployed[-1].at, settled=created + timedelta(minutes=5), tags=dict(tags))
    here.lives[name], here.traffic[name] = [life], traffic
    here.tags[here.arn("endpoint", name)] = life.tags


def _deployed_at(item: Made) -> datetime:
    if item.registered is None:
        raise ValueError(f"{item.job} was not registered")
    return (item.registered + timedelta(hours=1)).replace(microsecond=0)
