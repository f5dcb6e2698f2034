"""JSON payloads as records: one object or array, a list of them, or either below a key such as ``instances``.

In: [row, text] of payloads that should be JSON, names for values without one. Out: `Part`s of records. An array may sit
below ``features``; texts in a list below ``inputs`` are a record each; many documents may stand line by line.

Requests to one endpoint look alike: the first of each look tells where its records are (Python reads that one), and DuckDB
takes them out of all that look the same, each payload parsed once for that. Arrays of plain values are then lines of CSV.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import duckdb
import polars as pl

from sagekeeper.collector.capture_tables import KEYS, ODD_WIDTH, REJECTED, Part, named, table_of

BELOW = ("instances", "inputs", "dataframe_records", "predictions", "outputs", "data", "rows")
NOT_JSON, NO_RECORDS, TOO_DEEP = "payload is not JSON", "payload holds no record", "payload is nested too deeply"
TOO_MANY = "request has keys that are too many to be features: the rarest were left out"
MOST_FEATURES = 2000
"""Where the keys are identities, every request has new ones, and they are no features."""
_LOOK = r'^(\s*[\[{]\s*(?:"[^"]*"\s*:\s*)?[\[{]?\s*[\[{]?\s*(?:"[^"]*"\s*:)?)'
_KEY = '"(' + "|".join(BELOW) + r')"\s*:'
MOST_LOOKS = 64
"""Payloads that differ in shape more often than that are no table."""


class Place(NamedTuple):
    """Where the records of a payload are (a JSON path), and what a value alone is called."""

    path: str
    name: str


def json_records(payloads: pl.DataFrame, names: Sequence[str]) -> list[Part]:
    """Of [row, text, ...]."""
    if payloads.is_empty():
        return []
    looks = (pl.col("text").str.extract(pattern).fill_null("") for pattern in (_LOOK, _KEY))
    waiting = payloads.select("row", "text", record=pl.lit(0, pl.UInt32), look=pl.concat_str(looks, separator=" "))
    found: list[pl.DataFrame] = []
    rejected: list[pl.DataFrame] = []
    with duckdb.connect() as reader:
        for _ in range(MOST_LOOKS):
            if waiting.is_empty():
                break
            alike = waiting.filter(pl.col("look") == waiting["look"][0])
            others = waiting.filter(pl.col("look") != waiting["look"][0])
            first = reader.execute("SELECT TRY(json_extract($text, '$'))", {"text": alike["text"][0]}).fetchall()[0][0]
            if first is None:
                sound, bad = _sound(reader, alike)
                rejected.append(_why(bad, NOT_JSON))
                waiting = pl.concat([sound, others])
                continue
            place = _place(first)
            if place is None:
                rejected.append(_why(alike.head(1), TOO_DEEP))
                waiting = pl.concat([alike.slice(1), others])
                continue
            taken = _taken(reader, alike, place)
            found.append(taken)
            all_found = taken["row"].n_unique() == alike["row"].n_unique()
            rest = alike.clear() if all_found else alike.join(taken, on="row", how="anti", maintain_order="left")
            if rest.height == alike.height:  # not even the first has a record where it should
                rejected.append(_why(rest.head(1), NO_RECORDS))
                rest = rest.slice(1)
            waiting = pl.concat([rest, others])
        rejected.append(_why(waiting, NO_RECORDS))
        parts = _parts(reader, pl.concat(found), names) if found else []
    nothing = Part.empty()
    return [*parts, Part(nothing.keys, nothing.values, pl.concat(rejected))]


def _place(text: str) -> Place | None:
    """Where the records of such a document are; None where Python cannot read it."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict):
        for key in BELOW:
            below = document.get(key)
            if not isinstance(below, list):
                continue
            if not below or isinstance(below[0], dict | list):
                return Place(f"$.{key}[*]{_inner(below[0]) if below else ''}", key)
            # Numbers in a row are one record; texts to a language model, and predictions, are a record each.
            each = key in ("predictions", "outputs") or (key == "inputs" and isinstance(below[0], str))
            return Place(f"$.{key}[*]" if each else f"$.{key}", "prediction" if key != "inputs" else key)
        return Place(f"${_inner(document)}", "")
    if isinstance(document, list) and document and isinstance(document[0], dict | list):
        return Place(f"$[*]{_inner(document[0])}", "")
    return Place("$", "")


def _inner(item: Any) -> str:
    return ".features" if isinstance(item, dict) and isinstance(item.get("features"), list) else ""


def _sound(reader: duckdb.DuckDBPyConnection, alike: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Those that are JSON, also line by line, and those that are not."""
    valid = _valid(reader, alike["text"])
    broken = alike.filter(~valid)
    lines = broken.with_columns(text=pl.col("text").str.strip_chars().str.split("\n")).with_columns(
        record=pl.int_ranges(0, pl.col("text").list.len(), dtype=pl.UInt32)
    )
    lines = lines.explode("text", "record").select(alike.columns)
    every = lines.select("row", valid=_valid(reader, lines["text"])).group_by("row").agg(pl.col("valid").all())
    by_line = every.filter("valid")
    return (
        pl.concat([alike.filter(valid), lines.join(by_line, on="row", how="semi")]),
        broken.join(by_line, on="row", how="anti"),
    )


def _valid(reader: duckdb.DuckDBPyConnection, text: pl.Series) -> pl.Series:
    return _asked(reader, text.to_frame("text"), "json_valid(text) AS valid")["valid"]


def _taken(reader: duckdb.DuckDBPyConnection, alike: pl.DataFrame, place: Place) -> pl.DataFrame:
    """[row, record, text, name] of the records at ``place``."""
    path = f"TRY(json_extract(text, '{place.path}'))"
    listed = path if "*" in place.path else f"CASE WHEN {path} IS NOT NULL THEN [{path}] END"
    wanted = _asked(reader, alike, f"row, record, {listed}::VARCHAR[] AS text").filter(pl.col("text").list.len() > 0)
    return (
        wanted.with_columns(inner=pl.int_ranges(0, pl.col("text").list.len(), dtype=pl.UInt32))
        .explode("text", "inner")
        .select("row", pl.col("record") + pl.col("inner"), "text", name=pl.lit(place.name, pl.String))
    )


def _parts(reader: duckdb.DuckDBPyConnection, taken: pl.DataFrame, names: Sequence[str]) -> list[Part]:
    first = pl.col("text").str.slice(0, 1)
    arrays = taken.filter(first == "[")
    inside = pl.col("text").str.strip_prefix("[").str.strip_suffix("]")
    bodies = arrays.select("row", "record", text=inside)
    plain = (pl.col("text") != "") & ~pl.col("text").str.contains(r"[\\\[{]")
    simple = table_of(bodies.filter(plain), names)
    nested = arrays.filter(~bodies.select(plain).to_series())
    others = taken.filter(first != "[")
    return [
        simple,
        _nested(reader, nested, simple.values.columns or list(names)),
        _objects(reader, others.filter(first == "{")),
        _alone(reader, others.filter(first != "{"), named(1, names)[0]),
    ]


def _nested(reader: duckdb.DuckDBPyConnection, arrays: pl.DataFrame, names: Sequence[str]) -> Part:
    """Arrays of which a value is written with escapes, or is itself an array."""
    if arrays.is_empty():
        return Part.empty()
    sizes = _asked(reader, arrays, "row, record, text, json_array_length(text)::INTEGER AS size")
    width = len(names) if (sizes["size"] == len(names)).any() else int(sizes["size"].mode().sort()[0])
    fits = (pl.col("size") == width) & (width > 0)
    columns = named(width, names)
    values = _values(reader, sizes.filter(fits), {name: f"/{at}" for at, name in enumerate(columns)})
    why = pl.when(pl.col("size") == 0).then(pl.lit(NO_RECORDS)).otherwise(pl.lit(ODD_WIDTH))
    return Part(sizes.filter(fits).select(*KEYS), values, sizes.filter(~fits).select("row", "record", why=why))


def _objects(reader: duckdb.DuckDBPyConnection, objects: pl.DataFrame) -> Part:
    if objects.is_empty():
        return Part.empty()
    lists = _asked(reader, objects, "json_keys(text) AS key, count(*) AS count", "GROUP BY ALL")
    counted = lists.explode("key").drop_nulls("key").group_by("key").agg(pl.col("count").sum())
    counted = counted.sort("count", "key", descending=[True, False])
    named = counted["key"].head(MOST_FEATURES).sort()
    paths = {key: "/" + key.replace("~", "~0").replace("/", "~1") for key in named}
    left_out = objects.head(1 if len(counted) > MOST_FEATURES else 0)
    told = left_out.select("row", "record", why=pl.lit(TOO_MANY))
    return Part(objects.select(*KEYS), _values(reader, objects, paths), told)


def _alone(reader: duckdb.DuckDBPyConnection, values: pl.DataFrame, unnamed: str) -> Part:
    """Records that are one value."""
    if values.is_empty():
        return Part.empty()
    read = values.with_columns(_asked(reader, values, "json_extract_string(text, '$') AS value")["value"])
    names = values["name"].unique(maintain_order=True).to_list()
    columns = {name or unnamed: pl.when(pl.col("name") == name).then("value") for name in names}
    return Part(read.select(*KEYS), read.select(**columns), pl.DataFrame(schema=REJECTED))


def _values(reader: duckdb.DuckDBPyConnection, records: pl.DataFrame, paths: dict[str, str]) -> pl.DataFrame:
    """A column for each of ``paths`` (JSON pointers): text, or a list of numbers. Other lists and objects are no feature."""
    if not paths or records.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(paths, pl.String()))
    pointers = ", ".join(_literal(path) for path in paths.values())
    read = _asked(reader, records, f"json_extract_string(text, [{pointers}]) AS parts")
    values = read.select(pl.col("parts").list.get(at, null_on_oob=True).alias(name) for at, name in enumerate(paths))
    inner = [name for name in paths if values[name].str.contains(r"^[\[{]").any()]
    if not inner:
        return values
    types = _asked(reader, records, f"json_type(text, [{', '.join(_literal(paths[name]) for name in inner)}]) AS types")
    for at, name in enumerate(inner):
        values = _flattened(values, name, types["types"].list.get(at))
    return values


def _flattened(values: pl.DataFrame, name: str, types: pl.Series) -> pl.DataFrame:
    lists = types == "ARRAY"
    plain = values[name].set(types.is_in(["ARRAY", "OBJECT"]), None)
    if plain.null_count() < len(plain):
        return values.with_columns(plain.alias(name))
    numbers = values.select(pl.when(pl.lit(lists)).then(name)).to_series()
    # Numbers only: a list of anything else is no vector.
    numbers = numbers.set(~numbers.str.contains(r"^\[[-+\d.eE,\s]+\]$"), None)
    vectors = numbers.str.json_decode(pl.List(pl.Float64))
    return values.with_columns(vectors.alias(name)) if vectors.drop_nulls().len() else values.drop(name)


def _asked(reader: duckdb.DuckDBPyConnection, frame: pl.DataFrame, what: str, then: str = "") -> pl.DataFrame:
    reader.register("given", frame.to_arrow())
    try:
        return cast(pl.DataFrame, pl.from_arrow(reader.sql(f"SELECT {what} FROM given {then}").to_arrow_table()))  # noqa: S608 (paths are literals)
    finally:
        reader.unregister("given")


def _literal(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"


def _why(rows: pl.DataFrame, why: str) -> pl.DataFrame:
    return rows.select("row", record=pl.lit(None, pl.UInt32), why=pl.lit(why, pl.String))
