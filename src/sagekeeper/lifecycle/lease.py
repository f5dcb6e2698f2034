"""One worker per action at a time: a lease on the action's row, taken by one conditional UPDATE (same on SQLite and Postgres).

The holder is ``<owner>#<token>``: the token is one process's own. A restarted worker of the same owner takes over at once what
its dead predecessor held, but only once per action, so two processes that share an owner name by mistake do not steal from
each other in turns. Others wait until the lease runs out. Every write of a holder checks that it still holds.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, or_, update
from sqlalchemy.orm import Session

from sagekeeper.core.clock import Clock
from sagekeeper.core.errors import Conflict
from sagekeeper.core.ledger.connection import Ledger
from sagekeeper.core.ledger.models import ActionRow


class Leases:
    """This process's leases. ``clock`` is that of the machines, not of the watched account: a lease is about processes."""

    def __init__(self, ledger: Ledger, owner: str, seconds: int, clock: Clock) -> None:
        self._ledger, self._owner, self._clock = ledger, owner, clock
        self._length = timedelta(seconds=seconds)
        self._holder = f"{owner}#{secrets.token_hex(4)}"
        self._met: set[int] = set()

    def claim(self, action_id: int) -> bool:
        """Take the lease on an action; False when another worker has it."""
        now = self._clock()
        free: list[ColumnElement[bool]] = [
            ActionRow.lease_owner.is_(None),
            ActionRow.lease_until <= now,
            ActionRow.lease_owner == self._holder,
        ]
        if action_id not in self._met:
            free.append(ActionRow.lease_owner.startswith(f"{self._owner}#", autoescape=True))
        with self._ledger.session() as session:
            taken = session.execute(
                update(ActionRow)
                .where(ActionRow.id == action_id, or_(*free))
                .values(lease_owner=self._holder, lease_until=now + self._length)
            )
        self._met.add(action_id)
        return _one(taken)

    def hold(self, session: Session, action_id: int) -> None:
        """Prolong, inside the caller's transaction. Raises Conflict when another worker took the action meanwhile."""
        kept = session.execute(
            update(ActionRow)
            .where(ActionRow.id == action_id, ActionRow.lease_owner == self._holder)
            .values(lease_until=self._clock() + self._length)
        )
        if not _one(kept):
            raise Conflict(f"Action {action_id} was taken over by another worker; this one lets go of it.")

    def release(self, action_id: int) -> None:
        """Give the action back, if it is still ours."""
        with self._ledger.session() as session:
            session.execute(
                update(ActionRow)
                .where(ActionRow.id == action_id, ActionRow.lease_owner == self._holder)
                .values(lease_owner=None, lease_until=None)
            )


def _one(result: object) -> bool:
    return getattr(result, "rowcount", 0) == 1
