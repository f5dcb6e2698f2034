"""What stands in an account and region: endpoints with their configuration, models and inference components, notebooks,
monitoring schedules, pipelines, scaling, Studio (`studio.py`) and the roles that all this runs as (`execution_roles.py`).

In: SageMaker's and Application Auto Scaling's List and Describe operations. Out: one `inventory` row per resource and
day of observation, its `config` the answer of Describe as JSON. A kind of resource is described as data (`KINDS`). An
endpoint's row carries its configuration as ``EndpointConfig`` and its models as ``Models``, so that whoever judges it
needs one row. A resource that vanishes between List and Describe is left out with a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.execution_roles import role_rows
from sagekeeper.collector.inventory_rows import DESCRIBERS, as_json, blank_row, tags_of
from sagekeeper.collector.source import Source, Task, aws_errors, is_gone, pages
from sagekeeper.collector.studio import studio_rows
from sagekeeper.core.lake import Scope
from sagekeeper.core.tables import INVENTORY


@dataclass(frozen=True)
class Kind:
    """How a kind of SageMaker resource is listed, described and read."""

    name: str
    list_operation: str
    list_key: str
    field: str  # "Endpoint" of EndpointName, EndpointArn, EndpointStatus
    describe_operation: str
    status: str | None = None
    changed: str = "LastModifiedTime"
    without: tuple[str, ...] = ()
    """Fields that are not kept: large, and of no use to anybody here."""


KINDS: tuple[Kind, ...] = (
    Kind("model", "list_models", "Models", "Model", "describe_model", changed="CreationTime"),
    Kind(
        "endpoint_config",
        "list_endpoint_configs",
        "EndpointConfigs",
        "EndpointConfig",
        "describe_endpoint_config",
        changed="CreationTime",
    ),
    Kind("endpoint", "list_endpoints", "Endpoints", "Endpoint", "describe_endpoint", "EndpointStatus"),
    Kind(
        "notebook_instance",
        "list_notebook_instances",
        "NotebookInstances",
        "NotebookInstance",
        "describe_notebook_instance",
        "NotebookInstanceStatus",
    ),
    Kind(
        "monitoring_schedule",
        "list_monitoring_schedules",
        "MonitoringScheduleSummaries",
        "MonitoringSchedule",
        "describe_monitoring_schedule",
        "MonitoringScheduleStatus",
    ),
    Kind(
        "inference_component",
        "list_inference_components",
        "InferenceComponents",
        "InferenceComponent",
        "describe_inference_component",
        "InferenceComponentStatus",
    ),
    Kind(
        "pipeline",
        "list_pipelines",
        "PipelineSummaries",
        "Pipeline",
        "describe_pipeline",
        "PipelineStatus",
        without=("PipelineDefinition",),
    ),
)


def collect(task: Task) -> int:
    """Observe everything that stands now."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(DESCRIBERS) as pool:
        for number, kind in enumerate(KINDS):
            task.progress(kind.name, number / (len(KINDS) + 1))
            with aws_errors(f"SageMaker {kind.name} in {task.account.id} {task.region}"):
                names = [item[f"{kind.field}Name"] for item in _listed(task, kind)]
                described = dict(
                    zip(names, pool.map(lambda name, kind=kind: _described(task, kind, name), names), strict=True)
                )
                found[kind.name] = {name: answer for name, answer in described.items() if answer is not None}
                tags = pool.map(
                    lambda arn: tags_of(task, arn), (item[f"{kind.field}Arn"] for item in found[kind.name].values())
                )
                for (name, answer), its_tags in zip(found[kind.name].items(), tags, strict=True):
                    rows.append(_row(task, kind, name, answer | _inlined(kind, answer, found), its_tags))
    with aws_errors(f"Scaling of endpoints in {task.account.id} {task.region}"):
        rows += _scalable_targets(task)
    with aws_errors(f"Studio in {task.account.id} {task.region}"):
        rows += studio_rows(task)
    with aws_errors(f"Execution roles in {task.account.id}"):
        rows += role_rows(task, _roles(found))
    # An empty region is an observation too: without a row it would look as if nobody had looked.
    rows = rows or [_place(task)]
    frame = pl.DataFrame(rows, schema=INVENTORY.columns)
    today = task.as_of.date()
    scope: dict[str, str | date] = {"observed_on": today, "account": task.account.id, "region": task.region}
    task.replace(INVENTORY, frame, Scope(scope))
    task.has_read_upto(task.as_of)
    return frame.height


def _listed(task: Task, kind: Kind) -> Iterator[dict[str, Any]]:
    return pages(task.client("sagemaker"), kind.list_operation, kind.list_key, MaxResults=100)


def _described(task: Task, kind: Kind, name: str) -> dict[str, Any] | None:
    try:
        answer = getattr(task.client("sagemaker"), kind.describe_operation)(**{f"{kind.field}Name": name})
    except ClientError as error:
        if not is_gone(error):
            raise
        task.note(f"{kind.name} {name} vanished while it was read and is left out.")
        return None
    return {key: value for key, value in answer.items() if key not in ("ResponseMetadata", *kind.without)}


def _inlined(kind: Kind, answer: dict[str, Any], found: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """An endpoint's configuration and models; absent where somebody has deleted them under the endpoint."""
    if kind.name != "endpoint":
        return {}
    config = found["endpoint_config"].get(answer.get("EndpointConfigName", ""))
    if config is None:
        return {}
    variants = [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]
    names = {variant["ModelName"] for variant in variants if variant.get("ModelName")}
    return {
        "EndpointConfig": config,
        "Models": {name: found["model"][name] for name in sorted(names) if name in found["model"]},
    }


def _row(task: Task, kind: Kind, name: str, answer: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    created = answer.get("CreationTime")
    return blank_row(task) | {
        "kind": kind.name,
        "name": name,
        "arn": answer[f"{kind.field}Arn"],
        "status": answer.get(kind.status) if kind.status else None,
        "created_at": created,
        "changed_at": answer.get(kind.changed) or created,
        "config": as_json(answer),
        "tags": as_json(tags),
    }


def _scalable_targets(task: Task) -> list[dict[str, Any]]:
    client = task.client("application-autoscaling")
    actions: dict[str, list[dict[str, Any]]] = {}
    for action in pages(client, "describe_scheduled_actions", "ScheduledActions", ServiceNamespace="sagemaker"):
        actions.setdefault(action["ResourceId"], []).append(action)
    return [
        blank_row(task)
        | {
            "kind": "scalable_target",
            "name": f"{target['ResourceId']} {target['ScalableDimension']}",
            "arn": target.get("ScalableTargetARN", ""),
            "created_at": target.get("CreationTime"),
            "changed_at": target.get("CreationTime"),
            "config": as_json(target | {"ScheduledActions": actions.get(target["ResourceId"], [])}),
            "tags": "{}",
        }
        for target in pages(client, "describe_scalable_targets", "ScalableTargets", ServiceNamespace="sagemaker")
    ]


def _roles(found: dict[str, dict[str, dict[str, Any]]]) -> set[str]:
    """What models, notebooks and pipelines run as."""
    answers = [answer for kind in ("model", "notebook_instance", "pipeline") for answer in found[kind].values()]
    return {answer[key] for answer in answers for key in ("ExecutionRoleArn", "RoleArn") if answer.get(key)}


def _place(task: Task) -> dict[str, Any]:
    return blank_row(task) | {"kind": "region", "name": task.region, "arn": "", "config": "{}", "tags": "{}"}


SAGEMAKER_INVENTORY = Source(
    name="sagemaker_inventory",
    description="endpoints, configurations, models, components, notebooks, Studio, pipelines, schedules, scaling, roles",
    per="account_region",
    permissions=(
        "sagemaker:ListModels",
        "sagemaker:DescribeModel",
        "sagemaker:ListEndpointConfigs",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:ListEndpoints",
        "sagemaker:DescribeEndpoint",
        "sagemaker:ListNotebookInstances",
        "sagemaker:DescribeNotebookInstance",
        "sagemaker:ListMonitoringSchedules",
        "sagemaker:DescribeMonitoringSchedule",
        "sagemaker:ListInferenceComponents",
        "sagemaker:DescribeInferenceComponent",
        "sagemaker:ListPipelines",
        "sagemaker:DescribePipeline",
        "sagemaker:ListUserProfiles",
        "sagemaker:DescribeUserProfile",
        "iam:ListRoleTags",
        "sagemaker:ListApps",
        "sagemaker:DescribeApp",
        "sagemaker:ListSpaces",
        "sagemaker:DescribeSpace",
        "sagemaker:ListTags",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScheduledActions",
    ),
    collect=collect,
)
