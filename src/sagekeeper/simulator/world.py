"""The organisation that lives in the simulated account, and what stands in it now.

`Standing` is the state of one account and region: endpoints with their history, configurations, models, notebooks,
jobs, schedules, tags. `settle` (`organisation.py`) fills it with thirteen months of a small ML organisation; API calls
change it (`sagemaker_*.py`); the meter (`meter.py`) and the metrics (`traffic.py`) are functions of it and of time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sagekeeper.simulator.worlds.truth import Truth

from sagekeeper.simulator.watch import Watch

PAYER = "123456789012"
PRODUCTS = "210987654321"
ACCOUNT_NAMES = {PAYER: "ml-platform", PRODUCTS: "ml-products"}
REGIONS = ("us-east-1", "eu-west-1")
SETTLE = timedelta(seconds=20)
"""How long a created or updated endpoint takes to come into service, in simulated time."""


@dataclass
class Traffic:
    """Requests an endpoint gets and what they do to its instances. Rates are per hour at the daily mean."""

    per_hour: float = 0.0
    daily_swing: float = 0.6
    weekend_share: float = 0.6
    until: datetime | None = None
    model_latency_us: float = 25_000.0
    cpu_share_per_1000: float = 1.5
    """Busy vCPUs per 1,000 requests an hour."""
    gpu_share_per_1000: float = 0.0
    base_cpu_percent: float = 1.0
    memory_mib: float = 1_400.0
    gpu_memory_mib: float = 0.0
    error_rate: float = 0.0002
    seasons: list[tuple[datetime, datetime]] | None = None
    """Where given, requests come in these spans only, from whole hour to whole hour."""


class Deployed(NamedTuple):
    """A configuration came onto an endpoint. It is kept whole: its name may be deleted, and made again, meanwhile."""

    at: datetime
    name: str
    config: dict[str, Any]


class Scaled(NamedTuple):
    """A variant was given another number of instances or another weight."""

    at: datetime
    variant: str
    instances: int | None
    weight: float | None


class Fault(NamedTuple):
    """The health of an endpoint falls at ``since``; a kind ending in ``_after_update`` waits for the first update after
    it, and ends with the next."""

    kind: str
    since: datetime


class Drift(NamedTuple):
    """What an endpoint is asked with changes from ``since`` on, in one of the kinds of `worlds.incidents`."""

    kind: str
    since: datetime
    size: float = 1.0


class Surge(NamedTuple):
    """Much more of one operation's use for a while: gigabytes a day on top of the usual."""

    operation: str
    since: datetime
    until: datetime
    gigabytes_a_day: float


class PriceChange(NamedTuple):
    """A usage type (without its region) costs ``factor`` times as much from a day on."""

    usage_type: str
    since: date
    factor: float


@dataclass
class Life:
    """One life of an endpoint: from creation to deletion, with the configurations it ran on and how it was scaled."""

    created: datetime
    deployed: list[Deployed]
    deleted: datetime | None = None
    modified: datetime | None = None
    settled: datetime | None = None
    deployment: dict[str, Any] | None = None
    scaled: list[Scaled] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def count(self, variant: dict[str, Any], at: datetime) -> int:
        """Instances of a variant at a moment: the last scaling since its configuration came, else what that asks for."""
        later = [item.instances for item in self._scalings(variant, at) if item.instances is not None]
        return later[-1] if later else int(variant.get("InitialInstanceCount", 1))

    def weight(self, variant: dict[str, Any], at: datetime) -> float:
        """The variant's traffic weight at a moment."""
        later = [item.weight for item in self._scalings(variant, at) if item.weight is not None]
        return later[-1] if later else float(variant.get("InitialVariantWeight", 1.0))

    def _scalings(self, variant: dict[str, Any], at: datetime) -> list[Scaled]:
        since = max((item.at for item in self.deployed if item.at <= at), default=self.created)
        return [item for item in self.scaled if item.variant == variant["VariantName"] and since <= item.at <= at]


FOREVER = datetime.max.replace(tzinfo=UTC)


class Stretch(NamedTuple):
    """One variant, unchanged from ``start`` to ``stop``: its instances and its share of the endpoint's requests."""

    start: datetime
    stop: datetime
    config: dict[str, Any]
    variant: dict[str, Any]
    instances: int
    share: float


def stretches(life: Life) -> list[Stretch]:
    """What ran, from when to when, over a life."""
    marks = sorted({item.at for item in life.deployed} | {item.at for item in life.scaled})
    found = []
    for start, stop in pairwise([*marks, life.deleted or FOREVER]):
        config = [item.config for item in life.deployed if item.at <= start][-1]
        variants = config["ProductionVariants"]
        weights = [life.weight(variant, start) for variant in variants]
        whole = sum(weights) or 1.0
        for variant, weight in zip(variants, weights, strict=True):
            found.append(Stretch(start, stop, config, variant, life.count(variant, start), weight / whole))
    return found


@dataclass
class Standing:
    """Everything in one account and region. ``version`` moves with every change: what is kept of it is then stale."""

    account: str
    region: str
    version: int = 0
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    lives: dict[str, list[Life]] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    notebooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notebook_runs: dict[str, list[tuple[datetime, datetime | None]]] = field(default_factory=dict)
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    processing: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    job_definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    drifts: dict[str, list[Drift]] = field(default_factory=dict)
    surges: list[Surge] = field(default_factory=list)
    price_changes: list[PriceChange] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    def arn(self, kind: str, name: str) -> str:
        """The resource's ARN."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def life(self, name: str) -> Life | None:
        """The endpoint's present life, None when there is none."""
        lives = self.lives.get(name)
        return lives[-1] if lives and lives[-1].deleted is None else None


class World:
    """All accounts and regions, and one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.standing = {
            (account, region): Standing(account, region) for account in ACCOUNT_NAMES for region in REGIONS
        }
        self.truths: list[Truth] = []

    def at(self, account: str, region: str) -> Standing:
        """What stands in this account and region; an unknown one is empty."""
        with self.lock:
            return self.standing.setdefault((account, region), Standing(account, region))
