"""Frame -> PNG for mails, which can hold no script: the same look as `charts.py`, drawn with matplotlib without any
display.

In: the views' small frames. Out: PNG bytes at twice the size they are shown in. Provisional days are hatched here
too.
"""

from __future__ import annotations

import io
from datetime import date, timedelta

import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, DayLocator, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sagekeeper.analyzers.month_forecast import Forecast, fan
from sagekeeper.core.clock import next_month
from sagekeeper.reports import wording as say
from sagekeeper.reports.charts import BLUE, PALE, RED, SKY

INK, QUIET = "#1B2430", "#6B7785"


def month_against_budget(
    days: pl.DataFrame, forecast: Forecast | None, budget: float, currency: str, month: date
) -> bytes:
    """Cumulated spend with the expected end, its range, and the budget."""
    figure, axes = _blank(currency)
    last_day = next_month(month) - timedelta(days=1) if forecast is None else forecast.last_day
    sums = days.sort("day").with_columns(pl.col("cost").cum_sum())
    final = sums.filter(~pl.col("provisional"))
    young = pl.concat([final.tail(1), sums.filter(pl.col("provisional"))])
    axes.plot(final["day"].to_list(), final["cost"].to_list(), color=BLUE, linewidth=2.4, label="spent")
    if young.height > final.tail(1).height:
        axes.plot(
            young["day"].to_list(),
            young["cost"].to_list(),
            color=BLUE,
            linewidth=2.4,
            linestyle="--",
            label="provisional",
        )
    if forecast is not None and sums.height:
        ahead = fan(forecast)
        edge = ahead["day"].to_list()
        axes.fill_between(edge, ahead["low95"].to_list(), ahead["high95"].to_list(), color=SKY, alpha=0.15, linewidth=0)
        axes.fill_between(edge, ahead["low80"].to_list(), ahead["high80"].to_list(), color=SKY, alpha=0.25, linewidth=0)
        axes.plot(edge, ahead["median"].to_list(), color=SKY, linewidth=2, linestyle=":", label="expected")
    axes.axhline(budget, color=RED, linewidth=1.8, label="budget")
    axes.set_xlim(date2num(month), date2num(last_day))  # type: ignore[no-untyped-call]
    axes.set_ylim(bottom=0)
    return _finished(figure, axes)


def days_of_spend(days: pl.DataFrame, first_of_week: date, currency: str) -> bytes:
    """Bars per day; the week the digest is about in blue, what came before in grey, provisional days hatched."""
    figure, axes = _blank(currency)
    for mask, colour, label in (
        (pl.col("day") < first_of_week, PALE, "before"),
        (pl.col("day") >= first_of_week, BLUE, "this week"),
    ):
        for young in (False, True):
            own = days.filter(mask & (pl.col("provisional") == young))
            if own.height:
                axes.bar(
                    own["day"].to_list(),
                    own["cost"].to_list(),
                    color=colour,
                    edgecolor="white",
                    linewidth=0.4,
                    hatch="///" if young else None,
                    width=0.82,
                    label=f"{label}, provisional" if young else label,
                )
    return _finished(figure, axes)


def _blank(currency: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.0, 2.5), dpi=200, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: say.money(value, currency, 0)))
    return figure, axes


def _finished(figure: Figure, axes: Axes) -> bytes:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#C9D0D8")
    axes.grid(axis="y", color="#E6EAEE", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, labelsize=8, length=0)
    axes.xaxis.set_major_locator(DayLocator(interval=7))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))  # type: ignore[no-untyped-call]
    handles, _ = axes.get_legend_handles_labels()
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=max(len(handles), 1),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        borderpad=0,
    )
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
