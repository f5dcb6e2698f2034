"""What stood in the accounts of the benchmark's bill (`bill_lines.py`): inventory seen twice, jobs of each day, tags and parents.

In: the resources that the bill names. Out: Delta tables `INVENTORY` and `JOBS`. Nine of ten endpoints and notebooks are known to
the inventory, the others were deleted before anybody looked; a twentieth changed its owner between the two looks. A third of
endpoints have no tags of their own and are asked on by their configuration's model. Training jobs ran a few hours on their day;
a third of them was started by one of a few tuning jobs. Deterministic.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.bill_lines import FIRST, MADE, lines_resources, of_day
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import INVENTORY, JOBS, Table

LOOKS = (FIRST + timedelta(days=1), FIRST + timedelta(days=MADE))
KINDS = {"endpoint": "endpoint", "notebook-instance": "notebook_instance"}


def put_account(folder: Path, lines_a_day: int) -> None:
    """Into the lake in ``folder``."""
    lake, resources = Lake(folder), lines_resources(lines_a_day)
    named = resources.filter(pl.col("ResourceId").str.contains(":sagemaker:"))
    standing = named.filter(pl.col("ResourceType").is_in(list(KINDS))).rows(named=True)
    for look, day in enumerate(LOOKS):
        rows = [row for number, one in enumerate(standing) if number % 10 for row in _seen(one, number, look, day)]
        lake.replace(INVENTORY, _frame(INVENTORY, rows), Scope({"observed_on": day}))
    lake.replace(JOBS, _frame(JOBS, _jobs(named)), Scope())


def _frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in table.columns} for row in rows], schema=table.columns)


def _seen(one: dict[str, Any], number: int, look: int, day: date) -> list[dict[str, Any]]:
    name, kind = one["ResourceId"].rsplit("/", 1)[1], KINDS[one["ResourceType"]]
    team = f"team-{(number * 7 + look * (number % 20 == 0)) % 60}"
    tags = json.dumps({"owner": team, "env": "prod", "project": f"p{number % 400}"})
    machine = one["x_UsageType"].rsplit(":", 1)[1]
    if kind == "endpoint":
        variant = {"VariantName": "AllTraffic", "ModelName": f"{name}-model", "InstanceType": machine}
        document: dict[str, Any] = {
            "EndpointName": name,
            "EndpointConfigName": f"{name}-config",
            "EndpointConfig": {
                "EndpointConfigName": f"{name}-config",
                "ProductionVariants": [variant | {"InitialInstanceCount": 1, "VolumeSizeInGB": 30}],
            },
            "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentInstanceCount": 1 + number % 3}],
        }
    else:
        document = {"NotebookInstanceName": name, "InstanceType": machine, "VolumeSizeInGB": 20}
    created = datetime.combine(FIRST - timedelta(days=number % 300), time(), UTC)
    row = {
        "account": one["SubAccountId"],
        "region": one["RegionId"],
        "kind": kind,
        "name": name,
        "arn": one["ResourceId"],
        "status": "InService",
        "created_at": created,
        "changed_at": created,
        "config": json.dumps(document),
        "tags": "{}" if number % 3 == 0 else tags,
        "observed_on": day,
        "observed_at": datetime.combine(day, time(6), UTC),
    }
    model = {
        "kind": "model",
        "name": f"{name}-model",
        "arn": one["ResourceId"].rsplit(":", 1)[0] + f":model/{name}-model",
        "config": json.dumps({"ModelName": f"{name}-model"}),
        "tags": tags,
    }
    return [row, row | model] if kind == "endpoint" else [row]


def _jobs(named: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for made in range(MADE):
        for number, one in enumerate(of_day(named.filter(ResourceType="training-job"), made).rows(named=True)):
            begun = datetime.combine(FIRST + timedelta(days=made), time(number % 20), UTC)
            place, name = one["ResourceId"].rsplit("/", 1)
            tuning = f"{place.rsplit(':', 1)[0]}:hyper-parameter-tuning-job/search-{number % 40}-{made}"
            rows.append(
                {
                    "account": one["SubAccountId"],
                    "region": one["RegionId"],
                    "kind": "training_job",
                    "name": name,
                    "arn": one["ResourceId"],
                    "status": "Completed",
                    "instance_type": one["x_UsageType"].rsplit(":", 1)[1],
                    "instance_count": 1,
                    "volume_gb": 50,
                    "created_at": begun,
                    "started_at": begun,
                    "ended_at": begun + timedelta(hours=3),
                    "run_seconds": 3 * 3600,
                    "billable_seconds": 3 * 3600,
                    "spot": False,
                    "parent_arn": tuning if number % 3 == 0 else None,
                    "tags": one["Tags"],
                    "config": json.dumps({"TrainingJobName": name, "RoleArn": f"{place[:12]}:iam::1:role/train"}),
                    "month": FIRST.replace(day=1),
                    "observed_at": begun + timedelta(hours=6),
                }
            )
    return rows
