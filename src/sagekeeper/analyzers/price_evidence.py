"""The list prices that a finding or a proposal rests on, as evidence: how much, and from AWS's list or from the bundled book.

In: the facts, instance types, component, region. Out: one figure per type; a price that is not known is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable

from sagekeeper.analyzers.facts import Facts
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import Component
from sagekeeper.core.types import Figure


def price_figures(facts: Facts, machines: Iterable[str], component: Component, region: str) -> list[Figure]:
    """One figure per instance type, in order of name."""
    return [_figure(facts, machine, component, region) for machine in sorted(set(machines))]


def _figure(facts: Facts, machine: str, component: Component, region: str) -> Figure:
    label, unit = f"Price of {machine}", "USD per hour"
    try:
        price = facts.prices.hourly(machine, component, region)
    except PriceUnknown as error:
        return Figure(label=label, value=None, unit=unit, basis=str(error))
    return Figure(label=label, value=price.usd, unit=unit, period=f"as of {price.as_of}", basis=price.basis)
