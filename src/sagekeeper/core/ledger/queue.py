"""The action queue: a click, or a command, writes exactly one row here; the worker (`lifecycle/`) does the rest.

This is the only thing the dashboard ever writes. Three clicks in two tabs meet the unique key of (recommendation, version)
and are told which action is already there.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from sagekeeper.core.errors import BadInput, PlanRefused
from sagekeeper.core.ledger.connection import Ledger
from sagekeeper.core.ledger.models import ActionRow, RecommendationRow
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.types import Recommendation


def request_action(
    ledger: Ledger, fingerprint: str, version: str, by: str, now: datetime, *, approve: bool = False
) -> tuple[ActionRow, bool]:
    """Ask for the change of a recommendation. Returns the action and whether this call made it (False: it was there).

    A refused action is asked for again by asking: most refusals (the resource was busy, or changed less than 24 hours ago)
    pass with time. ``approve`` approves it in the same breath (the confirm dialog of a one-click recommendation); it needs
    every gate to pass. Raises BadInput when the recommendation is unknown or has changed since it was shown, PlanRefused
    when a gate of a one-click request does not pass.
    """
    with ledger.reading() as session:
        row = session.get(RecommendationRow, fingerprint)
    if row is None:
        raise BadInput(f"There is no recommendation {fingerprint}. List them with: sagekeeper recommend")
    there = _existing(ledger, fingerprint, version)
    if there is not None and there.state != "refused":
        return there, False
    if row.version != version:
        raise BadInput(f"Recommendation {fingerprint} has changed since you looked at it. Look again, then decide.")
    wanted = Recommendation.model_validate(row.document)
    if approve and not wanted.one_click:
        blocking = "; ".join(f"{gate.name}: {gate.why}" for gate in wanted.gates if gate.state != "pass")
        raise PlanRefused(f"{wanted.title}: not available as one click, because {blocking}.")
    if there is not None:
        return _ask_again(ledger, there.id, row, by, now, approve=approve)
    try:
        with ledger.session() as session:
            action = _new_action(row, wanted, by, now, approve=approve)
            session.add(action)
            session.flush()
            audit(
                session,
                now,
                by,
                "action requested" + (" and approved" if approve else ""),
                wanted.title,
                {"recommendation": fingerprint, "version": version},
                action.id,
            )
            return action, True
    except IntegrityError:
        made_elsewhere = _existing(ledger, fingerprint, version)
        if made_elsewhere is None:
            raise
        return made_elsewhere, False


def approve_action(ledger: Ledger, action_id: int, by: str, now: datetime) -> ActionRow:
    """Approve an action whose plan has been made. Approving twice is approving once."""
    with ledger.session() as session:
        action = session.get(ActionRow, action_id)
        if action is None:
            raise BadInput(f"There is no action {action_id}. List them with: sagekeeper activity")
        if action.approved_at is None:
            if action.state not in ("requested", "planned"):
                raise PlanRefused(f"Action {action_id} is {action.state}: it can no longer be approved.")
            action.approved_by, action.approved_at, action.updated_at = by, now, now
            audit(session, now, by, "action approved", action.resource_name, {}, action_id)
        return action


def request_undo(ledger: Ledger, action_id: int, by: str, now: datetime) -> ActionRow:
    """Ask for an applied action to be undone. Asking twice is asking once."""
    with ledger.session() as session:
        action = session.get(ActionRow, action_id)
        if action is None:
            raise BadInput(f"There is no action {action_id}. List them with: sagekeeper activity")
        if action.undo_requested_at is None:
            if action.state not in ("watching", "applied"):
                raise PlanRefused(f"Action {action_id} is {action.state}: only an applied action can be undone.")
            action.undo_requested_by, action.undo_requested_at = by, now
            action.state, action.updated_at = "undo_requested", now
            audit(session, now, by, "undo requested", action.resource_name, {}, action_id)
        return action


def all_actions(ledger: Ledger) -> list[ActionRow]:
    """Every action, newest first."""
    with ledger.reading() as session:
        return list(session.scalars(select(ActionRow).order_by(ActionRow.id.desc())))


def _existing(ledger: Ledger, fingerprint: str, version: str) -> ActionRow | None:
    with ledger.reading() as session:
        return session.scalar(
            select(ActionRow).where(ActionRow.recommendation == fingerprint, ActionRow.version == version)
        )


def _ask_again(
    ledger: Ledger, action_id: int, row: RecommendationRow, by: str, now: datetime, *, approve: bool
) -> tuple[ActionRow, bool]:
    with ledger.session() as session:
        action = session.get_one(ActionRow, action_id, with_for_update=True)
        if action.state != "refused":
            return action, False
        action.state, action.document, action.plan = "requested", row.document, None
        action.requested_by, action.requested_at, action.updated_at = by, now, now
        action.approved_by, action.approved_at = (by, now) if approve else (None, None)
        action.message, action.health, action.finished_at = None, None, None
        event = "action requested again" + (" and approved" if approve else "")
        audit(session, now, by, event, action.resource_name, {"version": action.version}, action_id)
        return action, True


def _new_action(row: RecommendationRow, wanted: Recommendation, by: str, now: datetime, *, approve: bool) -> ActionRow:
    return ActionRow(
        recommendation=row.fingerprint,
        version=row.version,
        lever=row.lever,
        change_kind=wanted.change.kind,
        account=row.account,
        region=row.region,
        resource_name=row.resource_name,
        state="requested",
        requested_by=by,
        requested_at=now,
        approved_by=by if approve else None,
        approved_at=now if approve else None,
        document=row.document,
        updated_at=now,
    )
