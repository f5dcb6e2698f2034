"""Metrics of the kinds of hosting beside plain instances: serverless, asynchronous, multi-model, inference components.

In: the world and a metric's name and dimensions. Out: values per period, NaN where AWS has no datapoint. Which metrics a
kind publishes, under which dimensions and in which units is in aws-facts 1.1. Everything follows from the requests that
come and what serves them: an asynchronous queue grows by what is not processed, a serverless function is cold when
nobody asked for ten minutes, a multi-model endpoint misses models for which there is no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from moto.s3.models import s3_backends

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.component_metrics import COMPONENT_METRICS, component_level, is_component_metric
from sagekeeper.simulator.demand import HOUR, Floats, alive, requests, seconds, stretches_of
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.sagemaker_models import containers, multi_model
from sagekeeper.simulator.traffic import SPREAD, SWING, factor, together
from sagekeeper.simulator.world import Standing, Stretch, Traffic, stretches
from sagekeeper.simulator.world_metrics import Source

ENDPOINTS, INVOCATIONS = "/aws/sagemaker/Endpoints", "AWS/SageMaker"
REAL_TIME = {"ConcurrentRequestsPerModel", "InvocationModelErrors"}
SERVERLESS = {"ModelSetupTime", "ServerlessConcurrentExecutionsUtilization"}
PROVISIONED = {
    "ServerlessProvisionedConcurrencyExecutions",
    "ServerlessProvisionedConcurrencyInvocations",
    "ServerlessProvisionedConcurrencySpilloverInvocations",
    "ServerlessProvisionedConcurrencyUtilization",
}
ASYNC = {"InvocationsProcesssed", "InvocationFailures", "TimeInBacklog", "TotalProcessingTime"}
QUEUE = {
    "ApproximateBacklogSize",
    "ApproximateBacklogSizePerInstance",
    "ApproximateAgeOfOldestRequest",
    "HasBacklogWithoutCapacity",
}
MULTI_MODEL = {"ModelCacheHit", "ModelLoadingWaitTime", "ModelLoadingTime", "ModelDownloadingTime"}
KEPT_WARM_S, SETUP_US = 600.0, 3_200_000.0
"""A serverless container is kept for minutes after its last request; starting one takes seconds."""
MODEL_MIB, LOAD_US = 512, 7_500_000.0
"""Memory and time that loading one model of a multi-model endpoint takes."""
ASYNC_AT_ONCE = 4
"""Requests an asynchronous instance works on where MaxConcurrentInvocationsPerInstance is left to SageMaker."""
QUEUE_LOOKBACK = timedelta(hours=6)
"""How far before a period the queue is followed from empty: a queue older than that is worked off, or given up."""


class Scene(NamedTuple):
    """One variant over some periods: what was asked, and what served."""

    profile: Traffic
    variant: dict[str, Any]
    config: dict[str, Any]
    asked: Floats
    per_second: Floats
    serving: Floats
    there: Floats


def _publishes(here: Standing, key: Key) -> bool:
    if is_component_metric(here, key):
        return True
    told = dict(key.dimensions)
    names = tuple(name for name, _ in key.dimensions)
    found = [
        item
        for life in here.lives.get(told.get("EndpointName", ""), [])
        for item in stretches(life)
        if told.get("VariantName") in (None, item.variant["VariantName"])
    ]
    if names == ("EndpointName",):
        return key.namespace == INVOCATIONS and key.name in QUEUE and any(_asynchronous(item) for item in found)
    return names == ("EndpointName", "VariantName") and any(key.name in _names(here, item, key) for item in found)


def _names(here: Standing, item: Stretch, key: Key) -> set[str]:
    """What a stretch of a variant's life publishes beside the usual, in the metric's namespace."""
    serverless = item.variant.get("ServerlessConfig")
    models = multi_model(here.models.get(item.variant.get("ModelName", ""), {}))
    if key.namespace == ENDPOINTS:
        return ({"MemoryUtilization"} if serverless else set()) | ({"LoadedModelCount"} if models else set())
    if key.namespace != INVOCATIONS:
        return set()
    if serverless:
        return SERVERLESS | (PROVISIONED if serverless.get("ProvisionedConcurrency") else set())
    return (ASYNC if _asynchronous(item) else REAL_TIME) | (MULTI_MODEL if models else set())


def _keys(here: Standing, since: datetime, now: datetime) -> Iterator[Key]:
    hours = max(1, int((now - since) / timedelta(hours=1)))
    wanted: list[Key] = []
    for endpoint, lives in here.lives.items():
        if lives[-1].deleted is not None and lives[-1].deleted < since:
            continue
        items = {item.variant["VariantName"]: item for item in stretches(lives[-1])}
        for name, item in items.items():
            both = (("EndpointName", endpoint), ("VariantName", name))
            for space in (INVOCATIONS, ENDPOINTS):
                names = _names(here, item, Key(space, "", both))
                wanted += [Key(space, metric, both) for metric in sorted(names)]
            if _asynchronous(item):
                wanted += [Key(INVOCATIONS, metric, both[:1]) for metric in sorted(QUEUE)]
    wanted += list(_component_keys(here))
    for key in wanted:
        if not np.isnan(_values(here, key, "SampleCount", since.timestamp(), hours, HOUR, now)).all():
            yield key


def _component_keys(here: Standing) -> Iterator[Key]:
    for name in here.hosting.components:
        for space, names in COMPONENT_METRICS.items():
            yield from (Key(space, metric, (("InferenceComponentName", name),)) for metric in sorted(names))


def _values(here: Standing, key: Key, stat: str, first: float, count: int, period: int, now: datetime) -> Floats:
    parts = max(1, period // HOUR)
    step, steps = period // parts, count * parts
    if is_component_metric(here, key):
        level, weight = component_level(here, key, stat, first, steps, step, now)
    elif key.name in QUEUE | ASYNC:
        level, weight = _queue_level(here, key, first, steps, step, now)
    else:
        level, weight = _level(here, key, stat, first, steps, step, now)
    return together(level, weight, stat, count)


def _level(
    here: Standing, key: Key, stat: str, first: float, steps: int, step: int, now: datetime
) -> tuple[Floats, Floats]:
    endpoint, name = (value for _, value in key.dimensions)
    scene = _scene(here, endpoint, name, first, steps, step, now)
    if scene is None:
        return np.full(steps, np.nan), np.zeros(steps)
    busy = scene.per_second * scene.profile.model_latency_us / 1e6 * factor(SWING, stat)
    minutes = np.maximum(np.floor(scene.there * step / 60), 0)
    wish = scene.variant.get("ServerlessConfig", {})
    kept = float(wish.get("ProvisionedConcurrency", 0))
    cold = np.where(busy > kept, np.maximum(np.exp(-scene.per_second * KEPT_WARM_S), 0.002), 0.0)
    cold = np.where(scene.asked > 0, np.maximum(np.round(scene.asked * cold), (scene.asked > 0) & (kept == 0)), 0.0)
    spilled = scene.asked * np.clip(1 - kept / np.maximum(busy, 1e-9), 0, 1)
    models, fit = _models(here, scene)
    hit = 1.0 if models <= fit else fit / models
    missed = np.round(scene.asked * (1 - hit) + np.minimum(models, fit) * (scene.asked > 0) / 24)
    asked = scene.asked
    failed = np.floor(asked * scene.profile.error_rate / 2) / np.maximum(asked, 1)
    table: dict[str, Callable[[], tuple[Any, Floats]]] = {
        "ConcurrentRequestsPerModel": lambda: (busy / np.maximum(scene.serving, 1), minutes * (asked > 0)),
        "InvocationModelErrors": lambda: (failed, asked),
        "ModelSetupTime": lambda: (SETUP_US * factor(SPREAD, stat), cold),
        "ServerlessConcurrentExecutionsUtilization": lambda: (busy / wish["MaxConcurrency"], minutes * (asked > 0)),
        "MemoryUtilization": lambda: (
            100 * min(0.9, scene.profile.memory_mib / wish.get("MemorySizeInMB", 1024)),
            minutes * (asked > 0),
        ),
        "ServerlessProvisionedConcurrencyExecutions": lambda: (np.minimum(busy, kept), minutes),
        "ServerlessProvisionedConcurrencyUtilization": lambda: (np.minimum(busy / max(kept, 1), 1.0), minutes),
        "ServerlessProvisionedConcurrencyInvocations": lambda: (1.0, np.round(asked - spilled)),
        "ServerlessProvisionedConcurrencySpilloverInvocations": lambda: (1.0, np.round(spilled)),
        "LoadedModelCount": lambda: (float(min(models, fit)), minutes * scene.serving),
        "ModelCacheHit": lambda: (1 - missed / np.maximum(asked, 1), asked),
        "ModelLoadingWaitTime": lambda: (LOAD_US * 1.1 * factor(SPREAD, stat), missed),
        "ModelLoadingTime": lambda: (LOAD_US * 0.4 * factor(SPREAD, stat), missed),
        "ModelDownloadingTime": lambda: (LOAD_US * 0.6 * factor(SPREAD, stat), missed),
    }
    level, weight = table[key.name]()
    return np.broadcast_to(np.asarray(level, dtype=np.float64), (steps,)), weight


def _scene(
    here: Standing, endpoint: str, name: str, first: float, steps: int, step: int, now: datetime
) -> Scene | None:
    found = stretches_of(here, endpoint, name, first, first + steps * step)
    if not found:
        return None
    asked = requests(here, endpoint, name, first, steps, step, now)
    there = alive(here, endpoint, name, first, steps, step, now)
    moments = first + step * np.arange(steps, dtype=np.float64)
    serving = np.zeros(steps)
    for item in found:
        serving[(moments + step > item.start.timestamp()) & (moments < seconds(item.stop))] = item.serving
    per_second = asked / step / np.maximum(there, 1e-9)
    profile = here.traffic.get(endpoint, Traffic())
    return Scene(profile, found[-1].variant, found[-1].config, asked, per_second, serving, there)


def _queue_level(here: Standing, key: Key, first: float, steps: int, step: int, now: datetime) -> tuple[Floats, Floats]:
    """The queue of an asynchronous endpoint, minute by minute from some days before, then read at the end of each step."""
    told = dict(key.dimensions)
    endpoint, each = told["EndpointName"], max(step // 60, 1)
    begin = max(first - QUEUE_LOOKBACK.total_seconds(), here.lives[endpoint][0].created.timestamp() // 60 * 60)
    begin = min(begin, first)
    lead = int((first - begin) // 60)
    minutes = lead + steps * each
    found = stretches_of(here, endpoint, told.get("VariantName"), begin, first + steps * step)
    name = told.get("VariantName") or (found[-1].variant["VariantName"] if found else "")
    scene = _scene(here, endpoint, name, first - lead * 60, minutes, 60, now) if name else None
    if scene is None:
        return np.full(steps, np.nan), np.zeros(steps)
    client = scene.config.get("AsyncInferenceConfig", {}).get("ClientConfig", {})
    at_once = client.get("MaxConcurrentInvocationsPerInstance", ASYNC_AT_ONCE)
    takes = scene.profile.model_latency_us / 1e6
    able = scene.serving * at_once * 60 / max(takes, 1e-3)
    total = np.cumsum(scene.asked - able)
    backlog = np.floor(total - np.minimum(np.minimum.accumulate(total), 0) + 1e-6)
    before = np.concatenate([[0.0], backlog[:-1]])
    done = np.maximum(before + scene.asked - backlog, 0)
    waited = np.where(scene.serving > 0, backlog / np.maximum(able, 1e-9) * 60, 60.0)
    there = (scene.there > 0).astype(np.float64)
    per_instance = backlog / np.maximum(scene.serving, 1)
    level, weight = {
        "ApproximateBacklogSize": (backlog, there),
        "ApproximateBacklogSizePerInstance": (per_instance, there * (scene.serving > 0)),
        "ApproximateAgeOfOldestRequest": (waited, there * (backlog > 0)),
        "HasBacklogWithoutCapacity": ((backlog > 0) & (scene.serving == 0), there),
        "InvocationsProcesssed": (np.ones(minutes), done),
        "InvocationFailures": (np.ones(minutes), np.floor(done * scene.profile.error_rate)),
        "TimeInBacklog": (waited * 1000, done),
        "TotalProcessingTime": (np.full(minutes, takes * 1000) + waited * 1000, done),
    }[key.name]
    level, weight = np.asarray(level, dtype=np.float64)[lead:], np.asarray(weight, dtype=np.float64)[lead:]
    level, weight = level.reshape(steps, each), weight.reshape(steps, each)
    samples = weight.sum(axis=1)
    return np.where(samples > 0, (level * weight).sum(axis=1) / np.maximum(samples, 1e-9), np.nan), samples


def _models(here: Standing, scene: Scene) -> tuple[int, int]:
    """Models under a multi-model endpoint's prefix, and how many find room on an instance."""
    model = here.models.get(scene.variant.get("ModelName", ""), {})
    if not multi_model(model):
        return 0, 1
    prefix = next((item.get("ModelDataUrl", "") for item in containers(model) if item.get("Mode") == "MultiModel"), "")
    bucket, _, folder = prefix.removeprefix("s3://").partition("/")
    there = s3_backends[here.account]["aws"].buckets.get(bucket)
    number = len([name for name in there.keys if name.startswith(folder)]) if there is not None else 0
    spec = PriceBook.bundled().spec(scene.variant.get("InstanceType", ""))
    return number, max(1, int((spec.memory_mib if spec else 16_384) * 0.8 / MODEL_MIB))


def _asynchronous(item: Stretch) -> bool:
    return "AsyncInferenceConfig" in item.config


def _unit(key: Key) -> str:
    if key.name in ("TimeInBacklog", "TotalProcessingTime"):
        return "Milliseconds"
    if key.name.endswith(("Time", "Latency")):
        return "Microseconds"
    return "Percent" if "Utilization" in key.name else "Seconds" if key.name.startswith("ApproximateAge") else "Count"


SOURCE = Source(_publishes, _keys, _values, _unit)
