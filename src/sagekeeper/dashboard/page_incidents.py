"""Incidents: money that should not be spent, one row per cause, and what people say becomes of it.

A click writes what `sagekeeper incidents` writes (`core/ledger/incidents.py`): the verdict, its history and a line of the audit
log. Nothing is computed here: `views.incidents` says the money.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import streamlit as st

from sagekeeper.dashboard import elements, look
from sagekeeper.dashboard.incident_verdicts import buttons
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.incidents import ORDER, QUIET, IncidentLine, as_table, incident_totals

PER_PAGE = 8
STATE_COLOURS: dict[str, Any] = {
    "open": "red",
    "acknowledged": "orange",
    "snoozed": "gray",
    "expected": "gray",
    "resolved": "green",
}
NOBODY = "(nobody)"


def show() -> None:
    """The page."""
    lines = look.incident_lines()
    elements.title("Incidents", _subtitle(lines))
    if said := st.session_state.pop("said of an incident", None):
        st.toast(said, icon=":material/check:")
    if not lines:
        elements.empty(
            "Cost that rises without a plan, jobs that run away and endpoints that nobody calls are kept here once found.",
            "sagekeeper analyze",
            headline="No incident so far",
        )
        return
    wanted = st.query_params.get("incident")
    chosen = next((line for line in lines if line.fingerprint == wanted), None)
    if chosen is not None:
        _one(chosen)
        return
    if wanted:
        st.caption(":material/info: The incident that was linked is not known any more.")
    _list(lines)


def _subtitle(lines: list[IncidentLine]) -> str:
    states = Counter(line.state for line in lines)
    need = f"{states['open']} open, {states['acknowledged']} acknowledged" if lines else "None is known"
    return (
        f"{need}. Too much: what was paid over what was to be expected, up to the newest bill; projected to month end."
    )


def _list(lines: list[IncidentLine]) -> None:
    shown = _filtered(lines)
    if not shown:
        st.caption("No incident matches. Clear the search, or choose all owners and another state.")
        return
    _totals(shown)
    pages = -(-len(shown) // PER_PAGE)
    page = 1 if pages == 1 else int(st.number_input(f"Page (of {pages})", 1, pages, 1, width=160))
    for line in shown[(page - 1) * PER_PAGE : page * PER_PAGE]:
        _row(line)
    elements.csv_button(as_table(shown), "incidents.csv", "incidents-csv")


def _totals(shown: list[IncidentLine]) -> None:
    """Of those that go on: what is quiet was judged, and what is resolved costs nothing any more."""
    going_on = [line for line in shown if line.state not in QUIET]
    for total in incident_totals(going_on):
        so_far, a_day, month = (
            say.in_markdown(say.money(amount, total.currency))
            for amount in (total.excess, total.per_day, total.month_excess)
        )
        st.markdown(
            f"{say.count(total.count, 'incident')} that {'goes' if total.count == 1 else 'go'} on: **{so_far}** too much so far, "
            f"**{a_day}** a day, **{month}** of {going_on[0].last_seen:%B} by its end ({' and '.join(total.bases)} cost)."
        )


def _filtered(lines: list[IncidentLine]) -> list[IncidentLine]:
    counts = Counter(line.state for line in lines)
    present = [state for state in ORDER if counts[state]]
    owners = sorted({line.owner or NOBODY for line in lines})
    one, two, three = st.columns([6, 3, 3], gap="small")
    with one:
        states = st.pills(
            "State",
            present,
            selection_mode="multi",
            default=[state for state in present if state not in QUIET],
            format_func=lambda state: f"{state} ({counts[state]})",
            key="incident-states",
        )
    with two:
        owner = st.selectbox(
            "Owner",
            [None, *owners],
            format_func=lambda name: "All owners" if name is None else say.plain(name),
            key="incident-owner",
        )
    with three:
        text = st.text_input("Search", placeholder="name, account or cause", key="incident-search").strip().lower()
    return [
        line
        for line in lines
        if (not states or line.state in states)
        and (owner is None or (line.owner or NOBODY) == owner)
        and text in f"{line.title} {line.because} {line.account} {line.region} {line.cause_in_words}".lower()
    ]


def _row(line: IncidentLine, linked: bool = True) -> None:
    with st.container(border=True, gap="xsmall", key=f"incident-{line.fingerprint}"):
        what, so_far, month = st.columns([13, 4, 4], gap="small", vertical_alignment="top")
        with what:
            state, gravity = STATE_COLOURS.get(line.state, "gray"), elements.SEVERITY_COLOURS[line.severity]
            st.markdown(
                f":{state}-badge[{line.state}] :{gravity}-badge[{line.severity}] **{say.in_markdown(line.title)}**"
            )
            st.markdown(say.in_markdown(f"{line.cause_in_words}: {elements.shortened(line.because, 320)}"))
            st.caption(say.in_markdown(_whose(line)))
            if line.decided_by or line.reason:
                st.caption(say.in_markdown(_said(line)))
        so_far.metric(
            "Too much so far",
            say.big_money(line.excess, line.currency),
            f"{say.money(line.per_day, line.currency)} a day",
            delta_color="off",
            delta_arrow="off",
        )
        month.metric(
            f"Of {line.last_seen:%B}, by its end",
            say.big_money(line.month_excess, line.currency),
            f"{line.basis or 'unknown'} cost, {line.certainty}",
            delta_color="off",
            delta_arrow="off",
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            buttons(line)
            if linked and st.button("Details", key=f"details-{line.fingerprint}", type="tertiary"):
                st.query_params["incident"] = line.fingerprint
                st.rerun()


def _whose(line: IncidentLine) -> str:
    owner = f"owner {elements.shortened(line.owner, 60)}" if line.owner else "owner unknown"
    where = " ".join(part for part in (line.resource_kind.replace("_", " "), line.resource_name) if part)
    place = f"{elements.account_name(line.account)} {line.region}".strip()
    return f"{owner} · {where} · {place} · since {say.day(line.since)}"


def _said(line: IncidentLine) -> str:
    who = f"by {line.decided_by}" if line.decided_by else "by itself"
    when = f" on {say.short_day(line.decided_at)}" if line.decided_at else ""
    until = f" until {say.moment(line.snoozed_until)}" if line.snoozed_until else ""
    why = f": {line.reason}" if line.reason else ""
    return f"{line.state.capitalize()} {who}{when}{until}{why}"


def _one(line: IncidentLine) -> None:
    """One incident with all it rests on."""
    if st.button("All incidents", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    _row(line, linked=False)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.subheader("What it rests on", anchor=False)
        found = look.finding(line.fingerprint)
        if found is None:
            st.caption("Its evidence is not kept any more.")
        else:
            st.markdown(say.in_markdown(found.explanation))
            for unknown in found.unknowns:
                st.markdown(f":gray[:material/help:] Not known: {say.in_markdown(unknown)}")
            elements.evidence(found.evidence, "incident-evidence")
    with right:
        st.subheader("What happened", anchor=False)
        for item in look.incident_history(line.fingerprint):
            who = f" by {item.by}" if item.by else ""
            st.markdown(
                f":gray[{say.in_markdown(say.moment(item.at))}] **{item.event}**{say.in_markdown(who)}"
                + (f"  \n{say.in_markdown(item.detail)}" if item.detail else "")
            )
