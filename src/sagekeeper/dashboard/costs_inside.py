"""The inside view of Costs: which model of a shared endpoint costs what, and what pipelines, schedules and tuning jobs cost with
all they started.
"""

from __future__ import annotations

from datetime import date

import polars as pl
import streamlit as st

from sagekeeper.dashboard import elements, look
from sagekeeper.reports import wording as say
from sagekeeper.reports.views import spend
from sagekeeper.reports.views.bills import Bill
from sagekeeper.reports.views.inside import UNALLOCATED

MOST_ROWS = 200


def show(bill: Bill, currency: str, basis: spend.Basis, first: date, last: date) -> None:
    """The view, of one period."""
    st.caption(say.in_markdown(f"{say.day(first)} to {say.day(last)}, {basis} cost. {spend.NOTIONS[basis]}"))
    _models(look.models_inside(bill.dataset, currency, basis, first, last), currency, basis, first, last)
    _started(look.started(bill.dataset, currency, basis, first, last), currency, basis, first, last)


def _models(table: pl.DataFrame, currency: str, basis: str, first: date, last: date) -> None:
    st.subheader("Models that share an endpoint", anchor=False)
    if table.is_empty():
        st.caption("No endpoint on this bill hosts more than one model.")
        return
    whole = float(table["cost"].sum())
    loose = float(table.filter(pl.col("model") == UNALLOCATED)["cost"].sum())
    st.markdown(
        say.in_markdown(
            f"{say.money(loose, currency)} of {say.money(whole, currency)} for shared endpoints is unallocated: "
            "paid for, and reserved or asked for by no model that is known."
        )
    )
    several = [name for name in ("account", "region") if table[name].n_unique() > 1]
    shown = table.select(*several, "endpoint", "model", "component", "cost", pl.col("share") * 100, "how")
    st.dataframe(
        shown.head(MOST_ROWS),
        hide_index=True,
        height="content" if shown.height <= 12 else 460,
        column_config={
            "account": "Account",
            "region": "Region",
            "endpoint": "Endpoint",
            "model": "Model",
            "component": "Inference component",
            "cost": st.column_config.NumberColumn(f"{basis.capitalize()} cost, {currency}", format="accounting"),
            "share": st.column_config.ProgressColumn(
                "Of the endpoint", format="%.1f %%", min_value=0, max_value=100, help="Share of the endpoint's own cost"
            ),
            "how": st.column_config.TextColumn(
                "By what", help="What the share rests on, or why nothing could be given"
            ),
        },
    )
    elements.csv_button(table, f"sagekeeper-models-{first}-{last}.csv", "models-csv")


def _started(table: pl.DataFrame, currency: str, basis: str, first: date, last: date) -> None:
    st.subheader("Pipelines, schedules and tuning jobs", anchor=False)
    if table.is_empty():
        st.caption("No job on this bill is known to have been started by a pipeline, a schedule or a tuning job.")
        return
    tops = table.filter(pl.col("within").is_null())
    whole = say.money(float(tops["cost"].sum()), currency)
    st.markdown(
        say.in_markdown(f"{whole} for jobs that something started: the sum of the rows that are part of no other.")
    )
    deep = (
        st.toggle("Also show single executions and tuning jobs", key="inside-deep")
        if tops.height < table.height
        else False
    )
    shown = table if deep else tops.drop("within")
    st.dataframe(
        shown.head(MOST_ROWS),
        hide_index=True,
        height="content" if shown.height <= 12 else 460,
        column_config={
            "kind": "Kind",
            "name": "Name",
            "within": st.column_config.TextColumn("Part of", help="Its cost is in that row's cost already"),
            "cost": st.column_config.NumberColumn(f"{basis.capitalize()} cost, {currency}", format="accounting"),
            "jobs": st.column_config.NumberColumn(
                "Jobs", help="Jobs on the bill that it started, itself or through others"
            ),
        },
    )
    elements.csv_button(table, f"sagekeeper-started-{first}-{last}.csv", "started-csv")
