"""Forecasts of sums and of what they are sums of, that add up: all, accounts, services of accounts, series.

In: a long frame ``series_id, ts, cost`` and a column per level, from the top. Out: a row per node and origin: ``level`` (0: all),
``node``, ``parent``, and the columns of `forecasting.month_end`; medians of children add up to their parent's. Each level is
forecast for itself; then every median gives way by as much as it is uncertain (weighted least squares on the tree, the
reconciliation with a diagonal error matrix of Wickramasuriya, Athanasopoulos and Hyndman, 2019), and none below what is
spent. Ranges are those of each node's own past errors: how errors of children go together is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from sagekeeper.analyzers.forecast_given import NOTHING, Given
from sagekeeper.analyzers.forecast_open_days import open_days
from sagekeeper.analyzers.forecast_series import Matrix, spend_days
from sagekeeper.analyzers.forecast_settings import QUANTILES, ForecastSettings
from sagekeeper.analyzers.forecasting import month_end
from sagekeeper.core.errors import BadInput

ALL = "all"
BETWEEN = " / "
NORMAL_80 = 2.5631
"""Width of the central 80 % of a normal distribution, in standard deviations."""
Places = npt.NDArray[np.int64]


def hierarchy(
    costs: pl.DataFrame,
    levels: Sequence[str],
    origins: Iterable[date] | None = None,
    settings: ForecastSettings | None = None,
    given: Given = NOTHING,
) -> pl.DataFrame:
    """Forecast every node of the tree. ``given`` is of series. Raises BadInput where a series is in two places of the tree."""
    settings = settings or ForecastSettings()
    nodes = _nodes(costs, levels)
    days = spend_days(costs)
    wanted = sorted(set(origins)) if origins is not None else [days.last]
    names = [*(f"level{number}" for number in range(len(levels) + 1)), "series_id"]
    summed = sums(costs, levels)
    out = []
    for origin in wanted:
        # The series say whether the last days are open, and of all levels the same.
        left = open_days(days.until(origin)) if settings.provisional_days is None else settings.provisional_days
        fixed = settings.model_copy(update={"provisional_days": left})
        leaves = month_end(costs, [origin], fixed, given)
        found = [month_end(frame, [origin], fixed).sort("series_id") for frame in summed]
        if not given.is_nothing:
            shift = leaves.select("series_id", by=pl.col("median") - month_end(costs, [origin], fixed)["median"])
            found = [_shifted(frame, shift, nodes, name) for frame, name in zip(found, names, strict=False)]
        out.append(_reconciled([*found, leaves.sort("series_id")], nodes, names))
    return pl.concat(out)


def sums(costs: pl.DataFrame, levels: Sequence[str]) -> list[pl.DataFrame]:
    """``series_id, ts, cost`` of every level above the series, from the top: their ids are the nodes."""
    rows = costs.select(pl.col("series_id").cast(pl.String), "ts", "cost").join(_nodes(costs, levels), on="series_id")
    return [
        rows.group_by(series_id=pl.col(f"level{depth}"), ts=pl.col("ts").cast(pl.Date)).agg(pl.col("cost").sum())
        for depth in range(len(levels) + 1)
    ]


def _nodes(costs: pl.DataFrame, levels: Sequence[str]) -> pl.DataFrame:
    """``series_id, level0, level1, ...``: where each series belongs."""
    lacking = [name for name in levels if name not in costs.columns]
    if lacking:
        raise BadInput(f"Costs have no column {', '.join(lacking)} to sum by.")
    places = costs.select("series_id", *levels).unique(maintain_order=False)
    if places["series_id"].n_unique() != places.height:
        twice = places.filter(pl.col("series_id").is_duplicated())["series_id"].sort()[0]
        raise BadInput(f"Series {twice} has several values of {', '.join(levels)}: sums would not add up.")
    text = [pl.col(name).cast(pl.String).fill_null("unattributed") for name in levels]
    return places.sort("series_id").select(
        pl.col("series_id").cast(pl.String),
        pl.lit(ALL).alias("level0"),
        *(pl.concat_str(text[:depth], separator=BETWEEN).alias(f"level{depth}") for depth in range(1, len(levels) + 1)),
    )


def _shifted(frame: pl.DataFrame, shift: pl.DataFrame, nodes: pl.DataFrame, name: str) -> pl.DataFrame:
    """A sum moves by what is given of its series."""
    moved = nodes.join(shift, on="series_id").group_by(series_id=pl.col(name)).agg(pl.col("by").sum())
    joined = frame.join(moved, on="series_id", how="left").sort("series_id")
    least = pl.when(pl.col("low95") >= pl.col("spent")).then(pl.col("spent"))
    return joined.with_columns(
        pl.max_horizontal(pl.col(quantile) + pl.col("by"), least).alias(quantile) for quantile in QUANTILES
    ).drop("by")


def _reconciled(found: list[pl.DataFrame], nodes: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    parents = [_parents(nodes, above, name) for above, name in pairwise(names)]
    spent = [frame["spent"].to_numpy() for frame in found]
    base = [frame["median"].to_numpy() - gone for frame, gone in zip(found, spent, strict=True)]
    noise = [((frame["high80"] - frame["low80"]) / NORMAL_80).to_numpy() ** 2 for frame in found]
    floor = [
        np.where(frame["low95"].to_numpy() >= gone - 1e-9, 0.0, -np.inf)
        for frame, gone in zip(found, spent, strict=True)
    ]
    # Upwards: what a node says itself, and what its children say together, each by its certainty.
    best, doubt = [base[-1]], [noise[-1]]
    for depth in range(len(found) - 2, -1, -1):
        size = len(base[depth])
        said = np.bincount(parents[depth], best[0], size)
        unsure = np.bincount(parents[depth], doubt[0], size)
        floor[depth] = np.bincount(parents[depth], np.minimum(floor[depth + 1], 0.0), size)
        both = noise[depth] + unsure
        trust = np.where(both > 0, unsure / np.where(both > 0, both, 1.0), 0.0)
        best.insert(0, np.maximum(trust * base[depth] + (1 - trust) * said, floor[depth]))
        doubt.insert(0, trust * noise[depth])
    # Downwards: what is left over goes to the uncertain.
    final = [best[0]]
    for depth, parent in enumerate(parents):
        final.append(_shared_out(final[-1], best[depth + 1], doubt[depth + 1], floor[depth + 1], parent))
    frames = []
    for depth, frame in enumerate(found):
        median = pl.Series(final[depth] + spent[depth])
        least = pl.Series(np.where(np.isfinite(floor[depth]), spent[depth], -np.inf))
        ranges = _ranges(median, least, is_sum=depth < len(found) - 1)
        above = (
            pl.Series(found[depth - 1]["series_id"].to_numpy()[parents[depth - 1]])
            if depth
            else pl.lit(None, pl.String())
        )
        frames.append(
            frame.select(
                level=pl.lit(depth),
                node="series_id",
                parent=above,
                origin="origin",
                median=median,
                **ranges,
                spent="spent",
            ).select("level", "node", "parent", "origin", *QUANTILES, "spent")
        )
    return pl.concat(frames)


def _ranges(median: pl.Series, least: pl.Series, is_sum: bool) -> dict[str, pl.Expr]:
    """A sum's range moves with its median. A series' may begin at its median, nothing: it stays, and is widened to hold it."""
    names = [name for name in QUANTILES if name != "median"]
    if is_sum:
        return {name: pl.max_horizontal(pl.col(name) - pl.col("median") + median, least) for name in names}
    held = {"low": pl.min_horizontal, "high": pl.max_horizontal}
    return {name: held[name.rstrip("0589")](pl.col(name), median) for name in names}


def _shared_out(whole: Matrix, parts: Matrix, doubt: Matrix, floor: Matrix, parent: Places) -> Matrix:
    """``parts`` moved so that they add up to ``whole`` of their parent, the uncertain the more, none below its floor."""
    out, size = np.maximum(parts, floor), len(whole)
    # Nobody doubts anything: then by size.
    certain = np.bincount(parent, doubt, size)[parent] <= 0
    weight = np.where(certain, np.abs(parts), doubt)
    alone = np.bincount(parent, weight, size)[parent] <= 0
    weight = np.where(alone, 1.0, weight)
    for _ in range(50):
        over = whole - np.bincount(parent, out, size)
        free = np.where((out > floor) | (over[parent] > 0), weight, 0.0)
        total = np.bincount(parent, free, size)
        if not (np.abs(over) > 1e-9 * np.abs(whole)).any() or not total.any():
            break
        out = np.maximum(out + over[parent] * free / np.where(total > 0, total, 1.0)[parent], floor)
    return out


def _parents(nodes: pl.DataFrame, above: str, name: str) -> Places:
    """Per node of ``name``, in order of its name: the place of its parent, in the order of the parents' names."""
    pairs = nodes.select(above, name).unique().sort(name)
    return np.asarray(np.unique(pairs[above].to_numpy(), return_inverse=True)[1], dtype=np.int64)
