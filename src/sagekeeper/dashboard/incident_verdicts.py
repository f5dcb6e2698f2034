"""What a person says of an incident: the buttons, and the dialog that asks for a name and a reason before it is written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from sagekeeper.core.errors import SagekeeperError
from sagekeeper.core.ledger.incidents import Verdict, decide_incident
from sagekeeper.dashboard import elements
from sagekeeper.dashboard.opened import moment, opened
from sagekeeper.dashboard.remembered import forget_ledger
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.incidents import IncidentLine

LABELS: dict[Verdict, str] = {
    "acknowledged": "Acknowledge …",
    "snoozed": "Snooze …",
    "expected": "Expected …",
    "resolved": "Resolve …",
    "open": "Reopen …",
}
OFFERED: dict[str, tuple[Verdict, ...]] = {
    "open": ("acknowledged", "snoozed", "expected", "resolved"),
    "acknowledged": ("snoozed", "expected", "resolved", "open"),
    "snoozed": ("acknowledged", "expected", "resolved", "open"),
    "expected": ("resolved", "open"),
    "resolved": ("expected", "open"),
}
QUESTIONS: dict[Verdict, tuple[str, str]] = {
    "acknowledged": (
        "Somebody is on it?",
        "It stays on the list, and nobody is told again until it is half as much again.",
    ),
    "snoozed": ("Quiet for a while?", "It is quiet until that day (UTC), or until it is half as much again."),
    "expected": (
        "Is it as it should be?",
        "It is quiet now, and when it comes again about this day of a month at this level.",
    ),
    "resolved": ("Is it done with?", "It is quiet while it fades out of the bill; seen again later, it opens again."),
    "open": ("Take back what was said?", "It is open again, and nothing is accepted as expected any more."),
}
SNOOZE = timedelta(days=7)


def buttons(line: IncidentLine) -> None:
    """One button per verdict that makes sense in the state it is in."""
    for verdict in OFFERED.get(line.state, ()):
        if st.button(LABELS[verdict], key=f"{verdict}-{line.fingerprint}"):
            st.dialog(QUESTIONS[verdict][0])(_ask)(line, verdict)


def _ask(line: IncidentLine, verdict: Verdict) -> None:
    st.markdown(f"**{say.in_markdown(line.title)}**")
    st.caption(QUESTIONS[verdict][1])
    now = moment().as_of
    until: datetime | None = None
    with st.form("verdict", border=False):
        if verdict == "snoozed":
            first = now.date() + timedelta(days=1)
            day = st.date_input("Until the beginning of", value=now.date() + SNOOZE, min_value=first)
            until = datetime(day.year, day.month, day.day, tzinfo=UTC)
        needed = verdict == "expected"
        reason = st.text_input(
            "Why (others will read it next month)" if needed else "Why, or who is on it (others will read it)",
            max_chars=300,
        )
        by = elements.ask_who()
        pressed = st.form_submit_button(LABELS[verdict].removesuffix(" …"), type="primary")
    if not pressed:
        return
    why = say.plain(reason).strip() or None
    try:
        with opened().ledger.session() as session:
            decide_incident(session, line.fingerprint, verdict, by, now, reason=why, until=until)
    except SagekeeperError as error:
        st.error(say.in_markdown(str(error)))
        return
    forget_ledger()
    st.session_state["said of an incident"] = f"Written down: {verdict}, by {say.in_markdown(by)}."
    st.rerun()
