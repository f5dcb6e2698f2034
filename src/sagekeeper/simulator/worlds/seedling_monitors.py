"""What watches the house-price endpoint: real requests are captured, two monitors compare them with the training data.

In: the houses that the serving model was trained on, and those that nobody trained on. Out: a baseline of Model Monitor's
computed from the former, schedules for data and model quality that run on the captures, and `Requests`: houses from the
latter, answered by the model that serves at that moment.
"""

from __future__ import annotations

import json
import zlib
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from sagekeeper.simulator import monitor_data_quality, monitor_model_quality
from sagekeeper.simulator.answers import model_at
from sagekeeper.simulator.boosted_trees import Trees, loaded
from sagekeeper.simulator.monitor_definitions import key
from sagekeeper.simulator.sagemaker_models import containers
from sagekeeper.simulator.world import Drift, Standing, Stored, World
from sagekeeper.simulator.worlds.drifting import Sample
from sagekeeper.simulator.worlds.house_answers import Answered, drifted
from sagekeeper.simulator.worlds.seedling_data import FEATURES, LABEL
from sagekeeper.simulator.worlds.seedling_pipeline import split

WATCHED_DAYS = 10
ANALYZER = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
WORSE = 1.15
"""The baseline's error times this is what the monitor of model quality takes for a broken model."""


class Requests:
    """Houses that no model was trained on, asked for in an order drawn by seed."""

    features: tuple[str, ...] = FEATURES

    def __init__(self, houses: pl.DataFrame) -> None:
        _, held_out = split(houses, 1.0)
        self._columns = {name: np.array(held_out[name].to_list()) for name in (*FEATURES, LABEL)}

    def sample(self, seed: int, count: int) -> Sample:
        rows = np.random.default_rng(seed).integers(0, len(self._columns[LABEL]), count)
        return {name: values[rows] for name, values in self._columns.items()}

    def answered(self, here: Standing, endpoint: str, at: datetime, sample: Sample, drifts: list[Drift]) -> Answered:
        """By the model of the configuration that serves; one that is no real model of houses answers nothing (NaN)."""
        life, labels = here.lives[endpoint][-1], np.asarray(sample[LABEL], dtype=float)
        variant = life.deployed[life.serving(at)].config["ProductionVariants"][0]
        told = containers(here.models.get(variant.get("ModelName", ""), {}))
        model = model_at(here.account, str(told[0].get("ModelDataUrl") or "")) if told else None
        fits = isinstance(model, Trees) and set(model.features) <= set(sample)
        predictions = model.predicted(sample) if fits and isinstance(model, Trees) else np.full(len(labels), np.nan)
        chance = np.random.default_rng(zlib.crc32(f"{endpoint}/{at.isoformat()}".encode()))
        return drifted(sample, Answered(predictions, labels), drifts, chance)


def watch(
    world: World, here: Standing, endpoint: str, houses: pl.DataFrame, artefact: bytes, share: float, now: datetime
) -> None:
    """Baselines from the training data of the model that serves, and the two schedules since ten days."""
    known, held_out = split(houses, share)
    trained_on = {name: np.array([str(value) for value in known[name].to_list()], dtype=object) for name in FEATURES}
    model = loaded(artefact)
    if model is None:
        raise ValueError("The artefact holds no model of XGBoost's.")
    labels = held_out[LABEL].to_numpy()
    predicted = model.predicted({name: np.array(held_out[name].to_list()) for name in FEATURES})
    quality = monitor_model_quality.statistics("Regression", labels, predicted, None)
    rmse = quality["regression_metrics"]["rmse"]["value"]
    rule = {"rmse": {"threshold": round(WORSE * rmse, 6), "comparison_operator": "GreaterThanThreshold"}}
    begun = (now - timedelta(days=WATCHED_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    documents = {
        "DataQuality": (monitor_data_quality.statistics(trained_on), monitor_data_quality.constraints(trained_on)),
        "ModelQuality": (quality, {"version": 0.0, "regression_constraints": rule}),
    }
    for kind, found in documents.items():
        word = kind.removesuffix("Quality").lower()
        folder = f"baseline/{endpoint}/{word}-quality"
        for name, document in zip(("statistics", "constraints"), found, strict=True):
            data = json.dumps(document).encode()
            world.stored.append(Stored(here.account, here.region, _bucket(here), f"{folder}/{name}.json", data, begun))
        _schedule(here, endpoint, kind, f"{endpoint}-{word}-quality", f"s3://{_bucket(here)}/{folder}", begun)
    here.asked[endpoint] = Requests(houses)


def _bucket(here: Standing) -> str:
    return f"ml-monitoring-{here.account}-{here.region}"


def _schedule(here: Standing, endpoint: str, kind: str, name: str, baseline: str, begun: datetime) -> None:
    place, definition = f"s3://{_bucket(here)}", f"{name}-definition"
    word = "data-quality-job-definition" if kind == "DataQuality" else "model-quality-job-definition"
    asked: dict[str, Any] = {
        "EndpointInput": {
            "EndpointName": endpoint,
            "LocalPath": "/opt/ml/processing/input",
            "StartTimeOffset": "-P1D",
            "EndTimeOffset": "-P0D",
        }
    }
    program: dict[str, Any] = {"ImageUri": ANALYZER}
    if kind == "ModelQuality":
        asked["EndpointInput"]["InferenceAttribute"] = "0"
        asked["GroundTruthS3Input"] = {"S3Uri": f"{place}/ground-truth/{endpoint}"}
        program["ProblemType"] = "Regression"
    output = {"S3Uri": f"{place}/reports", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    here.job_definitions[key(kind, definition)] = {
        "JobDefinitionName": definition,
        "JobDefinitionArn": here.arn(word, definition),
        "CreationTime": begun,
        f"{kind}BaselineConfig": {
            "ConstraintsResource": {"S3Uri": f"{baseline}/constraints.json"},
            **({"StatisticsResource": {"S3Uri": f"{baseline}/statistics.json"}} if kind == "DataQuality" else {}),
        },
        f"{kind}AppSpecification": program,
        f"{kind}JobInput": asked,
        f"{kind}JobOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
        "JobResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 20}},
        "RoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution",
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    arn = here.arn("monitoring-schedule", name)
    here.schedules[name] = {
        "MonitoringScheduleName": name,
        "MonitoringScheduleArn": arn,
        "MonitoringScheduleStatus": "Scheduled",
        "MonitoringType": kind,
        "CreationTime": begun,
        "LastModifiedTime": begun,
        "EndpointName": endpoint,
        "MonitoringScheduleConfig": {
            "ScheduleConfig": {"ScheduleExpression": "cron(0 5 ? * * *)"},
            "MonitoringJobDefinitionName": definition,
            "MonitoringType": kind,
        },
        "x_from": begun,
        "x_settled": begun,
    }
    here.tags[arn] = dict(here.tags[here.arn("endpoint", endpoint)])
