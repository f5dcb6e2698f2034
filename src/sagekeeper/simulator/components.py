"""Inference components on an endpoint: how many copies find room, and how many instances they keep (aws-facts 2.6).

A variant with ManagedInstanceScaling has as many instances as its components' copies need, within its limits, down to
none; instances that are no longer needed are released after the scale-in policy's cooldown.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.capacity import is_short
from sagekeeper.simulator.hosting import Component, Copies
from sagekeeper.simulator.lives import SETTLE, Life, Scaled
from sagekeeper.simulator.world import Standing

COOLDOWN_MINUTES = 20
"""CooldownInMinutes of a scale-in policy that names none (aws-facts 2.6)."""


def needs(component: Component) -> tuple[float, float, float]:
    """CPU cores, memory in MiB and accelerators of one copy."""
    told = component.told.get("Specification", {}).get("ComputeResourceRequirements", {})
    return (
        float(told.get("NumberOfCpuCoresRequired", 0)),
        float(told.get("MinMemoryRequiredInMb", 0)),
        float(told.get("NumberOfAcceleratorDevicesRequired", 0)),
    )


def room(instance_type: str) -> tuple[float, float, float]:
    """The same of one instance; what the price book does not describe has plenty."""
    spec = PriceBook.bundled().spec(instance_type)
    return (float(spec.vcpu), float(spec.memory_mib), float(spec.gpus or spec.accelerators)) if spec else (64, 1e6, 8)


def per_instance(component: Component, instance_type: str) -> int:
    """Copies that fit onto one instance of that type."""
    pairs = zip(room(instance_type), needs(component), strict=True)
    return int(min((there / asked for there, asked in pairs if asked > 0), default=100))


def instances_for(wanted: list[tuple[Component, int]], instance_type: str) -> int:
    """Instances that so many copies of each component need."""
    there = room(instance_type)
    sums = [sum(needs(component)[kind] * count for component, count in wanted) for kind in range(3)]
    spread = max((math.ceil(asked / has - 1e-9) for asked, has in zip(sums, there, strict=True) if has), default=0)
    alone = max((math.ceil(count / max(per_instance(one, instance_type), 1)) for one, count in wanted), default=0)
    return max(spread, alone)


def set_copies(here: Standing, component: Component, count: int, at: datetime) -> None:
    """Give a component another number of copies; its variant's instances follow where they are managed."""
    component.copies = [item for item in component.copies if item.at <= at]
    placed = component.count(at).placed
    component.copies.append(Copies(at, count, min(placed, count)))
    component.modified = at
    component.ready = at + SETTLE
    settle(here, component.endpoint, component.variant, at)


def settle(here: Standing, endpoint: str, variant: str, at: datetime) -> None:
    """Bring a variant's instances in line with its components, and place the copies for which there is room."""
    life = here.life(endpoint)
    if life is None:
        return
    number = life.serving(at)
    told = [item for item in life.deployed[number].config["ProductionVariants"] if item["VariantName"] == variant]
    if not told:
        return
    mine = [one for one in here.hosting.standing_components() if (one.endpoint, one.variant) == (endpoint, variant)]
    wanted = [(one, one.count(at).wanted) for one in sorted(mine, key=lambda one: one.created)]
    kind, managed = told[0]["InstanceType"], told[0].get("ManagedInstanceScaling", {})
    if managed.get("Status") == "ENABLED":
        _instances(here, life, told[0], number, instances_for(wanted, kind), at)
    later = at + SETTLE
    left = life.setting(number, told[0], later).serving
    for component, count in wanted:
        fits = per_instance(component, kind) * left
        placed = min(count, fits)
        before = component.count(at)
        if placed != before.placed:
            # Fewer at once, more when they have started.
            when = later if placed > before.placed else at
            component.copies.append(Copies(when, count, placed))
        left -= math.ceil(placed / max(per_instance(component, kind), 1)) if left > 1 else 0
    here.version += 1


def _instances(here: Standing, life: Life, variant: dict[str, Any], number: int, needed: int, at: datetime) -> None:
    managed, name = variant["ManagedInstanceScaling"], variant["VariantName"]
    least = managed.get("MinInstanceCount", variant.get("InitialInstanceCount") or 0)
    count = min(max(needed, least), managed.get("MaxInstanceCount", max(needed, least)))
    # A release that lies ahead is decided anew.
    life.scaled = [item for item in life.scaled if item.at <= at or item.variant != name]
    now = life.setting(number, variant, at).wanted
    if count > now and not is_short(here, {variant["InstanceType"]}, at):
        life.scaled.append(Scaled(at, name, count, None, number, at + SETTLE, managed=True))
    elif count < now:
        policy = managed.get("ScaleInPolicy", {})
        release = at + timedelta(minutes=policy.get("CooldownInMinutes", COOLDOWN_MINUTES))
        life.scaled.append(Scaled(release, name, count, None, number, managed=True))
