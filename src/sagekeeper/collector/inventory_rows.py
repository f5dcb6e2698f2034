"""What all rows of the inventory have in common: where and when something was seen, AWS's answer as JSON, its tags."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.collector.source import Task, is_gone, pages
from sagekeeper.core.tables import INVENTORY

DESCRIBERS = 4
"""Describes at once per account and region: SageMaker throttles them early."""


def blank_row(task: Task) -> dict[str, Any]:
    """An `INVENTORY` row of this look, with nothing but its place and time."""
    blank: dict[str, Any] = dict.fromkeys(INVENTORY.columns)
    return blank | {
        "account": task.account.id,
        "region": task.region,
        "observed_on": task.as_of.date(),
        "observed_at": task.as_of,
    }


def tags_of(task: Task, arn: str) -> dict[str, str]:
    """The tags of a SageMaker resource; none of one that is gone."""
    try:
        found = pages(task.client("sagemaker"), "list_tags", "Tags", ResourceArn=arn)
        return {item["Key"]: item["Value"] for item in found}
    except ClientError as error:
        if not is_gone(error):
            raise
        return {}


def as_json(value: Any) -> str:
    """AWS's answer as JSON: times in ISO 8601, keys sorted, so that equal answers are equal texts."""
    return json.dumps(value, default=_time, sort_keys=True)


def _time(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
