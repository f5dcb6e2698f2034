"""What a column of a file is, and what drift needs of it: type, values, what is missing, what is not of the type.

In: the column in the reference and in the current data (polars series of any type; a csv's are text). Out: a `Pair`
of `Column`s of one type: the reference decides it. Text counts as numbers when 95 % of it reads as numbers; what does
not read then is a type error, not a missing value. Text with more different values than can be compared by name is
described by its length and its shape (letters, digits, signs). Times and running numbers move by themselves: they are
named, and only what is missing or of another type is tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl

from sagekeeper.analyzers.drift_cells import Array, Categories, Numbers, Sample
from sagekeeper.analyzers.drift_order import Order, worth_of_codes, worth_of_numbers

ColumnType = Literal["numeric", "boolean", "categorical", "text", "identifier", "datetime", "empty"]

MOSTLY = 0.95
MANY_VALUES = 10_000
FEW_ROWS = 100
TIME_TEXT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
NOT_THERE = ("", "na", "n/a", "nan", "null", "none")
TRUTH = {"true": "true", "1": "true", "1.0": "true", "false": "false", "0": "false", "0.0": "false"}
SHAPE_LENGTH = 12
SHAPES = 200
EVERY_OTHER = "\0every other"


@dataclass(frozen=True)
class Column:
    """One side. ``sample`` is None where the type is not tested by its values."""

    records: int
    missing: int
    wrong: int = 0
    """Values that are not of the type."""
    distinct: int | None = None
    sample: Sample | None = None
    parts: dict[str, Sample] = field(default_factory=dict)
    """What stands for the values of text: length, shape."""
    unmixed: bool = False
    """The order of the rows goes with the values over the whole file: sorted, or trending."""

    @property
    def present(self) -> int:
        """Values that are there and of the type."""
        return self.records - self.missing - self.wrong


@dataclass(frozen=True)
class Pair:
    """A feature in both data sets."""

    feature: str
    type: ColumnType
    reference: Column
    current: Column


def pair(feature: str, reference: pl.Series, current: pl.Series, order: Order = "auto") -> Pair:
    """Both sides read as the type that the reference has."""
    before, now = _plain(reference), _plain(current)
    kind = _type(before)
    if kind == "empty":
        return Pair(feature, kind, Column(len(before), len(before)), Column(len(now), now.null_count()))
    return Pair(feature, kind, _column(before, kind, order), _column(now, kind, order))


def _plain(series: pl.Series) -> pl.Series:
    """Text, numbers, booleans or times; text that says there is no value is null."""
    if series.dtype.is_nested() or series.dtype == pl.Object:
        series = pl.Series(series.name, [None if one is None else str(one) for one in series.to_list()], pl.String)
    if series.dtype in (pl.Categorical, pl.Enum, pl.Binary):
        series = series.cast(pl.String, strict=False)
    if series.dtype == pl.Decimal:
        return series.cast(pl.Float64)
    if series.dtype == pl.String:
        # Only short texts can say so: the rest need not be looked at.
        said = pl.Series(NOT_THERE, dtype=pl.String)
        trimmed = series.str.strip_chars()
        return trimmed.set(trimmed.str.to_lowercase().is_in(said.implode()), None)
    return series


def _type(values: pl.Series) -> ColumnType:
    there = values.drop_nulls()
    if there.is_empty():
        return "empty"
    if values.dtype.is_numeric() or (values.dtype == pl.String and _reads_as_numbers(there)):
        return _of_numbers(there.cast(pl.Float64, strict=False))
    if values.dtype.is_temporal() or (values.dtype == pl.String and _share(there.str.contains(TIME_TEXT)) >= MOSTLY):
        return "datetime"
    if values.dtype == pl.Boolean or there.str.to_lowercase().is_in(["true", "false"]).all():
        return "boolean"
    return _of_text(there)


def _reads_as_numbers(there: pl.Series) -> bool:
    return there.cast(pl.Float64, strict=False).null_count() <= (1 - MOSTLY) * len(there)


def _share(true: pl.Series) -> float:
    return float(true.sum()) / len(true)


def _of_numbers(numbers: pl.Series) -> ColumnType:
    there = numbers.filter(numbers.is_finite())
    if there.is_empty():
        return "empty"
    low, high = float(there.min()), float(there.max())  # type: ignore[arg-type]
    # A running number: whole, all different and nearly gapless.
    gapless = len(there) >= FEW_ROWS and high - low + 1 <= 1.1 * len(there)
    if gapless and there.n_unique() == len(there) and bool((there.round() == there).all()):
        return "identifier"
    zero_or_one = low == 0.0 and high == 1.0 and bool(((there == 0.0) | (there == 1.0)).all())
    return "boolean" if zero_or_one else "numeric"


def _of_text(there: pl.Series) -> ColumnType:
    distinct = there.n_unique()
    if distinct <= MANY_VALUES and (len(there) < FEW_ROWS or distinct <= len(there) / 2):
        return "categorical"
    words = _share(there.head(1000).str.contains(r"\s")) > 0.5
    return "identifier" if not words and distinct >= 0.98 * len(there) else "text"


def _column(values: pl.Series, kind: ColumnType, order: Order) -> Column:
    if kind == "numeric":
        return _numeric(values, order)
    if kind == "boolean":
        return _boolean(values, order)
    if kind == "datetime":
        return _times(values)
    if kind == "identifier" and values.dtype != pl.String:
        return Column(len(values), values.null_count())
    there = values.drop_nulls()
    if values.dtype != pl.String or (len(there) >= FEW_ROWS and _reads_as_numbers(there)):
        # The reference holds words here.
        return Column(len(values), values.null_count(), len(there))
    return _described(values, there) if kind in ("text", "identifier") else _named(values, there, order)


def _numeric(values: pl.Series, order: Order) -> Column:
    missing, wrong = values.null_count(), 0
    if values.dtype.is_temporal():
        return Column(len(values), missing, len(values) - missing)
    numbers = values.cast(pl.Float64, strict=False)
    wrong = numbers.null_count() - missing
    there = numbers.drop_nulls() if numbers.null_count() else numbers
    finite = there.is_finite()
    if not finite.all():
        there = there.filter(finite)
    missing = len(values) - wrong - len(there)
    if there.is_empty():
        return Column(len(values), missing, wrong)
    raw = there.to_numpy()
    worth, unmixed = worth_of_numbers(raw, order)
    ascending: Array = np.sort(raw)
    distinct = int(1 + np.count_nonzero(ascending[1:] != ascending[:-1]))
    return Column(len(values), missing, wrong, distinct, Numbers(ascending, worth=worth), unmixed=unmixed)


def _boolean(values: pl.Series, order: Order) -> Column:
    text = values if values.dtype == pl.String else values.cast(pl.String)
    truth = text.str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.String)
    # A third value is a category more, not another type, as long as it is a number.
    other = text.filter(truth.is_null() & text.is_not_null())
    wrong = other.cast(pl.Float64, strict=False).null_count()
    known = truth.fill_null(text.cast(pl.Float64, strict=False).cast(pl.String)) if len(other) else truth
    named = _named(known, known.drop_nulls(), order)
    return Column(len(values), values.null_count(), wrong, named.distinct, named.sample, unmixed=named.unmixed)


def _times(values: pl.Series) -> Column:
    missing = values.null_count()
    if values.dtype.is_temporal():
        return Column(len(values), missing)
    if values.dtype != pl.String:
        return Column(len(values), missing, len(values) - missing)
    return Column(len(values), missing, int((~values.drop_nulls().str.contains(TIME_TEXT)).sum()))


def _named(values: pl.Series, there: pl.Series, order: Order) -> Column:
    if there.is_empty():
        return Column(len(values), values.null_count())
    codes = there.cast(pl.Categorical).to_physical().to_numpy()
    worth, unmixed = worth_of_codes(codes, order)
    counts = _counts(there, MANY_VALUES)
    sample = Categories(counts, worth)
    return Column(len(values), values.null_count(), 0, len(counts), sample, unmixed=unmixed)


def _counts(there: pl.Series, most: int) -> dict[str, int]:
    """Records by value, the rarest put together under a name that no value has."""
    counted = there.value_counts(name="n").sort("n", descending=True)
    kept = counted.head(most)
    counts = dict(zip(kept.to_series(0).to_list(), kept["n"].to_list(), strict=True))
    rest = len(there) - sum(counts.values())
    return counts | ({EVERY_OTHER: rest} if rest else {})


def _described(values: pl.Series, there: pl.Series) -> Column:
    if there.is_empty():
        return Column(len(values), values.null_count())
    shape = (
        there.str.slice(0, 60)
        .str.replace_all(r"\p{L}+", "a")
        .str.replace_all(r"[0-9]+", "9")
        .str.replace_all(r"(a ?|9 ?){3,}", "a ")
        .str.slice(0, SHAPE_LENGTH)
    )
    lengths: Array = np.sort(there.str.len_chars().cast(pl.Float64).to_numpy())
    parts: dict[str, Sample] = {"length": Numbers(lengths), "shape": Categories(_counts(shape, SHAPES))}
    return Column(len(values), values.null_count(), 0, there.n_unique(), None, parts)
