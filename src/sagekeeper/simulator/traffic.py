"""Requests and utilisation as functions of time: nothing is stored, any period of the past can be asked for.

In: an endpoint's lives (what ran, on how many machines, from when to when) and its `Traffic`. Out: numpy arrays per
period. A request metric has no value where no request came, an instance metric none where the endpoint did not exist,
exactly as CloudWatch has no datapoint there. How many requests come is in `demand.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.demand import HOUR, alive, invoked, requests, seconds, span, stretches_of
from sagekeeper.simulator.world import FOREVER, Fault, Standing, Traffic

Floats = NDArray[np.float64]
REQUEST_METRICS = {
    "Invocations",
    "InvocationsPerInstance",
    "Invocation4XXErrors",
    "Invocation5XXErrors",
    "ModelLatency",
    "OverheadLatency",
}
INSTANCE_METRICS = {"CPUUtilization", "MemoryUtilization", "DiskUtilization", "GPUUtilization", "GPUMemoryUtilization"}
OF_RUNTIME = {"Invocation4XXErrors": "client_errors", "Invocation5XXErrors": "server_errors"}
"""What requests through the runtime add to a metric of errors."""
OVERHEAD_US = 2_500.0
WITHOUT_ITS_GPU = 25.0
"""How many times longer a model takes that wants a GPU and has none."""
SPREAD = {
    "Minimum": 0.4,
    "p1": 0.5,
    "p10": 0.62,
    "p50": 0.93,
    "p75": 1.15,
    "p90": 1.5,
    "p95": 1.8,
    "p99": 2.6,
    "p100": 4.0,
}
"""Single requests around the mean latency; other percentiles lie between their neighbours."""
SWING = {"Minimum": 0.8, "p10": 0.88, "p50": 1.0, "p90": 1.15, "p95": 1.18, "p99": 1.22, "p100": 1.25}
"""Single minutes around the hour's mean load."""


@dataclass(frozen=True)
class Fleet:
    """What serves at each of some moments, as arrays; counts 0 where nothing does or nothing that has instances."""

    count: Floats
    vcpu: Floats
    memory_mib: Floats
    gpus: Floats
    gpu_memory_mib: Floats


def values(
    here: Standing,
    name: str,
    variant: str,
    metric: str,
    stat: str,
    begin: float,
    count: int,
    period: int,
    now: datetime,
) -> Floats:
    """The metric per period; NaN where CloudWatch has no datapoint."""
    # Load changes by the hour: longer periods are put together from hours, so that their maximum is the busiest hour's.
    parts = max(1, period // HOUR)
    step, steps = period // parts, count * parts
    asked = requests(here, name, variant, begin, steps, step, now)
    there = alive(here, name, variant, begin, steps, step, now)
    per_hour = asked * HOUR / step / np.maximum(there, 1e-9)
    serving = _fleet(here, name, variant, begin + step * np.arange(steps, dtype=np.float64), step)
    if metric in INSTANCE_METRICS:
        level = _instance_level(here.traffic.get(name, Traffic()), metric, stat, per_hour, serving)
        weight = np.where(
            np.isnan(level) | (there <= 0), 0.0, serving.count * np.maximum(np.floor(there * step / 60), 1)
        )
        return together(level, weight, stat, count)
    if metric in REQUEST_METRICS:
        fault = _fault(here, name, begin + step * np.arange(steps, dtype=np.float64), step)
        level, weight = _request_level(here.traffic.get(name, Traffic()), metric, stat, asked, per_hour, serving, fault)
        if metric in OF_RUNTIME:
            more = invoked(here, (name, variant), begin, steps, step, now, None, OF_RUNTIME[metric])
            own = asked - invoked(here, (name, variant), begin, steps, step, now, None)
            level = (np.floor(level * own + 1e-6) + more) / np.maximum(asked, 1)
        return together(level, weight, stat, count)
    return np.full(count, np.nan)


def _fleet(here: Standing, name: str, variant: str, moments: Floats, step: int) -> Fleet:
    """The variant's instances over each step: those at its end, else those at its start (it was deleted meanwhile)."""
    columns = np.zeros((5, len(moments)))
    # While two fleets stand, the one that takes requests shows.
    for stretch in sorted(
        stretches_of(here, name, variant, moments[0], moments[-1] + step), key=lambda item: item.share > 0
    ):
        spec = PriceBook.bundled().spec(stretch.variant.get("InstanceType", ""))
        if spec is None:
            continue
        start, stop = span(stretch, np.inf)
        during = (moments + step > start) & (moments < stop)
        row = (stretch.serving, spec.vcpu, spec.memory_mib, spec.gpus, spec.gpu_memory_mib_each or 16_384)
        columns[:, during] = np.array(row, dtype=float)[:, None]
    return Fleet(*columns)


def _fault(here: Standing, name: str, moments: Floats, step: int) -> dict[str, NDArray[np.bool_]]:
    """When which fault was on: at once, or from the first update after it was set until the next update, or the end."""
    fault: Fault | None = here.faults.get(name)
    life = here.lives[name][-1] if here.lives.get(name) else None
    if fault is None or life is None:
        return {}
    kind = fault.kind.removesuffix("_after_update")
    if kind == fault.kind:
        return {kind: moments + step > fault.since.timestamp()}
    updates = [item for item in life.deployed[1:] if item.at >= fault.since]
    if not updates:
        return {}
    plan = updates[0].plan
    # What is new serves from its first share of the requests on, and no more once it was taken back.
    begun = next((step.at for step in plan.steps if step.traffic > 0), FOREVER) if plan else updates[0].at
    ended = updates[1].at if len(updates) > 1 else FOREVER
    if plan is not None and plan.turned is not None:
        ended = plan.turned
    return {kind: (moments + step > seconds(begun)) & (moments < seconds(ended))}


def _request_level(
    profile: Traffic,
    metric: str,
    stat: str,
    asked: Floats,
    per_hour: Floats,
    serving: Fleet,
    fault: dict[str, NDArray[np.bool_]],
) -> tuple[Floats, Floats]:
    """The mean value of one request (for latency: of the asked statistic), and how many there were."""
    counts = np.maximum(serving.count, 1)
    load = profile.cpu_share_per_1000 * per_hour / 1000 / np.maximum(serving.vcpu * counts, 1)
    if metric == "Invocations":
        return np.ones_like(asked), asked
    if metric == "InvocationsPerInstance":
        return 1 / counts, asked
    if metric == "Invocation4XXErrors":
        return np.floor(asked * profile.error_rate) / np.maximum(asked, 1), asked
    if metric == "Invocation5XXErrors":
        share = np.where(
            serving.count > 0, np.clip(1 - 1 / np.maximum(load, 1e-9), 0, 1), 0.0
        )  # What finds no free core.
        share = np.where(fault.get("errors", False), np.maximum(share, 0.2), share)
        return np.floor(asked * share) / np.maximum(asked, 1), asked
    level = (profile.model_latency_us if metric == "ModelLatency" else OVERHEAD_US) * (
        1 + np.maximum(load - 0.6, 0) * 4
    )
    if metric == "ModelLatency":
        level = np.where(
            (profile.gpu_share_per_1000 > 0) & (serving.count > 0) & (serving.gpus == 0), level * WITHOUT_ITS_GPU, level
        )
        level = np.where(fault.get("latency", False), level * 6, level)
    return level * factor(SPREAD, stat), asked


def _instance_level(profile: Traffic, metric: str, stat: str, per_hour: Floats, serving: Fleet) -> Floats:
    """On CloudWatch's scales: CPU is the sum over cores, GPU the sum over GPUs, memory and disk 0-100."""
    cores, gpus = np.maximum(serving.vcpu * serving.count, 1), np.maximum(serving.gpus * serving.count, 1)
    swing = factor(SWING, stat)
    if metric == "CPUUtilization":
        share = profile.base_cpu_percent / 100 + profile.cpu_share_per_1000 * per_hour / 1000 / cores * swing
        level = 100 * serving.vcpu * np.minimum(1.0, share)
    elif metric == "GPUUtilization":
        level = 100 * serving.gpus * np.minimum(1.0, profile.gpu_share_per_1000 * per_hour / 1000 / gpus * swing)
    elif metric == "GPUMemoryUtilization":
        level = 100 * serving.gpus * np.minimum(1.0, profile.gpu_memory_mib / np.maximum(serving.gpu_memory_mib, 1))
    elif metric == "MemoryUtilization":
        level = 100 * np.minimum(1.0, profile.memory_mib / np.maximum(serving.memory_mib, 1))
    else:
        level = np.full_like(per_hour, 11.5)
    there = (serving.count > 0) & ((serving.gpus > 0) | (not metric.startswith("GPU")))
    return np.where(there, level, np.nan)


def together(level: Floats, weight: Floats, stat: str, count: int) -> Floats:
    """Hours (or shorter) into periods, as CloudWatch would: sums, weighted mean, extremes; NaN where nothing was published."""
    level = np.where(weight > 0, np.nan_to_num(level), 0.0).reshape(count, -1)
    weight = weight.reshape(count, -1)
    samples = weight.sum(axis=1)
    if stat == "SampleCount":
        made = samples
    elif stat == "Sum":
        made = (level * weight).sum(axis=1)
    elif stat == "Average":
        made = (level * weight).sum(axis=1) / np.maximum(samples, 1e-9)
    elif stat == "Minimum":
        made = np.where(weight > 0, level, np.inf).min(axis=1)
    elif stat == "Maximum" or level.shape[1] == 1:
        made = np.where(weight > 0, level, -np.inf).max(axis=1)
    else:
        made = _weighted_percentile(level, weight, float(stat.removeprefix("p")) / 100)
    return np.where(samples > 0, made, np.nan)


def _weighted_percentile(level: Floats, weight: Floats, share: float) -> Floats:
    order = np.argsort(level, axis=1)
    ranked, below = np.take_along_axis(level, order, 1), np.cumsum(np.take_along_axis(weight, order, 1), axis=1)
    at = np.argmax(below >= share * below[:, -1:], axis=1)
    made: Floats = np.take_along_axis(ranked, at[:, None], 1)[:, 0]
    return made


def factor(shape: dict[str, float], stat: str) -> float:
    """What a statistic is of the mean: 1 for sums and averages, else from ``shape``, between its percentiles if need be."""
    if stat in ("Sum", "Average", "SampleCount"):
        return 1.0
    if stat in ("Maximum", "Minimum"):
        return shape["p100" if stat == "Maximum" else "Minimum"]
    known = {0.0 if key == "Minimum" else float(key[1:]): factor for key, factor in shape.items()}
    return float(np.interp(float(stat.removeprefix("p")), list(known), list(known.values())))
