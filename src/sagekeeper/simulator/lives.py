"""One life of an endpoint, and what ran in it from when to when.

In: the configurations that came onto it (`Deployed`, each with the `Plan` of how its fleet took over) and how its variants
were scaled (`Scaled`). Out: `stretches`, the one answer that the bill (`charges.py`), the metrics (`traffic.py`) and
DescribeEndpoint are read from. During a blue/green update both fleets stand, so both are billed (aws-facts 1.1).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

FOREVER = datetime.max.replace(tzinfo=UTC)
SETTLE = timedelta(seconds=20)
"""How long instances take to come into service, in simulated time (minutes at AWS; short, so that waiting is short)."""
LEAVING = timedelta(seconds=3)
"""How long a deleted endpoint still shows as Deleting. It is not billed any more."""


class Step(NamedTuple):
    """From ``at`` on: which shares of the new and the old fleet stand, and of the requests that the new one serves."""

    at: datetime
    new: float
    old: float
    traffic: float


@dataclass
class Plan:
    """How a configuration comes onto an endpoint. ``outcome`` is empty while it goes as planned."""

    steps: list[Step]
    policy: dict[str, Any] | None = None
    deadline: datetime | None = None
    outcome: str = ""
    turned: datetime | None = None
    reason: str = ""
    checked: datetime | None = None

    @property
    def done(self) -> datetime:
        return self.steps[-1].at


class Deployed(NamedTuple):
    """A configuration came onto an endpoint. It is kept whole: its name may be deleted, and made again, meanwhile.

    Without a plan it serves at once: so do the configurations that a world begins with.
    """

    at: datetime
    name: str
    config: dict[str, Any]
    plan: Plan | None = None


class Scaled(NamedTuple):
    """A variant of the configuration number ``of`` was given another number of instances, weight or concurrency."""

    at: datetime
    variant: str
    instances: int | None
    weight: float | None
    of: int = 0
    ready: datetime | None = None
    serverless: dict[str, Any] | None = None
    managed: bool = False
    """Done for inference components: the endpoint stays InService."""


@dataclass
class Life:
    """From creation to deletion: the configurations it ran on and how it was scaled."""

    created: datetime
    deployed: list[Deployed]
    deleted: datetime | None = None
    modified: datetime | None = None
    settled: datetime | None = None
    deployment: dict[str, Any] | None = None
    scaled: list[Scaled] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    failed: tuple[datetime, str] | None = None
    trouble: tuple[datetime, str] | None = None
    """Instances that were asked for, and when, and did not come."""
    maintained: tuple[datetime, datetime] | None = None
    kept: tuple[Any, list[Stretch]] | None = field(default=None, repr=False, compare=False)
    states: dict[int, tuple[Any, States]] = field(default_factory=dict, repr=False, compare=False)

    def serving(self, at: datetime) -> int:
        """The number of the configuration that the endpoint stands on at a moment, whatever is on its way."""
        found = 0
        for number, item in enumerate(self.deployed):
            if item.at > at:
                break
            if item.plan is None or (item.plan.done <= at and not item.plan.outcome):
                found = number
        return found

    def coming(self, at: datetime) -> Deployed | None:
        """The configuration that is on its way at a moment."""
        last = self.deployed[-1]
        under_way = last.plan is not None and last.at <= at < last.plan.done and len(self.deployed) > 1
        return last if under_way else None

    def setting(self, number: int, variant: dict[str, Any], at: datetime) -> Setting:
        """How a variant of configuration ``number`` is set at a moment."""
        states = _states(self, number)
        before = bisect_right([moment for moment, _ in states], at) - 1
        return states[max(before, 0)][1][variant["VariantName"]]


class Setting(NamedTuple):
    """A variant's instances that are wanted (and billed), those that serve, its weight and its serverless wish."""

    wanted: int
    serving: int
    weight: float
    serverless: dict[str, Any] | None


States = list[tuple[datetime, dict[str, Setting]]]
"""From when on how each variant is set."""


class Stretch(NamedTuple):
    """One variant, unchanged from ``start`` to ``stop``: its instances and its share of the endpoint's requests.

    ``instances`` are paid for, ``serving`` take requests. A shadow's share is of copies, not of the clients' requests.
    """

    start: datetime
    stop: datetime
    config: dict[str, Any]
    variant: dict[str, Any]
    instances: int
    share: float
    serving: int = 0
    shadow: bool = False


def status_of(life: Life, now: datetime) -> str:
    """EndpointStatus as DescribeEndpoint gives it."""
    last = life.deployed[-1].plan
    first = len(life.deployed) == 1
    turned = last is not None and last.turned is not None and last.turned <= now
    kept = life.maintained
    states = (
        ("Deleting", life.deleted is not None and life.deleted <= now),
        ("Failed", life.failed is not None and life.failed[0] <= now),
        ("Creating", first and last is not None and now < last.done),
        ("RollingBack", last is not None and now < last.done and turned),
        ("Updating", last is not None and now < last.done),
        ("UpdateRollbackFailed", last is not None and last.outcome == "stuck"),
        ("SystemUpdating", kept is not None and kept[0] <= now < kept[1]),
        ("Creating", first and life.settled is not None and now < life.settled),
        ("Updating", any(_scaling(item, now) for item in life.scaled[-20:])),
    )
    return next((name for name, so in states if so), "InService")


def _scaling(item: Scaled, now: datetime) -> bool:
    return item.ready is not None and not item.managed and item.at <= now < item.ready


def stretches(life: Life) -> list[Stretch]:
    """What ran, from when to when, over a life. Kept until the life changes."""
    last = life.deployed[-1].plan
    key = (
        len(life.deployed),
        len(life.scaled),
        life.scaled[-1:],
        life.deleted,
        life.failed,
        last and (last.outcome, last.done),
    )
    if life.kept is None or life.kept[0] != key:
        life.kept = (key, _made(life))
    return life.kept[1]


def _made(life: Life) -> list[Stretch]:
    end = min(life.deleted or FOREVER, life.failed[0] if life.failed else FOREVER)
    states = [_states(life, number) for number in range(len(life.deployed))]
    found: list[Stretch] = []
    for (start, fleets), (stop, _) in pairwise([*_phases(life), (end, [])]):
        for number, share, traffic in fleets:
            if share > 0 and start < min(stop, end):
                config = life.deployed[number].config
                found += _fleet(config, states[number], start, min(stop, end), share, traffic)
    return found


def _phases(life: Life) -> list[tuple[datetime, list[tuple[int, float, float]]]]:
    """From when on which configurations stand, with which share of their fleet and of the requests."""
    found: list[tuple[datetime, list[tuple[int, float, float]]]] = []
    before: int | None = None
    for number, item in enumerate(life.deployed):
        steps = item.plan.steps if item.plan else [Step(item.at, 1, 0, 1)]
        for step in steps:
            old = [] if before is None else [(before, step.old, 1 - step.traffic)]
            found.append((step.at, [*old, (number, step.new, step.traffic)]))
        if before is None or not (item.plan and item.plan.outcome):
            before = number
    return found


def _fleet(
    config: dict[str, Any],
    states: list[tuple[datetime, dict[str, Setting]]],
    start: datetime,
    stop: datetime,
    share: float,
    traffic: float,
) -> list[Stretch]:
    moments = [moment for moment, _ in states]
    first = max(bisect_right(moments, start) - 1, 0)
    inner = [(moment, state) for moment, state in states[first + 1 :] if moment < stop]
    shadows = config.get("ShadowProductionVariants", [])
    found = []
    for (begin, state), (end, _) in pairwise([(start, states[first][1]), *inner, (stop, {})]):
        whole = sum(state[item["VariantName"]].weight for item in config["ProductionVariants"])
        for variant in [*config["ProductionVariants"], *shadows]:
            setting, shadow = state[variant["VariantName"]], variant in shadows
            if setting.serverless is not None and setting.serverless != variant["ServerlessConfig"]:
                variant = variant | {"ServerlessConfig": setting.serverless}
            counts = math.ceil(setting.wanted * share - 1e-9), math.ceil(setting.serving * share - 1e-9)
            of_all = traffic * min(setting.weight / whole, 1.0) if whole else 0.0
            found.append(Stretch(begin, end, config, variant, counts[0], of_all, counts[1], shadow))
    return found


def _states(life: Life, number: int) -> States:
    """The settings of all variants of one configuration, at its start and after each change. Kept until one more."""
    key = (len(life.scaled), life.scaled[-1:])
    if number not in life.states or life.states[number][0] != key:
        life.states[number] = (key, _listed(life, number))
    return life.states[number][1]


def _listed(life: Life, number: int) -> States:
    deployed = life.deployed[number]
    variants = [*deployed.config["ProductionVariants"], *deployed.config.get("ShadowProductionVariants", [])]
    now = {item["VariantName"]: _initial(item) for item in variants}
    found = [(deployed.at, dict(now))]
    waiting: list[Scaled] = []
    for item in sorted(_of(life, number, now), key=lambda item: item.at):
        waiting = _arrived(waiting, item.at, now, found)
        setting = now[item.variant]
        if item.weight is not None:
            setting = setting._replace(weight=item.weight)
        if item.serverless is not None:
            setting = setting._replace(serverless=item.serverless)
        if item.instances is not None:
            serving = item.instances if item.ready is None else min(item.instances, setting.serving)
            setting = setting._replace(wanted=item.instances, serving=serving)
            if item.ready is not None:
                waiting = [other for other in waiting if other.variant != item.variant] + [item]
        now[item.variant] = setting
        found.append((item.at, dict(now)))
    _arrived(waiting, FOREVER, now, found)
    return found


def _of(life: Life, number: int, variants: dict[str, Setting]) -> list[Scaled]:
    return [item for item in life.scaled if item.of == number and item.variant in variants]


def _arrived(
    waiting: list[Scaled], at: datetime, now: dict[str, Setting], found: list[tuple[datetime, dict[str, Setting]]]
) -> list[Scaled]:
    """Let instances that were on their way serve from when they are ready."""
    for item in sorted((item for item in waiting if (item.ready or at) <= at), key=lambda item: item.ready or at):
        now[item.variant] = now[item.variant]._replace(serving=now[item.variant].wanted)
        found.append((item.ready or at, dict(now)))
    return [item for item in waiting if (item.ready or at) > at]


def _initial(variant: dict[str, Any]) -> Setting:
    count = int(variant.get("InitialInstanceCount") or 0)
    weight = variant.get("InitialVariantWeight")
    serverless = variant.get("ServerlessConfig")
    return Setting(count, count, 1.0 if weight is None else float(weight), serverless)
