"""Reconciliation: does what is shown equal the bill, what of it can nobody be given, and what has moved lately?"""

from __future__ import annotations

import polars as pl
import streamlit as st

from sagekeeper.dashboard import elements, look
from sagekeeper.reports import wording as say
from sagekeeper.reports.export import as_csv
from sagekeeper.reports.views.reconcile import Reconciliation

LOOKS = {"a day": 1, "7 days": 7, "30 days": 30, "a year": 365}


def show() -> None:
    """The page."""
    bills = look.all_bills()
    elements.title("Reconciliation", "Billed cost of one month of one bill, by account and service.")
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
        back = st.segmented_control("Moved within", list(LOOKS), default="7 days", required=True, key="back")
    result = look.reconciliation(dataset, month, LOOKS[back])
    _verdict(result, back)
    _lines(result)
    _reasons(result)


def _verdict(result: Reconciliation, back: str) -> None:
    total = result.lines.select(pl.col("source", "shown", "difference", "usage", "unattributed", "moved").sum())
    row = total.row(0, named=True)
    one, two, three, four = st.columns(4)
    one.metric("The bill", say.money(row["source"], result.currency), border=True)
    two.metric("Shown here", say.money(row["shown"], result.currency), border=True)
    given = None if abs(row["usage"]) < 0.005 else 1 - row["unattributed"] / row["usage"]
    three.metric(
        "Usage given to a resource",
        say.percent(given, 1),
        border=True,
        help="Share of the billed cost of usage. Tax, credits and fees belong to no resource and are not counted.",
    )
    known = result.lines["moved"].null_count() < result.lines.height
    four.metric(
        f"Moved within {back}",
        say.money(row["moved"] if known else None, result.currency),
        border=True,
        help="What the bill says now against what it said then, new days included. Unknown where it was first read later.",
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
            "account": st.column_config.TextColumn("Account", width="small"),
            "service": st.column_config.TextColumn("Service", width="medium"),
            "source": st.column_config.NumberColumn(f"The bill, {result.currency}", format="accounting"),
            "shown": st.column_config.NumberColumn("Shown", format="accounting"),
            "difference": st.column_config.NumberColumn("Difference", format="accounting"),
            "usage": st.column_config.NumberColumn("Usage", format="accounting"),
            "attributed_percent": st.column_config.NumberColumn(
                "Given", help="Share of the usage that is given to a resource", format="%.1f %%"
            ),
            "unattributed": st.column_config.NumberColumn("Of nobody", format="accounting"),
            "moved": st.column_config.NumberColumn("Moved", format="accounting"),
        },
    )
    st.download_button(
        "Export CSV", as_csv(result.lines), f"reconciliation-{result.month:%Y-%m}.csv", "text/csv", key="export"
    )


def _reasons(result: Reconciliation) -> None:
    st.subheader("What nobody could be given, and why", anchor=False)
    if result.reasons.is_empty():
        st.markdown(":green[:material/check_circle:] Every line of this month has its resource.")
        return
    st.dataframe(
        result.reasons.select("cost", "reason"),
        hide_index=True,
        height="content",
        column_config={
            "cost": st.column_config.NumberColumn(f"Billed, {result.currency}", format="accounting", width="small"),
            "reason": st.column_config.TextColumn("Why", width="large"),
        },
    )
