"""Whether AWS has, and grants, the instances that an endpoint asks for: quotas at once, shortages once it tries.

A quota counts what stands on all endpoints of the account and region (ResourceLimitExceeded). A shortage is a fault of
the world (`Hosting.short`): the request is accepted and the endpoint fails, or goes back, with AWS's reason.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sagekeeper.simulator.lives import stretches
from sagekeeper.simulator.operations import Ask, Refused
from sagekeeper.simulator.world import Standing

QUOTA = (
    "The account-level service limit '{kind} for endpoint usage' is {most} Instances, with current utilization of {used} "
    "Instances and a request delta of {delta} Instances. Please use AWS Service Quotas to request an increase for this "
    "quota. If AWS Service Quotas is not available, contact AWS support to request an increase for this quota."
)


def in_use(here: Standing, now: datetime) -> Counter[str]:
    """Instances on endpoints at a moment, by type."""
    used: Counter[str] = Counter()
    for lives in here.lives.values():
        for stretch in stretches(lives[-1]):
            if stretch.start <= now < stretch.stop and stretch.variant.get("InstanceType"):
                used[stretch.variant["InstanceType"]] += stretch.instances
    return used


def refuse_over_quota(ask: Ask, more: Counter[str]) -> None:
    """ResourceLimitExceeded where ``more`` instances do not fit."""
    refusal = over_quota(ask.here, more, ask.now)
    if refusal:
        raise Refused("ResourceLimitExceeded", refusal)


def over_quota(here: Standing, more: Counter[str], now: datetime) -> str:
    """AWS's words where so many more instances do not fit into a quota; empty where they do."""
    used = in_use(here, now)
    for kind, delta in more.items():
        most = here.hosting.quota(kind)
        if delta > 0 and used[kind] + delta > most:
            return QUOTA.format(kind=kind, most=most, used=used[kind], delta=delta)
    return ""


def is_short(here: Standing, kinds: set[str], now: datetime) -> bool:
    """Whether AWS has no more instances of one of these types."""
    return short_since(here, kinds, now) is not None


def short_since(here: Standing, kinds: set[str], now: datetime) -> datetime | None:
    """Since when AWS has no more instances of one of these types; None where it has."""
    endless = [since for kind, since in here.hosting.short.items() if kind in kinds and since <= now]
    passing = [item.since for item in here.hosting.shortages if item.kind in kinds and item.since <= now < item.until]
    return min([*endless, *passing], default=None)


def granted_at(here: Standing, kinds: set[str], now: datetime) -> datetime | None:
    """The first moment from now on at which AWS has all these types; None where that cannot be told."""
    at = now
    while is_short(here, kinds, at):
        ends = [item.until for item in here.hosting.shortages if item.kind in kinds and item.since <= at < item.until]
        if not ends:
            return None
        at = max(ends)
    return at


def first_there(here: Standing, kinds: list[str], now: datetime) -> str:
    """The first of some types, by preference, that AWS has; the first of all where it has none."""
    return next((kind for kind in kinds if not is_short(here, {kind}, now)), kinds[0])


def kinds_of(config: dict[str, Any]) -> Counter[str]:
    """Instances that a configuration begins with, by type."""
    asked: Counter[str] = Counter()
    for variant in [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]:
        if variant.get("InstanceType"):
            asked[variant["InstanceType"]] += int(variant.get("InitialInstanceCount") or 0)
    return asked


def resolved(here: Standing, config: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The configuration with each instance pool resolved to the first type, by priority, that AWS has."""

    def typed(variant: dict[str, Any]) -> dict[str, Any]:
        pools = sorted(variant.get("InstancePools", []), key=lambda item: item["Priority"])
        if not pools:
            return variant
        return variant | {"InstanceType": first_there(here, [item["InstanceType"] for item in pools], now)}

    found = config | {"ProductionVariants": [typed(item) for item in config["ProductionVariants"]]}
    if "ShadowProductionVariants" in config:
        found["ShadowProductionVariants"] = [typed(item) for item in config["ShadowProductionVariants"]]
    return found
