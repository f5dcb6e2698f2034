"""Endpoints on bigger machines than their busiest hours need: the same number of smaller ones.

In: the load of each variant over the window (`machine_load`), prices. Out: one proposal per endpoint to move its oversized
variants to the cheapest machine that carries them (`machine_fit`). Rules R03 (CPU) and R04 (GPU). Readings from before the
endpoint's last change are about other machines and are never used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.commitments import said
from sagekeeper.analyzers.effective_rates import Rates, known_rates
from sagekeeper.analyzers.endpoints import KEY, counts, reference, standing
from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.monthly_cost import MonthlyCost, cost_of, endpoint_costs, hosting_cost, list_cost
from sagekeeper.analyzers.price_evidence import price_figures
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import InstanceSpec
from sagekeeper.core.types import (
    Alternative,
    Completeness,
    Evidence,
    Figure,
    Gate,
    Money,
    Recommendation,
    Saving,
    Series,
    UpdateEndpoint,
    VariantTarget,
    fingerprint,
)
from sagekeeper.recommender import gates
from sagekeeper.recommender.lever import Lever, LeverSettings
from sagekeeper.recommender.machine_fit import Fit, cheapest_fit
from sagekeeper.recommender.machine_load import Load, busiest

BILL_NOISE = 0.05


class Settings(LeverSettings):
    """How idle a machine must be, and how busy its replacement may become. Percent of the whole machine."""

    window_days: int = Field(14, ge=7, le=60, description="days of readings that are judged")
    cpu_below_percent: float = Field(
        40, gt=0, le=100, description="p99 of the hourly busiest CPU (machines without GPU)"
    )
    memory_below_percent: float = Field(
        50, gt=0, le=100, description="p99 of the hourly highest memory (machines without GPU)"
    )
    gpu_below_percent: float = Field(20, gt=0, le=100, description="p95 of the hourly busiest GPU")
    gpu_memory_below_percent: float = Field(50, gt=0, le=100, description="p99 of the hourly highest GPU memory")
    after_below_percent: float = Field(
        75, gt=0, le=95, description="what CPU, memory and GPU may reach on the new machine"
    )
    least_requests: int = Field(1000, ge=1, description="requests in the window; with fewer the load is not known well")
    alive_share: float = Field(0.9, ge=0.5, le=1.0, description="share of hours with readings for one click")
    least_saving_per_month: float = Field(5.0, ge=0, description="smaller savings are not worth a change")


@dataclass(frozen=True)
class Move:
    """One variant's way from a machine, with its load there, to a smaller one."""

    variant: str
    old: InstanceSpec
    load: Load
    fit: Fit

    @property
    def new(self) -> InstanceSpec:
        """The machine to move to."""
        return self.fit.machine


def propose(facts: Facts, settings: Settings) -> Iterator[Recommendation]:
    """One proposal per endpoint with at least one variant on too big a machine."""
    ends = facts.as_of.replace(minute=0, second=0, microsecond=0)
    starts = ends - timedelta(days=settings.window_days)
    candidates = standing(facts).filter(
        pl.col("real_time")
        & (pl.col("status") == "InService")
        & (pl.max_horizontal("created_at", "changed_at") <= starts)
    )
    loads = busiest(facts, starts, ends)
    billed, known = endpoint_costs(facts), known_rates(facts.costs)
    for row in candidates.sort(KEY).iter_rows(named=True):
        own = loads.get((row["account"], row["region"], row["name"]), {})
        moves = [
            move
            for item in row["variants"]
            if (load := own.get(item["VariantName"])) is not None
            and (move := _move(facts, settings, row, item, load)) is not None
        ]
        cost = cost_of(facts, row, billed)
        if not moves or cost is None:
            continue
        saving = _saving(facts, row, moves, cost, known)
        if saving is not None and saving.expected >= settings.least_saving_per_month:
            yield _proposal(facts, settings, row, moves, cost, saving)


def _move(facts: Facts, settings: Settings, row: dict[str, Any], item: dict[str, Any], load: Load) -> Move | None:
    old = facts.prices.spec(item["InstanceType"])
    if old is None or load.requests < settings.least_requests or load.hours < settings.window_days * 12:
        return None
    if not _oversized(settings, old, load):
        return None
    fit = cheapest_fit(facts, old, load, row["region"], settings.after_below_percent)
    return None if fit is None else Move(item["VariantName"], old, load, fit)


def _oversized(settings: Settings, spec: InstanceSpec, load: Load) -> bool:
    if spec.gpus:
        if load.gpu is None or load.gpu_memory is None:
            return False
        return load.gpu < settings.gpu_below_percent and load.gpu_memory < settings.gpu_memory_below_percent
    if spec.accelerators or load.memory is None:
        return False
    return load.cpu < settings.cpu_below_percent and load.memory < settings.memory_below_percent


def _saving(facts: Facts, row: dict[str, Any], moves: list[Move], cost: MonthlyCost, known: Rates) -> Saving | None:
    """Difference of what the hours cost at the bill's own rates, else at list price and the discount that the bill shows; an
    uncertain new price widens the range. What a commitment pays for anyway is no saving."""
    machines = {move.variant: move.new.instance_type for move in moves}
    try:
        now, then = list_cost(facts, row), list_cost(facts, row, machines)
    except PriceUnknown:
        return None
    # The bill also has storage and data, which stay: only a bill below list says that there is a discount.
    discount = min(1.0, cost.per_month / now.per_month) if cost.days else 1.0
    paid, new = (hosting_cost(facts, row, known, kinds, discount) for kinds in ({}, machines))
    if paid <= new:
        return None
    # It may run fewer hours than it would at today's count (scaling): a saving is in proportion to what it does cost.
    scale = min(1.0, cost.per_month / paid) if cost.days else 1.0
    paid, new = paid * scale, new * scale
    expected = (paid - new) * cost.realisable
    billed = all((row["account"], row["region"], f"Host:{kind}") in known for kind in machines.values())
    doubt = (0.0 if billed else new * then.uncertainty) + BILL_NOISE * expected
    doubt += 0.0 if cost.days else now.per_month * now.uncertainty
    whole = Money.of(cost.per_month).amount
    return Saving(
        low=max(Decimal(0), Money.of(expected - doubt).amount),
        expected=min(Money.of(expected).amount, whole),
        high=min(Money.of(paid - new + doubt).amount, whole),
        currency=cost.currency,
        basis=cost.basis,
        certainty="derived" if cost.days and (billed or then.uncertainty < 0.1) else "assumed",
        explanation=(
            f"Instance hours at {new:,.2f} instead of {paid:,.2f} {cost.currency} a month of 730 hours, "
            + ("at the bill's own rates." if billed else "at list price")
            + ("" if billed else f" and the {discount:.0%} of it that the bill shows." if discount < 0.995 else ".")
            + said(cost.realisable)
        ),
    )


def _proposal(
    facts: Facts, settings: Settings, row: dict[str, Any], moves: list[Move], cost: MonthlyCost, saving: Saving
) -> Recommendation:
    subject = reference(row)
    running = counts(row)
    change = UpdateEndpoint(
        endpoint=subject,
        variants=[
            # As many as run then: scaling may have changed the number since it was looked at.
            VariantTarget(variant_name=move.variant, instance_type=move.new.instance_type)
            for move in moves
        ],
    )
    hours = settings.window_days * 24
    completeness = Completeness(found=min(min(move.load.hours for move in moves), hours), expected=hours)
    other_gpu = any(move.old.gpus and move.old.family != move.new.family for move in moves)
    on_gpu = any(move.old.gpus for move in moves)
    path = ", ".join(sorted({f"{move.old.instance_type} to {move.new.instance_type}" for move in moves}))
    busiest = max(moves, key=lambda move: move.load.cpu)
    seen = f"GPU at {busiest.load.gpu:.0f} %" if busiest.load.gpu is not None else f"CPU at {busiest.load.cpu:.0f} %"
    return Recommendation(
        fingerprint=fingerprint("smaller_instance", subject.account, subject.region, subject.name),
        version=fingerprint(change.model_dump_json(), str(row["changed_at"])),
        lever="smaller_instance",
        subjects=[subject],
        title=f"Move {subject.name} from {path}",
        explanation=(
            f"{subject.name} is barely busy ({seen} in its busiest hours); {path} saves about "
            f"{saving.expected:,.0f} {saving.currency} a month and still leaves headroom."
        ),
        current=[*_figures(moves, running, after=False), _money("Cost", cost.per_month, cost)],
        proposed=[
            *_figures(moves, running, after=True),
            _money("Cost", cost.per_month - float(saving.expected), cost),
        ],
        cost_per_month=Money.of(cost.per_month).amount,
        saving=saving,
        alternatives=_alternatives(facts, row, moves),
        gates=_gates(facts, settings, row, completeness),
        confidence=0.5 if other_gpu else 0.6 if on_gpu else 0.8,
        reversible=True,
        risks=[
            "Latency may rise: health is watched after the change, and the old configuration comes back if it suffers.",
            *(["The other GPU has another architecture: the container must support it."] if other_gpu else []),
            *(["A GPU that idles while latency is high waits for its CPU: compare both."] if on_gpu else []),
        ],
        change=change,
        evidence=_evidence(facts, row, moves, settings),
        completeness=completeness,
        unknowns=["no latency objective is known for this endpoint"],
        owner=row["owner"],
        as_of=facts.as_of,
    )


def _gates(facts: Facts, settings: Settings, row: dict[str, Any], completeness: Completeness) -> list[Gate]:
    return [
        gates.in_service(row),
        gates.real_time(row),
        gates.old_enough(row, facts, settings.window_days),
        gates.data_complete(completeness, settings.alive_share),
        gates.no_scheduled_scaling(row, facts),
        gates.restore_possible(row),
    ]


def _figures(moves: list[Move], running: dict[str, int], *, after: bool) -> list[Figure]:
    found = []
    for move in moves:
        spec, load = (move.new, move.fit.expected) if after else (move.old, move.load)
        basis = "observed load, scaled" if after else "CloudWatch, p99 of hourly maxima (GPU: p95)"
        machine = f"{running[move.variant]} x {spec.instance_type}"
        found.append(Figure(label=f"{move.variant} runs on", value=machine))
        named = {"CPU": load.cpu, "Memory": load.memory, "GPU": load.gpu, "GPU memory": load.gpu_memory}
        found += [
            Figure(label=f"{move.variant} {name}", value=round(value, 1), unit="percent of the machine", basis=basis)
            for name, value in named.items()
            if value is not None
        ]
    return found


def _money(label: str, amount: float, cost: MonthlyCost) -> Figure:
    return Figure(label=label, value=round(amount, 2), unit=f"{cost.currency} per month", basis=f"{cost.basis} cost")


def _alternatives(facts: Facts, row: dict[str, Any], moves: list[Move]) -> list[Alternative]:
    found = []
    for move in moves:
        for machine, why in move.fit.others:
            cost = list_cost(
                facts, row, {one.variant: one.new.instance_type for one in moves} | {move.variant: machine}
            )
            found.append(Alternative(name=machine, cost_per_month=Money.of(cost.per_month).amount, why_not=why))
    return sorted(found, key=lambda one: (one.cost_per_month or Decimal(0), one.name))[:6]


def _evidence(facts: Facts, row: dict[str, Any], moves: list[Move], settings: Settings) -> Evidence:
    requests = sum(move.load.requests for move in moves)
    figures = [
        Figure(
            label="Requests",
            value=requests,
            unit="count",
            period=f"last {settings.window_days} days",
            basis="CloudWatch",
        ),
        *_figures(moves, counts(row), after=False),
        *price_figures(
            facts, (spec.instance_type for move in moves for spec in (move.old, move.new)), "Hosting", row["region"]
        ),
    ]
    metric = "GPUUtilization" if moves[0].old.gpus else "CPUUtilization"
    days = (
        facts.metrics.filter(
            (pl.col("account") == row["account"])
            & (pl.col("region") == row["region"])
            & (pl.col("resource_name") == row["name"])
            & (pl.col("metric") == metric)
            & (pl.col("statistic") == "Maximum")
            & (pl.col("period_seconds") == 3600)
        )
        .group_by(pl.col("start").dt.truncate("1d"))
        .agg(pl.col("value").max())
        .sort("start")
        .tail(30)
    )
    name = f"Busiest {'GPU' if moves[0].old.gpus else 'CPU'} of the day"
    return Evidence(figures=figures, series=[Series(name=name, unit="percent", points=list(days.rows()))])


LEVER = Lever(
    name="smaller_instance",
    description="Move endpoints whose machines are barely busy to smaller ones",
    settings=Settings,
    propose=propose,
)
