"""What a feature's values look like, in constant memory, so that days can be added up: counts, moments, sketch or
categories.

In: values of one feature as text, batch after batch, or a row written earlier. Out: a `feature_profiles` row's
columns. Numeric features keep a KLL quantile sketch (Karnin, Lang, Liberty 2016, as in Apache DataSketches); k = 1024
means a rank error of about 0.3 % at 99 % confidence, far below any drift worth telling. Text that is no number counts
as missing in a numeric feature. Categories are counted exactly up to `MOST_CATEGORIES`; what comes after is counted
together.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl
from datasketches import kll_doubles_sketch

FeatureType = Literal["numeric", "categorical"]
SKETCH_K = 1024
MOST_CATEGORIES = 1000
OTHERS = "(others)"
"""All values beyond the most frequent ones of a feature with very many."""


@dataclass
class Profile:
    """One feature, so far."""

    type: FeatureType
    records: int = 0
    missing: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared deviations from the mean
    minimum: float = math.inf
    maximum: float = -math.inf
    sketch: Any = field(default_factory=lambda: kll_doubles_sketch(SKETCH_K))
    categories: Counter[str] = field(default_factory=Counter)

    def add(self, values: pl.Series, absent: int = 0) -> None:
        """Count ``values`` (text; null is missing) and ``absent`` records that do not have the feature at all."""
        self.records += len(values) + absent
        if self.type == "categorical":
            present = values.drop_nulls()
            self.categories.update(dict(present.value_counts().iter_rows()))
            self._bound()
        else:
            present = values.str.strip_chars().cast(pl.Float64, strict=False).drop_nulls().drop_nans()
            present = present.filter(present.is_finite())
            self._add_numbers(present)
        self.missing += len(values) - len(present) + absent

    def _add_numbers(self, numbers: pl.Series) -> None:
        if numbers.is_empty():
            return
        count, before = len(numbers), self.records_present
        values = numbers.to_numpy(writable=True)  # the sketch takes no read-only array
        mean = float(values.mean())
        squares = float(((values - mean) ** 2).sum())
        step = mean - self.mean
        # Two samples into one: Chan, Golub, LeVeque 1979.
        self.squares += squares + step * step * before * count / (before + count)
        self.mean += step * count / (before + count)
        self.minimum, self.maximum = min(self.minimum, float(values.min())), max(self.maximum, float(values.max()))
        self.sketch.update(values)

    @property
    def records_present(self) -> int:
        """Values in the sketch."""
        return int(self.sketch.n)

    def _bound(self) -> None:
        if len(self.categories) > MOST_CATEGORIES:
            others = self.categories.pop(OTHERS, 0)
            # By count, then by name: the same values give the same profile in any order of ties.
            kept = sorted(self.categories.items(), key=lambda item: (-item[1], item[0]))[: MOST_CATEGORIES - 1]
            others += self.categories.total() - sum(count for _, count in kept)
            self.categories = Counter(dict(kept) | {OTHERS: others})

    def columns(self) -> dict[str, Any]:
        """As columns of `feature_profiles`."""
        numeric, present = self.type == "numeric", self.records_present
        known = numeric and present > 0
        return {
            "type": self.type,
            "records": self.records,
            "missing": self.missing,
            "mean": self.mean if known else None,
            "std": math.sqrt(self.squares / present) if known else None,
            "minimum": self.minimum if known else None,
            "maximum": self.maximum if known else None,
            "sketch": self.sketch.serialize() if known else None,
            "categories": None if numeric else json.dumps(dict(sorted(self.categories.items()))),
        }

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Profile:
        """The profile that a row of the lake holds, to go on with."""
        made = cls(row["type"], row["records"], row["missing"])
        if row["type"] == "categorical":
            made.categories = Counter(json.loads(row["categories"] or "{}"))
        elif row["sketch"] is not None:
            made.sketch = kll_doubles_sketch.deserialize(row["sketch"])
            made.mean, made.squares = row["mean"], row["std"] ** 2 * made.records_present
            made.minimum, made.maximum = row["minimum"], row["maximum"]
        return made


def type_of(values: pl.Series) -> FeatureType:
    """Numeric when every value there is a number."""
    present = values.drop_nulls()
    numbers = present.str.strip_chars().cast(pl.Float64, strict=False)
    return "numeric" if len(present) and numbers.null_count() == 0 else "categorical"
