"""Requests and utilisation as functions of time: nothing is stored, any hour of the past can be asked for.

In: an endpoint's lives and its `Traffic`. Out: numpy arrays per period. A request metric has no value where no request came, an
instance metric none where the endpoint did not exist, exactly as CloudWatch has no datapoint there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.world import FOREVER, Standing, Traffic, stretches

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


def starts(begin: datetime, end: datetime, period: int) -> list[datetime]:
    """Period starts in [begin, end), aligned to the period as CloudWatch aligns them."""
    first = datetime.fromtimestamp(int(begin.timestamp()) // period * period, UTC)
    count = max(0, int(np.ceil((end - first).total_seconds() / period)))
    return [first + timedelta(seconds=period * number) for number in range(count)]


def requests(here: Standing, name: str, begin: datetime, count: int, period: int, now: datetime) -> Floats:
    """Requests per period: daily and weekly rhythm, noise by hour, none outside the endpoint's lives or after ``until``."""
    profile = here.traffic.get(name, Traffic())
    step = min(period, 3600)
    parts = max(1, period // step)
    at = _grid(begin, count * parts, step)
    hour = (at / 3600) % 24
    weekday = np.floor(at / 86400 + 3) % 7
    rhythm = 1 + profile.daily_swing * np.sin((hour - 8) / 24 * 2 * np.pi)
    rhythm = rhythm * np.where(weekday >= 5, profile.weekend_share, 1.0)
    noise = 1 + 0.12 * _noise(name, at // 3600)
    rate = profile.per_hour * step / 3600 * np.maximum(rhythm * noise, 0.02)
    alive = _alive_share(here, name, at, step, now)
    if profile.until is not None:
        alive = np.where(at >= profile.until.timestamp(), 0.0, alive)
    found: Floats = np.floor(rate * alive).reshape(count, parts).sum(axis=1)
    return found


def alive(here: Standing, name: str, begin: datetime, count: int, period: int, now: datetime) -> Floats:
    """Share of each period in which the endpoint existed (not counting what lies in the future)."""
    return _alive_share(here, name, _grid(begin, count, period), period, now)


@dataclass(frozen=True)
class Fleet:
    """What serves at each of some moments, as arrays; counts 0 where nothing does or nothing that has instances."""

    count: Floats
    vcpu: Floats
    memory_mib: Floats
    gpus: Floats
    gpu_memory_mib: Floats


def fleet(here: Standing, name: str, moments: Floats) -> Fleet:
    """The first variant's instances at ``moments`` (epoch seconds)."""
    columns = np.zeros((5, len(moments)))
    for life in here.lives.get(name, []):
        for start, stop, variant, count in stretches(life, here.configs):
            spec = PriceBook.bundled().spec(variant.get("InstanceType", ""))
            if (
                spec is None
                or variant["VariantName"] != here.configs[life.configs[0][1]]["ProductionVariants"][0]["VariantName"]
            ):
                continue
            during = (moments >= start.timestamp()) & (moments < (np.inf if stop == FOREVER else stop.timestamp()))
            row = (count, spec.vcpu, spec.memory_mib, spec.gpus, spec.gpu_memory_mib_each or 16_384)
            columns[:, during] = np.array(row, dtype=float)[:, None]
    return Fleet(*columns)


def values(
    here: Standing, name: str, metric: str, stat: str, begin: datetime, count: int, period: int, now: datetime
) -> Floats:
    """The metric per period; NaN where CloudWatch has no datapoint."""
    profile = here.traffic.get(name, Traffic())
    asked = requests(here, name, begin, count, period, now)
    at = _grid(begin, count, period)
    # A period in which the endpoint came into being is served by what stood at its end.
    serving, at_end = fleet(here, name, at), fleet(here, name, at + period - 1)
    serving = Fleet(
        *(
            np.where(serving.count > 0, old, new)
            for old, new in zip(vars(serving).values(), vars(at_end).values(), strict=True)
        )
    )
    if metric in REQUEST_METRICS:
        faulty = _faulty(here, name, at + period)
        made = _request_metric(
            profile, metric, stat, asked, asked * 3600 / period, serving, faulty, here.faults.get(name)
        )
        return np.where(asked > 0, made, np.nan)
    if metric in INSTANCE_METRICS:
        made = _instance_metric(profile, metric, stat, asked * 3600 / period, serving, period)
        return np.where(alive(here, name, begin, count, period, now) > 0, made, np.nan)
    return np.full(count, np.nan)


def _faulty(here: Standing, name: str, ends: Floats) -> NDArray[np.bool_]:
    """Whether a period ended after the endpoint's last update, and the fault is on."""
    life = here.life(name)
    if life is None or len(life.configs) < 2 or name not in here.faults:
        return np.zeros(len(ends), dtype=bool)
    found: NDArray[np.bool_] = ends > life.configs[-1][0].timestamp()
    return found


def _request_metric(
    profile: Traffic,
    metric: str,
    stat: str,
    asked: Floats,
    per_hour: Floats,
    serving: Fleet,
    faulty: NDArray[np.bool_],
    fault: str | None,
) -> Floats:
    counts = np.maximum(serving.count, 1)
    if metric == "Invocations":
        return _of_events(stat, asked, np.ones_like(asked), asked)
    if metric == "InvocationsPerInstance":
        return _of_events(stat, asked / counts, 1 / counts, asked)
    if metric in ("Invocation4XXErrors", "Invocation5XXErrors"):
        share = np.full_like(asked, profile.error_rate if metric.startswith("Invocation4") else 0.0)
        if fault == "errors_after_update" and metric.startswith("Invocation5"):
            share = np.where(faulty, 0.2, share)
        return _of_events(stat, np.floor(asked * share), share, asked)
    load = profile.cpu_share_per_1000 * per_hour / 1000 / np.maximum(serving.vcpu * counts, 1)
    level = (profile.model_latency_us if metric == "ModelLatency" else 2_500.0) * (1 + np.maximum(load - 0.6, 0) * 4)
    if fault == "latency_after_update" and metric == "ModelLatency":
        level = np.where(faulty, level * 6, level)
    if stat == "Sum":
        return level * asked
    if stat == "SampleCount":
        return asked
    spread = {"Average": 1.0, "Minimum": 0.4, "Maximum": 4.0, "p50": 0.93, "p90": 1.5, "p95": 1.8, "p99": 2.6}
    return level * spread.get(stat, 1.2)


def _of_events(stat: str, total: Floats, mean: Floats, count: Floats) -> Floats:
    return {"Sum": total, "SampleCount": count, "Average": mean}.get(stat, np.ceil(mean))


def _instance_metric(profile: Traffic, metric: str, stat: str, per_hour: Floats, serving: Fleet, period: int) -> Floats:
    """On CloudWatch's scales: CPU is the sum over cores, GPU the sum over GPUs, memory and disk 0-100."""
    there = serving.count > 0
    cores, gpus = np.maximum(serving.vcpu * serving.count, 1), np.maximum(serving.gpus * serving.count, 1)
    peak = 1.25 if stat in ("Maximum", "p99", "p95") else 1.0
    if metric == "CPUUtilization":
        share = profile.base_cpu_percent / 100 + profile.cpu_share_per_1000 * per_hour / 1000 / cores * peak
        level = 100 * serving.vcpu * np.minimum(1.0, share)
    elif metric == "GPUUtilization":
        level = 100 * serving.gpus * np.minimum(1.0, profile.gpu_share_per_1000 * per_hour / 1000 / gpus * peak)
    elif metric == "GPUMemoryUtilization":
        level = 100 * serving.gpus * np.minimum(1.0, profile.gpu_memory_mib / np.maximum(serving.gpu_memory_mib, 1))
    elif metric == "MemoryUtilization":
        level = 100 * np.minimum(1.0, profile.memory_mib / np.maximum(serving.memory_mib, 1))
    else:
        level = np.full_like(per_hour, 11.5)
    if metric.startswith("GPU"):
        there = there & (serving.gpus > 0)
    if stat == "SampleCount":
        level = serving.count * period / 60
    return np.where(there, level, np.nan)


def _grid(begin: datetime, count: int, step: int) -> Floats:
    """Period starts as epoch seconds."""
    made: Floats = np.asarray(begin.timestamp() + step * np.arange(count), dtype=np.float64)
    return made


def _alive_share(here: Standing, name: str, at: Floats, step: int, now: datetime) -> Floats:
    share = np.zeros(len(at))
    for life in here.lives.get(name, []):
        low = life.created.timestamp()
        high = min(now.timestamp(), (life.deleted or now).timestamp())
        share += np.clip(np.minimum(at + step, high) - np.maximum(at, low), 0, step) / step
    return share


def _noise(name: str, hours: Floats) -> Floats:
    """Standard normal per hour, the same every time it is asked for (a hash of name and hour through two waves)."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    x = np.sin(hours * 12.9898 + seed % 7919) * 43758.5453
    y = np.sin(hours * 78.233 + seed % 104729) * 12345.6789
    u, v = x - np.floor(x), y - np.floor(y)
    made: Floats = np.sqrt(-2 * np.log(np.maximum(u, 1e-9))) * np.cos(2 * np.pi * v)
    return made
