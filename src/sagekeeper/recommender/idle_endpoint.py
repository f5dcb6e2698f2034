"""Idle real-time endpoints: paid for around the clock, asked for nothing.

In: the endpoints that `analyzers.idle` is certain about, and what they cost. Out: one proposal per endpoint to delete it; its
configuration and models stay, so that it can be brought back. Rule R01. The saving is the whole cost of its last full days,
the very figure that the bill is held against after the deletion.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Any

from pydantic import Field

from sagekeeper.analyzers import idle
from sagekeeper.analyzers.commitments import said
from sagekeeper.analyzers.endpoints import reference
from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.monthly_cost import MonthlyCost, cost_of, endpoint_costs, list_cost
from sagekeeper.analyzers.season import season_of
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.types import (
    Alternative,
    Completeness,
    DeleteEndpoint,
    Figure,
    Gate,
    Money,
    Recommendation,
    Saving,
    fingerprint,
)
from sagekeeper.recommender import gates
from sagekeeper.recommender.lever import Lever, LeverSettings

BILL_NOISE = 0.05
"""How much less than the mean of the last days a month may turn out: late lines, a day of less storage."""


class Settings(LeverSettings):
    """When to propose a deletion."""

    window_days: int = Field(14, ge=3, le=60, description="how long no request may have come")
    alive_share: float = Field(0.9, ge=0.5, le=1.0, description="share of hours whose traffic must be known")
    least_saving_per_month: float = Field(1.0, ge=0, description="cheaper endpoints are not worth a question")


def propose(facts: Facts, settings: Settings) -> Iterator[Recommendation]:
    """One proposal per endpoint that is certainly idle, and not just between two seasons of use."""
    question = idle.Settings(window_days=settings.window_days, alive_share=settings.alive_share)
    billed = endpoint_costs(facts)
    for row in idle.silent(facts, question).iter_rows(named=True):
        cost = cost_of(facts, row, billed)
        if cost is None or cost.per_month < settings.least_saving_per_month:
            continue
        if not season_of(facts, row, settings.window_days).seasonal:
            yield _proposal(facts, settings, question, row, cost)


def _proposal(
    facts: Facts, settings: Settings, question: idle.Settings, row: dict[str, Any], cost: MonthlyCost
) -> Recommendation:
    subject = reference(row)
    change = DeleteEndpoint(endpoint=subject)
    completeness = Completeness(found=row["alive"], expected=row["hours"])
    saving = _saving(cost)
    return Recommendation(
        fingerprint=fingerprint("idle_endpoint", subject.account, subject.region, subject.name),
        version=fingerprint(change.model_dump_json(), str(row["changed_at"])),
        lever="idle_endpoint",
        subjects=[subject],
        title=f"Delete {subject.name}, which nobody calls",
        explanation=(
            f"{subject.name} has had no request in {settings.window_days} days. Deleting it saves about "
            f"{saving.expected:,.0f} {saving.currency} a month; its configuration and model stay, so it can be brought back."
        ),
        current=[
            Figure(label="Runs on", value=_machines(row), period="now", basis="SageMaker"),
            Figure(
                label="Cost", value=float(saving.high), unit=f"{cost.currency} per month", basis=f"{cost.basis} cost"
            ),
        ],
        proposed=[
            Figure(label="Runs on", value="nothing", period="after the change"),
            Figure(
                label="Cost", value=0.0, unit=f"{cost.currency} per month", basis="a deleted endpoint is not billed"
            ),
        ],
        cost_per_month=saving.high,
        saving=saving,
        alternatives=_alternatives(facts, row),
        gates=_gates(facts, settings, row, completeness),
        confidence=0.95 if cost.certainty == "measured" else 0.9,
        reversible=True,
        risks=[
            "A caller that comes back is refused until the endpoint is brought back, which takes about ten minutes.",
            "Stand-by for disasters looks idle too: ask the owner if that is what it is for.",
        ],
        change=change,
        evidence=idle.evidence_of(facts, question, row, cost),
        completeness=completeness,
        owner=row["owner"],
        as_of=facts.as_of,
    )


def _saving(cost: MonthlyCost) -> Saving:
    # Rounded up to the cent: the bill is compared to the cent, and what it saves is at most all that it costs.
    whole = Decimal(str(round(cost.per_month, 6))).quantize(Decimal("0.01"), rounding=ROUND_CEILING)
    real = cost.per_month * cost.realisable
    source = (
        f"the mean of its last {cost.days} full days on the bill" if cost.days else "list prices; it is on no bill yet"
    )
    return Saving(
        low=Money.of(real * (1 - BILL_NOISE - cost.uncertainty)).amount,
        expected=min(Money.of(real).amount, whole),
        high=whole,
        currency=cost.currency,
        basis=cost.basis,
        certainty=cost.certainty,
        explanation=f"All that it costs, by {source}, per month of 730 hours.{said(cost.realisable)}",
    )


def _gates(facts: Facts, settings: Settings, row: dict[str, Any], completeness: Completeness) -> list[Gate]:
    return [
        gates.in_service(row),
        gates.real_time(row),
        gates.old_enough(row, facts, settings.window_days),
        gates.data_complete(completeness, settings.alive_share),
        gates.no_seasonal_use(row, facts, settings.window_days),
        gates.no_scheduled_scaling(row, facts),
        gates.restore_possible(row),
    ]


def _machines(row: dict[str, Any]) -> str:
    kinds = sorted({str(item["InstanceType"]) for item in row["variants"]})
    return f"{row['instances']} x {', '.join(kinds)}"


def _alternatives(facts: Facts, row: dict[str, Any]) -> list[Alternative]:
    specs = [facts.prices.spec(item["InstanceType"]) for item in row["variants"]]
    on_gpu = any(spec is not None and spec.gpus for spec in specs)
    serverless = Alternative(
        name="Serverless endpoint",
        cost_per_month=None if on_gpu else Decimal(0),
        why_not="serverless has no GPU"
        if on_gpu
        else "costs nothing at rest either, but is a new endpoint to test and call",
    )
    smallest = _smallest(facts, row)
    return [serverless, *([smallest] if smallest else [])]


def _smallest(facts: Facts, row: dict[str, Any]) -> Alternative | None:
    """The cheapest size of the same family, for an owner who must keep it."""
    machines: dict[str, str] = {}
    for item in row["variants"]:
        spec = facts.prices.spec(item["InstanceType"])
        family = [other for other in facts.prices.specs() if spec and other.family == spec.family and other.hosting]
        priced = [other for other in family if other.instance_type in facts.prices.instance_types()]
        if not priced:
            return None
        machines[item["VariantName"]] = min(priced, key=lambda other: (other.vcpu, other.instance_type)).instance_type
    if all(machines[item["VariantName"]] == item["InstanceType"] for item in row["variants"]):
        return None
    try:
        cost = list_cost(facts, row, machines)
    except PriceUnknown:
        return None
    return Alternative(
        name=f"Keep it on {', '.join(sorted(set(machines.values())))}",
        cost_per_month=Money.of(cost.per_month).amount,
        why_not="still pays around the clock for no request",
    )


LEVER = Lever(
    name="idle_endpoint",
    description="Delete endpoints that nobody calls; they can be brought back",
    settings=Settings,
    propose=propose,
)
