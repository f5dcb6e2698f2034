"""The pipeline of the house-price model: its definition, and what its two programs do when it is run again.

`PREPARE` splits the houses into those that are trained on and the fifth that is held out; `EVALUATE` asks the model that was
trained for the prices of the latter. Both are the world's own programs: they really read and write the account's S3.
"""

from __future__ import annotations

import io
import json
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from moto.s3.models import s3_backends

from sagekeeper.simulator import boosted_trees
from sagekeeper.simulator.artefacts import lying_at, under
from sagekeeper.simulator.organisation import SKLEARN
from sagekeeper.simulator.pipeline_files import output_place
from sagekeeper.simulator.real_training import hand_out
from sagekeeper.simulator.world import Standing, World
from sagekeeper.simulator.worlds.seedling_data import FEATURES, LABEL

PIPELINE, GROUP = "house-price-retraining", "house-price"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
PREPARE, EVALUATE = (
    "/opt/ml/processing/input/code/prepare_houses.py",
    "/opt/ml/processing/input/code/evaluate_houses.py",
)
HELD_OUT = 0.2
MAX_RMSE = 0.55
"""In 100,000 dollars: a model that errs by more is not registered."""
TOO_FAR_OFF = f"The root mean square error on houses held out is above {MAX_RMSE:g} x 100,000 dollars."


def bucket(here: Standing) -> str:
    """Where the pipeline keeps what it makes."""
    return f"ml-artefacts-{here.account}-{here.region}"


def split(houses: pl.DataFrame, share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Complete rows: a share of those to train on, and those held out. The order is the file's, which is drawn by seed."""
    complete = houses.drop_nulls()
    known = round((1 - HELD_OUT) * complete.height)
    return complete.head(max(1, round(known * share))), complete.slice(known)


def table(houses: pl.DataFrame) -> bytes:
    """CSV as the trainer takes it: the label first, with a header."""
    return houses.select(LABEL, *FEATURES).write_csv().encode()


def evaluation(artefact: bytes, validation: bytes) -> dict[str, Any]:
    """evaluation.json in the form of SageMaker's examples: what the model gets wrong on these rows."""
    rows = pl.read_csv(io.BytesIO(validation), infer_schema_length=None)
    model = boosted_trees.loaded(artefact)
    if model is None:
        raise ValueError("The artefact holds no model of XGBoost's.")
    right = rows[LABEL].to_numpy()
    wrong = model.predicted({name: np.array(rows[name].to_list()) for name in FEATURES}) - right
    found = {
        "rmse": float(np.sqrt(np.mean(wrong**2))),
        "mae": float(np.mean(np.abs(wrong))),
        "r2": float(1 - np.sum(wrong**2) / np.sum((right - right.mean()) ** 2)),
    }
    return {"regression_metrics": {name: {"value": round(value, 6)} for name, value in found.items()}}


def open_programs(world: World) -> None:
    """From now on the pipeline's processing jobs do in this world what they say."""
    world.programs["prepare_houses.py"] = _prepare
    world.programs["evaluate_houses.py"] = partial(_evaluate, world)


def _prepare(here: Standing, job: dict[str, Any], _at: datetime) -> None:
    raw = b"".join(under(here.account, _input(job, "raw")))
    if not raw:
        return  # Nothing is written: the step that needs it fails, as AWS's would.
    houses = pl.read_csv(io.BytesIO(raw), infer_schema_length=None)
    known, held_out = split(houses, float(job.get("Environment", {}).get("SHARE", "1.0")))
    for output, rows in (("train", known), ("validation", held_out)):
        _put(here, output_place(job, output, f"{output}.csv"), table(rows))


def _evaluate(world: World, here: Standing, job: dict[str, Any], at: datetime) -> None:
    hand_out(world, at)
    artefact = lying_at(here.account, _input(job, "model"))
    validation = b"".join(under(here.account, _input(job, "validation")))
    if artefact is not None and validation and boosted_trees.loaded(artefact) is not None:
        report = json.dumps(evaluation(artefact, validation)).encode()
        _put(here, output_place(job, "evaluation", "evaluation.json"), report)


def _input(job: dict[str, Any], name: str) -> str:
    for item in job.get("ProcessingInputs", []):
        if item["InputName"] == name:
            return str(item.get("S3Input", {}).get("S3Uri", ""))
    return ""


def _put(here: Standing, uri: str, data: bytes) -> None:
    name, _, key = uri.removeprefix("s3://").partition("/")
    backend = s3_backends[here.account]["aws"]
    if name in backend.buckets:
        backend.put_object(name, key, data)


def definition(here: Standing, machine: str, settings: dict[str, str]) -> str:
    """The pipeline's definition (schema 2020-12-01)."""
    place, role = f"s3://{bucket(here)}", f"arn:aws:iam::{here.account}:role/SageMakerExecution"
    outputs = "Steps.Prepare.ProcessingOutputConfig.Outputs"
    channels = [
        {
            "ChannelName": name,
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": {"Get": f"{outputs}['{name}'].S3Output.S3Uri"},
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for name in ("train", "validation")
    ]
    artefact = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    train = {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": settings | {"num_round": {"Get": "Parameters.Rounds"}},
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": f"{place}/models/"},
        "ResourceConfig": {"InstanceType": machine, "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "RoleArn": role,
    }
    prepare = _job(place, role, PREPARE, {"raw": f"{place}/raw"}, ("train", "validation"))
    prepare["Environment"] = {"SHARE": {"Get": "Parameters.Share"}}
    held_out = {"Get": f"{outputs}['validation'].S3Output.S3Uri"}
    evaluate = _job(place, role, EVALUATE, {"model": artefact, "validation": held_out}, ("evaluation",))
    report = {"PropertyFileName": "EvaluationReport", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    rmse = {
        "Std:JsonGet": {
            "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.EvaluationReport"},
            "Path": "regression_metrics.rmse.value",
        }
    }
    register = {
        "ModelPackageGroupName": GROUP,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": artefact}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    condition = {
        "Conditions": [{"Type": "LessThanOrEqualTo", "LeftValue": rmse, "RightValue": {"Get": "Parameters.MaxRmse"}}],
        "IfSteps": [{"Name": "Register", "Type": "RegisterModel", "Arguments": register}],
        "ElseSteps": [{"Name": "TooFarOff", "Type": "Fail", "Arguments": {"ErrorMessage": TOO_FAR_OFF}}],
    }
    return json.dumps(
        {
            "Version": "2020-12-01",
            "Metadata": {},
            "Parameters": [
                {"Name": "MaxRmse", "Type": "Float", "DefaultValue": MAX_RMSE},
                {"Name": "Share", "Type": "String", "DefaultValue": "1.0"},
                {"Name": "Rounds", "Type": "String", "DefaultValue": settings["num_round"]},
            ],
            "Steps": [
                {"Name": "Prepare", "Type": "Processing", "Arguments": prepare},
                {"Name": "Train", "Type": "Training", "Arguments": train},
                {"Name": "Evaluate", "Type": "Processing", "Arguments": evaluate, "PropertyFiles": [report]},
                {"Name": "CheckRmse", "Type": "Condition", "Arguments": condition},
            ],
        }
    )


def _job(place: str, role: str, program: str, inputs: dict[str, Any], outputs: tuple[str, ...]) -> dict[str, Any]:
    """A processing job of the pipeline; its outputs go to a folder of the execution."""
    return {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}
        },
        "AppSpecification": {"ImageUri": SKLEARN, "ContainerEntrypoint": ["python3", program]},
        "RoleArn": role,
        "ProcessingInputs": [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/input/{name}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, uri in inputs.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": name,
                    "S3Output": {
                        "S3Uri": {
                            "Std:Join": {
                                "On": "/",
                                "Values": [f"{place}/runs", {"Get": "Execution.PipelineExecutionId"}, name],
                            }
                        },
                        "LocalPath": f"/opt/ml/processing/{name}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for name in outputs
            ]
        },
    }
