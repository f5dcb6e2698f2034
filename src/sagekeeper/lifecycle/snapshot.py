"""What stands in AWS around one endpoint, as JSON: everything that is needed to bring it back (aws-facts 2.14).

In: the reader role's clients and an endpoint's name. Out: endpoint, its configuration, models, tags, scaling, alarms and
monitoring schedules as AWS describes them. Nothing is left out for being unknown to us: answers are kept whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.core.errors import PlanRefused
from sagekeeper.lifecycle.actuator import Reads

PERMISSIONS = (
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
    "sagemaker:ListTags",
    "sagemaker:ListMonitoringSchedules",
    "sagemaker:DescribeMonitoringSchedule",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:DescribeScheduledActions",
    "cloudwatch:DescribeAlarms",
)
"""What the reader role needs for a snapshot."""


def endpoint_snapshot(reads: Reads, name: str) -> dict[str, Any]:
    """Everything around endpoint ``name``. Raises PlanRefused when there is no such endpoint."""
    endpoint = describe_endpoint(reads, name)
    if endpoint is None:
        raise PlanRefused(f"There is no endpoint {name} in {reads.account} {reads.region} any more. Collect again.")
    config = plain(reads.sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"]))
    variants = config.get("ProductionVariants", []) + config.get("ShadowProductionVariants", [])
    models = sorted({item["ModelName"] for item in variants if item.get("ModelName")})
    return {
        "endpoint": endpoint,
        "endpoint_config": config,
        "models": {model: plain(reads.sagemaker.describe_model(ModelName=model)) for model in models},
        "tags": tags_of(reads, endpoint["EndpointArn"]),
        "endpoint_config_tags": tags_of(reads, config["EndpointConfigArn"]),
        "scaling": _scaling(reads, name, [item["VariantName"] for item in variants]),
        "alarms": [alarm for alarm in _alarms(reads) if _names_endpoint(alarm, name)],
        "monitoring_schedules": list(_schedules(reads, name)),
    }


def describe_endpoint(reads: Reads, name: str) -> dict[str, Any] | None:
    """The endpoint as AWS describes it now, None when it is not there."""
    try:
        found: dict[str, Any] = plain(reads.sagemaker.describe_endpoint(EndpointName=name))
    except ClientError as error:
        if not_found(error):
            return None
        raise
    return found


def not_found(error: ClientError) -> bool:
    """Whether AWS says that the thing is not there. SageMaker has no error of its own for most kinds: it is
    ``ValidationException: Could not find ...``; monitoring schedules have ``ResourceNotFound``."""
    detail = error.response.get("Error", {})
    code, message = detail.get("Code", ""), detail.get("Message", "").lower()
    return code in ("ResourceNotFound", "ObjectNotFoundException") or (
        code == "ValidationException" and ("could not find" in message or "does not exist" in message)
    )


def plain(answer: Any) -> Any:
    """An answer as JSON: times as ISO text in UTC, without transport fields."""
    if isinstance(answer, dict):
        return {key: plain(value) for key, value in answer.items() if key != "ResponseMetadata"}
    if isinstance(answer, list):
        return [plain(value) for value in answer]
    if isinstance(answer, datetime):
        return answer.astimezone(UTC).isoformat()
    return answer


def tags_of(reads: Reads, arn: str) -> dict[str, str]:
    """All tags of a SageMaker resource."""
    pages = reads.sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", [])}


def settable(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as a create call takes them. Keys that begin with ``aws:`` are AWS's own and cannot be set."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items()) if not key.startswith("aws:")]


def _scaling(reads: Reads, endpoint: str, variants: list[str]) -> list[dict[str, Any]]:
    resources = [f"endpoint/{endpoint}/variant/{variant}" for variant in variants]
    if not resources:
        return []
    scope = {"ServiceNamespace": "sagemaker", "ResourceIds": resources}
    targets = _all(reads.autoscaling, "describe_scalable_targets", "ScalableTargets", scope)
    return [
        {
            "target": target,
            "policies": _all(reads.autoscaling, "describe_scaling_policies", "ScalingPolicies", _only(target)),
            "scheduled_actions": _all(
                reads.autoscaling, "describe_scheduled_actions", "ScheduledActions", _only(target)
            ),
        }
        for target in targets
    ]


def _only(target: dict[str, Any]) -> dict[str, str]:
    return {"ServiceNamespace": "sagemaker", "ResourceId": target["ResourceId"]}


def _alarms(reads: Reads) -> list[dict[str, Any]]:
    return _all(reads.cloudwatch, "describe_alarms", "MetricAlarms", {"AlarmTypes": ["MetricAlarm"]})


def _names_endpoint(alarm: dict[str, Any], endpoint: str) -> bool:
    own = alarm.get("Dimensions", [])
    inner = [
        dimension
        for query in alarm.get("Metrics", [])
        for dimension in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
    ]
    return {"Name": "EndpointName", "Value": endpoint} in own + inner


def _schedules(reads: Reads, endpoint: str) -> Iterator[dict[str, Any]]:
    listed = _all(
        reads.sagemaker, "list_monitoring_schedules", "MonitoringScheduleSummaries", {"EndpointName": endpoint}
    )
    for summary in listed:
        name = summary["MonitoringScheduleName"]
        schedule = plain(reads.sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name))
        yield {"schedule": schedule, "tags": tags_of(reads, schedule["MonitoringScheduleArn"])}


def _all(client: Any, operation: str, key: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    return [plain(item) for page in client.get_paginator(operation).paginate(**request) for item in page.get(key, [])]
