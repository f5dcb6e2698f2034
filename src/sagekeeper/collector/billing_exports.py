"""Billing exports that AWS delivers to S3 (legacy CUR, CUR 2.0, FOCUS), kept up to date in the lake.

In: the addresses of ``collect.exports``, read with the payer's reader role. Out: `costs` rows of one dataset per export
(`bill_exports.py`). A month that could not be read stays as it was, and the run says why.
"""

from __future__ import annotations

from sagekeeper.collector.bill_exports import ingest_export
from sagekeeper.collector.bill_places import Bucket
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.errors import BadInput


def _collect(task: Task) -> int:
    rows = 0
    for address in task.settings.collect.exports:
        with aws_errors(f"the billing export at {address}"):
            try:
                months = ingest_export(
                    Bucket(address, task.client("s3")), task.lake, task.ledger, task.as_of, progress=task.progress
                )
            except BadInput as error:  # nothing is delivered there yet, or it is another place
                task.note(str(error))
                continue
        for month in months:
            if month.problem is not None:
                task.note(f"{month.title} is as it was: {month.problem}")
            elif month.report is not None and month.report.changed:
                rows += month.report.rows
    return rows


BILLING_EXPORTS = Source(
    name="billing_exports",
    description="CUR, CUR 2.0 and FOCUS exports in S3",
    per="payer",
    permissions=("s3:GetObject", "s3:ListBucket"),
    collect=_collect,
)
