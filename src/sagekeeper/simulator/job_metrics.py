"""What the instances of jobs report of themselves, each minute while the job runs: CPU, memory, GPU and disk.

In: the jobs of one account and region and a metric's name and ``Host``. Out: values per period, computed from the job's
name and never stored. Namespaces, hosts and which metrics there are: aws-facts 1.2, 1.4 and 1.5; like AWS's, the figures
of CPU and GPU are summed over cores and GPUs. A GPU job keeps its GPUs busy, any other its cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.metric_statistics import Floats, Samples, parsed, per_period
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.training_jobs import instances
from sagekeeper.simulator.training_plan import chance
from sagekeeper.simulator.world import Standing
from sagekeeper.simulator.world_metrics import Source

TRAINING, PROCESSING, TRANSFORM = (f"/aws/sagemaker/{kind}Jobs" for kind in ("Training", "Processing", "Transform"))
PLAIN = ("CPUUtilization", "MemoryUtilization", "DiskUtilization")
ON_GPU = ("GPUUtilization", "GPUMemoryUtilization")
MINUTE = 60


class Running(NamedTuple):
    """A job while its containers run."""

    name: str
    namespace: str
    start: datetime
    end: datetime
    kinds: dict[str, int]

    def hosts(self) -> Iterator[tuple[str, str]]:
        """Each host's name and instance type."""
        types = [kind for kind, count in self.kinds.items() for _ in range(count)]
        for number, kind in enumerate(types, 1):
            mark = f"algo-{number}" if self.namespace != TRANSFORM else _instance_id(self.name, number)
            yield f"{self.name}/{mark}", kind


def _publishes(here: Standing, key: Key) -> bool:
    found = _host(here, key)
    return found is not None and key.name in _names(found[0].namespace, found[1])


def _keys(here: Standing, since: datetime, now: datetime) -> Iterator[Key]:
    for job in _running(here):
        if job.start >= now or job.end <= since:
            continue
        for host, kind in job.hosts():
            for name in _names(job.namespace, kind):
                yield Key(job.namespace, name, (("Host", host),))


def _values(here: Standing, key: Key, stat: str, first: float, count: int, period: int, now: datetime) -> Floats:
    found, wanted = _host(here, key), parsed(stat)
    if found is None or wanted is None:
        return np.full(count, np.nan)
    job, kind = found
    begin, end = max(job.start.timestamp(), first), min(job.end.timestamp(), now.timestamp(), first + count * period)
    at = np.arange(-(-begin // MINUTE) * MINUTE, end, MINUTE).astype(np.int64)
    if not len(at):
        return np.full(count, np.nan)
    passed = ((at - job.start.timestamp()) / max((job.end - job.start).total_seconds(), 1.0)).astype(np.float64)
    value = _level(key, kind, passed)
    return per_period(Samples(at, value), None, wanted, first, period, count)


def _level(key: Key, kind: str, passed: Floats) -> Floats:
    """The metric over the share of the job that has passed."""
    host, spec = key.dimensions[0][1], PriceBook.bundled().spec(kind)
    job = host.partition("/")[0]
    gpus = spec.gpus if spec else 0
    busy = chance(job, "busy")
    wave = np.sin(passed * 40 + 6.28 * chance(host, key.name)) * 0.06 + np.sin(passed * 331) * 0.03
    if key.name == "CPUUtilization":
        share = 0.12 + 0.25 * busy if gpus else 0.5 + 0.4 * busy
        return np.clip(share + wave, 0, 1) * 100 * (spec.vcpu if spec else 1)
    if key.name == "GPUUtilization":
        return np.clip(0.35 + 0.55 * busy + wave, 0, 1) * 100 * max(gpus, 1)
    if key.name == "GPUMemoryUtilization":
        return np.clip(0.4 + 0.45 * chance(job, "GPU memory") + wave * 0.2, 0, 1) * 100 * max(gpus, 1)
    if key.name == "MemoryUtilization":
        return np.clip(0.1 + (0.15 + 0.6 * chance(job, "memory")) * np.minimum(passed * 8, 1) + wave * 0.3, 0, 1) * 100
    return np.clip(0.05 + 0.6 * chance(job, "disk") * passed, 0, 1) * 100


def _names(namespace: str, kind: str) -> tuple[str, ...]:
    spec = PriceBook.bundled().spec(kind)
    plain = PLAIN[:2] if namespace == TRANSFORM else PLAIN
    return plain + ON_GPU if spec is not None and spec.gpus else plain


def _host(here: Standing, key: Key) -> tuple[Running, str] | None:
    """The job that a host belongs to, and the host's instance type."""
    if key.namespace not in READ or len(key.dimensions) != 1 or key.dimensions[0][0] != "Host":
        return None
    host = key.dimensions[0][1]
    kept, read = READ[key.namespace]
    told = kept(here).get(host.partition("/")[0])
    job = read(told) if told is not None else None
    kind = dict(job.hosts()).get(host) if job is not None else None
    return (job, kind) if job is not None and kind is not None else None


def _running(here: Standing) -> Iterator[Running]:
    for kept, read in READ.values():
        yield from (job for job in map(read, kept(here).values()) if job is not None)


def _of_training(job: dict[str, Any]) -> Running | None:
    if "TrainingStartTime" not in job:
        return None
    kinds = dict(instances(job["ResourceConfig"]))
    return Running(job["TrainingJobName"], TRAINING, job["TrainingStartTime"], job["TrainingEndTime"], kinds)


def _of_processing(job: dict[str, Any]) -> Running | None:
    if "ProcessingStartTime" not in job:
        return None
    cluster = job["ProcessingResources"]["ClusterConfig"]
    kind = cluster.get("SelectedInstanceType") or cluster["InstanceType"]
    count = cluster.get("SelectedInstanceCount") or cluster["InstanceCount"]
    span = job["ProcessingStartTime"], job["ProcessingEndTime"]
    return Running(job["ProcessingJobName"], PROCESSING, *span, {kind: count})


def _of_transform(job: dict[str, Any]) -> Running | None:
    if "TransformStartTime" not in job:
        return None
    cluster = job["TransformResources"]
    span = job["TransformStartTime"], job["TransformEndTime"]
    return Running(job["TransformJobName"], TRANSFORM, *span, {cluster["InstanceType"]: cluster["InstanceCount"]})


def _instance_id(job: str, number: int) -> str:
    return f"i-{int(chance(job, str(number)) * 16**13) << 16 | number:017x}"[:19]


def _unit(_: Key) -> str:
    return "Percent"


READ = {
    TRAINING: (lambda here: here.training, _of_training),
    PROCESSING: (lambda here: here.processing, _of_processing),
    TRANSFORM: (lambda here: here.jobs.transforms, _of_transform),
}
SOURCE = Source(_publishes, _keys, _values, _unit)
