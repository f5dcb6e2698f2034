"""A month's way from list price to the invoice as a figure: levels in blue, what lowers them in green, what raises them in
orange.

In: a `Waterfall` and its currency. Out: a plotly figure in the house style, every bar with its amount.
"""

from __future__ import annotations

import plotly.graph_objects as go

from sagekeeper.analyzers.waterfall import Waterfall
from sagekeeper.reports import charts

ROW = 30
"""Pixels that a step takes."""


def waterfall_figure(found: Waterfall, currency: str) -> go.Figure:
    """One bar per step, from above in the order in which they add up."""
    levels = [step.total for step in found.steps]
    amounts = [float(step.amount) for step in found.steps]
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=[step.name for step in found.steps],
            x=amounts,
            measure=["absolute", *("total" if level else "relative" for level in levels[1:])],
            text=[
                f"{amount:,.2f}" if level else f"{amount:+,.2f}" for level, amount in zip(levels, amounts, strict=True)
            ],
            textposition="outside",
            textangle=0,
            constraintext="none",
            cliponaxis=False,
            customdata=[step.why for step in found.steps],
            hovertemplate="%{y}: %{text} " + currency + "<br>%{customdata}<extra></extra>",
            totals={"marker": {"color": charts.BLUE}},
            increasing={"marker": {"color": charts.ORANGE}},
            decreasing={"marker": {"color": charts.GREEN}},
            connector={"line": {"color": charts.GREY, "width": 1}},
        )
    )
    charts.house(figure, 90 + ROW * len(amounts), x_title=f"cost, {currency} in the month")
    figure.update_layout(hovermode="closest", showlegend=False, waterfallgap=0.3, margin={"r": 80, "t": 8})
    figure.update_xaxes(showgrid=True, gridcolor=charts.GRID, nticks=6)
    figure.update_yaxes(autorange="reversed", showgrid=False, nticks=0, tickmode="linear")
    return figure
