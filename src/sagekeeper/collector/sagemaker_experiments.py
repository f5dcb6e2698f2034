"""Which job was a trial of which experiment: what makes the cost of an experiment out of the costs of jobs.

In: SageMaker's Search for trial components that are in an experiment (`Parents`, `Source.SourceArn`), those created
since 400 days at first, later those of the last days: a component that is put into an experiment later than `LATE`
after it was made is not seen. Out: one `trial_components` row per component and trial. What runs MLflow has
recorded lies in its tracking server, which no AWS API reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl

from sagekeeper.collector.source import Source, Task, aws_errors, pages
from sagekeeper.core.tables import TRIAL_COMPONENTS

FIRST_DAYS = 400
LATE = timedelta(days=7)


def collect(task: Task) -> int:
    """Read the components that are new, and those young enough to be put into an experiment still."""
    upto = task.read_upto()
    since = task.as_of - timedelta(days=FIRST_DAYS) if upto is None else upto - LATE
    with aws_errors(f"SageMaker experiments in {task.account.id} {task.region}"):
        found = pl.DataFrame(list(_rows(task, f"{since:%Y-%m-%dT%H:%M:%SZ}")), schema=TRIAL_COMPONENTS.columns)
    task.keep(TRIAL_COMPONENTS, found.unique(TRIAL_COMPONENTS.keys, maintain_order=True), "component")
    task.has_read_upto(task.as_of)
    return found.height


def _rows(task: Task, since: str) -> Iterator[dict[str, Any]]:
    asked = [
        {"Name": "Parents.ExperimentName", "Operator": "Exists"},
        {"Name": "CreationTime", "Operator": "GreaterThanOrEqualTo", "Value": since},
    ]
    components = pages(
        task.client("sagemaker"),
        "search",
        "Results",
        Resource="ExperimentTrialComponent",
        SearchExpression={"Filters": asked},
        MaxResults=100,
    )
    for result in components:
        item = result["TrialComponent"]
        for parent in item.get("Parents", []):
            if item["CreationTime"] <= task.as_of and "ExperimentName" in parent and "TrialName" in parent:
                yield {
                    "account": task.account.id,
                    "region": task.region,
                    "experiment": parent["ExperimentName"],
                    "trial": parent["TrialName"],
                    "component": item["TrialComponentName"],
                    "source_arn": item.get("Source", {}).get("SourceArn"),
                    "created_at": item["CreationTime"],
                    "month": item["CreationTime"].date().replace(day=1),
                    "observed_at": task.as_of,
                }


SAGEMAKER_EXPERIMENTS = Source(
    name="sagemaker_experiments",
    description="which job was a trial of which experiment",
    per="account_region",
    permissions=("sagemaker:Search",),
    collect=collect,
)
