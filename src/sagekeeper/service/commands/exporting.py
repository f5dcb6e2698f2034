"""Giving the books away: export."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from sagekeeper.core.errors import BadInput
from sagekeeper.core.tables import COSTS
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import open_house

if TYPE_CHECKING:
    from sagekeeper.core.lake import Lake


class Kind(StrEnum):
    """What file the costs become."""

    FOCUS_CSV = "focus-csv"
    FOCUS_PARQUET = "focus-parquet"
    CSV = "csv"


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(export)


def export(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first day of the charges")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="last day, included")],
    out_file: Annotated[Path, typer.Option("--out", help="the file to write", metavar="FILE")],
    kind: Annotated[Kind, typer.Option("--format", help="FOCUS 1.2 for programs, csv for people")] = Kind.FOCUS_CSV,
    dataset: Annotated[str | None, typer.Option(help="which bill; needed where the period has several")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the costs of a period to a file: FOCUS 1.2 (csv, parquet) or a csv for people."""
    from sagekeeper.reports.cost_files import derived_counts, write_costs

    out = Output(as_json)
    begin, end = first.date(), last.date()
    if begin > end:
        raise BadInput(f"--from {begin} is after --to {end}. Swap them.")
    with open_house() as house:
        chosen = _bill(house.lake, begin, end, dataset)
        rows = house.lake.scan(COSTS).filter(
            (pl.col("x_Dataset") == chosen) & pl.col("x_ChargeDate").is_between(begin, end)
        )
        with out.progress(f"writing {out_file.name}"):
            written = write_costs(rows, kind.value, out_file)
            derived = {} if kind == Kind.CSV else derived_counts(rows)
    span = f"{begin} to {end}"
    out.give({"file": out_file, "format": kind.value, "dataset": chosen, "rows": written, "derived": derived})
    if derived:
        out.table(
            "Not stated by the bill, derived (x_DerivedColumns names them in each row)",
            ("column", "rows>"),
            list(derived.items()),
        )
    out.say(f"{written} rows of {chosen}, {span}, are in {out_file} as {kind.value}. Rules: docs/focus-export.md")


def _bill(lake: Lake, begin: date, end: date, wanted: str | None) -> str:
    """The bill to export: bills are never summed together, so there must be one."""
    there = lake.scan(COSTS).filter(pl.col("x_ChargeDate").is_between(begin, end))
    datasets = there.select(pl.col("x_Dataset").unique().sort()).collect(engine="streaming")["x_Dataset"].to_list()
    if not datasets:
        raise BadInput(
            f"The lake has no costs from {begin} to {end}. Next: sagekeeper collect, or sagekeeper ingest FILE"
        )
    names = ", ".join(datasets)
    if wanted is None and len(datasets) > 1:
        raise BadInput(f"From {begin} to {end} the lake has {len(datasets)} bills: {names}. Choose one with --dataset.")
    if wanted is not None and wanted not in datasets:
        raise BadInput(f"From {begin} to {end} the lake has no bill {wanted}. It has: {names}.")
    return wanted or datasets[0]
