"""What a column of a file is, and what drift needs of it: type, values, what is missing, what is not of the type.

In: the column in the reference and in the current data (polars series of any type; a csv's are text). Out: a `Pair`
of `Column`s of one type: the reference decides it. Text counts as numbers when 95 % of it reads as numbers; what does
not read then is a type error, not a missing value. Text with more different values than can be compared by name is
described by its length and its shape (letters, digits, signs). Times and running numbers move by themselves: they are
named, and only what is missing or of another type is tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import polars as pl

from sagekeeper.analyzers.drift_cells import Array, Categories, Numbers, Sample
from sagekeeper.analyzers.drift_order import Order, worth_of_codes, worth_of_numbers
from sagekeeper.analyzers.drift_words import Words, words

ColumnType = Literal["numeric", "boolean", "categorical", "text", "identifier", "datetime", "empty"]

MOSTLY = 0.95
MANY_VALUES = 10_000
FEW_ROWS = 100
LOOKED_AT = 1000
TIME_TEXT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
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


@dataclass(frozen=True)
class _Figures:
    """A column of numbers: finite ones in the order of the rows, how many are missing, how many are no numbers."""

    values: pl.Series
    records: int
    missing: int
    wrong: int = 0


_Read = _Figures | Words | pl.Series
"""A column as it can be read: numbers, text, or (a series) times and truth values."""


def pair(feature: str, reference: pl.Series, current: pl.Series, order: Order = "auto") -> Pair:
    """Both sides read as the type that the reference has."""
    before, now = _read(reference), _read(current)
    kind = _type(before)
    if kind == "empty":
        left = now.null_count() if isinstance(now, pl.Series) else now.missing
        return Pair(feature, kind, Column(len(reference), len(reference)), Column(len(current), left))
    return Pair(feature, kind, _column(before, kind, order), _column(now, kind, order))


def _read(series: pl.Series) -> _Read:
    if series.dtype.is_nested() or series.dtype == pl.Object:
        series = pl.Series(series.name, [None if one is None else str(one) for one in series.to_list()], pl.String)
    if series.dtype == pl.Binary:
        series = series.cast(pl.String, strict=False)
    if series.dtype.is_numeric():
        return _figures(series.cast(pl.Float64), len(series), 0)
    if series.dtype == pl.String and _reads_as_numbers(series.drop_nulls().head(LOOKED_AT)):
        read = _from_text(series)
        if read is not None:
            return read
    return words(series) if series.dtype in (pl.String, pl.Categorical, pl.Enum) else series


def _reads_as_numbers(there: pl.Series) -> bool:
    numbers = there.str.strip_chars().cast(pl.Float64, strict=False)
    return len(there) > 0 and numbers.null_count() <= len(there) / 2


def _from_text(series: pl.Series) -> _Figures | None:
    """As numbers, if nearly all of it is; what is not is looked at as text."""
    numbers = series.cast(pl.Float64, strict=False)
    odd = words(series.filter(numbers.is_null() & series.is_not_null()))
    late = odd.numbers
    if late.null_count() < len(late):
        # Space around it: a number all the same.
        numbers = series.str.strip_chars().cast(pl.Float64, strict=False)
    wrong = int(odd.counts[late.is_null().to_numpy()].sum())
    there = len(series) - numbers.null_count()
    if there == 0 or wrong > (1 - MOSTLY) * (there + wrong):
        return None
    return _figures(numbers, len(series), wrong)


def _figures(numbers: pl.Series, records: int, wrong: int) -> _Figures:
    there = numbers.drop_nulls() if numbers.null_count() else numbers
    finite = there.is_finite()
    if not finite.all():
        there = there.filter(finite)
    return _Figures(there, records, records - wrong - len(there), wrong)


def _type(read: _Read) -> ColumnType:
    if isinstance(read, _Figures):
        return _of_numbers(read.values)
    if isinstance(read, Words):
        return _of_text(read)
    if read.null_count() == len(read):
        return "empty"
    return "boolean" if read.dtype == pl.Boolean else "datetime"


def _of_numbers(there: pl.Series) -> ColumnType:
    if there.is_empty():
        return "empty"
    low, high = float(there.min()), float(there.max())  # type: ignore[arg-type]
    # A running number: whole, all different and nearly gapless.
    gapless = len(there) >= FEW_ROWS and high - low + 1 <= 1.1 * len(there)
    if gapless and there.n_unique() == len(there) and bool((there.round() == there).all()):
        return "identifier"
    zero_or_one = low == 0.0 and high == 1.0 and bool(((there == 0.0) | (there == 1.0)).all())
    return "boolean" if zero_or_one else "numeric"


def _of_text(read: Words) -> ColumnType:
    distinct, there = len(read.names), len(read.codes)
    if not there:
        return "empty"
    if read.share(read.numbers.is_not_null()) >= MOSTLY:
        return "numeric"
    if read.share(read.names.str.contains(TIME_TEXT)) >= MOSTLY:
        return "datetime"
    if read.names.str.to_lowercase().is_in(["true", "false"]).all():
        return "boolean"
    return _of_words(read) if distinct > MANY_VALUES or (there >= FEW_ROWS and distinct > there / 2) else "categorical"


def _of_words(read: Words) -> ColumnType:
    """Text with more different values than can be compared by name: sentences, or names of single things."""
    spaced = read.names.head(LOOKED_AT).str.contains(r"\s").sum() / min(len(read.names), LOOKED_AT)
    return "identifier" if spaced <= 0.5 and len(read.names) >= 0.98 * len(read.codes) else "text"


def _column(read: _Read, kind: ColumnType, order: Order) -> Column:
    if kind == "numeric":
        return _numeric(read, order)
    if kind == "boolean":
        return _boolean(read, order)
    if kind == "datetime" or isinstance(read, pl.Series):
        return _times(read, kind)
    if isinstance(read, _Figures):
        # The reference holds words here, or running numbers.
        there = read.records - read.missing
        return Column(read.records, read.missing, 0 if kind == "identifier" else there)
    return _described(read) if kind in ("text", "identifier") else _named(read, order)


def _numeric(read: _Read, order: Order) -> Column:
    if isinstance(read, pl.Series):
        if read.dtype != pl.Boolean:
            return Column(len(read), read.null_count(), len(read) - read.null_count())
        read = _figures(read.cast(pl.Float64), len(read), 0)
    if isinstance(read, Words):
        numbers = read.numbers.to_numpy()[read.codes]
        kept = numbers[np.isfinite(numbers)]
        read = _Figures(pl.Series(kept), read.records, read.missing, len(numbers) - len(kept))
    if read.values.is_empty():
        return Column(read.records, read.missing, read.wrong)
    raw = read.values.to_numpy()
    worth, unmixed = worth_of_numbers(raw, order)
    ascending: Array = np.sort(raw)
    distinct = int(1 + np.count_nonzero(ascending[1:] != ascending[:-1]))
    sample = Numbers(ascending, worth=worth)
    return Column(read.records, read.missing, read.wrong, distinct, sample, unmixed=unmixed)


def _boolean(read: _Read, order: Order) -> Column:
    if isinstance(read, _Figures):
        numbered = words(read.values.cast(pl.String))
        read = Words(numbered.names, numbered.counts, numbered.codes, read.records)
    elif isinstance(read, pl.Series):
        read = words(read.cast(pl.String))
    # A third value is a category more, not another type, as long as it is a number.
    truth = read.names.str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.String)
    truth = truth.fill_null(read.numbers.cast(pl.String))
    known = read.renamed(truth)
    return replace(_named(known, order), missing=read.missing, wrong=len(read.codes) - len(known.codes))


def _times(read: _Read, kind: ColumnType) -> Column:
    if isinstance(read, pl.Series):
        wrong = 0 if kind == "datetime" and read.dtype.is_temporal() else len(read) - read.null_count()
        return Column(len(read), read.null_count(), wrong)
    if isinstance(read, _Figures):
        return Column(read.records, read.missing, read.records - read.missing)
    times = read.names.str.contains(TIME_TEXT).to_numpy()
    return Column(read.records, read.missing, int(read.counts[~times].sum()))


def _named(read: Words, order: Order) -> Column:
    if not len(read.codes):
        return Column(read.records, read.missing)
    worth, unmixed = worth_of_codes(read.codes, order)
    sample = Categories(dict(zip(read.names.to_list(), read.counts.tolist(), strict=True)), worth)
    return Column(read.records, read.missing, 0, len(read.names), sample, unmixed=unmixed)


def _described(read: Words) -> Column:
    if not len(read.codes):
        return Column(read.records, read.missing)
    shape = (
        read.names.str.slice(0, 60)
        .str.replace_all(r"\p{L}+", "a")
        .str.replace_all(r"[0-9]+", "9")
        .str.replace_all(r"(a ?|9 ?){3,}", "a ")
        .str.slice(0, SHAPE_LENGTH)
    )
    lengths: Array = np.sort(read.names.str.len_chars().cast(pl.Float64).to_numpy()[read.codes])
    shapes = read.renamed(shape).top(SHAPES, EVERY_OTHER)
    parts: dict[str, Sample] = {"length": Numbers(lengths), "shape": Categories(shapes)}
    return Column(read.records, read.missing, 0, len(read.names), None, parts)
