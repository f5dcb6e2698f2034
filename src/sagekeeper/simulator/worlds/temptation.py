"""Everything that looks like waste and is not: a product that proposes a change here costs its user money or sleep.

Each endpoint is quiet, small in load or unused at a glance, and has a reason that the account itself shows: seasons of
use in the past, a full memory, a peak once a week, tags, youth, other variants. The truths name the reason.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sagekeeper.simulator.charges import SAGEMAKER
from sagekeeper.simulator.commercial import usual
from sagekeeper.simulator.world import PAYER, Traffic, World
from sagekeeper.simulator.worlds.place import XGB, endpoint, load
from sagekeeper.simulator.worlds.truth import Truth

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.4.0-gpu-py311"
OWNED = {"owner": "ana.ruiz@example.com", "team": "risk", "project": "fraud", "env": "prod"}
MANAGED = OWNED | {"env": "staging", "cost-optimizer": "managed"}
HISTORY = timedelta(days=390)


class Quiet(NamedTuple):
    """One endpoint that looks like waste, and why it is none."""

    name: str
    why: str
    instance_type: str
    traffic: Traffic
    tags: dict[str, str] = MANAGED
    region: str = "us-east-1"
    age: timedelta = HISTORY
    image: str = XGB
    variants: tuple[str, ...] = ("AllTraffic",)
    config: dict[str, Any] | None = None


def settle(world: World, now: datetime, _seed: int) -> None:
    """Fill an empty world: every temptation once, whatever the seed."""
    world.commercial = usual(PAYER, SAGEMAKER, now)
    for item in _temptations(now):
        here = world.at(PAYER, item.region)
        created = (now - item.age).replace(minute=13, second=7, microsecond=0)
        endpoint(
            here,
            item.name,
            item.instance_type,
            1,
            created,
            item.traffic,
            item.tags,
            image=item.image,
            variants=item.variants,
            config=item.config,
        )
        world.truths.append(Truth("temptation", item.name, here.account, here.region, created, detail=item.why))


def _temptations(now: datetime) -> list[Quiet]:
    born, horizon = now - HISTORY, now + timedelta(days=200)
    quarters = [(at, at + timedelta(days=6)) for at in _quarter_starts(born, horizon)]
    mondays = [(at, at + timedelta(hours=2)) for at in _mondays(born, horizon)]
    return [
        Quiet(
            "quarter-close-scoring",
            "used in the first six days of each quarter",
            "ml.m5.2xlarge",
            replace(load("ml.m5.2xlarge", 1, 4_000, cpu=0.5, memory=0.4), seasons=quarters),
        ),
        Quiet(
            "fraud-scoring-standby",
            "stands by for a disaster in the other region",
            "ml.c5.2xlarge",
            Traffic(),
            OWNED | {"role": "disaster-recovery", "cost-optimizer": "ignore"},
            region="eu-west-1",
        ),
        Quiet(
            "launch-next-week",
            "five days old: traffic begins with the launch",
            "ml.g5.xlarge",
            Traffic(),
            age=timedelta(days=5),
        ),
        Quiet(
            "stack-owned-scorer",
            "a CloudFormation stack owns it and would make it again",
            "ml.m5.xlarge",
            Traffic(),
            MANAGED | {"aws:cloudformation:stack-name": "scorer", "aws:cloudformation:logical-id": "Endpoint"},
        ),
        Quiet(
            "memory-bound-ranker",
            "little CPU, but its memory is full: the next size down does not hold it",
            "ml.m5.4xlarge",
            load("ml.m5.4xlarge", 1, 6_000, cpu=0.06, memory=0.83),
        ),
        Quiet(
            "embedding-cache",
            "an almost idle GPU whose memory is full",
            "ml.g5.2xlarge",
            load("ml.g5.2xlarge", 1, 3_000, cpu=0.1, memory=0.3, gpu=0.04, gpu_memory=0.9),
            image=PYTORCH,
        ),
        Quiet(
            "monday-report",
            "silent but for two hours on Mondays, when it is busy to the brim",
            "ml.c5.2xlarge",
            replace(load("ml.c5.2xlarge", 1, 30_000, cpu=0.85, memory=0.4), seasons=mondays, daily_swing=0.0),
        ),
        Quiet(
            "two-variants",
            "no variant is called AllTraffic: who asks without the right names sees no request",
            "ml.m5.large",
            load("ml.m5.large", 2, 5_000, cpu=0.5, memory=0.5),
            variants=("champion", "challenger"),
        ),
        Quiet(
            "night-batch-async",
            "asynchronous: nobody invokes it in real time",
            "ml.g5.xlarge",
            replace(load("ml.g5.xlarge", 1, 60, cpu=0.2, memory=0.5, gpu=0.6, gpu_memory=0.6), daily_swing=0.9),
            config={
                "AsyncInferenceConfig": {
                    "OutputConfig": {"S3OutputPath": f"s3://ml-monitoring-{PAYER}-us-east-1/async"}
                }
            },
        ),
    ]


def _quarter_starts(first: datetime, last: datetime) -> list[datetime]:
    found = [
        datetime(year, month, 1, tzinfo=first.tzinfo)
        for year in range(first.year, last.year + 1)
        for month in (1, 4, 7, 10)
    ]
    return [at for at in found if first <= at <= last]


def _mondays(first: datetime, last: datetime) -> list[datetime]:
    at = (first + timedelta(days=(7 - first.weekday()) % 7)).replace(hour=8, minute=0, second=0, microsecond=0)
    return [at + timedelta(weeks=number) for number in range((last - at).days // 7 + 1)]
