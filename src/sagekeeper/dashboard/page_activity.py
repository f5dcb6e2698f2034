"""Activity: every change that was asked for, what was done with it call by call, what it saved, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st

from sagekeeper.core.errors import SagekeeperError
from sagekeeper.core.ledger.models import ActionRow, StepRow
from sagekeeper.core.ledger.queue import approve_action, request_undo
from sagekeeper.dashboard import elements, look
from sagekeeper.dashboard.opened import moment, opened
from sagekeeper.dashboard.remembered import forget_ledger
from sagekeeper.reports import charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.activity import MOVING, Activity

POLL_SECONDS = 3
MOST_LISTED = 12
_COLOURS = {
    "applied": "green",
    "undone": "gray",
    "rolled_back": "orange",
    "refused": "orange",
    "failed": "red",
    "planned": "violet",
}


def show() -> None:
    """The page. While the worker is at something it looks again every few seconds."""
    elements.title("Activity", "Every change that was asked for, newest first. Only a worker changes AWS.")
    moving = any(item.action.state in MOVING for item in look.activities())
    st.fragment(_all, run_every=POLL_SECONDS if moving else None)()


def _all() -> None:
    done = look.activities()
    if not done:
        _nothing_yet()
        _audit()
        return
    left, right = st.columns([4, 7], gap="medium")
    wanted = st.query_params.get("action")
    chosen = next((item for item in done if str(item.action.id) == wanted), done[0])
    with left:
        _list(done, chosen)
    with right:
        _detail(chosen)
    _audit()


def _nothing_yet() -> None:
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.markdown("### :material/inbox: Nothing was changed yet", width="content")
        st.markdown(
            "Apply a recommendation: here you follow it call by call, see the saving on the bill, and can take it back.",
            width="content",
        )
        with st.container(width="content"):
            elements.link("recommendations", "Open recommendations", "to-recommendations")


def _list(done: list[Activity], chosen: Activity) -> None:
    shown = done[:MOST_LISTED]
    if chosen not in shown:
        shown.append(chosen)
    for item in shown:
        action, name = item.action, f"**{say.in_markdown(item.wanted.title)}**"
        small = say.in_markdown(f"{action.id} · {say.moment(action.requested_at)} · {action.requested_by}")
        if elements.card(f"action-{action.id}", _badge(action.state), name, small, item is chosen):
            st.query_params["action"] = str(action.id)
            st.rerun()
    if len(done) > len(shown):
        st.caption(f"The newest {MOST_LISTED} of {len(done)}.")


def _detail(item: Activity) -> None:
    action = item.action
    with st.container(border=True, key="detail"):
        st.subheader(say.in_markdown(item.wanted.title), anchor=False)
        said = item.state_in_words if item.state_in_words != action.state else ""
        st.markdown(f"{_badge(action.state)} {say.in_markdown(said)}")
        if action.message:
            st.markdown(say.in_markdown(action.message))
        st.caption(say.in_markdown(_who_and_when(action)))
        _buttons(item)
    _saving(item)
    steps, health, facts = st.tabs(["Calls", "Health", "Snapshot"])
    with steps:
        _steps(item)
    with health:
        _health(action)
    with facts:
        if item.plan is None:
            st.caption("No plan yet: the worker takes the snapshot when it makes the plan.")
        else:
            st.caption(
                f"What was there when the plan was made, {say.moment(item.plan.made_at)}: enough to bring it back."
            )
            st.json(item.plan.snapshot, expanded=1)


def _who_and_when(action: ActionRow) -> str:
    told = [f"Asked for by {action.requested_by}, {say.moment(action.requested_at)}."]
    if action.approved_at:
        told.append(f"Approved by {action.approved_by}, {say.moment(action.approved_at)}.")
    if action.applied_at:
        told.append(f"Applied {say.moment(action.applied_at)}.")
    if action.watch_until and action.state == "watching":
        told.append(f"Watched until {say.moment(action.watch_until)}.")
    if action.undo_requested_at:
        told.append(f"Undo asked for by {action.undo_requested_by}, {say.moment(action.undo_requested_at)}.")
    return " ".join([*told, f"Account {action.account}, {action.region}."])


def _buttons(item: Activity) -> None:
    with st.container(horizontal=True):
        if item.can_approve and st.button("Approve …", type="primary", icon=":material/check:", key="approve"):
            _approve(item)
        if item.can_undo and st.button("Undo …", icon=":material/undo:", key="undo"):
            _undo(item)


@st.dialog("Approve this plan?")
def _approve(item: Activity) -> None:
    st.markdown(f"**{say.in_markdown(item.wanted.title)}**")
    if item.plan is None:
        st.caption("The plan is not made yet. Approved now, it is applied as soon as it is made and its checks pass.")
    else:
        st.markdown(
            "\n".join(f"1. {say.in_code(f'{step.call.service}.{step.call.operation}')}" for step in item.plan.steps)
        )
        elements.gates(item.plan.checks)
    by = elements.confirmed("Approve")
    if by is not None:
        _ask(lambda: approve_action(opened().ledger, item.action.id, by, moment().as_of))


@st.dialog("Undo this change?")
def _undo(item: Activity) -> None:
    st.markdown(f"**{say.in_markdown(item.wanted.title)}**")
    st.markdown("The worker brings back what was there before, from the snapshot taken then. The saving ends with it.")
    by = elements.confirmed("Undo now")
    if by is not None:
        _ask(lambda: request_undo(opened().ledger, item.action.id, by, moment().as_of))


def _ask(request: Callable[[], ActionRow]) -> None:
    try:
        request()
    except SagekeeperError as error:
        st.error(say.in_markdown(str(error)))
        return
    forget_ledger()
    st.rerun()


def _saving(item: Activity) -> None:
    promise, measured = item.wanted.saving, item.measured
    told = measured is not None and measured.verdict != "too early"
    st.markdown("**Saving, promised and measured**")
    if measured is None:
        st.caption("Not measured yet: it takes full days on the bill after the change.")
    else:
        provisional = " Provisional." if measured.provisional else ""
        st.markdown(
            say.in_markdown(
                f"{measured.verdict.capitalize()}: {say.money(measured.saved_per_month, measured.currency)} a month over "
                f"{say.count(measured.days, 'day')} ({say.short_day(measured.first_day)} to {say.short_day(measured.last_day)}), "
                f"{say.money(measured.saved_to_date, measured.currency)} so far. Per day "
                f"{say.money(measured.baseline_per_day, measured.currency)} before, "
                f"{say.money(measured.actual_per_day, measured.currency)} after.{provisional}"
            )
        )
    figure = charts.promise_and_proof(
        float(promise.low),
        float(promise.expected),
        float(promise.high),
        float(measured.saved_per_month) if measured is not None and told else None,
        promise.currency,
    )
    elements.chart(figure, f"proof-{item.action.id}", "Promised range and measured saving per month")


def _steps(item: Activity) -> None:
    rows = item.steps
    if not rows and item.plan is not None:
        st.caption("Planned, not made yet:")
        for step in item.plan.steps:
            _call(step.name, "pending", "", step.call.service, step.call.operation, step.call.parameters)
        return
    if not rows:
        st.caption("No call was made yet.")
    for direction, words in (("do", "Done"), ("undo", "To bring it back")):
        own = [row for row in rows if row.direction == direction]
        if own and direction == "undo":
            st.caption(words)
        for row in own:
            _call(row.name, row.state, _when(row), row.call["service"], row.call["operation"], row.call["parameters"])


def _call(name: str, state: str, when: str, service: str, operation: str, parameters: object) -> None:
    icon = {
        "done": ":green[:material/check_circle:]",
        "failed": ":red[:material/cancel:]",
        "started": ":blue[:material/pending:]",
    }
    mark = icon.get(state, ":gray[:material/radio_button_unchecked:]")
    with st.expander(
        f"{mark} {say.in_markdown(name)} {say.in_code(f'{service}.{operation}')} :gray[{say.in_markdown(when)}]"
    ):
        st.code(json.dumps(parameters, indent=2, default=str), language="json")


def _when(row: StepRow) -> str:
    tries = f", {row.attempts} attempts" if row.attempts > 1 else ""
    outcome = f": {row.outcome}" if row.outcome else ""
    return f"{say.moment(row.finished_at or row.started_at)}{tries}{outcome}" if row.started_at else row.state


def _health(action: ActionRow) -> None:
    if not action.health:
        st.caption("Nothing was watched: there is no endpoint to watch after this change, or it was not applied yet.")
        return
    last = action.health.get("last") or {}
    if last:
        st.markdown(
            f"**{say.in_markdown(str(last.get('state', 'unknown')).capitalize())}** "
            f":gray[{say.in_markdown(str(last.get('at', '')))}]"
        )
        for why in last.get("why", []):
            st.markdown(f"- {say.in_markdown(str(why))}")
    with st.expander("Limits from before the change, and the last reading"):
        st.json(action.health, expanded=2)


def _audit() -> None:
    st.subheader("Audit log", anchor=False)
    rows = look.audit_tail()
    if not rows:
        st.caption("Nothing happened yet.")
        return
    st.dataframe(
        {
            "When": [say.moment(row.at) for row in rows],
            "Who": [say.plain(row.actor) for row in rows],
            "What": [row.event for row in rows],
            "To what": [say.plain(row.subject) for row in rows],
            "Action": [row.action_id for row in rows],
        },
        hide_index=True,
        height="content" if len(rows) <= 10 else 380,
        column_config={"To what": st.column_config.TextColumn(width="large")},
    )


def _badge(state: str) -> str:
    return f":{_COLOURS.get(state, 'blue')}-badge[{state.replace('_', ' ')}]"
