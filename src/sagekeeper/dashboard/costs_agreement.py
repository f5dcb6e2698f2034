"""Does what Costs shows add up to the bill? By month, and for files by charge category beside what they state."""

from __future__ import annotations

import polars as pl
import streamlit as st

from sagekeeper.dashboard import elements, look
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.bills import Bill


def show(bill: Bill) -> None:
    """The section."""
    st.subheader("Does it add up?", anchor=False)
    if bill.stated:
        _files(bill)
    months = look.month_agreement(bill.dataset)
    off = months.filter(pl.col("difference") != 0)
    if off.is_empty():
        st.markdown(
            f":green[:material/check_circle:] Every month shown equals the bill's own rows to the cent "
            f"({say.count(months.height, 'month')})."
        )
    else:
        st.markdown(f":red[:material/error:] {say.count(off.height, 'month')} differ from the bill's own rows.")
    elements.link("reconciliation", "By account and service, and what has moved", "to-reconciliation")
    with st.expander("Month by month", expanded=not off.is_empty()):
        st.dataframe(
            months,
            hide_index=True,
            height="content" if months.height <= 14 else 500,
            column_config={
                "month": st.column_config.DateColumn("Month", format="MMM YYYY"),
                "shown": st.column_config.NumberColumn(f"On these pages, {bill.currency}", format="accounting"),
                "bill": st.column_config.NumberColumn(f"The bill's rows, {bill.currency}", format="accounting"),
                "difference": st.column_config.NumberColumn("Difference", format="accounting"),
                "effective": st.column_config.NumberColumn("Effective", format="accounting"),
                "days": st.column_config.NumberColumn("Days"),
                "estimated": st.column_config.CheckboxColumn("Estimated by AWS"),
            },
        )


def _files(bill: Bill) -> None:
    totals = look.file_agreement(bill.dataset)
    mark = (
        ":green[:material/check_circle:] agrees with"
        if all(item.agrees for item in totals)
        else ":red[:material/error:] differs from"
    )
    rows = sum(item.rows for item in bill.stated)
    what = bill.file.file_name if bill.file else f"{bill.title}, {say.count(len(bill.months), 'month')}"
    st.markdown(
        f"{say.in_code(what)} ({say.in_markdown(bill.stated[-1].format)}, {rows:,} rows): "
        f"the lake {mark} the totals of the {'file' if bill.file else 'files'}."
    )
    shown = {
        "Charge category": [say.plain(item.category) for item in totals],
        "Rows": [item.rows for item in totals],
        "Column": [item.column for item in totals],
        "The file says (exact)": [f"{item.stated:,f}" for item in totals],
        "In the lake": ["unknown" if item.in_lake is None else f"{item.in_lake:,.6f}" for item in totals],
        "Agrees": [item.agrees for item in totals],
    }
    with st.expander("What the files state", expanded=bill.file is not None):
        st.dataframe(
            ({"Month": [item.period for item in totals]} if bill.months else {}) | shown,
            hide_index=True,
            height="content" if len(totals) <= 14 else 500,
            column_config={
                "Month": st.column_config.DateColumn(format="MMM YYYY"),
                "The file says (exact)": st.column_config.TextColumn(alignment="right"),
                "In the lake": st.column_config.TextColumn(alignment="right"),
            },
        )
    for note in dict.fromkeys(str(note) for stated in bill.stated for note in stated.notes):
        st.caption(say.in_markdown(note))
