"""Costs: what was spent, on what, by whom, day by day, of one bill at a time; and whether it agrees with that bill."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import polars as pl
import streamlit as st

from sagekeeper.core.clock import month_start
from sagekeeper.dashboard import elements, look
from sagekeeper.reports import charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.export import as_csv
from sagekeeper.reports.views import spend
from sagekeeper.reports.views.bills import Bill

PERIODS = ("This month", "Last month", "30 days", "90 days", "13 months")
GROUPS: dict[str, str] = {
    "Service": "service",
    "Use": "usage_family",
    "Resource": "resource",
    "Owner": "owner",
    "Account": "account",
    "Region": "region",
    "Charge": "charge_category",
}
MONTHLY_ABOVE_DAYS = 120
MOST_ROWS = 200


def show() -> None:
    """The page."""
    bills = look.all_bills()
    if not bills:
        elements.title("Costs", "Per day, of one bill at a time.")
        elements.empty("There is no bill in the lake.", "sagekeeper collect        # or: sagekeeper ingest FILE")
        return
    elements.title("Costs", "Per day, of one bill at a time. What nobody could be given is shown as unattributed.")
    bill, first, last, group, basis = _choices(bills)
    cube = look.cube(bill.dataset)
    currency = bill.currency if bill.stated else spend.main_currency(cube)
    own = cube.filter(pl.col("currency") == currency)
    _total(own, bill, first, last, basis, currency)
    if group == "resource":
        days = look.resource_days(bill.dataset, currency, basis, first, last)
        table = look.by_resource(bill.dataset, currency, basis, first, last)
    else:
        days = spend.grouped(spend.between(own, first, last), group, basis)
        table = spend.by_group(own, group, basis, first, last)  # type: ignore[arg-type]
    monthly = (last - first).days > MONTHLY_ABOVE_DAYS
    figure = charts.spend_by_day(
        spend.coarse(days, "1mo" if monthly else "1d"), currency, basis.capitalize(), first, last, monthly
    )
    elements.chart(figure, "spend", f"{basis} cost per {'month' if monthly else 'day'} by {group}, {first} to {last}")
    _notes(own, days, first, last)
    _table(table, group, first, last, currency)
    _agreement(bill)


def _choices(bills: list[Bill]) -> tuple[Bill, date, date, str, spend.Basis]:
    one, two, three = st.columns([4, 6, 3], gap="medium")
    with one:
        titles = {bill.dataset: bill.title for bill in bills}
        chosen = st.selectbox("Bill", list(titles), format_func=lambda name: say.plain(titles[name]), key="bill")
    bill = next(item for item in bills if item.dataset == chosen)
    with two:
        options = PERIODS if bill.file is None else ("Whole file",)
        period = st.segmented_control(
            "Period", options, default=options[0], required=True, key=f"period-{bool(bill.file)}"
        )
    with three:
        basis = st.segmented_control(
            "Cost",
            get_args(spend.Basis),
            default="billed",
            required=True,
            key="basis",
            format_func=str.capitalize,
            help="Billed: what the invoice says. Effective: commitments spread over what used them.",
        )
    group = st.segmented_control("By", list(GROUPS), default="Service", required=True, key="group")
    first, last = _span(bill, str(period or options[0]))
    return bill, first, last, GROUPS[str(group or "Service")], "effective" if basis == "effective" else "billed"


def _span(bill: Bill, period: str) -> tuple[date, date]:
    """First and last day. The last is the last one on the bill: a day that is not there yet is not a gap."""
    last = bill.last_day or date.min
    if bill.file is not None:
        return bill.first_day or last, last
    this_month = month_start(last)
    before = this_month - timedelta(days=1)
    return {
        "This month": (this_month, last),
        "Last month": (month_start(before), before),
        "30 days": (last - timedelta(days=29), last),
        "90 days": (last - timedelta(days=89), last),
        "13 months": (month_start(this_month - timedelta(days=365)), last),
    }[period]


def _total(own: pl.DataFrame, bill: Bill, first: date, last: date, basis: spend.Basis, currency: str) -> None:
    rows = spend.between(own, first, last)
    length = (last - first).days + 1
    earlier = spend.between(own, first - timedelta(days=length), first - timedelta(days=1))
    whole, young = spend.total(rows, basis), float(rows.filter("provisional")[basis].sum())
    reaches_back = earlier.height and earlier["day"].min() == first - timedelta(days=length)
    before = spend.total(earlier, basis) if reaches_back else None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        elements.spent(
            f"{say.day(first)} to {say.day(last)}", whole, before, f"the {length} days before", currency, cents=True
        )
        tail = f" {say.money(young, currency)} of it is provisional." if young else ""
        kind = (
            "Billed cost: all charges, taxes included, credits deducted."
            if basis == "billed"
            else ("Effective cost: commitments spread over what used them.")
        )
        st.caption(say.in_markdown(f"{bill.title}. {kind}{tail}"))


def _notes(own: pl.DataFrame, days: pl.DataFrame, first: date, last: date) -> None:
    notes = []
    if days["provisional"].any():
        notes.append("Hatched: AWS may still restate these days (they ended less than 48 h ago).")
    missing = spend.missing_days(own, first, last)
    if missing:
        named = ", ".join(say.short_day(item) for item in missing[:5]) + (" …" if len(missing) > 5 else "")
        notes.append(f"No bill for {say.count(len(missing), 'day')} ({named}): unknown, not zero.")
    if notes:
        st.caption(say.in_markdown(" ".join(notes)))


def _table(table: pl.DataFrame, group: str, first: date, last: date, currency: str) -> None:
    label = next(name for name, column in GROUPS.items() if column == group)
    shown = table.head(MOST_ROWS)
    names = {
        "group": label,
        "resource_name": "Resource",
        "resource_kind": "Kind",
        "account": "Account",
        "region": "Region",
        "owner": "Owner",
    }
    st.dataframe(
        shown.rename({old: new for old, new in names.items() if old in shown.columns}).with_columns(
            pl.col("share") * 100
        ),
        hide_index=True,
        height="content" if shown.height <= 12 else 460,
        column_config={
            "cost": st.column_config.NumberColumn(f"Cost, {currency}", format="accounting"),
            "before": st.column_config.NumberColumn(
                "Before", format="accounting", help="The equally long period before"
            ),
            "change": st.column_config.NumberColumn("Change", format="accounting"),
            "share": st.column_config.ProgressColumn("Share", format="%.1f %%", min_value=0, max_value=100),
            "attribution": st.column_config.TextColumn(
                "How known",
                help="measured: the bill names it. derived: shared by running hours. unattributed: nobody could be given it.",
            ),
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Export CSV",
            data=lambda: as_csv(table),
            file_name=f"sagekeeper-{label.lower()}-{first}-{last}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        if table.height > shown.height:
            st.caption(f"The {shown.height} largest of {table.height:,}; the export has all.")


def _agreement(bill: Bill) -> None:
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
