"""The payload of a captured request or answer as text, and whether that text is CSV or JSON. One rule for all who read it.

In: a frame with `data` as captured, its `encoding` (CSV, JSON or BASE64) and the `content` type that was observed, any of
them null. Out: the frame with `text` (null where it cannot be read), `form` (csv or json) and `why` it cannot be read.
Content types that the endpoint's configuration does not list are captured in base64 (monitoring-facts 2.6), so what
base64 holds is told by the content type, and where that says neither, by how the text begins.
"""

from __future__ import annotations

import polars as pl

NOT_BASE64 = "payload is not base64"
NOT_TEXT = "payload is not text"
ENCODED = pl.col("encoding") == "BASE64"


def decoded(frame: pl.DataFrame) -> pl.DataFrame:
    """With `text`, `form` and `why`.

    >>> given = {"data": ["MSwy", "eyJhIjoxfQ=="], "encoding": ["BASE64", "BASE64"], "content": [None, "text/html"]}
    >>> decoded(pl.DataFrame(given)).select("text", "form").rows()
    [('1,2', 'csv'), ('{"a":1}', 'json')]
    """
    if frame.filter(ENCODED).is_empty():
        return frame.with_columns(text="data", form=_form(pl.col("data")), why=pl.lit(None, pl.String))
    coded = pl.when(ENCODED).then("data")
    plain = frame.with_columns(bytes=coded.str.decode("base64", strict=False))
    plain = plain.with_columns(text=_text(plain["bytes"]))
    return plain.with_columns(
        text=pl.when(ENCODED).then("text").otherwise("data"),
        why=pl.when(coded.is_not_null() & pl.col("bytes").is_null())
        .then(pl.lit(NOT_BASE64))
        .when(pl.col("bytes").is_not_null() & pl.col("text").is_null())
        .then(pl.lit(NOT_TEXT)),
    ).select(*frame.columns, "text", _form(pl.col("text")), "why")


def _text(content: pl.Series) -> pl.Series:
    try:
        return content.cast(pl.String)
    except pl.exceptions.ComputeError:  # one that is no UTF-8 refuses all: an image, say
        return content.map_elements(_text_of, pl.String)


def _text_of(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _form(text: pl.Expr) -> pl.Expr:
    content = pl.col("content").str.to_lowercase()
    begins = ENCODED & ~content.str.contains("csv").fill_null(value=False) & text.str.contains(r"^\s*[\[{]")
    is_json = (pl.col("encoding") == "JSON") | content.str.contains("json") | begins
    return pl.when(is_json).then(pl.lit("json")).otherwise(pl.lit("csv")).alias("form")
