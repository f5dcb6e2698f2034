"""Which smaller machine carries the load of a bigger one, and why do the others not?

In: the machine, its `Load`, the prices, how full the new one may get. Out: a `Fit`: the cheapest that carries it, the load to be
expected there, and every other candidate with its reason. Rules R03 (CPU) and R04 (GPU): the observed load is scaled by cores, by
memory and by GPU. Candidates are sizes of the same family; for the common inference GPUs also the sister families.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sagekeeper.analyzers.facts import Facts
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import InstanceSpec
from sagekeeper.recommender.machine_load import Load

GPU_FAMILIES = ("g4dn", "g5", "g6")
GPU_BANDWIDTH_GB_S = {"g4dn": 320.0, "g5": 600.0, "g6": 300.0}
"""Memory bandwidth of T4, A10G, L4 as NVIDIA publishes it: what bounds small-batch inference, and the most cautious ratio."""
FULL = 95.0
"""Percent of CPU from which requests queue: not even one hour of the window may reach it on the new machine."""


@dataclass(frozen=True)
class Fit:
    """The machine to take, the load expected there, and the other candidates with why not."""

    machine: InstanceSpec
    expected: Load
    others: list[tuple[str, str]]


def cheapest_fit(facts: Facts, old: InstanceSpec, load: Load, region: str, most: float) -> Fit | None:
    """The cheapest machine below ``old``'s price that stays under ``most`` percent; None: there is none, or no price is known."""
    now = _hourly(facts, old, region)
    if now is None:
        return None
    fitting: list[tuple[float, InstanceSpec, Load]] = []
    others: list[tuple[str, str]] = []
    for new in _candidates(facts, old):
        price = _hourly(facts, new, region)
        if price is None or price >= now:
            continue
        expected = _scaled(load, old, new)
        too_much = _too_much(expected, most)
        if too_much:
            others.append((new.instance_type, too_much))
        else:
            fitting.append((price, new, expected))
    if not fitting:
        return None
    fitting.sort(key=lambda one: (one[0], one[1].instance_type))
    _, best, expected = fitting[0]
    others += [(new.instance_type, f"fits too, but {best.instance_type} is cheaper") for _, new, _ in fitting[1:]]
    return Fit(best, expected, others)


def _candidates(facts: Facts, old: InstanceSpec) -> list[InstanceSpec]:
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
    gpu_memory = old.gpu_memory_mib_each / new.gpu_memory_mib_each if new.gpu_memory_mib_each else 1.0
    cores, memory = old.vcpu / new.vcpu, old.memory_mib / new.memory_mib
    return replace(
        load,
        cpu=load.cpu * cores,
        cpu_peak=load.cpu_peak * cores,
        memory=None if load.memory is None else load.memory * memory,
        memory_peak=None if load.memory_peak is None else load.memory_peak * memory,
        # A faster card of another kind is not counted on.
        gpu=None if load.gpu is None else load.gpu * gpus / min(speed, 1.0),
        gpu_memory=None if load.gpu_memory is None else load.gpu_memory * gpus * gpu_memory,
        gpu_memory_peak=None if load.gpu_memory_peak is None else load.gpu_memory_peak * gpus * gpu_memory,
    )


def _too_much(load: Load, most: float) -> str:
    """Why the load does not fit; empty: it does. A machine short of memory fails whole, so its highest hour decides."""
    named = {"CPU": load.cpu, "memory": load.memory_peak, "GPU": load.gpu, "GPU memory": load.gpu_memory_peak}
    over = [f"{name} would reach {value:.0f} %" for name, value in named.items() if value is not None and value >= most]
    if load.cpu < most and load.cpu_peak >= FULL:
        over.append(f"CPU would reach {load.cpu_peak:.0f} % in its busiest hour")
    if load.memory_peak is None:
        over.append("memory use is unknown")
    return ", ".join(over)


def _hourly(facts: Facts, spec: InstanceSpec, region: str) -> float | None:
    try:
        return facts.prices.hourly(spec.instance_type, "Hosting", region).usd
    except PriceUnknown:
        return None
