"""Budgets: how much of each is gone, where its period ends, how likely it breaks and when; the riskiest first.

Nothing is computed here: `views.budgets` says it, `budget_charts` draws it.
"""

from __future__ import annotations

import polars as pl
import streamlit as st

from sagekeeper.dashboard import elements, look
from sagekeeper.reports import wording as say
from sagekeeper.reports.budget_charts import MOST, budget_bars
from sagekeeper.reports.views.budgets import BudgetState, Threshold

MOST_CARDS = 8


def show() -> None:
    """The page."""
    states = look.budget_states()
    elements.title("Budgets", _subtitle(states))
    if not states:
        elements.empty(
            "A budget says who is told before the money is gone. AWS Budgets are read by themselves; add one of your own:",
            'sagekeeper budget add "ML platform" --amount 5000 --recipient you@example.com',
            headline="No budget yet",
        )
        return
    judged = [state for state in states if state.spent is not None]
    if judged:
        elements.chart(
            budget_bars(judged), "budgets", "Each budget's spend, expected end and limit, the riskiest first"
        )
        if len(judged) > MOST:
            st.caption(f"The {MOST} riskiest of {len(judged)}; the table below has all.")
    for state in states[:MOST_CARDS]:
        _card(state)
    if len(states) > MOST_CARDS:
        st.subheader("All budgets", anchor=False)
    _table(states)


def _subtitle(states: list[BudgetState]) -> str:
    newest = max((state.upto for state in states if state.upto is not None), default=None)
    upto = "no bill yet" if newest is None else f"bill up to {say.day(newest)}"
    return f"Spent is billed cost unless a budget says effective; {upto}; the last 48 hours may still change. By risk."


def _card(state: BudgetState) -> None:
    with st.container(border=True, gap="xsmall"):
        left, one, two, three = st.columns([9, 5, 5, 5], gap="small", vertical_alignment="top")
        with left:
            st.markdown(f"{_mark(state)} **{say.in_markdown(state.name)}**")
            st.caption(
                say.in_markdown(f"{state.scope} · {state.period.words} · {state.notion} cost · {_source(state)}")
            )
        one.metric(
            "Spent",
            say.big_money(state.spent, state.currency),
            _of_limit(state),
            delta_color="off",
            delta_arrow="off",
        )
        forecast = state.forecast
        two.metric(
            "Expected by the end",
            say.UNKNOWN if forecast is None else say.big_money(forecast.expected, state.currency),
            None if forecast is None else say.money_range(forecast.low, forecast.high, state.currency),
            delta_color="off",
            delta_arrow="off",
        )
        three.metric(
            "Probability to break",
            state.chance,
            _when(state),
            delta_color="off",
            delta_arrow="off",
        )
        crossed = [item for item in state.thresholds if item.reached]
        if crossed:
            st.caption(say.in_markdown("Thresholds reached: " + ", ".join(_level(item) for item in crossed) + "."))
        for sentence in (state.why, *state.notes, state.aws_says):
            if sentence:
                st.caption(say.in_markdown(sentence))


def _of_limit(state: BudgetState) -> str:
    limit = say.big_money(state.amount, state.currency)
    return f"limit {limit}" if state.share is None else f"{say.percent(state.share)} of {limit}"


def _mark(state: BudgetState) -> str:
    if state.spent is None:
        return ":gray[:material/help:]"
    if state.share is not None and state.share >= 1:
        return ":red[:material/cancel:]"
    if state.p_breach is None:
        return ":gray[:material/help:]"
    if state.p_breach >= 0.5:
        return ":orange[:material/warning:]"
    return ":green[:material/check_circle:]"


def _source(state: BudgetState) -> str:
    return {"settings": "settings file", "command": "added by command", "aws_budgets": "AWS Budgets"}[state.source]


def _when(state: BudgetState) -> str | None:
    if state.breaks_on is None:
        return None if state.left is None else f"{say.big_money(state.left, state.currency)} left"
    past = state.share is not None and state.share >= 1
    return f"{'since' if past else 'about'} {say.short_day(state.breaks_on)}"


def _level(item: Threshold) -> str:
    return f"{item.percent} % {'spent' if item.kind == 'actual' else 'expected'}"


def _table(states: list[BudgetState]) -> None:
    rows = pl.DataFrame(
        {
            "Budget": [say.plain(state.name) for state in states],
            "Of": [say.plain(state.scope) for state in states],
            "Period": [state.period.words for state in states],
            "Currency": [state.currency for state in states],
            "Limit": [float(state.amount) for state in states],
            "Spent": [state.spent for state in states],
            "Left": [state.left for state in states],
            "Expected": [None if state.forecast is None else float(state.forecast.expected) for state in states],
            "Probability to break": [state.chance for state in states],
            "Breaks on": [state.breaks_on for state in states],
            "Cannot be judged because": [say.plain(state.why) for state in states],
        },
        strict=False,
    )
    st.dataframe(
        rows,
        hide_index=True,
        height="content" if len(states) <= 15 else 560,
        placeholder="–",
        column_config={
            name: st.column_config.NumberColumn(format="%,.2f") for name in ("Limit", "Spent", "Left", "Expected")
        }
        | {"Breaks on": st.column_config.DateColumn(format="D MMM YYYY")},
    )
    elements.csv_button(rows, "budgets.csv", "budgets-csv")
