"""The chart of what endpoints cost while nobody asked, in the house style of `charts.py`."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from sagekeeper.reports import wording as say
from sagekeeper.reports.charts import GRID, PALE, RED, SKY, house

PARTS = (
    ("without", "hours without a request", RED),
    ("unclear", "hours of which it is not known", PALE),
    ("with_requests", "hours with requests", SKY),
)


def silent_hours(lines: pl.DataFrame, currency: str, notion: str, most: int = 10) -> go.Figure:
    """Bars of the ``most`` costly lines of `views.units.Silence`: without requests, unknown, with requests."""
    shown = lines.head(most).reverse()
    names = [say.in_figure(str(name), 32) for name in shown["subject"]]
    figure = go.Figure()
    for column, label, colour in PARTS:
        figure.add_bar(
            y=names,
            x=shown[column].to_list(),
            orientation="h",
            name=label,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{x:,.2f} " + currency,
        )
    figure.update_layout(barmode="stack")
    house(figure, 110 + 28 * len(names), x_title=f"{notion} cost, {currency} in the month")
    figure.update_layout(hovermode="y unified")
    figure.update_yaxes(
        categoryorder="array", categoryarray=names, tickmode="array", tickvals=names, showgrid=False, title=None
    )
    figure.update_xaxes(showgrid=True, gridcolor=GRID, rangemode="tozero")
    return figure
