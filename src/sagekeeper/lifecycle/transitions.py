"""Writing where an action stands: one commit with the audit line and whatever belongs to it, by the holder of its lease only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from sagekeeper.core.ledger.connection import Ledger
from sagekeeper.core.ledger.models import ActionRow, RecommendationRow
from sagekeeper.core.ledger.runs import audit
from sagekeeper.lifecycle.lease import Leases

Also = Callable[[Session, ActionRow], None]


class Transitions:
    """Writes for one worker. ``observe`` is told each commit."""

    def __init__(self, ledger: Ledger, leases: Leases, owner: str, observe: Callable[[str], None]) -> None:
        self._ledger, self._leases, self._observe = ledger, leases, observe
        self._actor = f"worker {owner}"[:255]

    def write(self, action: ActionRow, state: str, now: datetime, also: Also | None = None, **values: Any) -> bool:
        """Move ``action`` to ``state``, if it still is as it was seen. False: somebody asked for something else meanwhile,
        an undo for example. Raises Conflict when another worker has taken it over."""
        with self._ledger.session() as session:
            self._leases.hold(session, action.id)
            row = session.get_one(ActionRow, action.id, with_for_update=True, populate_existing=True)
            if row.state != action.state:
                return False
            if also is not None:
                also(session, row)
            for name, value in values.items():
                setattr(row, name, value)
            if row.state != state:
                detail = {"from": action.state, "message": values.get("message")}
                audit(session, now, self._actor, f"state: {state}", row.resource_name, detail, row.id)
            row.state, row.updated_at = state, now
        self._observe(f"state: {state}")
        return True

    def note(self, action: ActionRow, says: str) -> None:
        """Keep what is being waited for where a person sees it."""
        if says and says != action.message:
            with self._ledger.session() as session:
                self._leases.hold(session, action.id)
                row = session.get_one(ActionRow, action.id, with_for_update=True, populate_existing=True)
                row.message = says


def recommendation_becomes(session: Session, action: ActionRow, state: str) -> None:
    """``applied`` from whatever it was; back to ``open`` only where it is still the one that this action applied."""
    row = session.get(RecommendationRow, action.recommendation)
    if row is not None and (state == "applied" or row.state == "applied"):
        row.state = state
