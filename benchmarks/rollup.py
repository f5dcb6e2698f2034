"""Bill lines summed to days, and attributed to what stood there (`bill_account.py`): 20 and 100 million, a million a day.

Ours (`service/rolled_days.py`, and the whole step to ``daily_costs``) against polars and DuckDB in one plan over all days, and
against pandas, at the size that each can take. Floor: only decoding the same columns, a day at a time. Each in a fresh
process; ratios are of the processor's seconds. Other sizes: ``python -m benchmarks.rollup 2_000_000``; a million lines take about
50 MB of disk.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from benchmarks.bill_account import put_account
from benchmarks.bill_lines import put_days
from sagekeeper.analyzers.rollup import AMOUNTS, BY, COLUMNS, ESTIMATED
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS
from sagekeeper.service.daily_costs import refresh_daily_costs
from sagekeeper.service.rolled_days import rolling

SIZES = (20_000_000, 100_000_000)
LINES_A_DAY = 1_000_000
IN_ONE_PLAN, IN_PANDAS = 20_000_000, 2_000_000
"""Lines that peers are given at most: in one plan memory grows with the bill, and pandas keeps every text as an object."""
TARGET_RATIO, TARGET_GB = 3.5, 1.0
FLOOR = "floor: decode the columns, a day at a time"
OURS = "sagekeeper rollup, a day at a time"
WHOLE = "sagekeeper costs -> daily_costs, attributed, written"
STORED = [name for name in COLUMNS if name not in COSTS.partition]
KEYS = [name for name in BY if name != "x_Dataset"]


def main(*sizes: int) -> None:
    """Run it and print rows a second, ratios and memory."""
    made = 0
    with tempfile.TemporaryDirectory(prefix="sagekeeper-rollup-") as folder:
        for lines in sorted(sizes or SIZES):
            days = -(-lines // LINES_A_DAY)
            put_days(Path(folder) / "lake", made, days, min(LINES_A_DAY, lines))
            if not made:
                put_account(Path(folder) / "lake", min(LINES_A_DAY, lines))
            made = days
            told = {name: _apart(name, folder) for name in CONTESTANTS if lines <= LIMITS.get(name, lines)}
            _show(lines, days, told)
            for name, limit in LIMITS.items():
                if lines > limit:
                    print(f"  {name:<54} not given more than {limit:,} lines")


def _show(lines: int, days: int, told: dict[str, dict[str, float]]) -> None:
    print(f"\nRoll up {lines:,} bill lines of {days} days (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    floor = told[FLOOR]["cpu"] / told[FLOOR]["lines"]
    for name, run in told.items():
        print(
            f"  {name:<54} {run['lines'] / run['seconds']:>12,.0f} rows/s   {run['cpu']:7.1f} s of the processor, "
            f"{run['cpu'] / run['lines'] / floor:5.2f} x floor   peak {run['peak_mb']:6,.0f} MB"
        )
    print(f"  the target is {TARGET_RATIO} x floor and {TARGET_GB} GB")


def _apart(name: str, folder: str) -> dict[str, float]:
    """One contestant in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.rollup", "run", name, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _run(name: str, folder: str) -> None:
    lake = Lake(Path(folder) / "lake")
    begun, used = time.perf_counter(), _processor()
    lines = CONTESTANTS[name](lake, Path(folder))
    seconds, used = time.perf_counter() - begun, _processor() - used
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    print(json.dumps({"lines": lines, "seconds": seconds, "cpu": used, "peak_mb": peak}))


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def decode(lake: Lake, _: Path) -> int:
    """Every column that the rollup needs, of one day after the other, kept for a moment."""
    lines = 0
    for _day, held in lake.files(COSTS).group_by("x_ChargeDate", maintain_order=True):
        for batch in pl.scan_parquet(held["file"].to_list()).select(STORED).collect_batches():
            lines += batch.height
    return lines


def ours(lake: Lake, folder: Path) -> int:
    """As the service does it."""
    with rolling(lake, Settings(data_dir=folder)) as roll:
        return sum(int(day["lines"].sum()) for day in roll(lake.files(COSTS)))


def whole(lake: Lake, folder: Path) -> int:
    """The whole step, for a ledger that knows of no earlier run."""
    file = folder / f"ledger-{time.time_ns()}.db"
    ledger = open_ledger(f"sqlite:///{file}")
    shutil.rmtree(folder / "lake" / DAILY_COSTS.name, ignore_errors=True)  # of a smaller bill: all is to be written
    refresh_daily_costs(lake, ledger, Settings(data_dir=folder), datetime(2027, 1, 1, tzinfo=UTC))
    ledger.close()
    return int(lake.files(COSTS)["rows"].sum())


def polars_in_one_plan(lake: Lake, _: Path) -> int:
    """The query that one would write."""
    sums = [pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in AMOUNTS]
    rolled = lake.scan(COSTS).group_by(BY).agg(pl.len().alias("lines"), *sums, pl.col(ESTIMATED).any())
    return int(rolled.collect(engine="streaming")["lines"].sum())


def duckdb_in_one_plan(lake: Lake, _: Path) -> int:
    """The query that one would write."""
    keys, sums = ", ".join(KEYS), ", ".join(f"sum({name})" for name in AMOUNTS)
    with duckdb.connect() as connection:
        lines = connection.read_parquet(lake.files(COSTS)["file"].to_list(), hive_partitioning=True)
        rolled: Any = lines.query(
            "lines", f"SELECT {keys}, {sums}, bool_or({ESTIMATED}), count(*) AS n FROM lines GROUP BY {keys}"
        )
        return int(rolled.pl()["n"].sum())


def pandas(lake: Lake, _: Path) -> int:
    """The query that one would write."""
    import pandas as pd  # here, so that it is in nobody else's memory

    some = lake.files(COSTS).filter(pl.col("rows").cum_sum() <= IN_PANDAS)
    held = pd.concat(
        pd.read_parquet(file, columns=STORED).assign(day=day) for day, file in some["x_ChargeDate", "file"].rows()
    )
    keys = ["day", *(name for name in KEYS if name in STORED)]
    held.groupby(keys, dropna=False, sort=False, observed=True)[list(AMOUNTS)].sum(min_count=1)
    return len(held)


CONTESTANTS: dict[str, Callable[[Lake, Path], int]] = {
    FLOOR: decode,
    OURS: ours,
    WHOLE: whole,
    "polars, one plan": polars_in_one_plan,
    "DuckDB, one plan": duckdb_in_one_plan,
    f"pandas, {IN_PANDAS:,} lines of them": pandas,
}
LIMITS = {"polars, one plan": IN_ONE_PLAN, "DuckDB, one plan": IN_ONE_PLAN}


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        _run(*sys.argv[2:])
    else:
        main(*(int(size) for size in sys.argv[1:]))
