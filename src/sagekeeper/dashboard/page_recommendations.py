"""Recommendations: ranked proposals on the left, all about the chosen one on the right, and the button that asks for it.

The only thing a click writes is a row of the ledger's queue (`core/ledger/queue.py`); a worker does the rest.
"""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from sagekeeper.core.errors import SagekeeperError
from sagekeeper.core.ledger.findings import decide
from sagekeeper.core.ledger.queue import request_action
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.types import Recommendation
from sagekeeper.dashboard import elements, look
from sagekeeper.dashboard.opened import moment, opened
from sagekeeper.dashboard.remembered import forget_ledger
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.activity import IN_WORDS
from sagekeeper.reports.views.proposals import ProposalLine
from sagekeeper.reports.views.savings import potential

PER_PAGE = 8
WHY_NOT = ("Needed as it is", "Planned already elsewhere", "Too risky", "The figures are wrong", "Other")


def show() -> None:
    """The page."""
    lines = look.proposal_lines()
    elements.title("Recommendations", _subtitle(lines))
    if not lines:
        elements.empty("There are no open recommendations.", "sagekeeper recommend", "Nothing to propose")
        _dismissed()
        return
    left, right = st.columns([4, 7], gap="medium")
    with left:
        chosen = _list(lines)
    with right:
        if chosen is not None:
            _detail(chosen)
    _dismissed()


def _subtitle(lines: list[ProposalLine]) -> str:
    if not lines:
        return "Priced proposals, the largest saving first."
    gain = potential(lines)
    excluded = f" Not counted: {gain.excluded} that cannot be had beside a better one." if gain.excluded else ""
    return say.in_markdown(
        f"{say.count(len(lines), 'proposal')} worth {say.money_range(gain.low, gain.high, gain.currency)} a month "
        f"({' and '.join(gain.bases)} cost), {gain.one_click} with one click.{excluded}"
    )


def _list(lines: list[ProposalLine]) -> ProposalLine | None:
    wanted = st.query_params.get("rec")
    shown = _filtered(lines)
    if not shown:
        st.caption("No proposal matches.")
        return None
    chosen = next((line for line in shown if line.fingerprint == wanted), shown[0])
    if wanted and chosen.fingerprint != wanted:
        st.caption(":material/info: The proposal that was linked is not open any more, or is filtered out.")
    pages = -(-len(shown) // PER_PAGE)
    start = shown.index(chosen) // PER_PAGE + 1
    page = 1 if pages == 1 else st.number_input(f"Page (of {pages})", 1, pages, start, key=f"page-{chosen.fingerprint}")
    for line in shown[(int(page) - 1) * PER_PAGE : int(page) * PER_PAGE]:
        _card(line, line.fingerprint == chosen.fingerprint)
    return chosen


def _filtered(lines: list[ProposalLine]) -> list[ProposalLine]:
    kinds = {line.lever: line.lever_in_words for line in lines}
    one, two = st.columns(2, gap="small")
    with one:
        lever = st.selectbox(
            "Kind", [None, *kinds], format_func=lambda name: kinds[name] if name else "All kinds", key="lever"
        )
    with two:
        text = st.text_input("Search", placeholder="name or owner", key="search").strip().lower()
    return [
        line
        for line in lines
        if (lever is None or line.lever == lever)
        and (not text or text in f"{line.title} {line.resource_name} {line.owner or ''} {line.account}".lower())
    ]


def _card(line: ProposalLine, chosen: bool) -> None:
    if line.action_state:
        state = f":blue-badge[{line.action_state.replace('_', ' ')}]"
    else:
        state = ":green-badge[one click]" if line.one_click else ":gray-badge[needs a look]"
    amount = f"**{say.in_markdown(say.big_money(line.expected, line.currency))}** / month {state}"
    owner = f" · {elements.shortened(line.owner, 32)}" if line.owner else ""
    small = say.in_markdown(f"{line.lever_in_words} · {line.region}{owner}")
    if elements.card(f"card-{line.fingerprint}", amount, say.in_markdown(line.title), small, chosen):
        st.query_params["rec"] = line.fingerprint
        st.rerun()


def _detail(line: ProposalLine) -> None:
    wanted = look.proposal(line.fingerprint)
    if wanted is None:
        return
    with st.container(border=True, key="detail"):
        st.subheader(say.in_markdown(wanted.title), anchor=False)
        st.markdown(say.in_markdown(wanted.explanation))
        _money(wanted)
        _buttons(line, wanted)
    inside = st.tabs(["Gates and risks", "Evidence", "Alternatives", "Now and then"])
    with inside[0]:
        _gates(wanted)
    with inside[1]:
        _evidence(wanted)
    with inside[2]:
        _alternatives(wanted)
    with inside[3]:
        now, then = st.columns(2)
        with now:
            st.caption("Now")
            elements.figures(wanted.current)
        with then:
            st.caption("After the change")
            elements.figures(wanted.proposed)


def _money(wanted: Recommendation) -> None:
    saving = wanted.saving
    one, two, three = st.columns([5, 5, 4], gap="small")
    with one:
        _amount(
            "Saves per month",
            saving.expected,
            saving.currency,
            say.money_range(saving.low, saving.high, saving.currency),
        )
    with two:
        share = float(saving.expected / wanted.cost_per_month) if wanted.cost_per_month else None
        _amount("Costs now per month", wanted.cost_per_month, saving.currency, f"{say.percent(share)} would be saved")
    with three:
        st.metric(
            "Confidence",
            say.percent(wanted.confidence),
            "can be brought back" if wanted.reversible else "cannot be brought back",
            delta_color="off" if wanted.reversible else "red",
            delta_arrow="off",
        )
    words = [f"{saving.basis.capitalize()} cost, {saving.certainty}.", saving.explanation]
    if wanted.owner:
        words.append(f"Owner: {wanted.owner}.")
    st.caption(say.in_markdown(" ".join(word for word in words if word)))


def _amount(label: str, amount: Decimal, currency: str, small: str) -> None:
    st.metric(label, say.big_money(amount, currency), small, delta_color="off", delta_arrow="off")


def _buttons(line: ProposalLine, wanted: Recommendation) -> None:
    if line.action_id is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":blue-badge[action {line.action_id}] {IN_WORDS.get(line.action_state or '', '')}")
            elements.link("activity", "Open in Activity", "to-action", "action", str(line.action_id))
        return
    if not opened().settings.lifecycle.enabled:
        st.info("Changes are switched off in the settings (lifecycle.enabled).", icon=":material/lock:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if wanted.one_click:
            if st.button("Apply …", type="primary", icon=":material/bolt:", key="apply"):
                _confirm(wanted)
        elif st.button("Make a plan …", type="primary", icon=":material/fact_check:", key="plan"):
            _confirm(wanted)
        if st.button("Dismiss …", key="dismiss"):
            _dismiss(wanted)
    if not wanted.one_click:
        blocking = [gate.name for gate in wanted.gates if gate.state != "pass"]
        st.caption(
            say.in_markdown(
                f"Not one click, because of: {', '.join(blocking)}. A plan shows the exact calls and changes nothing."
            )
        )


@st.dialog("Are you sure?")
def _confirm(wanted: Recommendation) -> None:
    saving, subject = wanted.saving, wanted.subjects[0]
    st.markdown(f"**{say.in_markdown(wanted.title)}**")
    st.markdown(
        f"- Account {say.in_code(subject.account)}, {say.in_code(subject.region)}, {say.in_code(subject.name)}\n"
        f"- Saves {say.in_markdown(say.money_range(saving.low, saving.high, saving.currency))} a month\n"
        f"- {'Can be brought back with *Undo* on Activity' if wanted.reversible else '**Cannot be brought back**'}"
    )
    for risk in wanted.risks:
        st.markdown(f":orange[:material/warning:] {say.in_markdown(risk)}")
    st.caption(
        "The worker checks everything again just before it changes anything"
        + (", and watches health afterwards." if wanted.change.kind == "update_endpoint" else ".")
        if wanted.one_click
        else "This only makes the plan: the exact calls, checked against what is there. Nothing changes before you approve it."
    )
    by = elements.confirmed("Apply now" if wanted.one_click else "Make the plan")
    if by is not None:
        try:
            action, made = request_action(
                opened().ledger, wanted.fingerprint, wanted.version, by, moment().as_of, approve=wanted.one_click
            )
        except SagekeeperError as error:
            st.error(say.in_markdown(str(error)))
            return
        forget_ledger()
        st.session_state["asked"] = (action.id, made)
        st.switch_page(st.session_state["pages"]["activity"], query_params={"action": str(action.id)})


@st.dialog("Dismiss this recommendation?")
def _dismiss(wanted: Recommendation) -> None:
    st.markdown(f"**{say.in_markdown(wanted.title)}**")
    reason = st.selectbox("Why", WHY_NOT)
    st.caption("It comes back by itself when it changes.")
    with st.form("dismissing", border=False):
        more = st.text_input("In your words (others will read it)", max_chars=200)
        by = elements.ask_who()
        pressed = st.form_submit_button("Dismiss", type="primary")
    if pressed and by:
        why = say.plain(f"{reason}: {more}" if more else str(reason))
        now = moment().as_of
        with opened().ledger.session() as session:
            decide(session, wanted.fingerprint, wanted.version, "dismissed", by, now, why)
            audit(session, now, by, "dismissed", wanted.title, {"recommendation": wanted.fingerprint, "why": why})
        forget_ledger()
        st.query_params.clear()
        st.rerun()


def _gates(wanted: Recommendation) -> None:
    elements.gates(wanted.gates)
    for risk in wanted.risks:
        st.markdown(f":orange[:material/warning:] {say.in_markdown(risk)}")
    for unknown in wanted.unknowns:
        st.markdown(f":gray[:material/help:] Not known: {say.in_markdown(unknown)}")


def _evidence(wanted: Recommendation) -> None:
    ratio = wanted.completeness.ratio if wanted.completeness else None
    if wanted.completeness is not None:
        found, expected = wanted.completeness.found, wanted.completeness.expected
        st.caption(say.in_markdown(f"{found:,} of {expected:,} points found ({say.percent(ratio)})."))
    elements.evidence(wanted.evidence, f"evidence-{wanted.fingerprint}")
    if not wanted.evidence.figures and not wanted.evidence.series:
        st.caption("No further evidence was kept.")


def _alternatives(wanted: Recommendation) -> None:
    if not wanted.alternatives:
        st.caption("No alternatives were priced.")
        return
    currency = wanted.saving.currency
    st.dataframe(
        {
            "Alternative": [say.plain(item.name) for item in wanted.alternatives],
            "Cost per month": [say.money(item.cost_per_month, currency) for item in wanted.alternatives],
            "Why not": [say.plain(item.why_not) for item in wanted.alternatives],
        },
        hide_index=True,
        height="content",
        column_config={"Why not": st.column_config.TextColumn(width="large")},
    )


def _dismissed() -> None:
    hidden = look.dismissed()
    if not hidden:
        return
    with st.expander(f"Dismissed ({len(hidden)})"):
        for item in hidden:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f"{say.in_markdown(item.title)}  \n:gray[{say.in_markdown(f'{item.by}: {item.reason or chr(8212)}')}]"
                )
                if st.button("Bring back", key=f"reopen-{item.fingerprint}"):
                    now, by = moment().as_of, elements.who()
                    with opened().ledger.session() as session:
                        decide(session, item.fingerprint, item.version, "reopened", by, now, None)
                        audit(session, now, by, "reopened", item.title, {"recommendation": item.fingerprint})
                    forget_ledger()
                    st.rerun()
