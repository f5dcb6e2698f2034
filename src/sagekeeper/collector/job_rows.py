"""What all rows of `jobs` have in common, and how they are kept: beside those of the same months that were read before."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from sagekeeper.collector.source import Task
from sagekeeper.core.lake import Scope
from sagekeeper.core.tables import JOBS


def blank_job(task: Task, kind: str, job: dict[str, Any], field: str) -> dict[str, Any]:
    """A `JOBS` row with what every kind of job says; ``field`` is "ProcessingJob" of ProcessingJobName."""
    blank: dict[str, Any] = dict.fromkeys(JOBS.columns)
    return blank | {
        "account": task.account.id,
        "region": task.region,
        "kind": kind,
        "name": job[f"{field}Name"],
        "arn": job[f"{field}Arn"],
        "status": job[f"{field}Status"],
        "failure_reason": job.get("FailureReason"),
        "created_at": job["CreationTime"],
        "month": job["CreationTime"].date().replace(day=1),
        "observed_at": task.as_of,
    }


def keep_jobs(task: Task, kind: str, found: pl.DataFrame) -> None:
    """Put jobs of one kind into the lake; those that were there before and were not read again stay."""
    place = {"account": task.account.id, "region": task.region, "kind": kind}
    here = pl.all_horizontal(pl.col(column) == value for column, value in place.items())
    for month in found["month"].unique().sort().to_list():
        new = found.filter(pl.col("month") == month)
        before = task.lake.scan(JOBS).filter(here & (pl.col("month") == month)).collect()
        rows = pl.concat([before.join(new, on="name", how="anti"), new])
        scope: dict[str, str | date] = {**place, "month": month}
        task.replace(JOBS, rows, Scope(scope))
