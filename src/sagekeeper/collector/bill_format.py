"""What a bill's format has to say for itself, so that `ingest.py` can read it: its name, how it is recognised, how rows
are turned.

A format turns text rows into the lake's `costs` columns, keeping each amount as exact text: `AMOUNTS` names, per cost
column, the text columns whose sum it is. An empty first term means that the format does not state this cost for the
row: unknown, not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from sagekeeper.collector.bill_file import BillFile, Check
from sagekeeper.collector.exact import is_number

AMOUNTS: dict[str, tuple[str, ...]] = {
    "BilledCost": ("billed",),
    "EffectiveCost": ("effective", "effective_more"),
    "ListCost": ("list",),
    "ContractedCost": ("contracted",),
}
"""A cost column and the exact text columns that add up to it."""

CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
"""FOCUS 1.0, ChargeCategory."""

NO_OBJECT = "Tags of {n} rows are no JSON object and were left out."


@dataclass(frozen=True)
class TurnedRows:
    """Rows as `costs` columns plus exact amounts; ``counts`` says how many rows a remark (with ``{n}``) holds for."""

    frame: pl.DataFrame
    counts: dict[str, int] = field(default_factory=dict)


Turn = Callable[[BillFile, pl.DataFrame], TurnedRows]
"""Text rows of a file to costs rows. Raises BadInput naming row and column."""


@dataclass(frozen=True)
class BillFormat:
    """A kind of bill file."""

    name: str
    source: str  # x_Source of its rows
    title: str
    null_texts: tuple[str, ...]
    needed: tuple[str, ...]
    """Columns, as people know them, without which the format is not recognised."""
    missing: Callable[[Sequence[str]], list[str]]
    """Which of ``needed`` a header lacks."""
    wanted: Callable[[Sequence[str]], list[str]]
    """Which of a header's columns are read."""
    turner: Callable[[Sequence[BillFile]], Turn]
    """How rows are turned, once all files of the bill are there: what one row means may stand in another."""
    unread: Callable[[Sequence[str]], list[str]] = lambda _columns: []
    """Which of a header's columns are not kept, where people should be told."""

    @property
    def article(self) -> str:
        """What stands before the title in a sentence."""
        return "an" if self.title[0] in "AEIO" else "a"


def no_numbers(columns: Sequence[str]) -> list[Check]:
    """A text in one of ``columns`` that is no decimal number."""
    return [Check(~is_number(column), column, "which is no decimal number") for column in columns]


def no_times(parsed: dict[str, pl.Expr], needed: Sequence[str]) -> list[Check]:
    """A text that is no time, or is empty in a ``needed`` column."""
    return [
        Check(
            moment.is_null() & (pl.lit(column in needed) | pl.col(column).is_not_null()),
            column,
            "which is no time like 2024-09-01T00:00:00Z",
        )
        for column, moment in parsed.items()
    ]


def empty(columns: Sequence[str]) -> list[Check]:
    """A row without a value in one of ``columns``."""
    return [Check(pl.col(column).is_null(), column, "but every row must have it") for column in columns]


def no_object(rows: pl.DataFrame, column: str) -> pl.Expr:
    """Whether the text is something else than a JSON object. Tags repeat: each is parsed once."""
    told = rows[column].drop_nulls().unique()
    wrong = told.filter(~told.str.contains(r"^\s*\{") | told.str.json_path_match("$").is_null())
    return pl.col(column).is_in(wrong.implode()).fill_null(value=False)


def quantity(column: str) -> pl.Expr:
    """A quantity as a float: nobody reconciles quantities to the last digit."""
    return pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)
