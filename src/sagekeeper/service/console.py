"""What a command says: tables and sentences for people, or one JSON document for programs.

With ``--json`` stdout carries the document and nothing else; whatever people would read goes to stderr. Names and
tags from AWS are untrusted text: they are never read as markup, and control characters (which could move a terminal's
cursor) are dropped.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sagekeeper.service.job import Progress as Told

JsonOption = Annotated[
    bool, typer.Option("--json", help="print one JSON document on stdout, everything else on stderr")
]


class Output:
    """Where a command's words go."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        stream = sys.stderr if as_json else sys.stdout
        # A pipe has no width: wide enough then that a table's rows stay rows.
        self.people = Console(file=stream, highlight=False, width=None if stream.isatty() else 180)

    def say(self, sentence: str, style: str = "") -> None:
        """A sentence for people."""
        self.people.print(Text(plain(sentence), style=style), soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table for people. Columns whose name ends in ``>`` are numbers: right-aligned, never folded."""
        table = Table(title=Text(title), title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            number = column.endswith(">")
            table.add_column(column.rstrip(">"), justify="right" if number else "left", no_wrap=number, overflow="fold")
        for row in rows:
            table.add_row(*(Text("" if cell is None else plain(str(cell))) for cell in row))
        self.people.print(table)

    def give(self, document: object) -> None:
        """The result for programs."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, default=as_jsonable, indent=2) + "\n")

    @contextmanager
    def progress(self, title: str) -> Iterator[Told]:
        """A bar on stderr while something long runs; yields the function to tell it."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
        )
        stderr = Console(stderr=True)
        bars_of = Progress(
            *columns, TimeElapsedColumn(), console=stderr, transient=True, disable=not stderr.is_terminal
        )
        with bars_of as bars:
            task = bars.add_task(title, total=1.0)

            def tell(what: str, done: float) -> None:
                bars.update(
                    task, description=f"{title}: {Text(plain(what)).plain}"[:70].replace("[", "("), completed=done
                )

            yield tell


def plain(text: str) -> str:
    """``text`` without characters that a terminal obeys.

    >>> plain("fraud\\x1b[2Jdetector")
    'fraud[2Jdetector'
    """
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


def as_jsonable(value: object) -> Any:
    """How the domain's values look in JSON: exact decimals and ISO times as strings."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def money(amount: Decimal | float | None, currency: str = "USD") -> str:
    """An amount for a table: two decimals, thousands apart; unknown is a word, not a zero.

    >>> money(Decimal("1234.5"))
    '1,234.50 USD'
    >>> money(None)
    'unknown'
    """
    return "unknown" if amount is None else f"{amount:,.2f} {currency}"
