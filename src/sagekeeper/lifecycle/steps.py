"""Run the steps of an action so that each call happens exactly once, whatever dies in between.

A step is written as ``started``, committed, before its call goes out, and looked at in AWS (`effects.py`) before it is called at
all. A worker that finds a started step of which it does not know whether the call went out asks AWS: effect there, the step
is done; effect absent in two rounds of looking (a request of the dead worker may still be on its way), it calls. Nothing
here sleeps: what AWS is still busy with is looked at again in the next round.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from sagekeeper.core.aws import AwsSessions, explain
from sagekeeper.core.clock import Clock
from sagekeeper.core.errors import SourceUnavailable
from sagekeeper.core.ledger.connection import Ledger
from sagekeeper.core.ledger.models import ActionRow, StepRow
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.types import Plan, Step
from sagekeeper.lifecycle.actuator import Effect, Reads
from sagekeeper.lifecycle.effects import effect_of
from sagekeeper.lifecycle.lease import Leases

Direction = Literal["do", "undo"]

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 60
SHORTEST_WAIT = timedelta(minutes=5)
"""An accepted call whose effect is not to be seen by then has failed; AWS's own reads may lag behind its writes a little."""
ACCEPTED = "accepted by AWS"
TRANSIENT_CODES = (
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalServiceException",
    "InternalServerError",
    "ConcurrentUpdateException",
    "RequestTimeout",
    "ExpiredToken",
    "ExpiredTokenException",
)
TRANSIENT_ERRORS = (HTTPClientError, ConnectionClosedError, EndpointConnectionError)


@dataclass(frozen=True)
class Progress:
    """How far a direction has come. ``finished``: all steps done; ``waiting``: look again; ``stopped``: for good, and why."""

    state: Literal["finished", "waiting", "stopped"]
    says: str = ""
    moved: bool = False


class StepRunner:
    """Runs steps for one worker. ``observe`` is told each event: after every commit and after every AWS call."""

    def __init__(
        self,
        ledger: Ledger,
        sessions: AwsSessions,
        leases: Leases,
        clock: Clock,
        owner: str,
        observe: Callable[[str], None],
    ) -> None:
        self._ledger, self._sessions, self._leases = ledger, sessions, leases
        self._clock, self._owner, self._observe = clock, owner, observe
        self._doubted: set[tuple[int, int]] = set()

    def advance(self, action: ActionRow, plan: Plan, direction: Direction, now: datetime) -> Progress:
        """Carry on with the steps of ``direction`` until all are done, AWS is busy, or it cannot go on."""
        moved = False
        steps = plan.steps if direction == "do" else plan.undo_steps
        for row, step in zip(self._rows(action.id, direction), steps, strict=True):
            while row.state != "done":
                before = (row.state, row.attempts, row.outcome)
                progress = self._one(action, plan, row, step, now)
                moved = moved or (row.state, row.attempts, row.outcome) != before
                if progress is not None:
                    return Progress(progress.state, progress.says, moved)
        return Progress("finished", moved=moved)

    def _rows(self, action_id: int, direction: Direction) -> list[StepRow]:
        with self._ledger.reading() as session:
            wanted = select(StepRow).where(StepRow.action_id == action_id, StepRow.direction == direction)
            return list(session.scalars(wanted.order_by(StepRow.position)))

    def _one(self, action: ActionRow, plan: Plan, row: StepRow, step: Step, now: datetime) -> Progress | None:
        """One look at a step and what follows from it. None: go on (the row has changed)."""
        try:
            effect = effect_of(step, plan, Reads(self._sessions, plan.account, plan.region), called=row.attempts > 0)
        except (ClientError, BotoCoreError, SourceUnavailable) as error:
            if transient(error):
                return Progress("waiting", f"AWS did not answer: {_said(error)}. Looking again.")
            effect = Effect("blocked", _said(error))
        if effect.state == "done":
            before = "" if row.state == "started" else "It was so already, nothing was called. "
            self._write(action, row, now, state="done", outcome=f"{before}{effect.says}")
            return None
        if effect.state == "blocked":
            return self._stop(action, row, now, effect.says)
        if effect.state == "under way":
            longest = max(timedelta(seconds=step.wait_seconds), SHORTEST_WAIT)
            return self._wait(action, row, effect, now, longest)
        if (row.outcome or "").startswith(ACCEPTED):
            return self._wait(action, row, effect, now, SHORTEST_WAIT)
        return self._call_or_doubt(action, plan, row, step, effect, now)

    def _stop(self, action: ActionRow, row: StepRow, now: datetime, says: str) -> Progress:
        self._write(action, row, now, state="failed", outcome=says)
        return Progress("stopped", f"{row.name}: {says}")

    def _wait(self, action: ActionRow, row: StepRow, effect: Effect, now: datetime, longest: timedelta) -> Progress:
        if row.started_at is not None and now - row.started_at > longest:
            return self._stop(action, row, now, f"not done {now - row.started_at} after the call. {effect.says}")
        return Progress("waiting", effect.says)

    def _call_or_doubt(
        self, action: ActionRow, plan: Plan, row: StepRow, step: Step, effect: Effect, now: datetime
    ) -> Progress | None:
        doubt = (row.id, row.attempts)
        if row.state == "started" and doubt not in self._doubted:
            self._doubted.add(doubt)
            return Progress("waiting", f"{effect.says} Whether the call went out is not known: looking once more.")
        if row.attempts >= MOST_ATTEMPTS:
            return self._stop(action, row, now, f"given up after {row.attempts} attempts. Last: {row.outcome}")
        return self._call(action, plan, row, step, now)

    def _call(self, action: ActionRow, plan: Plan, row: StepRow, step: Step, now: datetime) -> Progress | None:
        call = step.call
        # The client first: a role that cannot be assumed must not leave a step of unknown fate.
        try:
            client = self._sessions.client(call.service, plan.account, plan.region, "applier")
        except SourceUnavailable as error:
            return Progress("waiting", f"{error}")
        now = self._clock()
        self._write(
            action, row, now, state="started", outcome=None, started_at=now, attempts=row.attempts + 1, call=step
        )
        try:
            getattr(client, xform_name(call.operation))(**call.parameters)
        except (ClientError, BotoCoreError) as error:
            self._observe(f"call failed: {call.operation}")
            return self._failed_call(action, plan, row, step, error, now)
        self._observe(f"called: {call.operation}")
        self._write(action, row, now, state="started", outcome=f"{ACCEPTED} (attempt {row.attempts})")
        return None

    def _failed_call(
        self, action: ActionRow, plan: Plan, row: StepRow, step: Step, error: ClientError | BotoCoreError, now: datetime
    ) -> Progress | None:
        """A call that raised may have had its effect: an answer lost, and the retry met its own first try. So look first."""
        outcome = f"attempt {row.attempts}: {explain(error)}"
        if transient(error):
            self._write(action, row, now, state="started", outcome=outcome)
            return Progress("waiting", f"{step.name}: {outcome}. Trying again.")
        try:
            effect = effect_of(step, plan, Reads(self._sessions, plan.account, plan.region), called=row.attempts > 0)
        except (ClientError, BotoCoreError):
            effect = Effect("absent", "")
        if effect.state in ("done", "under way"):
            self._write(action, row, now, state="started", outcome=f"{ACCEPTED} ({outcome}; {effect.says})")
            return None
        return self._stop(action, row, now, outcome)

    def _write(
        self,
        action: ActionRow,
        row: StepRow,
        now: datetime,
        *,
        state: str,
        outcome: str | None,
        started_at: datetime | None = None,
        attempts: int | None = None,
        call: Step | None = None,
    ) -> None:
        """Write a step, and with ``call`` the audit line of the call that is about to be made, in one commit."""
        with self._ledger.session() as session:
            self._leases.hold(session, action.id)
            stored = session.get_one(StepRow, row.id)
            for target in (stored, row):
                target.state, target.outcome = state, outcome
                target.started_at = started_at or target.started_at
                target.attempts = target.attempts if attempts is None else attempts
                target.finished_at = now if state in ("done", "failed") else None
            if call is not None:
                detail = {"call": call.call.model_dump(mode="json"), "step": call.name, "attempt": row.attempts}
                event = f"{row.direction}: {call.call.operation}"
                audit(session, now, f"worker {self._owner}", event, action.resource_name, detail, action.id)
        said = "accepted" if state == "started" and (outcome or "").startswith(ACCEPTED) else state
        self._observe(f"{row.direction} {row.position}: {said}")


def plan_rows(session: Session, action_id: int, steps: list[Step], direction: Direction) -> None:
    """Write all steps of a direction as pending, once."""
    wanted = select(StepRow.id).where(StepRow.action_id == action_id, StepRow.direction == direction)
    if session.scalars(wanted).first() is not None:
        return
    session.add_all(
        StepRow(
            action_id=action_id,
            direction=direction,
            position=position,
            name=step.name[:255],
            call=step.call.model_dump(mode="json"),
            state="pending",
            attempts=0,
        )
        for position, step in enumerate(steps)
    )


def anything_done(session: Session, action_id: int) -> bool:
    """Whether any step of the action was called or found done."""
    wanted = select(StepRow.id).where(
        StepRow.action_id == action_id, StepRow.direction == "do", StepRow.started_at.is_not(None)
    )
    return session.scalars(wanted).first() is not None


def transient(error: Exception) -> bool:
    """Whether the same call may succeed later: throttled, not reached, AWS's own fault, credentials to be renewed."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response.get("Error", {}).get("Code") in TRANSIENT_CODES or status >= 500
    return isinstance(error, (*TRANSIENT_ERRORS, SourceUnavailable))


def _said(error: Exception) -> str:
    return explain(error) if isinstance(error, ClientError | BotoCoreError) else str(error)
