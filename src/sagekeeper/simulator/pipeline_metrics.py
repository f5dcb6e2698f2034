"""What pipelines tell CloudWatch: starts, ends and durations of executions and steps (aws-facts 1.9).

Namespace ``AWS/Sagemaker/ModelBuildingPipeline``, with a small m; durations in milliseconds.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from sagekeeper.simulator.flow_book import Execution, StepRun
from sagekeeper.simulator.metric_store import Block, Key
from sagekeeper.simulator.world import Standing

NAMESPACE = "AWS/Sagemaker/ModelBuildingPipeline"


def started(here: Standing, execution: Execution, step: str | None, at: datetime) -> None:
    """A step has begun, or with None the execution."""
    _put(here, execution, step, "Started", 1.0, "Count", at)


def ended(here: Standing, execution: Execution, run: StepRun | None, at: datetime) -> None:
    """A step has ended, or with None the execution."""
    begun, status = (execution.created, execution.status) if run is None else (run.begun, run.status)
    step = None if run is None else run.name
    _put(here, execution, step, status, 1.0, "Count", at)
    _put(here, execution, step, "Duration", (at - begun).total_seconds() * 1000, "Milliseconds", at)


def _put(
    here: Standing, execution: Execution, step: str | None, what: str, value: float, unit: str, at: datetime
) -> None:
    name = f"{'Execution' if step is None else 'Step'}{what}"
    own = (("PipelineName", execution.pipeline.name), *((("StepName", step),) if step is not None else ()))
    moment = int(at.timestamp()) // 60 * 60
    # Executions are counted for the pipeline and for all of them together.
    for dimensions in (own, ()) if step is None else (own,):
        columns = (np.array([moment], dtype=np.int64), np.array([value], dtype=float))
        here.watch.store.put(Block(Key(NAMESPACE, name, dimensions), unit, columns), float(moment))
