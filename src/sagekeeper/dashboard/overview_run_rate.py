"""What is being spent by the hour now, on the Overview: one line, and what makes it up when it is opened.

Nothing is computed here (`views.running`).
"""

from __future__ import annotations

import polars as pl
import streamlit as st

from sagekeeper.analyzers.usage_rates import BY_BILL
from sagekeeper.dashboard import elements, look
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.running import RunRate

MOST = 12
WORTH_SAYING = 0.0005


def show() -> None:
    """The line, and a table below it; where nothing was looked at lately, that."""
    seen = look.run_rate()
    if seen.per_hour is None:
        if seen.unseen:
            st.caption(
                f"What is spent by the hour now is not known: {say.count(len(seen.unseen), 'place')} "
                "were looked at more than 26 hours ago."
            )
        return
    with st.expander(say.in_markdown(_line(seen)), icon=":material/speed:"):
        st.caption(say.in_markdown(_small(seen)))
        if seen.things.height:
            _table(seen)


def _line(seen: RunRate) -> str:
    usual = (
        f"what is usual at this hour is not known, {seen.usual.basis}"
        if seen.usual.per_hour is None
        else f"usually {say.money(seen.usual.per_hour, seen.currency)}"
    )
    by_kind = ", ".join(
        f"{say.money(row['per_hour'], seen.currency)} {_many(row['things'], row['resource_kind'])}"
        for row in seen.kinds.head(3).iter_rows(named=True)
    )
    parts = f": {by_kind}" if by_kind else ""
    without = f"; {say.count(seen.unpriced, 'resource')} not priced" if seen.unpriced else ""
    return f"Now {say.money(seen.per_hour, seen.currency)} an hour ({usual}){parts}{without}. As of {_at(seen)}, estimated."


def _at(seen: RunRate) -> str:
    return "" if seen.looked is None else f"{seen.looked:%H:%M} UTC"


def _many(number: int, kind: str) -> str:
    return "for " + say.count(number, kind.replace("_", " "))


def _small(seen: RunRate) -> str:
    told = ["Running x the bill's effective rate, else list price."]
    if seen.by_bill is not None:
        told.append(
            f"{say.percent(seen.by_bill)} of it at the bill's effective rate, {say.percent(1 - seen.by_bill)} at list price."
        )
    if seen.usual.per_hour is not None:
        told.append(f"Usual: {seen.usual.basis}.")
    new = seen.things.filter("new")
    if new.height:
        amount = say.money(float(new["per_hour"].sum()), seen.currency)
        told.append(f"{amount} of it, {say.count(new.height, 'resource')}, began since the bill's last day.")
    told.append("Not in it: what is paid by the request (serverless, data), and other services than SageMaker.")
    if seen.unpriced:
        told.append(
            f"{say.count(seen.unpriced, 'resource')} without a known price, or with a part without one, see the table."
        )
    if seen.unseen:
        places = ", ".join(f"{elements.account_name(account)} {region}" for account, region in seen.unseen[:3])
        told.append(
            f"Not looked at for 26 hours, and not in it: {places}{' and more' if len(seen.unseen) > 3 else ''}."
        )
    return " ".join(told)


def _shares(by_bill: float) -> str:
    listed = max(1 - by_bill, 0.0)
    if listed < WORTH_SAYING:
        return "All of it at the bill's effective rate."
    return f"{say.percent(by_bill)} of it at the bill's effective rate, {say.percent(listed)} at list price."


def _table(seen: RunRate) -> None:
    rate = f"{seen.currency} an hour"
    everything = seen.things.select(
        pl.format("{} {}", pl.col("resource_kind").str.replace_all("_", " "), "resource_name").alias("What"),
        pl.col("owner").alias("Owner"),
        pl.col("per_hour").alias(rate),
        pl.col("since").alias("Since (UTC)"),
        pl.col("new").alias("Since the last bill"),
        pl.when(pl.col("basis") == BY_BILL).then(pl.lit("effective")).otherwise("basis").alias("Price"),
        pl.col("why").alias("Not priced because"),
        pl.col("account").alias("Account"),
        pl.col("region").alias("Region"),
    )
    unpriced = pl.col("Not priced because").is_not_null()
    shown = pl.concat([everything.head(MOST), everything.slice(MOST).filter(unpriced)])
    if not seen.unpriced:
        shown = shown.drop("Not priced because")
    st.dataframe(
        shown.with_columns(pl.col(pl.String).map_elements(say.plain, return_dtype=pl.String)),
        hide_index=True,
        height="content" if shown.height <= MOST else 460,
        column_config={
            rate: st.column_config.NumberColumn(format="%,.4f"),
            "Price": st.column_config.TextColumn(width="medium"),
            "Since (UTC)": st.column_config.DatetimeColumn(format="D MMM HH:mm", timezone="UTC"),
        },
    )
    if everything.height > shown.height:
        st.caption(f"The {shown.height} dearest, and those without a price, of {everything.height}.")
    elements.csv_button(everything, "running-now.csv", "running-csv")
