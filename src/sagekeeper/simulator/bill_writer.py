"""The bill of a whole world as files, without serving it: CUR 2.0 and FOCUS 1.2 of every month, as AWS delivers them.

In: a world's name, seed and moment. Out: snappy parquet under ``NAME/data/BILLING_PERIOD=yyyy-mm/`` of a folder. It goes
month by month, and within a month by parts of so many rows: the memory holds a month's lines, and the wide rows of one
part alone, whatever the size of the organisation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from sagekeeper.simulator.adjustments import following, months
from sagekeeper.simulator.bill_files import chunks, parquet
from sagekeeper.simulator.bill_grain import Books
from sagekeeper.simulator.bill_sources import bill_everything
from sagekeeper.simulator.export_tables import TABLES, Table
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.world import PAYER, World
from sagekeeper.simulator.worlds import world_of

EXPORTS = {"cur2": "COST_AND_USAGE_REPORT", "focus": "FOCUS_1_2_AWS"}
DAILY = {
    "COST_AND_USAGE_REPORT": {"TIME_GRANULARITY": "DAILY", "INCLUDE_RESOURCES": "TRUE"},
    "FOCUS_1_2_AWS": {"TIME_GRANULARITY": "DAILY"},
}
ROWS_A_PART = 100_000
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Written:
    """One file."""

    export: str
    period: date
    file: Path
    rows: int
    billed_usd: float


def write_bill(
    folder: Path,
    now: datetime,
    seed: int,
    scale: str,
    progress: Progress = lambda *_: None,
    rows_a_part: int = ROWS_A_PART,
) -> Iterator[Written]:
    """Write all months of the world as they look at ``now``, one file after the other."""
    world = World()
    bill_everything()
    progress("people and endpoints", 0.0)
    world_of(scale)(world, now, seed)
    meter, plans = Meter(world), [plan for here in world.standing.values() for plan in here.savings_plans.values()]
    books = Books(PAYER, PAYER, dict(world.accounts), now, tuple(plans))
    periods = list(months(meter.born(now), now.date()))
    for number, period in enumerate(periods):
        progress(f"{period:%Y-%m}", (number + 1) / (len(periods) + 1))
        lines = meter.lines(period, following(period) - timedelta(days=1), now)
        for export, table in EXPORTS.items():
            yield from _month(folder, export, TABLES[table], lines, books, period, rows_a_part)


def _month(
    folder: Path, export: str, table: Table, lines: pl.DataFrame, books: Books, period: date, rows: int
) -> Iterator[Written]:
    settings = DAILY[table.name]
    maps = {name: kind for name, kind in table.schema(settings).items() if kind.startswith("map")}
    into = folder / export / "data" / f"BILLING_PERIOD={period:%Y-%m}"
    into.mkdir(parents=True, exist_ok=True)
    money = "BilledCost" if "BilledCost" in table.columns else "line_item_unblended_cost"
    for number, part in enumerate(chunks(lines, rows), 1):
        frame = table.query(part, books, settings)
        file = into / f"{export}-{number:05d}.snappy.parquet"
        file.write_bytes(parquet(frame, maps))
        yield Written(export, period, file, frame.height, float(frame[money].sum()))
