"""What is used and not billed yet, on Costs and on the Overview: hatched beside the bill, with how near such estimates were.

Only Cost Explorer's bill is filled up: an ingested file says nothing of now. Nothing is computed here (`views.estimates`).
"""

from __future__ import annotations

from datetime import date

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from sagekeeper.dashboard import elements, look
from sagekeeper.reports import estimate_charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.bills import Bill
from sagekeeper.reports.views.estimates import Estimated, accuracy_said
from sagekeeper.reports.views.spend import COST_EXPLORER, NOT_BILLED, Basis

BASES = ("billed", "effective")
"""Notions that an estimate may stand beside: it is effective cost, which is the billed one where no commitment is."""


def of(bill: Bill, currency: str) -> Estimated | None:
    """The estimate that belongs to this bill, if there is one in its currency."""
    if bill.dataset != COST_EXPLORER:
        return None
    seen = look.estimated()
    return seen if seen.amount is not None and seen.currency == currency else None


def added(
    seen: Estimated | None, bill: Bill, days: pl.DataFrame, basis: Basis, last: date
) -> tuple[pl.DataFrame, date]:
    """A chart's [day, group, cost, provisional] with what its last days lack, where they reach up to now; and the last day."""
    if seen is None or basis not in BASES or last != bill.last_day or not seen.amount:
        return days, last
    more = seen.lacking.group_by("day").agg(cost=pl.col("lacking").sum()).filter(pl.col("cost") > 0)
    if more.is_empty():
        return days, last
    hatched = more.with_columns(group=pl.lit(NOT_BILLED), provisional=pl.lit(True)).select(days.columns)
    newest = more["day"].max()
    return pl.concat([days, hatched.sort("day")], how="vertical_relaxed"), max(last, newest) if isinstance(
        newest, date
    ) else last


def note(seen: Estimated | None) -> None:
    """One line under a total: how much, up to when, how sure."""
    if seen is not None and seen.amount and seen.upto is not None:
        text = (
            f"{say.money(seen.amount, seen.currency)} more are used and not billed yet (up to {seen.upto:%-d %b %H:%M} UTC, "
            f"effective cost): {accuracy_said(seen.accuracy)}."
        )
        st.caption(say.in_markdown(text))


def short(seen: Estimated, currency: str, month: date) -> str:
    """The same for a card, of one month; empty where there is none."""
    if seen.currency != currency or not seen.since(month):
        return ""
    sure = f"±{100 * seen.accuracy.typical:.1f} %" if seen.accuracy else "not yet held against a bill"
    return f"+ {say.big_money(seen.since(month), seen.currency)} used, not billed yet (estimate, {sure})"


def on_month(figure: go.Figure, days: pl.DataFrame, currency: str, month: date) -> go.Figure:
    """The month's chart with what its bill lacks."""
    seen = look.estimated()
    if seen.amount is None or seen.currency != currency:
        return figure
    lacking = seen.lacking.filter(pl.col("day") >= month).select("day", "lacking")
    return estimate_charts.with_lacking(figure, days, lacking, currency)


def show(seen: Estimated | None) -> None:
    """The section: what is not billed yet, by use, and past estimates beside their bill."""
    if seen is None:
        return
    st.subheader("Used and not billed yet", anchor=False)
    note(seen)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _by_use(seen)
    with right:
        _held_against_the_bill(seen)


def _by_use(seen: Estimated) -> None:
    sums = (
        seen.lacking.group_by("usage_family")
        .agg(pl.col("lacking", "unknown").sum())
        .sort("lacking", descending=True)
        .select(pl.col("usage_family").str.replace_all("_", " ").alias("Use"), "lacking", "unknown")
    )
    st.dataframe(
        sums if sums["unknown"].sum() else sums.drop("unknown"),
        hide_index=True,
        height="content",
        column_config={
            "lacking": st.column_config.NumberColumn(f"Not billed yet, {seen.currency}", format="accounting"),
            "unknown": st.column_config.NumberColumn("Without price", help="resources that are in no amount"),
        },
    )
    whole = float(seen.bases["cost"].sum())
    if whole:
        shares = [
            f"{say.percent(cost / whole)} at {basis}"
            for basis, cost in seen.bases.select("rate_basis", "cost").iter_rows()
        ]
        st.caption(say.in_markdown(f"Priced: {elements.shortened(', '.join(shares))}."))
    for usage, why in seen.unpriced.head(3).iter_rows():
        st.caption(say.in_markdown(f"{usage}: {why}"))


def _held_against_the_bill(seen: Estimated) -> None:
    if seen.days.is_empty():
        st.info(
            "No estimated day is final on the bill yet: AWS restates a day for 48 hours.",
            icon=":material/hourglass_empty:",
        )
        return
    figure = estimate_charts.estimate_and_bill(seen.days, seen.currency)
    elements.chart(figure, "estimate-and-bill", "Estimated and billed cost of the last days, side by side")
    late = " Grey: told afterwards, from what stands today." if seen.days["afterwards"].any() else ""
    found = seen.accuracy
    covered = ""
    if found is not None:
        usage, whole = say.percent(found.covered, 1), say.percent(found.covered_of_all, 1)
        covered = f" Estimated uses are {usage} of the usage on the bill, {whole} of all charges before credits."
    st.caption(say.in_markdown(f"Estimate beside the final bill of each day.{late}{covered}"))
    with st.expander("Error by use, and what is never estimated"):
        st.dataframe(
            seen.families.select(
                pl.col("usage_family").str.replace_all("_", " ").alias("Use"),
                "estimated",
                "billed",
                "error",
                pl.col("relative") * 100,
            ),
            hide_index=True,
            height="content",
            column_config={
                "estimated": st.column_config.NumberColumn(f"Estimated, {seen.currency}", format="accounting"),
                "billed": st.column_config.NumberColumn("Billed", format="accounting"),
                "error": st.column_config.NumberColumn("Error", format="accounting"),
                "relative": st.column_config.NumberColumn("Error", format="%.2f %%"),
            },
        )
        named = ", ".join(
            f"{what} {say.money(cost, seen.currency)}" for what, cost in seen.left_out.head(10).iter_rows()
        )
        st.caption(say.in_markdown(f"On the bill of these days and never estimated: {named or 'nothing'}."))
