"""Charts of what is used and not billed yet: hatched on top of the bill, and past estimates beside the bill that came.

In: frames of `views.estimates`. Out: plotly figures in the house style (`charts.py`). What is estimated is always hatched.
"""

from __future__ import annotations

from datetime import timedelta

import plotly.graph_objects as go
import polars as pl

from sagekeeper.reports.charts import BLUE, GREY, ORANGE, house
from sagekeeper.reports.views.spend import NOT_BILLED

HATCHED = {"shape": "/", "fillmode": "overlay", "size": 6, "solidity": 0.35}


def with_lacking(figure: go.Figure, days: pl.DataFrame, lacking: pl.DataFrame, currency: str) -> go.Figure:
    """On a chart of cumulated spend (`charts.month_so_far`) of ``days`` [day, cost]: what the bill lacks, hatched, from where it
    lacks anything on. ``lacking``: [day, lacking], in the same currency."""
    sums = (
        days.select("day", "cost")
        .join(lacking.group_by("day").agg(pl.col("lacking").sum()), on="day", how="full", coalesce=True)
        .sort("day")
        .with_columns(pl.col("cost").fill_null(0.0).cum_sum(), pl.col("lacking").fill_null(0.0).cum_sum())
    )
    begins = sums.filter(pl.col("lacking") > 0)["day"].min()
    if begins is None:
        return figure
    shown = sums.filter(pl.col("day") >= pl.lit(begins) - timedelta(days=1))
    x, bill = shown["day"].to_list(), shown["cost"].to_list()
    figure.add_scatter(x=x, y=bill, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=x,
        y=(shown["cost"] + shown["lacking"]).to_list(),
        mode="lines",
        line={"color": ORANGE, "width": 2},
        fill="tonexty",
        fillpattern={"shape": "/", "fgcolor": ORANGE, "bgcolor": "rgba(0,0,0,0)", "size": 6, "solidity": 0.35},
        name=NOT_BILLED,
        hovertemplate="%{y:,.0f} " + currency,
    )
    return figure


def estimate_and_bill(days: pl.DataFrame, currency: str) -> go.Figure:
    """What was estimated of each day (hatched) beside what its bill says; grey where the estimate was made afterwards."""
    figure = go.Figure()
    colours = [GREY if late else ORANGE for late in days["afterwards"].to_list()]
    errors = ["" if share is None else f"{100 * share:+.2f} %" for share in days["relative"].to_list()]
    figure.add_bar(
        x=days["day"].to_list(),
        y=days["estimated"].to_list(),
        name="estimated",
        marker={"color": colours, "pattern": HATCHED, "line": {"width": 0}},
        customdata=errors,
        hovertemplate="%{y:,.2f} " + currency + " (%{customdata})",
    )
    figure.add_bar(
        x=days["day"].to_list(),
        y=days["billed"].to_list(),
        name="billed",
        marker={"color": BLUE, "line": {"width": 0}},
        hovertemplate="%{y:,.2f} " + currency,
    )
    figure.update_layout(barmode="group", bargroupgap=0.05)
    house(figure, 260, f"effective cost, {currency} per day")
    figure.update_xaxes(tickformat="%-d %b", hoverformat="%a %-d %b %Y")
    return figure
