"""Of one model: what its quality costs, and what its monitors have said, run by run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import streamlit as st

from sagekeeper.core.types import Figure, Series
from sagekeeper.dashboard import elements, look_models
from sagekeeper.reports import charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.models import ModelKey
from sagekeeper.reports.views.monitor_results import Results

CHARTS = 3
FIXED = "effective cost on the bill"


def show(key: ModelKey) -> None:
    """Both, where anything is known."""
    _money(key)
    _monitors(key)


def _money(key: ModelKey) -> None:
    found = look_models.model_money()
    if found.first is None:
        return
    own = found.rows.filter(
        (pl.col("account") == key.account) & (pl.col("region") == key.region) & (pl.col("name") == key.endpoint)
    )
    period = f"{say.short_day(found.first)} to {say.short_day(found.last)}"
    for row in own.iter_rows(named=True):
        st.markdown("**What its quality costs**")
        elements.figures(_figures(row, period))
        _payback(row)


def _figures(row: dict[str, Any], period: str) -> list[Figure]:
    currency = row["currency"]

    def figure(label: str, value: float | str | None, unit: str, basis: str) -> Figure:
        return Figure(label=label, value=value, unit=unit, period=period, basis=basis)

    asked = row["why_per_1000"] or f"{FIXED}, {row['requests'] or 0:,.0f} requests counted by CloudWatch"
    good = row["why_good"] or f"{say.percent(row['good_share'], 1)} right, as its quality monitor says"
    judged = f"{row['days_below']} of {row['judged_days']} judged days, {row['days']} on the bill"
    judged += f"; now below: {row['below_by']}" if row["below_by"] else ""
    made = [
        figure("Cost per 1,000 predictions", row["per_1000"], currency, asked),
        figure("Cost per 1,000 good predictions", row["per_1000_good"], currency, good),
        figure(
            "Spent below its quality line",
            row["cost_below"],
            currency,
            f"{FIXED}, {judged}" if row["judged_days"] else "no quality monitor has judged it against a line",
        ),
        figure(
            "Its monitors",
            row["monitor_cost"],
            currency,
            f"{say.count(row['monitor_runs'], 'run')}, {FIXED}" if row["monitor_runs"] else "no run of a monitor",
        ),
    ]
    if row["idle_runs"]:
        basis = f"{say.count(row['idle_runs'], 'run')} on days on which nobody asked"
        made.append(figure("Of it, watched in vain", row["idle_cost"], currency, basis))
    if row["capture_bucket"]:
        use = "compared with a baseline or watched" if row["captures_used"] else "nobody compares them with anything"
        whose = "whole bucket" if row["capture_cost"] is not None else "the bill does not name the bucket"
        basis = f"{whose} {row['capture_bucket']}; {row['captured']:,} records read, {use}"
        made.append(figure("Data capture", row["capture_cost"], currency, basis))
    family = row["retrain_family"]
    basis = (
        f"median of {say.count(row['retrain_runs'] or 0, 'completed run')} of {family}"
        if family
        else "no training job is known that made the model it serves"
    )
    made.append(Figure(label="To train it anew", value=row["retrain_cost"], unit=currency, period="a run", basis=basis))
    return made


def _payback(row: dict[str, Any]) -> None:
    """Retraining against what is spent below the line, where both are known."""
    if not row["days_below"] or row["retrain_cost"] is None or row["cost_below"] is None or not row["below_by"]:
        return
    a_day = row["cost_below"] / row["days_below"]
    if a_day > 0:
        st.caption(
            say.in_markdown(
                f"It is below its line now. Training it anew costs what {row['retrain_cost'] / a_day:.1f} days of serving "
                f"it like this cost ({say.money(a_day, row['currency'])} a day)."
            )
        )


def _monitors(key: ModelKey) -> None:
    found = look_models.monitor_results(key)
    if found.runs.is_empty():
        return
    st.markdown("**What its monitors have said**")
    _quality(found)
    if found.order is not None:
        word = "alarm below 0.9, as Clarify does" if found.order < 0.9 else "no alarm: 0.9 or more"
        st.caption(f"Order of the features' importance against the baseline (NDCG): {found.order:.2f}; {word}.")
    with st.expander(f"Runs ({found.runs.height})"):
        st.dataframe(
            found.runs.with_columns(say.in_cells("note"), say.in_cells("schedule")),
            hide_index=True,
            column_config={
                "scheduled_at": st.column_config.DatetimeColumn(
                    "When (UTC)", format="D MMM YYYY HH:mm", timezone="UTC"
                ),
                "schedule": "Schedule",
                "monitor": "Monitor",
                "status": "Outcome",
                "violations": st.column_config.NumberColumn("Violations"),
                "records": st.column_config.NumberColumn("Records"),
                "instance_type": "Machine",
                "minutes": st.column_config.NumberColumn("Billed minutes", format="%.1f"),
                "note": st.column_config.TextColumn("What went wrong", width="large"),
            },
        )
    for name, rows in (("Bias", found.bias), ("Attributions", found.attributions)):
        if rows.height:
            with st.expander(f"{name} of the newest run ({rows.height})"):
                st.dataframe(rows.with_columns(say.in_cells(column) for column in _texts(rows)), hide_index=True)


def _quality(found: Results) -> None:
    """Metrics that have a line, the broken ones first."""
    lined = found.quality.filter(pl.col("threshold").is_not_null())
    newest = lined.sort("execution_time").group_by("schedule", "metric", maintain_order=True).last()
    for row in newest.sort("broken", "metric", descending=[True, False]).head(CHARTS).iter_rows(named=True):
        own = lined.filter((pl.col("schedule") == row["schedule"]) & (pl.col("metric") == row["metric"]))
        points: list[tuple[datetime, float | None]] = list(own.select("execution_time", "value").iter_rows())
        line: list[tuple[datetime, float | None]] = list(own.select("execution_time", "threshold").iter_rows())
        worse = "below" if row["comparison"] == "LessThanThreshold" else "above"
        state = f":red-badge[{worse} its line]" if row["broken"] else ":green-badge[within its line]"
        st.markdown(
            f"{state} **{say.in_markdown(row['metric'])}** {row['value']:.4g} against a line of {row['threshold']:.4g}, "
            f"{say.in_markdown(row['schedule'])}, {say.moment(row['execution_time'])}"
        )
        elements.chart(
            charts.evidence(Series(name=row["metric"], unit="", points=points, expected=line)),
            f"quality-{row['schedule']}-{row['metric']}",
            f"{row['metric']} of each run beside its line",
        )


def _texts(rows: pl.DataFrame) -> list[str]:
    return [name for name, kind in rows.schema.items() if kind == pl.String]
