"""Capture files as features: what is inside the requests that an endpoint recorded?

In: JSON lines files as data capture writes them (monitoring-facts 2.6). Out: per feature its values as text, in
batches, and how many lines and records could not be read. A request may hold many records: lines of CSV, or JSON as
one object or array, a list of them, or either below a key such as ``instances``; an array may sit below ``features``.
Content types that the endpoint's configuration does not list are captured in base64. Values without a name are called
by the baseline's features, in their order.

DuckDB reads the lines and takes JSON apart. Lines are read as text first: its own reader of JSON lines loses good
lines beside one that is an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import duckdb
import polars as pl

BATCH_LINES = 50_000
LONGEST_LINE = 32 << 20
"""A request is at most 25 MB (AWS's limit of InvokeEndpoint), a third more in base64."""
_LINES = f"""
WITH lines AS (
    SELECT CASE WHEN json_valid(line) THEN line END AS line
    FROM read_csv($files, columns={{'line': 'VARCHAR'}}, auto_detect=false, header=false, delim='\x01', quote='', escape='',
                  strict_mode=false, ignore_errors=true, nullstr='\x02',
                  max_line_size={LONGEST_LINE}, buffer_size={2 * LONGEST_LINE})
), taken AS (
    SELECT json_extract_string(line, [
        '$.captureData.endpointInput.data',
        '$.captureData.endpointInput.encoding',
        '$.captureData.endpointInput.observedContentType',
        '$.captureData.endpointOutput.encoding']) AS parts
    FROM lines
)
SELECT parts[1] AS payload, parts[2] AS encoding, parts[3] AS content,
       coalesce(parts[1], parts[4]) IS NULL AS poison
FROM taken
"""  # noqa: S608 (two numbers of ours)
_RECORDS = """
WITH whole AS (
    SELECT row_number() OVER () AS request, payload::JSON AS j FROM payloads
), found AS (
    SELECT request, j, coalesce(j->'$.instances', j->'$.inputs', j->'$.dataframe_records', j->'$.data', j->'$.rows') AS below
    FROM whole
), lists AS (
    SELECT request, CASE
        WHEN json_type(below) = 'ARRAY' THEN below
        WHEN json_type(j) = 'ARRAY' AND json_type(j->0) IN ('ARRAY', 'OBJECT') THEN j
        ELSE json_array(j) END AS l
    FROM found
), listed AS (
    SELECT request, CASE
        WHEN json_type(l) = 'ARRAY' AND json_type(l->0) NOT IN ('ARRAY', 'OBJECT') THEN json_array(l)
        ELSE l END AS l
    FROM lists
), records AS (
    SELECT row_number() OVER () AS record, coalesce(r->'$.features', r) AS r
    FROM (SELECT unnest(json_extract(l, '$[*]')) AS r FROM listed)
)
SELECT record, json_type(r) = 'ARRAY' AS by_position, e.key AS key, e.type AS type,
       CASE WHEN e.type = 'NULL' THEN NULL ELSE json_extract_string(e.value, '$') END AS value
FROM records, json_each(r) AS e
WHERE json_type(r) IN ('ARRAY', 'OBJECT')
"""


@dataclass(frozen=True)
class Batch:
    """Some records: values by feature, how many records there are, what could not be read."""

    values: dict[str, pl.Series]
    records: int
    poison_lines: int = 0
    odd_records: int = 0
    """Records with another number of values than the others, or than the baseline has features: not mixed in."""


def batches(files: Sequence[Path], names: Sequence[str]) -> Iterator[Batch]:
    """All records of ``files``. ``names``: the baseline's features in their order, empty when there is no baseline."""
    with duckdb.connect() as reader:
        lines_read = reader.sql(_LINES, params={"files": [str(file) for file in files]})
        for read in _together(lines_read.to_arrow_reader(BATCH_LINES)):
            lines = read.with_columns(_decoded())
            undecoded = lines["payload"].null_count() - read["payload"].null_count()
            poison = int(lines["poison"].sum()) + undecoded
            payloads = lines.filter(pl.col("payload").is_not_null())
            is_json = pl.col("content").str.contains("json") | (pl.col("encoding") == "JSON")
            asked = payloads.with_columns(is_json.fill_null(value=False).alias("is_json"))
            yield _of_csv(asked.filter(~pl.col("is_json"))["payload"], names, poison)
            yield _of_json(asked.filter(pl.col("is_json"))["payload"], names)


def _together(parts: Iterable[Any]) -> Iterator[pl.DataFrame]:
    """Parts put together up to `BATCH_LINES`: in a part of few lines the odd one would look like the usual one."""
    waiting: list[pl.DataFrame] = []
    for part in parts:
        waiting.append(cast(pl.DataFrame, pl.from_arrow(part)))
        if sum(frame.height for frame in waiting) >= BATCH_LINES:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)


def _decoded() -> pl.Expr:
    plain = pl.col("payload").str.decode("base64", strict=False).cast(pl.String, strict=False)
    return pl.when(pl.col("encoding") == "BASE64").then(plain).otherwise("payload").alias("payload")


def _of_csv(payloads: pl.Series, names: Sequence[str], poison: int) -> Batch:
    lines = payloads.str.split("\n").explode().str.strip_chars_end("\r").drop_nulls()
    lines = lines.filter(lines.str.strip_chars() != "")
    if lines.is_empty():
        return Batch({}, 0, poison)
    # A comma within quotes separates nothing.
    widths = lines.str.replace_all(r'"[^"]*"', "").str.count_matches(",", literal=True) + 1
    usual = int(widths.mode().sort()[0])
    width = next((size for size in (len(names), len(names) - 1) if size > 1 and (widths == size).any()), usual)
    fitting = lines.filter(widths == width)
    read = pl.read_csv(
        "\n".join(fitting.to_list()).encode(),
        has_header=False,
        infer_schema=False,
        new_columns=named(width, names),
        truncate_ragged_lines=True,
    )
    return Batch(
        dict(zip(read.columns, read.get_columns(), strict=True)), read.height, poison, len(lines) - len(fitting)
    )


def _of_json(payloads: pl.Series, names: Sequence[str]) -> Batch:
    if payloads.is_empty():
        return Batch({}, 0)
    with duckdb.connect() as reader:
        reader.register("texts", payloads.to_frame("payload").to_arrow())
        reader.execute("CREATE VIEW payloads AS SELECT payload FROM texts WHERE json_valid(payload)")
        valid = int(reader.sql("SELECT count(*) FROM payloads").fetchall()[0][0])
        long = cast(pl.DataFrame, pl.from_arrow(reader.sql(_RECORDS).to_arrow_table()))
    invalid = len(payloads) - valid
    if long.is_empty():
        return Batch({}, 0, invalid)
    positions = long.filter("by_position")
    odd = 0
    if positions.height:
        sizes = positions.group_by("record").len("size")
        width = int(sizes["size"].mode().sort()[0])
        fitting = sizes.filter(pl.col("size") == width)
        odd = sizes.height - fitting.height
        called = named(width, names)
        positions = positions.join(fitting.select("record"), on="record", how="semi").with_columns(
            pl.col("key").replace_strict([str(number) for number in range(width)], called, return_dtype=pl.String)
        )
    # A list or an object as a value is no feature that can be counted.
    plain = pl.concat([positions, long.filter(~pl.col("by_position"))]).filter(
        ~pl.col("type").is_in(["ARRAY", "OBJECT"])
    )
    records = long["record"].n_unique() - odd
    values = {str(key[0]): part["value"] for key, part in plain.group_by("key", maintain_order=True)}
    return Batch(values, records, invalid, odd)


def named(width: int, names: Sequence[str]) -> list[str]:
    """Names for ``width`` values without one: the baseline's, without its first where it also monitored the output."""
    if len(names) == width:
        return list(names)
    if len(names) == width + 1:
        # Model Monitor puts the endpoint's output before its input (monitoring-facts, complaint 1).
        return list(names[1:])
    return [f"_c{number}" for number in range(width)]
