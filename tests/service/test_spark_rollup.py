"""The same rollup on Spark Connect, over the same Delta tables: equal to the embedded one to a billionth. And captures, profiled
there as here.

One Spark for the file: starting it takes longer than everything else here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from datasketches import kll_doubles_sketch
from polars.testing import assert_frame_equal
from tests.conftest import absent, free_port
from tests.service.bill_of_many_kinds import DATASETS, FIRST, put_bill

from sagekeeper.analyzers.rollup import BY
from sagekeeper.collector.capture_hours import HOUR, Schema, profiled, together
from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.core.errors import SourceUnavailable
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.settings import Rollup, Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS
from sagekeeper.service.daily_costs import refresh_daily_costs
from sagekeeper.service.rolled_days import ROLLED, rolling
from sagekeeper.service.spark_profiles import profile_files

pytestmark = pytest.mark.scale
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def spark_remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark Connect server of our own, with two threads."""
    if shutil.which("java") is None:
        absent("java", "no Java is installed (make system)")
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        pytest.skip("pyspark is not installed (the extra `spark`)")
    home, port = Path(found.origin).parent, free_port()
    options = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": 1,
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.adaptive.enabled": "false",
    }
    command = [home / "bin/spark-submit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    # Few rows: compiling well takes longer than running.
    quick = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    command += ["--master", "local[2]", "--driver-memory", "1g", "--driver-java-options", quick]
    command += [part for name, value in options.items() for part in ("--conf", f"{name}={value}")]
    log = tmp_path_factory.mktemp("spark") / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*map(str, command), "spark-internal"],
            cwd=log.parent,
            env=os.environ | {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait_for(port, server, log)
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"Spark Connect did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def many_kinds(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with two bills of three days; one day was written twice, so that the files of its first state lie there too."""
    lake = Lake(tmp_path_factory.mktemp("spark-lake") / "lake")
    again = put_bill(lake).filter(pl.col("x_Dataset") == DATASETS[0], pl.col("x_ChargeDate") == FIRST)
    lake.replace(COSTS, again.head(350), Scope({"x_Dataset": DATASETS[0], "x_ChargeDate": FIRST}))
    return lake


def rolled(lake: Lake, settings: Settings) -> list[pl.DataFrame]:
    with rolling(lake, settings) as roll:
        return list(roll(lake.files(COSTS)))


def test_spark_gives_the_embedded_sums_day_by_day_to_a_billionth(
    many_kinds: Lake, spark_remote: str, tmp_path: Path
) -> None:
    here = rolled(many_kinds, Settings(data_dir=tmp_path))
    there = rolled(many_kinds, Settings(data_dir=tmp_path, rollup=Rollup(engine="spark", spark_remote=spark_remote)))
    assert sum(day["lines"].sum() for day in there) == 6 * 400 - 50
    assert [day["x_ChargeDate"][0] for day in there] == [day["x_ChargeDate"][0] for day in here]
    for ours, sparks in zip(here, there, strict=True):
        assert sparks.schema == ROLLED
        assert_frame_equal(
            ours.sort(BY, nulls_last=True),
            sparks.sort(BY, nulls_last=True),
            check_exact=False,
            rel_tol=1e-9,
            abs_tol=1e-9,
        )


def test_daily_costs_made_embedded_are_left_as_they_are_when_spark_makes_them_again(
    many_kinds: Lake, spark_remote: str, tmp_path: Path
) -> None:
    embedded = Settings(data_dir=tmp_path)
    on_spark = Settings(data_dir=tmp_path, rollup=Rollup(engine="spark", spark_remote=spark_remote))
    first, second = (open_ledger(f"sqlite:///{tmp_path / name}") for name in ("first.db", "second.db"))
    assert refresh_daily_costs(many_kinds, first, embedded, NOW) == 6
    version = many_kinds.version(DAILY_COSTS)
    # A ledger that knows of no earlier run: all days are due.
    assert refresh_daily_costs(many_kinds, second, on_spark, NOW) == 0
    assert many_kinds.version(DAILY_COSTS) == version
    first.close()
    second.close()


def test_a_spark_that_does_not_answer_is_said_at_once(many_kinds: Lake, tmp_path: Path) -> None:
    nowhere = Rollup(engine="spark", spark_remote=f"sc://127.0.0.1:{free_port()}")
    with pytest.raises(SourceUnavailable, match="does not answer"):
        rolled(many_kinds, Settings(data_dir=tmp_path, rollup=nowhere))


def test_captures_profiled_on_spark_are_the_profiles_that_are_made_here(spark_remote: str, tmp_path: Path) -> None:
    from pyspark.sql import SparkSession

    files = []
    for hour, name, requests in ((9, "a", ["1.5,x", "2.5,y"]), (9, "b", ["4.0,x", "odd"]), (10, "c", ["8.0,z"])):
        file = tmp_path / f"captured/main/2026/11/19/{hour:02}/{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        asked = [{"data": data, "encoding": "CSV", "observedContentType": "text/csv"} for data in requests]
        file.write_text("".join(json.dumps({"captureData": {"endpointInput": one}}) + "\n" for one in asked))
        files.append(file)
    session = SparkSession.builder.remote(spark_remote).getOrCreate()
    try:
        there = profile_files(session, [f"file:{file}" for file in files], Schema(names=("size", "kind")))
    finally:
        session.stop()
    hours = pl.DataFrame(
        [(str(file), "main", datetime(2026, 11, 19, int(file.parent.name), tzinfo=UTC)) for file in files],
        schema={"file": pl.String, "variant": pl.String, "window_start": pl.Datetime("us", "UTC")},
        orient="row",
    )
    lines = read_lines([(str(file), file.read_bytes()) for file in files])
    here = together([profiled(lines, hours, Schema(names=("size", "kind")))], {}).rows
    order = [*HOUR, "feature"]
    assert here.height == 4
    # Sketches of the same values may hold them in another order; what they say is in the other columns.
    said = pl.exclude("sketch", "distinct")
    assert_frame_equal(there.sort(order).select(said), here.sort(order).select(said), check_exact=False, rel_tol=1e-12)
    sketches = [
        kll_doubles_sketch.deserialize(row) for rows in (there, here) for row in rows.sort(order)["sketch"].drop_nulls()
    ]
    assert [sketch.get_quantile(0.5) for sketch in sketches[:2]] == [
        sketch.get_quantile(0.5) for sketch in sketches[2:]
    ]
