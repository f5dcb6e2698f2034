"""The large organisation (200 accounts, 10,000 endpoints, 13 months): its bill written whole, and its account served.

Floor: merely writing the very same rows as parquet. Targets: ten minutes and six gigabytes. A size for a quick look:
``python -m benchmarks.enterprise_world enterprise:12:200``.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq

from benchmarks.timing import show
from sagekeeper.simulator.bill_writer import write_bill
from sagekeeper.simulator.process import start
from sagekeeper.simulator.server import DEFAULT_NOW

TARGET_S, TARGET_GB = 600.0, 6.0
YEAR = {"Start": "2025-10-01", "End": "2026-11-21"}


def main(scale: str = "enterprise") -> None:
    """Run it and print times, memory, rows and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        begun, used = time.perf_counter(), time.process_time()
        written = list(write_bill(Path(folder), DEFAULT_NOW, 7, scale))
        took, used = time.perf_counter() - begun, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        rows = {name: sum(item.rows for item in written if item.export == name) for name in ("cur2", "focus")}
        size = sum(item.file.stat().st_size for item in written) / 1024**2
        floor = sum(_again(item.file, Path(folder) / "again.parquet") for item in written)
    show(
        f"Bill of {scale}, CUR 2.0 and FOCUS 1.2 by day and resource, seconds of the processor",
        {"floor: writing the same rows": floor, "sagekeeper simulate bill": used},
        "floor: writing the same rows",
    )
    print(f"  {rows['cur2']:,} rows of CUR 2.0, {rows['focus']:,} of FOCUS, {len(written)} files, {size:,.0f} MB")
    print(f"  {took:.0f} s ({used:.0f} s of the processor), peak {peak:.1f} GB")
    print(f"  the target is {TARGET_S:.0f} s and {TARGET_GB:.0f} GB")
    _served(scale)


def _again(file: Path, into: Path) -> float:
    """Seconds of the processor to write a file's rows once more."""
    table = pq.read_table(file)
    begun = time.process_time()
    pq.write_table(table, into, compression="snappy")
    return time.process_time() - begun


def _served(scale: str) -> None:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, start(Path(folder), scale=scale, patience_s=2400) as account:
        print(f"\nServe {scale}\n  ready after {time.perf_counter() - begun:.0f} s")
        explorer: Any = boto3.client(
            "ce",
            region_name="us-east-1",
            endpoint_url=account.url,
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
        )
        for granularity in ("MONTHLY", "DAILY"):
            for keys in (("SERVICE",), ("LINKED_ACCOUNT",), ("LINKED_ACCOUNT", "SERVICE")):
                _asked(explorer, granularity, keys)
        status = Path(f"/proc/{account.process.pid}/status")
        if status.exists():
            peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            print(f"  peak {int(peak.split()[1]) / 1024**2:.1f} GB; the target is {TARGET_GB:.0f} GB")


def _asked(explorer: Any, granularity: str, keys: tuple[str, ...]) -> None:
    """All pages of 13 months, timed."""
    asked: dict[str, Any] = {
        "TimePeriod": YEAR,
        "Granularity": granularity,
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": key} for key in keys],
    }
    begun, pages, groups = time.perf_counter(), 0, 0
    while True:
        answer = explorer.get_cost_and_usage(**asked)
        pages, groups = pages + 1, groups + sum(len(row["Groups"]) for row in answer["ResultsByTime"])
        if "NextPageToken" not in answer:
            break
        asked["NextPageToken"] = answer["NextPageToken"]
    told = f"GetCostAndUsage {granularity} by {' and '.join(keys)}"
    print(f"  {told:<64} {time.perf_counter() - begun:6.1f} s, {groups:,} groups on {pages} pages")


if __name__ == "__main__":
    main(*sys.argv[1:])
