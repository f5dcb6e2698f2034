"""Who did it: the calls that made or changed what costs money, from CloudTrail's event history.

In: CloudTrail's LookupEvents, one operation of SageMaker at a time (it takes one attribute; by source alone every Describe would
come too). Out: `ACTIVITY`, one row per call that was not refused, kept by month. The history is there without a trail, for 90
days, some minutes late, free, at two requests a second. Where it may not be read that is noted: who did it is then unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import polars as pl
from botocore import xform_name
from botocore.exceptions import ClientError

from sagekeeper.collector.source import Source, Task, aws_errors, pages
from sagekeeper.core.tables import ACTIVITY

FIRST_DAYS, LATE = 14, timedelta(hours=1)
"""How far back at first, and how late an event may come."""
MOST = 2000
"""Events of an operation that are read in one run: what nobody reads one by one anyway."""
ASKED: dict[str, tuple[str, ...]] = {
    "Endpoint": ("Create", "Update", "Delete"),
    "EndpointWeightsAndCapacities": ("Update",),
    "InferenceComponent": ("Create", "Update"),
    "NotebookInstance": ("Create", "Start", "Update"),
    "TrainingJob": ("Create",),
    "ProcessingJob": ("Create",),
    "TransformJob": ("Create",),
}
"""What is asked for: of which resource which calls."""
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
MACHINES = ("botocore-session-", "SageMaker", "aws-sdk-")
"""Session names that name nobody."""


def collect(task: Task) -> int:
    """Read what was done since the last time."""
    upto = task.read_upto()
    since = task.as_of - timedelta(days=FIRST_DAYS) if upto is None else upto - LATE
    rows: list[dict[str, Any]] = []
    with aws_errors(f"CloudTrail in {task.account.id} {task.region}"):
        try:
            for resource, verbs in ASKED.items():
                for verb in verbs:
                    rows += _rows(task, verb, resource, since)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in DENIED:
                raise
            task.note("Who changed what is not known: the reader role may not cloudtrail:LookupEvents.")
            return 0
    found = pl.DataFrame(rows, schema=ACTIVITY.columns).unique(ACTIVITY.keys, keep="last", maintain_order=True)
    task.keep(ACTIVITY, found, "event_id")
    task.has_read_upto(task.as_of)
    return found.height


def _rows(task: Task, verb: str, resource: str, since: datetime) -> Iterator[dict[str, Any]]:
    operation, named = f"{verb}{resource}", resource.removesuffix("WeightsAndCapacities")
    parameter = f"{named[:1].lower()}{named[1:]}Name"
    listed = pages(
        task.client("cloudtrail"),
        "lookup_events",
        "Events",
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": operation}],
        StartTime=since,
        EndTime=task.as_of,
        MaxResults=50,
    )
    for count, event in enumerate(islice(listed, MOST + 1)):
        if count == MOST:
            task.note(f"More than {MOST} calls of {operation}: only the latest are read.")
            return
        told = json.loads(event["CloudTrailEvent"])
        name = (told.get("requestParameters") or {}).get(parameter)
        if name is not None and not told.get("errorCode"):
            yield {
                "account": task.account.id,
                "region": task.region,
                "at": event["EventTime"],
                "event_id": event["EventId"],
                "operation": operation,
                "resource_kind": xform_name(named),
                "resource_name": name,
                "by": who(told.get("userIdentity") or {}),
                "month": event["EventTime"].date().replace(day=1),
                "observed_at": task.as_of,
            }


def who(identity: dict[str, Any]) -> str | None:
    """An identity of CloudTrail in words: "role MLEngineer (dana.weiss)", "user ana"; None where it names nobody."""
    role = identity.get("sessionContext", {}).get("sessionIssuer", {}).get("userName")
    if role:
        session = str(identity.get("arn", "")).rpartition("/")[2]
        return f"role {role}" if not session or session.startswith(MACHINES) else f"role {role} ({session})"
    if identity.get("type") == "Root":
        return "the root user"
    named = identity.get("userName") or identity.get("invokedBy")
    return (f"user {named}" if identity.get("userName") else str(named)) if named else None


CLOUDTRAIL = Source(
    name="cloudtrail",
    description="who made or changed endpoints, notebooks and jobs",
    per="account_region",
    permissions=("cloudtrail:LookupEvents",),
    collect=collect,
)
