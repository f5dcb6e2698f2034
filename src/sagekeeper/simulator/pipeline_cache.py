"""Cached results of steps: when a step need not run because it ran before with the same arguments.

A step with ``CacheConfig: {"Enabled": true, "ExpireAfter": "P30d"}`` looks for the latest run of the step of that name in
its pipeline that succeeded within that time and whose arguments agree in what its type compares; names of jobs and tags
are never compared.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.flow_book import Execution, FlowBook
from sagekeeper.simulator.pipeline_definition import Node

COMPARED = {
    "Training": (
        *("AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations"),
        *("Environment", "HyperParameters", "InputDataConfig"),
    ),
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
    "Tuning": ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
    "QualityCheck": ("AppSpecification", "Environment", "ProcessingInputs"),
    "ClarifyCheck": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Lambda": None,
    "Callback": None,
}
"""The arguments that make another run, by type (SageMaker's guide, "Caching pipeline steps"); None: all of them."""
DURATION = re.compile(
    r"P(?:(\d+)y)?(?:(\d+)m)?(?:(\d+)w)?(?:(\d+)d)?(?:T(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?)?", re.IGNORECASE
)
DAYS_IN_YEAR, DAYS_IN_MONTH = 365, 30


def signature(node: Node, arguments: dict[str, Any]) -> str:
    """What must be the same for a cached result to serve; empty for types that have no cache."""
    if node.kind not in COMPARED:
        return ""
    names = COMPARED[node.kind]
    told = {key: value for key, value in arguments.items() if names is None or key in names}
    about = {key: node.given.get(key) for key in ("FunctionArn", "SqsQueueUrl", "CheckType") if key in node.given}
    return json.dumps([node.kind, told, about], sort_keys=True, default=str)


def cached(book: FlowBook, execution: Execution, node: Node, wanted: str, now: datetime) -> Execution | None:
    """The latest execution whose result of this step can be taken over."""
    config = node.given.get("CacheConfig") or {}
    if not config.get("Enabled") or not wanted:
        return None
    since = now - duration(config["ExpireAfter"]) if config.get("ExpireAfter") else None
    found = [
        (run.ended, other.arn, other)
        for other in book.executions.values()
        if other is not execution and other.pipeline is execution.pipeline
        if (run := other.steps.get(node.name)) is not None
        and (run.status, run.signature) == ("Succeeded", wanted)
        and run.ended is not None
        and not (run.cached_from or run.reused_from)
        and (since is None or run.ended >= since)
    ]
    return max(found, key=lambda item: item[:2])[2] if found else None


def duration(text: str) -> timedelta:
    """An ISO 8601 duration, in capital or small letters."""
    match = DURATION.fullmatch(text)
    if match is None:
        return timedelta(0)
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(
        days=years * DAYS_IN_YEAR + months * DAYS_IN_MONTH + days,
        weeks=weeks,
        hours=hours,
        minutes=minutes,
        seconds=seconds,
    )
