"""Changing things: plan, approve, apply, undo, dismiss, activity. Everything goes through the ledger's queue and its
worker."""

from __future__ import annotations

import getpass
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import select

from sagekeeper.core.errors import BadInput, PlanRefused
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.findings import decide
from sagekeeper.core.ledger.models import ActionRow, RecommendationRow, StepRow
from sagekeeper.core.ledger.queue import all_actions, approve_action, request_action, request_undo
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.types import Plan, Recommendation
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import House, open_house, process_name

if TYPE_CHECKING:
    from datetime import datetime

RESTING = ("planned", "watching", "applied", "rolled_back", "undone", "refused", "failed")
"""States in which an action waits for a person, for time, or for nothing any more."""

RecommendationArgument = Annotated[str, typer.Argument(metavar="REC", help="id of a recommendation, or its beginning")]
ActionArgument = Annotated[int, typer.Argument(metavar="ACTION", help="number of an action (sagekeeper activity)")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for command in (plan, approve, apply, undo, dismiss, activity):
        app.command()(command)


def plan(
    recommendation: RecommendationArgument,
    ask: Annotated[
        bool, typer.Option("--ask", help="also put it into the queue, to be approved by its number")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Dry run: print every call that applying would make, and how it would be undone. Changes nothing."""
    out = Output(as_json)
    with open_house() as house:
        wanted = _recommendation(house.ledger, recommendation)
        document = _dry_run(house, out, wanted)
        following = f"apply {wanted.fingerprint} --yes" if wanted.one_click else f"plan {wanted.fingerprint} --ask"
        if ask:
            action, _ = request_action(house.ledger, wanted.fingerprint, wanted.version, _who(), house.clock())
            document["action"], following = action.id, f"approve {action.id}"
    out.give(document)
    out.say(f"Nothing was changed. Next: sagekeeper {following}")


def approve(
    target: Annotated[str, typer.Argument(metavar="ACTION|REC", help="an action, or a recommendation to ask for")],
    as_json: JsonOption = False,
) -> None:
    """Approve an action; given a recommendation, ask for its change and approve it. A worker then applies it."""
    out = Output(as_json)
    with open_house() as house:
        action = _approved(house, target, house.clock())
    out.give({"action": _as_document(action)})
    out.say(
        f"Action {action.id} is approved and waits for a worker. Next: sagekeeper apply {action.id} --yes, or a worker"
    )


def apply(
    target: Annotated[str, typer.Argument(metavar="ACTION|REC", help="an action, or a recommendation to apply")],
    yes: Annotated[bool, typer.Option("--yes", help="really change AWS")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="seconds to wait until it is settled")] = 1800,
    as_json: JsonOption = False,
) -> None:
    """Apply a change now: run the worker until it is settled, or is being watched. Without --yes: a dry run."""
    out = Output(as_json)
    with open_house() as house:
        if not yes:
            out.give(_dry_run(house, out, _wanted(house.ledger, target)))
            out.say(f"Nothing was changed. To change it: sagekeeper apply {target} --yes")
            return
        action = _approved(house, target, house.clock())
        action = _settle(house, action.id, out, timeout_s, resting=tuple(set(RESTING) - {"planned"}))
        _tell_end(house.ledger, out, action)


def undo(
    action: ActionArgument,
    timeout_s: Annotated[float, typer.Option("--timeout", help="seconds to wait until it is undone")] = 1800,
    as_json: JsonOption = False,
) -> None:
    """Bring back what an applied action took away, and wait until it is there."""
    out = Output(as_json)
    with open_house() as house:
        asked = request_undo(house.ledger, action, _who(), house.clock())
        done = _settle(house, asked.id, out, timeout_s, resting=("undone", "failed", "refused", "rolled_back"))
        _tell_end(house.ledger, out, done)


def dismiss(
    recommendation: RecommendationArgument,
    reason: Annotated[str, typer.Option(help="why; others will read it")],
    as_json: JsonOption = False,
) -> None:
    """Hide a recommendation until it changes."""
    out = Output(as_json)
    with open_house() as house:
        wanted = _recommendation(house.ledger, recommendation)
        now = house.clock()
        with house.ledger.session() as session:
            decide(session, wanted.fingerprint, wanted.version, "dismissed", _who(), now, reason)
            audit(
                session, now, _who(), "dismissed", wanted.title, {"recommendation": wanted.fingerprint, "why": reason}
            )
    out.give({"dismissed": wanted.fingerprint, "reason": reason})
    out.say(f"Dismissed: {wanted.title}. It comes back when it changes.")


def activity(as_json: JsonOption = False) -> None:
    """List every action that was asked for, newest first, with its steps."""
    out = Output(as_json)
    with open_house() as house:
        actions = all_actions(house.ledger)
        with house.ledger.reading() as session:
            steps = list(session.scalars(select(StepRow).order_by(StepRow.action_id, StepRow.id)))
    rows = [
        (
            row.id,
            row.change_kind,
            row.resource_name,
            row.state,
            row.requested_by,
            f"{row.requested_at:%Y-%m-%d %H:%M}",
            row.message,
        )
        for row in actions
    ]
    out.table("Activity", ("action>", "change", "resource", "state", "by", "asked", "message"), rows)
    out.give({"actions": [_as_document(row, [step for step in steps if step.action_id == row.id]) for row in actions]})
    out.say("Next: sagekeeper undo ACTION" if actions else "Nothing was asked for yet. Next: sagekeeper recommend")


def _recommendation(ledger: Ledger, beginning: str) -> Recommendation:
    with ledger.reading() as session:
        matching = select(RecommendationRow).where(RecommendationRow.fingerprint.startswith(beginning, autoescape=True))
        rows = list(session.scalars(matching))
    if len(rows) != 1:
        found = "no recommendation" if not rows else f"{len(rows)} recommendations"
        raise BadInput(f"There is {found} whose id begins with {beginning}. List them with: sagekeeper recommend")
    return Recommendation.model_validate(rows[0].document)


def _wanted(ledger: Ledger, target: str) -> Recommendation:
    """What ``target`` is about: an action's number, or a recommendation."""
    if not _is_action(target):
        return _recommendation(ledger, target)
    with ledger.reading() as session:
        action = session.get(ActionRow, int(target))
    if action is None:
        raise BadInput(f"There is no action {target}. List them with: sagekeeper activity")
    return Recommendation.model_validate(action.document)


def _is_action(target: str) -> bool:
    return target.isdigit() and len(target) < 8


def _approved(house: House, target: str, now: datetime) -> ActionRow:
    """The approved action that ``target`` names: an action's number, or a recommendation that is asked for now."""
    if _is_action(target):
        return approve_action(house.ledger, int(target), _who(), now)
    wanted = _recommendation(house.ledger, target)
    try:
        action, made = request_action(house.ledger, wanted.fingerprint, wanted.version, _who(), now, approve=True)
    except PlanRefused as refusal:
        raise PlanRefused(
            f"{refusal} To read the plan and approve it by its number: sagekeeper plan {wanted.fingerprint} --ask"
        ) from refusal
    return action if made else approve_action(house.ledger, action.id, _who(), now)


def _dry_run(house: House, out: Output, wanted: Recommendation) -> dict[str, object]:
    """Make the plan and print it. Reads AWS, changes nothing."""
    from sagekeeper.lifecycle.plan import make_plan

    made = make_plan(wanted, house.sessions, house.clock(), house.settings.lifecycle)
    _show_plan(out, wanted, made)
    return {"recommendation": wanted.fingerprint, "plan": made}


def _settle(house: House, action_id: int, out: Output, timeout_s: float, resting: tuple[str, ...]) -> ActionRow:
    """Run a worker here until the action rests. Another worker may do it meanwhile: the lease decides, not this loop."""
    from sagekeeper.lifecycle.worker import Worker

    worker = Worker(house.ledger, house.lake, house.settings, house.sessions, house.clock, process_name())
    pause, until = threading.Event(), time.monotonic() + timeout_s
    with out.progress(f"action {action_id}") as progress:
        while time.monotonic() < until:
            with house.ledger.reading() as session:
                action = session.get_one(ActionRow, action_id)
            progress(action.state, 1.0 if action.state in resting else 0.5)
            if action.state in resting:
                return action
            if not worker.run_once():
                pause.wait(min(1.0, house.settings.lifecycle.poll_seconds))
    raise PlanRefused(f"Action {action_id} is still {action.state} after {timeout_s:.0f} s. A worker goes on with it.")


def _tell_end(ledger: Ledger, out: Output, action: ActionRow) -> None:
    with ledger.reading() as session:
        steps = list(session.scalars(select(StepRow).where(StepRow.action_id == action.id).order_by(StepRow.id)))
    rows = [(step.direction, step.name, step.state, step.attempts, step.outcome) for step in steps]
    out.table(
        f"Action {action.id}: {action.resource_name}", ("direction", "step", "state", "attempts>", "outcome"), rows
    )
    out.give({"action": _as_document(action, steps)})
    out.say(f"Action {action.id} is {action.state}." + (f" {action.message}" if action.message else ""))
    if action.state in ("refused", "rolled_back"):
        raise typer.Exit(PlanRefused.exit_code)
    if action.state == "failed":
        raise typer.Exit(1)
    if action.state in ("applied", "watching"):
        out.say(f"Next: sagekeeper activity; to bring it back: sagekeeper undo {action.id}")


def _show_plan(out: Output, wanted: Recommendation, made: Plan) -> None:
    out.say(wanted.title, style="bold")
    saving = wanted.saving
    out.say(f"Saves {money(saving.low)} to {money(saving.high)} a month ({saving.basis} cost, {saving.certainty}).")
    for title, steps in (("Steps", made.steps), ("To undo", made.undo_steps)):
        rows = [
            (step.name, f"{step.call.service}.{step.call.operation}", step.call.parameters, step.done_when)
            for step in steps
        ]
        if rows:
            out.table(title, ("step", "call", "parameters", "done when"), rows)
    gates = [(gate.name, gate.state, gate.why) for gate in [*wanted.gates, *made.checks]]
    out.table("Gates", ("gate", "state", "why"), gates)


def _as_document(action: ActionRow, steps: list[StepRow] | None = None) -> dict[str, object]:
    """An action for programs: its columns without the large documents, and its steps."""
    left_out = {"document", "plan", "health"}
    columns = {
        column.key: getattr(action, column.key) for column in ActionRow.__table__.columns if column.key not in left_out
    }
    shown = ("direction", "position", "name", "state", "attempts", "started_at", "finished_at", "outcome", "call")
    return {**columns, "steps": [{name: getattr(step, name) for name in shown} for step in steps or []]}


def _who() -> str:
    return f"{getpass.getuser()} (command line)"
