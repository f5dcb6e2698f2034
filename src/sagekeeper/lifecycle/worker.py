"""The worker: moves wanted actions from the queue to AWS, and nothing else does.

Each round it looks at every action that is not at rest, takes its lease, and moves it as far as it goes without waiting:

    requested -> planned -> approved -> applying -> watching -> applied      (a deletion has nothing to watch)
                    refused <-+            +------------+-> rolling_back -> rolled_back
                                undo_requested -> undoing -> undone          failed: a person must look

Everything it knows is in the ledger, so it may be killed at any moment; `steps.py` keeps each AWS call to exactly one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from sagekeeper.core.aws import AwsSessions, explain
from sagekeeper.core.clock import Clock, system_clock
from sagekeeper.core.errors import BadInput, Conflict, PlanRefused, SagekeeperError
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger.connection import Ledger
from sagekeeper.core.ledger.models import ActionRow
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.core.types import Plan, Recommendation
from sagekeeper.lifecycle.actuator import Reads
from sagekeeper.lifecycle.gates import refuse_unless_allowed
from sagekeeper.lifecycle.health import DELAY, Limits, as_document, in_words, limits_before, verdict_since
from sagekeeper.lifecycle.lease import Leases
from sagekeeper.lifecycle.measure import measure
from sagekeeper.lifecycle.plan import actuator_for, make_plan
from sagekeeper.lifecycle.steps import StepRunner, anything_done, plan_rows, transient
from sagekeeper.lifecycle.transitions import Also, Transitions, recommendation_becomes

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=5)
"""How often health is read while watching: the shortest period that is judged."""
IN_AWS = ("applying", "watching", "rolling_back", "undo_requested", "undoing")
"""States in which calls may follow; on hold while changes are switched off."""
TAKEN_BACK = "taken_back_because"


class Worker:
    """One worker. Several may run, on one machine or many; a lease per action keeps them apart.

    ``clock`` is the watched account's time; ``machine_clock`` that of the machines, for leases. ``after_write`` is told each
    event (a commit, an AWS call) by name.
    """

    def __init__(
        self,
        ledger: Ledger,
        lake: Lake,
        settings: Settings,
        sessions: AwsSessions,
        clock: Clock,
        owner: str,
        *,
        after_write: Callable[[str], None] = lambda _: None,
        machine_clock: Clock = system_clock,
    ) -> None:
        self._ledger, self._lake, self._sessions, self._clock = ledger, lake, sessions, clock
        self._settings, self._observe = settings.lifecycle, after_write
        self._leases = Leases(ledger, owner, settings.lifecycle.lease_seconds, machine_clock)
        self._runner = StepRunner(ledger, sessions, self._leases, clock, owner, after_write)
        self._transitions = Transitions(ledger, self._leases, owner, after_write)
        self._measured: int | None = None
        self._moved = False
        self._moves: dict[str, Callable[[ActionRow, datetime], bool]] = {
            "requested": self._make_plan,
            "planned": self._approve,
            "approved": self._start,
            "applying": self._apply,
            "watching": self._watch,
            "rolling_back": self._roll_back,
            "undo_requested": self._start_undo,
            "undoing": self._undo,
        }

    def run_once(self) -> int:
        """One round over all actions that are not at rest. Returns how many moved."""
        moved = sum(self._move(action_id) for action_id in self._waiting())
        self._measure()
        return moved

    def run_forever(self, stop: threading.Event) -> None:
        """Rounds until ``stop`` is set. What fails in one round is logged and tried again in the next."""
        while not stop.is_set():
            try:
                self.run_once()
            except (SagekeeperError, SQLAlchemyError, OSError) as error:
                log.warning("This round ended early: %s. The next one tries again.", error)
            stop.wait(self._settings.poll_seconds)

    def _waiting(self) -> list[int]:
        now = self._clock()
        looked_at = (ActionRow.updated_at > now - LOOK_EVERY) & (ActionRow.watch_until > now)
        wanted = select(ActionRow.id).where(
            ActionRow.state.in_([state for state in self._moves if state not in ("planned", "watching")])
            | ((ActionRow.state == "planned") & ActionRow.approved_at.is_not(None))
            | ((ActionRow.state == "watching") & ~looked_at)
        )
        with self._ledger.reading() as session:
            return list(session.scalars(wanted.order_by(ActionRow.id)))

    def _move(self, action_id: int) -> bool:
        """Move one action as far as it goes. True when anything about it changed."""
        if not self._leases.claim(action_id):
            return False
        self._observe("claimed")
        self._moved = False
        try:
            while self._step(action_id):
                pass
        except Conflict as error:
            log.info("%s", error)
        except Exception as error:  # noqa: BLE001 (one action's trouble must not stop the others; it is shown on the action)
            self._trouble(action_id, error)
        self._leases.release(action_id)
        self._observe("released")
        return self._moved

    def _step(self, action_id: int) -> bool:
        """One transition; False when the action has to wait, or is at rest."""
        with self._ledger.reading() as session:
            action = session.get_one(ActionRow, action_id)
        move = self._moves.get(action.state)
        if move is None or (action.state == "planned" and action.approved_at is None):
            return False
        if action.state in IN_AWS and not self._settings.enabled:
            return self._note(action, "On hold: changes are switched off (lifecycle.enabled is false).")
        return move(action, self._clock())

    # --- before anything is changed

    def _make_plan(self, action: ActionRow, now: datetime) -> bool:
        try:
            plan = make_plan(Recommendation.model_validate(action.document), self._sessions, now, self._settings)
        except (PlanRefused, BadInput, ClientError) as refusal:
            return self._refuse(action, refusal, now)
        failing = "; ".join(f"{gate.name}: {gate.why}" for gate in plan.checks if gate.state != "pass")
        says = f"{len(plan.steps)} calls planned; nothing is changed until it is approved."
        says += f" Not passed: {failing}." if failing else ""
        return self._to(action, "planned", now, message=says, plan=plan.model_dump(mode="json"))

    def _approve(self, action: ActionRow, now: datetime) -> bool:
        return self._to(action, "approved", now, message=f"Approved by {action.approved_by}.")

    def _start(self, action: ActionRow, now: datetime) -> bool:
        """Gates, a fresh look, the health from before; then, in one commit, the steps and the state ``applying``."""
        plan, actuator = self._plan(action), actuator_for(action.change_kind)
        reads = self._reads(plan)
        try:
            with self._ledger.reading() as session:
                refuse_unless_allowed(session, action, plan, self._settings, now)
            actuator.still_as_planned(plan, reads, Recommendation.model_validate(action.document).as_of, now)
            watch = actuator.watch(plan)
            health = None if watch is None else as_document(limits_before(reads, watch, now), None, now)

            def begin(session: Session, row: ActionRow) -> None:
                self._one_at_a_time(session, row)
                refuse_unless_allowed(session, row, plan, self._settings, now)
                plan_rows(session, row.id, plan.steps, "do")

            return self._to(action, "applying", now, begin, message="Under way.", health=health)
        except (PlanRefused, BadInput, ClientError) as refusal:
            return self._refuse(action, refusal, now)

    def _refuse(self, action: ActionRow, refusal: PlanRefused | BadInput | ClientError, now: datetime) -> bool:
        """Nothing has been changed yet: what will not go away by itself ends here, with its sentence."""
        if isinstance(refusal, ClientError) and transient(refusal):
            raise refusal
        says = f"{explain(refusal)}. Nothing was changed." if isinstance(refusal, ClientError) else str(refusal)
        return self._to(action, "refused", now, message=says, finished_at=now)

    def _one_at_a_time(self, session: Session, action: ActionRow) -> None:
        """Two actions on one resource start one after the other: SQLite's writers queue anyway, Postgres is asked to."""
        if self._ledger.is_postgres:
            resource = f"{action.account}/{action.region}/{action.resource_name}"
            session.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:resource, 0))"), {"resource": resource}
            )

    # --- changing, watching, taking back

    def _apply(self, action: ActionRow, now: datetime) -> bool:
        plan = self._plan(action)
        progress = self._runner.advance(action, plan, "do", now)
        self._moved = self._moved or progress.moved
        if progress.state == "waiting":
            return self._note(action, progress.says)
        now = self._clock()
        if progress.state == "finished":
            return self._applied(action, plan, now)
        with self._ledger.reading() as session:
            touched = anything_done(session, action.id)
        if not touched:
            return self._to(action, "failed", now, message=f"{progress.says} Nothing was changed.", finished_at=now)
        return self._take_back(action, plan, now, progress.says, action.health)

    def _applied(self, action: ActionRow, plan: Plan, now: datetime) -> bool:
        nothing_to_watch = actuator_for(action.change_kind).watch(plan) is None or self._settings.watch_hours == 0

        def keep(session: Session, row: ActionRow) -> None:
            recommendation_becomes(session, row, "applied")

        if nothing_to_watch:
            return self._to(
                action, "applied", now, keep, message="Done, and seen in AWS.", applied_at=now, finished_at=now
            )
        until = now + timedelta(hours=self._settings.watch_hours)
        says = f"Done. Health is watched until {until:%Y-%m-%d %H:%M} UTC."
        return self._to(action, "watching", now, keep, message=says, applied_at=now, watch_until=until)

    def _watch(self, action: ActionRow, now: datetime) -> bool:
        assert action.applied_at is not None and action.watch_until is not None
        health = action.health or {}
        over = now >= action.watch_until + DELAY
        if "last" in health and not over and now - action.updated_at < LOOK_EVERY:
            return False
        plan = self._plan(action)
        limits = [Limits(**item) for item in health.get("limits", [])]
        watch = actuator_for(action.change_kind).watch(plan)
        assert watch is not None
        until = min(now - DELAY, action.watch_until)
        verdict = verdict_since(self._reads(plan), watch, limits, action.applied_at, until)
        document = as_document(limits, verdict, now)
        if verdict.state == "unhealthy":
            return self._take_back(action, plan, now, f"Health fell: {'; '.join(verdict.why)}.", document)
        if over:
            says = f"Watched until {action.watch_until:%Y-%m-%d %H:%M} UTC: {in_words(verdict)}"
            return self._to(action, "applied", now, message=says, health=document, finished_at=now)
        self._to(action, "watching", now, message=f"Watching: {in_words(verdict)}", health=document)
        return False

    def _take_back(self, action: ActionRow, plan: Plan, now: datetime, why: str, health: dict[str, Any] | None) -> bool:
        kept = (health or {}) | {TAKEN_BACK: why}
        return self._to(
            action,
            "rolling_back",
            now,
            lambda session, row: plan_rows(session, row.id, plan.undo_steps, "undo"),
            message=f"{why} Taking back what was done.",
            health=kept,
        )

    def _roll_back(self, action: ActionRow, now: datetime) -> bool:
        return self._back(action, now, "rolled_back", "Everything is as it was before.")

    def _start_undo(self, action: ActionRow, now: datetime) -> bool:
        plan = self._plan(action)
        try:
            actuator_for(action.change_kind).undo_possible(plan, self._reads(plan))
        except PlanRefused as refusal:
            resting = "applied" if action.finished_at is not None or action.watch_until is None else "watching"
            return self._to(
                action, resting, now, message=f"Not undone: {refusal}", undo_requested_at=None, undo_requested_by=None
            )
        return self._to(
            action,
            "undoing",
            now,
            lambda session, row: plan_rows(session, row.id, plan.undo_steps, "undo"),
            message=f"Undoing, as {action.undo_requested_by} asked.",
        )

    def _undo(self, action: ActionRow, now: datetime) -> bool:
        return self._back(action, now, "undone", "Undone: it is as it was before.")

    def _back(self, action: ActionRow, now: datetime, end: str, says: str) -> bool:
        plan = self._plan(action)
        progress = self._runner.advance(action, plan, "undo", now)
        self._moved = self._moved or progress.moved
        if progress.state == "waiting":
            return self._note(action, _reason(action) + progress.says)
        now = self._clock()

        def reopen(session: Session, row: ActionRow) -> None:
            recommendation_becomes(session, row, "open")

        if progress.state == "stopped":
            says = f"{_reason(action)}Taking it back failed, a person must look: {progress.says}"
            return self._to(action, "failed", now, message=says, finished_at=now)
        return self._to(action, end, now, reopen, message=_reason(action) + says, finished_at=now)

    # --- around

    def _to(self, action: ActionRow, state: str, now: datetime, also: Also | None = None, **values: Any) -> bool:
        self._moved = self._transitions.write(action, state, now, also, **values) or self._moved
        return True

    def _note(self, action: ActionRow, says: str) -> bool:
        self._transitions.note(action, says)
        return False

    def _trouble(self, action_id: int, error: Exception) -> None:
        known = isinstance(error, SagekeeperError | ClientError | BotoCoreError)
        says = explain(error) if isinstance(error, ClientError | BotoCoreError) else f"{error}"
        if not known:
            log.exception("Action %s: the worker met something it does not know. It tries again next round.", action_id)
        elif not transient(error):
            log.warning("Action %s: %s. It is tried again next round.", action_id, says)
        with self._ledger.session() as session:
            row = session.get_one(ActionRow, action_id)
            row.message = f"Waiting: {says}"

    def _measure(self) -> None:
        """Measure realised savings whenever the bill in the lake has changed."""
        version = self._lake.version(DAILY_COSTS)
        if version is not None and version != self._measured:
            measure(self._ledger, self._lake, self._clock())
            self._measured = version

    def _plan(self, action: ActionRow) -> Plan:
        return Plan.model_validate(action.plan)

    def _reads(self, plan: Plan) -> Reads:
        return Reads(self._sessions, plan.account, plan.region)


def _reason(action: ActionRow) -> str:
    """Why it is being taken back, kept in front of every later message."""
    why = (action.health or {}).get(TAKEN_BACK)
    return f"{why} " if why and action.state == "rolling_back" else ""
