"""Spend series from a file of anybody's, and frames into one: parquet or csv, as the file's name ends.

In: a path. Out: a frame, times parsed. Raises BadInput where the file is not there, cannot be read, or is of another kind.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sagekeeper.core.errors import BadInput

KINDS = (".parquet", ".csv")
TEXT, TIMES = ("series_id", "account", "service", "usage_type", "resource"), ("ts", "first", "last")


def read_spend(path: Path) -> pl.DataFrame:
    """The rows of ``path``; ``ts, first, last`` of a csv become times, names stay text."""
    _kind(path)
    if not path.is_file():
        raise BadInput(f"{path} is not there.")
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        rows = pl.read_csv(path, infer_schema_length=None, schema_overrides=dict.fromkeys((*TEXT, *TIMES), pl.String()))
        return rows.with_columns(pl.col(name).str.to_datetime(strict=True) for name in TIMES if name in rows.columns)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def write_spend(rows: pl.DataFrame, path: Path) -> None:
    """Write ``rows``; the folder must be there."""
    _kind(path)
    try:
        rows.write_parquet(path) if path.suffix == ".parquet" else rows.write_csv(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}.") from error


def _kind(path: Path) -> None:
    if path.suffix not in KINDS:
        raise BadInput(f"{path}: the name ends in {' or '.join(KINDS)}.")
