"""How many instances jobs may use at once: quotas by kind of job and instance type, refused at creation.

In: what runs now and what is asked. Out: nothing, or AWS's ResourceLimitExceeded. Spot training counts apart from
training (aws-facts 2.1). Sizes of quotas are those of endpoints (`hosting.py`) unless `JobBook.quotas` says otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from sagekeeper.simulator.capacity import QUOTA
from sagekeeper.simulator.hosting import usual_quota
from sagekeeper.simulator.operations import Ask, Refused
from sagekeeper.simulator.world import Standing

USAGES = ("training job", "spot training job", "processing job", "transform job")


def refuse_over_job_quota(ask: Ask, usage: str, more: Counter[str]) -> None:
    """ResourceLimitExceeded where ``more`` instances of these types do not fit beside what runs."""
    used = _in_use(ask.here, usage, ask.now)
    for kind, delta in more.items():
        most = ask.here.jobs.quotas.get((usage, kind), usual_quota(kind))
        if used[kind] + delta > most:
            told = QUOTA.format(kind=kind, most=most, used=used[kind], delta=delta)
            raise Refused("ResourceLimitExceeded", told.replace("endpoint usage", f"{usage} usage"))


def _in_use(here: Standing, usage: str, now: datetime) -> Counter[str]:
    used: Counter[str] = Counter()
    for kind, count, begin, end in _held(here, usage):
        if begin <= now < end:
            used[kind] += count
    return used


def _held(here: Standing, usage: str) -> Iterator[tuple[str, int, datetime, datetime]]:
    if usage == "processing job":
        for job in here.processing.values():
            cluster = job["ProcessingResources"]["ClusterConfig"]
            kind = cluster.get("SelectedInstanceType") or cluster["InstanceType"]
            count = cluster.get("SelectedInstanceCount") or cluster["InstanceCount"]
            yield kind, count, job["CreationTime"], job["ProcessingEndTime"]
    elif usage == "transform job":
        for job in here.jobs.transforms.values():
            cluster = job["TransformResources"]
            yield cluster["InstanceType"], cluster["InstanceCount"], job["CreationTime"], job["TransformEndTime"]
    else:
        for job in here.training.values():
            if bool(job.get("EnableManagedSpotTraining")) != usage.startswith("spot"):
                continue
            for group in job["ResourceConfig"].get("InstanceGroups") or [job["ResourceConfig"]]:
                if "InstanceType" in group:
                    yield group["InstanceType"], group["InstanceCount"], job["CreationTime"], job["TrainingEndTime"]
