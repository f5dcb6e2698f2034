"""A data export: what its query selects of one billing month, as the files that AWS puts into the bucket.

In: an export as ``bcm-data-exports:CreateExport`` takes it, the month's lines, whose bill, and the execution's id. Out:
object keys and bytes. A query is ``SELECT columns FROM table``, with dots into maps, AS, WHERE and LIMIT: the small part
of SQL that Data Exports takes. Folders as AWS's (delivery of Data Exports): ``data/BILLING_PERIOD=yyyy-mm/`` and
``metadata/BILLING_PERIOD=yyyy-mm/``, with CREATE_NEW_REPORT a folder for each execution below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from sagekeeper.simulator.bill_files import ROWS_A_FILE, SUFFIXES, chunks, csv, parquet
from sagekeeper.simulator.bill_grain import Books, following
from sagekeeper.simulator.cur_export import Delivered
from sagekeeper.simulator.export_tables import TABLES, Table

FORM = re.compile(
    r"^\s*select\s+(?P<columns>.+?)\s+from\s+(?P<table>[A-Za-z0-9_]+)"
    r"(?:\s+where\s+(?P<where>.+?))?(?:\s+limit\s+(?P<limit>\d+))?\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
ITEM = re.compile(r"^(?P<column>\w+)(?:\.(?P<key>[\w:/-]+))?(?:\s+as\s+(?P<alias>\w+))?$", re.IGNORECASE)
QUOTED = re.compile(r"'(?:[^']|'')*'")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)?")
SQL_WORDS = {"and", "or", "not", "in", "is", "null", "like", "between", "true", "false"}


class BadQuery(ValueError):
    """A query that Data Exports does not take. The message says which part of it."""


@dataclass(frozen=True)
class Selected:
    """One column of the result: a column of the table, or a key of one of its maps."""

    name: str
    column: str
    key: str | None


@dataclass(frozen=True)
class Query:
    """A query as read."""

    table: Table
    settings: Mapping[str, str]
    columns: tuple[Selected, ...]
    where: str | None
    limit: int | None

    def types(self) -> dict[str, str]:
        """The result's columns and their types."""
        schema = self.table.schema(self.settings)
        return {
            item.name: schema[item.column] if item.key is None else schema[item.column].split(",")[1].rstrip(">")
            for item in self.columns
        }

    def rows(self, lines: pl.DataFrame, books: Books) -> pl.DataFrame:
        """The result, maps as JSON text."""
        frame = self.table.query(lines, books, self.settings)
        if self.where:
            frame = frame.filter(_condition(self.where, self.table.schema(self.settings)))
        frame = frame.select(_value(item, self.types()[item.name]).alias(item.name) for item in self.columns)
        return frame if self.limit is None else frame.head(self.limit)


def read_query(query: Mapping[str, Any]) -> Query:
    """A ``DataQuery``, read and checked against the table it names. Raises BadQuery."""
    form = FORM.match(query["QueryStatement"])
    if form is None:
        raise BadQuery("The query statement is not of the form SELECT columns FROM table.")
    table = TABLES.get(form["table"].upper())
    if table is None:
        raise BadQuery(f"The table {form['table']} does not exist.")
    given = _settings(table, query.get("TableConfigurations") or {})
    schema = table.schema(given)
    columns = tuple(_selected(text.strip(), schema) for text in form["columns"].split(","))
    names = [item.name for item in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadQuery(f"The query statement selects the column {', '.join(twice)} more than once.")
    if form["where"]:
        _condition(form["where"], schema)
    return Query(table, given, columns, form["where"], int(form["limit"]) if form["limit"] else None)


def export_files(
    export: Mapping[str, Any],
    lines: pl.DataFrame,
    books: Books,
    period: date,
    execution: str,
    at: datetime,
    rows: int = ROWS_A_FILE,
) -> list[Delivered]:
    """The data files of one month and the manifest after them, which AWS writes last."""
    query, output = read_query(export["DataQuery"]), _output(export)
    types, frame = query.types(), query.rows(lines, books)
    name = export["Name"]
    data, metadata = folders(export, period, execution, at)
    files = []
    for number, part in enumerate(chunks(frame, rows), 1):
        stem = f"{name}-{number:05d}"
        maps = {column: kind for column, kind in types.items() if kind.startswith("map")}
        if output["Format"] == "PARQUET":
            files.append(Delivered(f"{data}/{stem}.snappy.parquet", parquet(part, maps)))
        else:
            kind = output["Compression"]
            files.append(Delivered(f"{data}/{stem}{SUFFIXES[kind]}", csv(part, f"{stem}.csv", kind)))
    manifest = _manifest(export, types, books, period, execution, [file.key for file in files])
    return [*files, Delivered(f"{metadata}/{name}-Manifest.json", manifest)]


def folders(export: Mapping[str, Any], period: date, execution: str, at: datetime) -> tuple[str, str]:
    """Where the data and the manifest of one month go."""
    prefix = export["DestinationConfigurations"]["S3Destination"]["S3Prefix"].strip("/")
    base = "/".join(part for part in (prefix, export["Name"]) if part)
    run = "" if _output(export)["Overwrite"] == "OVERWRITE_REPORT" else f"/{at:%Y-%m-%dT%H:%M:%S}.000Z-{execution}"
    return f"{base}/data/BILLING_PERIOD={period:%Y-%m}{run}", f"{base}/metadata/BILLING_PERIOD={period:%Y-%m}{run}"


def _settings(table: Table, configured: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    others = sorted(name for name in configured if name.upper() != table.name)
    if others:
        raise BadQuery(f"The table configuration of {', '.join(others)} does not belong to the query's table.")
    given = {key: value for told in configured.values() for key, value in told.items() if key != "BILLING_VIEW_ARN"}
    known = {setting.name: setting.values for setting in table.settings}
    for name, value in given.items():
        if name not in known:
            raise BadQuery(f"The table {table.name} has no property {name}.")
        if value not in known[name]:
            raise BadQuery(f"The property {name} may be {', '.join(known[name])}, not {value}.")
    return given


def _selected(text: str, schema: Mapping[str, str]) -> Selected:
    item = ITEM.match(text)
    if item is None:
        raise BadQuery(f"The query statement cannot select {text}: name each column of the table.")
    column, key = item["column"], item["key"]
    if column not in schema:
        raise BadQuery(f"The column {column} does not exist in the table.")
    if key is not None and not schema[column].startswith("map"):
        raise BadQuery(f"The column {column} has no keys.")
    return Selected(item["alias"] or (column if key is None else f"{column}_{key}"), column, key)


def _value(item: Selected, kind: str) -> pl.Expr:
    if item.key is None:
        return pl.col(item.column)
    found = pl.col(item.column).str.json_path_match(f"$['{item.key}']")
    return found.cast(pl.Float64) if kind == "double" else found


def _condition(text: str, schema: Mapping[str, str]) -> pl.Expr:
    """WHERE, by polars' own SQL, once every name in it is known to be a column."""
    for name in WORD.findall(QUOTED.sub("''", text)):
        if name.split(".")[0] not in schema and name.lower() not in SQL_WORDS:
            raise BadQuery(f"The column {name} does not exist in the table.")
    pieces = re.split(r"('(?:[^']|'')*')", text)
    # A key of a map is text in our frames: read it out before polars sees the dot.
    keyed = re.compile(r"\b(\w+)\.(\w+)\b")
    if any(keyed.search(piece) for piece in pieces[::2]):
        raise BadQuery("A condition on a key of a map is not taken: select the key and filter what is delivered.")
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as wrong:
        raise BadQuery(f"The condition {text} cannot be read.") from wrong


def _output(export: Mapping[str, Any]) -> Mapping[str, str]:
    output: Mapping[str, str] = export["DestinationConfigurations"]["S3Destination"]["S3OutputConfigurations"]
    return output


def _manifest(
    export: Mapping[str, Any],
    types: dict[str, str],
    books: Books,
    period: date,
    execution: str,
    keys: list[str],
) -> bytes:
    destination = export["DestinationConfigurations"]["S3Destination"]
    told = {
        "account": books.account,
        "exportArn": export["ExportArn"],
        "exportName": export["Name"],
        "executionId": execution,
        "billingPeriod": {"start": period.isoformat(), "end": following(period).isoformat()},
        "bucket": destination["S3Bucket"],
        "compression": _output(export)["Compression"],
        "contentType": "Parquet" if _output(export)["Format"] == "PARQUET" else "text/csv",
        "charset": "UTF-8",
        "dataQuery": export["DataQuery"],
        "columns": [{"name": name, "type": kind} for name, kind in types.items()],
        "dataFiles": [f"s3://{destination['S3Bucket']}/{key}" for key in keys],
        "additionalOutputFiles": [],
    }
    return json.dumps(told, indent=2).encode()
