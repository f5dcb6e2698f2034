"""What is unusual, in any file of costs, in the bill, or in the endpoints' metrics: detect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagekeeper.core.errors import BadInput
from sagekeeper.core.settings import load_settings
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import open_house

if TYPE_CHECKING:
    import polars as pl

WRITTEN = ("series_id", "ts", "score", "is_anomaly", "impact")
"""Of the file that is written: what a scorer reads."""
MOST_SHOWN = 40
DEAR = ("day", "series", "too much>", "instead of>", "1 in 10^>", "")
ODD = ("hour, UTC", "metric", "value>", "expected>", "1 in 10^>", "")


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(detect)


def detect(
    given: Annotated[
        Path | None,
        typer.Option(
            "--in", help="parquet or csv: series_id, ts, cost, and account, usage_type if known; none: the bill"
        ),
    ] = None,
    written: Annotated[
        Path | None, typer.Option("--out", help="parquet or csv to write: series_id, ts, score, is_anomaly, impact")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option("--masks", help="days that are known or accepted: series_id, first, last")
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="hours of the endpoints' requests, errors and latency instead of costs")
    ] = False,
    dataset: Annotated[str, typer.Option(help="which bill, without --in")] = "cost-explorer",
    days: Annotated[int, typer.Option(min=1, max=400, help="how many of the last days are shown")] = 14,
    as_json: JsonOption = False,
) -> None:
    """Name the days on which a cost series is unusually high, or the hours in which an endpoint is unlike itself.

    A row is judged by what came before it. ``score`` is -log10 of the chance of such a day, ``impact`` what it cost beyond the
    expected, in the currency of the costs. How much is told: the settings under ``anomalies``.
    """
    out = Output(as_json)
    if metrics:
        if given or written or masks:
            raise BadInput("--metrics judges what was collected: without --in, --out and --masks.")
        _tell_hours(out, days)
    else:
        _tell_days(out, given, written, masks, dataset, days)


def _tell_days(
    out: Output, given: Path | None, written: Path | None, masks: Path | None, dataset: str, days: int
) -> None:
    import polars as pl

    from sagekeeper.analyzers.anomalies import detect as detected
    from sagekeeper.service.spend_file import read_spend, write_spend
    from sagekeeper.service.spend_of_bill import spend_of_bill

    if given is None:
        with open_house() as house:
            costs = spend_of_bill(house.lake, dataset, house.clock().date())
    else:
        costs = read_spend(given)
    found = detected(costs, load_settings().anomalies, None if masks is None else read_spend(masks))
    if written is not None:
        write_spend(found.select(WRITTEN), written)
    flagged = found.filter("is_anomaly")
    unit = costs["currency"][0] if given is None else "in the costs' currency"
    last = found["ts"].max()
    if last is not None:
        recent = flagged.filter(pl.col("ts") > pl.lit(last) - timedelta(days=days)).sort(
            "ts", "impact", descending=True
        )
        _show(out, recent, f"Unusually dear, last {days} days, {unit}", DEAR, _dear)
    out.give(
        {
            "rows": found.height,
            "series": found["series_id"].n_unique(),
            "flagged_rows": flagged.height,
            "flagged_series": flagged["series_id"].n_unique(),
            "provisional_rows": int(flagged["provisional"].sum()),
            "impact": flagged["impact"].sum(),
            "flagged": flagged.to_dicts() if written is None else [],
        }
    )
    out.say(
        f"{flagged.height:,} of {found.height:,} rows are unusual, in {flagged['series_id'].n_unique():,} of "
        f"{found['series_id'].n_unique():,} series: {flagged['impact'].sum():,.2f} beyond the expected, {unit}. "
        f"{flagged['provisional'].sum():,} of them are of the last days and may be withdrawn."
        + (f" Written to {written}." if written is not None else "")
    )


def _tell_hours(out: Output, days: int) -> None:
    import polars as pl

    from sagekeeper.analyzers.metric_anomalies import detect_metrics
    from sagekeeper.analyzers.traffic import in_service
    from sagekeeper.core.tables import INVENTORY, METRICS

    with open_house() as house:
        today, settings = house.clock().date(), house.settings
        since = today - timedelta(days=settings.collect.metric_days + 1)
        points = house.lake.scan(METRICS).filter(pl.col("day") >= since, pl.col("period_seconds") == 3600).collect()
        stood = in_service(house.lake.scan(INVENTORY).collect())
    found = detect_metrics(points, stood, settings.anomalies)
    recent = found.filter(pl.col("is_anomaly"), pl.col("start").dt.date() > today - timedelta(days=days + 1))
    named = recent.select(
        ts="start",
        series_id=pl.concat_str(
            "account", "region", "resource_name", "variant", "metric", separator=" / ", ignore_nulls=True
        ),
        cost="value",
        expected="expected",
        score="score",
        direction="direction",
    )
    _show(out, named.sort("ts", "score", descending=True), f"Hours unlike their past, last {days} days", ODD, _odd)
    out.give({"hours": found.height, "flagged": recent.to_dicts()})
    out.say(f"{recent.height:,} hours of the last {days} days are unusual, of {found.height:,} that could be judged.")


def _dear(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['ts']:%-d %b %Y}",
        row["series_id"],
        f"{row['impact']:,.2f}",
        f"{row['expected']:,.2f}",
        f"{row['score']:.1f}",
        "may be withdrawn" if row["provisional"] else "",
    )


def _odd(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['ts']:%-d %b %Y %H:%M}",
        row["series_id"],
        f"{row['cost']:,.4g}",
        f"{row['expected']:,.4g}",
        f"{row['score']:.1f}",
        row["direction"],
    )


def _show(
    out: Output,
    rows: pl.DataFrame,
    title: str,
    columns: tuple[str, ...],
    line: Callable[[dict[str, Any]], tuple[str, ...]],
) -> None:
    if rows.is_empty():
        return
    out.table(title, columns, [line(row) for row in rows.head(MOST_SHOWN).iter_rows(named=True)])
    if rows.height > MOST_SHOWN:
        out.say(f"And {rows.height - MOST_SHOWN:,} more; --json gives all.")
