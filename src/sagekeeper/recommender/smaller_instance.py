"""Endpoints on bigger machines than their busiest hours need: the same number of smaller ones.

In: hourly CPU, memory and GPU readings per variant over the window (percent of the whole machine), prices. Out: one proposal per
endpoint to move its oversized variants. Rules R03 (CPU) and R04 (GPU). A candidate's load is the observed one scaled by cores,
by memory and by GPU; it must leave headroom. Readings from before the endpoint's last change are about other machines and are
never used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.endpoints import KEY, counts, reference, standing
from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.monthly_cost import MonthlyCost, cost_of, endpoint_costs, list_cost
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

GPU_FAMILIES = ("g4dn", "g5", "g6")
GPU_BANDWIDTH_GB_S = {"g4dn": 320.0, "g5": 600.0, "g6": 300.0}
"""Memory bandwidth of T4, A10G, L4 as NVIDIA publishes it: what bounds small-batch inference, and the most cautious ratio."""
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
class Load:
    """Percent of the whole machine at its busiest; None: no such reading."""

    requests: float
    cpu: float
    memory: float | None
    gpu: float | None
    gpu_memory: float | None
    hours: int


@dataclass(frozen=True)
class Move:
    """One variant's way from a machine to a smaller one, with the load expected there, and what else was looked at."""

    variant: str
    old: InstanceSpec
    new: InstanceSpec
    load: Load
    expected: Load
    others: list[tuple[str, str]]


def propose(facts: Facts, settings: Settings) -> Iterator[Recommendation]:
    """One proposal per endpoint with at least one variant on too big a machine."""
    ends = facts.as_of.replace(minute=0, second=0, microsecond=0)
    starts = ends - timedelta(days=settings.window_days)
    candidates = standing(facts).filter(
        pl.col("real_time")
        & (pl.col("status") == "InService")
        & (pl.max_horizontal("created_at", "changed_at") <= starts)
    )
    loads = _loads(facts, starts, ends)
    billed = endpoint_costs(facts)
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
        saving = _saving(facts, row, moves, cost)
        if saving is not None and saving.expected >= settings.least_saving_per_month:
            yield _proposal(facts, settings, row, moves, cost, saving)


def _loads(facts: Facts, starts: Any, ends: Any) -> dict[tuple[str, str, str], dict[str, Load]]:
    """Busiest readings by endpoint and variant."""
    metric, statistic, value = pl.col("metric"), pl.col("statistic"), pl.col("value")

    def highest(name: str) -> pl.Expr:
        return value.filter((metric == name) & (statistic == "Maximum"))

    found = (
        facts.metrics.filter(
            (pl.col("period_seconds") == 3600) & pl.col("start").is_between(starts, ends, closed="left")
        )
        .group_by("account", "region", "resource_name", "variant")
        .agg(
            requests=value.filter((metric == "Invocations") & (statistic == "Sum")).sum(),
            cpu=highest("CPUUtilization").quantile(0.99, "higher"),
            memory=highest("MemoryUtilization").quantile(0.99, "higher"),
            gpu=highest("GPUUtilization").quantile(0.95, "higher"),
            gpu_memory=highest("GPUMemoryUtilization").quantile(0.99, "higher"),
            hours=highest("CPUUtilization").count(),
        )
        .filter(pl.col("cpu").is_not_null())
    )
    loads: dict[tuple[str, str, str], dict[str, Load]] = {}
    for row in found.iter_rows(named=True):
        key = (row.pop("account"), row.pop("region"), row.pop("resource_name"))
        variant = row.pop("variant")
        loads.setdefault(key, {})[variant] = Load(**row)
    return loads


def _move(facts: Facts, settings: Settings, row: dict[str, Any], item: dict[str, Any], load: Load) -> Move | None:
    old = facts.prices.spec(item["InstanceType"])
    if old is None or load.requests < settings.least_requests or load.hours < settings.window_days * 12:
        return None
    if not _oversized(settings, old, load):
        return None
    now = _hourly(facts, old, row["region"])
    if now is None:
        return None
    fitting: list[tuple[float, InstanceSpec, Load]] = []
    others: list[tuple[str, str]] = []
    for new in _candidates(facts, old):
        price = _hourly(facts, new, row["region"])
        if price is None or price >= now:
            continue
        expected = _scaled(load, old, new)
        too_much = _too_much(expected, settings.after_below_percent)
        if too_much:
            others.append((new.instance_type, too_much))
        else:
            fitting.append((price, new, expected))
    if not fitting:
        return None
    fitting.sort(key=lambda one: (one[0], one[1].instance_type))
    _, best, expected = fitting[0]
    others += [(new.instance_type, f"fits too, but {best.instance_type} is cheaper") for _, new, _ in fitting[1:]]
    return Move(item["VariantName"], old, best, load, expected, others)


def _oversized(settings: Settings, spec: InstanceSpec, load: Load) -> bool:
    if spec.gpus:
        if load.gpu is None or load.gpu_memory is None:
            return False
        return load.gpu < settings.gpu_below_percent and load.gpu_memory < settings.gpu_memory_below_percent
    if spec.accelerators or load.memory is None:
        return False
    return load.cpu < settings.cpu_below_percent and load.memory < settings.memory_below_percent


def _candidates(facts: Facts, old: InstanceSpec) -> list[InstanceSpec]:
    """Smaller sizes of the same family; for the common inference GPUs also the sister families."""
    families = GPU_FAMILIES if old.family in GPU_FAMILIES else (old.family,)
    return [
        new
        for new in facts.prices.specs()
        if new.hosting
        and new.family in families
        and new.arch == old.arch
        and bool(new.gpus) == bool(old.gpus)
        and new.gpus <= old.gpus
        and new.vcpu <= old.vcpu
        and new.instance_type != old.instance_type
    ]


def _scaled(load: Load, old: InstanceSpec, new: InstanceSpec) -> Load:
    speed = 1.0
    if old.gpus and old.family != new.family:
        speed = GPU_BANDWIDTH_GB_S[new.family] / GPU_BANDWIDTH_GB_S[old.family]
    gpus = old.gpus / new.gpus if new.gpus else 1.0
    memory = old.gpu_memory_mib_each / new.gpu_memory_mib_each if new.gpu_memory_mib_each else 1.0
    return Load(
        requests=load.requests,
        cpu=load.cpu * old.vcpu / new.vcpu,
        memory=None if load.memory is None else load.memory * old.memory_mib / new.memory_mib,
        # A faster card of another kind is not counted on.
        gpu=None if load.gpu is None else load.gpu * gpus / min(speed, 1.0),
        gpu_memory=None if load.gpu_memory is None else load.gpu_memory * gpus * memory,
        hours=load.hours,
    )


def _too_much(load: Load, most: float) -> str:
    named = {"CPU": load.cpu, "memory": load.memory, "GPU": load.gpu, "GPU memory": load.gpu_memory}
    over = [f"{name} would reach {value:.0f} %" for name, value in named.items() if value is not None and value >= most]
    if load.memory is None:
        over.append("memory use is unknown")
    return ", ".join(over)


def _hourly(facts: Facts, spec: InstanceSpec, region: str) -> float | None:
    try:
        return facts.prices.hourly(spec.instance_type, "Hosting", region).usd
    except PriceUnknown:
        return None


def _saving(facts: Facts, row: dict[str, Any], moves: list[Move], cost: MonthlyCost) -> Saving | None:
    """Difference of list prices, at the discount that the bill shows; an uncertain new price widens the range."""
    machines = {move.variant: move.new.instance_type for move in moves}
    try:
        now, then = list_cost(facts, row), list_cost(facts, row, machines)
    except PriceUnknown:
        return None
    # The bill also has storage and data, which stay: only a bill below list says that there is a discount.
    discount = min(1.0, cost.per_month / now.per_month) if cost.days else 1.0
    expected = (now.per_month - then.per_month) * discount
    doubt = then.per_month * then.uncertainty * discount + BILL_NOISE * expected
    doubt += 0.0 if cost.days else now.per_month * now.uncertainty
    whole = Money.of(cost.per_month).amount
    return Saving(
        low=max(Decimal(0), Money.of(expected - doubt).amount),
        expected=min(Money.of(expected).amount, whole),
        high=min(Money.of(expected + doubt).amount, whole),
        currency=cost.currency,
        basis=cost.basis,
        certainty="derived" if cost.days and then.uncertainty < 0.1 else "assumed",
        explanation=(
            f"Instance hours at {then.per_month:,.2f} instead of {now.per_month:,.2f} USD a month of 730 hours at list price"
            + (f", at the {discount:.0%} of it that the bill shows." if discount < 0.995 else ".")
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
            VariantTarget(
                variant_name=move.variant, instance_type=move.new.instance_type, instance_count=running[move.variant]
            )
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
        spec, load = (move.new, move.expected) if after else (move.old, move.load)
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
        for machine, why in move.others:
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
