"""What do the columns of a data set look like, said as Model Monitor says it: the document statistics.json?

In: a frame of any types, a row per record. Out: the document in Model Monitor's shape (monitoring-facts 2.1), quantile sketch
included, so that everything that reads its files reads ours. A column is numeric when all its values are numbers (deequ's
rule, and that of our profiles); an empty text is missing everywhere, the usual spellings of a missing number (``nan``, ``NA``
...) in a numeric column. The standard deviation is that of a population. Sketches are KLL sketches of Apache DataSketches: an
item of level i stands for 2^i values, as in Model Monitor's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from datasketches import kll_doubles_sketch

from sagekeeper.collector.profile import MISSING
from sagekeeper.core.errors import BadInput

SKETCH_K, SHRINKING = 2048, 0.64
BUCKETS = 10
"""Of equal width between minimum and maximum; "not currently configurable" in Model Monitor's documentation."""
MOST_VALUES = 1000
"""Of a text column, by name: what deequ's histogram keeps."""
INTEGRAL = r"^[+-]?\d+$"


class Column(NamedTuple):
    """A column, read. ``kind``: Integral, Fractional, String or Unknown (nothing is there). ``numbers``: those that are some.
    ``texts``: the values that are there. ``integral``: how many of them are written as whole numbers."""

    kind: str
    numbers: np.ndarray
    texts: pl.Series
    records: int
    integral: int

    @property
    def numeric(self) -> bool:
        """Whether it is described by numbers."""
        return self.kind in ("Integral", "Fractional")


def columns(frame: pl.DataFrame) -> dict[str, Column]:
    """Every column, read. Raises BadInput for one that holds lists or structures."""
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    if nested:
        raise BadInput(f"Columns of lists or structures have no statistics: {', '.join(nested[:5])}. Leave them out.")
    return {name: read(frame[name]) for name in frame.columns}


def read(values: pl.Series) -> Column:
    """One column. Numbers and their texts are judged alike: 1 and "1" are Integral, 1.0 and "1.0" are Fractional."""
    texts = values.cast(pl.String).str.strip_chars()
    there = texts.filter(texts.is_not_null() & (texts != ""))
    candidates = there.filter(~there.str.to_lowercase().is_in(MISSING))
    numbers = candidates.cast(pl.Float64, strict=False)
    finite = numbers.filter(numbers.is_finite().fill_null(value=False))
    whole = int(candidates.str.contains(INTEGRAL).sum())
    if not len(there):
        return Column("Unknown", np.empty(0), there, len(values), 0)
    if len(candidates) and len(finite) == len(candidates):
        return Column(
            "Integral" if whole == len(candidates) else "Fractional",
            finite.to_numpy(),
            candidates,
            len(values),
            whole,
        )
    return Column("String", finite.to_numpy(), there, len(values), whole)


def statistics(read_columns: dict[str, Column]) -> dict[str, Any]:
    """statistics.json."""
    count = max((column.records for column in read_columns.values()), default=0)
    features = [_feature(name, column) for name, column in read_columns.items()]
    return {"version": 0.0, "dataset": {"item_count": count}, "features": features}


def levels(numbers: np.ndarray) -> list[list[float]]:
    """The numbers as a KLL sketch: lists of items, those of list i standing for 2^i numbers each."""
    sketch = kll_doubles_sketch(SKETCH_K)
    sketch.update(np.array(numbers, dtype=np.float64))
    found: list[list[float]] = []
    for item, weight in sketch:
        level = int(weight).bit_length() - 1
        found += [[] for _ in range(level + 1 - len(found))]
        found[level].append(float(item))
    return found


def _feature(name: str, column: Column) -> dict[str, Any]:
    present = len(column.texts)
    common = {"num_present": present, "num_missing": column.records - present}
    head: dict[str, Any] = {"name": name, "inferred_type": column.kind}
    if column.numeric:
        return head | {"numerical_statistics": {"common": common} | _numbers(column.numbers)}
    if column.kind == "Unknown":
        nothing = {"distinct_count": 0.0, "distribution": {"categorical": {"buckets": []}}}
        return head | {"string_statistics": {"common": common} | nothing}
    counted = column.texts.alias("value").value_counts().sort("count", "value", descending=[True, False])
    shown = [{"value": value, "count": int(count)} for value, count in counted.head(MOST_VALUES).iter_rows()]
    return head | {
        "string_statistics": {
            "common": common,
            "distinct_count": float(counted.height),
            "distribution": {"categorical": {"buckets": shown}},
        }
    }


def _numbers(numbers: np.ndarray) -> dict[str, Any]:
    low, high = float(numbers.min()), float(numbers.max())
    if low < high:
        counts, edges = np.histogram(numbers, BUCKETS, (low, high))
    else:
        counts, edges = np.array([0] * (BUCKETS - 1) + [len(numbers)]), np.full(BUCKETS + 1, low)
    buckets = [
        {"lower_bound": float(edges[place]), "upper_bound": float(edges[place + 1]), "count": float(counts[place])}
        for place in range(BUCKETS)
    ]
    sketch = {"parameters": {"c": SHRINKING, "k": float(SKETCH_K)}, "data": levels(numbers)}
    return {
        "mean": float(numbers.mean()),
        "sum": float(numbers.sum()),
        "std_dev": float(numbers.std()),
        "min": low,
        "max": high,
        "distribution": {"kll": {"buckets": buckets, "sketch": sketch}},
    }
