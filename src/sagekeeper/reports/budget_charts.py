"""Charts of budgets: one bar each on a common scale, percent of its own limit.

In: `BudgetState`s. Out: a plotly figure in the house style (`charts.py`). A bar is what is spent; the paler part the rest of what
is expected; the line over it the range that holds four in five outcomes; the red line the limit. A budget that cannot be judged
has no bar; one above `WIDEST` times its limit is cut there, and its figures are said in words.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from sagekeeper.reports import wording as say
from sagekeeper.reports.charts import BLUE, ORANGE, RED, SKY, house
from sagekeeper.reports.views.budgets import BudgetState

MOST = 20
"""Bars on one figure; the table has them all."""
WIDEST = 2.5
"""Times the limit at which a bar is cut: one budget far over its limit must not flatten the others."""
ROW, FRAME = 42, 90


def budget_bars(states: Sequence[BudgetState]) -> go.Figure:
    """The first `MOST` of ``states``, in their order from above."""
    shown = list(states[:MOST])[::-1]
    names = [state.name for state in shown]
    spent = [_cut(state.share) for state in shown]
    expected = [_cut(state.expected_share) for state in shown]
    to_come = [max((end or 0.0) - (now or 0.0), 0.0) for now, end in zip(spent, expected, strict=True)]
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=[100 * (share or 0.0) for share in spent],
        orientation="h",
        name="spent",
        marker={"color": [RED if (share or 0) >= 1 else BLUE for share in spent]},
        customdata=[_said(state) for state in shown],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.add_bar(
        y=names,
        x=[100 * share for share in to_come],
        orientation="h",
        name="expected by the end",
        marker={"color": SKY, "opacity": 0.45},
        hoverinfo="skip",
    )
    known = [(name, state) for name, state in zip(names, shown, strict=True) if state.forecast is not None]
    middle = [100 * (_cut(state.expected_share) or 0.0) for _, state in known]
    low = [100 * (_cut(_share(state, "low")) or 0.0) for _, state in known]
    high = [100 * (_cut(_share(state, "high")) or 0.0) for _, state in known]
    figure.add_scatter(
        y=[name for name, _ in known],
        x=middle,
        mode="markers",
        name="80 % of outcomes",
        marker={"color": ORANGE, "size": 7, "symbol": "line-ns-open"},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [up - mid for up, mid in zip(high, middle, strict=True)],
            "arrayminus": [mid - down for mid, down in zip(middle, low, strict=True)],
            "color": ORANGE,
            "thickness": 2,
            "width": 5,
        },
        hoverinfo="skip",
    )
    figure.add_vline(x=100, line={"color": RED, "width": 2}, annotation={"text": "limit", "font": {"color": RED}})
    figure.update_layout(barmode="stack", hovermode="closest")
    house(figure, FRAME + ROW * max(len(shown), 1), x_title="percent of the limit")
    figure.update_xaxes(ticksuffix=" %", rangemode="tozero", showgrid=True)
    figure.update_yaxes(
        showgrid=False,
        nticks=None,
        tickmode="array",
        tickvals=names,
        ticktext=[say.in_figure(_short(name)) for name in names],
    )
    return figure


def _short(name: str) -> str:
    return name if len(name) <= 34 else name[:33] + "…"


def _cut(share: float | None) -> float | None:
    return None if share is None else min(max(share, 0.0), WIDEST)


def _share(state: BudgetState, which: str) -> float | None:
    return None if state.forecast is None else float(getattr(state.forecast, which)) / float(state.amount)


def _said(state: BudgetState) -> str:
    if state.spent is None:
        return say.in_figure(f"{state.name}: {state.why or 'no bill of this period yet'}")
    end = "" if state.forecast is None else f", {say.big_money(state.forecast.expected, state.currency)} expected"
    of = f"{say.big_money(state.spent, state.currency)} of {say.big_money(state.amount, state.currency)} spent"
    return say.in_figure(f"{state.name}, {state.period.words}: {of}{end}")
