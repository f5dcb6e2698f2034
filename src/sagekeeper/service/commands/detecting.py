"""On any file of costs: detect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sagekeeper.core.errors import BadInput
from sagekeeper.core.settings import load_settings
from sagekeeper.service.console import JsonOption, Output

WRITTEN = ("series_id", "ts", "score", "is_anomaly", "impact")


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(detect)


def detect(
    source: Annotated[
        Path, typer.Option("--in", help="parquet: series_id, ts, cost (daily or hourly); account, usage_type if known")
    ],
    target: Annotated[
        Path, typer.Option("--out", help="parquet, a row per row: series_id, ts, score, is_anomaly, impact")
    ],
    as_json: JsonOption = False,
) -> None:
    """Name the days on which a cost series is unusually high, in any file of costs.

    A row is judged by what came before it. ``score`` is -log10 of the chance of such a day, ``impact`` what it cost beyond the
    expected, in the currency of ``cost``. How much is told: the settings under ``anomalies``.
    """
    import polars as pl

    from sagekeeper.analyzers.anomalies import detect as detected

    out = Output(as_json)
    settings = load_settings().anomalies
    try:
        costs = pl.read_parquet(source)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{source} cannot be read as parquet: {error}.") from error
    found = detected(costs, settings)
    try:
        found.select(WRITTEN).write_parquet(target)
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error}.") from error
    flagged = found.filter("is_anomaly")
    told = {
        "rows": found.height,
        "series": found["series_id"].n_unique(),
        "flagged_rows": flagged.height,
        "flagged_series": flagged["series_id"].n_unique(),
        "provisional_rows": flagged["provisional"].sum(),
        "impact": flagged["impact"].sum(),
    }
    out.give(told)
    out.say(
        f"{told['flagged_rows']:,} of {told['rows']:,} rows are unusual, in {told['flagged_series']:,} of "
        f"{told['series']:,} series: {told['impact']:,.2f} beyond the expected, in the currency of the costs. "
        f"{told['provisional_rows']:,} of them are among the last days and may be withdrawn. Written to {target}."
    )
