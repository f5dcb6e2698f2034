"""The unit view of Costs: what 1,000 invocations, a run, an execution or a trial cost, why that has changed, and what was paid
for while nobody asked.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import streamlit as st

from sagekeeper.core.types import CostNotion
from sagekeeper.dashboard import elements, look
from sagekeeper.reports import unit_charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.views import units
from sagekeeper.reports.views.bills import Bill

OWNERS = "Owners"
SUBJECTS = {
    "Endpoints": ["endpoint"],
    OWNERS: ["endpoint"],
    "Variants": ["endpoint_variant"],
    "Job families": ["training_family", "processing_family", "transform_family", "tuning_family"],
    "Pipelines": ["pipeline"],
    "Experiments": ["experiment"],
}
NOTHING = {
    "Variants": "No endpoint has more than one variant in this month.",
    "Pipelines": "No run of this month is known to belong to a pipeline.",
    "Experiments": "No run of this month is known to belong to an experiment.",
}
COLUMNS = (
    *("subject", "variant", "owner", "unit", "unit_cost", "unit_cost_before", "quantity", "cost"),
    *("by_price", "by_volume", "unknown", "known", "certainty"),
)
MOVERS, WASTERS = 5, 10
WORTH_SAYING = 0.03
"""Change of a cost per unit that is more than the length of a month and the rhythm of its weeks make."""


def show(bill: Bill, month: date, notion: CostNotion) -> None:
    """The view of one of `look.unit_months`."""
    currency = look.unit_currency(bill.dataset, month)
    lines = look.unit_lines(bill.dataset, month, notion, currency)
    silence = look.silence(bill.dataset, month, notion, currency)
    _headline(lines, silence, month, currency)
    _silence(silence, notion, currency, month)
    _told()
    _movers(lines, currency)
    _units(lines, notion, currency, month)


def _headline(lines: pl.DataFrame, silence: units.Silence, month: date, currency: str) -> None:
    one, two, three = st.columns(3)
    share = silence.without / silence.whole if silence.whole and silence.without is not None else None
    unclear = silence.unclear or 0.0
    with one:
        st.metric(
            "Paid for hours without a request",
            ("at least " if unclear else "") + say.big_money(silence.without, currency),
            f"{say.percent(share)} of {say.big_money(silence.whole, currency)} for endpoints" if share else None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Hours in which the endpoint's machines reported and no request came. Known zero: an hour of which "
            "nothing is known is not counted.",
        )
    now, before = units.per_thousand(lines)
    with two:
        st.metric(
            "1,000 invocations cost",
            say.money(now, currency, 4),
            f"{say.change(now, before)} vs the month before" if before else None,
            delta_color="inverse",
            border=True,
            help="All endpoints whose requests and cost are known in both months, together.",
        )
    told = lines.filter(pl.col("unknown").is_null())
    with three:
        st.metric(
            "Cost whose unit cost is known",
            say.percent(_share(told, lines)),
            f"{say.count(lines.height - told.height, 'unit')} of {lines.height} not known, see below",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Endpoints, job families, pipelines and experiments. Why the others are not known is said below.",
        )
    young = " Part of the bill is provisional (younger than 48 h)." if lines["provisional"].any() else ""
    days = int(lines["bill_days"].max() or 0)  # type: ignore[arg-type]
    st.caption(f"{month:%B %Y}, {say.count(days, 'day')} on the bill. Usage only, without tax and credits.{young}")


def _share(told: pl.DataFrame, lines: pl.DataFrame) -> float | None:
    """Of the cost of endpoints and job families; pipelines and experiments are the same money again."""
    own = pl.col("subject_kind").str.ends_with("_family") | (pl.col("subject_kind") == "endpoint")
    whole = float(lines.filter(own)["cost"].sum())
    return float(told.filter(own)["cost"].sum()) / whole if whole else None


def _silence(silence: units.Silence, notion: str, currency: str, month: date) -> None:
    st.subheader("Paid for while nobody asked", anchor=False)
    wasting = silence.lines.filter((pl.col("without") > 0) | (pl.col("unclear") > 0))
    if wasting.is_empty():
        st.markdown(":green[:material/check_circle:] Every endpoint was asked in every hour that is known.")
        return
    figure = unit_charts.silent_hours(wasting, currency, notion.capitalize(), WASTERS)
    elements.chart(figure, "silence", f"{notion} cost of endpoints in hours with, without and with unknown requests")
    if silence.unclear:
        st.caption(
            say.in_markdown(
                f"Of {say.money(silence.unclear, currency)} it is not known whether anybody asked: hours are "
                "read from the first collection on, and not every kind of endpoint publishes its requests."
            )
        )
    elements.csv_button(silence.lines, f"sagekeeper-hours-without-requests-{month:%Y-%m}.csv", "silence-csv")


def _told() -> None:
    """What was found about units as of now, whatever month is shown."""
    found = look.dear_units()
    st.subheader("Dearer than it used to be, and runs that failed", anchor=False)
    if not found:
        st.markdown(
            ":green[:material/check_circle:] No unit cost has drifted, and no family's failed runs are worth telling."
        )
        return
    known = {line.fingerprint for line in look.incident_lines()}
    for item in found[:MOVERS]:
        colour = elements.SEVERITY_COLOURS[item.severity]
        owner = f" · {elements.shortened(item.owner, 40)}" if item.owner else ""
        st.markdown(
            f":{colour}-badge[{item.severity}] **{say.in_markdown(item.title)}**  \n{say.in_markdown(item.explanation)}"
        )
        st.caption(say.in_markdown(f"{item.kind_in_words} · since {say.day(item.first_seen)}{owner}"))
        if item.fingerprint in known:
            elements.link("incidents", "Open the incident", f"dear-{item.fingerprint}", "incident", item.fingerprint)
    if len(found) > MOVERS:
        st.caption(f"The {MOVERS} dearest of {len(found)}; all are on the Overview.")


def _movers(lines: pl.DataFrame, currency: str) -> None:
    st.subheader("What costs more, or less, per unit", anchor=False)
    compared = lines.filter(pl.col("change").is_not_null() & (pl.col("unit_cost_before") > 0))
    if compared.is_empty():
        st.caption("There is no month before this one to compare with.")
        return
    moved = compared.filter(
        ((pl.col("unit_cost") / pl.col("unit_cost_before") - 1).abs() >= WORTH_SAYING)
        & (pl.col("by_price").abs() >= 0.01)
    ).sort(pl.col("by_price").abs(), descending=True)
    said = [_mover(row, currency) for row in moved.head(MOVERS).iter_rows(named=True)]
    calm = f"None of {say.count(compared.height, 'unit')} costs {say.percent(WORTH_SAYING)} more or less than before."
    st.markdown("  \n".join(said) or calm)
    st.caption(
        "Price: the change of the cost per unit, at this month's volume. Volume: the change of the volume, at the cost per unit "
        "of the month before. Together they are the change of the cost; the month before is scaled to the same number of days."
    )


def _mover(row: dict[str, Any], currency: str) -> str:
    colour, icon = ("red", "trending_up") if row["by_price"] > 0 else ("green", "trending_down")
    change = say.change(row["unit_cost"], row["unit_cost_before"])
    unit = row["unit"] if row["unit"][0].isdigit() else f"a {row['unit']}"
    if unit == "a execution":
        unit = "an execution"
    price, volume = (_signed(row[name], currency) for name in ("by_price", "by_volume"))
    text = (
        f"{unit} cost {say.money(row['unit_cost'], currency, _decimals(row['unit_cost']))} "
        f"({change}): {price} by price, {volume} by volume"
    )
    return f":{colour}[:material/{icon}:] **{say.in_markdown(row['subject'])}**: {say.in_markdown(text)}"


def _signed(amount: float, currency: str) -> str:
    return f"{'+' if amount > 0 else ''}{say.money(amount, currency)}"


def _decimals(amount: float) -> int:
    return 4 if abs(amount) < 1 else 2


def _units(lines: pl.DataFrame, notion: str, currency: str, month: date) -> None:
    st.subheader("All units", anchor=False)
    chosen = st.segmented_control("Of", list(SUBJECTS), default="Endpoints", required=True, key="unit-subjects")
    own = lines.filter(pl.col("subject_kind").is_in(SUBJECTS[str(chosen)]))
    if own.is_empty():
        st.caption(NOTHING.get(str(chosen), "None in this month."))
        return
    if chosen == OWNERS:
        own = units.by_owner(own)
    several = own["unit"].n_unique() > 1
    left_out = {name for name, wanted in (("unit", several), ("variant", chosen == "Variants")) if not wanted}
    shown = own.with_columns(known=pl.format("{} of {} {}", "found", "expected", "counted")).select(
        name for name in COLUMNS if name in {*own.columns, "known"} - left_out
    )
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if shown.height <= 12 else 460,
        column_config={
            "subject": str(chosen).rstrip("s") if chosen != "Job families" else "Job family",
            "variant": "Variant",
            "owner": "Owner",
            "unit": "Unit",
            "unit_cost": st.column_config.NumberColumn(f"Cost per unit, {currency}", format="%.4f"),
            "unit_cost_before": st.column_config.NumberColumn("Month before", format="%.4f"),
            "quantity": st.column_config.NumberColumn(
                "Units" if several else f"x {own['unit'][0]}", format="localized"
            ),
            "cost": st.column_config.NumberColumn(f"{notion.capitalize()} cost, {currency}", format="accounting"),
            "by_price": st.column_config.NumberColumn("By price", format="accounting"),
            "by_volume": st.column_config.NumberColumn("By volume", format="accounting"),
            "known": st.column_config.TextColumn(
                "Known", help="Days, runs or endpoints that count, of those on the bill"
            ),
            "unknown": st.column_config.TextColumn("Why no cost per unit", width="medium"),
            "certainty": st.column_config.TextColumn(
                "How known",
                help="measured: the bill names the resource. derived: shared by running hours or list price.",
            ),
        },
    )
    elements.csv_button(own, f"sagekeeper-units-{str(chosen).lower().replace(' ', '-')}-{month:%Y-%m}.csv", "units-csv")
