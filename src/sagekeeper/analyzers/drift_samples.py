"""Feature profiles of any windows put together into the one sample that drift is asked of.

In: rows of `feature_profiles` of one feature. Out: a `Sample`, with what its records are worth: traffic comes in bursts, and
how much one hour differs from the next says how many records go together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import datasketches
import numpy as np
import polars as pl

from sagekeeper.analyzers.distribution_shift import Sample
from sagekeeper.analyzers.drift_order import FEWEST_WINDOWS, worth_of_windows

PARTS = np.arange(1, 8) / 8


def sample_of(rows: pl.DataFrame) -> Sample:
    """All rows of one feature put together."""
    records = int(rows["records"].sum())
    # A number that has turned into text is as absent to the model as one that is not there.
    absent = rows["missing"] + rows["invalid"].fill_null(0)
    missing = int(absent.sum())
    of_missing = np.stack([absent.to_numpy(), (rows["records"] - absent).to_numpy()], axis=1).astype(np.float64)
    worth_missing = worth_of_windows(of_missing)
    if rows["categories"].drop_nulls().len():
        counts = _counted(rows["categories"].drop_nulls(), records - missing)
        return Sample(records, missing, None, counts, _worth_of_categories(rows, counts), worth_missing)
    whole = _merged(rows["sketch"].drop_nulls())
    return Sample(records, missing, whole, None, _worth_of_numbers(rows, whole), worth_missing)


def _worth_of_numbers(rows: pl.DataFrame, whole: Any | None) -> float:
    if whole is None or rows.height < FEWEST_WINDOWS:
        return 1.0
    points = np.unique(whole.get_quantiles(PARTS))
    windows = rows.sort("window_start")["sketch"].drop_nulls()
    sketches = [datasketches.kll_doubles_sketch.deserialize(item) for item in windows]
    shares = [np.diff(one.get_cdf(points, True), prepend=0.0) * one.n for one in sketches if not one.is_empty()]
    return worth_of_windows(np.stack(shares)) if shares else 1.0


def _worth_of_categories(rows: pl.DataFrame, whole: Counter[str]) -> float:
    if rows.height < FEWEST_WINDOWS:
        return 1.0
    names = [one for one, _ in whole.most_common(len(PARTS))]
    windows = [json.loads(item) for item in rows.sort("window_start")["categories"].drop_nulls()]
    counts = np.array([[*(one.get(key, 0) for key in names), 0] for one in windows], dtype=np.float64)
    counts[:, -1] = [sum(one.values()) for one in windows] - counts.sum(axis=1)
    return worth_of_windows(counts)


def _counted(documents: Iterable[str], present: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update({str(name): int(seen) for name, seen in json.loads(document).items()})
    # Only the most frequent categories are kept by name: the rest is one category more.
    rest = present - counts.total()
    if rest > 0:
        counts["\0every other"] += rest
    return counts


def _merged(sketches: Iterable[bytes]) -> Any | None:
    whole: Any = None
    for item in sketches:
        one = datasketches.kll_doubles_sketch.deserialize(item)
        if whole is None:
            whole = one
        else:
            whole.merge(one)
    return None if whole is None or whole.is_empty() else whole
