"""Predictions with what turned out to be true, from files: captures, ground truth, merged records, batch output, tables.

In: JSON Lines in the formats of Model Monitor (monitoring-facts 2.6, 2.7), or parquet or csv. Out: a row per record of a request:
[identity, record, prediction, score, label, ...]. A label belongs to the prediction with the same identity, which is inferenceId
if there is one and eventId otherwise, and the same place in its request; of two labels the later line counts. A prediction whose
label has not come keeps a null.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import NamedTuple, cast

import duckdb
import polars as pl

from sagekeeper.collector.capture_decoding import decoded
from sagekeeper.core.errors import BadInput

LINES, TABLES = (".jsonl", ".ndjson", ".json"), (".csv", ".parquet")
KEY = ["identity", "record"]
_PREDICTED = ("captureData.endpointOutput", "captureData.batchTransformOutput")
_RECORDS = """
WITH whole AS (
    SELECT line, payload::JSON AS j FROM given
), lists AS (
    SELECT line, coalesce(j->'$.SageMakerOutput.predictions', j->'$.SageMakerOutput', j->'$.predictions',
                          j->'$.outputs', j->'$.instances', j) AS l
    FROM whole
), arrays AS (
    SELECT line, json_extract(CASE WHEN json_type(l) = 'ARRAY' THEN l ELSE json_array(l) END, '$[*]') AS l FROM lists
), records AS (
    SELECT line, unnest(l) AS r, generate_subscripts(l, 1) - 1 AS record FROM arrays
)
SELECT line, record,
       CASE WHEN json_type(r) = 'OBJECT' THEN coalesce(r->>'$.predicted_label', r->>'$.label', r->>'$.prediction', r->>'$.value')
            WHEN json_type(r) = 'ARRAY' THEN r->>'$[0]' ELSE r->>'$' END AS value,
       CASE WHEN json_type(r) = 'OBJECT' THEN coalesce(r->>'$.score', r->>'$.probability') END AS score
FROM records
"""


class Read(NamedTuple):
    """``rows``: [identity, record, prediction, score, label]; ``poison``: lines without a record that can be read."""

    rows: pl.DataFrame
    poison: int


def labelled(predictions: Path, labels: Path | None, names: dict[str, str]) -> Read:
    """Join the two files; ``labels`` None: the first holds both. ``names``: identity, prediction, score, label of tables.

    Raises BadInput where a file or a column is not there.
    """
    told, poison = _read(predictions, names)
    if told.is_empty():
        raise BadInput(f"{predictions} holds no predictions.")
    if "prediction" not in told.columns and "score" not in told.columns:
        raise BadInput(f"{predictions} has no column {names['prediction']}: name the predictions' with --prediction.")
    if labels is None:
        if "label" not in told.columns:
            raise BadInput(
                f"{predictions} holds no labels: name their column with --label, or their file with --labels."
            )
        return Read(told, poison)
    true, more = _read(labels, names)
    if "label" not in true.columns or "identity" not in true.columns or "identity" not in told.columns:
        raise BadInput(
            f"Labels are joined by {names['identity']}: it must be in {predictions} and in {labels}, "
            f"and {names['label']} in the latter."
        )
    last = true.select(*KEY, "label").drop_nulls("label").unique(KEY, keep="last", maintain_order=True)
    kept = told.drop("label") if "label" in told.columns else told
    return Read(kept.join(last, on=KEY, how="left", maintain_order="left"), poison + more)


def answers(predictions: Path, names: dict[str, str]) -> Read:
    """As `labelled`, of one file, whether it holds labels or not."""
    return Read(*_read(predictions, names))


def _read(path: Path, names: dict[str, str]) -> tuple[pl.DataFrame, int]:
    if not path.is_file():
        raise BadInput(f"{path} is not there.")
    try:
        if path.suffix in LINES:
            text = path.read_text(encoding="utf-8")
            return _of_lines(pl.Series("line", _lines(text), dtype=pl.String))
        if path.suffix in TABLES:
            return _of_table(table(path), names), 0
    except (pl.exceptions.PolarsError, UnicodeDecodeError, duckdb.Error) as error:
        raise BadInput(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    raise BadInput(f"{path}: only {', '.join((*LINES, *TABLES))} can be read.")


def _lines(text: str) -> list[str]:
    """The lines of JSON Lines; a document that was laid out over many lines is one."""
    with contextlib.suppress(ValueError):
        return [json.dumps(json.loads(text))]
    return text.splitlines()


def table(path: Path) -> pl.DataFrame:
    """A parquet or csv file. Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"{path} is not there.")
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def _of_table(frame: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    found = frame.rename({name: role for role, name in names.items() if name in frame.columns and role != name})
    if "identity" in found.columns:
        found = found.with_columns(
            pl.col("identity").cast(pl.String),
            record=pl.int_range(pl.len()).over("identity") if "record" not in found.columns else pl.col("record"),
        )
    return found


def _of_lines(lines: pl.Series) -> tuple[pl.DataFrame, int]:
    frame = lines.to_frame("text").filter(pl.col("text").str.strip_chars() != "")
    with duckdb.connect() as reader:
        reader.register("texts", frame.to_arrow())
        valid = reader.sql("SELECT json_valid(text) AS valid FROM texts").to_arrow_table()
    sound = frame.filter(cast(pl.DataFrame, pl.from_arrow(valid))["valid"])

    def at(path: str) -> pl.Expr:
        return pl.col("text").str.json_path_match(f"$.{path}")

    batch = at("SageMakerInferenceId")
    told = sound.select(
        identity=pl.coalesce(at("eventMetadata.inferenceId"), at("eventMetadata.eventId"), batch),
        inferred_at=pl.coalesce(at("eventMetadata.inferenceTime"), at("SageMakerInferenceTime")),
        predicted=pl.coalesce(*(at(f"{side}.data") for side in _PREDICTED), pl.when(batch.is_not_null()).then("text")),
        coding=pl.coalesce(
            *(at(f"{side}.encoding") for side in _PREDICTED), pl.when(batch.is_not_null()).then(pl.lit("JSON"))
        ),
        content=pl.coalesce(*(at(f"{side}.observedContentType") for side in _PREDICTED)),
        true=at("groundTruthData.data"),
        true_coding=at("groundTruthData.encoding"),
        true_content=at("groundTruthData.observedContentType"),
    ).with_row_index("line")
    known = told.filter(pl.col("identity").is_not_null() & pl.any_horizontal(pl.col("predicted", "true").is_not_null()))
    predicted = _records(known, "predicted", "coding", "content").rename({"value": "prediction"})
    labels = _records(known, "true", "true_coding", "true_content").select("line", "record", label="value")
    rows = predicted.join(labels, on=["line", "record"], how="full", coalesce=True).join(
        known.select("line", "identity", "inferred_at"), on="line", how="left"
    )
    columns = [*KEY, "inferred_at", "prediction", "score", "label"]
    empty = [name for name in ("prediction", "score", "label") if rows[name].null_count() == rows.height]
    # A line whose payload cannot be read has no record, and is told as one that is no capture at all.
    return rows.sort("line", "record").select(columns).drop(empty), frame.height - rows["line"].n_unique()


def _records(known: pl.DataFrame, payload: str, coding: str, content: str) -> pl.DataFrame:
    """[line, record, value, score]: a request may hold many records."""
    given = known.select("line", data=payload, encoding=coding, content=content).drop_nulls("data")
    plain = decoded(given).drop_nulls("text").select("line", "form", payload="text")
    csv, other = plain.filter(pl.col("form") == "csv"), plain.filter(pl.col("form") == "json")
    fields = pl.col("payload").str.strip_chars().str.split("\n")
    rows = (
        csv.with_columns(payload=fields)
        .explode("payload")
        .with_columns(
            record=pl.int_range(pl.len()).over("line"), fields=pl.col("payload").str.strip_chars().str.split(",")
        )
        .select(
            pl.col("line").cast(pl.Int64),
            pl.col("record").cast(pl.Int64),
            value=pl.col("fields").list.get(0, null_on_oob=True).str.strip_chars('" '),
            score=pl.col("fields").list.get(1, null_on_oob=True).str.strip_chars('" '),
        )
    )
    with duckdb.connect() as reader:
        reader.register("texts", other.select(pl.col("line").cast(pl.Int64), "payload").to_arrow())
        reader.execute("CREATE VIEW given AS SELECT * FROM texts WHERE json_valid(payload)")
        found = cast(pl.DataFrame, pl.from_arrow(reader.sql(_RECORDS).to_arrow_table()))
    return pl.concat([rows, found.cast({"line": pl.Int64, "record": pl.Int64, "value": pl.String, "score": pl.String})])
