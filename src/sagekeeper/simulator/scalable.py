"""The capacity of what Application Auto Scaling scales: an endpoint variant's instances or provisioned concurrency, an
inference component's copies. Read at a moment, and set with AWS's answer.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from sagekeeper.simulator.capacity import is_short, over_quota
from sagekeeper.simulator.components import set_copies
from sagekeeper.simulator.lives import SETTLE, Life, Scaled, status_of
from sagekeeper.simulator.rollouts import NO_CAPACITY
from sagekeeper.simulator.scaling_rules import COMPONENT, VARIANT
from sagekeeper.simulator.scaling_state import Place
from sagekeeper.simulator.world import Standing

NOUNS = {
    "sagemaker:variant:DesiredInstanceCount": "desired instance count",
    "sagemaker:variant:DesiredProvisionedConcurrency": "desired provisioned concurrency",
    "sagemaker:inference-component:DesiredCopyCount": "desired copy count",
}


class Capacity(NamedTuple):
    """What is wanted of a place, and what serves."""

    wanted: int
    serving: int


def capacity_of(here: Standing, place: Place, at: datetime) -> Capacity | None:
    """The capacity at a moment; None while it is not there or may not be changed."""
    component = COMPONENT.fullmatch(place.resource)
    if component and place.dimension.endswith("CopyCount"):
        found = here.hosting.component(component[1])
        copies = found.count(at) if found is not None and found.ready <= at else None
        return Capacity(copies.wanted, copies.placed) if copies else None
    variant = _variant(here, place, at)
    if variant is None:
        return None
    life, number, told = variant
    setting = life.setting(number, told, at)
    if place.dimension.endswith("ProvisionedConcurrency"):
        count = int((setting.serverless or {}).get("ProvisionedConcurrency", 0))
        return Capacity(count, count)
    return Capacity(setting.wanted, min(setting.serving, setting.wanted))


def set_capacity(here: Standing, place: Place, count: int, at: datetime) -> str:
    """Ask for another capacity; empty when AWS grants it, else why not."""
    component = COMPONENT.fullmatch(place.resource)
    if component:
        found = here.hosting.component(component[1])
        if found is not None:
            set_copies(here, found, count, at)
        return ""
    variant = _variant(here, place, at)
    if variant is None:
        return "The endpoint is not in service."
    life, number, told = variant
    if place.dimension.endswith("ProvisionedConcurrency"):
        setting = life.setting(number, told, at)
        wish = (setting.serverless or {}) | {"ProvisionedConcurrency": count}
        life.scaled.append(Scaled(at, told["VariantName"], None, None, number, at + SETTLE, wish))
        life.modified = at
        return ""
    return scale(here, life, told, count, at)


def scale(here: Standing, life: Life, variant: dict[str, Any], count: int, at: datetime) -> str:
    """Give a variant another number of instances; empty when AWS grants it, else why not."""
    number = life.serving(at)
    more, kind = count - life.setting(number, variant, at).wanted, variant["InstanceType"]
    refusal = over_quota(here, Counter({kind: more}), at)
    if not refusal and more > 0 and is_short(here, {kind}, at):
        refusal = NO_CAPACITY
        life.trouble = at, NO_CAPACITY
    if not refusal:
        life.scaled.append(Scaled(at, variant["VariantName"], count, None, number, at + SETTLE))
        life.modified = at
    return refusal


def _variant(here: Standing, place: Place, at: datetime) -> tuple[Life, int, dict[str, Any]] | None:
    """The variant on its endpoint, when that is in service."""
    names = VARIANT.fullmatch(place.resource)
    life = here.life(names[1]) if names else None
    if names is None or life is None or life.created > at or status_of(life, at) != "InService":
        return None
    number = life.serving(at)
    found = [item for item in life.deployed[number].config["ProductionVariants"] if item["VariantName"] == names[2]]
    return (life, number, found[0]) if found else None
