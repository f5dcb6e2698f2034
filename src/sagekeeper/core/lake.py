"""The lake: declared tables (`core/tables/`) as Delta tables on local disk or S3.

A write replaces a *scope* atomically: all rows of some partition values, or of a range of days, become exactly the given rows.
Writing the same rows again makes no new version, so a run repeated for a day changes nothing. Readers never see half a write
(Delta's commit is one file). Rows are checked against the declaration before anything is written. A column that was declared
after a table was made is null in its older rows (unknown), and is added to the table by the first write that has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, Schema, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from sagekeeper.core.errors import BadInput, Conflict, SchemaMismatch
from sagekeeper.core.tables import Table

OBSERVATION_COLUMNS = ("observed_at", "x_ObservedAt")
"""When a row was read from its source: not part of what it says, so it does not make a row different."""

ROW_GROUP = 131_072
"""Rows decoded at once. A reader holds a few such groups, whatever the size of the file (the writer's own: a million)."""


@dataclass(frozen=True)
class Scope:
    """Which rows a replacement covers: ``equals`` (column -> value) and, if given, ``first <= day_column <= last``."""

    equals: Mapping[str, str | date | datetime] = field(default_factory=dict)
    day_column: str | None = None
    first: date | None = None
    last: date | None = None

    def predicate(self) -> str:
        """As an SQL predicate for Delta."""
        parts = [f"{column} = '{_quoted(value)}'" for column, value in sorted(self.equals.items())]
        if self.day_column is not None:
            parts += [f"{self.day_column} >= '{self.first}'", f"{self.day_column} <= '{self.last}'"]
        return " AND ".join(parts)

    def expression(self) -> pl.Expr:
        """As a polars expression."""
        terms = [pl.col(column) == value for column, value in self.equals.items()]
        if self.day_column is not None:
            terms.append(pl.col(self.day_column).is_between(pl.lit(self.first), pl.lit(self.last)))
        return pl.all_horizontal(terms) if terms else pl.lit(True)


class Lake:
    """All tables under one root: a folder or an ``s3://`` address (``storage_options`` go to the object store)."""

    def __init__(self, root: str | Path, storage_options: dict[str, str] | None = None) -> None:
        self._root = str(root).rstrip("/")
        _refuse_escaped(self._root)
        self._options = storage_options or {}

    def scan(self, table: Table) -> pl.LazyFrame:
        """The table as it is now, lazily; no rows if nothing was ever written."""
        delta = self._open(table)
        return table.empty().lazy() if delta is None else _rows(delta, table)

    def files(self, table: Table) -> pl.DataFrame:
        """The Parquet files that hold the table as it is now: the partition's values, ``rows`` and ``file``, where it is.

        For engines that read Parquet but not Delta's log. The values of the partition columns are not in the files.
        """
        parts = {name: table.columns[name] for name in table.partition}
        delta = self._open(table)
        if delta is None:
            return pl.DataFrame(schema={**parts, "rows": pl.Int64(), "file": pl.String()})
        active = pl.DataFrame(delta.get_add_actions(flatten=True))
        # Delta's log keeps paths as URIs.
        places = [f"{self._root}/{table.name}/{unquote(path)}" for path in active["path"]]
        return active.select(
            *(pl.col(f"partition.{name}").cast(kind).alias(name) for name, kind in parts.items()),
            rows=pl.col("num_records").cast(pl.Int64),
            file=pl.Series(places, dtype=pl.String),
        ).sort(*parts, "file")

    def newest(self, table: Table, column: str) -> pl.DataFrame:
        """[*partition, newest]: the largest value of ``column`` in each partition of the table; null: it has none."""
        files, kind = self.files(table), table.columns[column]
        # A file at a time: its rows need not be told apart, and of a column with one value next to nothing is read.
        found = pl.collect_all(
            pl.scan_parquet(
                file,
                schema={column: kind},
                missing_columns="insert",
                extra_columns="ignore",
                glob=False,
                storage_options=self._options,
            ).select(newest=pl.col(column).max())
            for file in files["file"]
        )
        newest = pl.concat([pl.DataFrame(schema={"newest": kind}), *found])
        return pl.concat([files.select(table.partition), newest], how="horizontal").group_by(table.partition).max()

    def version(self, table: Table) -> int | None:
        """Number of the last commit, None before the first. Changes exactly when rows do: the key of every cache."""
        delta = self._open(table)
        return None if delta is None else delta.version()

    def replace(self, table: Table, frame: pl.DataFrame, scope: Scope) -> bool:
        """Make ``frame`` the only rows of ``scope``, atomically. Returns whether anything changed.

        Raises SchemaMismatch for wrong columns, types, repeated keys or rows outside the scope; Conflict when another
        writer replaced the same rows at the same moment.
        """
        checked = self._checked(table, frame)
        outside = checked.filter(~scope.expression())
        if outside.height:
            raise SchemaMismatch(
                f"{table.name}: {outside.height} rows lie outside the scope to replace ({scope.predicate()}). "
                "Widen the scope or drop the rows."
            )
        delta = self._open(table)
        if delta is None:
            if checked.is_empty():
                return False
            self._write(table, None, checked, mode="append")
            return True
        if _same_rows(_rows(delta, table).filter(scope.expression()).collect(), checked):
            return False
        predicate = scope.predicate()
        if checked.is_empty():
            delta.delete(predicate or None)
            return True
        self._write(table, delta, checked, mode="overwrite", predicate=predicate or None)
        return True

    def replace_streamed(self, table: Table, frames: Iterable[pl.DataFrame], scope: Scope) -> None:
        """As `replace`, for more rows than fit into memory: always one new version, keys are checked within a frame only."""

        def batches() -> Iterator[pa.RecordBatch]:
            for frame in frames:
                checked = self._checked(table, frame)
                if checked.filter(~scope.expression()).height:
                    raise SchemaMismatch(f"{table.name}: rows lie outside the scope to replace ({scope.predicate()}).")
                yield from checked.sort(_stored_by(table)).to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()

        stream = pa.RecordBatchReader.from_batches(
            table.empty().to_arrow(compat_level=pl.CompatLevel.oldest()).schema, batches()
        )
        delta = self._open(table)
        if delta is None:
            self._write(table, None, stream, mode="append")
        else:
            self._write(table, delta, stream, mode="overwrite", predicate=scope.predicate() or None)

    def append(self, table: Table, frame: pl.DataFrame) -> None:
        """Add rows. For tables whose rows are never restated; everything else uses `replace`."""
        checked = self._checked(table, frame)
        if checked.height:
            self._write(table, self._open(table), checked, mode="append")

    def vacuum(self, keep: timedelta = timedelta(days=7)) -> dict[str, int]:
        """Compact small files and delete files no longer referenced for longer than ``keep``. Files removed per table."""
        removed: dict[str, int] = {}
        from sagekeeper.core.tables import TABLES

        for table in TABLES:
            delta = self._open(table)
            if delta is not None:
                delta.optimize.compact(writer_properties=_writer(table))
                hours = int(keep.total_seconds() // 3600)
                removed[table.name] = len(
                    delta.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)
                )
        return removed

    def _open(self, table: Table) -> DeltaTable | None:
        uri = f"{self._root}/{table.name}"
        if not DeltaTable.is_deltatable(uri, storage_options=self._options):
            return None
        return DeltaTable(uri, storage_options=self._options)

    def _write(
        self,
        table: Table,
        there: DeltaTable | None,
        rows: pl.DataFrame | pa.RecordBatchReader,
        *,
        mode: str,
        predicate: str | None = None,
    ) -> None:
        try:
            if there is not None:
                _grow(there, table)
            write_deltalake(
                f"{self._root}/{table.name}",
                rows.sort(_stored_by(table)).to_arrow() if isinstance(rows, pl.DataFrame) else rows,
                partition_by=list(table.partition),
                mode=mode,  # type: ignore[call-overload]
                predicate=predicate,
                storage_options=self._options,
                writer_properties=_writer(table),
            )
        except CommitFailedError as error:
            raise Conflict(
                f"{table.name}: another process replaced the same rows at this moment ({error}). Run it again."
            ) from error

    @staticmethod
    def _checked(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        missing = [name for name in table.columns if name not in frame.columns]
        unknown = [name for name in frame.columns if name not in table.columns]
        if missing or unknown:
            raise SchemaMismatch(f"{table.name}: columns missing {missing}, not declared {unknown}.")
        frame = frame.select(table.columns.keys())
        wrong = [
            f"{name} is {frame.schema[name]}, declared {kind}"
            for name, kind in table.columns.items()
            if frame.schema[name] not in (kind, pl.Null)
        ]
        if wrong:
            raise SchemaMismatch(f"{table.name}: {'; '.join(wrong)}.")
        frame = frame.cast(dict(table.columns))  # type: ignore[arg-type]
        if table.keys and frame.select(table.keys).is_duplicated().any():
            example = frame.filter(frame.select(table.keys).is_duplicated()).select(table.keys).row(0, named=True)
            raise SchemaMismatch(f"{table.name}: more than one row for the key {example}.")
        return frame


def _rows(delta: DeltaTable, table: Table) -> pl.LazyFrame:
    rows = pl.scan_delta(delta)
    there = rows.collect_schema().names()
    return rows.select(
        pl.col(name) if name in there else pl.lit(None, dtype=kind).alias(name) for name, kind in table.columns.items()
    )


def _grow(delta: DeltaTable, table: Table) -> None:
    """Add the columns that were declared since the table was made. A commit of its own, that touches no row."""
    there = {column.name for column in delta.schema().fields}
    declared = Schema.from_arrow(table.empty().to_arrow(compat_level=pl.CompatLevel.oldest()).schema)
    new = [column for column in declared.fields if column.name not in there]
    if new:
        delta.alter.add_columns(new)


def days_between(first: date, last: date) -> list[date]:
    """All days from ``first`` to ``last``, both included."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _writer(table: Table) -> WriterProperties:
    plain = {name: ColumnProperties(dictionary_enabled=False) for name in table.varied}
    return WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP, column_properties=plain)


def _stored_by(table: Table) -> list[str]:
    return [*table.partition, *table.order]


def _quoted(value: str | date | datetime) -> str:
    return str(value).replace("'", "''")


def _refuse_escaped(root: str) -> None:
    """Delta's log and polars' reader disagree about characters that an address escapes: rows written would not be found."""
    strange = sorted(set(re.findall(r"[^A-Za-z0-9/._~@:*&+,;!$'()-]", root)))
    if "://" not in root and strange:
        raise BadInput(
            f"The lake cannot be kept in {root}: its path has {' '.join(map(repr, strange))}. Set data_dir (or lake_url) to a "
            "folder whose path has only unaccented letters, digits, '-', '.' and '_'."
        )


def _same_rows(old: pl.DataFrame, new: pl.DataFrame) -> bool:
    if old.height != new.height:
        return False
    columns = [name for name in new.columns if name not in OBSERVATION_COLUMNS]
    order = [name for name in columns if new.schema[name] != pl.Binary]
    old, new = (
        old.select(columns).sort(order, nulls_last=True),
        new.select(columns).sort(order, nulls_last=True),
    )
    return old.equals(new)


__all__ = ["DeltaError", "Lake", "Scope", "days_between"]
