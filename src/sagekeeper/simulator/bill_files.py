"""A frame of an export as the files that AWS delivers: snappy parquet or csv.gz, in chunks.

In: a frame whose map columns are JSON text, and which columns those are. Out: the bytes of each file. Parquet has the
maps as maps; csv has their JSON text, times as ``2026-11-01T00:00:00.000Z`` and numbers without exponents, of which
the text adds up exactly. The bytes depend on the rows alone, so that a replayed delivery is the same one.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator, Mapping

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

ONE = r'^\{(?:"([^"\\]+)":(-?\d+(?:\.\d+)?))?\}$'
"""A map with one number in it, or nothing."""
ROWS_A_FILE = 20_000
"""AWS cuts at about a million rows; here a month of the demo world by the hour already comes in several files."""
CSV_TIME = "%Y-%m-%dT%H:%M:%S.%3fZ"
ARROW = {
    "map<string,string>": pa.map_(pa.string(), pa.string()),
    "map<string,double>": pa.map_(pa.string(), pa.float64()),
}
SUFFIXES = {"Parquet": ".snappy.parquet", "GZIP": ".csv.gz", "ZIP": ".csv.zip"}


def chunks(frame: pl.DataFrame, rows: int = ROWS_A_FILE) -> Iterator[pl.DataFrame]:
    """At least one, even of nothing: an empty month is delivered as a header."""
    for start in range(0, max(frame.height, 1), rows):
        yield frame.slice(start, rows)


def parquet(frame: pl.DataFrame, maps: Mapping[str, str]) -> bytes:
    """Snappy parquet; ``maps`` gives the type of each column that is a map."""
    table = frame.drop([name for name in maps if name in frame.columns]).to_arrow()
    columns = {name: _maps(frame[name], maps[name]) if name in maps else table.column(name) for name in frame.columns}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="snappy", store_schema=False)
    return out.getvalue()


def csv(frame: pl.DataFrame, name: str, compression: str) -> bytes:
    """Compressed csv; ``name`` is that of the file inside a zip."""
    text = frame.write_csv(datetime_format=CSV_TIME, float_scientific=False).encode()
    if compression == "ZIP":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
        return out.getvalue()
    return gzip.compress(text, compresslevel=6, mtime=0)


def _maps(texts: pl.Series, kind: str) -> pa.Array:
    """JSON objects as maps. Few texts differ: each is read once. Numbers differ on every line: read all at once."""
    if kind == "map<string,double>" and texts.str.contains(ONE).all():
        return _numbers(texts)
    different = texts.unique(maintain_order=True)
    read = [None if text is None else list(json.loads(text).items()) for text in different.to_list()]
    position = pl.DataFrame({"text": different, "at": range(len(different))}, schema_overrides={"at": pl.Int64})
    at = pl.DataFrame({"text": texts}).join(position, on="text", how="left", nulls_equal=True, maintain_order="left")
    return pa.array(read, type=ARROW[kind]).take(at["at"].to_arrow())


def _numbers(texts: pl.Series) -> pa.Array:
    """Texts of the form `ONE` as maps."""
    told = pl.select(key=texts.str.extract(ONE, 1), value=texts.str.extract(ONE, 2).cast(pl.Float64))
    there = told["key"].is_not_null()
    offsets = pl.concat([pl.Series([0], dtype=pl.Int32), there.cast(pl.Int32).cum_sum()])
    held = told.filter(there)
    keys, values = held["key"].to_arrow().cast(pa.string()), held["value"].to_arrow()
    return pa.MapArray.from_arrays(offsets.to_arrow(), keys, values)
