"""Exact sums of decimal numbers as text: what does a bill add up to, to its last digit?

In: a text column such as ``0.00000080000`` or ``4.0E-7`` and a column to group by. Out: a `Decimal` per group, equal
to Python's own sum of the texts. Vectorised: a text is a whole number times a power of ten; the whole numbers of one
power are summed as 128-bit integers, and only those few sums become Decimals. The rare longer number is added by itself.
"""

from __future__ import annotations

from decimal import Context, Decimal

import polars as pl

NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?$"
"""A decimal number as bills write it, in ASCII digits: ``\\d`` would take those of every script. Two
digits of exponent are more than money has."""

LONGEST = 110
"""Letters of one number: more than any bill needs, and few enough to be a float."""
_SUMMED_AT_ONCE = 30
"""Digits of a number that is summed as an integer: 10^30 x 10^8 rows still fits into 128 bits."""

_WIDE = Context(prec=450)


def is_number(column: str) -> pl.Expr:
    """Whether the text can be summed exactly. Null for a null."""
    text = _trimmed(column)
    return text.str.contains(NUMBER) & (text.str.len_bytes() <= LONGEST)


def exact_sums(frame: pl.DataFrame, by: str, column: str) -> dict[str, Decimal]:
    """Sum of ``column`` per value of ``by``; groups with nothing but nulls are absent. Every text must pass `is_number`.

    >>> exact_sums(pl.DataFrame({"k": ["a", "a"], "x": ["0.10", "2E-3"]}), "k", "x")
    {'a': Decimal('0.102')}
    """
    stated = _trimmed(column)
    # Decimal columns pad with zeros: 1.5 may be written in 40 digits.
    lengthy = stated.str.len_bytes() > _SUMMED_AT_ONCE
    padded = lengthy & stated.str.contains(r"^[^eE]*\.[^eE]*$")
    text, long = stated, lengthy
    if frame.select(lengthy.any()).item():
        text = pl.when(padded).then(stated.str.strip_chars_end("0")).otherwise(stated)
        long = _digits(text) > _SUMMED_AT_ONCE
    exponent = text.str.extract(r"[eE]([+-]?\d+)$").str.strip_prefix("+").cast(pl.Int32).fill_null(0)
    decimals = text.str.extract(r"\.(\d*)").str.len_bytes().cast(pl.Int32).fill_null(0)
    parts = (
        frame.lazy()
        .filter(pl.col(column).is_not_null() & ~long)
        .select(
            pl.col(by).alias("group"),
            (exponent - decimals).alias("power"),
            _whole(text).str.strip_prefix("+").cast(pl.Int128).alias("whole"),
        )
        .group_by("group", "power")
        .agg(pl.col("whole").sum())
        .sort("group", "power")
        .collect()
    )
    sums: dict[str, Decimal] = {}
    for group, power, whole in parts.iter_rows():
        sums[group] = added(sums.get(group, Decimal(0)), Decimal(whole).scaleb(power, _WIDE))
    for group, number in frame.lazy().filter(long).select(pl.col(by), text.alias("number")).collect().iter_rows():
        sums[group] = added(sums.get(group, Decimal(0)), Decimal(number))
    return sums


def added(one: Decimal, other: Decimal) -> Decimal:
    """Both together without rounding, whatever precision the caller's decimal context has."""
    return _WIDE.add(one, other)


def negated(text: pl.Expr) -> pl.Expr:
    """The number with the opposite sign, still as text.

    >>> pl.DataFrame({"x": ["1.5", "-2"]}).select(negated(pl.col("x")))["x"].to_list()
    ['-1.5', '2']
    """
    bare = text.str.strip_chars()
    return (
        pl.when(bare.str.starts_with("-"))
        .then(bare.str.strip_prefix("-"))
        .otherwise(pl.lit("-") + bare.str.strip_prefix("+"))
        .alias(text.meta.output_name())
    )


def _trimmed(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars()


def _digits(text: pl.Expr) -> pl.Expr:
    """How many there are, without leading zeros."""
    return _whole(text).str.strip_chars_start("+-0").str.len_bytes()


def _whole(text: pl.Expr) -> pl.Expr:
    return text.str.replace(r"[eE].*$", "").str.replace(".", "", literal=True)
