"""Feature profiles of any windows put together into the one sample that drift is asked of.

In: rows of `feature_profiles` of one feature. Out: a `Sample`, with what its records are worth: traffic comes in bursts, and
how much one hour differs from the next says how many records go together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import datasketches
import numpy as np
import polars as pl

from sagekeeper.analyzers.distribution_shift import EVERY_OTHER, Sample
from sagekeeper.analyzers.drift_cells import Array
from sagekeeper.analyzers.drift_order import FEWEST_WINDOWS, worth_of_days, worth_of_windows

PARTS = np.arange(1, 8) / 8


@dataclass(frozen=True)
class Worth:
    """Share of records that independent ones would be: of values, and of their being missing."""

    values: float = 1.0
    missing: float = 1.0


def sample_of(rows: pl.DataFrame, at_most: Worth | None = None) -> Sample:
    """All rows of one feature put together. ``at_most``: what its records are worth as far as longer times tell."""
    records = int(rows["records"].sum())
    # A number that has turned into text is as absent to the model as one that is not there.
    invalid = int(rows["invalid"].fill_null(0).sum())
    missing = int(rows["missing"].sum()) + invalid
    known = at_most or Worth()
    worth_missing = min(_worth(_absent(rows)), known.missing)
    if rows["categories"].drop_nulls().len():
        counts, unsure = _counted(rows, records - missing)
        worth = min(_worth(_by_name(rows, counts)), known.values)
        return Sample(records, missing, None, counts, worth, worth_missing, invalid, unsure)
    whole = _merged(rows["sketch"].drop_nulls())
    worth = 1.0 if whole is None else min(_worth(_by_place(rows, whole)), known.values)
    return Sample(records, missing, whole, None, worth, worth_missing, invalid)


def worth_of(rows: pl.DataFrame) -> Worth:
    """Of all days of one feature: a few days are too few to tell how much days differ by themselves."""
    if rows.height < FEWEST_WINDOWS:
        return Worth()
    missing = worth_of_days(_absent(rows))
    if rows["categories"].drop_nulls().len():
        records = int((rows["records"] - rows["missing"] - rows["invalid"].fill_null(0)).sum())
        return Worth(worth_of_days(_by_name(rows, _counted(rows, records)[0])), missing)
    whole = _merged(rows["sketch"].drop_nulls())
    return Worth(1.0 if whole is None else worth_of_days(_by_place(rows, whole)), missing)


def _worth(counts: Array) -> float:
    return worth_of_windows(counts) if len(counts) >= FEWEST_WINDOWS else 1.0


def _absent(rows: pl.DataFrame) -> Array:
    ordered = rows.sort("window_start")
    absent = ordered["missing"] + ordered["invalid"].fill_null(0)
    return np.stack([absent.to_numpy(), (ordered["records"] - absent).to_numpy()], axis=1).astype(np.float64)


def _by_place(rows: pl.DataFrame, whole: Any) -> Array:
    if rows.height < FEWEST_WINDOWS:
        return np.zeros((0, 1))
    points = np.unique(whole.get_quantiles(PARTS))
    windows = rows.sort("window_start")["sketch"].drop_nulls()
    sketches = [datasketches.kll_doubles_sketch.deserialize(item) for item in windows]
    shares = [np.diff(one.get_cdf(points, True), prepend=0.0) * one.n for one in sketches if not one.is_empty()]
    return np.stack(shares) if shares else np.zeros((0, 1))


def _by_name(rows: pl.DataFrame, whole: Counter[str]) -> Array:
    if rows.height < FEWEST_WINDOWS:
        return np.zeros((0, 1))
    names = [one for one, _ in whole.most_common(len(PARTS))]
    windows = [json.loads(item) for item in rows.sort("window_start")["categories"].drop_nulls()]
    counts = np.array([[*(one.get(key, 0) for key in names), 0] for one in windows], dtype=np.float64)
    counts[:, -1] = [sum(one.values()) for one in windows] - counts.sum(axis=1)
    return counts


def _counted(rows: pl.DataFrame, present: int) -> tuple[Counter[str], int]:
    """Records by name, and how many more any name may have: where only the most frequent are kept, the rarest of these."""
    counts: Counter[str] = Counter()
    unsure = 0
    told = rows.select("categories", there=pl.col("records") - pl.col("missing") - pl.col("invalid").fill_null(0))
    for document, there in told.drop_nulls("categories").iter_rows():
        one = {str(name): int(seen) for name, seen in json.loads(document).items()}
        counts.update(one)
        if sum(one.values()) < there:
            unsure += min(one.values(), default=1)
    # Only the most frequent categories are kept by name: the rest is one category more.
    rest = present - counts.total()
    if rest > 0:
        counts[EVERY_OTHER] += rest
    return counts, unsure


def _merged(sketches: Iterable[bytes]) -> Any | None:
    whole: Any = None
    for item in sketches:
        one = datasketches.kll_doubles_sketch.deserialize(item)
        if whole is None:
            whole = one
        else:
            whole.merge(one)
    return None if whole is None or whole.is_empty() else whole
