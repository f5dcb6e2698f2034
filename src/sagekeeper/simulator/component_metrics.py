"""Metrics of inference components: per component, from its own requests and its copies over time (aws-facts 1.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from sagekeeper.simulator.components import needs
from sagekeeper.simulator.demand import Floats, demand, invoked
from sagekeeper.simulator.hosting import Component
from sagekeeper.simulator.lives import FOREVER
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.traffic import OVERHEAD_US, SPREAD, SWING, factor
from sagekeeper.simulator.world import Standing, Traffic

COMPONENT_METRICS = {
    "AWS/SageMaker": {
        "Invocations",
        "InvocationsPerCopy",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "ModelLatency",
        "OverheadLatency",
        "ConcurrentRequestsPerCopy",
        "ConcurrentRequestsPerModel",
        "NoCapacityInvocationFailures",
    },
    "/aws/sagemaker/InferenceComponents": {
        "CPUUtilizationNormalized",
        "MemoryUtilizationNormalized",
        "GPUUtilizationNormalized",
        "GPUMemoryUtilizationNormalized",
    },
}
FAILED = {"NoCapacityInvocationFailures"}


def is_component_metric(here: Standing, key: Key) -> bool:
    """Whether a component, present or past, publishes this."""
    return (
        len(key.dimensions) == 1
        and key.dimensions[0][0] == "InferenceComponentName"
        and key.dimensions[0][1] in here.hosting.components
        and key.name in COMPONENT_METRICS.get(key.namespace, ())
    )


def component_level(
    here: Standing, key: Key, stat: str, first: float, steps: int, step: int, now: datetime
) -> tuple[Floats, Floats]:
    """The mean value, and how many samples there are of it, per step."""
    name = key.dimensions[0][1]
    profile = here.traffic.get(f"component:{name}", Traffic())
    asked, failed, copies = component_requests(here, name, first, steps, step, now)
    per_second = asked / step
    busy = per_second * profile.model_latency_us / 1e6 * factor(SWING, stat)
    each = np.maximum(copies, 1)
    minutes = np.full(steps, max(step // 60, 1)) * (copies > 0)
    cores, _, accelerators = needs(here.hosting.components[name][-1])
    load = profile.cpu_share_per_1000 * per_second * 3.6 / np.maximum(cores * each, 0.25)
    gpu = profile.gpu_share_per_1000 * per_second * 3.6 / np.maximum(accelerators * each, 1)
    held = needs(here.hosting.components[name][-1])[1]
    latency = 1 + np.maximum(load - 0.6, 0) * 4
    table: dict[str, Callable[[], tuple[Any, Floats]]] = {
        "Invocations": lambda: (1.0, asked),
        "InvocationsPerCopy": lambda: (1 / each, asked),
        "Invocation4XXErrors": lambda: (np.floor(asked * profile.error_rate) / np.maximum(asked, 1), asked),
        "Invocation5XXErrors": lambda: (failed / np.maximum(asked + failed, 1), asked + failed),
        "ModelLatency": lambda: (profile.model_latency_us * latency * factor(SPREAD, stat), asked),
        "OverheadLatency": lambda: (OVERHEAD_US * factor(SPREAD, stat), asked),
        "ConcurrentRequestsPerCopy": lambda: (busy / each, minutes * (asked > 0)),
        "ConcurrentRequestsPerModel": lambda: (busy, minutes * (asked > 0)),
        "NoCapacityInvocationFailures": lambda: (1.0, failed),
        "CPUUtilizationNormalized": lambda: (100 * np.minimum(load, 1.0), minutes),
        "MemoryUtilizationNormalized": lambda: (100 * min(profile.memory_mib / max(held, 1), 1.0), minutes),
        "GPUUtilizationNormalized": lambda: (100 * np.minimum(gpu, 1.0), minutes * (accelerators > 0)),
        "GPUMemoryUtilizationNormalized": lambda: (
            100 * min(profile.gpu_memory_mib / 16_384, 1.0),
            minutes * (accelerators > 0),
        ),
    }
    level, weight = table[key.name]()
    return np.broadcast_to(np.asarray(level, dtype=np.float64), (steps,)), np.asarray(weight, dtype=np.float64)


def component_requests(
    here: Standing, name: str, first: float, steps: int, step: int, now: datetime
) -> tuple[Floats, Floats, Floats]:
    """Requests that a component answered, those that found no copy, and its copies, per step."""
    served: list[tuple[float, float, float]] = []
    missed: list[tuple[float, float, float]] = []
    copies = np.zeros(steps)
    moments = first + step * np.arange(steps, dtype=np.float64)
    for component in here.hosting.components.get(name, []):
        for begin, end, placed in _spans(component):
            (served if placed else missed).append((begin, end, 1.0))
            copies[(moments + step > begin) & (moments < end)] = placed
    key = f"component:{name}"
    asked = demand(here, key, served, first, steps, step, now)
    failed = demand(here, key, missed, first, steps, step, now)
    return (
        asked + invoked(here, ("", key), first, steps, step, now, None),
        failed + invoked(here, ("", f"{key}/none"), first, steps, step, now, None),
        copies,
    )


def _spans(component: Component) -> list[tuple[float, float, int]]:
    end = component.deleted or FOREVER
    marks = sorted({item.at for item in component.copies if item.at < end})
    return [
        (begin.timestamp(), np.inf if stop == FOREVER else stop.timestamp(), component.count(begin).placed)
        for begin, stop in pairwise([*marks, end])
    ]
