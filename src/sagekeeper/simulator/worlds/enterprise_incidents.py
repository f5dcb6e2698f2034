"""What went wrong in the large organisation of late, each in another account, with its truth; and one planned launch."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.prices import Component, PriceBook
from sagekeeper.simulator.lives import Deployed
from sagekeeper.simulator.organisation_rows import HF, PT_TRAIN, XGB
from sagekeeper.simulator.world import Standing, Surge, World
from sagekeeper.simulator.worlds.enterprise_places import REGIONS, Place
from sagekeeper.simulator.worlds.place import endpoint, load, training_job
from sagekeeper.simulator.worlds.truth import Truth

LOG_GB_A_DAY = 900.0
OF_INCIDENTS = 3
"""Endpoints that are here for an incident."""


def happen(world: World, there: list[Place], now: datetime) -> None:
    """One incident of each kind."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    prod = [place for place in there if place.env == "prod"]
    dev = [place for place in there if place.env == "dev"]
    scenes = (
        (_runaway_job, dev[0], day - timedelta(days=24)),
        (_upsizing, prod[1 % len(prod)], day - timedelta(days=9)),
        (_log_explosion, prod[2 % len(prod)], day - timedelta(days=17)),
        (_notebook_left_on, dev[1 % len(dev)], day - timedelta(days=12)),
        (_forgotten_endpoint, dev[2 % len(dev)], day - timedelta(days=41)),
        (_planned_launch, prod[-1], day - timedelta(days=15)),
    )
    for scene, place, at in scenes:
        here = world.at(place.account, REGIONS[max(range(2), key=lambda number: place.regions[number])])
        told = scene(here, place, at + timedelta(hours=14, minutes=10))
        world.truths.append(told)


def _runaway_job(here: Standing, place: Place, at: datetime) -> Truth:
    kind, count, days = "ml.g5.12xlarge", 4, 4
    name = f"{place.team}-sweep-{at:%Y-%m-%d}"
    training_job(here, name, at, days * 86_400, kind, {}, image=PT_TRAIN, count=count)
    usd = 24 * count * _hourly(kind, "Training", here)
    until = at + timedelta(days=days)
    return Truth("runaway_job", name, here.account, here.region, at, until, round(usd, 2), detail=f"{count} x {kind}")


def _upsizing(here: Standing, place: Place, at: datetime) -> Truth:
    name = f"{place.team}-main-{place.env}"
    kind, before, after = "ml.g5.2xlarge", 2, 10
    created = at - timedelta(days=200)
    traffic = load(kind, before, 20_000, cpu=0.2, memory=0.4, gpu=0.55, gpu_memory=0.5)
    endpoint(here, name, kind, before, created, traffic, _tags(place), image=HF)
    life = here.lives[name][0]
    first = life.deployed[0]
    config = f"{name}-config-2"
    bigger: dict[str, Any] = first.config | {
        "EndpointConfigName": config,
        "EndpointConfigArn": here.arn("endpoint-config", config),
        "ProductionVariants": [first.config["ProductionVariants"][0] | {"InitialInstanceCount": after}],
        "CreationTime": at,
    }
    here.configs[config] = bigger
    life.deployed.append(Deployed(at, config, bigger))
    life.modified = at
    usd = 24 * (after - before) * _hourly(kind, "Hosting", here)
    detail = f"{before} to {after} x {kind}"
    return Truth("upsizing", name, here.account, here.region, at, usd_per_day=round(usd, 2), detail=detail)


def _log_explosion(here: Standing, place: Place, at: datetime) -> Truth:
    until = at + timedelta(days=3)
    here.surges.append(Surge("PutLogEvents", at, until, LOG_GB_A_DAY))
    usd = LOG_GB_A_DAY * PriceBook.bundled().unit("logs_ingestion", here.region).usd
    return Truth("log_explosion", place.name, here.account, here.region, at, until, round(usd, 2))


def _notebook_left_on(here: Standing, place: Place, at: datetime) -> Truth:
    name, kind = f"{place.team}-weekend", "ml.p3.2xlarge"
    arn = here.arn("notebook-instance", name)
    here.notebooks[name] = {
        "NotebookInstanceName": name,
        "NotebookInstanceArn": arn,
        "InstanceType": kind,
        "RoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution",
        "VolumeSizeInGB": 100,
        "CreationTime": at,
    }
    here.notebook_runs[name] = [(at, None)]
    here.tags[arn] = {"owner": "intern@example.com", "team": place.team}
    usd = 24 * _hourly(kind, "Notebook", here)
    return Truth("notebook_left_on", name, here.account, here.region, at, usd_per_day=round(usd, 2), detail=kind)


def _forgotten_endpoint(here: Standing, place: Place, at: datetime) -> Truth:
    name, kind = f"{place.team}-hackathon", "ml.g5.12xlarge"
    traffic = load(kind, 1, 300, cpu=0.05, memory=0.2, gpu=0.1, gpu_memory=0.3)
    traffic.until = at + timedelta(days=2)
    endpoint(here, name, kind, 1, at, traffic, {}, image=HF)
    usd = 24 * _hourly(kind, "Hosting", here)
    return Truth("forgotten_endpoint", name, here.account, here.region, at, usd_per_day=round(usd, 2), detail=kind)


def _planned_launch(here: Standing, place: Place, at: datetime) -> Truth:
    name, kind, count = f"{place.team}-launch", "ml.c5.2xlarge", 6
    tags = _tags(place) | {"change": "CHG-20261105"}
    traffic = load(kind, count, 90_000, cpu=0.5, memory=0.4)
    endpoint(here, name, kind, count, at, traffic, tags, image=XGB)
    usd = 24 * count * _hourly(kind, "Hosting", here)
    return Truth(
        "planned_launch",
        name,
        here.account,
        here.region,
        at,
        usd_per_day=round(usd, 2),
        planned=True,
        detail=tags["change"],
    )


def _tags(place: Place) -> dict[str, str]:
    owner = f"{place.team}@example.com"
    return {"owner": owner, "team": place.team, "project": f"{place.team}-core", "env": place.env}


def _hourly(kind: str, component: Component, here: Standing) -> float:
    return PriceBook.bundled().hourly(kind, component, here.region).usd
