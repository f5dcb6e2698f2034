"""Whose the roles are that models, notebooks and jobs run as: their tags, for costs that no resource's own tags give to anybody.

In: the ARNs of roles. Out: `inventory` rows of the kind ``execution_role``. IAM is asked for tags only. A reader that may not ask
says so in a note: the rest of the inventory does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.inventory_rows import as_json, blank_row
from sagekeeper.collector.source import Task
from sagekeeper.core.clock import month_start
from sagekeeper.core.tables import JOBS

RECENT = timedelta(days=62)
"""Jobs older than this do not cost anything any more: whose they were is known from when they did."""
REFUSED = ("AccessDenied", "AccessDeniedException")
GONE = "NoSuchEntity"


def role_rows(task: Task, used: Iterable[str]) -> list[dict[str, Any]]:
    """One row per role of this account among ``used`` and those of recent jobs."""
    client, rows = task.client("iam"), []
    for arn in sorted({*used, *_of_jobs(task)}):
        if f"::{task.account.id}:role/" not in arn:
            continue
        name = arn.rpartition("/")[2]
        try:
            tags = _tags(client, name)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in REFUSED:
                task.note(
                    "The reader role may not read the tags of execution roles (iam:ListRoleTags): not used for owners."
                )
                return []
            if code == GONE:
                continue
            raise
        told = {"kind": "execution_role", "name": name, "arn": arn, "config": "{}", "tags": as_json(tags)}
        rows.append(blank_row(task) | told)
    return rows


def _tags(client: Any, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    marker: dict[str, str] = {}
    while True:
        answer = client.list_role_tags(RoleName=name, **marker)
        found |= {item["Key"]: item["Value"] for item in answer["Tags"]}
        if not answer.get("IsTruncated"):
            return found
        marker = {"Marker": answer["Marker"]}


def _of_jobs(task: Task) -> list[str]:
    here = (pl.col("account") == task.account.id) & (pl.col("region") == task.region)
    role = pl.col("config").str.json_path_match("$.RoleArn")
    since = month_start((task.as_of - RECENT).date())
    return (
        task.lake.scan(JOBS)
        .filter(here & (pl.col("month") >= since))
        .select(role.drop_nulls().unique())
        .collect()["config"]
        .to_list()
    )
