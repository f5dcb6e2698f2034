"""Cost categories on the bill's lines: which value each line has by the rules of the organisation's categories.

In: the ledger and the categories in `explorer_state.Explorer`. Out: a `Reader` of filters that knows them. The first
rule that takes a line gives it its value, the default is for lines that no rule takes; a category's version holds from
its effective month until the next one's.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import polars as pl

from sagekeeper.simulator.cost_explorer_filter import Reader
from sagekeeper.simulator.cost_explorer_lines import Ledger, explorer_of
from sagekeeper.simulator.explorer_state import Category, CategoryVersion, Explorer
from sagekeeper.simulator.operations import Ask

REGULAR, INHERITED = "REGULAR", "INHERITED_VALUE"


def reader(ask: Ask, book: Ledger, *, resources: bool = False) -> Reader:
    """What reads a request's filter and group-bys."""
    explorer = explorer_of(ask)
    return Reader(book, explorer, partial(category_value, book, explorer), resources)


def category_value(book: Ledger, explorer: Explorer, name: str, within: tuple[str, ...] = ()) -> pl.Expr:
    """The value of a cost category: null for a line (or a month, or a name) that has none."""
    found = next((item for item in explorer.categories.values() if item.name == name), None)
    nothing = pl.lit(None, dtype=pl.String)
    # A category whose rules ask for itself, by whatever way, has no value there.
    if found is None or name in within:
        return nothing
    value = nothing
    for version in sorted(found.versions, key=lambda item: (item.effective, item.written)):
        value = (
            pl.when(pl.col("day") >= version.effective)
            .then(_ruled(book, explorer, version, (*within, name)))
            .otherwise(value)
        )
    return value


def _ruled(book: Ledger, explorer: Explorer, version: CategoryVersion, within: tuple[str, ...]) -> pl.Expr:
    read = Reader(book, explorer, lambda other: category_value(book, explorer, other, within), rules=True)
    value: pl.Expr = pl.lit(version.default, dtype=pl.String)
    for rule in reversed(version.rules):
        if rule.get("Type", REGULAR) == INHERITED:
            inherited = _inherited(book, explorer, rule["InheritedValue"])
            condition = read.condition(rule["Rule"]) if rule.get("Rule") else pl.lit(value=True)
            value = pl.when(condition & inherited.is_not_null()).then(inherited).otherwise(value)
        else:
            value = pl.when(read.condition(rule["Rule"])).then(pl.lit(rule["Value"])).otherwise(value)
    return value


def _inherited(book: Ledger, explorer: Explorer, told: dict[str, Any]) -> pl.Expr:
    if told.get("DimensionName") == "TAG":
        return book.tag(told.get("DimensionKey", ""), explorer)
    return pl.col("LINKED_ACCOUNT_NAME").cast(pl.String)


def current(category: Category, day: Any) -> CategoryVersion | None:
    """The version that holds on a day."""
    found = [item for item in category.versions if item.effective <= day]
    return max(found, key=lambda item: (item.effective, item.written)) if found else None


@lru_cache(maxsize=1)
def empty_ledger() -> Ledger:
    """A ledger without lines: a rule is checked against it before it is kept."""
    return Ledger(pl.DataFrame(), [], [])


def no_category(_: str) -> pl.Expr:
    """No value, whatever the category."""
    return pl.lit(None, dtype=pl.String)
