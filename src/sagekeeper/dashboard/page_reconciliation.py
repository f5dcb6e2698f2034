"""Reconciliation: does what is shown equal the bill, what of it can nobody be given, what did it say then, and how does list
price become the invoice?
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import streamlit as st

from sagekeeper.core.clock import closed_on, day_start
from sagekeeper.dashboard import elements, look
from sagekeeper.dashboard.opened import moment
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.reconcile import Reconciliation, seen_on
from sagekeeper.reports.waterfall_chart import waterfall_figure

LAST, CLOSE, ON_A_DAY = "the last look", "its close", "a day"
LOOKS = {"yesterday": 1, "7 days ago": 7, "30 days ago": 30, LAST: 0, CLOSE: 0, ON_A_DAY: 0}
"""With which look the bill is compared, and how many days ago that was."""


def show() -> None:
    """The page."""
    bills = look.all_bills()
    elements.title(
        "Reconciliation",
        "Billed cost of one month of one bill, by account and service; what is given to resources, in effective cost.",
    )
    if not bills:
        elements.empty("There is no bill in the lake.", "sagekeeper collect        # or: sagekeeper ingest FILE")
        return
    titles = {bill.dataset: bill.title for bill in bills}
    one, two, three = st.columns([4, 3, 4], gap="medium")
    with one:
        dataset = st.selectbox("Bill", list(titles), format_func=lambda name: say.plain(titles[name]), key="bill")
    months = look.bill_months(dataset)
    if not months:
        elements.empty("No cost of this bill is attributed yet.", "sagekeeper analyze")
        return
    with two:
        month = st.selectbox("Month", months, format_func=lambda day: f"{day:%B %Y}", key="month")
    with three:
        closed = closed_on(month) <= moment().hour.date()
        last = look.last_look(dataset, month)
        looks = [name for name in LOOKS if (closed or name != CLOSE) and (last or name != LAST)]
        back = st.selectbox("Compare with", looks, index=looks.index("7 days ago"), key="back")
    result = look.reconciliation(dataset, month, _since(back, month, last))
    _verdict(result)
    _lines(result)
    _reasons(result)
    _waterfall(result)


def _since(back: str, month: date, last: datetime | None) -> datetime:
    """The look to compare with; the last one is that of `sagekeeper reconcile`."""
    if back == LAST and last is not None:
        return last
    if back == CLOSE:
        return day_start(closed_on(month))
    if back == ON_A_DAY:
        today = moment().hour.date()
        chosen = st.date_input("As seen on", value=min(closed_on(month), today), max_value=today, key="seen_on")
        return seen_on(chosen if isinstance(chosen, date) else today)
    return moment().hour - timedelta(days=LOOKS[back])


def _verdict(result: Reconciliation) -> None:
    total = result.lines.select(pl.col("source", "shown", "difference", "usage", "unattributed", "then", "moved").sum())
    row = total.row(0, named=True)
    one, two, three, four = st.columns(4)
    one.metric("The bill", say.money(row["source"], result.currency), border=True)
    two.metric("Shown here", say.money(row["shown"], result.currency), border=True)
    given = None if abs(row["usage"]) < 0.005 else 1 - row["unattributed"] / row["usage"]
    three.metric(
        "Usage given to a resource",
        say.percent(given, 1),
        border=True,
        help="Share of the effective cost of usage. Tax, credits and fees belong to no resource and are not counted.",
    )
    known = result.lines["moved"].null_count() < result.lines.height
    four.metric(
        f"Moved since {say.day(result.since)}",
        say.money(row["moved"] if known else None, result.currency),
        border=True,
        help="What the bill says now against what it said then, new days included. Unknown where it was first read later.",
    )
    if known:
        st.markdown(
            f"As seen on {say.day(result.since)}, this month was {say.in_markdown(say.money(row['then'], result.currency))}."
        )
    if result.agrees:
        st.markdown(
            f":green[:material/check_circle:] All {say.count(result.lines.height, 'line')} equal the bill's rows to the cent."
        )
    else:
        off = result.lines.filter(pl.col("difference").abs() >= 0.005)
        st.markdown(
            f":red[:material/error:] {say.count(off.height, 'line')} differ, by "
            f"{say.in_markdown(say.money(row['difference'], result.currency))} in all. "
            "Attribution runs with the next analysis; if it stays, run `sagekeeper reconcile`."
        )
    if result.dataset == "cost-explorer":
        st.caption(
            "The bill: its rows as last collected. `sagekeeper reconcile` asks Cost Explorer anew ($0.01 a page)."
        )


def _lines(result: Reconciliation) -> None:
    shown = result.lines.with_columns(pl.col("account", "service").fill_null("not stated"))
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=say.UNKNOWN,
        height="content" if shown.height <= 14 else 520,
        column_config={
            "account": st.column_config.TextColumn("Account", width=105),
            "service": st.column_config.TextColumn("Service", width=160),
            "source": st.column_config.NumberColumn(f"The bill, {result.currency}", format="accounting"),
            "shown": st.column_config.NumberColumn("Shown", format="accounting"),
            "difference": st.column_config.NumberColumn("Difference", format="accounting"),
            "usage": st.column_config.NumberColumn("Usage", help="Effective cost of the usage", format="accounting"),
            "attributed_percent": st.column_config.NumberColumn(
                "Given", help="Share of the usage's effective cost that is given to a resource", format="%.1f %%"
            ),
            "unattributed": st.column_config.NumberColumn(
                "Of nobody", help="Effective cost of usage that is given to no resource", format="accounting"
            ),
            "then": st.column_config.NumberColumn(f"Seen {say.short_day(result.since)}", format="accounting"),
            "moved": st.column_config.NumberColumn("Moved", format="accounting"),
        },
    )
    elements.csv_button(result.lines, f"reconciliation-{result.month:%Y-%m}.csv", "export")


def _reasons(result: Reconciliation) -> None:
    st.subheader("What nobody could be given, and why", anchor=False)
    if result.reasons.is_empty():
        st.markdown(":green[:material/check_circle:] Every line of this month has its resource.")
        return
    st.dataframe(
        result.reasons.with_columns(pl.col("account", "service").fill_null("not stated")),
        hide_index=True,
        height="content",
        column_config={
            "account": st.column_config.TextColumn("Account", width=115),
            "service": st.column_config.TextColumn("Service", width="medium"),
            "cost": st.column_config.NumberColumn(f"Effective, {result.currency}", format="accounting", width="small"),
            "reason": st.column_config.TextColumn("Why", width="large"),
        },
    )


def _waterfall(result: Reconciliation) -> None:
    st.subheader("From list price to the invoice", anchor=False)
    found = result.waterfall

    def money(name: str) -> str:
        return say.in_markdown(say.money(found.amount(name), result.currency))

    st.markdown(
        f"Effective cost {money('Effective cost')}, billed before credits and tax "
        f"{money('Billed, before credits and tax')}: the difference was paid at another time. "
        f"With credits, refunds and tax the month was billed {money('Billed cost')}."
    )
    elements.chart(
        waterfall_figure(found, result.currency),
        key="waterfall",
        alt="Bars from list price over contracted and effective cost to the billed cost of the month",
    )
    if found.unstated:
        amount = say.in_markdown(say.money(found.unstated, result.currency))
        st.caption(f"The bill states no list price for {amount} of it: no discount is claimed there.")
