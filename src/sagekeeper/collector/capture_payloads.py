"""Captured lines as records: what is inside the requests that an endpoint recorded, or inside its answers?

In: lines (`capture_lines.py`), the side, and names for values that have none. Out: `Records`: a frame of values as text, a
column per feature, beside a frame that says where each record was; and what could not be read, where and why. A request may
hold many records: lines of CSV, or JSON (`capture_json.py`). Values without a name are called by the baseline's features,
in their order. A record with another number of values than the others is not mixed in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from sagekeeper.collector.capture_decoding import decoded
from sagekeeper.collector.capture_json import json_records
from sagekeeper.collector.capture_tables import KEYS, Part, table_of

Side = Literal["input", "output"]
CARRIED = ("event", "inference", "inferred_at", "target_model", "attributes")


@dataclass(frozen=True)
class Records:
    """``keys``: [file, line, record, event, inference, inferred_at, target_model, attributes], as many rows as ``values``, whose
    columns are the features: text, null where it is missing, or a list of numbers. ``rejected``: [file, line, record, why],
    ``record`` null where the whole line cannot be read. Records are counted from 0 within their request."""

    keys: pl.DataFrame
    values: pl.DataFrame
    rejected: pl.DataFrame

    @property
    def odd(self) -> int:
        """Records that were left out although their line could be read."""
        return len(self.rejected) - self.poison

    @property
    def poison(self) -> int:
        """Lines that could not be read at all."""
        return self.rejected["record"].null_count()


def records(lines: pl.DataFrame, side: Side, names: Sequence[str]) -> Records:
    """All records of one side. ``names``: the features in their order, empty when nobody has told them."""
    numbered = lines.with_row_index("row")
    asked = numbered.filter(pl.col("why").is_null() & pl.col(side).is_not_null()).select(
        "row", data=side, encoding=f"{side}_encoding", content=f"{side}_content"
    )
    plain = decoded(asked)
    unread = plain.filter(pl.col("why").is_not_null()).select("row", record=pl.lit(None, pl.UInt32), why="why")
    broken = numbered.filter(pl.col("why").is_not_null()).select("row", record=pl.lit(None, pl.UInt32), why="why")
    readable = plain.filter(pl.col("why").is_null()).select("row", "text", "form")
    parts = [
        _of_csv(readable.filter(pl.col("form") == "csv"), names),
        *json_records(readable.filter(pl.col("form") == "json"), names),
    ]
    kept = [part for part in parts if part.keys.height]
    keys = pl.concat([part.keys for part in kept]) if kept else pl.DataFrame(schema=KEYS)
    values = _together([part.values for part in kept])
    rejected = pl.concat([broken, unread, *(part.rejected for part in parts)]).sort("row", "record")
    return Records(
        _at(lines, keys, "record", *CARRIED), values, _at(lines, rejected, "record", "why").cast({"record": pl.UInt32})
    )


def _at(lines: pl.DataFrame, rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """``rows``, with what their line says: [file, line, *columns]."""
    line = lines.select("file", "line", *CARRIED)[rows["row"]]
    return pl.concat([line, rows.drop("row")], how="horizontal").select("file", "line", *columns)


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows; a feature that is text in some parts is text, and a list is none."""
    if not parts:
        return pl.DataFrame()
    texts = {name for part in parts for name, kind in part.schema.items() if kind == pl.String}
    lists = [[name for name, kind in part.schema.items() if kind != pl.String and name in texts] for part in parts]
    same = [
        part.with_columns(pl.lit(None, pl.String).alias(name) for name in names)
        for part, names in zip(parts, lists, strict=True)
    ]
    return pl.concat(same, how="diagonal")


def _of_csv(payloads: pl.DataFrame, names: Sequence[str]) -> Part:
    if payloads.is_empty():
        return Part.empty()
    text = pl.col("text").str.strip_chars("\r\n")
    many = text.str.contains("\n", literal=True)
    lines = payloads.select("row", text=text, record=pl.lit(0, pl.UInt32))
    if payloads.select(many.any()).item():
        # A line end within quotes ends no record.
        whole = pl.when(many & text.str.contains('"', literal=True)).then(text.map_elements(_one_line, pl.String))
        split = payloads.select("row", text=whole.otherwise(text).str.split("\n"))
        lines = (
            split.with_columns(record=pl.int_ranges(0, pl.col("text").list.len(), dtype=pl.UInt32))
            .explode("text", "record")
            .with_columns(pl.col("text").str.strip_chars_end("\r"))
        )
        lines = lines.filter((pl.col("text").str.strip_chars() != "") | (pl.col("record") == 0))
    empty = lines.filter(pl.col("text").str.strip_chars() == "")
    part = table_of(lines.join(empty, on=["row", "record"], how="anti") if empty.height else lines, names)
    nothing = empty.select("row", record=pl.lit(None, pl.UInt32), why=pl.lit("payload is empty"))
    return Part(part.keys, part.values, pl.concat([part.rejected, nothing]))


def _one_line(text: str) -> str:
    return re.sub(r'"[^"]*"', lambda quoted: quoted[0].replace("\r", "").replace("\n", " "), text)
