"""Frame -> plotly figure, in one house style: what every chart looks like, and each chart that there is.

In: small frames of the views. Out: figures with a unit on each axis. Colours are Okabe and Ito's (the blue a little
lighter), told apart by people who are colour-blind and readable on light and dark ground; text colours are left to
the page's theme. Provisional days are hatched, days without data are gaps, and foreign names are escaped (plotly
reads a little HTML).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import plotly.graph_objects as go
import polars as pl

from sagekeeper.analyzers.month_forecast import Forecast, fan
from sagekeeper.core.clock import next_month
from sagekeeper.core.types import Series
from sagekeeper.reports import wording as say
from sagekeeper.reports.views.spend import NOT_BILLED, OTHERS, REST, UNATTRIBUTED

BLUE, ORANGE, GREEN, RED, SKY, PINK = "#1A7DBB", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
YELLOW, GREY, PALE = "#C8B400", "#8A8F98", "#B8BDC6"
PALES = {OTHERS: PALE, REST: "#DDE0E5", UNATTRIBUTED: GREY, NOT_BILLED: "#F0C870"}
"""What is no single thing is no colour, and lies on top."""
PALETTE = (BLUE, ORANGE, GREEN, SKY, PINK, RED, YELLOW)
GRID = "rgba(128,128,128,0.18)"
BAND, PALE_BAND = "rgba(86,180,233,0.28)", "rgba(86,180,233,0.16)"


def house(figure: go.Figure, height: int = 320, y_title: str = "", x_title: str = "") -> go.Figure:
    """The house style: quiet grid, no chart junk, legend above, room for nothing to be cut."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 36, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 13},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0, "font": {"size": 12}, "title": None},
        hoverlabel={"font": {"size": 13}, "namelength": -1},
        hovermode="x unified",
        bargap=0.18,
        modebar={"remove": ["zoom", "pan", "select", "lasso2d", "zoomIn", "zoomOut", "autoScale", "resetScale"]},
    )
    figure.update_xaxes(title=x_title or None, showgrid=False, automargin=True, zeroline=False)
    figure.update_yaxes(
        title=y_title or None, gridcolor=GRID, automargin=True, zeroline=True, zerolinecolor=GRID, nticks=6
    )
    return figure


def spend_by_day(
    rows: pl.DataFrame, currency: str, basis: str, first: date, last: date, monthly: bool = False
) -> go.Figure:
    """Stacked bars of [day, group, cost, provisional]. Hatched: provisional. No bar: no bill of that day."""
    every = "1mo" if monthly else "1d"
    grid = pl.DataFrame({"day": pl.date_range(first.replace(day=1) if monthly else first, last, every, eager=True)})
    figure = go.Figure()
    order = _order(rows)
    colours = dict(zip([name for name in order if name not in PALES], PALETTE * 3, strict=False))
    for name in order:
        own = grid.join(rows.filter(pl.col("group") == name), on="day", how="left")
        hatched = own["provisional"].fill_null(value=False).to_list()
        figure.add_bar(
            x=own["day"].to_list(),
            y=own["cost"].to_list(),
            name=say.in_figure(name),
            marker={
                "color": colours.get(name, PALES.get(name, GREY)),
                "pattern": {
                    "shape": ["/" if mark else "" for mark in hatched],
                    "fillmode": "overlay",
                    "size": 6,
                    "solidity": 0.35,
                },
                "line": {"width": 0},
            },
            hovertemplate="%{y:,.2f} " + currency,
        )
    figure.update_layout(barmode="relative")
    house(figure, 360, f"{basis} cost, {currency} per {'month' if monthly else 'day'}")
    figure.update_xaxes(tickformat="%b %Y" if monthly else "%-d %b", hoverformat="%B %Y" if monthly else "%a %-d %b %Y")
    return figure


def month_so_far(
    days: pl.DataFrame, forecast: Forecast | None, budget: float | None, currency: str, month: date
) -> go.Figure:
    """Cumulated spend of the month, dashed where provisional, with the path to the expected end, its ranges, and the budget."""
    sums = days.sort("day").with_columns(pl.col("cost").cum_sum())
    last_day = next_month(month) - timedelta(days=1)
    final = sums.filter(~pl.col("provisional"))
    young = sums.filter(pl.col("provisional"))
    if final.height and young.height:
        young = pl.concat([final.tail(1), young])
    figure = go.Figure()
    money = "%{y:,.0f} " + currency
    if forecast is not None and sums.height:
        ahead = fan(forecast)
        for low, high, colour, name in (
            ("low95", "high95", PALE_BAND, "95 % range"),
            ("low80", "high80", BAND, "80 % range"),
        ):
            edges = {"x": ahead["day"].to_list(), "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
            figure.add_scatter(**edges, y=ahead[high].to_list(), showlegend=False)
            figure.add_scatter(**edges, y=ahead[low].to_list(), fill="tonexty", fillcolor=colour, name=name)
        figure.add_scatter(
            x=ahead["day"].to_list(),
            y=ahead["median"].to_list(),
            customdata=ahead.select("low80", "high80").to_numpy(),
            mode="lines",
            line={"color": SKY, "width": 2, "dash": "dot"},
            name="expected",
            hovertemplate=money + " (%{customdata[0]:,.0f} to %{customdata[1]:,.0f})",
        )
    figure.add_scatter(
        x=final["day"].to_list(),
        y=final["cost"].to_list(),
        mode="lines",
        line={"color": BLUE, "width": 3},
        name="spent",
        hovertemplate=money,
    )
    figure.add_scatter(
        x=young["day"].to_list(),
        y=young["cost"].to_list(),
        mode="lines",
        line={"color": BLUE, "width": 3, "dash": "dash"},
        name="spent, provisional",
        hovertemplate=money,
    )
    if budget is not None:
        figure.add_scatter(
            x=[month, last_day],
            y=[budget, budget],
            mode="lines",
            line={"color": RED, "width": 2},
            name="budget",
            hovertemplate=money,
        )
    house(figure, 330, f"billed cost since the 1st, {currency}")
    figure.update_xaxes(range=[month, last_day], tickformat="%-d %b", hoverformat="%a %-d %b")
    figure.update_yaxes(rangemode="tozero")
    return figure


def evidence(series: Series) -> go.Figure:
    """One evidence series with its expected value and range. A missing point is a gap in the line."""
    figure = go.Figure()
    if series.low and series.high:
        figure.add_scatter(**_points(series.high), mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
        figure.add_scatter(
            **_points(series.low),
            mode="lines",
            line={"width": 0},
            fill="tonexty",
            fillcolor=BAND,
            name="normal range",
            hoverinfo="skip",
        )
    if series.expected:
        figure.add_scatter(
            **_points(series.expected), mode="lines", line={"color": SKY, "width": 2, "dash": "dot"}, name="expected"
        )
    few = len(series.points) <= 60
    figure.add_scatter(
        **_points(series.points),
        mode="lines+markers" if few else "lines",
        line={"color": BLUE, "width": 2},
        marker={"size": 5},
        name=say.in_figure(series.name),
        connectgaps=False,
        hovertemplate="%{y:,.4~g} " + say.in_figure(series.unit),
    )
    house(figure, 260, say.in_figure(series.unit))
    figure.update_xaxes(tickformat="%-d %b", hoverformat="%a %-d %b %H:%M")
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(showlegend=bool(series.low or series.expected))
    return figure


def feature_shifts(rows: pl.DataFrame, most: int = 12) -> go.Figure:
    """Dots with 95 % intervals of `views.shifts`, the gravest on top; features without a verdict are left out."""
    shown = rows.filter(pl.col("effect").is_not_null()).head(most).reverse()
    names = [say.in_figure(str(name), 32) for name in shown["feature"]]
    figure = go.Figure()
    for drifted, colour, label in ((True, RED, "drifted"), (False, GREY, "within what chance and practice allow")):
        own = shown.with_columns(name=pl.Series(names, dtype=pl.String)).filter(
            (pl.col("status") == "drift") == drifted
        )
        if own.is_empty():
            continue
        figure.add_scatter(
            x=own["effect"].to_list(),
            y=own["name"].to_list(),
            mode="markers",
            marker={"color": colour, "size": 11, "symbol": "circle" if drifted else "circle-open"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": (own["high"] - own["effect"]).to_list(),
                "arrayminus": (own["effect"] - own["low"]).to_list(),
                "color": colour,
                "thickness": 1.6,
                "width": 4,
            },
            name=label,
            customdata=own.select("low", "high", "unit").rows(),
            hovertemplate="%{x:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f}) %{customdata[2]}",
        )
    house(figure, 110 + 30 * len(names), x_title="distance from the baseline, 0 to 1, with 95 % interval")
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(categoryorder="array", categoryarray=names, tickmode="array", tickvals=names, showgrid=False)
    figure.update_xaxes(showgrid=True, gridcolor=GRID, rangemode="tozero")
    return figure


def distribution(rows: pl.DataFrame, feature: str, before: str, now: str) -> go.Figure:
    """Baseline beside now: outlined steps for a number's [low, high, baseline, now], bars for a category's [label, ...]."""
    figure = go.Figure()
    if "label" in rows.columns:
        names = [say.in_figure(str(label), 24) for label in rows["label"]]
        for name, column, colour in ((before, "baseline", GREY), (now, "now", RED)):
            figure.add_bar(x=names, y=(rows[column] * 100).to_list(), name=name, marker={"color": colour})
        figure.update_layout(barmode="group")
    else:
        edges = [*rows["low"].to_list(), rows["high"][-1]]
        for name, column, colour, fill in (
            (before, "baseline", GREY, "rgba(138,143,152,0.30)"),
            (now, "now", RED, "rgba(213,94,0,0.18)"),
        ):
            shares = (rows[column] * 100).to_list()
            figure.add_scatter(
                x=edges,
                y=[*shares, shares[-1]],
                mode="lines",
                line={"shape": "hv", "color": colour, "width": 2},
                fill="tozeroy",
                fillcolor=fill,
                name=name,
                hovertemplate="%{y:.1f} %",
            )
    return house(figure, 300, "% of records", say.in_figure(feature))


def promise_and_proof(low: float, expected: float, high: float, measured: float | None, currency: str) -> go.Figure:
    """The promised range as a bar, the expected saving as a line, the measured one as a diamond; per month."""
    figure = go.Figure()
    figure.add_bar(
        y=["saving"],
        x=[max(high - low, high * 0.004)],
        base=[low],
        orientation="h",
        marker={"color": SKY, "opacity": 0.45},
        width=0.5,
        name="promised range",
        hovertemplate=f"{low:,.2f} to {high:,.2f} {currency}",
    )
    marks: list[tuple[str, float, str, str, int]] = [("promised", expected, "line-ns-open", BLUE, 22)]
    if measured is not None:
        marks.append(("measured on the bill", measured, "diamond", GREEN, 15))
    for name, value, symbol, colour, size in marks:
        figure.add_scatter(
            x=[value],
            y=["saving"],
            mode="markers",
            marker={
                "symbol": symbol,
                "color": colour,
                "size": size,
                "line": {"width": 3 if symbol.endswith("open") else 0},
            },
            name=name,
            hovertemplate="%{x:,.2f} " + currency,
        )
    house(figure, 150, x_title=f"{currency} per month of 730 hours")
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(visible=False)
    figure.update_xaxes(rangemode="tozero", showgrid=True, gridcolor=GRID)
    return figure


def _order(rows: pl.DataFrame) -> list[str]:
    """Largest at the bottom of the stack, the rest and the unattributed on top."""
    ranked: list[str] = (
        rows.group_by("group").agg(pl.col("cost").sum()).sort(pl.col("cost").abs(), descending=True)["group"].to_list()
    )
    last = [name for name in PALES if name in ranked]
    return [name for name in ranked if name not in last] + last


def _points(points: Sequence[tuple[datetime, float | None]]) -> dict[str, Any]:
    return {"x": [at for at, _ in points], "y": [value for _, value in points]}
