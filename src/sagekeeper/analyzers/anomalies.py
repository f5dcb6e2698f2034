"""Money that should not be spent: which days of which cost series are unusual, by how much, and how surely.

In: a long frame `series_id, account, service, usage_type, resource, ts, cost` (daily or hourly rows, any order, one currency).
Out: the same rows with `score` (-log10 of the chance of such a day by the series' own past), `is_anomaly`, `expected`, `impact`
(cost - expected, in the currency of cost) and `provisional`. Only more than usual is told. The row of a day never rests on later
days, and `score` on no other series. Several robust levels per series, of which the one that erred least lately is used;
the series' own tail; windows of 3 and 7 days and a creep over four weeks; runs of days for what costs now and then.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sagekeeper.analyzers.anomaly_decision import decide
from sagekeeper.analyzers.anomaly_grid import Array, Grid, grid
from sagekeeper.analyzers.anomaly_rhythm import of_days
from sagekeeper.analyzers.anomaly_rows import usual_of_rows
from sagekeeper.analyzers.anomaly_scan import scan
from sagekeeper.core.settings import Anomalies

SCHEMA = {
    "score": pl.Float32,
    "is_anomaly": pl.Boolean,
    "impact": pl.Float64,
    "expected": pl.Float64,
    "provisional": pl.Boolean,
}


def detect(costs: pl.DataFrame, settings: Anomalies | None = None, known: pl.DataFrame | None = None) -> pl.DataFrame:
    """A row per row of ``costs``, in its order: `series_id, ts, score, is_anomaly, impact, expected, provisional`.

    ``known``: `series_id, first, last` (last null: until further notice), days that are expected or already known: neither told
    nor learned. A row with unknown cost has null score and impact. Raises BadInput on costs that are no such frame.
    """
    settings = settings or Anomalies()
    if costs.is_empty() and {"series_id", "ts"} <= set(costs.columns):
        return costs.select("series_id", "ts").with_columns(
            *(pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items())
        )
    calendar = grid(costs)
    found = scan(calendar.amounts, of_days(calendar.days), _set_aside(calendar, known), settings.accept_after_days)
    flags, expected = decide(found, calendar.amounts, calendar.groups, settings)
    cell = (calendar.row_day, calendar.row_series)
    unknown = pl.Series(np.isnan(calendar.row_cost))
    usual, reached = usual_of_rows(calendar, expected, costs["ts"])
    return costs.select("series_id", "ts").with_columns(
        score=pl.when(~unknown).then(pl.Series(found.surprise[cell])),
        is_anomaly=pl.Series(flags[cell] & reached),
        impact=pl.when(~unknown).then(pl.Series(calendar.row_cost - usual)),
        expected=pl.when(~unknown).then(pl.Series(usual)),
        provisional=pl.Series(calendar.row_day >= len(calendar.days) - settings.provisional_days),
    )


def _set_aside(calendar: Grid, known: pl.DataFrame | None) -> Array:
    aside = ~calendar.present
    if known is not None:
        place = {name: at for at, name in enumerate(calendar.names)}
        for name, start, end in known.select("series_id", pl.col("first", "last").cast(pl.Date)).iter_rows():
            if name in place:
                begin, stop = np.datetime64(start, "D"), np.datetime64(end, "D") if end else calendar.days[-1]
                aside[(calendar.days >= begin) & (calendar.days <= stop), place[name]] = True
    return aside
