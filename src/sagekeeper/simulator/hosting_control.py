"""What the world, not AWS's API, sets about hosting: an endpoint's traffic, quotas, shortages of capacity, maintenance.

In: what a control request gives. Traffic changes from now on; what came before stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.operations import House, service_model
from sagekeeper.simulator.world import PAYER, REGIONS, Standing, Traffic

NUMBERS = {item.name for item in fields(Traffic)} - {"until", "seasons"}


def set_hosting(house: House, given: dict[str, Any], at: datetime) -> None:
    """Do what ``given["set"]`` names, in ``account`` and ``region`` (the payer's first region otherwise). BadInput."""
    kind = str(given.get("set", ""))
    if kind not in SETTERS:
        raise BadInput(f"There is nothing called {kind} to set about hosting: use one of {', '.join(SETTERS)}.")
    here = house.world.at(str(given.get("account") or PAYER), str(given.get("region") or REGIONS[0]))
    rest = {key: value for key, value in given.items() if key not in ("set", "account", "region")}
    SETTERS[kind](here, rest, at)
    here.version += 1
    house.journal.write("hosting", at, given=given)


def _traffic(here: Standing, given: dict[str, Any], at: datetime) -> None:
    """``endpoint`` (``component:NAME`` for an inference component) and any number of Traffic, for instance per_hour."""
    name = str(given.pop("endpoint", ""))
    component = here.hosting.component(name.removeprefix("component:")) if name.startswith("component:") else None
    if here.life(name) is None and component is None:
        raise BadInput(f"There is no endpoint {name} in {here.account}, {here.region}.")
    if set(given) - NUMBERS or not all(isinstance(value, int | float) and value >= 0 for value in given.values()):
        raise BadInput(f"Traffic is told in numbers: {', '.join(sorted(NUMBERS))}.")
    before = here.traffic.get(name, Traffic())
    here.hosting.earlier.setdefault(name, []).append((at, before))
    here.traffic[name] = replace(before, **given)


def _quota(here: Standing, given: dict[str, Any], at: datetime) -> None:  # noqa: ARG001
    """``instance_type`` and ``instances``."""
    here.hosting.quotas[_kind(given)] = int(given.get("instances", 0))


def _capacity(here: Standing, given: dict[str, Any], at: datetime) -> None:
    """``instance_type``, and ``there`` true when AWS has it again."""
    if given.get("there"):
        here.hosting.short.pop(_kind(given), None)
    else:
        here.hosting.short[_kind(given)] = at


def _maintenance(here: Standing, given: dict[str, Any], at: datetime) -> None:
    """``endpoint`` is SystemUpdating for so many ``minutes``."""
    life = here.life(str(given.get("endpoint", "")))
    if life is None:
        raise BadInput(f"There is no endpoint {given.get('endpoint')} in {here.account}, {here.region}.")
    life.maintained = at, at + timedelta(minutes=float(given.get("minutes", 10)))


def _kind(given: dict[str, Any]) -> str:
    kind = str(given.get("instance_type", ""))
    if kind not in service_model("sagemaker").shape_for("ProductionVariantInstanceType").enum:
        raise BadInput(f"SageMaker has no instance type {kind} for endpoints.")
    return kind


SETTERS: dict[str, Callable[[Standing, dict[str, Any], datetime], None]] = {
    "traffic": _traffic,
    "quota": _quota,
    "capacity": _capacity,
    "maintenance": _maintenance,
}
