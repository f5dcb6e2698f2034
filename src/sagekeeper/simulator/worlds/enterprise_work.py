"""What people and schedules do in an account of the large organisation: training, processing, notebooks, Studio.

A team trains in production and tries things in development. Some notebooks and Studio apps are left on, some volumes
belong to notebooks that nobody starts any more: the truth about those is written down.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.organisation_rows import HF_TRAIN, PT_TRAIN, XGB
from sagekeeper.simulator.organisation_work import add_processing
from sagekeeper.simulator.things import Thing, token
from sagekeeper.simulator.world import Standing, World
from sagekeeper.simulator.worlds.enterprise_places import REGIONS, Place, tags_of
from sagekeeper.simulator.worlds.place import training_job
from sagekeeper.simulator.worlds.truth import Truth

# type, minutes, every n hours, image
FAMILIES: tuple[tuple[str, float, float, str], ...] = (
    ("ml.m5.4xlarge", 55, 168, XGB),
    ("ml.m5.2xlarge", 35, 84, XGB),
    ("ml.c5.2xlarge", 25, 72, XGB),
    ("ml.g5.2xlarge", 140, 168, HF_TRAIN),
    ("ml.g5.12xlarge", 190, 336, PT_TRAIN),
)
FAMILIES_OF = {"prod": 2, "staging": 0, "dev": 1}
NOTEBOOKS_OF = {"prod": 0, "staging": 1, "dev": 5}
NOTEBOOK_TYPES = ("ml.t3.medium", "ml.t3.medium", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.g4dn.xlarge")
HABITS = ("office", "office", "office", "always", "stopped")
PEOPLE_OF = {"prod": 0, "staging": 0, "dev": 4}
APP_TYPES = ("ml.t3.medium", "ml.m5.large", "ml.m5.2xlarge", "ml.g4dn.xlarge")
LEFT_ON = 0.3
"""Share of Studio's apps that nobody stops."""
SPOT_SHARE, FAILED_SHARE, INTERRUPTED_SHARE = 0.35, 0.05, 0.12


def work_in(
    world: World, place: Place, now: datetime, history: timedelta, future: timedelta, chance: random.Random
) -> None:
    """Everything in one account that is no endpoint."""
    here = world.at(place.account, REGIONS[max(range(2), key=lambda number: place.regions[number])])
    for number in range(FAMILIES_OF[place.env]):
        _family(here, place, number, now - history, now + future, chance)
    if place.env == "prod":
        _features(here, place, now - history, now + future, chance)
    for number in range(NOTEBOOKS_OF[place.env]):
        _notebook(world, here, place, number, now, history, future, chance)
    if PEOPLE_OF[place.env]:
        _studio(world, here, place, now, chance)


def _family(here: Standing, place: Place, number: int, begin: datetime, end: datetime, chance: random.Random) -> None:
    instance_type, minutes, every, image = FAMILIES[(len(place.name) + number) % len(FAMILIES)]
    spot = chance.random() < SPOT_SHARE
    at, tags = begin + timedelta(hours=chance.uniform(1, every)), tags_of(place, chance)
    # Tuning in development is irregular, in production it is a schedule.
    wander = 0.1 if place.env == "prod" else 0.5
    while at < end:
        run = int(minutes * 60 * chance.lognormvariate(0, 0.2))
        training_job(
            here,
            f"{place.team}-train-{number}-{at:%Y-%m-%d-%H-%M-%S}",
            at.replace(microsecond=0),
            run,
            instance_type,
            tags,
            image=image,
            billable=int(run * (1 - chance.uniform(0.55, 0.72))) if spot else run,
            spot=spot,
            failed=chance.random() < FAILED_SHARE,
            interrupted_s=chance.randint(200, 1500) if spot and chance.random() < INTERRUPTED_SHARE else 0,
        )
        at += timedelta(hours=every * chance.uniform(1 - wander, 1 + wander))


def _features(here: Standing, place: Place, begin: datetime, end: datetime, chance: random.Random) -> None:
    """A processing job each week."""
    at, tags = begin + timedelta(hours=chance.uniform(1, 168)), tags_of(place, chance)
    while at < end:
        seconds = int(chance.uniform(6, 50) * 60)
        name = f"{place.team}-features-{at:%Y-%m-%d-%H-%M-%S}"
        add_processing(here, name, at.replace(microsecond=0), seconds, "ml.m5.xlarge", None, tags)
        at += timedelta(days=7, hours=chance.uniform(-6, 6))


def _notebook(
    world: World,
    here: Standing,
    place: Place,
    number: int,
    now: datetime,
    history: timedelta,
    future: timedelta,
    chance: random.Random,
) -> None:
    habit, instance_type = chance.choice(HABITS), chance.choice(NOTEBOOK_TYPES)
    name = f"{place.team}-nb-{number}"
    created = (now - history * chance.uniform(0.15, 0.95)).replace(microsecond=0)
    arn = here.arn("notebook-instance", name)
    runs: list[tuple[datetime, datetime | None]] = [(created, None)]
    stopped = now - timedelta(days=chance.randint(30, 60))
    if habit != "always":
        first = created.replace(hour=8, minute=0, second=0)
        last = stopped if habit == "stopped" else now + future
        days = [first + timedelta(days=passed) for passed in range(1, (last - first).days)]
        runs = [(day, day + timedelta(hours=9)) for day in days if day.weekday() < 5]
    here.notebook_runs[name] = runs
    here.notebooks[name] = {
        "NotebookInstanceName": name,
        "NotebookInstanceArn": arn,
        "InstanceType": instance_type,
        "RoleArn": f"arn:aws:iam::{here.account}:role/SageMakerExecution",
        "VolumeSizeInGB": chance.choice((50, 100, 250)),
        "CreationTime": created,
    }
    here.tags[arn] = tags_of(place, chance)
    if habit == "always":
        usd = round(24 * PriceBook.bundled().hourly(instance_type, "Notebook", here.region).usd * (1 - 45 / 168), 2)
        world.truths.append(Truth("waste_notebook", name, here.account, here.region, created, usd_per_day=usd))


def _studio(world: World, here: Standing, place: Place, now: datetime, chance: random.Random) -> None:
    """A domain with its people, a space each, and in it an app that stops itself when idle, or that nobody stops."""
    made = (now - timedelta(days=300)).replace(microsecond=0)
    domain_id = f"d-{token(here.account, here.region, place.name)}"
    about = {
        "DomainName": f"{place.team}-studio",
        "AuthMode": "IAM",
        "DefaultUserSettings": {"ExecutionRole": f"arn:aws:iam::{here.account}:role/SageMakerExecution"},
        "SubnetIds": ["subnet-0a1b2c3d"],
        "VpcId": "vpc-0a1b2c3d",
        "AppNetworkAccessType": "PublicInternetOnly",
        "HomeEfsFileSystemCreation": "Enabled",
        "TagPropagation": "DISABLED",
        "Url": f"https://{domain_id}.studio.{here.region}.sagemaker.aws",
    }
    here.work.domains.put(_thing((domain_id,), here.arn("domain", domain_id), made, about))
    for number in range(PEOPLE_OF[place.env]):
        user = f"user-{number}"
        begun = made + timedelta(days=chance.randint(1, 200))
        profile = {"UserSettings": {}, "HomeEfsFileSystemUid": str(200_000 + 5 * number)}
        arn = here.arn("user-profile", f"{domain_id}/{user}")
        here.work.profiles.put(_thing((domain_id, user), arn, begun, profile))
        _space(world, here, domain_id, user, begun, now, chance)


def _space(
    world: World, here: Standing, domain_id: str, user: str, begun: datetime, now: datetime, chance: random.Random
) -> None:
    space, instance_type = f"{user}-lab", chance.choice(APP_TYPES)
    size = chance.choice((5, 20, 50, 100))
    about: dict[str, Any] = {
        "SpaceSettings": {
            "AppType": "JupyterLab",
            "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": size}},
        },
        "OwnershipSettings": {"OwnerUserProfileName": user},
        "SpaceSharingSettings": {"SharingType": "Private"},
        "x_volume_gb": size,
    }
    here.work.spaces.put(_thing((domain_id, space), here.arn("space", f"{domain_id}/{space}"), begun, about))
    left_on = chance.random() < LEFT_ON
    started = begun + timedelta(days=5) if left_on else now.replace(hour=7, minute=15, second=0, microsecond=0)
    app: dict[str, Any] = {
        "SpaceName": space,
        "ResourceSpec": {"InstanceType": instance_type},
        "x_idle_minutes": None if left_on else 60,
    }
    arn = here.arn("app", f"{domain_id}/{space}/jupyterlab/default")
    thing = _thing((domain_id, f"space/{space}", "JupyterLab", "default"), arn, min(started, now), app)
    thing.runs = [(thing.ready, None)]
    here.work.apps.put(thing)
    if left_on:
        usd = round(24 * PriceBook.bundled().hourly(instance_type, "Notebook", here.region).usd * (1 - 45 / 168), 2)
        world.truths.append(Truth("waste_studio_app", arn, here.account, here.region, started, usd_per_day=usd))


def _thing(key: tuple[str, ...], arn: str, created: datetime, about: dict[str, Any]) -> Thing:
    ready = created + timedelta(seconds=90)
    return Thing(key, arn, created, "Pending", ready, "InService", [(created, about)], created)
