"""What the inventory last saw in a task's account and region: the sources that read more about a resource start from here."""

from __future__ import annotations

from typing import Any

import polars as pl

from sagekeeper.collector.source import Task
from sagekeeper.core.tables import INVENTORY


def observed(task: Task, kind: str) -> list[dict[str, Any]]:
    """Inventory rows of ``kind`` of the newest look at this account and region, by name."""
    here = task.lake.scan(INVENTORY).filter(
        (pl.col("account") == task.account.id)
        & (pl.col("region") == task.region)
        & (pl.col("observed_on") <= task.as_of.date())
    )
    newest = here.filter(pl.col("observed_on") == pl.col("observed_on").max())
    return newest.filter(pl.col("kind") == kind).sort("name").collect().to_dicts()
