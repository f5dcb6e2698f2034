"""The few building blocks that all pages share: title line, trouble banners, empty state, chart, evidence, who is
clicking.

Foreign text comes through `wording.in_markdown` or `in_code` here; no page ever asks for HTML.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from sagekeeper.core.types import Evidence, Figure, Finding, Gate
from sagekeeper.dashboard import look
from sagekeeper.dashboard.opened import moment, opened
from sagekeeper.reports import charts
from sagekeeper.reports import wording as say
from sagekeeper.reports.export import as_csv

SEVERITY_COLOURS: Mapping[str, Any] = {
    "critical": "red",
    "high": "red",
    "medium": "orange",
    "low": "blue",
    "info": "gray",
}
STYLE = Path(__file__).with_name("style.css")
LOGO, ICON = (str(Path(__file__).with_name(name)) for name in ("logo.svg", "icon.svg"))
GATE_ICONS = {
    "pass": ":green[:material/check_circle:]",
    "fail": ":red[:material/cancel:]",
    "unknown": ":orange[:material/help:]",
}


def title(text: str, subtitle: str) -> None:
    """The page's name, and in one line what its figures are."""
    st.title(text, anchor=False)
    st.caption(subtitle)
    trouble()


def trouble() -> None:
    """Banners: what must be known before any figure is believed."""
    now = moment()
    if now.trouble:
        st.warning(say.in_markdown(now.trouble), icon=":material/schedule:")
    failed = look.failures()
    for item in failed[:2]:
        where = "" if item.account == "*" else f" in {account_name(item.account)} {item.region}"
        st.error(
            f"**{say.in_markdown(item.source)}**{say.in_markdown(where)} failed "
            f"{say.ago(item.at, now.as_of)}: {say.in_markdown(shortened(item.message))}",
            icon=":material/error:",
        )
    if len(failed) > 2:
        st.error(f"{len(failed) - 2} more source runs failed; see *Data* on the Overview.", icon=":material/error:")


def spent(label: str, now: float | None, before: float | None, than: str, currency: str, cents: bool = False) -> None:
    """An amount of money spent: more than before is bad, less is good, the same is neither."""
    change = say.change(now, before)
    same = change is None or change.startswith("±")
    st.metric(
        label,
        say.money(now, currency) if cents else say.big_money(now, currency),
        f"{change} vs {than}" if change else None,
        delta_color="off" if same else "inverse",
        delta_arrow="off" if same else "auto",
        width="content" if cents else "stretch",
    )


def card(key: str, headline: str, title: str, small: str, chosen: bool) -> bool:
    """One thing of a list: Markdown headline, title and small print. Whether it was clicked to be shown."""
    with st.container(border=True, gap="xsmall", key=key):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.markdown(headline, width="content")
            st.space("stretch")
            if chosen:
                st.markdown(":primary[**shown** :material/arrow_forward:]", width="content")
                clicked = False
            else:
                clicked = st.button("Show", key=f"show-{key}", type="tertiary")
        st.markdown(title)
        st.caption(small)
    return clicked


def empty(what: str, command: str = "sagekeeper collect", headline: str = "No data yet") -> None:
    """Nothing there yet, and what to do about it."""
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.markdown(f"### :material/inbox: {headline}", width="content")
        st.markdown(f"{what} Run", width="content")
        st.code(command, language=None, width="content")


def chart(figure: go.Figure, key: str, alt: str) -> None:
    """A figure in the page's theme, without the toolbar."""
    st.plotly_chart(figure, key=key, alt=alt, config={"displayModeBar": False, "displaylogo": False})


def figures(items: list[Figure]) -> None:
    """Evidence figures as a table: label, value with unit, period and basis. Unknown is said."""
    st.dataframe(
        {
            "Figure": [say.plain(item.label) for item in items],
            "Value": [figure_value(item) for item in items],
            "Period": [item.period for item in items],
            "Basis": [item.basis for item in items],
        },
        hide_index=True,
        height="content",
    )


def figure_value(item: Figure) -> str:
    """A figure's value with its unit; money as money."""
    if item.value is None:
        return say.UNKNOWN
    if isinstance(item.value, str):
        return say.plain(f"{item.value} {item.unit}")
    currency, _, per = item.unit.partition("/")
    if currency.strip() in say.SIGNS:
        return say.money(item.value, currency.strip()) + (f" / {per.strip()}" if per else "")
    number = f"{item.value:,.0f}" if float(item.value).is_integer() else f"{item.value:,.4g}"
    return say.plain(f"{number} {item.unit}")


def evidence(item: Evidence, key: str) -> None:
    """Figures and series that a claim rests on."""
    if item.figures:
        figures(item.figures)
    for number, series in enumerate(item.series[:3]):
        st.caption(say.in_markdown(f"{series.name}, {series.unit}"))
        chart(charts.evidence(series), f"{key}-{number}", f"{series.name} over time")


def finding(item: Finding) -> None:
    """What was found, in words: how bad, since when, what it costs, what is not known."""
    since = f"since {say.short_day(item.first_seen)}"
    colour = SEVERITY_COLOURS[item.severity]
    st.markdown(f":{colour}-badge[{item.severity}] **{say.in_markdown(item.title)}** :gray[{since}]")
    st.markdown(say.in_markdown(item.explanation))
    for unknown in item.unknowns:
        st.markdown(f":gray[:material/help:] Not known: {say.in_markdown(unknown)}")


def gates(items: list[Gate]) -> None:
    """One line per gate: passed, failed or unknown, and why."""
    lines = [
        f"{GATE_ICONS[gate.state]} **{say.in_markdown(gate.name)}**: {say.in_markdown(gate.why)}" for gate in items
    ]
    st.markdown("  \n".join(lines) or "No gates.")


def who() -> str:
    """Name of the person who is clicking: signed in, typed before, or the server's user."""
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.get("email") or st.user.get("name"))
    return str(st.session_state.get("who") or os.environ.get("USER") or getpass.getuser())


def ask_who() -> str:
    """A field for the name, filled with what is known; a signed-in person is not asked."""
    if getattr(st.user, "is_logged_in", False):
        return who()
    typed = st.text_input("Your name (goes into the audit log)", value=who(), max_chars=80)
    st.session_state["who"] = say.plain(typed).strip()
    return say.plain(typed).strip()


def confirmed(label: str) -> str | None:
    """Name and button of a confirm dialog: the name once the button was pressed, else None.

    A form, because a field of its own would rerun the dialog when it is left, and the click that leaves it could be lost.
    """
    with st.form("confirm", border=False):
        by = ask_who()
        pressed = st.form_submit_button(label, type="primary")
    if pressed and not by:
        st.warning("A name is needed for the audit log.")
    return by if pressed and by else None


def csv_button(frame: pl.DataFrame, name: str, key: str) -> None:
    """All rows of ``frame`` as a file of that name, written only when somebody asks for it."""
    st.download_button(
        "Export CSV",
        data=lambda: as_csv(frame),
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=key,
    )


def shortened(text: str, most: int = 260) -> str:
    """A long message, cut at a word."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0].rstrip() + " …"


def account_name(account: str) -> str:
    """The account with its name, where the settings give it one."""
    names = {item.id: item.name for item in opened().settings.aws.accounts if item.name}
    return f"{names[account]} ({account})" if account in names else account


def link(path: str, label: str, key: str, query: str | None = None, value: str = "") -> None:
    """A link to another page, about one thing there."""
    page = st.session_state["pages"][path]
    with st.container(key=key):
        st.page_link(
            page, label=label, icon=":material/arrow_forward:", query_params={query: value} if query and value else None
        )
