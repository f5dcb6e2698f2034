"""Capture files as lines: which request is it, what was asked, what was answered, and which lines are no capture?

In: the contents of JSON Lines files as data capture writes them (monitoring-facts 2.6), in memory: what they hold may be
personal, and nothing is written before the door (`capture_door.py`) has seen it. Out: a frame with a row per line, in the
schema `LINES`. Keys come in any order. A line that is no capture keeps its place and says why.

DuckDB takes every line apart once, for all fields; a line that is no JSON is null by itself and spoils no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import duckdb
import polars as pl

FIELDS = {
    "event": "$.eventMetadata.eventId",
    "inference": "$.eventMetadata.inferenceId",
    "inferred_at": "$.eventMetadata.inferenceTime",
    "target_model": "$.eventMetadata.targetModel",
    "attributes": "$.eventMetadata.customAttributes",
    "input": "$.captureData.endpointInput.data",
    "input_encoding": "$.captureData.endpointInput.encoding",
    "input_content": "$.captureData.endpointInput.observedContentType",
    "output": "$.captureData.endpointOutput.data",
    "output_encoding": "$.captureData.endpointOutput.encoding",
    "output_content": "$.captureData.endpointOutput.observedContentType",
}
LINES: dict[str, Any] = {
    "file": pl.String(),
    "line": pl.UInt32(),  # of the file, from 1
    **dict.fromkeys(FIELDS, pl.String()),
    "why": pl.String(),  # null: a capture
}
NOT_JSON, CUT_OFF, NO_CAPTURE = "line is not JSON", "file ends within the line", "line is no capture record"
_TAKEN = """
SELECT file, line, last, parts IS NULL AS broken, {fields}
FROM (SELECT file, line, last, TRY(json_extract_string(text, [{paths}])) AS parts FROM lines)
""".format(  # noqa: S608 (names and paths of ours)
    fields=", ".join(f"parts[{number}] AS {name}" for number, name in enumerate(FIELDS, start=1)),
    paths=", ".join(f"'{path}'" for path in FIELDS.values()),
)


def read_lines(files: Sequence[tuple[str, bytes]]) -> pl.DataFrame:
    """Of ``files`` (name, contents), in their order. Empty lines are none."""
    # Numbers instead of names until the end: a file's name is as long as what is asked of it.
    texts = pl.DataFrame(
        {"text": [content.decode("utf-8-sig", "replace") for _, content in files]}, schema={"text": pl.String}
    )
    split = (
        texts.with_row_index("file")
        .with_columns(ended=pl.col("text").str.ends_with("\n"), text=pl.col("text").str.split("\n"))
        .with_columns(
            line=pl.int_ranges(1, pl.col("text").list.len() + 1, dtype=pl.UInt32), count=pl.col("text").list.len()
        )
        .explode("text", "line")
        .select("file", "line", "text", last=~pl.col("ended") & (pl.col("line") == pl.col("count")))
        .filter(pl.col("text").str.contains(r"\S"))
    )
    if split.is_empty():
        return pl.DataFrame(schema=LINES)
    with duckdb.connect() as reader:
        reader.register("lines", split.to_arrow())
        read = cast(pl.DataFrame, pl.from_arrow(reader.sql(_TAKEN).to_arrow_table()))
    names = pl.Series([name for name, _ in files], dtype=pl.String)
    read = read.with_columns(file=names[read["file"]])
    why = (
        pl.when(pl.col("broken") & pl.col("last"))
        .then(pl.lit(CUT_OFF))
        .when("broken")
        .then(pl.lit(NOT_JSON))
        .when(pl.coalesce("input", "output").is_null())
        .then(pl.lit(NO_CAPTURE))
    )
    return read.with_columns(why=why).select(pl.col(name).cast(kind) for name, kind in LINES.items())


LONGEST_LINE = 32 << 20
"""A request is at most 25 MB (AWS's limit of InvokeEndpoint), a third more in base64."""
