"""Where spend will be: forecast, of any file or of the bill, and how good such forecasts were."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
import typer

from sagekeeper.analyzers.forecast_backtest import backtest as run_backtest
from sagekeeper.analyzers.forecast_backtest import backtest_sums, scores
from sagekeeper.analyzers.forecast_hierarchy import hierarchy
from sagekeeper.analyzers.forecasting import ForecastSettings, Given, month_end
from sagekeeper.core.errors import BadInput
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import open_house
from sagekeeper.service.spend_file import read_spend, write_spend

COLUMNS = ("series_id", "origin", "low80", "median", "high80", "low95", "high95")
"""Of the file that is written: what a scorer reads."""
FIGURES = {
    "wape": "WAPE",
    "crps": "CRPS",
    "coverage80": "80 % range held",
    "coverage95": "95 % range held",
    "brier": "Brier of breach",
}


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(forecast)


def forecast(
    given: Annotated[
        Path | None, typer.Option("--in", help="parquet or csv: series_id, ts, cost; none: the bill", metavar="FILE")
    ] = None,
    written: Annotated[
        Path | None, typer.Option("--out", help="parquet or csv to write: a row per series and origin", metavar="FILE")
    ] = None,
    horizon: Annotated[str, typer.Option(help="month-end, or so many days: 90")] = "month-end",
    origin: Annotated[
        list[datetime] | None,
        typer.Option(formats=["%Y-%m-%d"], help="last day that is looked at; may be repeated; default: the last one"),
    ] = None,
    sum_by: Annotated[
        str | None,
        typer.Option(help="columns, from the top: account,service; their sums are forecast too", metavar="COLUMNS"),
    ] = None,
    known: Annotated[
        Path | None, typer.Option(help="days to come that are fixed: series_id, ts, cost", metavar="FILE")
    ] = None,
    planned: Annotated[
        Path | None, typer.Option(help="changes to come: series_id, first, last, factor, add", metavar="FILE")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="new unit prices: series_id, ts, factor", metavar="FILE")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="days not to learn from: series_id, first, last", metavar="FILE")
    ] = None,
    backtest: Annotated[
        bool, typer.Option("--backtest", help="forecast from past days and say how good it was")
    ] = False,
    dataset: Annotated[str, typer.Option(help="which bill, without --in")] = "cost-explorer",
    as_json: JsonOption = False,
) -> None:
    """Forecast where each series of spend ends, with ranges that hold; or test on the past how well that goes."""
    out = Output(as_json)
    settings = ForecastSettings(horizon=_horizon(horizon))
    origins = [moment.date() for moment in origin] if origin else None
    if not backtest and written is None:
        raise BadInput("Say where to write with --out FILE, or test on the past with --backtest.")
    files = {"known": known, "planned": planned, "prices": prices, "masks": masks}
    if backtest and any(files.values()):
        raise BadInput(
            f"{', '.join(f'--{name}' for name, file in files.items() if file)}: only of days to come, not with --backtest."
        )
    costs = read_spend(given) if given is not None else _bill(dataset)
    source = str(given) if given is not None else f"the bill {dataset}, without tax"
    levels = [name.strip() for name in (sum_by or "").split(",") if name.strip()]
    if backtest:
        _tell_backtest(out, costs, settings, origins, source, levels)
    if written is not None:
        ahead_of_time = Given(**{name: read_spend(file) for name, file in files.items() if file is not None})
        if levels:
            found = hierarchy(costs, levels, origins, settings, ahead_of_time).rename({"node": "series_id"})
        else:
            found = month_end(costs, origins, settings, ahead_of_time)
        rows = found.select(COLUMNS)
        write_spend(rows, written)
        ahead = "to the end of its month" if horizon == "month-end" else f"{settings.horizon} days ahead"
        out.say(f"{rows['series_id'].n_unique():,} series of {source}, {ahead}: {rows.height:,} rows in {written}.")
        if not backtest:
            out.give({"file": written, "horizon": settings.horizon, "rows": rows.height})


def _tell_backtest(
    out: Output,
    costs: pl.DataFrame,
    settings: ForecastSettings,
    origins: list[date] | None,
    source: str,
    levels: list[str],
) -> None:
    per_level = backtest_sums(costs, levels, settings, origins) if levels else []
    cases = per_level[-1][1] if levels else run_backtest(costs, settings, origins)
    whole = scores(cases)
    per_origin = {day: scores(part) for (day,), part in cases.group_by("origin", maintain_order=True)}
    sums = {f"sums: {name}": scores(part) for name, part in per_level[:-1]}
    lines = [*((f"{day}", found) for day, found in per_origin.items()), ("all", whole), *sums.items()]
    out.table(
        f"{cases['series_id'].n_unique():,} series of {source}, forecast from {len(per_origin)} past days",
        ("from", "series>", *(f"{title}>" for title in FIGURES.values())),
        [(name, f"{found['cases']:,}", *(_figure(found[key]) for key in FIGURES)) for name, found in lines],
    )
    out.say(
        "WAPE and CRPS: shares of what was spent in the end, smaller is better. A range of 80 % should hold 0.80 of the "
        "time. Brier: 0 is certain and right, 0.25 is a coin."
    )
    out.give(
        {
            "source": source,
            "horizon": settings.horizon,
            **whole,
            "origins": [{"origin": day} | found for day, found in per_origin.items()],
            "sums": [{"level": name} | scores(part) for name, part in per_level[:-1]],
        }
    )


def _bill(dataset: str) -> pl.DataFrame:
    from sagekeeper.service.spend_of_bill import spend_of_bill

    with open_house() as house:
        return spend_of_bill(house.lake, dataset, house.clock().date())


def _horizon(text: str) -> Literal["month-end"] | int:
    if text == "month-end":
        return "month-end"
    number = text.removesuffix("d")
    if not number.isdigit() or not 1 <= int(number) <= 366:
        raise BadInput(f"--horizon {text}: it is month-end, or a number of days from 1 to 366.")
    return int(number)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
