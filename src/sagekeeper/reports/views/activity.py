"""What was asked for, what was done, what came of it: actions with their steps and measured savings, and the audit
log's end.

In: the ledger. Out: one `Activity` per action, newest first; `AuditRow`s.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ActionRow, AuditRow, MeasurementRow, StepRow
from sagekeeper.core.ledger.queue import all_actions
from sagekeeper.core.types import Plan, Recommendation

MOVING = ("requested", "approved", "applying", "rolling_back", "undo_requested", "undoing")
"""States that the worker moves on from by itself."""
UNDOABLE = ("watching", "applied")
WAITS_FOR_APPROVAL = ("requested", "planned")

IN_WORDS = {
    "requested": "asked for; the worker makes the plan next",
    "planned": "planned; waits for approval",
    "approved": "approved; the worker applies it next",
    "applying": "being applied",
    "watching": "applied; health is being watched",
    "applied": "applied",
    "rolling_back": "health fell; being rolled back",
    "rolled_back": "rolled back",
    "undo_requested": "undo asked for",
    "undoing": "being undone",
    "undone": "undone",
    "refused": "refused",
    "failed": "failed; a person must look",
}


@dataclass(frozen=True)
class Activity:
    """One action with everything known of it."""

    action: ActionRow
    wanted: Recommendation
    plan: Plan | None
    steps: list[StepRow]
    measurements: list[MeasurementRow]

    @property
    def measured(self) -> MeasurementRow | None:
        """The newest measurement."""
        return self.measurements[-1] if self.measurements else None

    @property
    def can_approve(self) -> bool:
        """Whether it waits for a person's yes."""
        return self.action.state in WAITS_FOR_APPROVAL and self.action.approved_at is None

    @property
    def can_undo(self) -> bool:
        """Whether it can be brought back."""
        return self.action.state in UNDOABLE

    @property
    def state_in_words(self) -> str:
        """The state, said."""
        if self.action.state == "requested" and self.action.approved_at is not None:
            return "asked for and approved; the worker plans and applies it next"
        return IN_WORDS.get(self.action.state, self.action.state)


def activities(ledger: Ledger) -> list[Activity]:
    """All actions, newest first."""
    actions = all_actions(ledger)
    with ledger.reading() as session:
        steps = list(session.scalars(select(StepRow).order_by(StepRow.action_id, StepRow.id)))
        measurements = list(session.scalars(select(MeasurementRow).order_by(MeasurementRow.as_of)))
    return [
        Activity(
            action=action,
            wanted=Recommendation.model_validate(action.document),
            plan=Plan.model_validate(action.plan) if action.plan else None,
            steps=[step for step in steps if step.action_id == action.id],
            measurements=[row for row in measurements if row.action_id == action.id],
        )
        for action in actions
    ]


def audit_tail(ledger: Ledger, most: int = 50) -> list[AuditRow]:
    """The newest entries of the audit log."""
    with ledger.reading() as session:
        return list(session.scalars(select(AuditRow).order_by(AuditRow.id.desc()).limit(most)))
