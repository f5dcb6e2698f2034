"""A small account in which nothing is wrong and nothing is wasted: whatever is found here was brought about.

Four endpoints in use and two families of training jobs, 80 days of them, in one account and region; the same whatever the seed.
For incidents on demand (`incidents.py`): `upsizing` of ``ranking-gpu`` takes it from 2 to 8 ml.g5.2xlarge, a `price_change` of
Host:ml.m5.4xlarge concerns ``price-forecast`` alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sagekeeper.simulator.charges import SAGEMAKER
from sagekeeper.simulator.commercial import usual
from sagekeeper.simulator.world import PAYER, World
from sagekeeper.simulator.worlds.place import XGB, endpoint, load, training_job

HISTORY = timedelta(days=80)
FUTURE = timedelta(days=60)
TAGS = {"owner": "ana.ruiz@example.com", "team": "risk", "env": "prod"}
ENDPOINTS = (
    ("ranking-gpu", "ml.g5.2xlarge", 2, 20_000),
    ("price-forecast", "ml.m5.4xlarge", 2, 30_000),
    ("fraud-scoring", "ml.c5.2xlarge", 3, 90_000),
    ("churn", "ml.m5.xlarge", 1, 4_000),
)
"""Name, instance type, count, requests an hour."""
FAMILIES = (
    ("fraud-train", "ml.m5.2xlarge", timedelta(minutes=90)),
    ("churn-train", "ml.m5.xlarge", timedelta(hours=1)),
)


def settle(world: World, now: datetime, _seed: int) -> None:
    """Fill an empty world."""
    world.commercial = usual(PAYER, SAGEMAKER, now)
    here = world.at(PAYER, "us-east-1")
    born = (now - HISTORY).replace(minute=13, second=7, microsecond=0)
    for name, machine, count, per_hour in ENDPOINTS:
        gpu = {"gpu": 0.4, "gpu_memory": 0.5} if ".g5." in machine else {}
        endpoint(here, name, machine, count, born, load(machine, count, per_hour, cpu=0.4, memory=0.4, **gpu), TAGS)
    for family, machine, takes in FAMILIES:
        for day in range((HISTORY + FUTURE).days):
            at = (born + timedelta(days=day)).replace(hour=3)
            # A minute more or less: no two runs are equal.
            seconds = int(takes.total_seconds()) + 37 * (day % 5)
            training_job(here, f"{family}-{at:%Y-%m-%d-%H-%M-%S}", at, seconds, machine, TAGS, image=XGB)
