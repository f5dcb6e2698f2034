"""Sentiment in the seedling world: trained on ml.p3.2xlarge, compiled by Neo, served on ml.inf1.xlarge. Both are retired.

In: sentences with their side. Out: in the account, a family of training jobs with models that were really trained, the
compilations, an endpoint on Inf1 and a trial of its successor on Inf2, and the truth: what must be found to be retired. A
benchmark on ml.p3dn.24xlarge, which AWS kept, must not be. The classifier is `word_model.py`'s, wherever it is said to run.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.simulator import word_model
from sagekeeper.simulator.boosted_trees import Trained
from sagekeeper.simulator.real_training import told_metrics
from sagekeeper.simulator.world import Standing, Stored, World
from sagekeeper.simulator.worlds.place import endpoint, load, training_job
from sagekeeper.simulator.worlds.truth import Truth

FAMILY, SERVING, TRIAL, BENCHMARK = "sentiment-train", "sentiment-inf1", "sentiment-inf2-trial", "sentiment-benchmark"
TRAINS_ON, SERVES_ON, SUCCESSOR, KEPT = "ml.p3.2xlarge", "ml.inf1.xlarge", "ml.inf2.xlarge", "ml.p3dn.24xlarge"
TRAINING_IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/"
    "huggingface-pytorch-training:1.9.1-transformers4.12.3-gpu-py38-cu111-ubuntu20.04"
)
NEO_IMAGE = "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-neo-pytorch:1.9-inf-py3"
NEURONX_IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/"
    "huggingface-pytorch-inference-neuronx:2.1.2-transformers4.43.2-neuronx-py310-sdk2.20.0-ubuntu20.04"
)
RUNS = ((86, 0.3), (72, 0.5), (58, 0.7), (44, 0.8), (30, 0.9), (16, 1.0), (5, 1.0))
"""Days ago, and the share of the sentences that was labelled by then. The second's model was compiled and is served."""
COMPILED, COMPILED_AFTER = 1, timedelta(hours=3)
TRAINING, HELD_OUT = 4_300, 0.2
RETIRED = "retired_hardware"


def add_sentiment(world: World, here: Standing, sentences: pl.DataFrame, tags: dict[str, str], now: datetime) -> None:
    """Everything of the second use case, and its truths."""
    told = [(str(text), bool(positive)) for text, positive in sentences.iter_rows()]
    cut = round((1 - HELD_OUT) * len(told))
    known, held_out = told[:cut], told[cut:]
    made: dict[float, Trained] = {}
    jobs = []
    for days_ago, share in RUNS:
        if share not in made:
            made[share] = word_model.trained(known[: round(share * len(known))], held_out)
        jobs.append(_training(world, here, made[share], now - timedelta(days=days_ago), tags))
    _keep(world, here, "sentiment/train/train.jsonl", _lines(known), now - timedelta(days=90))
    _keep(world, here, "sentiment/test/test.jsonl", _lines(held_out), now - timedelta(days=90))
    served, (days_ago, share) = jobs[COMPILED], RUNS[COMPILED]
    compiled_at = here.training[served]["TrainingEndTime"] + COMPILED_AFTER
    artefact = _compilations(world, here, made[share], served, compiled_at, tags)
    created = (compiled_at + timedelta(hours=20)).replace(minute=13, second=7, microsecond=0)
    inf1 = load(SERVES_ON, 2, 24_000, cpu=0.3, memory=0.45)
    inf1.model_latency_us = 6_000.0
    prod = tags | {"env": "prod"}
    endpoint(here, SERVING, SERVES_ON, 2, created, inf1, prod, image=NEO_IMAGE)
    here.models[f"{SERVING}-model"]["PrimaryContainer"]["ModelDataUrl"] = artefact
    staging = tags | {"env": "staging", "purpose": "inf1-successor"}
    trial = load(SUCCESSOR, 1, 900, cpu=0.05, memory=0.3)
    begun = (now - timedelta(days=20)).replace(minute=13, second=7, microsecond=0)
    endpoint(here, TRIAL, SUCCESSOR, 1, begun, trial, staging, image=NEURONX_IMAGE)
    here.models[f"{TRIAL}-model"]["PrimaryContainer"]["ModelDataUrl"] = _artefact(here, jobs[-3])
    for name in (SERVING, TRIAL):
        here.tags[here.arn("model", f"{name}-model")] = dict(here.tags[here.arn("endpoint", name)])
    at = now - timedelta(days=12)
    benchmark = f"{BENCHMARK}-{at:%Y-%m-%d-%H-%M-%S}"
    training_job(here, benchmark, at, 1_500, KEPT, dict(tags), image=TRAINING_IMAGE)
    # It timed the machine with the model there was.
    _keep(
        world,
        here,
        f"models/{benchmark}/output/model.tar.gz",
        made[1.0].artefact,
        here.training[benchmark]["TrainingEndTime"],
    )
    first = here.training[jobs[0]]["CreationTime"]
    world.truths += [
        Truth(RETIRED, SERVING, here.account, here.region, created, detail=f"served on {SERVES_ON}, now {SUCCESSOR}"),
        Truth(RETIRED, FAMILY, here.account, here.region, first, detail=f"trained on {TRAINS_ON}, now ml.g6.2xlarge"),
    ]


def _training(world: World, here: Standing, trained: Trained, at: datetime, tags: dict[str, str]) -> str:
    name = f"{FAMILY}-{at:%Y-%m-%d-%H-%M-%S}"
    training_job(here, name, at, TRAINING, TRAINS_ON, dict(tags), image=TRAINING_IMAGE)
    job = here.training[name]
    patterns = {"train:accuracy": "train_accuracy=([0-9.]+)", "eval:accuracy": "eval_accuracy=([0-9.]+)"}
    job["AlgorithmSpecification"] |= {
        "MetricDefinitions": [{"Name": metric, "Regex": pattern} for metric, pattern in patterns.items()]
    }
    job["HyperParameters"] = {"model_name": "distilbert-base-uncased", "max_seq_length": "128", "epochs": "3"}
    job["InputDataConfig"] = [
        {
            "ChannelName": channel,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{_bucket(here)}/sentiment/{channel}",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for channel in ("train", "test")
    ]
    job["FinalMetricDataList"] = told_metrics(trained.metrics, job["TrainingEndTime"])
    _keep(world, here, f"models/{name}/output/model.tar.gz", trained.artefact, job["TrainingEndTime"])
    return name


def _compilations(world: World, here: Standing, trained: Trained, job: str, at: datetime, tags: dict[str, str]) -> str:
    """One that Neo refused and one that it did; the address of what was compiled."""
    base, output = f"{FAMILY}-neo", f"s3://{_bucket(here)}/compiled"
    for number, (version, reason) in enumerate(
        (("1.13", "ClientError: Framework PYTORCH 1.13 is not supported for target device ml_inf1."), ("1.9", ""))
    ):
        begun = at + timedelta(minutes=40 * number)
        name, end = f"{base}-{number + 1}", begun + timedelta(minutes=3 if reason else 9)
        here.jobs.compilations[name] = {
            "CompilationJobName": name,
            "CompilationJobArn": here.arn("compilation-job", name),
            "RoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution",
            "InputConfig": {
                "S3Uri": _artefact(here, job),
                "DataInputConfig": json.dumps({"input_ids": [1, 128], "attention_mask": [1, 128]}),
                "Framework": "PYTORCH",
                "FrameworkVersion": version,
            },
            "OutputConfig": {"S3OutputLocation": output, "TargetDevice": "ml_inf1"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
            "CreationTime": begun,
            "CompilationStartTime": begun + timedelta(seconds=20),
            "CompilationEndTime": end,
            "LastModifiedTime": end,
            "CompilationJobStatus": "FAILED" if reason else "COMPLETED",
            "FailureReason": reason,
        }
        here.tags[here.arn("compilation-job", name)] = dict(tags)
    _keep(world, here, f"compiled/{base}-2-ml_inf1.tar.gz", trained.artefact, end)
    return f"{output}/{base}-2-ml_inf1.tar.gz"


def _artefact(here: Standing, job: str) -> str:
    return f"s3://{_bucket(here)}/models/{job}/output/model.tar.gz"


def _lines(sentences: list[tuple[str, bool]]) -> bytes:
    """The channel's format: JSON lines of text and label."""
    rows: list[dict[str, Any]] = [{"text": text, "label": int(positive)} for text, positive in sentences]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _keep(world: World, here: Standing, key: str, data: bytes, at: datetime) -> None:
    world.stored.append(Stored(here.account, here.region, _bucket(here), key, data, at))


def _bucket(here: Standing) -> str:
    return f"ml-artefacts-{here.account}-{here.region}"
