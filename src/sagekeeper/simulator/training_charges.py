"""What warm pools cost: instances kept after a training job, while nobody uses them.

Real bills name them apart from training ("Training Warm Pool ml.m5.xlarge hour", aws-facts 1) at training's rate; the
usage type behind that description is in no public sample, so ``WarmPool:`` is ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from sagekeeper.simulator.charges import Run, _hourly, _span, _tags, _volume, clusters
from sagekeeper.simulator.training_jobs import pool_span
from sagekeeper.simulator.world import Standing


def runs(here: Standing) -> Iterator[Run]:
    """Every warm pool's instances and volumes, from the end of its job to its reuse or end."""
    for job in here.training.values():
        retained = pool_span(job)
        if retained is None:
            continue
        span, arn = _span(*retained), job["TrainingJobArn"]
        tags = _tags(here, arn)
        for kind, count in clusters(job["ResourceConfig"]):
            rate = _hourly(kind, "Training", here.region)
            yield Run(*span, f"WarmPool:{kind}", "RunInstance", arn, tags, count, rate)
            size = job["ResourceConfig"].get("VolumeSizeInGB", 0) * count
            yield _volume("WarmPool:VolumeUsage.gp2", "training_storage", size, span, arn, tags, here.region)
