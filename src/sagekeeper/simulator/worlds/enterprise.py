"""A large organisation: 200 accounts, 10,000 endpoints, 13 months; deterministic by seed, and smaller on demand.

What it is like stands in the tables here and in `enterprise_places.py` (units, teams, accounts, names, tags): how an
endpoint of each kind is made, and which share of a production, staging or development account is of which kind. What is
wasted has its truth written down (kind, subject, since when, dollars a day), and so has what went wrong lately. Jobs,
notebooks and Studio are `enterprise_work.py`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.charges import SAGEMAKER
from sagekeeper.simulator.commercial import PrivateDiscount, usual
from sagekeeper.simulator.hosting import ALWAYS
from sagekeeper.simulator.lives import Deployed
from sagekeeper.simulator.organisation_rows import HF, PYTORCH, SKLEARN, XGB
from sagekeeper.simulator.world import PAYER, Standing, Traffic, World
from sagekeeper.simulator.worlds.enterprise_incidents import OF_INCIDENTS, happen
from sagekeeper.simulator.worlds.enterprise_places import REGIONS, Place, named, places, tagged
from sagekeeper.simulator.worlds.enterprise_work import work_in
from sagekeeper.simulator.worlds.place import endpoint, load
from sagekeeper.simulator.worlds.truth import Truth

ACCOUNTS, ENDPOINTS = 200, 10_000
HISTORY, FUTURE = timedelta(days=395), timedelta(days=120)
DISCOUNT = 0.06
"""The organisation's enterprise discount program, from the first of the history's months on."""
MONITORED = 6
"""Endpoints with data capture: each has an object in S3 for every hour of three weeks."""
SEASON = {"retail": (0.85, 0.9, 0.95, 1.6), "travel": (0.8, 1.1, 1.5, 0.8), "payments": (0.9, 0.95, 1.0, 1.3)}
"""Of a unit's requests by quarter of the year; others are even."""
GROWTH_A_YEAR = 1.5
CPU = ("ml.m5.large", "ml.m5.xlarge", "ml.c5.xlarge", "ml.m5.2xlarge", "ml.c5.2xlarge")
LARGE_CPU = ("ml.m5.2xlarge", "ml.m5.4xlarge", "ml.c5.2xlarge", "ml.r5.xlarge")
GPU = ("ml.g4dn.xlarge", "ml.g5.xlarge", "ml.g5.2xlarge")
LARGE_GPU = ("ml.g5.2xlarge", "ml.g5.4xlarge", "ml.g4dn.2xlarge")


class Kind(NamedTuple):
    """How endpoints of a kind are: instances, requests an hour, the share of its machines that they keep busy."""

    cpu: tuple[str, ...]
    gpu: tuple[str, ...] = ()
    counts: tuple[int, ...] = (1,)
    per_hour: tuple[float, float] = (500, 5_000)
    busy: tuple[float, float] = (0.35, 0.55)
    memory: float = 0.4
    quiet: tuple[int, int] | None = None
    """Days since the last request."""
    age: tuple[int, int] = (20, 390)
    waste: float = 0.0
    """Share of what it costs that nobody needs."""


KINDS: dict[str, Kind] = {
    "healthy": Kind(CPU, GPU, (1, 1, 2, 2, 3, 4), (4_000, 60_000)),
    "oversized": Kind(LARGE_CPU, LARGE_GPU, (1, 1, 2), (800, 9_000), (0.05, 0.11), 0.15, waste=0.5),
    "copy": Kind(("ml.m5.large",), (), (1,), (150, 900), (0.04, 0.1), 0.2, waste=0.6),
    "idle": Kind(CPU, GPU, (1, 1, 1, 2), (200, 2_000), quiet=(15, 80), age=(110, 390), waste=1.0),
    "forgotten": Kind(CPU, GPU, (1,), (20, 200), quiet=(95, 240), age=(250, 390), waste=1.0),
    "office": Kind(CPU, GPU, (1,), (200, 1_500), (0.1, 0.3), waste=1 - 50 / 168),
    "serverless": Kind((), (), (1,), (20, 900)),
    "async": Kind(("ml.m5.xlarge",), GPU, (1,), (40, 400), (0.3, 0.6)),
}
GPU_SHARE = 0.14
OLD, OLD_SHARE = 390, 0.3
"""Days that the oldest endpoints have, and how many are that old."""
SHARES: dict[str, dict[str, float]] = {
    "prod": {
        "healthy": 0.60,
        "oversized": 0.14,
        "copy": 0.09,
        "serverless": 0.06,
        "async": 0.03,
        "idle": 0.06,
        "forgotten": 0.02,
    },
    "staging": {
        "healthy": 0.24,
        "office": 0.24,
        "oversized": 0.16,
        "serverless": 0.10,
        "idle": 0.20,
        "forgotten": 0.06,
    },
    "dev": {"office": 0.44, "idle": 0.24, "forgotten": 0.12, "serverless": 0.10, "healthy": 0.10},
}
"""Of an account's endpoints, by what the account is for."""
SIZES = {"prod": 1.0, "staging": 0.4, "dev": 0.7}
"""Endpoints of an account, against others of the same team."""


def settle(world: World, now: datetime, seed: int, accounts: int = ACCOUNTS, endpoints: int = ENDPOINTS) -> None:
    """Fill an empty world with so many accounts, and so many endpoints that stand now."""
    there = places(accounts, seed)
    world.open({PAYER: "management"} | {place.account: place.name for place in there}, REGIONS)
    world.commercial = usual(PAYER, SAGEMAKER, now)
    begun = (now - HISTORY).date().replace(day=1)
    world.commercial.discounts.append(PrivateDiscount("EdpDiscount", DISCOUNT, begun))
    for place, count in zip(there, _counts(there, endpoints - OF_INCIDENTS, seed), strict=True):
        chance = random.Random(f"{seed}/{place.name}")
        for number, kind in enumerate(_kinds(place, count)):
            _endpoint(world, place, kind, number, now, chance)
        work_in(world, place, now, HISTORY, FUTURE, chance)
    _monitored(world, there)
    happen(world, there, now)


def _counts(there: list[Place], endpoints: int, seed: int) -> list[int]:
    """How many endpoints each account has: a few teams have many. They add up to ``endpoints``."""
    chance = random.Random(f"{seed}/sizes")
    team = {place.team: chance.lognormvariate(0, 0.6) for place in there}
    weights = np.array([team[place.team] * SIZES[place.env] for place in there])
    edges = np.rint(np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum() * endpoints).astype(int)
    return [int(count) for count in np.diff(edges)]


def _kinds(place: Place, count: int) -> list[str]:
    """The kinds of an account's endpoints, in the shares of `SHARES` also where they are few, and not in blocks."""
    shares = SHARES[place.env]
    edges = np.cumsum(list(shares.values())) / sum(shares.values())
    # Steps of the golden ratio fill the interval evenly, and each account begins at another point.
    at = (place.offset + np.arange(count) * 0.6180339887498949) % 1.0
    return [list(shares)[int(number)] for number in np.searchsorted(edges, at, side="right").clip(0, len(shares) - 1)]


def _endpoint(world: World, place: Place, kind: str, number: int, now: datetime, chance: random.Random) -> None:
    how = KINDS[kind]
    here = world.at(place.account, chance.choices(REGIONS, place.regions)[0])
    on_gpu = bool(how.gpu) and chance.random() < GPU_SHARE
    instance_type = chance.choice(how.gpu if on_gpu else how.cpu) if how.cpu else ""
    count, per_hour = chance.choice(how.counts), float(round(chance.uniform(*how.per_hour)))
    # A part is older than the history: it has been there since its first day. The others came over the months.
    old = chance.random() < OLD_SHARE and how.age[1] >= OLD
    days = OLD if old else how.age[0] + (how.age[1] - how.age[0]) * chance.random()
    created = (now - timedelta(days=days)).replace(
        hour=chance.randint(6, 18), minute=chance.randint(0, 59), second=7, microsecond=0
    )
    image = chance.choice((PYTORCH, HF)) if on_gpu else chance.choice((XGB, SKLEARN))
    name = named(place, kind, number, created, chance)
    busy = chance.uniform(*how.busy)
    traffic = _traffic(kind, instance_type, count, per_hour, busy, how.memory, now)
    if how.quiet is not None:
        last = now - timedelta(days=min(chance.randint(*how.quiet), days - 2))
        traffic.until = last.replace(minute=0, second=0, microsecond=0)
    more: dict[str, Any] = {}
    if kind == "async":
        path = f"s3://ml-monitoring-{here.account}-{here.region}/async/{name}"
        more = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": path}}}
    serverless = {"MemorySizeInMB": chance.choice((2048, 3072, 4096)), "MaxConcurrency": 20}
    endpoint(
        here,
        name,
        instance_type,
        count,
        created,
        traffic,
        tagged(place, kind, chance),
        image=image,
        config=more,
        serverless=None if instance_type else serverless,
    )
    if kind == "healthy" and place.env == "prod":
        _grow(here, name, place, now, chance.random() < 0.15)
    if how.waste:
        usd = round(_usd_a_day(here, instance_type, count) * how.waste, 2)
        since = traffic.until or created
        world.truths.append(Truth(f"waste_{kind}", name, here.account, here.region, since, usd_per_day=usd))


def _traffic(
    kind: str, instance_type: str, count: int, per_hour: float, busy: float, memory: float, now: datetime
) -> Traffic:
    if not instance_type:
        return Traffic(per_hour=per_hour, daily_swing=0.8)
    gpu = bool(PriceBook.bundled().spec(instance_type).gpus)  # type: ignore[union-attr]
    made = load(
        instance_type,
        count,
        per_hour,
        cpu=0.12 if gpu else busy,
        memory=memory,
        gpu=busy if gpu else 0.0,
        gpu_memory=memory if gpu else 0.0,
    )
    if kind == "office":
        return replace(made, daily_swing=0.3, seasons=_office_hours(now))
    return made


def _office_hours(now: datetime) -> list[tuple[datetime, datetime]]:
    """Weekdays from eight to six, in the past and for as long as people have plans. The same list for all who share it."""
    if _KEPT.get("now") != now:
        first = (now - HISTORY).replace(hour=8, minute=0, second=0, microsecond=0)
        days = [first + timedelta(days=number) for number in range((HISTORY + FUTURE).days)]
        _KEPT.update(now=now, spans=[(day, day + timedelta(hours=10)) for day in days if day.weekday() < 5])
    spans: list[tuple[datetime, datetime]] = _KEPT["spans"]
    return spans


_KEPT: dict[str, Any] = {}


def _grow(here: Standing, name: str, place: Place, now: datetime, scaled: bool) -> None:
    """Its requests grew through the quarters, with the unit's season; some were given more instances on the way."""
    life, present = here.lives[name][0], here.traffic[name]
    season = SEASON.get(place.unit, (1.0, 1.0, 1.0, 1.0))
    here.traffic[name] = replace(present, per_hour=_at(present.per_hour, now, now, season))
    earlier = [
        (until, replace(present, per_hour=_at(present.per_hour, until - timedelta(days=45), now, season)))
        for until in _quarters(life.created, now)
    ]
    if earlier:
        here.hosting.earlier[name] = earlier
    variant = life.deployed[0].config["ProductionVariants"][0]
    middle = life.created + (now - life.created) / 2
    if scaled and variant["InitialInstanceCount"] > 1 and now - middle > timedelta(days=30):
        smaller = variant | {"InitialInstanceCount": variant["InitialInstanceCount"] - 1}
        first = life.deployed[0]
        config = f"{name}-config-0"
        before = first.config | {
            "EndpointConfigName": config,
            "EndpointConfigArn": here.arn("endpoint-config", config),
            "ProductionVariants": [smaller],
        }
        here.configs[config] = before
        life.deployed = [Deployed(life.created, config, before), first._replace(at=middle)]
        life.modified = middle


def _at(per_hour: float, at: datetime, now: datetime, season: tuple[float, ...]) -> float:
    years = max((now - at) / timedelta(days=365), 0.0)
    return float(round(per_hour / GROWTH_A_YEAR**years * season[(at.month - 1) // 3]))


def _quarters(created: datetime, now: datetime) -> list[datetime]:
    """Where quarters of the year began since then."""
    found = [
        datetime(year, month, 1, tzinfo=now.tzinfo)
        for year in range(created.year, now.year + 1)
        for month in (1, 4, 7, 10)
    ]
    return [at for at in found if max(created, ALWAYS) < at <= now]


def _monitored(world: World, there: list[Place]) -> None:
    """A few production endpoints have data capture."""
    chosen = [place for place in there if place.env == "prod"][:MONITORED]
    for place in chosen:
        for region in REGIONS:
            here = world.at(place.account, region)
            first = next((name for name in here.lives if here.traffic[name].until is None), None)
            if first is not None:
                _capture(here, first)
                break


def _capture(here: Standing, name: str) -> None:
    here.lives[name][0].deployed[-1].config["DataCaptureConfig"] = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 10,
        "DestinationS3Uri": f"s3://ml-monitoring-{here.account}-{here.region}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }


def _usd_a_day(here: Standing, instance_type: str, count: int) -> float:
    return 24 * count * PriceBook.bundled().hourly(instance_type, "Hosting", here.region).usd


def born(now: datetime) -> date:
    """The first day that has anything."""
    return (now - HISTORY).date()
