"""May this action be applied now? The last word before the first call, said inside the transaction that starts it.

Nothing is applied without an approval. One click is enough only where every gate passes; a gate that fails or is unknown needs
a person's approval in so many words (an "action approved" line in the audit log), and a check of the plan that fails needs
it after the plan was there to be read. Some checks cannot be waived at all. One change per resource per 24 hours.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sagekeeper.core.errors import PlanRefused
from sagekeeper.core.ledger.models import ActionRow, AuditRow
from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Gate, Plan, Recommendation

REST = timedelta(hours=24)
NEVER_WAIVED = ("in service", "opt-out tag", "not defined as code", "applier role", "alarms quiet")
IN_FLIGHT = ("applying", "watching", "rolling_back", "undo_requested", "undoing")
CHANGED = ("applied", "rolled_back", "undone", "failed")


def refuse_unless_allowed(session: Session, action: ActionRow, plan: Plan, safety: Lifecycle, now: datetime) -> None:
    """Raise PlanRefused, with the sentence for the person who asked, when the action may not be applied."""
    if not safety.enabled:
        raise PlanRefused("Changes are switched off (lifecycle.enabled is false). Nothing was changed.")
    if action.approved_at is None:
        raise PlanRefused("Nobody has approved this change. Nothing was changed.")
    _refuse_gates(session, action, plan)
    _refuse_restless(session, action, now)


def _refuse_gates(session: Session, action: ActionRow, plan: Plan) -> None:
    wanted = Recommendation.model_validate(action.document)
    forbidden = [gate for gate in plan.checks if gate.state != "pass" and gate.name in NEVER_WAIVED]
    if forbidden:
        raise PlanRefused(f"Not allowed, whoever approves: {_listed(forbidden)}. Nothing was changed.")
    by_hand_at = session.scalar(
        select(func.max(AuditRow.at)).where(
            AuditRow.action_id == action.id,
            AuditRow.event == "action approved",
            AuditRow.at >= action.requested_at,  # an approval from before a refusal is used up
        )
    )
    open_gates = [gate for gate in wanted.gates if gate.state != "pass"]
    if open_gates and by_hand_at is None:
        raise PlanRefused(f"One click is not enough: {_listed(open_gates)}. Nothing was changed.")
    open_checks = [gate for gate in plan.checks if gate.state != "pass"]
    if open_checks and (by_hand_at is None or by_hand_at < plan.made_at):
        raise PlanRefused(
            f"The plan found, after the approval: {_listed(open_checks)}. Nothing was changed. Approve again to do it anyway."
        )


def _refuse_restless(session: Session, action: ActionRow, now: datetime) -> None:
    same = (
        ActionRow.account == action.account,
        ActionRow.region == action.region,
        ActionRow.resource_name == action.resource_name,
        ActionRow.id != action.id,
    )
    busy = session.scalar(select(ActionRow).where(*same, ActionRow.state.in_(IN_FLIGHT)))
    if busy is not None:
        raise PlanRefused(f"Action {busy.id} on {action.resource_name} is {busy.state}. Nothing was changed.")
    done = session.scalars(
        select(ActionRow).where(*same, ActionRow.state.in_(CHANGED), ActionRow.applied_at.is_not(None))
    )
    for other in done:
        last = max(item for item in (other.applied_at, other.finished_at) if item is not None)
        if last > now - REST:
            raise PlanRefused(
                f"{action.resource_name} was changed at {last:%Y-%m-%d %H:%M} UTC by action {other.id}: one change per "
                f"24 hours. Ask again after {last + REST:%Y-%m-%d %H:%M} UTC. Nothing was changed."
            )


def _listed(gates: list[Gate]) -> str:
    return "; ".join(f"{gate.name} ({gate.state}): {gate.why}" for gate in gates)
