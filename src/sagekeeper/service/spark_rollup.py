"""The same rollup on Spark, for lakes that one machine does not want to read: Spark sums, here only the sums arrive.

In: the address of Spark, the files of some days. Out: a small frame a day. Spark reads the Parquet files that Delta's log
lists as active at this moment, and takes the day from their folders: that needs no Delta package in the cluster. The
cluster must see the lake under the same address as this process; ``s3://`` becomes ``s3a://``, Spark's name for it.
Needs the extra ``spark``, and Java where Spark is to run on this machine.
"""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from sagekeeper.analyzers.rollup import COLUMNS, rollup
from sagekeeper.core.errors import BadInput, SourceUnavailable
from sagekeeper.core.tables import COSTS

DAYS_A_JOB = timedelta(days=7)
"""A job's sums are here at once: as many days as fit easily, not so few that starting jobs is the work."""

CONNECT_PORT = 15002
"""Spark Connect's own default."""

TYPES = {pl.String: "STRING", pl.Float64: "DOUBLE", pl.Date: "DATE", pl.Boolean: "BOOLEAN"}
SCHEMA = ", ".join(f"`{name}` {TYPES[type(COSTS.columns[name])]}" for name in COLUMNS if name != "x_Dataset")


@contextmanager
def spark(remote: str) -> Iterator[Callable[[pl.DataFrame], Iterator[pl.DataFrame]]]:
    """A session on Spark Connect at ``remote`` (``sc://host:15002``), or ``local[N]``: N threads on this machine.

    Raises BadInput without the extra, SourceUnavailable when Spark does not answer.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise BadInput("rollup.engine is spark, but pyspark is not installed: pip install 'sagekeeper[spark]'.")
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        _knock(remote)
        session = SparkSession.builder.remote(remote).getOrCreate()
    except (PySparkException, OSError, RuntimeError) as error:
        raise SourceUnavailable(
            f"Spark at {remote} does not answer: {error}. Start it, or correct SAGEKEEPER_ROLLUP__SPARK_REMOTE."
        ) from error
    try:
        yield lambda files: roll_days(session, files)
    finally:
        session.stop()


def _knock(remote: str) -> None:
    """Spark's client tries an address where nobody listens for ten minutes before it says so."""
    place = urlsplit(remote)
    if place.scheme == "sc":
        socket.create_connection((place.hostname or "", place.port or CONNECT_PORT), timeout=10).close()


def roll_days(session: Any, files: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The days of ``files`` (rows of ``Lake.files``), in order, on this session."""
    weeks = files.sort("x_Dataset", "x_ChargeDate").group_by_dynamic(
        "x_ChargeDate", every=DAYS_A_JOB, group_by="x_Dataset"
    )
    for (dataset, _), week in weeks:
        sums = pl.DataFrame(rollup(lines(session, str(dataset), week["file"].to_list())).toArrow())
        for _, day in sums.sort("x_ChargeDate").group_by("x_ChargeDate", maintain_order=True):
            yield day


def lines(session: Any, dataset: str, files: list[str]) -> Any:
    """A Spark frame of a bill's rows in these files of `COSTS`.

    The day is the name of their folder. The dataset's is not asked for its name: Spark takes escaped UTF-8 for single letters.
    """
    from pyspark.sql.functions import lit

    folder = files[0].split("/x_ChargeDate=", 1)[0]
    reader = session.read.schema(SCHEMA).option("basePath", _address(folder))
    return reader.parquet(*(_address(file) for file in files)).withColumn("x_Dataset", lit(dataset))


def _address(file: str) -> str:
    return f"s3a://{file.removeprefix('s3://')}" if file.startswith("s3://") else file
