"""The same money under another name: an incident goes on as one of another kind, and is not told anew for that.

A new endpoint that nobody calls is forgotten two weeks later; what a job took while it ran away is on the bill days after it has
ended. In: an incident that is new, and those there are about the same thing. Out: it takes the other's place, with what people
said and were told of it; or, where the other is over and this is its bill, it is resolved from its first day on.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from sagekeeper.core.job_names import thing_of
from sagekeeper.core.ledger.incident_models import IncidentRow
from sagekeeper.core.types import Finding, Stake

ABOUT = timedelta(days=2)
"""Days of the bill begin at midnight, jobs when they begin."""
RUNAWAY = "runaway_job"
"""It ends, and its bill comes later."""
PRODUCT = "sagekeeper"
"""Who resolves the bill of what was told already."""
SAID = (
    "state", "decided_by", "decided_at", "decided_per_day", "reason", "snoozed_until", "told_per_day",
    "accepted_per_day", "accepted_excess", "accepted_since", "accepted_reason",
)  # fmt: skip


def predecessor(
    session: Session, finding: Finding, stake: Stake, seen: Collection[str], kinds: Collection[str]
) -> IncidentRow | None:
    """The incident about the same thing and money that this run no longer sees, the latest one; or None.

    A job that runs away is news whatever was said of its family.
    """
    subject = finding.subject
    if finding.kind == RUNAWAY:
        return None
    thing = thing_of(subject.kind, subject.name)
    there = session.scalars(
        select(IncidentRow)
        .where(
            IncidentRow.account == subject.account,
            IncidentRow.region == subject.region,
            IncidentRow.kind.in_(kinds),
            IncidentRow.kind != finding.kind,
        )
        .order_by(IncidentRow.last_seen.desc())
    )
    return next(
        (
            row
            for row in there
            if row.fingerprint not in seen
            and thing_of(row.resource_kind, row.resource_name) == thing
            and stake.since <= row.last_seen + ABOUT
        ),
        None,
    )


def take_over(row: IncidentRow, other: IncidentRow) -> None:
    """What people said and were told of ``other`` is said of ``row``. What was expected was not this: it is new."""
    if other.state == "expected":
        return
    for name in SAID:
        setattr(row, name, getattr(other, name))


def told_already(row: IncidentRow, other: IncidentRow, as_of: datetime, grown: float) -> bool:
    """Whether ``row`` is the bill of ``other``, a job that has ended: then it is resolved, and opens when it outgrows that."""
    if (
        not other.resource_kind.endswith("_job")
        or row.since < other.since - ABOUT
        or float(row.excess) >= grown * float(other.excess)
    ):
        return False
    row.decided_by, row.decided_at, row.decided_per_day = PRODUCT, as_of, row.per_day
    return True
