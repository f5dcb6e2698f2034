"""Records by position as a table: lines of values with commas between them, called by names that were told elsewhere.

In: [row, record, text], and the features' names in their order. Out: a `Part`. The width is that of the names, or of the
names without the first where the baseline also monitored the output, or else the most usual one. Other lines are left out
and say so: a value in the wrong column is worse than a record less.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

KEYS = {"row": pl.UInt32(), "record": pl.UInt32()}
REJECTED = {**KEYS, "why": pl.String()}
ODD_WIDTH = "record has another number of values than the others"
ODD_QUOTES = "record has a quote that does not close"


@dataclass(frozen=True)
class Part:
    """``keys``: [row, record] of each row of ``values``. ``rejected``: [row, record, why]."""

    keys: pl.DataFrame
    values: pl.DataFrame
    rejected: pl.DataFrame

    @staticmethod
    def empty() -> Part:
        """No records."""
        return Part(pl.DataFrame(schema=KEYS), pl.DataFrame(), pl.DataFrame(schema=REJECTED))


def table_of(lines: pl.DataFrame, names: Sequence[str]) -> Part:
    """Of ``lines`` [row, record, text], all of which hold something."""
    if lines.is_empty():
        return Part.empty()
    text = pl.col("text")
    sized = lines.with_columns(width=text.str.count_matches(",", literal=True) + 1)
    quotes = (
        text.str.count_matches('"', literal=True) if _any(lines, text.str.contains('"', literal=True)) else pl.lit(0)
    )
    sized = sized.with_columns(quoted=quotes > 0, open=quotes % 2 == 1)
    width = _width(sized["width"], names)
    if _any(sized, "quoted"):
        # A comma within quotes separates nothing. Lines of the usual width have none.
        bare = text.str.replace_all(r'"[^"]*"', "").str.count_matches(",", literal=True) + 1
        again = pl.col("quoted") & (pl.col("width") != width)
        sized = sized.with_columns(width=pl.when(again).then(bare).otherwise("width")) if _any(sized, again) else sized
        width = _width(sized["width"], names)
    fits = ~pl.col("open") & (pl.col("width") == width)
    fitting = sized.filter(fits)
    odd = sized.filter(~fits).select(
        "row",
        "record",
        why=pl.when("open").then(pl.lit(ODD_QUOTES)).otherwise(pl.lit(ODD_WIDTH)),
    )
    return Part(fitting.select(*KEYS), _read(fitting["text"], named(width, names)), odd)


def _any(lines: pl.DataFrame, condition: pl.Expr | str) -> bool:
    return bool(lines.select(pl.any(condition) if isinstance(condition, str) else condition.any()).item())


def named(width: int, names: Sequence[str]) -> list[str]:
    """Names for ``width`` values without one: the baseline's, without its first where it also monitored the output."""
    if len(set(names)) < len(names):
        return named(width, ())  # a name that stands for two columns names none
    if len(names) == width:
        return list(names)
    if len(names) == width + 1:
        # Model Monitor puts the endpoint's output before its input (monitoring-facts, complaint 1).
        return list(names[1:])
    return [f"_c{number}" for number in range(width)]


def _width(widths: pl.Series, names: Sequence[str]) -> int:
    told = [size for size in (len(names), len(names) - 1) if size > 1 and (widths == size).any()]
    return told[0] if told else int(widths.mode().sort()[0])


def _read(text: pl.Series, columns: list[str]) -> pl.DataFrame:
    if text.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String()))
    lines = io.BytesIO()
    text.to_frame().write_csv(lines, include_header=False, quote_style="never")
    read = pl.read_csv(
        lines.getvalue(),
        has_header=False,
        infer_schema=False,
        new_columns=columns,
        null_values=["null"],
        truncate_ragged_lines=True,
    )
    if read.height == len(text) and read.width == len(columns):
        return read
    # Quotes within a value, which a reader of CSV takes for its own: then a comma is a comma.
    split = text.str.split(",")
    return pl.DataFrame({name: split.list.get(number, null_on_oob=True) for number, name in enumerate(columns)})
