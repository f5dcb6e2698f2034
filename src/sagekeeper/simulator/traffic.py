"""Requests and utilisation as functions of time: nothing is stored, any period of the past can be asked for.

In: an endpoint's lives (what ran, on how many machines, from when to when) and its `Traffic`. Out: numpy arrays per
period. A request metric has no value where no request came, an instance metric none where the endpoint did not exist,
exactly as CloudWatch has no datapoint there. Requests are counted by one rising function of time, so that any two
cuttings of an hour or a day add up to the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.hosting import ALWAYS, memory_gb
from sagekeeper.simulator.world import FOREVER, Fault, Standing, Stretch, Traffic, stretches

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
HOUR = 3600
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


def requests(
    here: Standing,
    name: str,
    variant: str | None,
    begin: float,
    count: int,
    period: int,
    now: datetime,
    memory: int | None = None,
) -> Floats:
    """Requests per period to one variant (None: to all): daily and weekly rhythm, noise by hour, none outside its lives.

    ``memory`` counts only those that came while the variant was serverless with so many GB (0: on instances).
    """
    spans = [
        (*_span(stretch, np.inf), stretch.share)
        for stretch in _stretches(here, name, variant)
        if (variant is not None or not stretch.shadow)
        and memory in (None, memory_gb(stretch.variant))
        and (stretch.serving > 0 or not stretch.variant.get("InstanceType") or "AsyncInferenceConfig" in stretch.config)
    ]
    found = demand(here, name, spans, begin, count, period, now)
    variants = (
        [variant] if variant is not None else sorted({item[1] for item in here.hosting.invoked if item[0] == name})
    )
    for one in variants:
        found += _invoked(here, (name, one), begin, count, period, now, None if memory is None else spans)
    return found


def demand(
    here: Standing,
    name: str,
    spans: list[tuple[float, float, float]],
    begin: float,
    count: int,
    period: int,
    now: datetime,
) -> Floats:
    """Requests of the world's clients per period, within spans of time in which a share of them counts."""
    edges = begin + period * np.arange(count + 1, dtype=np.float64)
    first = np.floor(edges[0] / HOUR)
    hours = first + np.arange(int(np.ceil(edges[-1] / HOUR) - first))
    found = np.zeros(count)
    for since, until, profile in here.hosting.windows(name, here.traffic.get(name, Traffic())):
        stop = min(moment for moment in (now, profile.until, until) if moment is not None).timestamp()
        rates = _hourly(profile, name, hours) if profile.per_hour else None
        for low, high, share in _joined(spans):
            low, high = max(low, since.timestamp() if since > ALWAYS else 0.0), min(high, stop)
            if rates is not None and low < min(high, edges[-1]) and high > edges[0]:
                found += np.diff(_counted(np.clip(edges, low, high), first, np.floor(rates * share)))
    return found


def _joined(spans: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Spans that follow each other with the same share as one: scaling does not change what comes."""
    found: list[tuple[float, float, float]] = []
    for share, group in groupby(sorted(spans, key=lambda item: (item[2], item[0])), key=lambda item: item[2]):
        for low, high, _ in group:
            if found and found[-1][2] == share and found[-1][1] == low:
                found[-1] = (found[-1][0], high, share)
            else:
                found.append((low, high, share))
    return found


def _invoked(
    here: Standing,
    key: tuple[str, str],
    begin: float,
    count: int,
    period: int,
    now: datetime,
    spans: list[tuple[float, float, float]] | None,
) -> Floats:
    """Requests that came through the runtime, per period; where spans are given, only those within one."""
    found = np.zeros(count)
    for minute, row in here.hosting.invoked.get(key, {}).items():
        moment = minute * 60.0
        at = int((moment - begin) // period)
        within = spans is None or any(low <= moment + 60 and moment < high for low, high, _ in spans)
        if 0 <= at < count and moment <= now.timestamp() and within:
            found[at] += row.requests
    return found


def alive(
    here: Standing, name: str, variant: str | None, begin: float, count: int, period: int, now: datetime
) -> Floats:
    """Share of each period in which the variant stood (not counting what lies in the future)."""
    edges = begin + period * np.arange(count + 1, dtype=np.float64)
    share = np.zeros(count)
    for stretch in _stretches(here, name, variant):
        low, high = _span(stretch, now.timestamp())
        if low < high:
            share += np.diff(np.clip(edges, low, high)) / period
    return np.minimum(share, 1.0)


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
        return _together(level, weight, stat, count)
    if metric in REQUEST_METRICS:
        fault = _fault(here, name, begin + step * np.arange(steps, dtype=np.float64), step)
        level, weight = _request_level(here.traffic.get(name, Traffic()), metric, stat, asked, per_hour, serving, fault)
        return _together(level, weight, stat, count)
    return np.full(count, np.nan)


def _hourly(profile: Traffic, name: str, hours: Floats) -> Floats:
    weekday = np.floor(hours / 24 + 3) % 7
    rhythm = 1 + profile.daily_swing * np.sin((hours % 24 - 8) / 24 * 2 * np.pi)
    rhythm = rhythm * np.where(weekday >= 5, profile.weekend_share, 1.0)
    noise = 1 + 0.12 * _noise(name, hours)
    made: Floats = np.floor(profile.per_hour * np.maximum(rhythm * noise, 0.02))
    if profile.seasons is None:
        return made
    edges = np.array([[side.timestamp() / HOUR for side in span] for span in profile.seasons]).ravel()
    # Between an odd number of edges lies a season: they are in order and do not overlap.
    return np.where(np.searchsorted(edges, hours, side="right") % 2 == 1, made, 0.0)


def _counted(moments: Floats, first: float, hourly: Floats) -> Floats:
    """Requests from the start of hour ``first`` until each moment: whole hours, and within an hour in proportion."""
    hour = np.minimum(np.floor(moments / HOUR), first + len(hourly) - 1)
    at = (hour - first).astype(np.int64)
    before = np.concatenate([[0.0], np.cumsum(hourly)])
    made: Floats = before[at] + np.floor(hourly[at] * (moments - hour * HOUR) / HOUR)
    return made


def _stretches(here: Standing, name: str, variant: str | None) -> list[Stretch]:
    return [
        stretch
        for life in here.lives.get(name, [])
        for stretch in stretches(life)
        if variant is None or stretch.variant["VariantName"] == variant
    ]


def _seconds(moment: datetime) -> float:
    return np.inf if moment == FOREVER else moment.timestamp()


def _span(stretch: Stretch, until: float) -> tuple[float, float]:
    stop = np.inf if stretch.stop == FOREVER else stretch.stop.timestamp()
    return stretch.start.timestamp(), max(stretch.start.timestamp(), min(stop, until))


def _fleet(here: Standing, name: str, variant: str, moments: Floats, step: int) -> Fleet:
    """The variant's instances over each step: those at its end, else those at its start (it was deleted meanwhile)."""
    columns = np.zeros((5, len(moments)))
    # While two fleets stand, the one that takes requests shows.
    for stretch in sorted(_stretches(here, name, variant), key=lambda item: item.share > 0):
        spec = PriceBook.bundled().spec(stretch.variant.get("InstanceType", ""))
        if spec is None:
            continue
        start, stop = _span(stretch, np.inf)
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
    return {kind: (moments + step > _seconds(begun)) & (moments < _seconds(ended))}


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
    return level * _factor(SPREAD, stat), asked


def _instance_level(profile: Traffic, metric: str, stat: str, per_hour: Floats, serving: Fleet) -> Floats:
    """On CloudWatch's scales: CPU is the sum over cores, GPU the sum over GPUs, memory and disk 0-100."""
    cores, gpus = np.maximum(serving.vcpu * serving.count, 1), np.maximum(serving.gpus * serving.count, 1)
    swing = _factor(SWING, stat)
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


def _together(level: Floats, weight: Floats, stat: str, count: int) -> Floats:
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


def _factor(shape: dict[str, float], stat: str) -> float:
    """What a statistic is of the mean: 1 for sums and averages, else from ``shape``, between its percentiles if need be."""
    if stat in ("Sum", "Average", "SampleCount"):
        return 1.0
    if stat in ("Maximum", "Minimum"):
        return shape["p100" if stat == "Maximum" else "Minimum"]
    known = {0.0 if key == "Minimum" else float(key[1:]): factor for key, factor in shape.items()}
    return float(np.interp(float(stat.removeprefix("p")), list(known), list(known.values())))


def _noise(name: str, hours: Floats) -> Floats:
    """Standard normal per hour, the same every time it is asked for (a hash of name and hour through two waves)."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    x = np.sin(hours * 12.9898 + seed % 7919) * 43758.5453
    y = np.sin(hours * 78.233 + seed % 104729) * 12345.6789
    u, v = x - np.floor(x), y - np.floor(y)
    made: Floats = np.sqrt(-2 * np.log(np.maximum(u, 1e-9))) * np.cos(2 * np.pi * v)
    return made
