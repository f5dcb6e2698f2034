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
    return any(since <= now for kind, since in here.hosting.short.items() if kind in kinds)


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
        there = [item["InstanceType"] for item in pools if not is_short(here, {item["InstanceType"]}, now)]
        return variant | {"InstanceType": (there or [pools[0]["InstanceType"]])[0]}

    found = config | {"ProductionVariants": [typed(item) for item in config["ProductionVariants"]]}
    if "ShadowProductionVariants" in config:
        found["ShadowProductionVariants"] = [typed(item) for item in config["ShadowProductionVariants"]]
    return found
