"""Overview: in five seconds, what was spent, where the month ends, what could be and was saved, and the three things
to do.
"""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from sagekeeper.core.clock import next_month
from sagekeeper.dashboard import costs_estimate, elements, look, overview_run_rate
from sagekeeper.dashboard.opened import moment
from sagekeeper.reports import charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.budgets import BudgetState
from sagekeeper.reports.views.findings import UNTIL_ITS_END, FindingLine
from sagekeeper.reports.views.overview import Overview, Todo, Where

_LINKS = {
    "costs": "Open costs",
    "budgets": "Open budgets",
    "incidents": "Open the incident",
    "models": "Open the model",
    "recommendations": "Look and decide",
    "activity": "Open activity",
}
_QUERY = {"incidents": "incident", "models": "endpoint", "recommendations": "rec", "activity": "action"}
_WHERE: dict[str, Where] = {
    "idle_endpoint": "recommendations",
    "feature_drift": "models",
    "monitor_violation": "models",
    "monitor_failing": "models",
    "monitor_idle": "models",
    "unattributed_cost": "costs",
}
"""Where something can be done about a kind of finding, other than its incident.

A proposal about an idle endpoint has the finding's fingerprint.
"""
MOST_FINDINGS = 8


def show() -> None:
    """The page."""
    seen = look.first_page()
    elements.title("Overview", _subtitle(seen))
    if seen.empty:
        elements.empty("Nothing was collected so far.")
        return
    _headline(seen)
    by_the_hour = st.container()
    left, right = st.columns([5, 6], gap="medium")
    with left:
        _todo(seen.todo)
    with right:
        _month(seen)
    _wrong(seen)
    _trust(seen)
    # What runs is read anew after every look: nothing else on the page waits for it.
    with by_the_hour:
        overview_run_rate.show()


def _subtitle(seen: Overview) -> str:
    if seen.spend.upto is None:
        return f"No bill of {seen.spend.month:%B %Y} yet."
    return (
        f"{seen.spend.month:%B %Y}, bill up to {say.day(seen.spend.upto)}. Billed cost: all charges, taxes included, "
        "credits deducted."
    )


def _headline(seen: Overview) -> None:
    spend, gain, proof = seen.spend, seen.potential, seen.proven
    one, two, three, four = st.columns(4, gap="small")
    with one, st.container(border=True, height="stretch"):
        elements.spent(
            f"Spent in {spend.month:%B}",
            spend.billed,
            spend.last_month_same_days,
            "same days last month",
            spend.currency,
        )
        provisional = spend.provisional_share
        young = f" · {say.percent(provisional)} provisional" if provisional else ""
        compared = " · compared before tax" if spend.before_tax else ""
        st.caption(say.in_markdown(f"Effective {say.big_money(spend.effective, spend.currency)}{young}{compared}"))
        lacking = costs_estimate.short(look.estimated(), spend.currency, spend.month)
        if lacking:
            st.caption(say.in_markdown(lacking))
    with two, st.container(border=True, height="stretch"):
        _forecast(seen)
    with three, st.container(border=True, height="stretch"):
        st.metric(
            "Could be saved per month",
            say.big_money(gain.expected, gain.currency) if gain.counted else "nothing found",
            f"{gain.one_click} with one click" if gain.one_click else None,
            delta_color="off",
            delta_arrow="off",
        )
        basis = f", {' and '.join(gain.bases)} cost" if gain.bases else ""
        st.caption(
            say.in_markdown(
                f"{say.money_range(gain.low, gain.high, gain.currency)} from {say.count(gain.counted, 'proposal')}{basis}"
            )
        )
    with four, st.container(border=True, height="stretch"):
        told = proof.actions > 0
        st.metric(
            "Saved so far, on the bill",
            say.big_money(proof.saved_to_date, proof.currency) if told else "none yet",
            f"{say.big_money(proof.per_month, proof.currency)} per month now" if told else None,
            delta_color="off",
            delta_arrow="off",
        )
        early = f" · {proof.too_early} too early to tell" if proof.too_early else ""
        measured = f"Measured for {say.count(proof.actions, 'change')}" if told else "No change was measured yet"
        st.caption(say.in_markdown(measured + early))


def _forecast(seen: Overview) -> None:
    forecast, currency = seen.forecast, seen.spend.currency
    tightest = seen.budgets[0] if seen.budgets else None
    st.metric(
        f"Expected by end of {seen.spend.month:%B}",
        say.big_money(forecast.expected, currency) if forecast else say.UNKNOWN,
        _against_budget(tightest),
        delta_color="off" if tightest is None or (tightest.expected_share or 0) < 1 else "red",
        delta_arrow="off",
    )
    if forecast is None:
        st.caption("Too little of the month is known")
        return
    tax = f" · {say.big_money(forecast.tax_to_come, currency)} tax to come" if forecast.tax_to_come else ""
    st.caption(say.in_markdown(f"80 % range {say.money_range(forecast.low, forecast.high, currency)}{tax}"))


def _against_budget(state: BudgetState | None) -> str | None:
    if state is None:
        return "no budget set"
    share = state.expected_share
    return (
        None
        if share is None
        else say.plain(f"{state.name}: {say.percent(share)} of {say.big_money(state.amount, state.currency)}")
    )


def _todo(things: list[Todo]) -> None:
    st.subheader("What to do first", anchor=False)
    if not things:
        with st.container(border=True):
            st.markdown(":green[:material/check_circle:] Nothing needs you now.")
    for number, thing in enumerate(things):
        with st.container(border=True, gap="xsmall"):
            mark = ":red[:material/priority_high:] " if thing.urgent else ""
            st.markdown(f"{mark}**{say.in_markdown(thing.title)}**")
            st.caption(say.in_markdown(elements.shortened(thing.why, 170)))
            elements.link(thing.where, _LINKS[thing.where], f"todo-{number}", _QUERY.get(thing.where), thing.key)


def _month(seen: Overview) -> None:
    st.subheader(f"{seen.spend.month:%B} so far", anchor=False)
    if seen.month_days.is_empty():
        st.info(
            "There is no bill of this month yet; AWS publishes a day within 24 hours.",
            icon=":material/hourglass_empty:",
        )
        return
    whole = next((item for item in seen.budgets if item.scope == "all accounts"), None)
    budget = float(whole.amount) if whole and whole.currency == seen.spend.currency else None
    figure = charts.month_so_far(seen.month_days, seen.forecast, budget, seen.spend.currency, seen.spend.month)
    figure = costs_estimate.on_month(figure, seen.month_days, seen.spend.currency, seen.spend.month)
    last = next_month(seen.spend.month) - timedelta(days=1)
    elements.chart(figure, "month", f"Cumulated spend from {seen.spend.month} with the expected end on {last}")
    _budgets(seen.budgets)


def _budgets(states: list[BudgetState]) -> None:
    for state in states[:4]:
        share = state.share
        spent = f"{say.big_money(state.spent, state.currency)} of {say.big_money(state.amount, state.currency)}"
        breaks = f", used up {say.short_day(state.breaks_on)}" if state.breaks_on else ""
        text = f"**{say.in_markdown(state.name)}** ({say.in_markdown(state.scope)}): {say.in_markdown(spent + breaks)}"
        st.progress(min(max(share or 0.0, 0.0), 1.0), text=text)


def _wrong(seen: Overview) -> None:
    st.subheader("What is wrong", anchor=False)
    if not seen.findings:
        st.markdown(":green[:material/check_circle:] No open findings.")
        return
    shown = seen.findings[:MOST_FINDINGS]
    with st.container(border=True, gap="xsmall"):
        for item in shown:
            _finding_line(item)
    if len(seen.findings) > len(shown):
        st.caption(f"The {len(shown)} dearest of {say.count(len(seen.findings), 'open finding')}.")


def _finding_line(item: FindingLine) -> None:
    what, cost, whose, why = st.columns([10, 3, 8, 2], gap="small", vertical_alignment="center")
    colour = elements.SEVERITY_COLOURS[item.severity]
    what.markdown(f":{colour}-badge[{item.severity}] {say.in_markdown(item.title)}")
    if item.impact_per_month is not None:
        cost.markdown(f"**{say.in_markdown(say.money(item.impact_per_month, item.currency))}** {item.impact_period}")
    since = f"{item.kind_in_words}, since {say.short_day(item.first_seen)}"
    whose.caption(say.in_markdown(f"{since}, {item.owner}" if item.owner else since))
    if why.button("Why?", key=f"why-{item.fingerprint}", type="tertiary"):
        _evidence(item)


@st.dialog("What was found", width="large")
def _evidence(line: FindingLine) -> None:
    found = look.finding(line.fingerprint)
    if found is None:
        st.caption("It is not known any more.")
        return
    elements.finding(found)
    told = [f"Account {found.subject.account}, {found.subject.region}" if found.subject.region else ""]
    if found.impact_per_month is not None:
        amount = say.money(found.impact_per_month, found.currency)
        period = UNTIL_ITS_END.get(found.kind, "per month of 730 hours")
        told.append(f"{amount} {period}, {found.basis or 'unknown'} cost, {found.certainty}")
    if found.completeness is not None:
        told.append(f"{found.completeness.found:,} of {found.completeness.expected:,} points found")
    st.caption(say.in_markdown(". ".join(part for part in told if part) + "."))
    elements.evidence(found.evidence, f"why-{found.fingerprint}")
    where = _WHERE.get(found.kind) or ("incidents" if found.stake is not None else None)
    if where == "recommendations" and look.proposal(found.fingerprint) is None:
        st.caption("Nothing is proposed for it.")
    elif where is not None:
        key = found.subject.name if where == "models" else found.fingerprint
        elements.link(where, _LINKS[where], "why-link", _QUERY.get(where), key)


def _trust(seen: Overview) -> None:
    st.subheader("Data", anchor=False)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.dataframe(
            {
                "Source": [item.source for item in seen.sources],
                "State": [_state(item.failed, item.parts, item.stale) for item in seen.sources],
                "Read up to": [say.ago(item.last_good, moment().as_of) for item in seen.sources],
                "Rows": [item.rows for item in seen.sources],
            },
            hide_index=True,
            height="content",
        )
    with right, st.container(border=True, gap="xsmall"):
        own = seen.own_cost
        share = f" ({say.percent(own.share_of_spend)} of the spend watched)" if own.share_of_spend is not None else ""
        st.markdown(
            f"**Given to a resource:** {say.in_markdown(say.percent(seen.attributed))} of this month's usage cost  \n"
            f"**Sagekeeper's own AWS cost:** {say.in_markdown(say.money(own.usd))}{say.in_markdown(share)} "
            f"for {own.calls:,} calls this month"
        )
        if own.dearest:
            st.caption(
                say.in_markdown("Most for " + ", ".join(f"{name} {say.money(usd)}" for name, usd in own.dearest))
            )


def _state(failed: int, parts: int, stale: bool) -> str:
    if failed:
        return f"{failed} of {parts} failed"
    return "late" if stale else "ok"
