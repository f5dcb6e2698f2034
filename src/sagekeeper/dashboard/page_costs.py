"""Costs: what was spent, on what, by whom, day by day, of one bill at a time; whether it agrees with that bill; what units
cost (`costs_units.py`); and what is inside a cost (`costs_inside.py`)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import polars as pl
import streamlit as st

from sagekeeper.core.clock import month_start
from sagekeeper.dashboard import costs_agreement, costs_estimate, costs_inside, costs_units, elements, look
from sagekeeper.reports import charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.views import spend, subjects
from sagekeeper.reports.views.bills import Bill

PERIODS = ("This month", "Last month", "30 days", "90 days", "13 months")
GROUPS: dict[str, str] = {
    "Service": "service",
    "Use": "usage_family",
    "Team": "team",
    "Owner": "owner",
    "Project": "project",
    "Model": "model",
    "Endpoint": "endpoint",
    "Job family": "job_family",
    "Pipeline": "pipeline",
    "Resource": "resource",
    "Account": "account",
    "Region": "region",
    "Charge": "charge_category",
}
SUBJECTS = get_args(subjects.Subject)
VIEWS = ("Spend", "Unit costs", "Inside")
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
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        bill = _bill(bills)
        months = look.unit_months(bill.dataset)
        views = [name for name in VIEWS if months or name != "Unit costs"]
        view = st.segmented_control("View", views, default="Spend", required=True, key="view")
    if view == "Unit costs":
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            month = st.selectbox("Month", months, format_func=lambda day: f"{day:%B %Y}", key="unit-month", width=360)
            notion = _notion("effective", "unit-notion")
        costs_units.show(bill, month, notion)
    elif view == "Inside":
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            first, last = _period(bill, "inside-period")
            basis = _notion("effective", "inside-basis")
        currency = bill.currency if bill.stated else spend.main_currency(look.cube(bill.dataset))
        costs_inside.show(bill, currency, basis, first, last)
    else:
        _spend(bill)


def _spend(bill: Bill) -> None:
    first, last, group, basis = _choices(bill)
    cube = look.cube(bill.dataset)
    currency = bill.currency if bill.stated else spend.main_currency(cube)
    own = cube.filter(pl.col("currency") == currency)
    _total(own, bill, first, last, basis, currency)
    if spend.total(spend.between(own, first, last), basis) is None and not own.is_empty():
        st.info(
            f"This bill does not state {basis} cost. Cost Explorer has billed and effective; exports have all four."
        )
        return
    if group == "resource":
        days = look.resource_days(bill.dataset, currency, basis, first, last)
        table = look.by_resource(bill.dataset, currency, basis, first, last)
    elif group in SUBJECTS:
        table = look.by_subject(bill.dataset, currency, basis, first, last, group)  # type: ignore[arg-type]
        days = look.subject_days(bill.dataset, currency, basis, first, last, group)  # type: ignore[arg-type]
    else:
        days = spend.grouped(spend.between(own, first, last), group, basis)
        table = spend.by_group(own, group, basis, first, last)  # type: ignore[arg-type]
    monthly = (last - first).days > MONTHLY_ABOVE_DAYS
    estimate = costs_estimate.of(bill, currency)
    drawn, upto = costs_estimate.added(estimate, bill, days, basis, last)
    figure = charts.spend_by_day(
        spend.coarse(drawn, "1mo" if monthly else "1d"), currency, basis.capitalize(), first, upto, monthly
    )
    elements.chart(figure, "spend", f"{basis} cost per {'month' if monthly else 'day'} by {group}, {first} to {last}")
    _notes(own, days, first, last, basis, currency)
    _table(table, group, first, last, currency)
    costs_estimate.show(estimate)
    costs_agreement.show(bill)


def _bill(bills: list[Bill]) -> Bill:
    titles = {bill.dataset: bill.title for bill in bills}
    chosen = st.selectbox("Bill", list(titles), format_func=lambda name: say.plain(titles[name]), key="bill", width=360)
    return next(item for item in bills if item.dataset == chosen)


def _notion(default: spend.Basis, key: str) -> spend.Basis:
    chosen = st.segmented_control(
        "Cost",
        list(spend.NOTIONS),
        default=default,
        required=True,
        key=key,
        format_func=str.capitalize,
        help="\n".join(f"* **{name.capitalize()}**: {sentence}" for name, sentence in spend.NOTIONS.items()),
    )
    return next((name for name in spend.NOTIONS if name == chosen), default)


def _choices(bill: Bill) -> tuple[date, date, str, spend.Basis]:
    with st.container(horizontal=True, gap="medium"):
        first, last = _period(bill, "period")
        basis = _notion("billed", "basis")
    group = st.segmented_control("By", list(GROUPS), default="Service", required=True, key="group")
    return first, last, GROUPS[str(group or "Service")], basis


def _period(bill: Bill, key: str) -> tuple[date, date]:
    options = PERIODS if bill.file is None else ("Whole file",)
    period = st.segmented_control("Period", options, default=options[0], required=True, key=f"{key}-{bool(bill.file)}")
    return _span(bill, str(period or options[0]))


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
        kind = f"{basis.capitalize()} cost. {spend.NOTIONS[basis]}"
        st.caption(say.in_markdown(f"{bill.title}. {kind}{tail}"))


def _notes(own: pl.DataFrame, days: pl.DataFrame, first: date, last: date, basis: spend.Basis, currency: str) -> None:
    notes = []
    gap = spend.unknown_part(spend.between(own, first, last), basis)
    if abs(gap) >= 0.005:
        notes.append(f"{say.money(gap, currency)} billed has no {basis} cost on this bill and is left out.")
    for rule, moved in spend.split_cost(spend.between(own, first, last), basis):
        notes.append(f"{say.money(moved, currency)} is shared cost, split by your rule {rule}.")
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
            "owner_basis": st.column_config.TextColumn(
                "Owner by", help="Which tag or rule named the owner, or which split of shared cost gave it to them"
            ),
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        elements.csv_button(table, f"sagekeeper-{label.lower()}-{first}-{last}.csv", "costs-csv")
        if table.height > shown.height:
            st.caption(f"The {shown.height} largest of {table.height:,}; the export has all.")
