"""The organisation that lives in the simulated account, and what stands in it now.

`Standing` is the state of one account and region: endpoints with their history, configurations, models, notebooks, jobs,
schedules, tags. `seed` (in `organisation.py`) fills it with thirteen months of a small ML organisation; API calls change it
(`sagemaker_api.py`); the meter (`meter.py`) and the metrics (`traffic.py`) are functions of it and of time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

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


@dataclass
class Life:
    """One life of an endpoint: from creation to deletion, with the configurations it ran on and counts it was scaled to."""

    created: datetime
    configs: list[tuple[datetime, str]]
    deleted: datetime | None = None
    modified: datetime | None = None
    settled: datetime | None = None
    deployment: dict[str, Any] | None = None
    scaled: list[tuple[datetime, str, int]] = field(default_factory=list)

    def count(self, variant: dict[str, Any], at: datetime) -> int:
        """Instances of a variant at a moment: the last scaling since its configuration came, else what that asks for."""
        since = max(start for start, _ in self.configs if start <= at)
        later = [count for when, name, count in self.scaled if name == variant["VariantName"] and since <= when <= at]
        return later[-1] if later else int(variant.get("InitialInstanceCount", 1))


FOREVER = datetime.max.replace(tzinfo=UTC)


def stretches(life: Life, configs: dict[str, dict[str, Any]]) -> list[tuple[datetime, datetime, dict[str, Any], int]]:
    """(start, stop, variant, instance count) of a life: what ran, unchanged, from when to when."""
    marks = sorted({at for at, _ in life.configs} | {at for at, _, _ in life.scaled})
    found = []
    for start, stop in pairwise([*marks, life.deleted or FOREVER]):
        config = [name for at, name in life.configs if at <= start][-1]
        for variant in configs[config]["ProductionVariants"]:
            found.append((start, stop, variant, life.count(variant, start)))
    return found


@dataclass
class Standing:
    """Everything in one account and region."""

    account: str
    region: str
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    lives: dict[str, list[Life]] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    notebooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notebook_runs: dict[str, list[tuple[datetime, datetime | None]]] = field(default_factory=dict)
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    processing: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    job_definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def arn(self, kind: str, name: str) -> str:
        """The resource's ARN."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def life(self, name: str) -> Life | None:
        """The endpoint's present life, None when there is none."""
        lives = self.lives.get(name)
        return lives[-1] if lives and lives[-1].deleted is None else None


class World:
    """All accounts and regions, one lock, and a number that moves with every change."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 0
        self.standing = {
            (account, region): Standing(account, region) for account in ACCOUNT_NAMES for region in REGIONS
        }

    def at(self, account: str, region: str) -> Standing:
        """What stands in this account and region; an unknown one is empty."""
        with self.lock:
            return self.standing.setdefault((account, region), Standing(account, region))

    def changed(self) -> None:
        """Tell the meter that its cached days may be wrong."""
        with self.lock:
            self.version += 1
