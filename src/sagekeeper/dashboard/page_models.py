"""Models: which endpoints have moved away from their baseline, in which features, since when, and what is not known."""

from __future__ import annotations

import polars as pl
import streamlit as st

from sagekeeper.dashboard import elements, look, look_models, models_money
from sagekeeper.dashboard.opened import moment
from sagekeeper.reports import charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.models import FeatureNow, ModelLine, feature_now

MOST_LISTED = 12


def show() -> None:
    """The page."""
    lines = look_models.model_lines()
    elements.title("Models", _subtitle(lines))
    if not lines:
        elements.empty("No endpoint with data capture, a baseline or a monitoring schedule was seen.")
        return
    left, right = st.columns([4, 7], gap="medium")
    with left:
        chosen = _list(lines)
    with right:
        _detail(chosen)


def _subtitle(lines: list[ModelLine]) -> str:
    sick = sum(bool(line.findings) for line in lines)
    return (
        f"{say.count(len(lines), 'watched model')}, {sick} with open findings. Captured requests against the baseline."
    )


def _list(lines: list[ModelLine]) -> ModelLine:
    text = st.text_input("Search", placeholder="endpoint", key="search", label_visibility="collapsed").strip().lower()
    found = [line for line in lines if text in line.key.endpoint.lower()] or lines
    wanted = st.query_params.get("endpoint")
    chosen = next((line for line in found if line.key.endpoint == wanted), found[0])
    shown = found[:MOST_LISTED]
    if chosen not in shown:
        shown.append(chosen)
    for number, line in enumerate(shown):
        name, small = f"**{say.in_markdown(line.key.endpoint)}**", say.in_markdown(_in_short(line))
        if elements.card(f"model-{number}", _badge(line), name, small, line is chosen):
            st.query_params["endpoint"] = line.key.endpoint
            st.rerun()
    if len(found) > len(shown):
        st.caption(f"{len(shown)} of {len(found)}; search for the others.")
    return chosen


def _in_short(line: ModelLine) -> str:
    variant = f"{line.key.variant} · " if line.key.variant else ""
    captured = say.ago(line.last_capture, moment().as_of)
    return f"{variant}{line.key.region} · {say.count(line.features, 'feature')}, captured {captured}"


def _badge(line: ModelLine) -> str:
    if line.worst:
        return f":{elements.SEVERITY_COLOURS[line.worst]}-badge[{line.worst}]"
    return ":green-badge[steady]" if line.with_baseline and line.features else ":gray-badge[unknown]"


def _detail(line: ModelLine) -> None:
    profiles = look_models.feature_profiles(line.key)
    found = [item for item in (look.finding(short.fingerprint) for short in line.findings) if item is not None]
    with st.container(border=True, key="detail"):
        st.subheader(say.in_markdown(line.key.endpoint), anchor=False)
        st.caption(
            say.in_markdown(
                f"Account {line.key.account}, {line.key.region}. {line.records:,} records captured in the last 7 days"
                f"{_captured(line)}. "
                f"Baseline for {line.with_baseline} of {max(line.features, line.with_baseline)} features."
            )
        )
        for item in found[:3]:
            elements.finding(item)
        if not found:
            steady = line.with_baseline and line.features
            st.markdown(
                ":green[:material/check_circle:] No open findings."
                if steady
                else ":gray[:material/help:] Unknown: " + _why_unknown(line)
            )
    rows = look_models.shifts(line.key)
    _shifts(rows)
    ranked = rows["feature"].to_list()
    names = ranked + [name for name in sorted(profiles["feature"].unique().to_list()) if name not in ranked]
    if names:
        feature = st.selectbox("Feature", names, key=f"feature-{line.key.endpoint}", format_func=say.plain)
        _feature(feature_now(profiles, feature))
    for item in found[:3]:
        with st.expander(f"Evidence: {say.in_markdown(item.title)}"):
            elements.evidence(item.evidence, f"evidence-{item.fingerprint}")
    _violations(line)
    models_money.show(line.key)


def _captured(line: ModelLine) -> str:
    """In how many requests, out of how many, and what was lost."""
    week = look_models.captured_week(line.key)
    if week is None:
        return ""
    said = f", in {say.count(week.requests, 'request')}"
    if week.estimated is None or week.lowest is None or week.highest is None:
        said += " of an unknown number: the share that is captured is not known"
    elif week.lowest == 100:
        said += ", which are all"
    else:
        share = f"{week.lowest:g}" if week.lowest == week.highest else f"{week.lowest:g} to {week.highest:g}"
        said += f" of about {week.estimated:,.0f} (derived: {share} % are captured)"
    lost = week.poison_lines + week.left_out
    return said + (f"; {say.count(lost, 'line or record', 'lines or records')} could not be read" if lost else "")


def _shifts(rows: pl.DataFrame) -> None:
    judged = rows.filter(pl.col("effect").is_not_null())
    if judged.height:
        st.markdown("**Features, the largest shift first**")
        elements.chart(
            charts.feature_shifts(rows), "shifts", "Features ranked by distance from the baseline, with interval"
        )
    unknown = rows.filter(pl.col("status") == "unknown")
    if unknown.height:
        shown = [f"{name} ({why})" for name, why in unknown.select("feature", "why").head(5).iter_rows()]
        more = f" and {unknown.height - 5} more" if unknown.height > 5 else ""
        st.caption(say.in_markdown(f"Not judged: {', '.join(shown)}{more}."))


def _why_unknown(line: ModelLine) -> str:
    if not line.features:
        return "nothing was captured."
    return "there is no baseline to compare with."


def _feature(now: FeatureNow) -> None:
    if now.shares is None:
        st.info(say.in_markdown(f"{now.feature}: {now.unknown}."), icon=":material/help:")
        return
    before = f"baseline, {say.short_day(now.baseline_at)} ({now.baseline_records:,} records)"
    after = f"{say.short_day(now.now_from)} to {say.short_day(now.now_to)} ({now.now_records:,} records)"
    elements.chart(
        charts.distribution(now.shares, now.feature, before, after),
        f"shape-{now.feature}",
        f"Distribution of {now.feature}",
    )
    st.caption(
        say.in_markdown(
            f"Missing: {say.percent(now.baseline_missing, 1)} at the baseline, {say.percent(now.now_missing, 1)} now."
        )
    )


def _violations(line: ModelLine) -> None:
    rows = look_models.violations(line.key)
    if rows.is_empty():
        return
    with st.expander(f"What Model Monitor reported ({rows.height})"):
        st.dataframe(
            rows,
            hide_index=True,
            column_config={
                "execution_time": st.column_config.DatetimeColumn(
                    "When (UTC)", format="D MMM YYYY HH:mm", timezone="UTC"
                ),
                "schedule": "Schedule",
                "feature": "Feature",
                "check": "Check",
                "description": st.column_config.TextColumn("What", width="large"),
            },
        )
