"""What was done in the small ML organisation over its months: training jobs, notebooks on and off, processing jobs.

In: a row of `organisation_rows.py`, the anchor day, how far back history goes, and the seed's chance. Out: the world has it.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.organisation_rows import SKLEARN, tags_of_team
from sagekeeper.simulator.world import PAYER, PRODUCTS, Standing, World

FUTURE = timedelta(days=120)
"""How far beyond the anchor people have plans: what lies in the future shows itself when the clock gets there."""


def train_family(
    world: World, family: tuple[Any, ...], now: datetime, history: timedelta, chance: random.Random
) -> None:
    """All jobs of one family, every so many hours."""
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
        here.tags[job["TrainingJobArn"]] = tags_of_team(team, "prod")
        at += timedelta(hours=every * chance.uniform(0.85, 1.15))


def use_notebook(world: World, row: tuple[str, ...], now: datetime, history: timedelta) -> None:
    """A notebook and when it was on."""
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
    here.tags[arn] = tags_of_team(team, "dev")


def build_features(world: World, now: datetime, history: timedelta, chance: random.Random, count: int) -> None:
    """Processing jobs at any time."""
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
            tags_of_team("platform", "prod"),
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
